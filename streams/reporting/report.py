"""What a report says: the figures of each account in a period and in the one before, and what changed most.

Of a campaign, there is no time before: it is compared with all else that was said to the same accounts meanwhile, since seasons,
news and whoever was on duty are the same for both.

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
from sinks.clickhouse.queries import Period
from streams.errors import SettingsError

SHOWN: Final = (
    *("mentions", "contacts", "turns", "response_rate", "open", "half_within", "ninety_within"),
    *("within_15m", "within_1h", "sla", "reply_share"),
)
"""The metrics of a report, in order."""
COMPARED: Final = ("mentions", "response_rate", "within_15m", "within_1h", "sla", "reply_share")
"""Of these, and of the time to answer, is said what changed; that a campaign is smaller than all else says nothing."""
REACHED: Final = ("posts", "authors", "reach", "curator_posts", "curator_share", "curator_reach")
"""The metrics of a campaign itself."""
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
class Row:
    """One account."""

    account: str
    now: Figures
    other: Figures
    """Of what it is compared with; empty where nothing was measured."""
    curve: Curve = ()
    curve_other: Curve = ()


@dataclass(frozen=True)
class Change:
    """One figure of one account that has changed."""

    account: str
    metric: Metric
    now: float | None
    other: float | None
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
    end = end or _end_of_all(client)
    return _checked(Period(start or end - timedelta(days=days), end))


def campaign_of(client: Client, name: str, start: datetime | None, end: datetime | None) -> Period:
    """Return the time of a campaign, as far as it has gone, unless it says otherwise. Raises :class:`SettingsError`."""
    known = queries.campaigns(client)
    if name not in known:
        remedy = "name one of those, or put it into rapport.toml and run `rapport migrate`"
        raise SettingsError(f"ClickHouse knows no campaign {name} (but {', '.join(known) or 'none'})", remedy)
    whole = known[name]
    return _checked(Period(start or whole.start, end or min(whole.end, _end_of_all(client)), name))


def _end_of_all(client: Client) -> datetime:
    newest: datetime = client.query(
        "SELECT max(minute) FROM panes_versions WHERE minute < now64(3, 'UTC')"
    ).result_rows[0][0]
    now = datetime.now(UTC)
    return newest + timedelta(minutes=1) if now - newest > timedelta(days=1) else now


def _checked(period: Period) -> Period:
    if period.start >= period.end:
        wrong = f"the period ends ({period.end:%Y-%m-%d %H:%M}) before it begins"
        raise SettingsError(wrong, "give a later --to or an earlier --from")
    return period


def report(client: Client, period: Period) -> Report:
    """Ask ClickHouse for everything that a report says."""
    figures, others = queries.period(client, period)
    other = {row["account"]: row for row in others}
    reached = queries.reach(client, period) if period.campaign else {}
    busiest = [now["account"] for now in figures[:CURVES]]
    drawn, drawn_other = queries.curves(client, busiest, period, STEPS)
    compared = queries.compared(client, busiest, period)
    rows: list[Row] = []
    changes: list[Change] = []
    for now in figures:
        account = now["account"]
        both = {**reached.get(account, {}), **now}
        row = Row(account, both, other.get(account, {}), drawn.get(account, ()), drawn_other.get(account, ()))
        if row.other:
            changes += [change for name in COMPARED if (change := _change(row, name, period)) is not None]
            changes += [_sooner(row, compared[account])] if row.curve and row.curve_other else []
        rows.append(row)
    least = NormalDist().inv_cdf(1 - CHANCE / 2 / len(changes)) if changes else 0.0
    remarkable = [change for change in changes if abs(change.deviations) >= least]
    remarkable.sort(key=lambda change: -abs(change.deviations))
    return Report(period, rows, remarkable[:CHANGES])


def _change(row: Row, name: str, period: Period) -> Change | None:
    """Return how a share or a count has changed; None if one of the two is not there, or says nothing."""
    metric, now, other = metrics()[name], row.now[name], row.other[name]
    if now is None or other is None:
        return None
    if metric.unit == "share":
        of_now, of_other = (sum(figures[part] for part in metric.under) for figures in (row.now, row.other))
        both = (now * of_now + other * of_other) / (of_now + of_other)
        spread = sqrt(both * (1 - both) * (1 / of_now + 1 / of_other))
    elif period.campaign:
        return None
    else:
        spread = sqrt(now + other)
    return Change(row.account, metric, now, other, (now - other) / spread if spread else 0.0)


def _sooner(row: Row, found: Figures) -> Change:
    """Return how the time to answer has changed, by the log-rank test: a row of ``time_to_answer_compared``."""
    statistic, metric = found["statistic"] or 0.0, metrics()["half_within"]
    sign = found["expected"] - found["answered"]  # more answers than expected: sooner, so the figure falls
    return Change(
        row.account, metric, row.now["half_within"], row.other["half_within"], copysign(sqrt(statistic), sign)
    )
