"""Business time that is left of a target, against every minute looked at by itself."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.dashboard.business_time import BusinessTime
from streams.config import Brands
from streams.metrics.calendars import Hours

MINUTE, DAY = 60_000, 86_400_000
TABLE = {
    "calendars": {
        "desk": [{"time_zone": "Europe/London", "hours": {day: ["09:00-12:00", "13:00-17:00"] for day in ("mon", "tue", "wed")}}],
        "night": [{"time_zone": "Asia/Kathmandu", "hours": {"fri": ["22:00-06:00"]}}],
    }
}  # fmt: skip
HOURS = Brands.model_validate(TABLE, context={"calendars": TABLE["calendars"]}).business_hours
MONDAY = round(datetime(2026, 3, 23, tzinfo=UTC).timestamp() * 1000)
"""The week in which London's clocks are put forward, on the Sunday."""


def business_time() -> BusinessTime:
    return BusinessTime({name: hours.shifts for name, hours in HOURS.items()})


def at_work(hours: Hours, instant: int) -> bool:
    """Say whether somebody is, by the time that a very short piece of business takes."""
    return hours.deadline(instant, 1) == instant + 1


@given(st.sampled_from(sorted(HOURS)), st.integers(0, 9 * 1440), st.integers(0, 3 * 1440))
def test_each_minute_counts_by_itself(name: str, start: int, minutes: int) -> None:
    hours, begins, ends = HOURS[name], MONDAY + start * MINUTE, MONDAY + (start + minutes) * MINUTE
    counted = sum(at_work(hours, instant) for instant in range(begins, ends, MINUTE)) * 60
    before, after = business_time().left(name, ends, begins), business_time().left(name, begins, ends)
    assert (before.seconds, before.over, before.closed) == (counted, minutes == 0, not at_work(hours, begins))
    assert (after.seconds, after.over, after.closed) == (counted, True, not at_work(hours, ends))


@pytest.mark.parametrize(
    ("calendar", "due_at", "now", "words"),
    [
        ("", MONDAY + 30 * MINUTE, MONDAY, "30 min left"),
        ("", MONDAY - 30 * MINUTE, MONDAY, "30 min over"),
        ("desk", MONDAY + 10 * 60 * MINUTE, MONDAY, "60 min left, closed now"),
        ("desk", MONDAY + 14 * 60 * MINUTE, MONDAY + 11 * 60 * MINUTE, "2 h 00 m left"),
        ("gone", MONDAY + 2 * 60 * MINUTE, MONDAY, "2 h 00 m left"),
    ],
)
def test_what_people_read(calendar: str, due_at: int, now: int, words: str) -> None:
    left = business_time().left(calendar, due_at, now)
    assert left.words.replace("1 h 00 m", "60 min") == words
    assert left.known is (calendar != "gone")


def test_shifts_are_those_that_a_turn_can_need() -> None:
    found = business_time().shifts({"", "desk", "gone"}, MONDAY)
    assert list(found) == ["desk"]
    assert (MONDAY + 9 * 60 * MINUTE, MONDAY + 12 * 60 * MINUTE) in found["desk"]
    assert found["desk"][0][0] < MONDAY - 80 * DAY
    assert found["desk"][-1][1] > MONDAY + 80 * DAY


def test_what_goes_past_midnight_is_one_shift() -> None:
    week = HOURS["night"].shifts(MONDAY, MONDAY + 7 * DAY)
    assert [closes - opens for opens, closes in week] == [8 * 60 * MINUTE]
