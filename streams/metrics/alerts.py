"""When a turn that waits wakes somebody (docs/metrics.md, "Alerts")."""

from typing import Final

from streams.metrics.threads import Turn

ESCALATIONS: Final = [800, 1000, 2000, 4000]
"""Thousandths of the SLA target at which an unanswered turn's alert fires or escalates."""
SEVERITIES: Final = ["warning", "critical", "critical", "critical"]
"""Its severity there."""
PAST_TARGET: Final = 1
"""The escalation at which the target is missed."""


def reached_at(turn: Turn, escalation: int) -> int:
    """Return when the turn reaches an escalation, ms."""
    return turn.opened_at + (turn.due_at - turn.opened_at) * ESCALATIONS[escalation] // 1000


def next_at(turn: Turn, expiry: int) -> int:
    """Return when an unanswered turn next falls due: its next escalation, or the end of its life."""
    end = turn.opened_at + expiry
    return end if turn.escalation + 1 == len(ESCALATIONS) else min(end, reached_at(turn, turn.escalation + 1))
