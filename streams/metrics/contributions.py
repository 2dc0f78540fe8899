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
    CountsByMinute,
)
from streams.metrics.histogram import bucket_of
from streams.metrics.targets import MINUTE
from streams.metrics.threads import Thread, Turn


def count_thread(fresh: CountsByMinute, counted: tuple[int, int] | None, sign: int) -> None:
    """Count a thread in the pane of its latest message, and in no other."""
    if counted is None:
        return
    minute, alternations = counted
    counts = fresh[minute]
    counts[CONVERSATIONS] += sign
    if alternations:
        counts[ALTERNATIONS] += sign * alternations
        for depth, number in REACH:
            if alternations < depth:
                break
            counts[number] += sign


def count_turn(fresh: CountsByMinute, turn: Turn, sign: int) -> None:
    """Count a turn: as opened, as missed at every deadline ahead of it, and as answered if it is."""
    opened_at = turn.opened_at
    opened = fresh[opened_at // MINUTE]
    opened[TURNS] += sign
    if turn.ordinal > 1:
        opened[REOPENED] += sign
    for limit, _, misses in WITHIN:
        fresh[(opened_at + limit) // MINUTE][misses] += sign
    fresh[turn.due_at // MINUTE][SLA_MISSED] += sign
    if turn.answered_at is not None:
        count_answer(fresh, turn, sign)


def count_answer(fresh: CountsByMinute, turn: Turn, sign: int) -> None:
    """Count what the answer changes: the answer itself, and a hit in place of each miss that it came in time for."""
    opened_at, answered_at = turn.opened_at, turn.answered_at or 0
    fresh[opened_at // MINUTE][TURNS_ANSWERED] += sign
    answered = fresh[answered_at // MINUTE]
    answered[ANSWERED] += sign
    first = turn.ordinal == 1
    if first:
        answered[FIRST_ANSWERED] += sign
    if turn.skewed:
        answered[CLOCK_SKEW] += sign
    else:
        response = answered_at - opened_at
        answered[RESPONSE_SAMPLES] += sign
        answered[RESPONSE_MILLISECONDS] += sign * response
        answered[(FIRST_BUCKETS if first else NEXT_BUCKETS) + bucket_of(response)] += sign
    for limit, hits, misses in WITHIN:
        if answered_at - opened_at <= limit:
            answered[hits] += sign
            fresh[(opened_at + limit) // MINUTE][misses] -= sign
    if answered_at <= turn.due_at:
        answered[SLA_MET] += sign
        fresh[turn.due_at // MINUTE][SLA_MISSED] -= sign


def standing(thread: Thread) -> tuple[int, int] | None:
    """Return where and as what a thread counts: (minute of its latest message, alternations); None without a contact."""
    return (thread.last_at // MINUTE, thread.alternations) if thread.has_contact else None
