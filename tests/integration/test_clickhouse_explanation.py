"""Every number of the stream, counted again from the facts behind it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from clickhouse_connect.driver.client import Client
from rich.console import Console

from schemas.metrics import metrics
from sinks.clickhouse.explanation import Part, Question, explain
from sinks.clickhouse.queries import treatment
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.errors import SettingsError
from streams.explaining import explained
from streams.metrics.targets import DAY, HOUR, MINUTE, Targets
from tests.batch import Partition
from tests.clickhouse_server import embedded, put
from tests.told import told

START = 1_767_225_600_000
OPTIONS = SimulatorOptions(
    seed=5,
    accounts=2,
    start=START,
    duration=3 * DAY,
    stories_per_hour=4,
    late=0.05,
    duplicates=0.05,
    edits=0.05,
    deletions=0.05,
    polls=HOUR,
)
LATENESS = 2 * DAY
"""Nothing is later, so that stream and facts have seen the same."""
COUNTED = [metric for metric in metrics().values() if "rolling" in metric.views and metric.facts and metric.value]
RATES = [metric for metric in metrics().values() if "rolling" in metric.views and metric.over]


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One for all of these tests, which only read."""
    with embedded(tmp_path_factory.mktemp("explanation") / "clickhouse") as client:
        yield client


@pytest.fixture(scope="module")
def account(clickhouse: Client) -> str:
    """Put a world and what the fold makes of it into ClickHouse, and return one of its accounts."""
    partition = Partition(Targets(lateness=LATENESS))
    events = []
    for event in simulate(OPTIONS):
        if event["received_at"] > START + 3 * DAY:
            break
        events.append(event)
        partition.message([event])
    partition.settle()
    facts = told(partition.facts)
    put(clickhouse, "interaction", events)
    for name, rows in (("turn", facts.turns), ("pane", facts.panes), ("rolling", facts.rolling)):
        put(clickhouse, name, rows)
    return next(iter(partition.states))


def test_stream_and_facts_agree_on_every_number(clickhouse: Client, account: str) -> None:
    for window in ("1h", "24h"):
        for metric in COUNTED:
            found = explain(clickhouse, Question(account, metric.name, window))
            (part,) = found.over
            assert part.value == found.value
            if metric.unit == "seconds":
                assert part.again == pytest.approx(part.value, rel=0.0101), (metric.name, window)
            else:
                assert part.again == part.value, (metric.name, window)
            # The query that is shown is asked as it stands there, and says the same.
            assert clickhouse.query(part.query).result_rows == [(part.again,)], part.query
    assert len(COUNTED) > 25


def test_every_number_can_be_printed(clickhouse: Client, account: str) -> None:
    """Also those that are no amount, as the time at which the oldest was opened."""
    for metric in metrics().values():
        if "rolling" in metric.views:
            printed = Console(file=StringIO(), width=200)
            printed.print(explained(explain(clickhouse, Question(account, metric.name))))
            text = printed.file.getvalue()  # type: ignore[attr-defined]
            assert text.startswith(f"{metric.label}: "), metric.name
            assert "they differ" not in text, text


def test_a_rate_is_what_its_parts_come_to(clickhouse: Client, account: str) -> None:
    def total(parts: list[Part]) -> float:
        return sum(part.value or 0 for part in parts)

    for metric in RATES:
        found = explain(clickhouse, Question(account, metric.name))
        divided = total([*found.over]) / total([*found.under])
        unit = 1000 if metric.name == "response_mean_seconds" else 1
        assert found.value == pytest.approx(divided / unit), metric.name
    assert len(RATES) > 10


def test_the_posts_behind_a_number_are_shown_newest_first(clickhouse: Client, account: str) -> None:
    (part,) = explain(clickhouse, Question(account, "mentions", posts=3)).over
    times = [post["at"] for post in part.posts]
    assert len(times) == 3
    assert times == sorted(times, reverse=True)
    assert all(post["text"] and post["status"] == "mention" for post in part.posts)
    (answers,) = explain(clickhouse, Question(account, "response_samples", posts=1000)).over
    assert len(answers.posts) == answers.again
    assert all(post["seconds"] is not None and post["text"] for post in answers.posts)


def test_how_people_with_so_many_followers_are_treated_is_explained(clickhouse: Client, account: str) -> None:
    end = datetime.fromtimestamp((START + 3 * DAY) / 1000, UTC)
    bands = treatment(clickhouse, account, end - timedelta(days=28), end)
    assert len(bands) > 3
    for band in bands:
        for name in ("turns", "response_rate", "rate_ratio", "response_p50", "time_ratio"):
            found = explain(clickhouse, Question(account, name, "28d", end, 1000, band["followers_from"]))
            assert found.value == band[name]
            for part in (*found.over, *found.under):
                assert part.again == (band[part.metric.name] if part.metric.facts else None), (band, part.query)
                assert len(part.posts) == band["turns"] or name != "turns"
    for window, length in (("1h", timedelta(hours=1)), ("24h", timedelta(days=1))):
        ended = explain(clickhouse, Question(account, "turns", window, end)).end
        for band in treatment(clickhouse, account, ended - length, ended):
            for name in ("turns", "response_rate", "rate_ratio", "response_p50"):
                found = explain(clickhouse, Question(account, name, window, end, 5, band["followers_from"]))
                assert (found.end, found.value) == (ended, band[name] and pytest.approx(band[name], rel=0.0101))
                parts = [part for part in (*found.over, *found.under) if part.metric.facts]
                assert [part.again and pytest.approx(part.again, rel=0.0101) for part in parts] == [
                    part.value for part in parts
                ]
    with pytest.raises(SettingsError, match="no turns of people with 7 followers"):
        explain(clickhouse, Question(account, "turns", "28d", end, 5, 7))
    with pytest.raises(SettingsError, match="there is no metric mentions"):
        explain(clickhouse, Question(account, "mentions", "28d", end, 5, 0))


def test_what_was_can_be_asked_for(clickhouse: Client, account: str) -> None:
    then = datetime.fromtimestamp((START + DAY) / 1000, UTC)
    found = explain(clickhouse, Question(account, "mentions", "1h", at=then))
    assert found.end.timestamp() * 1000 <= START + DAY + MINUTE
    with pytest.raises(SettingsError, match="has no figures up to then"):
        explain(clickhouse, Question(account, "mentions", at=datetime.fromtimestamp(0, UTC)))


def test_what_is_not_known_is_said_with_what_is_near(clickhouse: Client, account: str) -> None:
    with pytest.raises(SettingsError, match=r"is it .*within_1h"):
        explain(clickhouse, Question(account, "within_2h"))
    with pytest.raises(SettingsError, match=f"is it {account}"):
        explain(clickhouse, Question(account[:-1], "mentions"))
    with pytest.raises(SettingsError, match="give one of 1m, 5m, 1h"):
        explain(clickhouse, Question(account, "mentions", "2h"))
