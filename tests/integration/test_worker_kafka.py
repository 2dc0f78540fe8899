"""The worker on a real broker, with a toy model: exact through kill -9 and SIGTERM, whatever the input holds."""

import asyncio
import time
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Producer

from schemas import codec
from schemas.topics import LARGEST_CHECKPOINT
from streams import kafka as streams_kafka
from streams.config import Settings, load_settings
from streams.connection import METADATA_AGE_MS, kafka_options
from streams.envelope import Checkpoint, Stored, account_key, new_epoch
from streams.errors import EXIT_USAGE
from streams.interactions import interaction
from tests.kafka_broker import Kafka
from tests.plants import messages, own_settings, records
from tests.toy_trial import Load, Worker, judge, settings_for, wait_until_covered


@pytest.mark.kafka
@pytest.mark.slow
def test_outputs_are_those_of_one_sequential_pass_through_kill_9_and_sigterm(kafka: Kafka, tmp_path: Path) -> None:
    settings = settings_for(kafka.brokers)
    load = Load(settings, rate=100, seed=1)
    load.start()
    worker = Worker(settings, tmp_path / "1.log")
    for number in (2, 3):
        wait_until_covered(settings, dict.fromkeys(range(4), number * 30))  # so there is something to be recovered
        worker.kill()
        worker = Worker(settings, tmp_path / f"{number}.log")
    wait_until_covered(settings, dict.fromkeys(range(4), 200))
    load.enough.set()
    load.join()
    ends = {m.partition: m.offset for m in messages(settings.brokers, settings.topics.interactions.name)}
    wait_until_covered(settings, ends)
    assert worker.stop() == 0
    low = streams_kafka.covered(settings)
    verdict = judge(settings, low)
    assert verdict.faults() == {}
    assert verdict.rows["alert"] > 20
    assert verdict.letters >= load.poison > 10
    assert [line["accounts"] > 0 for line in worker.said("Recovered")] == [True]

    again = Worker(settings, tmp_path / "4.log")
    wait_until_covered(settings, {number: offset + 1 for number, offset in low.items()})
    assert again.stop() == 0
    assert again.said("Recovered")[0]["offsets"] == {str(number): offset for number, offset in low.items()}
    verdict_again = judge(settings, streams_kafka.covered(settings))
    assert verdict_again.faults() == {}
    assert verdict_again.letters == verdict.letters, "nothing is replayed"


@pytest.mark.kafka
def test_who_was_given_nothing_is_given_partitions_once_the_topic_is_there(kafka: Kafka) -> None:
    """So it is for a worker or a sink that joins while a broker that has just started does not know the topic yet."""
    asyncio.run(_given_in_time(load_settings(brokers=kafka.brokers, topic_prefix=f"late-{uuid4().hex[:8]}")))


async def _given_in_time(settings: Settings) -> None:
    topic = settings.topics.interactions.name
    async with AIOKafkaConsumer(**kafka_options(settings), group_id=f"{topic}-readers") as consumer:
        consumer.subscribe([topic])
        await asyncio.sleep(2)
        assert not consumer.assignment()
        await asyncio.to_thread(streams_kafka.apply_topics, settings)
        async with asyncio.timeout(3 * METADATA_AGE_MS / 1000):
            while not consumer.assignment():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)


@pytest.mark.slow
def test_the_embedded_broker_carries_it_too(embedded_kafka: Kafka, tmp_path: Path) -> None:
    settings = settings_for(embedded_kafka.brokers)
    load = Load(settings, rate=60, seed=2)
    load.start()
    worker = Worker(settings, tmp_path / "1.log")
    wait_until_covered(settings, dict.fromkeys(range(4), 50))
    worker.kill()
    worker = Worker(settings, tmp_path / "2.log")
    time.sleep(4)
    load.enough.set()
    load.join()
    ends = {m.partition: m.offset for m in messages(settings.brokers, settings.topics.interactions.name)}
    wait_until_covered(settings, ends)
    assert worker.stop() == 0
    verdict = judge(settings, streams_kafka.covered(settings))
    assert verdict.faults() == {}
    assert min(worker.said("Recovered")[0]["offsets"].values()) >= 50


def test_poison_alone_stops_the_worker_with_one_line_and_nothing_is_passed_over(
    embedded_kafka: Kafka, tmp_path: Path
) -> None:
    settings = settings_for(embedded_kafka.brokers)
    good = interaction(id="toy:1", account="toy:1", kind="mention", published_at=1, received_at=1)
    producer = Producer({"bootstrap.servers": settings.brokers, "log_level": 0})
    for value in [b"garbage"] * 50 + [codec.encode("interaction", [good])]:
        producer.produce(settings.topics.interactions.name, value, partition=1)
    producer.flush()
    worker = Worker(settings, tmp_path / "log", RAPPORT_DEAD_LETTERS_PER_MINUTE="20")
    assert worker.wait(30) == EXIT_USAGE
    (line,) = worker.lines("critical")
    assert "more than 20 dead letters within a minute, of late: undecodable: see" in line["event"]
    assert "raise RAPPORT_DEAD_LETTERS_PER_MINUTE" in line["event"]

    again = Worker(settings, tmp_path / "again.log", RAPPORT_DEAD_LETTERS_PER_MINUTE="50")
    wait_until_covered(settings, {1: 50})
    assert again.stop() == 0
    letters = {letter["place"] for letter in records(settings.brokers, settings.topics.dead_letters)}
    assert letters == {f"{settings.topics.interactions.name}/1/{offset}" for offset in range(50)}
    assert [*messages(settings.brokers, settings.topics.turns.name)], "what is good is measured"


def test_a_worker_says_what_is_missing(embedded_kafka: Kafka, tmp_path: Path) -> None:
    settings = load_settings(brokers=embedded_kafka.brokers, topic_prefix="nothing")
    worker = Worker(settings, tmp_path / "log")
    assert worker.wait(30) == EXIT_USAGE
    assert worker.log.read_text().startswith("there is no topic nothing.interactions, nothing.turns")
    assert "run rapport topics apply" in worker.log.read_text()


def test_a_worker_says_that_kafka_is_not_there(tmp_path: Path) -> None:
    begun = time.monotonic()
    worker = Worker(load_settings(brokers="127.0.0.1:1"), tmp_path / "log")
    assert worker.wait(30) == EXIT_USAGE
    assert time.monotonic() - begun < 15
    (line,) = worker.log.read_text().splitlines()
    assert line.startswith("Kafka does not answer at 127.0.0.1:1")


@pytest.mark.kafka
def test_a_large_state_can_be_written_and_read_again(kafka: Kafka) -> None:
    settings = own_settings(kafka.brokers, "large")
    state = Stored(1, bytes(50 << 20))
    producer = Producer({"bootstrap.servers": kafka.brokers, "message.max.bytes": LARGEST_CHECKPOINT})
    value = Checkpoint(7, 1000, state).encode()
    producer.produce(settings.topics.checkpoints.name, value, account_key("net:loud", new_epoch(0)), partition=0)
    assert producer.flush(60) == 0
    loaded = asyncio.run(streams_kafka.read_checkpoints(settings, [0]))
    assert loaded[0].accounts()["net:loud"].state == state
