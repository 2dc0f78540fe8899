"""One round of the sink: the messages it gathered, where it ends, and what of it cannot be used."""

import asyncio
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition

from schemas.codec import Block, DecodeError, cut
from schemas.topics import Topic

SOURCE: Final = "sink"
DEAD_LETTER_BYTES: Final = 1_000_000
"""A dead letter holds at most this much of the original message."""


class Message(NamedTuple):
    """A message whose records could be cut out."""

    partition: int
    offset: int
    value: bytes
    block: Block


class Setback(NamedTuple):
    """A message that cannot be used, and why."""

    topic: str
    partition: int
    offset: int
    value: bytes
    reason: str
    error: str

    @property
    def place(self) -> str:
        """Where the message is."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def dead_letter(self) -> dict[str, Any]:
        """Return the record that is set aside in its stead."""
        payload, error = self.value[:DEAD_LETTER_BYTES], self.error
        if len(payload) < len(self.value):
            error += f" (the first {DEAD_LETTER_BYTES} of {len(self.value)} bytes are kept)"
        return {
            "source": SOURCE,
            "reason": str(self.reason),
            "error": error,
            "place": self.place,
            "payload": payload,
            "at": time.time_ns() // 1_000_000,
        }


@dataclass
class Round:
    """What was gathered while one assignment of partitions lasted."""

    ended: asyncio.Event
    """Set once that assignment is over: the round is no longer ours to commit."""
    messages: dict[str, list[Message]] = field(default_factory=dict)
    """By topic."""
    setbacks: list[Setback] = field(default_factory=list)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    """The next offset to read, by partition."""
    rows: int = 0
    size: int = 0
    """Bytes."""

    def add(self, topic: Topic, record: Any) -> None:  # noqa: ANN401 - aiokafka's ConsumerRecord
        """Take in one message of Kafka's."""
        value: bytes = record.value or b""
        self.offsets[TopicPartition(record.topic, record.partition)] = record.offset + 1
        self.size += len(value)
        try:
            block = cut(topic.record, value)
        except DecodeError as error:
            setback = Setback(record.topic, record.partition, record.offset, value, error.reason, str(error))
            self.setbacks.append(setback)
            return
        self.rows += block.count
        self.messages.setdefault(record.topic, []).append(Message(record.partition, record.offset, value, block))


def token(topic: Topic, messages: Iterable[Message]) -> str:
    """Return what names exactly these messages: an insert that is tried again is known by it.

    Offsets alone would not do. A topic made anew starts again at 0, and ClickHouse drops an insert whose token it has
    seen, whatever the insert holds: hence the checksums.
    """
    digest = blake2b(digest_size=16)
    for message in messages:
        digest.update(b"%d %d %d\n" % (message.partition, message.offset, zlib.crc32(message.value)))
    return f"{topic.name}:{digest.hexdigest()}"
