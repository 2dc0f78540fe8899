"""`rapport notify digest`: who is new to write to, each account in its own morning, once a day."""

from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from schemas.codec import decode, encode
from sinks.clickhouse import queries
from streams import digest
from streams.config import load_brands
from tests.clickhouse_server import DAY, HOUR, now, put, refresh
from tests.integration.test_clickhouse_relationships import BRAND, answered, said

FILE = """
[digest]
at = 09:30:00

[accounts."n:brand"]
calendar = "kathmandu"

[[calendars.kathmandu]]
time_zone = "Asia/Kathmandu"
hours = { mon = ["09:00-17:00"] }
"""
MIDNIGHT = 1_790_035_200_000
"""2026-09-22 00:00 UTC."""
FOUND = {"account": BRAND, "due": 2, "lapsed": 1, "due_in_all": 40, "lapsed_in_all": 7, "strongest": ["ann", "bob"]}


def test_who_became_due_or_lapsed_since_yesterday_strongest_first(clickhouse: Client) -> None:
    at = now()
    posts = [
        said(1, at - 2 * HOUR, "ann"),  # never answered
        said(2, at - 40 * DAY, "bob"),  # likewise, long ago
        *[said(10 + number, at - 16 * HOUR + number * HOUR, "cem") for number in range(4)],  # an hour's rhythm: lapsed
        answered(20, at - 13 * HOUR + 60_000, "cem"),  # and we had the last word, an hour ago and more
        *[said(30 + number, at - 30 * DAY + number * HOUR, "dan") for number in range(4)],  # lapsed long ago
        answered(40, at - 30 * DAY + 4 * HOUR, "dan"),
        said(50, at - 40 * DAY, "eve", account="n:other"),
    ]
    put(clickhouse, "interaction", posts)
    refresh(clickhouse)
    (found,) = queries.digest(clickhouse)
    assert {name: found[name] for name in FOUND} == {
        "account": BRAND,
        "due": 2,
        "lapsed": 1,
        "due_in_all": 4,
        "lapsed_in_all": 2,
        "strongest": ["cem", "ann"],
    }


@pytest.mark.parametrize(("hours", "told"), [(3.5, []), (3.75, [20718]), (18.2, [20718]), (18.5, [])])
def test_an_account_is_told_in_its_own_morning(tmp_path: Path, hours: float, told: list[int]) -> None:
    """Kathmandu is 5 h 45 min ahead: 09:30 there is 03:45 UTC."""
    (tmp_path / "rapport.toml").write_text(FILE, "utf-8")
    brands = load_brands(tmp_path / "rapport.toml")
    rows = digest.rows([FOUND], brands, MIDNIGHT + round(hours * HOUR))
    assert [row["version"] for row in rows] == told
    for row in rows:
        assert row["alert_id"] == f"follow_up:{row['version']}"
        assert (
            row["subject"] == "since yesterday 2 follow-ups are due and 1 ties have lapsed (40 and 7 in all): ann, bob"
        )
        assert decode("alert", encode("alert", [row])) == [row]


def test_without_a_calendar_it_is_nine_in_the_morning_of_utc() -> None:
    brands = load_brands(None)
    assert digest.rows([FOUND], brands, MIDNIGHT + 9 * HOUR - 1) == []
    assert len(digest.rows([FOUND], brands, MIDNIGHT + 9 * HOUR)) == 1
