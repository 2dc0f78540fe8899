"""What a list that is asked for again and again has had: what in it is new, edited or gone. Pure.

Lists of the newest things do not say what has changed. So what stood in one is kept, as a digest of each thing, within bounds, and
compared with what stands in it now.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final, Self

MOST_KEPT: Final = 500
"""Things; what is older than these counts as had."""
_BYTES: Final = 6
"""Of a digest: in a list of 500, two things are taken for one with a chance of 1 in 10⁹."""


class Change(Enum):
    """What a thing is to those that were seen."""

    NEW = "new"
    EDITED = "edited"


def digest(*parts: object) -> str:
    """Return a short digest of what a thing says."""
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=_BYTES).hexdigest()


class Window:
    """What was seen of one list. Things have a key and an order, which grows: a number, or the time they were written, ms."""

    def __init__(self, horizon: int = 0, seen: Mapping[str, tuple[int, str]] | None = None) -> None:
        self.horizon = horizon
        """What is below was there before, or is too old to tell."""
        self._seen = dict(seen or {})

    @classmethod
    def loads(cls, kept: Any) -> Self:  # noqa: ANN401 - any JSON
        """Return the window of :meth:`dumps`."""
        return cls(kept["horizon"], {key: (order, of) for key, (order, of) in kept["seen"].items()})

    def dumps(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"horizon": self.horizon, "seen": self._seen}

    def change(self, key: str, order: int, of: str) -> Change | None:
        """Say what a thing with the digest ``of`` is; None: nothing new."""
        before = self._seen.get(key)
        if before is None:
            return Change.NEW if order >= self.horizon else None
        return Change.EDITED if before[1] != of else None

    def knows(self, key: str) -> bool:
        """Say whether a thing was seen."""
        return key in self._seen

    @property
    def is_empty(self) -> bool:
        """Whether nothing was seen."""
        return not self._seen

    def add(self, key: str, order: int, of: str) -> None:
        """Take a thing as seen; the oldest makes room."""
        self._seen[key] = order, of
        if len(self._seen) > MOST_KEPT:
            oldest = min(self._seen, key=lambda it: self._seen[it][0])
            self.horizon = max(self.horizon, self._seen.pop(oldest)[0] + 1)

    def begin(self, things: Iterable[tuple[str, int, str]]) -> None:
        """Take all that is there as seen, and what is older than the newest of it as too old."""
        for key, order, of in things:
            self.add(key, order, of)
            self.horizon = max(self.horizon, order)

    def gone(self, keys: Iterable[str], since: int) -> list[str]:
        """Return what was seen, from the order ``since`` on, and is not among ``keys`` any more."""
        there = set(keys)
        return [key for key, (order, _) in self._seen.items() if order >= since and key not in there]

    def forget(self, key: str) -> None:
        """Take a thing as not seen."""
        self._seen.pop(key, None)
