"""The format ``jsonl``: one Interaction a line, with the fields of ``schemas/interaction.v*.avsc``; read and written.

Only id, account, kind and published_at must be there. Times are ms or ISO 8601; a received_at that is not there is the
published_at.
"""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from schemas.codec import Record, newest
from streams.connectors.base import Counts, Item, Rejected
from streams.connectors.files import milliseconds, original, read_lines
from streams.errors import Reason
from streams.interactions import fault, interaction, unfit

_TIMES: Final = ("published_at", "received_at")
_TYPES: Final[dict[str, Any]] = {field["name"]: field["type"] for field in newest("interaction").record["fields"]}
_IN_WORDS: Final = {
    "string": "a string",
    "boolean": "true or false",
    "long": "a whole number",
    "float": "a number",
    "array": "an array of strings",
}
_NEEDED: Final = ("id", "account", "kind", "published_at")


class _FieldError(ValueError):
    """A field is not there, not known, or not of its type."""


def read(path: Path, accounts: frozenset[str] | None, now: int, counts: Counts) -> Iterator[Item]:
    """Yield the Interactions and rejections in file order; blank lines are no records."""
    wanted = None if accounts is None else {account.lower() for account in accounts}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        counts.records += 1
        item = parse(line, f"{path}:{number}", now)
        if wanted is not None and not isinstance(item, Rejected):
            account = item["account"].lower()
            if account not in wanted and account.partition(":")[2] not in wanted:
                counts.skipped += 1
                continue
        yield item


def parse(line: str, place: str, now: int) -> Item:
    """Return the Interaction of a line, or why there is none."""

    def rejected(reason: Reason, error: str) -> Rejected:
        return Rejected(reason, error[:500], place, original(line))

    try:
        line.encode()
    except UnicodeEncodeError as error:
        return rejected(Reason.INVALID_TEXT, f"not UTF-8 at character {error.start}")
    try:
        event = whole(json.loads(line))
    except RecursionError:
        return rejected(Reason.MALFORMED_RECORD, "nested too deeply")
    except _FieldError as error:
        return rejected(Reason.MALFORMED_RECORD, str(error))
    except ValueError as error:  # of json: not JSON, or a number of thousands of digits
        return rejected(Reason.MALFORMED_RECORD, f"not JSON: {error}")
    if not math.isfinite(event["sentiment"]) or abs(event["sentiment"]) > 1:
        return rejected(Reason.INVALID_NUMBER, f"sentiment {event['sentiment']} is not between -1 and 1")
    wrong = unfit(event) or fault(event, now)
    return rejected(*wrong) if wrong else event


def whole(given: object) -> Record:
    """Return the Interaction with the given fields. Raises :class:`ValueError` that names the field that is wrong."""
    if not isinstance(given, dict):
        raise _FieldError(f"a line must be an object, not {type(given).__name__}")
    if missing := [name for name in _NEEDED if name not in given]:
        raise _FieldError(f"{missing[0]} is missing")
    if "received_at" not in given:
        given["received_at"] = given["published_at"]
    for name, value in given.items():
        if name not in _TYPES:
            raise _FieldError(f"{name[:40]!r} is no field of an Interaction")
        given[name] = _typed(name, value)
    return interaction(**given)


def _typed(name: str, value: object) -> object:
    """Return the value as its field's type has it. Raises :class:`_FieldError`."""
    match _TYPES[name], value:
        case _, str() if name in _TIMES:
            try:
                return milliseconds(value)
            except (ValueError, OverflowError):
                raise _FieldError(f"{name} {value[:40]!r} is not a time") from None
        case ("string", str()) | ("boolean", bool()):
            return value
        case (("long" | {"type": "long"}), int()) if not isinstance(value, bool):
            return value
        case "float", int() | float() if not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                return math.inf
        case {"type": "array"}, list() if all(isinstance(item, str) for item in value):
            return value
        case wanted, _:
            kind = wanted["type"] if isinstance(wanted, dict) else wanted
            kind = "a time in ms or ISO 8601" if name in _TIMES else _IN_WORDS[kind]
            raise _FieldError(f"{name} must be {kind}, not {json.dumps(value)[:40]}")
    raise AssertionError


def write_jsonl(stream: TextIO, events: Iterable[Record]) -> int:
    """Write Interactions, one a line, all fields, times in ms; return how many. :func:`read` gives the same events."""
    written = 0
    for written, event in enumerate(events, 1):  # noqa: B007 - it is the result
        stream.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")
    return written
