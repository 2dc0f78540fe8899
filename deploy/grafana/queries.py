"""The SQL that several panels share, in the words of the ClickHouse plugin.

``$__fromTime`` and ``$__toTime`` are the period that is looked at, ``$__timeInterval(…)`` is the point of a line that a moment
belongs to, and ``$__interval_s`` how many seconds such a point lasts.
"""

from collections.abc import Mapping
from typing import Final

from deploy.grafana.panels import BEFORE

CHOSEN: Final = "$__conditionalAll(account IN (${account:singlequote}), $account)"
"""Where several accounts can be chosen, or all."""
ONE: Final = "account = ${account:singlequote}"
BEGAN_EARLIER: Final = "$__fromTime - ($__toTime - $__fromTime)"
PERIOD: Final = "from = $__fromTime, to = $__toTime"
EARLIER: Final = f"from = {BEGAN_EARLIER}, to = $__fromTime"
"""The period before the one that is looked at, as long as it."""
ACCOUNTS: Final = """\
SELECT account FROM panes
WHERE minute >= $__fromTime - INTERVAL 91 DAY AND minute < $__toTime
GROUP BY account
ORDER BY sum(mentions) DESC, account"""
IN_TIME: Final = {
    "within_1h": "sum(within_1h_hits) / nullIf(sum(within_1h_hits) + sum(within_1h_misses), 0)",
    "sla": "sum(sla_met) / nullIf(sum(sla_met) + sum(sla_missed), 0)",
}
"""Of several accounts, or several minutes: shares are summed before they are divided."""


def waiting(accounts: str, *, by_account: bool = False) -> str:
    """Return a query for who waited at the end of the period: ``unanswered``, ``breached``, ``oldest_opened_at``.

    A turn lives at most 90 days: older ones are not read. Nor are hours in which nobody waits any more.
    """
    column, group = ("account,\n    ", "\nGROUP BY account") if by_account else ("", "")
    return f"""\
SELECT
    {column}count() AS unanswered,
    countIf(due_at < $__toTime) AS breached,
    minOrNull(opened_at) AS oldest_opened_at
FROM turns_by_time
WHERE opened_at >= $__toTime - INTERVAL 91 DAY AND opened_at < $__toTime AND waits_until >= $__toTime AND {accounts}{group}"""


def of_minutes(accounts: str, start: str = "$__fromTime", end: str = "$__toTime") -> str:
    """Return where the panes of many accounts are. Those that lie ahead hold only deadlines that may still be met."""
    return f"panes_by_time WHERE minute >= {start} AND minute < least({end}, now()) AND {accounts}"


def beside_before(this: str, earlier: str, values: Mapping[str, str]) -> str:
    """Return a query for metrics of the period, each beside what it was in the period before.

    ``this`` and ``earlier``: where the figures of both are, as SQL has it behind FROM. ``values`` has SQL by metric.
    """
    asks = (f"SELECT {_named(values, suffix)} FROM {of}" for of, suffix in ((this, ""), (earlier, BEFORE)))
    return "SELECT * FROM\n({}) AS this\nCROSS JOIN\n({}) AS earlier".format(*asks)


def lines(view: str, moment: str, where: str, values: Mapping[str, str]) -> tuple[str, str]:
    """Return queries for lines, and for the same of a week before, moved on by a week. ``moment`` is the column with the time."""

    def of(suffix: str, point: str, back: str) -> str:
        return f"""\
SELECT $__timeInterval({point}) AS time, {_named(values, suffix)}
FROM {view}
WHERE {moment} >= $__fromTime{back} AND {moment} < $__toTime{back} AND {where}
GROUP BY time
ORDER BY time"""

    return of("", moment, ""), of(BEFORE, f"{moment} + INTERVAL 7 DAY", " - INTERVAL 7 DAY")


def a_minute(*names: str) -> dict[str, str]:
    """Return how many a minute there were of what panes count."""
    return {name: f"sum({name}) * 60 / $__interval_s" for name in names}


def of_the_last_day(*names: str) -> tuple[str, str]:
    """Return queries for lines of one account's 24-hour window, and of that a week before."""
    values = {name: f"argMax({name}, as_of)" for name in names}
    return lines("rolling", "as_of", f"window = '24h' AND {ONE}", values)


def link(name: str, value: str = "") -> str:
    """Return a column with an address that a link may lead to: it comes from the network."""
    return f"if(match({value or name}, '^https?://'), {value or name}, '') AS {name}"


def _named(values: Mapping[str, str], suffix: str) -> str:
    return ", ".join(f"{value} AS {name}{suffix}" for name, value in values.items())
