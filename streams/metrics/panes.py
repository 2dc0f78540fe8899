"""One account's panes and rolling windows: counts per minute of event time, and running sums of the latest of them.

What an event contributes waits in ``fresh`` until somebody looks, so a count costs one addition however many windows hold
it. No window is ever summed anew: what enters is added and what leaves is taken away. Panes are kept as bytes, since
an account that is busy every minute has 20,000 of them and looks at few; one that changes is open until the next checkpoint.
"""

from typing import Final

from streams.metrics.counters import Counts, Tally, add_all, in_pane, pack, unpack

WINDOWS: Final = (("5m", 5), ("1h", 60), ("24h", 1440))
"""Name and minutes of each rolling window."""


SETTLED: Final = 6 * 1440
"""Panes older than so many minutes hardly ever change."""


class Panes:
    """The panes of one account, by minute since 1970, and its windows as of the minute ``now``."""

    __slots__ = (
        "_earliest",
        "_longest_first",
        "_open",
        "_packed",
        "dirty",
        "first",
        "fresh",
        "now",
        "revised",
        "windows",
    )

    def __init__(self, packed: dict[int, bytes], now: int, first: int) -> None:
        """Take over what :meth:`close` returned."""
        self._packed = packed
        """Packed counts, none of them empty."""
        self._open: dict[int, Counts] = {}
        """The others."""
        self.now = now
        self.first = first
        """Panes of earlier minutes have been forgotten. Nothing may be said of those any more: it would stand in their place."""
        self.fresh: dict[int, Counts] = {}
        """What has been counted up to ``now`` since the last look. What lies ahead, as a missed deadline does until an answer
        takes it back, is in no window and goes to its pane at once."""
        self.dirty: set[int] = set()
        """Minutes up to ``now`` whose record has changed since it was last taken."""
        self.revised = 0
        """How often a pane older than :data:`SETTLED` has changed since this was made."""
        self._earliest: int | None = None
        self.windows = [Tally() for _ in WINDOWS]
        self._longest_first = [(length, window) for (_, length), window in zip(WINDOWS, self.windows, strict=True)]
        self._longest_first.reverse()
        for minute in self.held_between(now - WINDOWS[-1][1], now):
            self._into_windows(minute, self.counts(minute))

    def __bool__(self) -> bool:
        """Say whether any minute has a pane."""
        return bool(self._packed) or any(self._open.values())

    def at(self, minute: int) -> Counts:
        """Return where to count what happens in a minute."""
        if minute > self.now:
            return self._opened(minute)
        counts = self.fresh.get(minute)
        if counts is None:
            counts = self.fresh[minute] = {}
        return counts

    def counts(self, minute: int) -> Counts:
        """Return what a minute had counted at the last look; not to be changed."""
        counts = self._open.get(minute)
        if counts is None:
            packed = self._packed.get(minute)
            counts = {} if packed is None else unpack(packed)
        return counts

    def earliest(self) -> int | None:
        """Return the earliest minute that has a pane; None if none has."""
        if self._earliest is None or not self._holds(self._earliest):
            self._earliest = min(self.minutes(), default=None)
        return self._earliest

    def minutes(self) -> list[int]:
        """Return every minute that has a pane."""
        return [*self._packed, *[minute for minute, counts in self._open.items() if counts]]

    def merge(self) -> None:
        """Bring what has been counted into panes and windows."""
        for minute, counts in self.fresh.items():
            if minute < self.first:
                continue
            if counts:
                add_all(self._opened(minute), counts)
                self._into_windows(minute, counts)
                self.revised += minute < self.now - SETTLED
            # what came to nothing is said as well: an owner before this one may have said otherwise in between
            if not counts or in_pane(counts):
                self.dirty.add(minute)
        self.fresh.clear()

    def advance(self, now: int) -> bool:
        """Move the windows on to the minute ``now``; say whether one of them has become empty."""
        self.merge()
        held = [bool(window) for window in self.windows]
        before, self.now = self.now, now
        for length, window in self._longest_first:
            for minute in self.held_between(before - length, min(now - length, before)):
                window.add(self.counts(minute), -1)
        for minute in self.held_between(before, now):
            counts = self.counts(minute)
            self._into_windows(minute, counts)
            if in_pane(counts):
                self.dirty.add(minute)
        return any(was and not window for was, window in zip(held, self.windows, strict=True))

    def take_dirty(self) -> list[int]:
        """Return the minutes whose record has changed, in order; they count as taken."""
        self.merge()
        minutes = sorted(self.dirty)
        self.dirty.clear()
        return minutes

    def forget(self, minute: int) -> None:
        """Drop the panes before ``minute``; no window holds them and no record of them is owed."""
        self.first = minute
        packed = self.close()
        for old in [held for held in packed if held < minute]:
            del packed[old]

    def close(self) -> dict[int, bytes]:
        """Return all panes as they are kept, by minute."""
        for minute, counts in self._open.items():
            if counts:
                self._packed[minute] = pack(counts)
        self._open.clear()
        return self._packed

    def _opened(self, minute: int) -> Counts:
        """Return the pane of a minute, to be changed."""
        counts = self._open.get(minute)
        if counts is None:
            packed = self._packed.pop(minute, None)
            counts = self._open[minute] = {} if packed is None else unpack(packed)
            if self._earliest is not None and minute < self._earliest:
                self._earliest = minute
        return counts

    def _into_windows(self, minute: int, counts: Counts) -> None:
        for length, window in self._longest_first:
            if minute <= self.now - length:
                break
            window.add(counts, 1)

    def held_between(self, after: int, upto: int) -> list[int]:
        """Return the minutes in (after, upto] that have a pane, looking at whichever is fewer."""
        if upto - after < len(self._packed) + len(self._open):
            return [minute for minute in range(after + 1, upto + 1) if self._holds(minute)]
        return [minute for minute in self.minutes() if after < minute <= upto]

    def _holds(self, minute: int) -> bool:
        return minute in self._packed or bool(self._open.get(minute))
