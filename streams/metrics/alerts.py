"""When a turn that waits wakes somebody (docs/metrics.md, "Alerts")."""

from typing import Final

from streams.metrics.threads import Turn

ESCALATIONS: Final = ((0.8, "warning"), (1, "critical"), (2, "critical"), (4, "critical"))
"""Share of the SLA target at which an unanswered turn's alert fires or escalates, and its severity."""
PAST_TARGET: Final = 1
"""The escalation at which the target is missed."""


def reached_at(turn: Turn, escalation: int) -> int:
    """Return when the turn reaches an escalation, ms."""
    share, _ = ESCALATIONS[escalation]
    return turn.opened_at + round((turn.due_at - turn.opened_at) * share)


def next_at(turn: Turn, expiry: int) -> int:
    """Return when an unanswered turn next falls due: its next escalation, or the end of its life."""
    end = turn.opened_at + expiry
    return end if turn.escalation + 1 == len(ESCALATIONS) else min(end, reached_at(turn, turn.escalation + 1))
