"""What others push to us: the records of a body, each with the bytes that it came in. Pure.

A body is JSON, UTF-8: one value, an array of them, or one a line (https://github.com/ndjson/ndjson-spec).
"""

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from streams.connectors import jsonl
from streams.connectors.base import Item, Rejected
from streams.errors import Reason

MOST_RECORDS: Final = 1_000
"""In one body: each may become a message of its own in the topic of dead letters."""

_whole: Final = msgspec.json.Decoder(msgspec.Raw).decode
_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


class TooManyError(ValueError):
    """A body has more than :data:`MOST_RECORDS` records."""


Reader = Callable[[bytes, str, int], Sequence[Item]]
"""Takes a record, its place and the time in ms; returns what it stands for, which may be nothing, or several things."""


def interactions(record: bytes, place: str, now: int) -> Sequence[Item]:
    """Read a record that is an Interaction, with the fields of the format ``jsonl``, received now unless it says otherwise."""
    return [jsonl.parse(record.decode("utf-8", "surrogateescape"), place, now, now)]


def only(allows: Callable[[str], bool], reader: Reader) -> Reader:
    """Return a reader that sets aside what is of an account that is not allowed, and ticks, which the worker makes."""

    def read_allowed(record: bytes, place: str, now: int) -> Sequence[Item]:
        return [allowed(item, record, place) for item in reader(record, place, now)]

    def allowed(item: Item, record: bytes, place: str) -> Item:
        if isinstance(item, Rejected):
            return item
        if item["kind"] == "tick":
            return Rejected(Reason.UNKNOWN_KIND, "a tick is not for others to send", place, record)
        if not allows(item["account"]):
            wrong = f"its sender may not speak for {item['account'][:200]!r}"
            return Rejected(Reason.FORBIDDEN, wrong, place, record)
        return item

    return read_allowed


def read(body: bytes, reader: Reader, place: str, now: int) -> list[Sequence[Item]]:
    """Return what each record of a body stands for, in order. Raises :class:`TooManyError`, and nothing else."""
    found = [reader(record, f"{place}#{number}", now) for number, record in enumerate(records(body))]
    require_few(sum(map(len, found)))
    return found


def records(body: bytes) -> list[bytes]:
    """Return the records of a body. Where it is not JSON, they are its lines, or it is one: nothing of it is left out.

    Raises :class:`TooManyError`.
    """
    body = body.removeprefix(BOM_UTF8).strip()
    is_array = body.startswith(b"[")
    try:
        found = [bytes(record) for record in _array(body)] if is_array else [bytes(_whole(body))]
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        found = [body] if is_array else [line for line in body.splitlines() if line.strip()]
    require_few(len(found))
    return found


def require_few(number: int) -> None:
    """Raise :class:`TooManyError` if there are too many."""
    if number > MOST_RECORDS:
        raise TooManyError(f"{number:,} records, more than {MOST_RECORDS:,}")


def loads(record: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return the value of a record. Raises :class:`ValueError`, which says what is wrong with it, and nothing else."""
    try:
        return msgspec.json.decode(record)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def identity(value: object) -> str:
    """Return an id as text. Raises :class:`ValueError` if it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError(f"an id is {str(value)[:40]!r}")
    return str(value)


def malformed(record: bytes, place: str, error: object) -> Rejected:
    """Set a record aside that is not what it should be."""
    try:
        record.decode()
    except UnicodeDecodeError as wrong:
        return Rejected(Reason.INVALID_TEXT, f"not UTF-8 at byte {wrong.start}", place, record)
    try:
        json.dumps(json.loads(record), ensure_ascii=False).encode()
    except UnicodeEncodeError as wrong:
        return Rejected(Reason.INVALID_TEXT, f"not Unicode: {wrong.reason}", place, record)
    except (ValueError, RecursionError):  # it is what was said
        pass
    return Rejected(Reason.MALFORMED_RECORD, str(error)[:500], place, record)
