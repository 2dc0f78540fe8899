"""One account's panes and rolling windows: counts per minute of event time, and running sums of the latest of them.

What an event contributes waits in ``fresh`` until somebody looks, so a count costs one addition however many windows hold
it. No window is ever summed anew: what enters is added and what leaves is taken away.
"""

from typing import Final

from streams.metrics.counters import Tally

WINDOWS: Final = (("5m", 5), ("1h", 60), ("24h", 1440))
"""Name and minutes of each rolling window."""


class Panes:
    """The panes of one account, by minute since 1970, and its windows as of the minute ``now``."""

    __slots__ = ("_longest_first", "by_minute", "dirty", "fresh", "now", "windows")

    def __init__(self, by_minute: dict[int, Tally], now: int) -> None:
        self.by_minute = by_minute
        self.now = now
        self.fresh: dict[int, Tally] = {}
        """What has been counted since the last look. It may lie ahead, as a missed deadline does until an answer takes it back."""
        self.dirty: set[int] = set()
        """Minutes up to ``now`` whose record has changed since it was last taken."""
        self.windows = [Tally() for _ in WINDOWS]
        self._longest_first = [(window, length) for window, (_, length) in zip(self.windows, WINDOWS, strict=True)][
            ::-1
        ]
        for minute, pane in by_minute.items():
            self._into_windows(minute, pane)

    def at(self, minute: int) -> Tally:
        """Return where to count what happens in a minute."""
        tally = self.fresh.get(minute)
        if tally is None:
            tally = self.fresh[minute] = Tally()
        return tally

    def merge(self) -> None:
        """Bring what has been counted into panes and windows."""
        by_minute, now = self.by_minute, self.now
        for minute, tally in self.fresh.items():
            if not tally:  # it came to nothing, but an owner before this one may have said otherwise in between
                if minute <= now:
                    self.dirty.add(minute)
                continue
            pane = by_minute.get(minute)
            if pane is None:
                by_minute[minute] = tally
            else:
                pane.add(tally, 1)
                if not pane:
                    del by_minute[minute]
            if minute <= now:
                self._into_windows(minute, tally)
                if tally.in_pane():
                    self.dirty.add(minute)
        self.fresh.clear()

    def advance(self, now: int) -> bool:
        """Move the windows on to the minute ``now``; say whether one of them has become empty."""
        self.merge()
        held = [bool(window) for window in self.windows]
        before, self.now = self.now, now
        entering = self._held_between(before, now)
        for window, length in self._longest_first:
            for minute in self._held_between(before - length, min(now - length, before)):
                window.add(self.by_minute[minute], -1)
            for minute in entering:
                if minute > now - length:
                    window.add(self.by_minute[minute], 1)
        self.dirty.update([minute for minute in entering if self.by_minute[minute].in_pane()])
        return any(was and not window for was, window in zip(held, self.windows, strict=True))

    def take_dirty(self) -> list[int]:
        """Return the minutes whose record has changed, in order; they count as taken."""
        self.merge()
        minutes = sorted(self.dirty)
        self.dirty.clear()
        return minutes

    def forget(self, minute: int) -> None:
        """Drop the panes before ``minute``; no window holds them and no record of them is owed."""
        for old in [held for held in self.by_minute if held < minute]:
            del self.by_minute[old]

    def _into_windows(self, minute: int, tally: Tally) -> None:
        if minute > self.now:
            return
        for window, length in self._longest_first:
            if minute <= self.now - length:
                break
            window.add(tally, 1)

    def _held_between(self, after: int, upto: int) -> list[int]:
        """Return the minutes in (after, upto] that have a pane, looking at whichever is fewer."""
        if upto - after < len(self.by_minute):
            return [minute for minute in range(after + 1, upto + 1) if minute in self.by_minute]
        return [minute for minute in self.by_minute if after < minute <= upto]
