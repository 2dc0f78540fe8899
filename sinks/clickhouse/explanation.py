"""Why a number is what it is: its definition, what it is made of, and the posts behind it.

The stream says the number; the facts of the same window say it again. Which facts count, and when, is in the catalogue
(``schemas/metrics.toml``). A number of now that differs from its facts is a fault of ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.metrics import Metric, metrics
from sinks.clickhouse import queries
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
PERIOD_VIEWS: Final = ("account_activity", "account_responsiveness", "account_waits", "account_conversations")
POSTS: Final = {
    "turns": """
        SELECT turn.opened_at AS at, turn.contact_id AS contact, turn.status AS status, turn.response_seconds AS seconds,
            post.text AS text, post.url AS url, turn.turn_id AS id
        FROM (SELECT * FROM turns WHERE {condition} ORDER BY {when} DESC LIMIT {{posts:UInt32}}) AS turn
        LEFT JOIN (SELECT id, text, url FROM interactions WHERE account = {{account:String}} AND kind = 'mention') AS post
        ON post.id = turn.turn_id
        ORDER BY at DESC""",
    "interactions": """
        SELECT published_at AS at, author_id AS contact, kind AS status, NULL AS seconds, text, url, id
        FROM interactions WHERE {condition} ORDER BY {when} DESC LIMIT {{posts:UInt32}}""",
}
"""The newest of the facts behind a number: when, who, what became of it and after how long, and what was said."""


class Question(NamedTuple):
    """Which number is asked about."""

    account: str
    metric: str
    window: str = "24h"
    at: datetime | None = None
    """The window that ended last before this; None: now."""
    posts: int = 5
    """So many of the posts behind it are wanted."""


@dataclass(frozen=True)
class Part:
    """One of the counts that a number is made of; the number itself, if it is one."""

    metric: Metric
    value: float | None
    """As the stream has it."""
    again: float | None
    """As the facts have it; None if it cannot be told from them."""
    posts: Sequence[Mapping[str, Any]]
    """The newest of them, with the columns of :data:`POSTS`."""


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
    metric, account, window = _metric(question.metric), question.account, question.window
    if window not in WINDOWS:
        raise SettingsError(f"there is no window {window}", f"give one of {', '.join(WINDOWS)}")
    row, length, end = _row(client, question, metric)
    start = end - length
    period = {"account": account, "start": start, "end": end, "posts": question.posts}

    def part(counter: str) -> Part:
        one = metrics()[counter]
        return Part(one, row[counter], *_facts(client, one, period))

    over = [part(counter) for counter in metric.over or (metric.name,)]
    under = [part(counter) for counter in metric.under]
    return Explanation(metric, account, start, end, row[metric.name], over, under)


def _metric(name: str) -> Metric:
    known = {metric.name: metric for metric in metrics().values() if {"rolling", *PERIOD_VIEWS} & {*metric.views}}
    if name not in known:
        near = get_close_matches(name, known) or [*known]
        raise SettingsError(f"there is no metric {name}", f"is it {', '.join(near)}?")
    return known[name]


def _row(client: Client, question: Question, metric: Metric) -> tuple[Mapping[str, Any], timedelta, datetime]:
    """Return what the metric was, with all beside it, how long the window is and when it ended.

    What the stream alone has, as who waits, is told of its day where the window is none of the stream's.
    """
    account, now = question.account, datetime.now(UTC)
    asked, in_period = question.window in STREAM, bool({*PERIOD_VIEWS} & {*metric.views})
    window = question.window if asked or in_period else "24h"
    streamed = "rolling" in metric.views and (asked or not in_period)
    # Of an account that is known, the facts tell of any time.
    place = (window, question.at or now) if streamed else ("24h", now)
    row = queries.standing(client, account, *place)
    if row is not None:
        end: datetime = row["as_of"] + timedelta(minutes=1)
        if streamed:
            return row, WINDOWS[window], end
        end = question.at or end
        ask = queries.conversations if "account_conversations" in metric.views else queries.figures
        return ask(client, account, end - WINDOWS[window], end), WINDOWS[window], end
    known = [str(name) for (name,) in client.query("SELECT DISTINCT account FROM rolling_versions").result_rows]
    near = get_close_matches(account, known) or sorted(known)[:5]
    raise SettingsError(
        f"{account} has no figures{' up to then' if account in known else ''}",
        f"is it {', '.join(near)}?"
        if near and account not in known
        else "ask for a later time, or see `rapport report`",
    )


def _facts(client: Client, metric: Metric, period: Mapping[str, Any]) -> tuple[float | None, list[Mapping[str, Any]]]:
    """Return what the facts say of a metric, and the newest of them."""
    if not metric.facts:
        return None, []
    condition = f"account = {{account:String}} AND ({metric.where})"
    if when := metric.when:
        condition += f" AND ({when}) >= {{start:DateTime64(3, 'UTC')}} AND ({when}) < {{end:DateTime64(3, 'UTC')}}"
    again = None
    if metric.value:
        counted = client.query(f"SELECT {metric.value} FROM {metric.facts} WHERE {condition}", parameters=dict(period))  # noqa: S608
        again = counted.result_rows[0][0]
    shown = POSTS[metric.facts].format(condition=condition, when=metric.when or "opened_at")
    return again, [dict(row) for row in client.query(shown, parameters=dict(period)).named_results()]
