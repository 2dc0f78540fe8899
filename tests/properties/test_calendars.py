"""Business time against a clock on the wall that is looked at every minute."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.calendars import DAY, HOUR, ZONES, calendar, changes, versions
from tests.wall_clock import FARTHEST, WallCalendar, WallClock

MS_2000 = 946_684_800_000
YEARS = [MS_2000 + number * 365 * DAY for number in range(30)]


def only(version: dict[str, Any]) -> dict[str, Any]:
    """Return a version that always holds."""
    return {key: value for key, value in version.items() if key != "from"}


@st.composite
def around_a_change(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """Return a version, and an instant within days of a change of its clocks."""
    zone = draw(st.sampled_from(ZONES))
    change = draw(st.sampled_from(changes(zone)))
    version = only(draw(versions(change - 3 * DAY, 9 * DAY))[0]) | {"time_zone": zone}
    return version, change + draw(st.integers(-2 * DAY, 3 * DAY))


@given(st.sampled_from(YEARS), st.data())
@settings(max_examples=5, deadline=None)
def test_a_year_of_a_random_calendar(start: int, data: st.DataObject) -> None:
    version = only(data.draw(versions(start))[0])
    hours, wall = calendar([version]).at(0), WallClock(version)
    assert hours is not None
    for day in range(start, start + 365 * DAY, DAY):
        assert hours.between(day, day + DAY) == wall.between(day, day + DAY)


@given(around_a_change(), st.integers(0, 4 * DAY))
@settings(max_examples=200, deadline=None)
def test_business_time_between_two_instants(case: tuple[dict[str, Any], int], length: int) -> None:
    version, start = case
    hours = calendar([version]).at(0)
    assert hours is not None
    assert hours.between(start, start + length) == WallClock(version).between(start, start + length)


@given(around_a_change(), st.integers(0, 20 * HOUR) | st.integers(0, 80).map(lambda quarters: quarters * HOUR // 4))
@settings(max_examples=200, deadline=None)
def test_the_deadline(case: tuple[dict[str, Any], int], business: int) -> None:
    version, start = case
    hours = calendar([version]).at(0)
    assert hours is not None
    assert hours.deadline(start, business) == WallClock(version).deadline(start, business)


@given(around_a_change(), st.integers(1, 200 * HOUR))
@settings(max_examples=200, deadline=None)
def test_the_deadline_is_the_first_instant_at_which_the_time_has_passed(
    case: tuple[dict[str, Any], int], business: int
) -> None:
    version, start = case
    hours = calendar([version]).at(0)
    assert hours is not None
    end = hours.deadline(start, business)
    assert end <= start + FARTHEST
    if end < start + FARTHEST:
        assert hours.between(start, end) == business
        assert hours.between(start, end - 1) == business - 1
    else:
        assert hours.between(start, end) <= business


@given(st.sampled_from(YEARS), st.data())
@settings(max_examples=200, deadline=None)
def test_a_turn_is_measured_with_the_version_in_force_when_it_opened(start: int, data: st.DataObject) -> None:
    found = data.draw(versions(start, 30 * DAY))
    dates = [version["from"] for version in found if "from" in version]
    near = [(date.toordinal() - 719_163) * DAY for date in dates] or [start]
    opened_at = data.draw(st.sampled_from(near)) + data.draw(st.integers(-2 * DAY, 2 * DAY))
    hours, wall = calendar(found).at(opened_at), WallCalendar(found).at(opened_at)
    assert (hours and hours.name) == (wall and wall.name)
    if hours and wall:
        assert hours.deadline(opened_at, HOUR) == wall.deadline(opened_at, HOUR)
