"""The records that go out: one builder for each schema."""

from typing import Final

from schemas.codec import Record
from streams.metrics.alerts import PAST_TARGET, SEVERITIES
from streams.metrics.counters import (
    FIRST_BUCKETS,
    NEXT_BUCKETS,
    PANE_COUNTERS,
    WINDOW_COUNTERS,
    Tally,
    add_all,
    histogram,
)
from streams.metrics.histogram import quantiles
from streams.metrics.targets import MINUTE
from streams.metrics.threads import Turn

_ROLLING_COUNTERS: Final = PANE_COUNTERS + WINDOW_COUNTERS


def turn_record(account: str, turn: Turn, version: int) -> Record:
    """Return a ``turn``."""
    answered_at, response = turn.answered_at, turn.response
    seconds = None if response is None else response / 1000
    if answered_at is not None:
        status, sla = "answered", "met" if answered_at <= turn.due_at else "missed"
    else:
        status = "expired" if turn.expired else "open"
        sla = "missed" if turn.expired or turn.escalation >= PAST_TARGET else "pending"
    return {
        "account": account,
        "turn_id": turn.id,
        "contact_id": turn.contact,
        "conversation_id": turn.conversation,
        "ordinal": turn.ordinal,
        "opened_at": turn.opened_at,
        "messages": turn.messages,
        "status": status,
        "answered_at": answered_at,
        "reply_id": turn.reply_id,
        "response_seconds": seconds,
        "business_seconds": seconds,  # every account is at work around the clock until it has a calendar
        "automated_at": turn.automated_at,
        "due_at": turn.due_at,
        "sla": sla,
        "skewed": turn.skewed,
        "version": version,
    }


def pane_record(account: str, minute: int, tally: Tally, version: int) -> Record:
    """Return the ``pane`` of a minute since 1970; without counts, one that says that nothing stands there any more."""
    record: Record = dict(zip(PANE_COUNTERS, tally.counters, strict=False))  # the rest belongs to windows
    first, following = histogram(tally.buckets, FIRST_BUCKETS), histogram(tally.buckets, NEXT_BUCKETS)
    record["account"] = account
    record["minute"] = minute * MINUTE
    record["first_buckets"], record["first_counts"] = list(first), list(first.values())
    record["next_buckets"], record["next_counts"] = list(following), list(following.values())
    record["version"] = version
    return record


def rolling_record(account: str, window: str, minute: int, tally: Tally, waiting: Record) -> Record:
    """Return the ``rolling`` row of a window that ends with ``minute``; ``waiting``: who waits, and the version."""
    record: Record = dict(zip(_ROLLING_COUNTERS, tally.counters, strict=True))
    first, following = histogram(tally.buckets, FIRST_BUCKETS), histogram(tally.buckets, NEXT_BUCKETS)
    both = add_all(dict(first), following)
    record["response_p50"], record["response_p90"], record["response_p99"] = quantiles(both, (0.5, 0.9, 0.99))
    (record["first_response_p50"],) = quantiles(first, (0.5,))
    (record["next_response_p50"],) = quantiles(following, (0.5,))
    record["account"] = account
    record["window"] = window
    record["as_of"] = minute * MINUTE
    record.update(waiting)
    return record


class AlertChange:
    """What has become of a turn's alert: its escalation, and since when (ms) it is firing there or is resolved."""

    __slots__ = ("at", "escalation", "state", "turn")

    def __init__(self, turn: Turn, state: str, at: int) -> None:
        self.turn = turn
        self.escalation = turn.escalation
        self.state = state
        self.at = at


def alert_record(account: str, change: AlertChange, version: int) -> Record:
    """Return an ``alert``."""
    turn = change.turn
    return {
        "account": account,
        "alert_id": f"unanswered:{turn.id}",
        "kind": "unanswered",
        "severity": SEVERITIES[change.escalation],
        "state": change.state,
        "subject": turn.id,
        "contact_id": turn.contact,
        "escalation": change.escalation,
        "due_at": turn.due_at,
        "fired_at": change.at,
        "version": version,
    }
