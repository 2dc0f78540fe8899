"""Questions to ClickHouse, each a file of SQL beside this one."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from clickhouse_connect.driver.client import Client


def report(client: Client) -> list[dict[str, Any]]:
    """Return one row per account over all there is, busiest first.

    ``account``; ``turns``, ``answered``, ``open`` now; ``oldest_opened_at`` of the open ones and its
    age in ``oldest_seconds`` (None: none is open);
    ``response_p50``, ``response_p90`` in seconds, exact (None: no answer yet); ``within_1h``, ``reply_share``, 0 to 1
    (None: nothing to divide by); ``mentions``, ``replies`` (not automated), distinct ``contacts``.
    """
    return list(client.query(_sql("report")).named_results())


def period(client: Client, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return one row per account that had anything in start ≤ time < end, busiest first, with the columns of ``period.sql``."""
    return list(client.query(_sql("period"), parameters={"from": start, "to": end}).named_results())


def curves(
    client: Client, accounts: Sequence[str], start: datetime, end: datetime, steps: int
) -> dict[str, list[tuple[float, float]]]:
    """Return accounts' time to answer of the turns opened in start ≤ time < end: (seconds, share still unanswered).

    About ``steps`` points of each, the last one among them.
    """
    query = """
        WITH arrayFilter((place, now, next) -> now != next, arrayEnumerate(milliseconds), milliseconds,
            arrayPushBack(arrayPopFront(milliseconds), -1)) AS moments
        SELECT account, arrayMap(place -> (milliseconds[place] / 1000, exp(logarithms[place])), arrayFilter(
            (place, number) -> number % greatest(intDiv(length(moments), {steps:UInt32}), 1) = 0 OR number = length(moments),
            moments, arrayEnumerate(moments)))
        FROM wait_curves(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
        WHERE account IN {accounts:Array(String)}"""
    given = {"accounts": list(accounts), "from": start, "to": end, "steps": steps}
    return {str(account): list(points) for account, points in client.query(query, parameters=given).result_rows}


def compared(
    client: Client, account: str, period: tuple[datetime, datetime], other: tuple[datetime, datetime]
) -> dict[str, Any]:
    """Return how an account's time to answer in one period differs from that in another: ``time_to_answer_compared``."""
    query = """SELECT * FROM time_to_answer_compared(
        account = {account:String}, from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')},
        other_account = {account:String},
        other_from = {other_from:DateTime64(3, 'UTC')}, other_to = {other_to:DateTime64(3, 'UTC')})"""
    times = {"from": period[0], "to": period[1], "other_from": other[0], "other_to": other[1]}
    return next(iter(client.query(query, parameters={"account": account, **times}).named_results()))


@cache
def _sql(name: str) -> str:
    return (resources.files(__package__) / f"{name}.sql").read_text("utf-8")
