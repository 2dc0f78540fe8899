"""An account's course and figures on the real engine, against lifelines, plain lists, and what they are made of."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from random import Random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from lifelines import KaplanMeierFitter
from lifelines.utils import median_survival_times

from schemas.codec import Record
from sinks.clickhouse import queries
from sinks.clickhouse.explanation import Question, explain
from sinks.dashboard import accounts
from sinks.dashboard.accounts import RANGES, Range
from tests.clickhouse_server import HOUR, MINUTE, answered, put, record

START = datetime(2024, 3, 4, tzinfo=UTC)
"""A Monday."""
AT = round(START.timestamp() * 1000)
ACCOUNT = "n:brand"


def later(**of_it: float) -> datetime:
    return START + timedelta(**of_it)


def turns(random: Random, count: int, hours: int) -> list[Record]:
    """Return turns of so many hours, some of which nobody has answered; times are whole minutes, so that many are alike."""
    found = []
    for number in range(count):
        opened_at = AT + random.randrange(hours * 60) * MINUTE
        given = {"turn_id": f"n:{number}", "opened_at": opened_at, "due_at": opened_at + HOUR}
        unanswered = random.random() < 0.2
        found.append(
            record("turn", status="expired", **given)
            if unanswered
            else answered(random.randrange(1, 90) * MINUTE, **given)
        )
    return found


def expected(rows: list[Record]) -> tuple[float | None, float | None, float | None, float | None]:
    """Return within how many seconds half and nine tenths of turns were answered, and the band of the former."""
    now = datetime.now(UTC).timestamp() * 1000
    waits = [((row["answered_at"] or now) - row["opened_at"]) / 1000 for row in rows]
    closed = [row["answered_at"] is not None for row in rows]
    fitted = KaplanMeierFitter().fit(waits, closed)
    band = median_survival_times(fitted.confidence_interval_)
    low, high = (float(it) for it in band.iloc[0])
    left = fitted.survival_function_.iloc[:, 0]
    ninety = next((at for at, share in left.items() if share <= 0.1 + 1e-9), float("inf"))
    found = fitted.median_survival_time_, ninety, low, high
    return tuple(None if it in (float("inf"), float("nan")) else float(it) for it in found)  # type: ignore[return-value]


@pytest.mark.parametrize("seed", range(3))
def test_a_course_has_half_and_its_band_of_every_step(clickhouse: Client, seed: int) -> None:
    hours = 6
    everything = turns(Random(seed), 240, hours)
    put(clickhouse, "turn", everything)
    put(clickhouse, "turn", [record("turn", account="n:other", turn_id="n:x", opened_at=AT, due_at=AT)])
    rows = queries.steps(clickhouse, ACCOUNT, START, timedelta(hours=1), hours)
    assert [row["at"] for row in rows] == [later(hours=number) for number in range(hours)]
    for number, row in enumerate(rows):
        own = [turn for turn in everything if 0 <= turn["opened_at"] - AT - number * HOUR < HOUR]
        half, ninety, low, high = expected(own)
        assert row["half_within"] == pytest.approx(half), number
        assert row["ninety_within"] == (None if ninety is None else pytest.approx(ninety)), number
        assert row["half_within_low"] == pytest.approx(low), number
        assert row["half_within_high"] == pytest.approx(high), number
        assert low is not None


def test_a_course_counts_in_steps(clickhouse: Client) -> None:
    put(
        clickhouse,
        "pane",
        [
            record("pane", minute=AT, mentions=2, replies=1, broadcasts=1, within_1h_hits=1, within_1h_misses=3),
            record("pane", minute=AT + 59 * MINUTE, mentions=3, replies=2),
            record("pane", minute=AT + 60 * MINUTE, mentions=5),
            record("pane", minute=AT + 180 * MINUTE, mentions=7),
            record("pane", minute=AT - MINUTE, mentions=100),
            record("pane", account="n:other", minute=AT, mentions=100),
        ],
    )
    put(
        clickhouse,
        "rolling",
        [
            record("rolling", window="24h", as_of=AT + 10 * MINUTE, unanswered=4, breached=1),
            record("rolling", window="24h", as_of=AT + 59 * MINUTE, unanswered=6, breached=2),
            record("rolling", window="1h", as_of=AT + 59 * MINUTE, unanswered=100),
        ],
    )
    rows = queries.steps(clickhouse, ACCOUNT, START, timedelta(hours=1), 3)
    assert [(row["mentions"], row["replies"]) for row in rows] == [(5, 3), (5, 0), (0, 0)]
    assert [row["reply_share"] for row in rows] == [0.75, None, None]
    assert [row["within_1h"] for row in rows] == [0.25, None, None]
    assert [(row["unanswered"], row["breached"]) for row in rows] == [(6, 2), (None, None), (None, None)]
    assert {row["half_within"] for row in rows} == {None}


def test_what_lies_ahead_is_left_out(clickhouse: Client) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = queries.steps(clickhouse, ACCOUNT, now - timedelta(hours=2), timedelta(hours=1), 10)
    assert rows[-1]["at"] in (now, now + timedelta(hours=1))


@pytest.mark.parametrize("span", accounts.RANGE_NAMES)
def test_a_course_lies_on_what_it_is_compared_with(clickhouse: Client, span: Range) -> None:
    now, extent = later(days=3, hours=9, minutes=31, seconds=7), RANGES[span]
    put(clickhouse, "pane", [record("pane", minute=AT)])
    rows, before = (accounts.course(clickhouse, ACCOUNT, span, now, before=it) for it in (False, True))
    steps = round(extent.course / extent.step)
    assert len(rows) == len(before) == steps
    assert [row["at"] - extent.before for row in rows] == [row["at"] for row in before]
    assert rows[-1]["at"] <= now < rows[-1]["at"] + extent.step
    assert extent.before % timedelta(weeks=1) == timedelta()


def test_figures_of_long_periods_are_those_of_the_views(clickhouse: Client) -> None:
    rows = turns(Random(1), 50, 24)
    put(clickhouse, "turn", rows)
    put(clickhouse, "pane", [record("pane", minute=AT + n * HOUR, mentions=n, replies=1) for n in range(24)])
    put(clickhouse, "rolling", [record("rolling", window="24h", as_of=AT + 24 * HOUR)])
    found = accounts.figures(clickhouse, ACCOUNT, "7d", later(days=2))
    assert found is not None
    assert (found["mentions"], found["replies"], found["reply_share"]) == (276, 24, 1)
    assert found["turns"] == 50
    assert found["response_rate"] == sum(row["status"] == "answered" for row in rows) / 50
    query = "SELECT * FROM {}(from = {{from:DateTime64(3, 'UTC')}}, to = {{to:DateTime64(3, 'UTC')}}) WHERE account = 'n:brand'"
    given = {"from": later(days=-5), "to": later(days=2)}
    for view in ("account_responsiveness", "account_waits"):
        for name, value in next(iter(clickhouse.query(query.format(view), given).named_results())).items():
            assert name == "account" or found[name] == value, name
    assert accounts.figures(clickhouse, ACCOUNT, "7d", later(days=-30)) is None
    assert accounts.figures(clickhouse, "n:nobody", "28d", later(days=2)) is None


@pytest.mark.parametrize(
    ("metric", "window", "value", "again"),
    [("mentions", "7d", 3, 2), ("half_within", "24h", 600, None), ("within_1h", "28d", 0.75, None), ("unanswered", "7d", 9, 1)],
)  # fmt: skip
def test_a_figure_of_any_period_is_explained(
    clickhouse: Client, metric: str, window: str, value: float, again: float | None
) -> None:
    put(clickhouse, "rolling", [record("rolling", window="24h", as_of=AT + HOUR, unanswered=9)])
    put(clickhouse, "pane", [record("pane", minute=AT, mentions=3)])
    put(clickhouse, "interaction", [record("interaction", id=f"n:{n}", published_at=AT + n) for n in range(2)])
    put(
        clickhouse,
        "turn",
        [
            answered((10 if n < 3 else 100) * MINUTE, turn_id=f"n:{n}", opened_at=AT + n, due_at=AT + HOUR)
            for n in range(4)
        ],
    )
    found = explain(clickhouse, Question(ACCOUNT, metric, window, later(days=1), 10))
    assert found.value == value
    part = found.over[0]
    assert part.posts
    assert part.again == (3 if metric == "within_1h" else again)


def test_who_is_told_in_words(clickhouse: Client) -> None:
    def said(span: Range) -> str:
        return accounts.headline(clickhouse, ACCOUNT, span, later(days=1))

    assert said("24h") == "Fewer than half of those who wrote in the last 24 hours have an answer yet."
    put(clickhouse, "turn", [answered(10 * MINUTE, turn_id="n:1", opened_at=AT)])
    assert said("5m") == said("24h") == "Half of all people hear back within 10 min."
    put(clickhouse, "turn", [answered(19 * MINUTE, turn_id="n:2", opened_at=AT - 7 * 24 * HOUR)])
    assert said("24h") == "Half of all people hear back within 10 min; a week ago 19 min."
    assert said("7d") == "Half of all people hear back within 10 min; the week before 19 min."


def test_a_course_as_csv(clickhouse: Client) -> None:
    put(
        clickhouse,
        "pane",
        [record("pane", minute=AT + HOUR, mentions=3), record("pane", minute=AT - 167 * HOUR, mentions=4)],
    )
    both: list[Any] = [
        accounts.course(clickhouse, ACCOUNT, "24h", later(hours=1, minutes=5), before=it) for it in (False, True)
    ]
    written = list(csv.DictReader(StringIO(accounts.csv_of(*both))))
    assert len(written) == 24
    assert written[-1]["at"] == "2024-03-04T01:00:00Z"
    assert (written[-1]["mentions"], written[-1]["mentions_before"], written[-1]["half_within"]) == ("3", "4", "")


def test_an_overview_is_as_of_a_moment(clickhouse: Client) -> None:
    put(clickhouse, "rolling", [
        record("rolling", account=account, window="24h", as_of=AT + hours * HOUR, mentions=mentions)
        for account, hours, mentions in (("n:a", 1, 1), ("n:a", 2, 2), ("n:b", 1, 5), ("n:a", 3, 100), ("n:c", -30, 7))
    ])  # fmt: skip
    put(
        clickhouse,
        "pane",
        [record("pane", account="n:a", minute=AT + n * HOUR, mentions=n, replies=1) for n in (1, 2, 3)],
    )
    rows = {row["account"]: row for row in queries.overview(clickhouse, later(hours=2, minutes=5))}
    assert {name: row["mentions"] for name, row in rows.items()} == {"n:a": 2, "n:b": 5}
    assert rows["n:a"]["mentions_by_hour"] == [0] * 22 + [1, 2]
    assert rows["n:a"]["replies_by_hour"] == [0] * 22 + [1, 1]
    assert rows["n:b"]["mentions_by_hour"] == []
