"""A group as bytes, and back: JSON, compressed, for a storm of 10,000 alerts is one group."""

import json
import zlib
from typing import Any, Final

from streams.notifications.group import Entry, Group
from streams.notifications.model import Alert, Listed, Notification

LAYOUT: Final = 1
"""Of what :func:`dumps` writes."""


def dumps(group: Group) -> bytes:
    """Return the group as bytes."""
    entries = [[list(entry.alert), *entry[1:]] for entry in group.entries.values()]
    rest = [getattr(group, name) for name in _PLAIN]
    return zlib.compress(json.dumps([rest, entries, group.pending], separators=(",", ":")).encode(), 1)


def loads(data: bytes) -> Group:
    """Return the group that :func:`dumps` wrote."""
    rest, rows, pending = json.loads(zlib.decompress(data))
    entries = {row[0][0]: Entry._make([Alert(*row[0]), *row[1:-1], tuple(row[-1])]) for row in rows}
    plain: dict[str, Any] = dict(zip(_PLAIN, rest, strict=True))
    return Group(entries=entries, pending=None if pending is None else _notification(pending), **plain)


def _notification(row: list[Any]) -> Notification:
    found = Notification(*row)
    return found._replace(listed=tuple(Listed(Alert(*alert), change) for alert, change in found.listed))


_PLAIN: Final = [name for name in Group.__dataclass_fields__ if name not in ("entries", "pending")]
