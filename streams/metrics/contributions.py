"""What turns and threads contribute to panes: the definitions of docs/metrics.md as additions, each with its sign.

An event changes an account's panes by what its turns contribute afterwards less what they contributed before. The moments
are turns' own times, so what is counted does not depend on when the news of it came.
"""

from streams.metrics.counters import (
    ALTERNATIONS,
    ANSWERED,
    CLOCK_SKEW,
    CONVERSATIONS,
    FIRST_ANSWERED,
    FIRST_BUCKETS,
    NEXT_BUCKETS,
    REACH,
    REOPENED,
    RESPONSE_MILLISECONDS,
    RESPONSE_SAMPLES,
    SLA_MET,
    SLA_MISSED,
    TURNS,
    TURNS_ANSWERED,
    WITHIN,
)
from streams.metrics.histogram import bucket_of
from streams.metrics.panes import Panes
from streams.metrics.targets import MINUTE
from streams.metrics.threads import Thread, Turn


def count_thread(panes: Panes, counted: tuple[int, int] | None, sign: int) -> None:
    """Count a thread in the pane of its latest message, and in no other."""
    if counted is None:
        return
    minute, alternations = counted
    at = minute * MINUTE
    panes.count(at, CONVERSATIONS, sign)
    if alternations:
        panes.count(at, ALTERNATIONS, sign * alternations)
        for depth, number in REACH:
            if alternations >= depth:
                panes.count(at, number, sign)


def count_turn(panes: Panes, turn: Turn, sign: int) -> None:
    """Count a turn: as opened, as missed at every deadline ahead of it, and as answered if it is."""
    count, opened_at = panes.count, turn.opened_at
    count(opened_at, TURNS, sign)
    if turn.ordinal > 1:
        count(opened_at, REOPENED, sign)
    for limit, _, misses in WITHIN:
        count(opened_at + limit, misses, sign)
    count(turn.due_at, SLA_MISSED, sign)
    if turn.answered_at is not None:
        count_answer(panes, turn, sign)


def count_answer(panes: Panes, turn: Turn, sign: int) -> None:
    """Count what the answer changes: the answer itself, and a hit in place of each miss that it came in time for."""
    count, opened_at, answered_at = panes.count, turn.opened_at, turn.answered_at or 0
    count(opened_at, TURNS_ANSWERED, sign)
    count(answered_at, ANSWERED, sign)
    if turn.ordinal == 1:
        count(answered_at, FIRST_ANSWERED, sign)
    response = turn.response
    if response is None:
        count(answered_at, CLOCK_SKEW, sign)
    else:
        count(answered_at, RESPONSE_SAMPLES, sign)
        count(answered_at, RESPONSE_MILLISECONDS, sign * response)
        count(answered_at, (FIRST_BUCKETS if turn.ordinal == 1 else NEXT_BUCKETS) + bucket_of(response), sign)
    for limit, hits, misses in WITHIN:
        if answered_at - opened_at <= limit:
            count(answered_at, hits, sign)
            count(opened_at + limit, misses, -sign)
    if answered_at <= turn.due_at:
        count(answered_at, SLA_MET, sign)
        count(turn.due_at, SLA_MISSED, -sign)


def standing(thread: Thread) -> tuple[int, int] | None:
    """Return where and as what a thread counts: (minute of its latest message, alternations); None without a contact."""
    return (thread.last_at // MINUTE, thread.alternations) if thread.has_contact else None
