"""Values of JSON that came from elsewhere, taken for what they should be. Pure."""

from collections import OrderedDict
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, TypeVar

MALFORMED: Final = (AttributeError, LookupError, TypeError, ValueError, OverflowError, RecursionError)
"""What is raised by reading JSON that is not what it should be."""

Key = TypeVar("Key")
Value = TypeVar("Value")


def text(value: Any) -> str:  # noqa: ANN401 - whatever came
    """Return a text. Raises :class:`TypeError` if it is none."""
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def milliseconds(value: Any, zone: tzinfo | None = None) -> int:  # noqa: ANN401 - whatever came
    """Return a time of ISO 8601, ms since 1970; where it does not say its zone, it is of ``zone``.

    Raises :class:`ValueError` and :class:`TypeError` if it is none, or if nobody says its zone.
    """
    at = datetime.fromisoformat(text(value))
    if at.tzinfo is None:
        if zone is None:
            raise ValueError("a time without its zone")
        at = at.replace(tzinfo=zone)
    return round(at.timestamp() * 1000)


def whole_seconds(at: int) -> str:
    """Return a time, ms since 1970, in UTC as ISO 8601 has it, without its zone and what is less than a second."""
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}"


class Recent(OrderedDict[Key, Value]):
    """A mapping of what was put in last: what is too much, it forgets, the oldest first."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: Key, value: Value) -> None:
        super().__setitem__(key, value)
        if len(self) > self._most:
            self.popitem(last=False)
