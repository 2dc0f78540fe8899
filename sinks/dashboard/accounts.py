"""How one account does: the periods that can be chosen, its figures and its course in each, and what they are compared with."""

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from io import StringIO
from typing import Any, Final, Literal, NamedTuple, get_args

from clickhouse_connect.driver.client import Client

from schemas.wording import duration
from sinks.clickhouse import queries

Range = Literal["5m", "1h", "24h", "7d", "28d", "365d"]
RANGE_NAMES: Final[tuple[Range, ...]] = get_args(Range)
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
STREAM: Final = ("5m", "1h", "24h")
"""Periods of which the stream keeps the figures; those of the others are asked of the facts."""


class Extent(NamedTuple):
    """What is shown of a period."""

    length: timedelta
    """Its figures are of so long up to now."""
    course: timedelta
    """Its charts go back so far …"""
    step: timedelta
    """… by so much."""
    before: timedelta
    """It is compared with what was so long before: whole weeks, so that the hours and the days of the week are the same."""
    compared: str
    """The same in words."""


_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
RANGES: Final[Mapping[Range, Extent]] = {
    "5m": Extent(5 * _MINUTE, _HOUR, _MINUTE, WEEK, "a week ago"),
    "1h": Extent(_HOUR, _HOUR, _MINUTE, WEEK, "a week ago"),
    "24h": Extent(DAY, DAY, _HOUR, WEEK, "a week ago"),
    "7d": Extent(WEEK, WEEK, 6 * _HOUR, WEEK, "the week before"),
    "28d": Extent(4 * WEEK, 4 * WEEK, DAY, 4 * WEEK, "the 28 days before"),
    "365d": Extent(365 * DAY, 52 * WEEK, WEEK, 52 * WEEK, "a year before"),
}
TREATED: Final[Range] = "28d"
"""Equal treatment is told of so long where less is chosen than a week: in that there are too few people of each size."""


def course(client: Client, account: str, span: Range, now: datetime, *, before: bool = False) -> list[dict[str, Any]]:
    """Return the course of a period up to now, or of what it is compared with: rows of ``course.sql``.

    Steps begin where the clock does (UTC), so that those of this week and of last week lie on each other.
    """
    extent = RANGES[span]
    every = min(extent.step, DAY).total_seconds()
    end = datetime.fromtimestamp((now.timestamp() // every + 1) * every, now.tzinfo)
    start = end - extent.course - (extent.before if before else timedelta())
    return queries.steps(client, account, start, extent.step, round(extent.course / extent.step))


def figures(client: Client, account: str, span: Range, end: datetime) -> dict[str, Any] | None:
    """Return the figures of a period up to a time: those of the stream where it has them; None: there are none."""
    start = end - RANGES[span].length
    if span not in STREAM:
        found = queries.figures(client, account, start, end)
        return found if found["turns"] or found["mentions"] or found["replies"] or found["broadcasts"] else None
    row = queries.standing(client, account, span, end)
    return None if row is None else row | queries.waits(client, account, start, end)


def headline(client: Client, account: str, span: Range, now: datetime) -> str:
    """Say in words how long people wait, those included who were never answered, and how that was before.

    Of a day at least: of those who wrote in the last minutes, most have no answer yet.
    """
    extent = RANGES[span]
    length = max(extent.length, DAY)
    today, then = (
        queries.waits(client, account, end - length, end)["half_within"] for end in (now, now - extent.before)
    )
    if today is None:
        return f"Fewer than half of those who wrote in the last {_said(length)} have an answer yet."
    compared = f"; {extent.compared} {duration(then)}" if then is not None else ""
    return f"Half of all people hear back within {duration(today)}{compared}."


def _said(length: timedelta) -> str:
    return "24 hours" if length == DAY else f"{length.days} days"


def treatment(client: Client, account: str, span: Range, now: datetime) -> tuple[Range, list[dict[str, Any]]]:
    """Return whether people with few followers are answered as those with many, and of which period that is told.

    Rows of ``equal_treatment``, the smallest band first.
    """
    told = TREATED if span in STREAM else span
    return told, queries.treatment(client, account, now - RANGES[told].length, now)


def csv_of(rows: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> str:
    """Return a course as CSV, each figure beside what it is compared with (``…_before``)."""
    names = [name for name in rows[0] if name != "at"] if rows else []
    written = StringIO()
    lines = csv.writer(written)
    lines.writerow(["at", *(column for name in names for column in (name, f"{name}_before"))])
    for place, now in enumerate(rows):
        then = before[place] if place < len(before) else {}
        values = [value for name in names for value in (now[name], then.get(name))]
        lines.writerow([now["at"].strftime("%Y-%m-%dT%H:%M:%SZ"), *values])
    return written.getvalue()
