"""What the page says of itself when what it shows is not true any more."""

import pytest

from sinks.dashboard.freshness import Freshness, stale


@pytest.mark.parametrize(
    ("looked_at", "newest", "measured", "said"),
    [
        (0, None, None, "no answer from ClickHouse yet"),
        (960, 1000, 1000, "data 40 s old: ClickHouse does not answer"),
        (999, None, None, ""),
        (999, 200, 1020, ""),
        (999, 200, 900, ""),
        (999, 990, None, ""),
        (999, 990, 400, "figures 10 min old: worker or sink is behind"),
        (999, 400, None, "figures 10 min old: worker or sink is behind"),
    ],
)
def test_what_it_says(looked_at: float, newest: float | None, measured: float | None, said: str) -> None:
    assert stale(Freshness(looked_at, newest, measured), 1000) == said


def test_where_nothing_comes_in_no_figure_is_too_old() -> None:
    assert stale(Freshness(999, 200, 400), 1000, still=True) == ""
    assert stale(Freshness(960, 1000, 1000), 1000, still=True) == "data 40 s old: ClickHouse does not answer"
