"""What a pane counts, each under one number, and how counts are added. The names are columns of ``pane`` and ``rolling``.

Adding counts is associative and commutative, and subtracting is adding the negative, so panes sum to windows and an event's
effect is a difference.
"""

from typing import Final

import msgspec
from mypy_extensions import mypyc_attr

PANE_COUNTERS: Final = (
    "mentions",
    "replies",
    "automated_replies",
    "broadcasts",
    "peer_answers",
    "turns",
    "turns_answered",
    "reopened",
    "answered",
    "first_answered",
    "response_samples",
    "response_milliseconds",
    "within_15m_hits",
    "within_15m_misses",
    "within_1h_hits",
    "within_1h_misses",
    "within_24h_hits",
    "within_24h_misses",
    "sla_met",
    "sla_missed",
    "clock_skew",
    "too_late",
    "likes",
    "shares",
    "comments",
    "impressions",
    "stale_snapshots",
    "negative_mentions",
    "opt_outs",
    "promoting",
)
WINDOW_COUNTERS: Final = (
    "contacts",
    "conversations",
    "alternations",
    "reach_2",
    "reach_3",
    "reach_5",
    "templated_replies",
)
"""What belongs to windows and not to panes. A contact or a thread counts in the pane of its latest message only, so that a
window's distinct number is the sum of its panes; a past period's is counted from the facts (docs/metrics.md)."""

MENTIONS: Final = 0
REPLIES: Final = 1
AUTOMATED_REPLIES: Final = 2
BROADCASTS: Final = 3
PEER_ANSWERS: Final = 4
TURNS: Final = 5
TURNS_ANSWERED: Final = 6
REOPENED: Final = 7
ANSWERED: Final = 8
FIRST_ANSWERED: Final = 9
RESPONSE_SAMPLES: Final = 10
RESPONSE_MILLISECONDS: Final = 11
WITHIN: Final = ((15 * 60_000, 12, 13), (60 * 60_000, 14, 15), (24 * 60 * 60_000, 16, 17))
"""(milliseconds, hits, misses) of each "answered within T"."""
SLA_MET: Final = 18
SLA_MISSED: Final = 19
CLOCK_SKEW: Final = 20
TOO_LATE: Final = 21
REACTIONS: Final = (22, 23, 24, 25)
"""Likes, shares, comments and impressions."""
STALE_SNAPSHOTS: Final = 26
NEGATIVE_MENTIONS: Final = 27
OPT_OUTS: Final = 28
PROMOTING: Final = 29
CONTACTS: Final = 30
CONVERSATIONS: Final = 31
ALTERNATIONS: Final = 32
REACH: Final = ((2, 33), (3, 34), (5, 35))
"""(alternations, counter) of threads that reach so many."""
TEMPLATED_REPLIES: Final = 36

FOLLOWERS: Final = (0, 100, 1_000, 10_000)
"""From how many followers each band goes on; they are numbered from 1. Who does not say how many is in none: 0."""

FIRST: Final = 0
"""The histogram of first response times."""
NEXT: Final = 1
"""That of next response times."""
BAND: Final = 1
"""The histogram BAND + n has the turns that the n-th band of followers opened, in the pane of their opening, by response time."""
_HISTOGRAMS: Final = 2 + len(FOLLOWERS)
_BUCKETS: Final = 1 << 11
"""More than any time has. A small number is fewer bytes in a pane."""
_BANDS: Final = (BAND + 2) * _BUCKETS
"""Numbers from here on are of bands."""
UNANSWERED: Final = _BUCKETS - 2
"""Stands for the bucket of a turn that has no answer."""
UNTIMED: Final = _BUCKETS - 1
"""Stands for the bucket of a turn that has an answer, but no response time: the clocks disagree."""

Counts = dict[int, int]
"""What is counted by those numbers, without zeros."""

_NUMBERS: Final = len(PANE_COUNTERS) + len(WINDOW_COUNTERS)

pack: Final = msgspec.msgpack.Encoder().encode
"""Counts as bytes: a tenth of their size in memory, and there may be millions of them."""
unpack: Final = msgspec.msgpack.Decoder(Counts).decode


@mypyc_attr(acyclic=True)
class Tally:
    """Counts that are looked at again and again: those of a window, or of a pane that is said."""

    __slots__ = ("counters", "histograms")

    def __init__(self) -> None:
        self.counters = [0] * _NUMBERS
        """By the numbers above."""
        self.histograms: list[Counts] = [{} for _ in range(_HISTOGRAMS)]
        """By the numbers above, each by bucket."""

    def __bool__(self) -> bool:
        """Say whether anything is counted. Whatever is in a band is a turn as well."""
        return any(self.counters) or bool(self.histograms[FIRST]) or bool(self.histograms[NEXT])

    def add(self, counts: Counts, sign: int) -> None:
        """Add counts, or take them away with sign -1."""
        counters, histograms = self.counters, self.histograms
        for number, amount in counts.items():
            if number < _BUCKETS:
                counters[number] += sign * amount
            else:
                add_one(histograms[number // _BUCKETS - 1], number % _BUCKETS, sign * amount)

    def response_times(self) -> Counts:
        """Return first and next response times together, by bucket."""
        return add_all(dict(self.histograms[FIRST]), self.histograms[NEXT])

    def copy(self) -> "Tally":
        """Return one that counts the same."""
        tally = Tally()
        tally.counters = self.counters[:]
        tally.histograms = [dict(histogram) for histogram in self.histograms]
        return tally


def in_bucket(histogram: int, bucket: int) -> int:
    """Return the number under which a bucket of a histogram counts."""
    return (histogram + 1) * _BUCKETS + bucket


def add_one(into: Counts, number: int, amount: int) -> None:
    """Add to one count; one that comes to zero is dropped."""
    total = into.get(number, 0) + amount
    if total:
        into[number] = total
    else:
        into.pop(number, None)


def add_all(into: Counts, counts: Counts) -> Counts:
    """Add counts to others, and return those."""
    for number, amount in counts.items():
        add_one(into, number, amount)
    return into


def in_pane(counts: Counts) -> bool:
    """Say whether anything is counted that is part of a pane's record, and not of windows alone."""
    return any(number < len(PANE_COUNTERS) or _BUCKETS <= number < _BANDS for number in counts)
