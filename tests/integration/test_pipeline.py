"""The whole pipeline on the real files: embedded by one command, and on Apache Kafka with the worker killed in the middle."""

import asyncio
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from sinks.clickhouse.sink import Plan, run_sink
from streams.config import Settings
from streams.connection import kafka_options
from streams.connectors.base import Rejected
from streams.connectors.publisher import Publisher
from streams.connectors.replay import open_replay
from streams.kafka import covered
from streams.progress import Progress
from tests import figures
from tests.clickhouse_server import embedded
from tests.kafka_broker import Kafka
from tests.plants import Rapport, own_settings

RAPPORT = (sys.executable, "-m", "streams")


def rapport(*arguments: str | Path) -> str:
    done = subprocess.run([*RAPPORT, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def test_the_sample_by_one_command_and_again(tmp_path: Path) -> None:
    file = figures.data_file("twcs_sample.csv")
    began = time.monotonic()
    said = rapport("replay", file, "--format", "twcs", "--embedded", tmp_path)
    assert time.monotonic() - began < 60
    for line in (
        "records read 5,001",
        "set aside 1 1 malformed_record",
        "unattributed 140",
        "mentions 3,073",
        "replies 2,197",
        "broadcasts 25",
        "turns 2,430",
        "answered 2,084",
        "expired 338",
        "open 8",
    ):
        assert line in said
    with embedded(tmp_path / "clickhouse") as client:
        figures.assert_sample(client)
        figures.assert_streamed_medians(client)
        before = figures.fingerprint(client)
    rapport("replay", file, "--format", "twcs", "--embedded", tmp_path)
    with embedded(tmp_path / "clickhouse") as client:
        assert figures.fingerprint(client) == before, "a second run changes no row that the views show"


@pytest.mark.slow
def test_the_pairs_by_one_command(tmp_path: Path) -> None:
    file = figures.data_file("reply_pairs.csv")
    said = rapport("replay", file, "--format", "pairs", "--embedded", tmp_path)
    assert "turns 27,260 answered 27,242 expired 18" in said
    with embedded(tmp_path / "clickhouse") as client:
        figures.assert_pairs(client)


async def through_kafka(settings: Settings, file: Path, file_format: str, client: Client, directory: Path) -> None:
    """Publish a file in many small messages; kill the worker after a third and after two thirds of them."""
    source = open_replay(file, file_format)
    stop = asyncio.Event()
    sink = asyncio.create_task(run_sink(kafka_options(settings), client, Plan(settings.topics), stop))
    worker = Rapport("worker", settings, directory)
    kills = [len(source.items) // 3, len(source.items) * 2 // 3]
    async with Publisher(
        kafka_options(settings), settings.topics, source=file_format, deterministic=True, max_bytes_in_flight=None
    ) as publisher:
        for number, item in enumerate(source.items):
            if isinstance(item, Rejected):
                await publisher.reject(item)
            else:
                await publisher.publish(item)
            if number % (len(source.items) // 200) == 0:
                await publisher.flush()
                await asyncio.sleep(0.05)
            if kills and number == kills[0]:
                kills.pop(0)
                await until_half_covered(settings, number)
                assert worker.popen.poll() is None, worker.log.read_text()
                worker.kill()
                worker.start()
        await publisher.tick(max(item["received_at"] for item in source.items if not isinstance(item, Rejected)))
    async with Progress(settings) as progress:
        await progress.folded(ignore)
        await progress.stored(ignore)
    assert not kills
    assert worker.stop() == 0
    stop.set()
    await sink


async def until_half_covered(settings: Settings, number: int) -> None:
    """Wait until the worker is at work and has something checkpointed, so that killing it leaves something half done."""
    deadline = time.monotonic() + 30
    while not (low := await asyncio.to_thread(covered, settings)) or sum(low.values()) < number // 4_000:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


def ignore(_rest: int) -> None:
    pass


@pytest.mark.kafka
@pytest.mark.slow
def test_on_apache_kafka_with_the_worker_killed_twice(plant: Settings, clickhouse: Client, tmp_path: Path) -> None:
    asyncio.run(through_kafka(plant, figures.data_file("twcs_sample.csv"), "twcs", clickhouse, tmp_path))
    figures.assert_sample(clickhouse)


@pytest.mark.kafka
def test_a_worker_is_ready_when_it_has_recovered(plant: Settings, tmp_path: Path) -> None:
    worker = Rapport("worker", plant, tmp_path)
    answers: list[int] = []
    deadline = time.monotonic() + 30
    while 200 not in answers:
        assert time.monotonic() < deadline, worker.log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/readyz", timeout=2) as answer:
                answers.append(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            answers.append(error.code)
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.02)
    assert set(answers[:-1]) == {503}, "while it joins and recovers it is not ready"
    assert any(name.startswith("rapport_recovery_seconds") for name in worker.metrics())
    assert worker.stop() == 0


@pytest.fixture
def plant(kafka: Kafka) -> Settings:
    """Return the settings of a plant of its own on the broker of this session, its topics made."""
    return own_settings(kafka.brokers, "pipeline", checkpoint_seconds=1.0, ticks=False, log_level="WARNING")
