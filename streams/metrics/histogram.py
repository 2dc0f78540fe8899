"""Response times as a histogram of relative error at most 1 %, after DDSketch (Masson, Rim, Lee; VLDB 2019).

Bucket b holds the times in (g^(b-1), g^b] milliseconds, with g = (1 + a) / (1 - a) and a = 0.01; bucket 0 all up to 1 ms.
A bucket stands for 2·g^b / (g + 1), which is within a of every time in it. Histograms merge by adding their counts.
"""

from __future__ import annotations

from math import ceil, log
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_extensions import i64

RELATIVE_ERROR: Final = 0.01
GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_LOG: Final = 1 / log(GAMMA)


def bucket_of(milliseconds: int) -> int:
    """Return the bucket of a response time."""
    return 0 if milliseconds <= 1 else ceil(log(milliseconds) * _PER_LOG - 1e-9)


def seconds_of(bucket: int) -> float:
    """Return the response time that a bucket stands for, in seconds."""
    return 2 * GAMMA**bucket / (GAMMA + 1) / 1000


def quantiles(counts: dict[int, int], levels: Sequence[float], leaving_out: int = 0) -> list[float | None]:
    """Return the quantiles in seconds, or None each for an empty histogram. ``levels`` go up.

    ``leaving_out``: so many of the last buckets' counts stand for no time.

    Interpolated between the two ranks around level·(n - 1), as spreadsheets, numpy and ClickHouse's quantileExactInclusive
    do (Hyndman and Fan's type 7), so that a median of an even number of times agrees with theirs within 1 %.
    """
    samples = sum(counts.values()) - leaving_out
    if not samples:
        return [None] * len(levels)
    buckets = sorted(counts)
    results: list[float | None] = []
    index: i64 = -1
    end: i64 = 0
    for level in levels:
        position = level * (samples - 1)
        low: i64 = int(position)
        while end <= low:
            index += 1
            end += counts[buckets[index]]
        value = seconds_of(buckets[index])
        beyond = position - float(low)
        if beyond and low + 1 == end:
            value += (seconds_of(buckets[index + 1]) - value) * beyond
        results.append(value)
    return results
