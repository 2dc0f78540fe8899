"""Business time again, slowly and obviously: what does the clock on the wall show in this minute, and is that a shift?

A calendar is given as `rapport.toml` has it. Nothing of the product is used. Instants and lengths are in ms; shifts begin and end
at whole minutes, and so do the changes of the zones that tests name.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

MINUTE = 60_000
DAY = timedelta(days=1)
FARTHEST = 90 * 1440 * MINUTE
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class WallClock:
    """One version of a calendar."""

    def __init__(self, version: Mapping[str, Any], calendar: str = "support") -> None:
        self.zone = ZoneInfo(version["time_zone"])
        self.since: date | None = version.get("from")
        self.name = f"{calendar}@{self.since.isoformat()}" if self.since else calendar
        self._shifts = {day: [_minutes(shift) for shift in shifts] for day, shifts in version["hours"].items()}
        self._holidays = version.get("holidays", [])
        self._open: dict[int, bool] = {}

    def shows(self, instant: int) -> datetime:
        return datetime.fromtimestamp(instant // 1000, UTC).astimezone(self.zone)

    def is_open(self, minute: int) -> bool:
        """Say whether a minute since 1970 is business time."""
        if minute not in self._open:
            shown = self.shows(minute * MINUTE)
            today, time = shown.date(), shown.hour * 60 + shown.minute
            self._open[minute] = self._is_in_a_shift(today, time) or self._is_in_a_shift(today - DAY, time + 1440)
        return self._open[minute]

    def _is_in_a_shift(self, day: date, time: int) -> bool:
        """Say whether a time, in minutes after a day's midnight, is in a shift that began on that day."""
        shifts = [] if day in self._holidays else self._shifts.get(WEEKDAYS[day.weekday()], [])
        return any(opens <= time < closes for opens, closes in shifts)

    def between(self, start: int, end: int) -> int:
        business = 0
        for minute in range(start // MINUTE, end // MINUTE + 1):
            if self.is_open(minute):
                business += max(0, min(end, (minute + 1) * MINUTE) - max(start, minute * MINUTE))
        return business

    def deadline(self, start: int, business: int) -> int:
        now = start
        while business > 0 and now < start + FARTHEST:
            next_minute = (now // MINUTE + 1) * MINUTE
            step = next_minute - now
            if self.is_open(now // MINUTE):
                step = min(step, business)
                business -= step
            now += step
        return min(now, start + FARTHEST)


def _minutes(shift: str) -> tuple[int, int]:
    opens, closes = (int(time[:2]) * 60 + int(time[3:]) for time in shift.split("-"))
    return opens, closes if closes > opens else closes + 1440


class WallCalendar:
    """The versions of a calendar, in the order of their dates."""

    def __init__(self, versions: Sequence[Mapping[str, Any]]) -> None:
        self.versions = [WallClock(version) for version in versions]

    def at(self, opened_at: int) -> WallClock | None:
        """Return the version whose date had come where it is read."""
        come = [one for one in self.versions if one.since is None or one.shows(opened_at).date() >= one.since]
        return come[-1] if come else None
