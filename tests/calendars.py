"""Random calendars, as `rapport.toml` has them, and what the settings make of them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from streams.config import Brands
from streams.metrics.calendars import Calendar
from tests.wall_clock import WEEKDAYS

HOUR = 3_600_000
DAY = 24 * HOUR
ZONES = (
    "UTC",
    "Europe/London",
    "America/New_York",
    "Asia/Kathmandu",  # +05:45
    "America/St_Johns",  # -03:30, changed at 00:01 until 2011
    "Australia/Lord_Howe",  # changes by half an hour
    "Antarctica/Troll",  # changes by two hours
    "America/Sao_Paulo",  # changed at midnight until 2019
    "Pacific/Apia",  # had no 30 December 2011
    "Africa/Casablanca",  # changes for Ramadan
    "Pacific/Kiritimati",  # +14:00
)
Version = dict[str, Any]


@st.composite
def days(draw: st.DrawFn) -> list[str]:
    """Return the shifts of a day: none, one or several, the last perhaps past midnight."""
    marks = draw(st.lists(st.integers(0, 96), unique=True, max_size=6).map(sorted))
    shifts = [(opens, closes) for opens, closes in zip(marks[::2], marks[1::2], strict=False)]
    if len(marks) % 2 and marks[-1] < 96:
        shifts.append((marks[-1], draw(st.integers(0, marks[-1] - 1)) if marks[-1] else 96))
    return [f"{_time(opens)}-{_time(closes)}" for opens, closes in shifts]


def _time(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"


@st.composite
def versions(draw: st.DrawFn, start: int, span: int = 400 * DAY) -> list[Version]:
    """Return the versions of a calendar, their dates and holidays within `span` of `start`, both ms."""
    first = datetime.fromtimestamp(start // 1000, UTC).date()
    dates = st.integers(0, span // DAY).map(lambda number: first + timedelta(days=number))
    since: list[date | None] = list(draw(st.lists(dates, unique=True, min_size=1, max_size=3).map(sorted)))
    if draw(st.booleans()):
        since[0] = None
    found = []
    for begins in since:
        hours = {day: draw(days()) for day in draw(st.sets(st.sampled_from(WEEKDAYS), min_size=1))}
        if not any(hours.values()):
            hours["mon"] = ["09:00-17:00"]
        version = {"time_zone": draw(st.sampled_from(ZONES)), "hours": hours}
        version["holidays"] = draw(st.lists(dates, max_size=4))
        found.append(version if begins is None else {**version, "from": begins})
    return found


def calendar(versions: Sequence[Version]) -> Calendar:
    """Return what an account is measured with that has this calendar."""
    table = {"defaults": {"calendar": "support"}, "calendars": {"support": versions}}
    found = Brands.model_validate(table, context=table).targets("net:one").calendar
    assert found is not None
    return found


@cache
def changes(zone: str) -> list[int]:
    """Return about when the clocks of a zone are changed, from 2000 to 2030, to the day; some instant where they never are."""
    first = datetime(2000, 1, 1, tzinfo=UTC)
    instants = [first + timedelta(days=number) for number in range(11_000)]
    offsets = [instant.astimezone(ZoneInfo(zone)).utcoffset() for instant in instants]
    changed = [instant for instant, one, two in zip(instants, offsets, offsets[1:], strict=False) if one != two]
    return [int(instant.timestamp()) * 1000 for instant in changed or instants[3000:3001]]
