"""The stream's 24 hours and ClickHouse's 24 hours are the same."""

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.codec import Record
from schemas.metrics import metrics
from streams.connectors.simulator import SimulatorOptions
from streams.interactions import tick
from streams.metrics.counters import PANE_COUNTERS, WINDOW_COUNTERS
from streams.metrics.model import Facts
from streams.metrics.targets import DAY, HOUR, MINUTE
from tests.batch import Partition
from tests.clickhouse_server import NOON, at, put, put_facts, rows
from tests.figure_checks import about
from tests.integration.test_clickhouse_relationships import shown
from tests.integration.test_every_figure import QUIET
from tests.oracle import measure
from tests.worlds import world

BORDER = (NOON + DAY) // MINUTE * MINUTE
CLOCKS = (
    BORDER,
    BORDER + 1,
    BORDER + MINUTE - 1,
    BORDER + HOUR + 20_500,
    BORDER + DAY,
    BORDER + 30 * HOUR + MINUTE - 1,
)
COUNTED = [
    metric
    for metric in metrics().values()
    if "rolling" in metric.views and metric.facts and metric.value and metric.unit != "time"
]
NEWEST = "(SELECT * FROM rolling WHERE window = '24h' ORDER BY as_of DESC LIMIT 1 BY account)"


def test_the_day_of_the_stream_is_that_of_clickhouse(clickhouse: Client) -> None:
    """At borders of minutes and between them: beside the panes, the turns and posts, and the oracle."""
    events = world(SimulatorOptions(seed=4, duration=3 * DAY, polls=HOUR, **{**QUIET, "stories_per_hour": 4.0}))
    # Edits change templates, and the stream goes by what came first.
    events = [event for event in events if event["kind"] != "reply" or not event["revision"]]
    busy = [event["received_at"] for event in events if event["kind"] == "reply" and event["received_at"] > CLOCKS[-1]]
    partition, seen = Partition(), list[Record]()
    for clock in (*CLOCKS, *busy[:40:10]):
        for moment in (clock - MINUTE, clock):  # what nothing happened in is said when its minute is over
            news = [event for event in events[len(seen) :] if event["received_at"] <= moment]
            partition.message([*news, tick(moment)])
            put(clickhouse, "interaction", news or [tick(moment)])
            seen += news
        partition.settle()
        put_facts(clickhouse, partition.facts)
        partition.facts = Facts()
        for (account,), row in shown(clickhouse, NEWEST, "account").items():
            assert clock - 2 * MINUTE < row["as_of"] <= clock
            check_against_clickhouse(clickhouse, account, row)
            check_against_the_oracle(
                row, measure(seen, min(clock, row["as_of"] + MINUTE - 1))[account]["windows"]["24h"]
            )


def check_against_the_oracle(row: dict[str, Any], truth: dict[str, Any]) -> None:
    times = truth.pop("response_times", [])
    for level in (50, 90, 99):
        assert row[f"response_p{level}"] == about(times, level / 100)
    for name in (*PANE_COUNTERS, *WINDOW_COUNTERS, "unanswered", "oldest_opened_at", "followers"):
        assert (row[name] or 0) == truth.get(name, 0), name


def check_against_clickhouse(client: Client, account: str, row: dict[str, Any]) -> None:
    """Counts are equal; quantiles are the panes' own, and within 1 % of those of the turns."""
    end = row["as_of"] + MINUTE
    activity = _of(client, "account_activity", account, end)
    for name, again in activity.items():
        _close(name, row[name], again, room=1e-12)
    assert min(row["mentions"], row["answered"]) > 0
    turns = _of(client, "account_responsiveness", account, end)
    for name in turns.keys() - {"open", "expired"}:  # these are of the turns opened in the day, not of the moment
        _close(name, row[name], turns[name])
    for name, again in _facts(client, account, end).items():
        _close(name, row[name], again)
    check_bands(client, account, end)
    templated = _of(client, "templated", account, end)
    assert templated == {name: row[name] for name in templated}


def check_bands(client: Client, account: str, end: int) -> None:
    """People with few followers are answered as often and as soon; who does not say is in no band of the stream."""
    at_end = f"account = '{account}' AND window = '24h' AND as_of = fromUnixTimestamp64Milli({end - MINUTE})"
    bands = f"(SELECT * EXCEPT (account, window, as_of) FROM rolling_equal_treatment WHERE {at_end})"
    found = shown(client, bands, "followers_from")
    query = f"equal_treatment(from = fromUnixTimestamp64Milli({end - DAY}), to = fromUnixTimestamp64Milli({end}))"
    day = f"(SELECT * EXCEPT (account) FROM {query} WHERE account = '{account}' AND followers_from >= 0)"
    again = shown(client, day, "followers_from")
    assert found.keys() == again.keys()
    assert len(found) > 1
    for band, row in found.items():
        for name, value in row.items():
            _close(name, value, again[band][name], room=0.0205 if name == "time_ratio" else 0)


def _of(client: Client, view: str, account: str, end: int) -> dict[str, Any]:
    found = (
        f"(SELECT * FROM {view}(from = fromUnixTimestamp64Milli({end - DAY}), to = fromUnixTimestamp64Milli({end})))"
    )
    return shown(client, found, "account")[account,]


def _facts(client: Client, account: str, end: int) -> dict[str, Any]:
    """Return what the catalogue counts again from turns and interactions."""
    queries = []
    for metric in COUNTED:
        when = (
            f" AND ({metric.when}) >= {{start:DateTime64(3)}} AND ({metric.when}) < {{end:DateTime64(3)}}"
            if metric.when
            else ""
        )
        where = f"account = {{account:String}} AND ({metric.where}){when}"
        queries.append(
            f"SELECT '{metric.name}' AS name, toFloat64({metric.value}) AS value FROM {metric.facts} WHERE {where}"
        )
    found = rows(client, " UNION ALL ".join(queries), account=account, start=at(end - DAY), end=at(end))
    assert len(found) == len(COUNTED) > 25
    return {row["name"]: row["value"] for row in found}


def _close(name: str, value: Any, exact: Any, room: float = 0) -> None:  # noqa: ANN401 - as the columns are
    if not room:
        room = 0.0101 if metrics()[name].unit == "seconds" and "mean" not in name else 1e-9
    assert value == (exact if exact is None else pytest.approx(exact, rel=room)), name
