"""What turns and threads contribute to panes: the definitions of docs/metrics.md as additions, each with its sign.

An event changes an account's panes by what its turns contribute afterwards less what they contributed before. The moments
are turns' own times, so what is counted does not depend on when the news of it came.
"""

from streams.metrics.counters import (
    ALTERNATIONS,
    ANSWERED,
    BAND,
    CLOCK_SKEW,
    CONVERSATIONS,
    FIRST,
    FIRST_ANSWERED,
    NEXT,
    REACH,
    REOPENED,
    RESPONSE_MILLISECONDS,
    RESPONSE_SAMPLES,
    SLA_MET,
    SLA_MISSED,
    TURNS,
    TURNS_ANSWERED,
    UNANSWERED,
    UNTIMED,
    WITHIN,
    add_one,
    in_bucket,
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
    counts = panes.at(minute)
    add_one(counts, CONVERSATIONS, sign)
    if alternations:
        add_one(counts, ALTERNATIONS, sign * alternations)
        for depth, number in REACH:
            if alternations >= depth:
                add_one(counts, number, sign)


def count_turn(panes: Panes, turn: Turn, sign: int) -> None:
    """Count a turn: as opened, as missed at every deadline ahead of it, and as answered if it is."""
    opened = panes.at(turn.opened_at // MINUTE)
    add_one(opened, TURNS, sign)
    if turn.ordinal > 1:
        add_one(opened, REOPENED, sign)
    if turn.band:
        add_one(opened, in_bucket(BAND + turn.band, UNANSWERED), sign)
    for limit, _, misses in WITHIN:
        add_one(panes.at((turn.opened_at + limit) // MINUTE), misses, sign)
    add_one(panes.at(turn.due_at // MINUTE), SLA_MISSED, sign)
    if turn.answered_at is not None:
        count_answer(panes, turn, sign)


def count_answer(panes: Panes, turn: Turn, sign: int) -> None:
    """Count what the answer changes: the answer itself, and a hit in place of each miss that it came in time for."""
    opened_at, answered_at = turn.opened_at, turn.answered_at or 0
    opened = panes.at(opened_at // MINUTE)
    add_one(opened, TURNS_ANSWERED, sign)
    answered = panes.at(answered_at // MINUTE)
    add_one(answered, ANSWERED, sign)
    if turn.ordinal == 1:
        add_one(answered, FIRST_ANSWERED, sign)
    response = turn.response
    bucket = UNTIMED if response is None else bucket_of(response)
    if turn.band:
        add_one(opened, in_bucket(BAND + turn.band, UNANSWERED), -sign)
        add_one(opened, in_bucket(BAND + turn.band, bucket), sign)
    if response is None:
        add_one(answered, CLOCK_SKEW, sign)
    else:
        add_one(answered, RESPONSE_SAMPLES, sign)
        add_one(answered, RESPONSE_MILLISECONDS, sign * response)
        add_one(answered, in_bucket(FIRST if turn.ordinal == 1 else NEXT, bucket), sign)
    for limit, hits, misses in WITHIN:
        if answered_at - opened_at <= limit:
            add_one(answered, hits, sign)
            add_one(panes.at((opened_at + limit) // MINUTE), misses, -sign)
    if answered_at <= turn.due_at:
        add_one(answered, SLA_MET, sign)
        add_one(panes.at(turn.due_at // MINUTE), SLA_MISSED, -sign)


def standing(thread: Thread) -> tuple[int, int] | None:
    """Return where and as what a thread counts: (minute of its latest message, alternations); None without a contact."""
    return (thread.last_at // MINUTE, thread.alternations) if thread.has_contact else None
