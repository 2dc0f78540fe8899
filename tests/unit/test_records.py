"""Counters go out without their names: each has to land in the field of its name."""

from schemas.codec import decode
from streams.cycle import messages
from streams.metrics.counters import BAND, FIRST, NEXT, PANE_COUNTERS, UNANSWERED, UNTIMED, WINDOW_COUNTERS, Tally
from streams.metrics.histogram import seconds_of
from streams.metrics.records import pane_row, rolling_row


def _tally() -> Tally:
    tally = Tally()
    tally.counters = list(range(100, 100 + len(tally.counters)))
    tally.histograms[FIRST], tally.histograms[NEXT] = {105: 1, 100: 3}, {200: 2}
    tally.histograms[BAND + 1] = {200: 1, 100: 1}
    tally.histograms[BAND + 3] = {300: 3, UNTIMED: 4, UNANSWERED: 5}
    tally.histograms[BAND + 4] = {UNANSWERED: 2}
    return tally


def _decoded(record: str, row: bytes) -> dict[str, object]:
    (message,) = messages(record, [row])
    (decoded,) = decode(record, message)
    return decoded


def test_each_count_of_a_pane_is_under_its_name() -> None:
    assert _decoded("pane", pane_row("x:1", 2, _tally(), 9)) == {
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
    row = _decoded("rolling", rolling_row("x:1", "1h", 2, _tally(), (11, 12, 13, 14, None, 9)))
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
