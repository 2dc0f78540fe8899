"""Counters go out without their names: each has to land in the field of its name."""

from schemas.codec import decode
from streams.cycle import messages
from streams.metrics.counters import (
    BAND,
    FIRST,
    NEXT,
    PANE_COUNTERS,
    UNANSWERED,
    UNTIMED,
    WINDOW_COUNTERS,
    Tally,
    in_bucket,
)
from streams.metrics.histogram import seconds_of
from streams.metrics.records import pane_row, rolling_row

_COUNTS = {
    **{number: 100 + number for number in range(len(PANE_COUNTERS) + len(WINDOW_COUNTERS))},
    in_bucket(FIRST, 105): 1,
    in_bucket(FIRST, 100): 3,
    in_bucket(NEXT, 200): 2,
    in_bucket(BAND + 1, 200): 1,
    in_bucket(BAND + 1, 100): 1,
    in_bucket(BAND + 3, 300): 3,
    in_bucket(BAND + 3, UNTIMED): 4,
    in_bucket(BAND + 3, UNANSWERED): 5,
    in_bucket(BAND + 4, UNANSWERED): 2,
}


def _decoded(record: str, row: bytes) -> dict[str, object]:
    (message,) = messages(record, [row])
    (decoded,) = decode(record, message)
    return decoded


def test_each_count_of_a_pane_is_under_its_name() -> None:
    assert _decoded("pane", pane_row("x:1", 2, _COUNTS, 9)) == {
        "account": "x:1",
        "minute": 120_000,
        **{name: 100 + number for number, name in enumerate(PANE_COUNTERS)},
        "first_buckets": [100, 105],
        "first_counts": [3, 1],
        "next_buckets": [200],
        "next_counts": [2],
        "version": 9,
    }


def test_each_count_of_a_window_is_under_its_name() -> None:
    tally = Tally()
    tally.add(_COUNTS, 1)
    row = _decoded("rolling", rolling_row("x:1", "1h", 2, tally, (11, 12, 13, 14, None, 9)))
    quantiles = {name: row.pop(name) for name in [name for name in row if name.endswith(("p50", "p90", "p99"))]}
    assert row == {
        "account": "x:1",
        "window": "1h",
        "as_of": 120_000,
        **{name: 100 + number for number, name in enumerate((*PANE_COUNTERS, *WINDOW_COUNTERS))},
        "band_followers": [0, 1_000, 10_000],
        "band_turns": [2, 12, 2],
        "band_turns_answered": [2, 7, 0],
        "band_milliseconds": [round(500 * (seconds_of(100) + seconds_of(200))), round(1000 * seconds_of(300)), -1],
        "unanswered": 11,
        "at_risk": 12,
        "breached": 13,
        "oldest_opened_at": 14,
        "followers": None,
        "version": 9,
    }
    assert list(quantiles) == [
        "response_p50",
        "response_p90",
        "response_p99",
        "first_response_p50",
        "next_response_p50",
    ]
    assert 0 < quantiles["first_response_p50"] < quantiles["response_p50"] < quantiles["response_p90"]
