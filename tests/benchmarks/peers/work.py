"""The work that is compared: the same rule for every program, so small that each can do it in its own idiom.

Per account: mentions, replies, turns, answers and the sum of response times. A mention opens a turn of its thread unless
one is open; a reply that is not automated answers it. After each event the account's counts go out as JSON.

Imports nothing that the peers' own environments lack, and nothing of Rapport's: they decode as others do, with fastavro.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import fastavro

Record = dict[str, Any]

SCHEMA: Final = Path(__file__).parents[3] / "schemas" / "interaction.v1.avsc"
FIELDS: Final = ("mentions", "replies", "turns", "answered", "response_milliseconds")
"""What is counted, in this order."""
CHECKPOINT_SECONDS: Final = 5.0
"""How often a program makes its state durable: Rapport's default, and that of Quix Streams."""
FIRST: Final = "first event processed"
LAST: Final = "last event processed"
STORED: Final = "everything stored"


def _message_schema() -> Any:  # noqa: ANN401 - fastavro's
    """Return the schema of a message's array, times as integers. A record around it adds no byte and is parsed once."""
    plain = json.loads(SCHEMA.read_text("utf-8"), object_hook=lambda it: {k: it[k] for k in it if k != "logicalType"})
    array = {"name": "records", "type": {"type": "array", "items": plain}}
    return fastavro.parse_schema({"type": "record", "name": "Message", "fields": [array]})


_MESSAGE: Final = _message_schema()
_HEADER_SIZE: Final = 10
"""Marker and fingerprint of Avro's single-object encoding."""


def decode(message: bytes) -> list[Record]:
    """Return the events of a message."""
    buffer = BytesIO(message)
    buffer.seek(_HEADER_SIZE)
    return fastavro.schemaless_reader(buffer, _MESSAGE, None)["records"]


class Job(NamedTuple):
    """What a program is told on its command line."""

    name: str
    """Consumer group, or application id."""
    brokers: str
    interactions: str
    """The topic that is read, from its beginning."""
    results: str
    """The topic that updates go to."""
    events: int
    """How many there are to read."""
    messages: int
    """How many messages they are in."""

    @classmethod
    def from_arguments(cls) -> Self:
        *texts, events, messages = sys.argv[1:]
        return cls(*texts, int(events), int(messages))


def thread_of(event: Record) -> str:
    """Return the key of the thread that an event is part of."""
    return f"{event['account']} {event['conversation_id']} {event['contact_id']}"


def count(event: Record, counts: list[int], opened_at: int | None) -> int | None:
    """Add an event to its account's ``counts``; take and return when its thread's open turn was opened, None: none is."""
    if event["kind"] == "mention":
        counts[0] += 1
        if opened_at is None:
            counts[2] += 1
            return int(event["published_at"])
    elif event["kind"] == "reply" and not event["automated"]:
        counts[1] += 1
        if opened_at is not None:
            counts[3] += 1
            counts[4] += event["published_at"] - opened_at
            return None
    return opened_at


def terminate() -> None:
    """Ask this process to stop, as its plant would."""
    os.kill(os.getpid(), signal.SIGTERM)


class Progress:
    """Says on standard output when the first and the last event have been processed; then ``end`` is called."""

    def __init__(self, expected: int, end: Callable[[], None] = terminate) -> None:
        self._expected, self._end, self._done = expected, end, 0

    def advance(self) -> None:
        self._done += 1
        if self._done == 1:
            say(FIRST)
        if self._done == self._expected:
            say(LAST)
            self._end()


def say(event: str) -> None:
    """Print a line at once: whoever measures notes the time."""
    print(event, flush=True)  # noqa: T201 - standard output is how a program and its observer speak
