"""Foreign JSON as Interactions: which of our fields stands where in it. Pure, and the same wherever the JSON comes from.

A path is names apart by dots: ``ticket.author.id``. A number is a place in an array, counted from 0, and ``*`` all of its
places: ``tags.*.name``. A name that has a dot cannot be said. What is null or not there is left out.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from schemas.codec import Record, newest
from streams.connectors.base import Item, Rejected
from streams.connectors.jsonl import checked
from streams.connectors.pushed import Reader, loads, malformed
from streams.errors import Reason
from streams.mapping_settings import MappingSettings

Path = tuple[str, ...]
Times = Literal["iso", "seconds", "milliseconds"]

PASSED_OVER: Final = "none"
"""A kind that stands for what is no concern of ours."""
NETWORK_IDS: Final = ("id", "account", "conversation_id", "parent_id")
"""These are ``network:id``: where the network is known, it is put before what lacks it."""
_FIELDS: Final = frozenset(field["name"] for field in newest("interaction").record["fields"])
_IDS: Final = (*NETWORK_IDS, "author_id", "contact_id")
_TIMES: Final = ("published_at", "received_at")
_NEEDED: Final = ("id", "account", "kind", "published_at")
_DUMMY: Final = {"id": "n:1", "account": "n:a", "kind": "mention", "published_at": 0}

Wrong = tuple[Reason, str]


class MappingError(ValueError):
    """A mapping cannot be right, whatever comes."""


@dataclass(frozen=True)
class FieldMapping:
    """How foreign JSON is read."""

    fields: Mapping[str, Path]
    """Where our fields stand in a record."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """What they are otherwise."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """What they call a kind, and what we do; empty: they call it as we do."""
    records: Path = ()
    """Where the array of records stands in what comes; empty: what comes is one."""
    times: Times = "iso"
    """How times are written; seconds and milliseconds since 1970, as numbers or text."""

    def __post_init__(self) -> None:
        """Raise :class:`MappingError` if no record could become an Interaction."""
        twice = sorted(self.fields.keys() & self.constants.keys())
        if twice:
            raise MappingError(f"{twice[0]} is a field and a constant: leave one out")
        missing = [name for name in _NEEDED if name not in self.fields and name not in self.constants]
        if missing:
            raise MappingError(f"{missing[0]} is neither among the fields nor the constants, and every event has one")
        unknown = [name for name in self.fields if name not in _FIELDS]
        if unknown:
            raise MappingError(f"{unknown[0][:40]!r} is no field of an Interaction")
        for kind in (self.constants.get("kind", "mention"), *self.kinds.values()):
            found = checked({**_DUMMY, **self.constants, "kind": "mention" if kind == PASSED_OVER else kind}, 1 << 62)
            if not isinstance(found, dict):
                raise MappingError(found[1])


def path(text: str) -> Path:
    """Return the path that is written so; empty text is what comes itself."""
    return tuple(text.split(".")) if text else ()


def reader_of(settings: MappingSettings) -> Reader:
    """Return what reads records by a table of ``rapport.toml``. Raises :class:`MappingError`."""
    constants = {name: list(it) if isinstance(it, tuple) else it for name, it in settings.constants.items()}
    fields = {name: path(text) for name, text in settings.fields.items()}
    return reader(FieldMapping(fields, constants, settings.kinds, path(settings.records), settings.times))


def reader(mapping: FieldMapping) -> Reader:
    """Return what reads records by a mapping: of a body that is pushed, or the values of a topic."""

    def read(record: bytes, place: str, now: int) -> Sequence[Item]:
        try:
            given = loads(record)
        except ValueError as error:
            return [malformed(record, place, f"not JSON: {error}")]
        if not mapping.records:
            return list(_items(mapping, given, record, place, now))
        found = at(given, mapping.records)
        if not isinstance(found, list):
            return [malformed(record, place, f"there is no array at {'.'.join(mapping.records)}")]
        return [
            item
            for number, one in enumerate(found)
            for item in _items(mapping, one, msgspec.json.encode(one), f"{place}.{number}", now)
        ]

    return read


def _items(mapping: FieldMapping, given: object, payload: bytes, place: str, now: int) -> Iterator[Item]:
    found = interaction_of(mapping, given, now)
    if isinstance(found, dict):
        yield found
    elif found is not None:
        yield Rejected(found[0], found[1][:500], place, payload)


def interaction_of(mapping: FieldMapping, given: object, now: int) -> Record | Wrong | None:
    """Return the Interaction of a record of foreign JSON at ``now``, ms; why there is none; or None: it is no concern of ours."""
    found = {name: value for name, where in mapping.fields.items() if (value := at(given, where)) is not None}
    kind = found.get("kind")
    if kind is not None and mapping.kinds:
        named = mapping.kinds.get(kind) if isinstance(kind, str) else None
        if named is None:
            return Reason.UNKNOWN_KIND, f"{str(kind)[:40]!r} is not among the kinds of the mapping"
        kind = found["kind"] = named
    if mapping.constants.get("kind", kind) == PASSED_OVER:
        return None
    for name in _NEEDED:
        if name in mapping.fields and name not in found:
            return Reason.MALFORMED_RECORD, f"{name} is missing: there is nothing at {'.'.join(mapping.fields[name])}"
    return _whole(mapping, found, now)


def _whole(mapping: FieldMapping, found: dict[str, Any], now: int) -> Record | Wrong:
    """Return what the values that were found make together with the constants."""
    network = mapping.constants.get("network", found.get("network"))
    event: dict[str, Any] = {"received_at": now, **mapping.constants}
    for name, value in found.items():
        if name in _TIMES:
            event[name] = _time(value, mapping.times)
            if event[name] is None:
                return Reason.MALFORMED_RECORD, f"{name} {str(value)[:40]!r} is not a time in {mapping.times}"
        elif name in _IDS:
            event[name] = _id(value, network if name in NETWORK_IDS else None)
        else:
            event[name] = value
    if event["kind"] == "mention":
        event.setdefault("contact_id", event.get("author_id", ""))
    return checked(event, now)


def at(given: object, where: Path) -> Any:  # noqa: ANN401 - any JSON
    """Return what stands at a path; None: nothing does."""
    for number, step in enumerate(where):
        if isinstance(given, list) and step == "*":
            found = (at(one, where[number + 1 :]) for one in given)
            return [one for one in found if one is not None]
        if isinstance(given, list) and step.isascii() and step.isdecimal():
            place = int(step[:9])
            given = given[place] if place < len(given) else None
        elif isinstance(given, dict):
            given = given.get(step)
        else:
            return None
    return given


def _id(value: object, network: object) -> object:
    """Return an id as text, with its network where that is to be; what is no id is left for others to say so."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value or not isinstance(network, str) or not network:
        return value
    return value if value.startswith(f"{network}:") else f"{network}:{value}"


def _time(value: object, times: Times) -> object:
    """Return a time as :func:`streams.connectors.jsonl.checked` takes it; None: it is not one."""
    if times == "iso":
        return value if isinstance(value, str) else None
    factor = 1000 if times == "seconds" else 1
    if isinstance(value, str):
        try:
            value = int(value) if value.removeprefix("-").isdecimal() else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value * factor
    return round(value * factor) if math.isfinite(value * factor) else None
