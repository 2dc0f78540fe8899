"""The calendars of ``rapport.toml``, and how they become the business hours that the metrics know.

Time zones, dates and the holidays of countries are looked up here, so that the metrics need no table of them.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

import holidays
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from streams.metrics.calendars import Hours, Span
from streams.tables import Table

Day = Annotated[date, Field(strict=True)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: Final = get_args(Weekday)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ZERO: Final = _EPOCH.date().toordinal()
_MILLISECOND: Final = timedelta(milliseconds=1)
_MINUTE: Final = 60_000
_DAY: Final = 1440 * _MINUTE
_LAST: Final = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
"""Later instants are not dates any more."""
_time_zones: Final = cache(available_timezones)
"""It looks through hundreds of files each time: 12 ms."""


def _shift(text: Any) -> Span:  # noqa: ANN401 - a table may hold anything
    """Return "09:00-17:00" as ms after 00:00; what ends before it begins ends on the next day."""
    found = re.fullmatch(
        r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", text if isinstance(text, str) else ""
    )
    if found is None:
        raise PydanticCustomError("shift", 'write it as "09:00-17:00"; past midnight, as "22:00-06:00"')
    opens = (int(found[1]) * 60 + int(found[2])) * _MINUTE
    closes = _DAY if found[3] is None else (int(found[3]) * 60 + int(found[4])) * _MINUTE
    if opens == closes:
        raise PydanticCustomError("shift", 'it has no length: write "00:00-24:00" for the whole day')
    return opens, closes if closes > opens else closes + _DAY


def _apart(shifts: tuple[Span, ...]) -> tuple[Span, ...]:
    """Return the shifts of a day in order."""
    shifts = tuple(sorted(shifts))
    if any(later[0] < earlier[1] for earlier, later in pairwise(shifts)):
        raise PydanticCustomError("shifts", "two of its shifts overlap: make them one, or part them")
    return shifts


def _open_at_all(hours: Mapping[Weekday, tuple[Span, ...]]) -> Mapping[Weekday, tuple[Span, ...]]:
    if not any(hours.values()):
        raise PydanticCustomError("hours", "it is never open: give one day a shift, or leave the calendar out")
    return hours


Shifts = Annotated[tuple[Annotated[Span, BeforeValidator(_shift)], ...], AfterValidator(_apart)]


class CalendarVersion(Table):
    """One ``[[calendars.NAME]]`` of ``rapport.toml``."""

    since: Day | None = Field(
        None, alias="from", description="turns that open on this date or later are measured with it"
    )
    time_zone: str = Field(description="whose clocks the hours are read from, as the tz database names it")
    hours: Annotated[Mapping[Weekday, Shifts], AfterValidator(_open_at_all)] = Field(
        description="shifts that begin on each day of the week, mon to sun"
    )
    holidays: tuple[Day, ...] = Field((), description="dates on which no shift begins")
    country: str | None = Field(None, description="two letters; nor does one on that country's public holidays")
    subdivision: str | None = Field(None, description="and on those of this part of the country")

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        if name not in _time_zones():
            raise PydanticCustomError("time_zone", "no such time zone: name one of the tz database, as Europe/London")
        return name

    @field_validator("country")
    @classmethod
    def _has_holidays(cls, country: str | None) -> str | None:
        if country is not None and country not in holidays.list_supported_countries():
            wrong = "no holidays are known of it: name a country by two letters, as GB, or list the dates in holidays"
            raise PydanticCustomError("country", wrong)
        return country

    @field_validator("subdivision")
    @classmethod
    def _is_of_the_country(cls, subdivision: str | None, info: ValidationInfo) -> str | None:
        country = info.data.get("country")
        if subdivision is None or "country" not in info.data:  # the country is wrong, which is said
            return subdivision
        if country is None:
            raise PydanticCustomError("subdivision", "it is a part of no country: give country as well")
        known = holidays.list_supported_countries()[country]
        if subdivision not in known:
            wrong = "not a part of {country}: name one of {known}"
            raise PydanticCustomError("subdivision", wrong, {"country": country, "known": ", ".join(known) or "none"})
        return subdivision

    def business_hours(self, calendar: str) -> Hours:
        """Return what the metrics know of this version of ``calendar``."""
        zone, since, name = ZoneInfo(self.time_zone), 0, calendar
        if self.since is not None:
            midnight = datetime(self.since.year, self.since.month, self.since.day, tzinfo=zone)
            since, name = (midnight - _EPOCH) // _MILLISECOND, f"{calendar}@{self.since}"
        week = [self.hours.get(day, ()) for day in _WEEKDAYS]
        return Hours(name, since, week, _offset_of(zone), self._holiday())

    def _holiday(self) -> Callable[[int], bool]:
        """Return whether a day, by its number since 1970-01-01, is a holiday."""
        own = frozenset(self.holidays)
        public = holidays.country_holidays(self.country, self.subdivision) if self.country else {}

        def is_holiday(day: int) -> bool:
            on = date.fromordinal(min(_DAY_ZERO + day, date.max.toordinal()))
            return on in own or on in public

        return is_holiday


def _offset_of(zone: ZoneInfo) -> Callable[[int], int]:
    """Return how far the clocks of a zone are ahead of UTC at an instant; both ms."""

    def offset(instant: int) -> int:
        ahead = (_EPOCH + min(instant, _LAST) * _MILLISECOND).astimezone(zone).utcoffset() or timedelta()
        return ahead // _MILLISECOND

    return offset


def _in_order(versions: tuple[CalendarVersion, ...]) -> tuple[CalendarVersion, ...]:
    """Return the versions of a calendar, each of which holds until the next one."""
    if any(later.since is None for later in versions[1:]):
        raise PydanticCustomError(
            "versions", "only the first of its versions may leave out from: give the others a date"
        )
    if any(earlier.since and later.since and later.since <= earlier.since for earlier, later in pairwise(versions)):
        raise PydanticCustomError(
            "versions", "its versions are not in the order of their dates: put the earliest from first"
        )
    return versions


Versions = Annotated[tuple[CalendarVersion, ...], Field(min_length=1), AfterValidator(_in_order)]
