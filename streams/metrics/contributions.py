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
    in_band,
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
    counters = panes.at(minute).counters
    counters[CONVERSATIONS] += sign
    if alternations:
        counters[ALTERNATIONS] += sign * alternations
        for depth, number in REACH:
            if alternations >= depth:
                counters[number] += sign


def count_turn(panes: Panes, turn: Turn, sign: int) -> None:
    """Count a turn: as opened, as missed at every deadline ahead of it, and as answered if it is."""
    opened = panes.at(turn.opened_at // MINUTE)
    opened.counters[TURNS] += sign
    if turn.ordinal > 1:
        opened.counters[REOPENED] += sign
    if turn.band:
        add_one(opened.bands, in_band(turn.band, UNANSWERED), sign)
    for limit, _, misses in WITHIN:
        panes.at((turn.opened_at + limit) // MINUTE).counters[misses] += sign
    panes.at(turn.due_at // MINUTE).counters[SLA_MISSED] += sign
    if turn.answered_at is not None:
        count_answer(panes, turn, sign)


def count_answer(panes: Panes, turn: Turn, sign: int) -> None:
    """Count what the answer changes: the answer itself, and a hit in place of each miss that it came in time for."""
    opened_at, answered_at = turn.opened_at, turn.answered_at or 0
    opened = panes.at(opened_at // MINUTE)
    opened.counters[TURNS_ANSWERED] += sign
    tally = panes.at(answered_at // MINUTE)
    answered = tally.counters
    answered[ANSWERED] += sign
    if turn.ordinal == 1:
        answered[FIRST_ANSWERED] += sign
    response = turn.response
    bucket = UNTIMED if response is None else bucket_of(response)
    if turn.band:
        add_one(opened.bands, in_band(turn.band, UNANSWERED), -sign)
        add_one(opened.bands, in_band(turn.band, bucket), sign)
    if response is None:
        answered[CLOCK_SKEW] += sign
    else:
        answered[RESPONSE_SAMPLES] += sign
        answered[RESPONSE_MILLISECONDS] += sign * response
        add_one(tally.first if turn.ordinal == 1 else tally.following, bucket, sign)
    for limit, hits, misses in WITHIN:
        if answered_at - opened_at <= limit:
            answered[hits] += sign
            panes.at((opened_at + limit) // MINUTE).counters[misses] -= sign
    if answered_at <= turn.due_at:
        answered[SLA_MET] += sign
        panes.at(turn.due_at // MINUTE).counters[SLA_MISSED] -= sign


def standing(thread: Thread) -> tuple[int, int] | None:
    """Return where and as what a thread counts: (minute of its latest message, alternations); None without a contact."""
    return (thread.last_at // MINUTE, thread.alternations) if thread.has_contact else None
