"""Questions to ClickHouse, each a file of SQL beside this one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.clickhouse.campaigns import of_campaign

Row = dict[str, Any]
Curves = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class Period:
    """What is asked about: start ≤ time < end, and perhaps a campaign alone."""

    start: datetime
    end: datetime
    campaign: str = ""
    """Its name; with ``!`` before it, all that is not of it; empty: everything."""

    @property
    def other(self) -> "Period":
        """What it is compared with: the time before it, as long as it is; of a campaign, all else in the same time."""
        if self.campaign:
            return Period(self.start, self.end, f"!{self.campaign}")
        return Period(self.start - (self.end - self.start), self.start)

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


def report(client: Client) -> list[dict[str, Any]]:
    """Return one row per account over all there is, busiest first.

    ``account``; ``turns``, ``answered``, ``open`` now; ``oldest_opened_at`` of the open ones and its
    age in ``oldest_seconds`` (None: none is open);
    ``response_p50``, ``response_p90`` in seconds, exact (None: no answer yet); ``within_1h``, ``reply_share``, 0 to 1
    (None: nothing to divide by); ``mentions``, ``replies`` (not automated), distinct ``contacts``.
    """
    return list(client.query(_sql("report")).named_results())


def period(client: Client, asked: Period) -> tuple[list[Row], list[Row]]:
    """Return one row per account that had anything in a period, busiest first, with the columns of ``period.sql``.

    And the same of what the period is compared with.
    """
    return _both(client, _sql("period"), asked)


def curves(client: Client, accounts: Sequence[str], asked: Period, steps: int) -> tuple[Curves, Curves]:
    """Return accounts' time to answer of the turns opened in a period: (seconds, share still unanswered).

    About ``steps`` points of each, the last one among them. And the same of what the period is compared with.
    """
    query = """
        WITH arrayFilter((place, now, next) -> now != next, arrayEnumerate(milliseconds), milliseconds,
            arrayPushBack(arrayPopFront(milliseconds), -1)) AS moments
        SELECT account, arrayMap(place -> (milliseconds[place] / 1000, exp(logarithms[place])), arrayFilter(
            (place, number) -> number % greatest(intDiv(length(moments), {steps:UInt32}), 1) = 0 OR number = length(moments),
            moments, arrayEnumerate(moments))) AS points
        FROM wait_curves(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
        WHERE trim(LEADING '!' FROM account) IN {accounts:Array(String)}"""
    both = _both(client, query, asked, accounts=list(accounts), steps=steps)
    now, other = ({str(row["account"]): list(row["points"]) for row in rows} for rows in both)
    return now, other


def compared(client: Client, accounts: Sequence[str], asked: Period) -> dict[str, Row]:
    """Return how accounts' time to answer differs from that of what a period is compared with: ``time_to_answer_compared``."""
    query = """SELECT * FROM time_to_answer_compared(
        accounts = {accounts:Array(String)}, from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')},
        other_accounts = {accounts:Array(String)},
        other_from = {other_from:DateTime64(3, 'UTC')}, other_to = {other_to:DateTime64(3, 'UTC')})"""
    other = asked.other
    given = {"other_from": other.start, "other_to": other.end, "other_campaign": other.campaign}
    return {row["account"]: row for row in _ask(client, query, asked, accounts=list(accounts), **given)}


def campaigns(client: Client) -> dict[str, Period]:
    """Return the times of the campaigns that ClickHouse knows, by their names."""
    rows = client.query("SELECT campaign, starts_at, ends_at FROM campaigns ORDER BY campaign").result_rows
    return {name: Period(start, end, name) for name, start, end in rows}


def reach(client: Client, asked: Period) -> dict[str, dict[str, Any]]:
    """Return who spoke of a campaign, by account: ``campaign_reach``."""
    query = """SELECT * FROM campaign_reach(
        campaign = {campaign:String}, from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})"""
    return {row["account"]: row for row in client.query(query, _given(asked)).named_results()}


def _both(client: Client, query: str, asked: Period, **given: Any) -> tuple[list[Row], list[Row]]:  # noqa: ANN401 - of any type
    """Ask about a period, and about what it is compared with; of a campaign, both at once."""
    if not asked.campaign:
        return _ask(client, query, asked, **given), _ask(client, query, asked.other, **given)
    sides: tuple[list[Row], list[Row]] = [], []
    for row in _ask(client, query, replace(asked, campaign=f"{asked.campaign}|{asked.other.campaign}"), **given):
        account = row["account"].removeprefix("!")
        sides[account != row["account"]].append({**row, "account": account})
    return sides


def _ask(client: Client, query: str, asked: Period, **given: Any) -> list[Row]:  # noqa: ANN401 - of any type
    """Ask about a period; about a campaign in it, by the twins of the views."""
    query = of_campaign(query) if asked.campaign else query
    return list(client.query(query, {**_given(asked), **given}).named_results())


def _given(asked: Period) -> dict[str, Any]:
    return {"from": asked.start, "to": asked.end, "campaign": asked.campaign}


def waiting(client: Client, limit: int) -> list[dict[str, Any]]:
    """Return the turns that wait now, the most overdue first, with the columns of ``waiting.sql``."""
    return list(client.query(_sql("waiting"), parameters={"limit": limit}).named_results())


def changed_turns(client: Client, since: int) -> list[dict[str, Any]]:
    """Return what of turns has landed since a time of :func:`clock`, with the columns of ``changed_turns.sql``."""
    return list(client.query(_sql("changed_turns"), parameters={"since": since}).named_results())


def changed_alerts(client: Client, since: int) -> list[dict[str, Any]]:
    """Return what of the alerts of turns has landed since a time of :func:`clock`: ``changed_alerts.sql``."""
    return list(client.query(_sql("changed_alerts"), parameters={"since": since}).named_results())


def clock(client: Client) -> int:
    """Return what time it is by ClickHouse's own clock, ms since 1970."""
    now: int = client.query("SELECT toUnixTimestamp64Milli(now64(3, 'UTC'))").result_rows[0][0]
    return now


def openers(client: Client, turns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the posts that opened turns, with the columns of ``openers.sql``; a post that has not landed yet is missing."""
    given = {
        "accounts": [turn["account"] for turn in turns],
        "times": [round(turn["opened_at"].timestamp() * 1000) for turn in turns],
        "ids": [turn["turn_id"] for turn in turns],
        "contacts": [turn["contact_id"] for turn in turns],
    }
    return list(client.query(_sql("openers"), parameters=given).named_results())


def firing(client: Client, limit: int) -> list[dict[str, Any]]:
    """Return the alerts that fire now, the worst first and of these the oldest: rows of ``alerts``.

    Without the daily digests: they are told once, and nobody has to take them on.
    """
    query = """
        SELECT * FROM alerts WHERE state = 'firing' AND severity != 'info'
        ORDER BY severity != 'critical', escalation DESC, fired_at, account, alert_id LIMIT {limit:UInt32}"""
    return list(client.query(query, parameters={"limit": limit}).named_results())


def commands(client: Client) -> list[dict[str, Any]]:
    """Return the newest of what was said to each alert, to all of an account (``alert_id`` empty), and of its silences.

    Rows of ``notification_commands``; none older than an alert can be.
    """
    query = """
        SELECT * FROM notification_commands_versions WHERE at > now64(3, 'UTC') - INTERVAL 100 DAY
        ORDER BY at DESC LIMIT 1 BY account, alert_id, action = 'silence' AND alert_id = ''"""
    return list(client.query(query).named_results())


def ended(client: Client, alerts: Sequence[tuple[str, str]]) -> list[tuple[str, str, datetime]]:
    """Return when alerts ended last, of those that did: account, alert, time. One without an id stands for all of its account."""
    query = """
        SELECT account, alert_id, max(first)
        FROM
        (
            SELECT account, alert_id, min(ended_at) AS first
            FROM alert_ends
            WHERE (account, alert_id) IN {alerts:Array(Tuple(String, String))} OR account IN {accounts:Array(String)}
            GROUP BY account, alert_id, version
        )
        GROUP BY account, alert_id"""
    given = {"alerts": list(alerts), "accounts": [account for account, alert_id in alerts if not alert_id]}
    return [(account, alert_id, at) for account, alert_id, at in client.query(query, given).result_rows]


def digest(client: Client) -> list[dict[str, Any]]:
    """Return one row per account with somebody new to write to since a day ago, as of the last refresh.

    ``due`` and ``lapsed``: follow-ups that became due and ties that lapsed in that day; ``due_in_all``, ``lapsed_in_all``: those of
    before too; ``strongest``: the contacts with the strongest ties of the new ones, at most five.
    """
    query = """
        WITH
            now64(3, 'UTC') - INTERVAL 1 DAY AS yesterday,
            follow_up_due AND ifNull(follow_up_at > yesterday, false) AS is_due,
            ifNull(has_lapsed AND lapses_at > yesterday, false) AS is_lapsed
        SELECT
            account,
            countIf(follow_up_due) AS due_in_all,
            countIf(has_lapsed) AS lapsed_in_all,
            countIf(is_due) AS due,
            countIf(is_lapsed) AS lapsed,
            groupArrayIf((-tie_strength, contact_id), is_due OR is_lapsed) AS ties,
            arraySlice(arraySort(ties).2, 1, 5) AS strongest
        FROM (SELECT * EXCEPT (lapsed), lapsed AS has_lapsed FROM relationships)
        GROUP BY account
        HAVING due + lapsed > 0
        ORDER BY account"""
    return list(client.query(query).named_results())


def overview(client: Client, at: datetime) -> list[dict[str, Any]]:
    """Return one row per account that had anything in the 24 h up to a time: its ``rolling`` row of them, and by hour.

    ``mentions_by_hour`` and ``replies_by_hour`` are 24 each, oldest first; empty: none.
    """
    return list(client.query(_sql("overview"), parameters={"at": at}).named_results())


def counted_accounts(client: Client, days: int) -> list[str]:
    """Return the accounts of which anything was counted in so many days before the newest minute of all, by name."""
    query = """
        SELECT account FROM panes_by_time_versions
        WHERE minute < now64(3, 'UTC') AND minute >= -- what was replayed ends in the past
            (SELECT max(minute) FROM panes_by_time_versions WHERE minute < now64(3, 'UTC')) - INTERVAL {days:UInt16} DAY
        GROUP BY account ORDER BY account"""
    return [str(account) for (account,) in client.query(query, parameters={"days": days}).result_rows]


def course(client: Client, account: str, window: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return an account's ``rolling`` rows of a window in start ≤ as_of < end, oldest first, at most 1,500 of them."""
    query = """
        SELECT * FROM rolling
        WHERE account = {account:String} AND window = {window:String}
            AND as_of >= {from:DateTime64(3, 'UTC')} AND as_of < {to:DateTime64(3, 'UTC')}
            AND intDiv(toUnixTimestamp(as_of), 60) % {every:UInt32} = 0
        ORDER BY as_of"""
    minutes = (end - start).total_seconds() / 60
    given = {"account": account, "window": window, "from": start, "to": end, "every": max(1, round(minutes / 1500))}
    return list(client.query(query, parameters=given).named_results())


def steps(client: Client, account: str, start: datetime, step: timedelta, count: int) -> list[dict[str, Any]]:
    """Return an account's course from a time on, in so many steps, those that lie ahead left out: rows of ``course.sql``."""
    given = {
        "account": account,
        "from": start,
        "to": start + count * step,
        "step": round(step.total_seconds()),
        "steps": count,
    }
    return list(client.query(_sql("course"), parameters=given).named_results())


def figures(client: Client, account: str, start: datetime, end: datetime) -> dict[str, Any]:
    """Return every figure of an account in start ≤ time < end: the row of ``figures.sql``."""
    given = {"account": account, "from": start, "to": end}
    found: dict[str, Any] = next(iter(client.query(_sql("figures"), parameters=given).named_results()))
    return found


def waits(client: Client, account: str, start: datetime, end: datetime) -> dict[str, Any]:
    """Return ``half_within`` and ``ninety_within`` of an account's turns opened in start ≤ time < end, in seconds.

    None: so many are not answered.
    """
    query = """SELECT half_within, ninety_within
        FROM account_waits(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
        WHERE account = {account:String}"""
    found = client.query(query, parameters={"account": account, "from": start, "to": end})
    return next(iter(found.named_results()), {"half_within": None, "ninety_within": None})


def treatment(client: Client, account: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return an account's rows of ``equal_treatment`` of start ≤ time < end, the smallest band first, unknown ones last."""
    query = """SELECT * EXCEPT (account)
        FROM equal_treatment(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
        WHERE account = {account:String} ORDER BY followers_from < 0, followers_from"""
    return list(client.query(query, parameters={"account": account, "from": start, "to": end}).named_results())


def rolling_treatment(client: Client, account: str, window: str, as_of: datetime) -> list[dict[str, Any]]:
    """Return an account's rows of ``rolling_equal_treatment`` of a window as of a minute, the smallest band first."""
    query = """
        SELECT * EXCEPT (account, window, as_of) FROM rolling_equal_treatment
        WHERE account = {account:String} AND window = {window:String} AND as_of = {as_of:DateTime64(3, 'UTC')}
        ORDER BY followers_from"""
    found = client.query(query, parameters={"account": account, "window": window, "as_of": as_of})
    return list(found.named_results())


def standing(client: Client, account: str, window: str, at: datetime) -> dict[str, Any] | None:
    """Return an account's newest ``rolling`` row of a window that is not after a time; None if there is none."""
    query = """
        SELECT * FROM rolling
        WHERE account = {account:String} AND window = {window:String} AND as_of <= {at:DateTime64(3, 'UTC')}
        ORDER BY as_of DESC LIMIT 1"""
    found = client.query(query, parameters={"account": account, "window": window, "at": at})
    return next(iter(found.named_results()), None)


def spikes(client: Client, account: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return an account's rows of ``spikes`` that began in start ≤ time < end, the latest first."""
    query = """
        SELECT * FROM spikes
        WHERE account = {account:String} AND began_at >= {from:DateTime64(3, 'UTC')} AND began_at < {to:DateTime64(3, 'UTC')}
        ORDER BY began_at DESC, series"""
    return list(client.query(query, parameters={"account": account, "from": start, "to": end}).named_results())


def terms(client: Client, account: str, start: datetime, end: datetime, limit: int) -> list[dict[str, Any]]:
    """Return what stands out in an account's mentions of start ≤ time < end, first what does most: rows of ``spike_terms``."""
    query = """
        SELECT term, posts, z, examples
        FROM spike_terms(account = {account:String}, from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
        LIMIT {limit:UInt32}"""
    given = {"account": account, "from": start, "to": end, "limit": limit}
    return list(client.query(query, parameters=given).named_results())


def newest(client: Client) -> tuple[datetime | None, datetime | None]:
    """Return when the newest event of the last day was received, and as of when the newest figures of the last hour are.

    None: there is none. While an account has something in its last 24 hours, new figures come every minute.
    """
    query = """SELECT
        (
            SELECT maxOrNull(received_at) FROM interactions_versions WHERE published_at > now64(3, 'UTC') - INTERVAL 1 DAY
        ),
        (
            SELECT maxOrNull(as_of) FROM rolling_versions WHERE landed_at > now64(3, 'UTC') - INTERVAL 1 HOUR
        )"""
    event, figures = client.query(query).result_rows[0]
    return event, figures


def set_aside(client: Client) -> int:
    """Return how many dead letters there are of the last day."""
    query = "SELECT count() FROM dead_letters WHERE at > now64(3, 'UTC') - INTERVAL 1 DAY"
    count: int = client.query(query).result_rows[0][0]
    return count


@cache
def _sql(name: str) -> str:
    return (resources.files(__package__) / f"{name}.sql").read_text("utf-8")
