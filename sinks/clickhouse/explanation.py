"""Why a number is what it is: its definition, what it is made of, and the posts behind it.

The stream says the number; the facts of the same window say it again. Which facts count, and when, is in the catalogue
(``schemas/metrics.toml``). A number of now that differs from its facts is a fault of ours.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.binding import format_query_value
from clickhouse_connect.driver.client import Client

from schemas.metrics import Metric, metrics
from sinks.clickhouse import queries
from sinks.clickhouse.evidence import POSTS
from streams.errors import SettingsError

WINDOWS: Final[Mapping[str, timedelta]] = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "28d": timedelta(days=28),
    "365d": timedelta(days=365),
}
STREAM: Final = ("5m", "1h", "24h")
"""Windows that the stream has; what others come to is asked of the views of a period."""
MANY_FOLLOWERS: Final = 10_000
"""From so many on there is no larger band."""
PERIOD_VIEWS: Final = ("account_activity", "account_responsiveness", "account_waits")
EXPLAINED_VIEWS: Final = ("rolling", *PERIOD_VIEWS)
"""Those whose figures can be explained, but for one band."""
OF_BANDS: Final = "equal_treatment"
STREAM_VIEWS: Final = ("rolling", "rolling_equal_treatment")


class Question(NamedTuple):
    """Which number is asked about."""

    account: str
    metric: str
    window: str = "24h"
    at: datetime | None = None
    """The window that ended last before this; None: now."""
    posts: int = 5
    """So many of the posts behind it are wanted."""
    followers: int | None = None
    """Of the turns of one band of ``equal_treatment`` alone, by its ``followers_from``; None: of all."""


@dataclass(frozen=True)
class Part:
    """One of the counts that a number is made of; the number itself, if it is one."""

    metric: Metric
    value: float | None
    """As the stream has it."""
    again: float | None
    """As the facts have it; None if it cannot be told from them."""
    posts: Sequence[Mapping[str, Any]]
    """The newest of them, with the columns of :data:`sinks.clickhouse.evidence.POSTS`."""
    query: str = ""
    """What counts them again, or lists them where they cannot be counted, for whoever wants to ask it; empty: there are none."""


@dataclass(frozen=True)
class Explanation:
    """What there is to say about one number."""

    metric: Metric
    account: str
    start: datetime
    end: datetime
    """The window: start ≤ time < end."""
    value: Any
    over: Sequence[Part]
    under: Sequence[Part]
    """Of a rate, what it is divided by; else empty, and ``over`` is the number itself."""


def explain(client: Client, question: Question) -> Explanation:
    """Return why a number is what it is. Raises :class:`SettingsError` for a metric, window or account that is not known."""
    metric = _metric(question.metric, in_a_band=question.followers is not None)
    account, window = question.account, question.window
    if window not in WINDOWS:
        raise SettingsError(f"there is no window {window}", f"give one of {', '.join(WINDOWS)}")
    row, length, end = _row(client, question, metric)
    start, band = end - length, question.followers
    period = {"account": account, "start": start, "end": end, "posts": question.posts}
    if band is not None:
        row = _band(client, question, start, end, band)

    def part(counter: str) -> Part:
        one = metrics()[counter]
        if band is not None:
            one = replace(one, when="opened_at", where=f"({one.where}) AND {_of_band(band)}")
        return Part(one, row[counter], *_facts(client, one, period | {"number": row[counter] or 0}))

    over = [part(counter) for counter in metric.over or (metric.name,)]
    under = [part(counter) for counter in metric.under]
    return Explanation(metric, account, start, end, row[metric.name], over, under)


def _metric(name: str, *, in_a_band: bool) -> Metric:
    views = {OF_BANDS} if in_a_band else {*EXPLAINED_VIEWS}
    known = {metric.name: metric for metric in metrics().values() if views & {*metric.views}}
    if name not in known:
        near = get_close_matches(name, known) or [*known]
        raise SettingsError(f"there is no metric {name}", f"is it {', '.join(near)}?")
    return known[name]


def _band(client: Client, question: Question, start: datetime, end: datetime, followers: int) -> Mapping[str, Any]:
    """Return how a band was treated. Raises :class:`SettingsError`: nobody of it has written.

    In a window of the stream it says so, but for those whose followers are not known.
    """
    if question.window in STREAM and followers >= 0:
        rows = queries.rolling_treatment(client, question.account, question.window, end - timedelta(minutes=1))
    else:
        rows = queries.treatment(client, question.account, start, end)
    found = {row["followers_from"]: row for row in rows}
    if followers not in found:
        known = ", ".join(map(str, found)) or "none"
        raise SettingsError(f"there are no turns of people with {followers} followers and more", f"bands: {known}")
    return found[followers]


def _of_band(followers: int) -> str:
    """Return the condition of turns that people of a band have opened, as ``equal_treatment`` has it."""
    openers = """SELECT id FROM interactions WHERE account = {account:String} AND kind = 'mention'
            AND published_at >= {start:DateTime64(3, 'UTC')} AND published_at < {end:DateTime64(3, 'UTC')} AND author_followers"""
    if followers < 0:
        return f"turn_id NOT IN ({openers} >= 0)"
    upper = f" AND author_followers < {10 * followers or 100}" if followers < MANY_FOLLOWERS else ""
    return f"turn_id IN ({openers} >= {followers}{upper})"


def _row(client: Client, question: Question, metric: Metric) -> tuple[Mapping[str, Any], timedelta, datetime]:
    """Return what the metric was, with all beside it, how long the window is and when it ended.

    What the stream alone has, as who waits, is told of its day where the window is none of the stream's.
    """
    account, now = question.account, datetime.now(UTC)
    asked, in_period = question.window in STREAM, bool({*PERIOD_VIEWS, OF_BANDS} & {*metric.views})
    window = question.window if asked or in_period else "24h"
    streamed = bool({*STREAM_VIEWS} & {*metric.views}) and (asked or not in_period)
    # Of an account that is known, the facts tell of any time.
    place = (window, question.at or now) if streamed else ("24h", now)
    row = queries.standing(client, account, *place)
    if row is not None:
        end: datetime = row["as_of"] + timedelta(minutes=1)
        if streamed:
            return row, WINDOWS[window], end
        end = question.at or end
        return queries.figures(client, account, end - WINDOWS[window], end), WINDOWS[window], end
    known = [str(name) for (name,) in client.query("SELECT DISTINCT account FROM rolling_versions").result_rows]
    near = get_close_matches(account, known) or sorted(known)[:5]
    raise SettingsError(
        f"{account} has no figures{' up to then' if account in known else ''}",
        f"is it {', '.join(near)}?"
        if near and account not in known
        else "ask for a later time, or see `rapport report`",
    )


def _facts(
    client: Client, metric: Metric, period: Mapping[str, Any]
) -> tuple[float | None, list[Mapping[str, Any]], str]:
    """Return what the facts say of a metric, the newest of them, and the query that says so."""
    if not metric.facts:
        return None, [], ""
    condition = f"account = {{account:String}} AND ({metric.where})"
    if when := metric.when:
        condition += f" AND ({when}) >= {{start:DateTime64(3, 'UTC')}} AND ({when}) < {{end:DateTime64(3, 'UTC')}}"
    again = None
    shown = query = POSTS[metric.facts].strip().format(condition=condition, when=metric.when or "opened_at")
    if metric.value:
        query = f"SELECT {metric.value} FROM {metric.facts} WHERE {condition}"  # noqa: S608 - from the catalogue
        again = client.query(query, parameters=dict(period)).result_rows[0][0]
    posts: list[Mapping[str, Any]] = [dict(row) for row in client.query(shown, parameters=dict(period)).named_results()]
    return again, posts, written_out(query, period)


def written_out(query: str, given: Mapping[str, Any]) -> str:
    """Return a query with its parameters in it, as whoever pastes it somewhere needs it."""

    def literal(found: re.Match[str]) -> str:
        value = given[found[1]]
        if isinstance(value, datetime):
            return f"toDateTime64('{value.strftime('%Y-%m-%d %H:%M:%S.%f')[:-3]}', 3, 'UTC')"
        return str(format_query_value(value))

    return re.sub(r"\{(\w+):[^}]+\}", literal, query)
