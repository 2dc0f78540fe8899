"""The format ``jsonl``: one Interaction a line, with the fields of ``schemas/interaction.v*.avsc``; read and written.

Only id, account, kind and published_at must be there. Times are ms or ISO 8601; a received_at that is not there is the
published_at.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import msgspec

from schemas.codec import Record, newest
from streams.connectors.base import Counts, Item, Rejected
from streams.connectors.files import milliseconds, original, read_lines
from streams.errors import Reason
from streams.interactions import MAX_BYTES, fault, interaction, unfit

_TIMES: Final = ("published_at", "received_at")
TYPES: Final[dict[str, Any]] = {field["name"]: field["type"] for field in newest("interaction").record["fields"]}
_IN_WORDS: Final = {
    "string": "a string",
    "boolean": "true or false",
    "long": "a whole number",
    "float": "a number",
    "array": "an array of strings",
}
NEEDED: Final = ("id", "account", "kind", "published_at")

_INT64: Final = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_SOUND: Final[dict[str, Any]] = {
    "string": str,
    "boolean": bool,
    "long": _INT64,
    "float": Annotated[float, msgspec.Meta(ge=-1, le=1)],
    "array": list[str],
}
"""What a field of each type is in an event that is not unfit."""


def _sound(field: Record) -> tuple[Any, ...]:
    """Return a field of the schema as :func:`msgspec.defstruct` takes it: name, type, and default if it need not be there."""
    name, of = field["name"], field["type"]
    if name == "received_at":
        return name, _INT64 | str | msgspec.UnsetType, msgspec.UNSET
    if name == "published_at":
        return name, _INT64 | str
    if name in NEEDED:
        return name, _SOUND[of]
    if isinstance(of, dict):
        return name, _SOUND[of["type"]], msgspec.field(default_factory=list)
    return name, _SOUND[of], field["default"]


_LINE: Final = msgspec.defstruct(
    "_LINE", map(_sound, newest("interaction").record["fields"]), kw_only=True, forbid_unknown_fields=True
)
_decode: Final = msgspec.json.Decoder(_LINE).decode


class _FieldError(ValueError):
    """A field is not there, not known, or not of its type."""


def read(path: Path, accounts: frozenset[str] | None, now: int, counts: Counts) -> Iterator[Item]:
    """Yield the Interactions and rejections in file order; blank lines are no records."""
    is_wanted = wanting(accounts)
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        counts.records += 1
        item = parse(line, f"{path}:{number}", now)
        if isinstance(item, Rejected) or is_wanted(item["account"]):
            yield item
        else:
            counts.skipped += 1


def wanting(accounts: frozenset[str] | None) -> Callable[[str], bool]:
    """Return what says whether an account is one of these, given as ``name`` or ``network:name`` in any case; None: any is."""
    if accounts is None:
        return lambda _: True
    wanted = {account.lower() for account in accounts}
    return lambda account: account.lower() in wanted or account.lower().partition(":")[2] in wanted


def parse(line: str, place: str, now: int, received_at: int | None = None) -> Item:
    """Return the Interaction of a line, or why there is none. ``received_at``, ms, is that of a line without one.

    A line is first read as what it should be, in one go: 4 µs. What is not read so is read again field by field, which
    takes ten times as long and can say what is wrong.
    """
    event = _read_as_it_should_be(line, received_at)
    if event is None or fault(event, now):
        return _explained(line, place, now, received_at)
    return event


def _read_as_it_should_be(line: str, received_at: int | None = None) -> Record | None:
    """Return the Interaction of a line, or None: perhaps there is none. An Interaction is fit, and may be at fault."""
    if 4 * len(line) > MAX_BYTES:  # a character takes 4 bytes at most
        return None
    try:
        event = msgspec.structs.asdict(_decode(line))
        if event["received_at"] is msgspec.UNSET:
            event["received_at"] = event["published_at"] if received_at is None else received_at
        for name in _TIMES:
            if isinstance(event[name], str):
                event[name] = milliseconds(event[name])
    except (ValueError, OverflowError):  # msgspec's errors are ValueErrors
        return None
    return event


def _explained(line: str, place: str, now: int, received_at: int | None = None) -> Item:
    """Return what :func:`parse` does, and say which field is wrong and how."""
    payload = original(line)
    try:
        line.encode()
    except UnicodeEncodeError as error:
        return Rejected(Reason.INVALID_TEXT, f"not UTF-8 at character {error.start}", place, payload)
    try:
        given = json.loads(line)
    except RecursionError:
        return Rejected(Reason.MALFORMED_RECORD, "nested too deeply", place, payload)
    except ValueError as error:  # not JSON, or a number of thousands of digits
        return Rejected(Reason.MALFORMED_RECORD, f"not JSON: {error}"[:500], place, payload)
    if received_at is not None and isinstance(given, dict):
        given.setdefault("received_at", received_at)
    found = checked(given, now)
    return found if isinstance(found, dict) else Rejected(found[0], found[1][:500], place, payload)


def checked(given: object, now: int) -> Record | tuple[Reason, str]:
    """Return the Interaction with the given fields, or why there is none at ``now``, ms."""
    try:
        event = whole(given)
    except _FieldError as error:
        return Reason.MALFORMED_RECORD, str(error)
    if not math.isfinite(event["sentiment"]) or abs(event["sentiment"]) > 1:
        return Reason.INVALID_NUMBER, f"sentiment {event['sentiment']} is not between -1 and 1"
    return unfit(event) or fault(event, now) or event


def whole(given: object) -> Record:
    """Return the Interaction with the given fields. Raises :class:`ValueError` that names the field that is wrong."""
    if not isinstance(given, dict):
        raise _FieldError(f"a line must be an object, not {type(given).__name__}")
    if missing := [name for name in NEEDED if name not in given]:
        raise _FieldError(f"{missing[0]} is missing")
    if "received_at" not in given:
        given["received_at"] = given["published_at"]
    for name, value in given.items():
        if name not in TYPES:
            raise _FieldError(f"{name[:40]!r} is no field of an Interaction")
        given[name] = _typed(name, value)
    return interaction(**given)


def _typed(name: str, value: object) -> object:
    """Return the value as its field's type has it. Raises :class:`_FieldError`."""
    match TYPES[name], value:
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
