"""A plant of its own on a Kafka to test with: its topics, and `rapport worker` and `rapport sink` as processes."""

import sys
import time
from collections import Counter
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from streams import config, kafka
from streams.config import Settings, load_settings
from tests.processes import ROOT, Process, free_port

PARTITIONS = 4
GROUP_TRIES = 60


class Rapport(Process):
    """A process of Rapport's, and what it says of itself."""

    def __init__(self, command: str, settings: Settings, directory: Path, source: Path = ROOT) -> None:
        """Start ``rapport`` with ``command``; its log is added to in ``directory``. ``source``: where its code is."""
        self.port = free_port()
        environment = config.environment(settings.model_copy(update={"metrics_port": self.port}))
        super().__init__([sys.executable, "-m", "streams", command], directory / f"{command}.log", environment, source)

    def metrics(self) -> dict[str, float]:
        """Return its metrics, the labels summed up: nothing while it does not answer."""
        found: Counter[str] = Counter()
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return found
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] += sample.value
        return found


def own_settings(brokers: str, name: str, **others: object) -> Settings:
    """Return the settings of a plant of its own, its topics made and Kafka ready for its groups."""
    prefix = f"{name}-{uuid4().hex[:8]}"
    settings = load_settings(brokers=brokers, topic_prefix=prefix, partitions=PARTITIONS, **others)
    kafka.apply_topics(settings)
    _wait_for_groups(brokers)
    return settings


def _wait_for_groups(brokers: str) -> None:
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
