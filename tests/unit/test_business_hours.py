"""Calendars as `rapport.toml` has them: what is refused, and what the rules of docs/metrics.md come to."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.config import Brands
from streams.errors import SettingsError
from streams.metrics.calendars import FARTHEST, Calendar, Hours
from tests.brands_file import load, mistake
from tests.calendars import DAY, HOUR, calendar

MINUTE = 60_000
FILE = """\
[defaults]
calendar = "support"

[[calendars.support]]
time_zone = "Europe/London"
hours = { mon = ["09:00-17:00"] }

[[calendars.support]]
from = 2026-03-01
time_zone = "Europe/London"
country = "GB"
subdivision = "SCT"
holidays = [2026-03-02]

[calendars.support.hours]
mon = ["09:00-12:30", "13:30-17:00"]
fri = ["22:00-06:00"]
"""


def at(text: str) -> int:
    """Return an instant that is written in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def hours(version: dict[str, Any]) -> Hours:
    """Return the only version of a calendar."""
    found = calendar([version]).at(0)
    assert found is not None
    return found


def london(**days: list[str]) -> Hours:
    return hours({"time_zone": "Europe/London", "hours": days})


def agreed(brands: Brands, account: str = "net:any") -> Calendar:
    found = brands.targets(account).calendar
    assert found is not None
    return found


# -- settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong", "line", "says"),
    [
        ('calendar = "support"', 'calendar = "sales"', 2, "defaults.calendar: there is no [[calendars.sales]] in the file"),
        ('mon = ["09:00-17:00"]', 'mon = ["9-17"]', 6, 'calendars.support.0.hours.mon.0: write it as "09:00-17:00"'),
        ('mon = ["09:00-17:00"]', 'mon = ["09:00-24:30"]', 6, 'hours.mon.0: write it as "09:00-17:00"'),
        ('mon = ["09:00-17:00"]', "mon = [9]", 6, 'hours.mon.0: write it as "09:00-17:00"'),
        ('mon = ["09:00-17:00"]', 'mon = ["09:00-09:00"]', 6, 'hours.mon.0: it has no length: write "00:00-24:00"'),
        ('mon = ["09:00-17:00"]', "mon = []", 6, "calendars.support.0.hours: it is never open: give one day a shift"),
        ('mon = ["09:00-17:00"]', 'monday = ["09:00-17:00"]', 6, "hours.monday"),
        ('"13:30-17:00"', '"12:00-17:00"', 16, "calendars.support.1.hours.mon: two of its shifts overlap: make them one"),
        ('time_zone = "Europe/London"\nhours', 'time_zone = "London"\nhours', 5, "time_zone: no such time zone: name one"),
        ("from = 2026-03-01\n", "", 4, "calendars.support: only the first of its versions may leave out from"),
        ("[[calendars.support]]\ntime", "[[calendars.support]]\nfrom = 2026-03-01\ntime", 4, "its versions are not in"),
        ("from = 2026-03-01", "from = 2026-02-30", 9, "is not TOML"),
        ("from = 2026-03-01", 'from = "soon"', 9, "calendars.support.1.from: Input should be a valid date"),
        ('country = "GB"', 'country = "Narnia"', 11, "calendars.support.1.country: no holidays are known of it: name a country"),
        ('country = "GB"\n', "", 11, "calendars.support.1.subdivision: it is a part of no country: give country"),
        ('"SCT"', '"BY"', 12, "calendars.support.1.subdivision: not a part of GB: name one of ENG, NIR, SCT, WLS"),
        ("holidays = [2026-03-02]", "holidays = [1]", 13, "calendars.support.1.holidays.0: Input should be a valid date"),
        ("holidays", "hollidays", 13, "calendars.support.1.hollidays: there is no such key here"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_what_to_do(
    right: str, wrong: str, line: int, says: str, tmp_path: Path
) -> None:
    said = mistake(FILE, right, wrong, tmp_path)
    assert says in said
    if says != "is not TOML":
        assert f"rapport.toml, line {line}: " in said


@pytest.mark.parametrize("nonsense", ["calendars = 3", "calendars = []", "[[calendars]]", "[calendars]\nsupport = 3"])
def test_calendars_that_are_none_are_refused(nonsense: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"rapport.toml, line \d"):
        load(f'{nonsense}\n[accounts."net:one"]\ncalendar = "support"\n', tmp_path)


def test_an_account_has_its_own_calendar_that_of_all_or_none(tmp_path: Path) -> None:
    other = '[[calendars.night]]\ntime_zone = "UTC"\nhours = { sat = ["22:00-06:00"] }\n'
    accounts = '[accounts."net:a"]\ncalendar = "night"\n[accounts."net:b"]\ncalendar = ""\n[accounts."net:c"]\ntarget_minutes = 5\n'
    brands = load(FILE + other + accounts, tmp_path)
    now = at("2026-06-01 10:00")
    names = {name: agreed(brands, f"net:{name}").at(now) for name in ("a", "a#3", "b", "c", "d")}
    assert {name: found.name if found else "" for name, found in names.items()} == {
        "a": "night",
        "a#3": "night",
        "b": "",
        "c": "support@2026-03-01",
        "d": "support@2026-03-01",
    }
    assert agreed(brands, "net:c") is agreed(brands, "net:d"), "days are looked up once for all accounts"
    assert load("[defaults]\ntarget_minutes = 5\n", tmp_path).targets("net:a").calendar is None


def test_a_version_holds_from_the_midnight_of_its_date_where_it_is_read(tmp_path: Path) -> None:
    for zone, midnight in (("Europe/London", "2026-03-01 00:00"), ("Asia/Kathmandu", "2026-02-28 18:15")):
        support = agreed(load(FILE.replace("Europe/London", zone), tmp_path))
        before, after = support.at(at(midnight) - 1), support.at(at(midnight))
        assert (before and before.name, after and after.name) == ("support", "support@2026-03-01")


def test_before_the_first_date_it_is_around_the_clock(tmp_path: Path) -> None:
    support = agreed(
        load(FILE.replace("[[calendars.support]]\n", "[[calendars.support]]\nfrom = 2026-01-01\n", 1), tmp_path)
    )
    assert support.at(at("2025-12-31 23:59")) is None


def test_a_turn_keeps_the_version_of_whichever_calendar_it_opened_with(tmp_path: Path) -> None:
    other = '[[calendars.night]]\ntime_zone = "UTC"\nhours = { sat = ["22:00-06:00"] }\n'
    night = agreed(load((FILE + other).replace('"support"', '"night"'), tmp_path))
    assert night.named("support@2026-03-01") is not None
    assert night.named("night") is night.at(0)
    assert night.named("support@2026-04-01") is None


# -- the rules ------------------------------------------------------------------------------------------------------------


def test_who_writes_after_hours_waits_from_the_next_shift_on() -> None:
    week = london(fri=["09:00-17:00"], mon=["09:00-17:00"])
    assert week.deadline(at("2026-03-06 18:00"), HOUR) == at("2026-03-09 10:00")
    assert week.deadline(at("2026-03-06 16:30"), HOUR) == at("2026-03-09 09:30")
    assert week.between(at("2026-03-06 18:00"), at("2026-03-09 08:00")) == 0


def test_a_time_that_ends_with_a_shift_ends_there() -> None:
    week = london(fri=["09:00-12:00", "13:00-17:00"], mon=["09:00-17:00"])
    assert week.deadline(at("2026-03-06 16:00"), HOUR) == at("2026-03-06 17:00")
    assert week.deadline(at("2026-03-06 11:00"), HOUR) == at("2026-03-06 12:00")
    assert week.deadline(at("2026-03-06 11:00"), HOUR + 1) == at("2026-03-06 13:00") + 1


def test_a_shift_past_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    night: dict[str, Any] = {"time_zone": "UTC", "hours": {"fri": ["22:00-06:00"], "sat": ["05:00-07:00"]}}
    friday, saturday = at("2026-03-06 00:00"), at("2026-03-07 00:00")
    assert hours(night).between(friday, saturday + DAY) == 9 * HOUR, "where shifts overlap, time counts once"
    sick = hours({**night, "holidays": [date(2026, 3, 6)]})
    assert sick.between(friday, saturday + DAY) == 2 * HOUR
    slept = hours({**night, "holidays": [date(2026, 3, 7)]})
    assert slept.between(friday, saturday + DAY) == 8 * HOUR


def test_a_shift_is_what_the_clock_on_the_wall_shows() -> None:
    """In London the clocks skip 01:00 to 02:00 on 29 March 2026, and show it twice on 25 October."""
    day = london(sun=["09:00-17:00"])
    assert day.deadline(at("2026-03-29 00:00"), HOUR) == at("2026-03-29 09:00")
    assert day.deadline(at("2026-10-25 00:00"), HOUR) == at("2026-10-25 10:00")
    early = london(sun=["00:30-01:30"])
    assert early.between(at("2026-03-29 00:00"), at("2026-03-30 00:00")) == 30 * MINUTE
    assert early.between(at("2026-10-24 12:00"), at("2026-10-26 00:00")) == 90 * MINUTE
    night = london(sat=["22:00-06:00"])
    assert night.between(at("2026-03-28 12:00"), at("2026-03-29 12:00")) == 7 * HOUR
    assert night.between(at("2026-10-24 12:00"), at("2026-10-25 12:00")) == 9 * HOUR


def test_the_holidays_of_a_country_and_of_its_part(tmp_path: Path) -> None:
    """St Andrew's Day, 30 November, was a Monday in 2026, and is a holiday in Scotland alone."""
    scottish = agreed(load(FILE, tmp_path)).at(at("2026-11-01 00:00"))
    english = agreed(load(FILE.replace("SCT", "ENG"), tmp_path)).at(at("2026-11-01 00:00"))
    assert scottish is not None
    assert english is not None
    monday = at("2026-11-30 00:00")
    assert (scottish.between(monday, monday + DAY), english.between(monday, monday + DAY)) == (0, 7 * HOUR)


def test_nobody_looks_further_than_a_turn_lives() -> None:
    never = hours({"time_zone": "UTC", "hours": {"mon": ["09:00-17:00"]}, "country": "GB"})
    never._is_holiday = lambda _: True  # noqa: SLF001
    start = at("2026-03-06 18:00")
    assert never.deadline(start, 1) == start + FARTHEST
    seldom = hours({"time_zone": "UTC", "hours": {"mon": ["09:00-09:15"]}})
    assert seldom.deadline(start, 8 * HOUR) == start + FARTHEST
    mondays = hours({"time_zone": "UTC", "hours": {"mon": ["09:00-17:00"]}})
    tuesday = at("2026-03-03 10:00")  # 90 days before a Monday, at the same time
    assert mondays.deadline(tuesday, 12 * 8 * HOUR + HOUR) == tuesday + FARTHEST == at("2026-06-01 10:00")
    assert mondays.deadline(tuesday, 12 * 8 * HOUR + 2 * HOUR) == tuesday + FARTHEST
    assert mondays.deadline(tuesday, 12 * 8 * HOUR + MINUTE) == tuesday + FARTHEST - 59 * MINUTE


def test_instants_at_the_end_of_time_are_no_error() -> None:
    week = hours({"time_zone": "America/New_York", "hours": {"mon": ["00:00-24:00"]}, "country": "US"})
    for end in (0, at("9999-12-31 23:00"), 1 << 60):
        assert end <= week.deadline(end, HOUR) <= end + FARTHEST
