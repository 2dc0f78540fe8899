"""What a report says: the figures of each account in a period and in the one before, and what changed most.

What changed most is what chance would least do: of shares by the two-proportion test, of counts as if they were Poisson's,
of the time to answer by the log-rank test, each as standard deviations. So a small account's accident does not stand above
a large one's trend.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import copysign, sqrt
from statistics import NormalDist
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from schemas.metrics import Metric, metrics
from sinks.clickhouse import queries
from streams.errors import SettingsError

SHOWN: Final = (
    *("mentions", "contacts", "turns", "response_rate", "open", "half_within", "ninety_within"),
    *("within_15m", "within_1h", "sla", "reply_share"),
)
"""The metrics of a report, in order."""
COMPARED: Final = ("mentions", "response_rate", "within_15m", "within_1h", "sla", "reply_share")
"""Of these, and of the time to answer, is said what changed."""
CHANCE: Final = 0.05
"""Where nothing has changed, so many reports have a line all the same. Many figures are compared, and some of them change much by
chance: so the more there are, the larger a change has to be (Bonferroni's correction)."""
CHANGES: Final = 7
"""So many lines."""
CURVES: Final = 12
"""The busiest accounts, whose time to answer is drawn and tested."""
STEPS: Final = 200
"""Points of a curve; more cannot be seen."""

Figures = Mapping[str, Any]
Curve = Sequence[tuple[float, float]]
"""Seconds, and the share that is still unanswered then."""


@dataclass(frozen=True)
class Period:
    """A time: start ≤ time < end."""

    start: datetime
    end: datetime

    @property
    def before(self) -> "Period":
        """The time before it, as long as it is."""
        return Period(self.start - (self.end - self.start), self.start)

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class Row:
    """One account."""

    account: str
    now: Figures
    before: Figures
    """Empty where nothing was measured."""
    curve: Curve = ()
    curve_before: Curve = ()


@dataclass(frozen=True)
class Change:
    """One figure of one account that has changed."""

    account: str
    metric: Metric
    now: float | None
    before: float | None
    deviations: float
    """How large the change is, as standard deviations of what chance would do; negative where the figure fell."""

    @property
    def good(self) -> bool | None:
        """Whether it is for the better; None where neither is."""
        return (self.metric.better == "up") == (self.deviations > 0) if self.metric.better else None


@dataclass(frozen=True)
class Report:
    """All of it."""

    period: Period
    rows: Sequence[Row]
    """The busiest account first."""
    changes: Sequence[Change]
    """The most remarkable first."""


def period_of(client: Client, start: datetime | None, end: datetime | None, days: float) -> Period:
    """Return the period that is asked for: the last ``days`` unless it says otherwise. Raises :class:`SettingsError`.

    The end is now; of posts of the past, replayed, the end of the last minute in which anything was counted.
    """
    if end is None:
        newest = client.query("SELECT max(minute) FROM panes_versions WHERE minute < now64(3, 'UTC')").result_rows[0][0]
        now = datetime.now(UTC)
        end = newest + timedelta(minutes=1) if now - newest > timedelta(days=1) else now
    if start is None:
        start = end - timedelta(days=days)
    if start >= end:
        raise SettingsError(
            f"the period ends ({end:%Y-%m-%d %H:%M}) before it begins", "give a later --to or an earlier --from"
        )
    return Period(start, end)


def report(client: Client, period: Period) -> Report:
    """Ask ClickHouse for everything that a report says."""
    before = {row["account"]: row for row in queries.period(client, period.before.start, period.before.end)}
    figures = queries.period(client, period.start, period.end)
    busiest = [now["account"] for now in figures[:CURVES]]
    drawn, drawn_before = (
        queries.curves(client, busiest, time.start, time.end, STEPS) for time in (period, period.before)
    )
    rows: list[Row] = []
    changes: list[Change] = []
    for now in figures:
        account = now["account"]
        row = Row(account, now, before.get(account, {}), drawn.get(account, ()), drawn_before.get(account, ()))
        if row.before:
            changes += [change for name in COMPARED if (change := _change(row, name)) is not None]
            changes += [_sooner(client, row, period)] if row.curve and row.curve_before else []
        rows.append(row)
    least = NormalDist().inv_cdf(1 - CHANCE / 2 / len(changes)) if changes else 0.0
    remarkable = [change for change in changes if abs(change.deviations) >= least]
    remarkable.sort(key=lambda change: -abs(change.deviations))
    return Report(period, rows, remarkable[:CHANGES])


def _change(row: Row, name: str) -> Change | None:
    """Return how a share or a count has changed; None if one of the two is not there."""
    metric, now, before = metrics()[name], row.now[name], row.before[name]
    if now is None or before is None:
        return None
    if metric.unit == "share":
        of_now, of_before = (sum(figures[part] for part in metric.under) for figures in (row.now, row.before))
        both = (now * of_now + before * of_before) / (of_now + of_before)
        spread = sqrt(both * (1 - both) * (1 / of_now + 1 / of_before))
    else:
        spread = sqrt(now + before)
    return Change(row.account, metric, now, before, (now - before) / spread if spread else 0.0)


def _sooner(client: Client, row: Row, period: Period) -> Change:
    """Return how the time to answer has changed, by the log-rank test."""
    found = queries.compared(client, row.account, (period.start, period.end), (period.before.start, period.before.end))
    statistic, metric = found["statistic"] or 0.0, metrics()["half_within"]
    sign = found["expected"] - found["answered"]  # more answers than expected: sooner, so the figure falls
    return Change(
        row.account, metric, row.now["half_within"], row.before["half_within"], copysign(sqrt(statistic), sign)
    )
