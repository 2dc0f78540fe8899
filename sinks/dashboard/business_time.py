"""How much business time is left of a turn's target, by the calendar that the turn is measured with.

A target is agreed in business time: at 17:55, two hours that are left may be those of tomorrow morning.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from schemas.wording import duration

Shifts = Callable[[int, int], Sequence[tuple[int, int]]]
"""The spans between two instants in which a calendar is at work, in order; all in ms since 1970."""
FARTHEST_MS: Final = 90 * 86_400_000
"""No turn lives longer, and no deadline lies further ahead."""


class Left(NamedTuple):
    """How a turn stands to its target."""

    seconds: float
    """Of business time, until the target or since."""
    over: bool
    closed: bool
    """Nobody is at work now: no business time passes."""
    known: bool
    """False: its calendar is gone from rapport.toml, and the seconds are those of the clock."""

    @property
    def words(self) -> str:
        """What people read."""
        return f"{duration(self.seconds)} {'over' if self.over else 'left'}{', closed now' if self.closed else ''}"


class BusinessTime:
    """The calendars of rapport.toml, by the names that turns have them by (``support@2026-01-01``)."""

    def __init__(self, calendars: Mapping[str, Shifts]) -> None:
        self._calendars = calendars

    def left(self, calendar: str, due_at: int, now: int) -> Left:
        """Return how a turn stands; times in ms. Without a calendar it is measured around the clock."""
        over = due_at <= now
        start, end = (due_at, now) if over else (now, due_at)
        shifts = self._calendars.get(calendar)
        if shifts is None:
            return Left((end - start) / 1000, over, closed=False, known=not calendar)
        business = sum(closes - opens for opens, closes in shifts(start, end))
        return Left(business / 1000, over, not shifts(now, now + 1), known=True)

    def shifts(self, calendars: set[str], now: int) -> dict[str, Sequence[tuple[int, int]]]:
        """Return when each of these calendars is at work, as far back and ahead as a turn can matter."""
        known = {name: self._calendars[name] for name in sorted(calendars) if name in self._calendars}
        return {name: shifts(now - FARTHEST_MS, now + FARTHEST_MS) for name, shifts in known.items()}


AROUND_THE_CLOCK: Final = BusinessTime({})
"""No calendar is known."""
