"""When an account is at work: business time between two instants, and the instant at which so much of it has passed.

An account is at work at an instant if the clock on its wall then shows a time within a shift. So a shift of 09:00 to 17:00 is
that on every day of the year. Where the clocks are put forward, the times that they skip are no business time; where they are
put back, the times that they show twice count twice.

Nothing here knows a time zone or a date by name: a zone is a function that gives the offset of its clocks, and a day is its
number since 1970-01-01. Instants and lengths of time are in ms.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

_DAY: Final = 24 * 3_600_000
FARTHEST: Final = 90 * _DAY
"""No turn lives longer. Nobody looks further ahead for business time: what has not been reached by then is reached then."""

Span = tuple[int, int]
"""From one time to another, the second not included."""

_THURSDAY: Final = 3
"""What day of the week 1970-01-01 was; Monday is 0."""
_DAYS_HELD: Final = 4096
"""Days of which the shifts are remembered: eleven years."""


class Hours:
    """The business hours of one version of a calendar. It never changes; it remembers the shifts of the days it was asked for."""

    __slots__ = ("_days", "_is_holiday", "_offset", "_week", "name", "since")

    def __init__(
        self,
        name: str,
        since: int,
        week: Sequence[Sequence[Span]],
        offset: Callable[[int], int],
        is_holiday: Callable[[int], bool],
    ) -> None:
        self.name = name
        """What turns say that were measured with it: ``support@2026-01-01``."""
        self.since = since
        """It is in force from this instant on."""
        self._week = week
        """The shifts that begin on each day of the week, Monday first: ms after 00:00 on the wall, in order and apart. One that
        goes on past midnight ends later than 24:00."""
        self._offset = offset
        """What is to be added to an instant to have what the wall shows."""
        self._is_holiday = is_holiday
        """Whether no shift begins on a day."""
        self._days: dict[int, Sequence[Span]] = {}
        """The shifts within each day of UTC, as instants."""

    def local(self, instant: int) -> int:
        """Return what the wall shows at an instant, as ms since 1970 there."""
        return instant + self._offset(instant)

    def deadline(self, start: int, business: int) -> int:
        """Return the first instant at which ``business`` ms of business time have passed since ``start``.

        It is never later than :data:`FARTHEST` after the start.
        """
        if business <= 0:
            return start
        limit = start + FARTHEST
        for day in range(start // _DAY, limit // _DAY + 1):
            for opens, closes in self._shifts(day):
                length = closes - max(opens, start)
                if length >= business:
                    return min(closes - length + business, limit)
                if length > 0:
                    business -= length
        return limit

    def between(self, start: int, end: int) -> int:
        """Return how much business time lies between two instants, ms."""
        business = 0
        for day in range(start // _DAY, end // _DAY + 1):
            for opens, closes in self._shifts(day):
                business += max(0, min(closes, end) - max(opens, start))
        return business

    def shifts(self, start: int, end: int) -> list[Span]:
        """Return when it is at work between two instants, in order; what goes on past midnight of UTC is one span."""
        found: list[Span] = []
        for day in range(start // _DAY, (end - 1) // _DAY + 1):
            for opens, closes in self._shifts(day):
                first, last = max(opens, start), min(closes, end)
                if first >= last:
                    continue
                if found and found[-1][1] == first:
                    found[-1] = (found[-1][0], last)
                else:
                    found.append((first, last))
        return found

    def _shifts(self, day: int) -> Sequence[Span]:
        """Return the shifts within a day of UTC, in order."""
        shifts = self._days.get(day)
        if shifts is None:
            if len(self._days) >= _DAYS_HELD:
                self._days.clear()
            shifts = self._days[day] = self._find(day * _DAY, (day + 1) * _DAY)
        return shifts

    def _find(self, start: int, end: int) -> list[Span]:
        """Return the shifts between two instants, at most a day apart.

        No zone changes its clocks twice in a day, so they are not changed where the offset is the same at both ends.
        """
        offset = self._offset(start)
        if offset != self._offset(end - 1):
            middle = (start + end) // 2
            return self._find(start, middle) + self._find(middle, end)
        found: list[Span] = []
        for date in range((start + offset) // _DAY - 1, (end - 1 + offset) // _DAY + 1):
            midnight = date * _DAY - offset
            for opens, closes in () if self._is_holiday(date) else self._week[(date + _THURSDAY) % 7]:
                first, last = max(midnight + opens, start), min(midnight + closes, end)
                if first >= last:
                    continue
                if found and first <= found[-1][1]:  # that of the day before is not over yet
                    found[-1] = (found[-1][0], max(found[-1][1], last))
                else:
                    found.append((first, last))
        return found


class Calendar:
    """What an account is measured with: the versions of its calendar, and for turns opened with another, every one there is."""

    __slots__ = ("_known", "_newest_first")

    def __init__(self, versions: Sequence[Hours], known: Mapping[str, Hours]) -> None:
        self._newest_first = versions[::-1]
        self._known = known

    def at(self, opened_at: int) -> Hours | None:
        """Return the version in force at an instant; None: around the clock."""
        for hours in self._newest_first:
            if hours.since <= opened_at:
                return hours
        return None

    def named(self, name: str) -> Hours | None:
        """Return the version of this name, of whichever calendar; None if it is gone from the settings."""
        return self._known.get(name)
