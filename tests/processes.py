"""`rapport worker` and `rapport sink` as processes of their own, and what one sees of them from outside: memory, metrics, log."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from confluent_kafka import Consumer, KafkaException, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from streams import config
from streams.config import Settings
from tests.kafka_broker import ROOT, free_port

MEBIBYTE = 1 << 20
STOP_SECONDS = 20.0
GROUP_TRIES = 60


class Process:
    """A process of Rapport's."""

    def __init__(self, command: str, settings: Settings, directory: Path, source: Path = ROOT) -> None:
        """Start ``rapport`` with ``command``; its log is added to in ``directory``. ``source``: where its code is."""
        self.command, self.log, self._port = command, directory / f"{command}.log", free_port()
        environment = config.environment(settings.model_copy(update={"metrics_port": self._port}))
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "streams", command], cwd=source, env=environment, stdout=out, stderr=out
            )

    def resident(self) -> float:
        """Return how much memory it has, in MiB; raises if it has ended."""
        return resident(self.popen)

    def metrics(self) -> dict[str, float]:
        """Return what it says of itself, the labels summed up: nothing while it does not answer."""
        found: Counter[str] = Counter()
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return found
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] += sample.value
        return found

    def lines(self, *levels: str) -> list[dict[str, Any]]:
        """Return what it logged, or what of that has one of these levels; what is not JSON is ``error``."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"level": "error", "event": line})
        return [line for line in found if not levels or line["level"] in levels]

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> int:
        """Ask it to stop and return its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(STOP_SECONDS)
        finally:
            self.kill()


def wait_for_groups(brokers: str) -> None:
    """Return when a new Kafka is ready for consumer groups: until then, aiokafka logs errors that say nothing about us."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "nobody", "log_level": 0})
    try:
        for _ in range(GROUP_TRIES):
            try:
                consumer.committed([TopicPartition("none", 0)], timeout=1)
            except KafkaException:  # the topic of the groups is being made
                time.sleep(0.5)
            else:
                return
    finally:
        consumer.close()
    raise RuntimeError(f"Kafka at {brokers} has no coordinator of groups")


def resident(process: subprocess.Popen[bytes]) -> float:
    """Return the resident memory of a process in MiB; raises if it has ended."""
    if process.poll() is not None:
        raise RuntimeError(f"a process has ended with {process.returncode}: {process.args}")
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE
