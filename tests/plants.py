"""A plant of its own on a Kafka to test with: its topics and what they hold, `rapport worker` and `rapport sink` as processes."""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Read
from prometheus_client.parser import text_string_to_metric_families

from schemas import codec
from schemas.topics import Topic
from streams import config, kafka
from streams.config import Settings, load_settings
from streams.intake import Message
from tests.processes import ROOT, Process, kept_port

PARTITIONS = 4
GROUP_TRIES = 60
READER = {
    "group.id": "nobody",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 10,
    "log_level": 0,
}
"""How a topic is read to its end, and nothing is committed."""


class Rapport(Process):
    """A process of Rapport's, and what it says of itself."""

    def __init__(self, command: str, settings: Settings, directory: Path, source: Path = ROOT) -> None:
        """Start ``rapport`` with ``command``, as ``notify run``; its log is added to in ``directory``, its code in ``source``."""
        self.port = kept_port()
        environment = config.environment(settings.model_copy(update={"metrics_port": self.port}))
        super().__init__(
            [sys.executable, "-m", "streams", *command.split()], directory / f"{command}.log", environment, source
        )

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
    consumer = Consumer({"bootstrap.servers": brokers, **READER})
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


def read(brokers: str, topic: str, partitions: Iterable[int] = range(PARTITIONS)) -> Iterator[Read]:
    """Yield all that a topic holds, one partition after the other, each in order."""
    consumer = Consumer({"bootstrap.servers": brokers, **READER})
    try:
        for number in partitions:
            consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING)])
            ended = False
            while not ended:
                for message in consumer.consume(5_000, 0.1):
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its only name
                        ended = True
                    else:
                        raise RuntimeError(f"{topic} cannot be read: {error}")
    finally:
        consumer.close()


def messages(brokers: str, topic: str, partitions: Iterable[int] = range(PARTITIONS)) -> Iterator[Message]:
    """Yield the same, as the worker is given it."""
    for it in read(brokers, topic, partitions):
        yield Message(topic, it.partition(), it.offset(), it.timestamp()[1], it.value() or b"")


def records(brokers: str, topic: Topic) -> Iterator[codec.Record]:
    """Yield every record in a topic's messages."""
    for message in messages(brokers, topic.name, range(topic.partitions or PARTITIONS)):
        yield from codec.decode(topic.record, message.value)
