"""When a turn that waits wakes somebody (docs/metrics.md, "Alerts")."""

from typing import Final

from streams.metrics.calendars import Calendar
from streams.metrics.threads import Turn

ESCALATIONS: Final = [800, 1000, 2000, 4000]
"""Thousandths of the SLA target at which an unanswered turn's alert fires or escalates."""
SEVERITIES: Final = ["warning", "critical", "critical", "critical"]
"""Its severity there."""
PAST_TARGET: Final = 1
"""The escalation at which the target is missed."""


def reached_at(turn: Turn, escalation: int, calendar: Calendar | None) -> int:
    """Return when the turn reaches an escalation, ms, in the business time that it is measured with.

    The target is what lies between its opening and its deadline, so it keeps the target it opened with. Where that is no
    business time, or nobody knows its calendar any more, it is measured around the clock.
    """
    opened_at, due_at = turn.opened_at, turn.due_at
    if escalation == PAST_TARGET:
        return due_at
    if turn.calendar:
        hours = None if calendar is None else calendar.named(turn.calendar)
        business = 0 if hours is None else hours.between(opened_at, due_at)
        if hours is not None and business:
            return hours.deadline(opened_at, business * ESCALATIONS[escalation] // 1000)
    return opened_at + (due_at - opened_at) * ESCALATIONS[escalation] // 1000


def next_at(turn: Turn, expiry: int, calendar: Calendar | None) -> int:
    """Return when an unanswered turn next falls due: its next escalation, or the end of its life."""
    end, following = turn.opened_at + expiry, turn.escalation + 1
    return end if following == len(ESCALATIONS) else min(end, reached_at(turn, following, calendar))
