"""The rows that go out: one builder for each schema. They are written at once, without a dictionary for each turn and alert."""

from typing import Final

from mypy_extensions import mypyc_attr

from schemas import rows
from schemas.codec import Record
from streams.metrics.alerts import PAST_TARGET, SEVERITIES
from streams.metrics.calendars import Calendar
from streams.metrics.counters import PANE_COUNTERS, WINDOW_COUNTERS, Tally, add_all
from streams.metrics.histogram import quantiles
from streams.metrics.spikes import LENGTH, SERIES, Spike
from streams.metrics.targets import MINUTE
from streams.metrics.threads import Turn

_ROLLING_COUNTERS: Final = PANE_COUNTERS + WINDOW_COUNTERS


def turn_row(account: str, turn: Turn, calendar: Calendar | None, version: int, *, stands: bool) -> bytes:
    """Return a ``turn``, as withdrawn unless it still ``stands``."""
    answered_at, response = turn.answered_at, turn.response
    seconds = None if response is None else response / 1000
    business_seconds = seconds
    if turn.calendar and response is not None:
        hours = None if calendar is None else calendar.named(turn.calendar)
        business_seconds = None if hours is None else hours.between(turn.opened_at, turn.opened_at + response) / 1000
    if answered_at is not None:
        status, sla = "answered", "met" if answered_at <= turn.due_at else "missed"
    else:
        status = "expired" if turn.expired else "open"
        sla = "missed" if turn.expired or turn.escalation >= PAST_TARGET else "pending"
    return rows.turn(
        account=account,
        turn_id=turn.id,
        contact_id=turn.contact,
        conversation_id=turn.conversation,
        ordinal=turn.ordinal,
        opened_at=turn.opened_at,
        messages=turn.messages,
        status=status if stands else "withdrawn",
        answered_at=answered_at,
        reply_id=turn.reply_id,
        response_seconds=seconds,
        business_seconds=business_seconds,
        automated_at=turn.automated_at,
        due_at=turn.due_at,
        sla=sla,
        skewed=turn.skewed,
        calendar=turn.calendar,
        rule=turn.rule,
        version=version,
    )


def pane_row(account: str, minute: int, tally: Tally, version: int) -> bytes:
    """Return the ``pane`` of a minute since 1970; without counts, one that says that nothing stands there any more."""
    record: Record = dict(zip(PANE_COUNTERS, tally.counters, strict=False))  # the rest belongs to windows
    first, following = sorted(tally.first), sorted(tally.following)
    record["account"] = account
    record["minute"] = minute * MINUTE
    record["first_buckets"], record["first_counts"] = first, [tally.first[bucket] for bucket in first]
    record["next_buckets"], record["next_counts"] = following, [tally.following[bucket] for bucket in following]
    record["version"] = version
    return rows.pane(**record)


def rolling_row(account: str, window: str, minute: int, tally: Tally, gauges: Record) -> bytes:
    """Return the ``rolling`` row of a window that ends with ``minute``; ``gauges``: what stands now, and the version."""
    record: Record = dict(zip(_ROLLING_COUNTERS, tally.counters, strict=True))
    both = add_all(dict(tally.first), tally.following)
    record["response_p50"], record["response_p90"], record["response_p99"] = quantiles(both, (0.5, 0.9, 0.99))
    (record["first_response_p50"],) = quantiles(tally.first, (0.5,))
    (record["next_response_p50"],) = quantiles(tally.following, (0.5,))
    record["account"] = account
    record["window"] = window
    record["as_of"] = minute * MINUTE
    record.update(gauges)
    return rows.rolling(**record)


@mypyc_attr(acyclic=True)
class AlertChange:
    """What has become of a turn's alert: its escalation, and since when (ms) it is firing there or is resolved."""

    __slots__ = ("at", "escalation", "state", "turn")

    def __init__(self, turn: Turn, state: str, at: int) -> None:
        self.turn = turn
        self.escalation = turn.escalation
        self.state = state
        self.at = at


def alert_row(account: str, change: AlertChange, version: int) -> bytes:
    """Return an ``alert``."""
    turn = change.turn
    return rows.alert(
        account=account,
        alert_id="unanswered:" + turn.id,
        kind="unanswered",
        severity=SEVERITIES[change.escalation],
        state=change.state,
        subject=turn.id,
        contact_id=turn.contact,
        escalation=change.escalation,
        due_at=turn.due_at,
        fired_at=change.at,
        value=None,
        baseline=None,
        spread=None,
        version=version,
    )


def spike_row(account: str, spike: Spike, version: int) -> bytes:
    """Return the ``alert`` of a spike, as it stands."""
    series, began_at = SERIES[spike.number], spike.first * MINUTE
    return rows.alert(
        account=account,
        alert_id=f"spike:{series}:{began_at}",
        kind="spike",
        severity="warning",
        state="resolved" if spike.ended else "firing",
        subject=series,
        contact_id="",
        escalation=0,
        due_at=began_at,
        fired_at=(spike.last + 1) * MINUTE if spike.ended else began_at + LENGTH * MINUTE,
        value=float(spike.value),
        baseline=spike.baseline,
        spread=spike.spread,
        version=version,
    )
