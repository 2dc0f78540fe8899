"""Every panel of Grafana asks the real engine, over the real views, and gets the columns that it shows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client

from deploy.grafana.dashboards import ACCOUNT, BRANDS, RELATIONSHIPS
from deploy.grafana.panels import BEFORE, Panel
from deploy.grafana.queries import ACCOUNTS
from streams.connectors.simulator import SimulatorOptions
from tests.batch import Partition
from tests.clickhouse_server import DAY, HOUR, MINUTE, answered, embedded, put, record, refresh, rows
from tests.grafana import asked
from tests.told import told
from tests.worlds import world

NOW = datetime.now(UTC)
WEEK = timedelta(days=7)
ACCOUNTS_TABLE = next(panel for panel in BRANDS if panel.title == "Accounts")
LATER = {"ninety_within", "ninety_within_before", "active_1m", "active_3m", "active_12m", "active_36m"}
"""What seven weeks are too short for, or so few turns."""
OPTIONS = SimulatorOptions(
    accounts=2, duration=50 * DAY, stories_per_hour=0.15, broadcasts_per_day=2.0, crises_per_week=0.0, polls=DAY
)
PANELS = [(panel, number) for panel in (*BRANDS, *ACCOUNT, *RELATIONSHIPS) for number in range(len(panel.asks))]


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Two accounts and seven weeks of their public up to now, through the fold and into every table; and three quiet ones."""
    events = world(OPTIONS)
    now = int(NOW.timestamp() * 1000)
    late = now - MINUTE - max(event["received_at"] for event in events)
    partition = Partition()
    for event in events:
        event["published_at"] += late
        event["received_at"] += late
        partition.message([event])
        partition.settle()
    facts = told(partition.facts)
    with embedded(tmp_path_factory.mktemp("grafana") / "clickhouse") as client:
        put(client, "interaction", events)
        for name, records in (("turn", facts.turns), ("pane", facts.panes), ("rolling", facts.rolling)):
            put(client, name, records)
        put(client, "turn", [record("turn", account="n:waits", opened_at=now - 20 * DAY, due_at=now - 19 * DAY)])
        put(client, "turn", [answered(HOUR, account="n:silent", opened_at=now - 20 * DAY)])
        put(client, "pane", [record("pane", account="n:talks", minute=now - DAY, broadcasts=3)])
        refresh(client)
        yield client


@pytest.fixture(scope="module")
def account(clickhouse: Client) -> str:
    """The account that a dashboard opens with."""
    return str(rows(clickhouse, asked(ACCOUNTS, NOW - WEEK, NOW))[0]["account"])


def needed(panel: Panel, number: int) -> set[str]:
    """Return the columns that a query of a panel has to answer with."""
    if panel.kind == "timeseries":
        return {"time", *(name + (BEFORE if number else "") for name in panel.shows)}
    before = {column for column in (name + BEFORE for name in panel.shows) if column in panel.asks[number]}
    return {*panel.shows, *panel.names, *before, *([panel.axis] if panel.axis else [])}


@pytest.mark.parametrize(("panel", "number"), PANELS, ids=lambda one: getattr(one, "title", None) or None)
def test_a_panel_gets_the_columns_that_it_shows_and_has_something_to_show(
    clickhouse: Client, account: str, panel: Panel, number: int
) -> None:
    one = "account = ${account" in panel.asks[number]
    found = rows(clickhouse, asked(panel.asks[number], NOW - WEEK, NOW, [account] if one else []))
    assert found, "nothing to show"
    assert set(found[0]) == needed(panel, number)
    assert {column for column in found[0] if all(row[column] is None for row in found)} <= LATER
    if panel.axis:
        steps = [row[panel.axis] for row in found]
        assert steps == sorted(set(steps)), "a line goes on in one direction"


def test_who_only_waits_and_who_only_broadcasts_are_among_the_accounts(clickhouse: Client) -> None:
    shown = {row["account"]: row for row in rows(clickhouse, asked(ACCOUNTS_TABLE.asks[0], NOW - WEEK, NOW))}
    assert len(shown) == 4
    assert (shown["n:waits"]["unanswered"], shown["n:waits"]["breached"], shown["n:waits"]["reply_share"]) == (
        1,
        1,
        None,
    )
    assert (shown["n:talks"]["unanswered"], shown["n:talks"]["reply_share"]) == (0, 0)


def test_choosing_every_account_is_choosing_all(clickhouse: Client) -> None:
    accounts = [row["account"] for row in rows(clickhouse, asked(ACCOUNTS, NOW - WEEK, NOW))]
    assert len(accounts) == 3
    for panel in BRANDS:
        for sql in panel.asks:
            chosen = [*accounts, "n:waits"]
            of_all, of_each = (rows(clickhouse, asked(sql, NOW - WEEK, NOW, names)) for names in ([], chosen))
            assert of_all == of_each


def test_who_waits_is_who_the_turns_say(clickhouse: Client) -> None:
    shown = rows(clickhouse, asked(BRANDS[0].asks[0], NOW - WEEK, NOW))[0]
    (known,) = rows(clickhouse, "SELECT count() AS waiting, min(opened_at) AS oldest FROM turns WHERE status = 'open'")
    assert (shown["unanswered"], shown["oldest_opened_at"]) == (known["waiting"], known["oldest"])
    table = rows(clickhouse, asked(ACCOUNTS_TABLE.asks[0], NOW - WEEK, NOW))
    assert sum(row["unanswered"] for row in table) == known["waiting"]


def test_what_stands_beside_a_number_is_the_period_before(clickhouse: Client, account: str) -> None:
    for panel in ACCOUNT:
        if panel.kind == "stat":
            now = rows(clickhouse, asked(panel.asks[0], NOW - WEEK, NOW, [account]))[0]
            then = rows(clickhouse, asked(panel.asks[0], NOW - 2 * WEEK, NOW - WEEK, [account]))[0]
            assert now[panel.shows[0] + BEFORE] == then[panel.shows[0]]


def test_a_week_before_is_moved_on_by_a_week(clickhouse: Client, account: str) -> None:
    lines = next(panel for panel in ACCOUNT if panel.title == "Mentions and replies a minute")
    earlier = rows(clickhouse, asked(lines.asks[1], NOW - WEEK, NOW, [account]))
    then = rows(clickhouse, asked(lines.asks[0], NOW - 2 * WEEK, NOW - WEEK, [account]))
    moved = [{"time": row["time"] + WEEK, **{name + BEFORE: row[name] for name in lines.shows}} for row in then]
    assert earlier == moved
