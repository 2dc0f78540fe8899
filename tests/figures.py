"""What the real files must come to, wherever the pipeline runs. The files are not part of the project."""

from pathlib import Path
from statistics import median
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

DATA = Path(__file__).parents[2] / "shared" / "data"
VIEWS = ("turns", "panes", "rolling", "alerts", "interactions", "message_responses", "dead_letters")

PUBLISHED = {
    "AmazonHelp": 552,
    "AppleSupport": 1_902,
    "Delta": 356,
    "British_Airways": 7_989,
    "VirginTrains": 219,
    "Tesco": 4_133,
}
"""Seconds: medians per contact message, computed apart from this project (README beside the files)."""


def data_file(name: str) -> Path:
    """Return one of the files, or skip."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not in {DATA}: it is not redistributed with the project")
    return path


def rows(client: Client, query: str) -> list[Any]:
    return list(client.query(query).result_rows)


def statuses(client: Client) -> dict[str, int]:
    return dict(rows(client, "SELECT status, count() FROM turns GROUP BY status"))


def fingerprint(client: Client) -> dict[str, Any]:
    """Return, per view, something that changes when any row does."""
    return {view: sorted(map(repr, rows(client, f"SELECT * FROM {view}"))) for view in VIEWS}


def assert_sample(client: Client) -> None:
    """`twcs_sample.csv`, end to end."""
    assert rows(client, "SELECT kind, count() FROM interactions GROUP BY kind ORDER BY kind") == [
        ("broadcast", 25),
        ("mention", 3_073),
        ("reply", 2_197),
    ]
    assert statuses(client) == {"answered": 2_084, "expired": 338, "open": 8}
    exact = (
        "SELECT count(), countIf(status = 'answered'), quantileExactInclusive(0.5)(response_seconds)"
        " FROM turns WHERE account = '{}'"
    )
    assert rows(client, exact.format("twitter:ChipotleTweets")) == [(224, 208, 594.0)]
    assert rows(client, exact.format("twitter:AmazonHelp")) == [(208, 187, 540.0)]
    assert rows(client, "SELECT reason FROM dead_letters") == [("malformed_record",)]


def assert_pairs(client: Client) -> None:
    """`reply_pairs.csv`, end to end."""
    assert rows(client, "SELECT kind, count() FROM interactions GROUP BY kind ORDER BY kind") == [
        ("mention", 27_498),
        ("reply", 29_001),
    ]
    assert statuses(client) == {"answered": 27_242, "expired": 18}
    found = dict(
        rows(
            client,
            "SELECT account, quantileExactInclusive(0.5)(response_seconds) FROM message_responses GROUP BY account",
        )
    )
    known = {name: seconds for name, seconds in PUBLISHED.items() if f"twitter:{name}" in found}
    assert len(known) >= 3
    assert {name: found[f"twitter:{name}"] for name in known} == known
    assert_streamed_medians(client)


def assert_streamed_medians(client: Client) -> None:
    """The stream's p50 is within 1 % of the exact one for every account with at least 20 answers."""
    exact: dict[str, list[float]] = {}
    for account, seconds in rows(
        client, "SELECT account, response_seconds FROM turns WHERE response_seconds IS NOT NULL"
    ):
        exact.setdefault(account, []).append(seconds)
    streamed = dict(
        rows(
            client,
            "SELECT account, response_p50 FROM account_activity(from = '2000-01-01 00:00:00', to = '2100-01-01 00:00:00')",
        )
    )
    for account, times in exact.items():
        if len(times) >= 20:
            assert streamed[account] == pytest.approx(median(times), rel=0.01), account
