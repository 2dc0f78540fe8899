"""One message of the input, opened: its events by account, its clock, and what has to be set aside. Pure.

Nothing a producer can put into the topic may end the worker, for it would end it again after every restart.
"""

from typing import NamedTuple

from schemas import codec
from schemas.codec import Record
from streams.errors import Reason
from streams.interactions import fault
from streams.metrics.model import Event


class Message(NamedTuple):
    """One message of the input topic."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """When it was appended, in ms."""
    value: bytes


class Opened(NamedTuple):
    """What a message holds."""

    events: dict[str, list[Event]]
    """By account, in the order they stand; each with the partition's clock when it was seen."""
    clock: int
    """The partition's clock after the message, in ms."""
    letters: list[Record]
    """Dead letters: what could not be used."""
    kinds: dict[str, int]
    """Events by kind, those set aside not counted."""


def open_message(message: Message, clock: int) -> Opened:
    """Decode ``message``, which finds the partition's clock at ``clock``.

    The clock is the largest ``received_at`` so far, ticks included. What cannot be decoded and events at fault become dead
    letters and move no clock. A letter's time is the message's, so that a replay writes the same letter again.
    """
    by_account: dict[str, list[Event]] = {}
    letters: list[Record] = []
    kinds: dict[str, int] = {}
    try:
        events = codec.decode_folded(message.value)
    except codec.DecodeError as error:
        letters.append(_letter(message, "", (Reason(error.reason), str(error)), message.value))
        return Opened(by_account, clock, letters, kinds)
    for index, event in enumerate(events):
        wrong = fault(event, message.timestamp)
        if wrong is not None:
            letters.append(_letter(message, f"#{index}", wrong, _whole(message.value, index)))
            continue
        if event["received_at"] > clock:  # noqa: PLR1730 - half the time of max(), for every event
            clock = event["received_at"]
        kind = event["kind"]
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind == "tick":
            continue
        known = by_account.get(event["account"])
        if known is None:
            by_account[event["account"]] = [(clock, event)]
        else:
            known.append((clock, event))
    return Opened(by_account, clock, letters, kinds)


def _whole(value: bytes, index: int) -> bytes:
    """Return a message of the one event at ``index``, with all that it says; all of ``value`` if that cannot be decoded."""
    try:
        return codec.encode("interaction", [codec.decode("interaction", value)[index]])
    except codec.DecodeError:
        return value


def _letter(message: Message, index: str, wrong: tuple[Reason, str], payload: bytes) -> Record:
    reason, error = wrong
    return {
        "source": "worker",
        "reason": str(reason),
        "error": error,
        "place": f"{message.topic}/{message.partition}/{message.offset}{index}",
        "payload": payload,
        "at": message.timestamp,
    }
