"""Back-off, budgets and the breaker, by numbers that one can work out by hand."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors.pacing import Breaker, Budget, full_jitter


@pytest.mark.parametrize(("failures", "bound"), [(1, 1), (2, 2), (3, 4), (7, 64), (8, 120), (10_000, 120)])
def test_a_pause_is_anything_up_to_a_bound_that_doubles(failures: int, bound: float) -> None:
    assert full_jitter(failures, 1.0, 120.0, 0.0) == 0
    assert full_jitter(failures, 1.0, 120.0, 0.5) == bound / 2
    assert full_jitter(failures, 1.0, 120.0, 0.999_999) < bound


def test_a_budget_gives_all_at_once_and_then_at_its_rate() -> None:
    budget = Budget(3, 30.0)
    assert [budget.take(100.0) for _ in range(5)] == [0, 0, 0, 10, 20]
    assert budget.take(200.0) == 0, "it is full again, and no more than full"
    assert [budget.take(200.0) for _ in range(3)] == [0, 0, 10]


@given(st.lists(st.floats(0, 50), min_size=1, max_size=60))
def test_no_stretch_of_time_sees_more_than_two_budgets(pauses: list[float]) -> None:
    """A bucket gives a whole one at the start of a stretch, and fills once in it."""
    budget, now, used = Budget(5, 10.0), 0.0, []
    for pause in pauses:
        now += pause
        now += budget.take(now)
        used.append(now)
    assert all(later >= earlier for earlier, later in pairwise(used))
    for at in used:
        assert sum(at <= other < at + 9.99 for other in used) <= 10


def test_a_network_that_asks_for_a_pause_gets_it() -> None:
    budget = Budget(100, 1.0)
    budget.pause(10.0, 60.0)
    budget.pause(10.0, 5.0)  # shorter than what it asked for
    assert budget.take(30.0) == 40
    assert budget.take(70.0) == 0


def test_the_breaker_opens_once_lets_one_through_and_closes_after_a_success() -> None:
    breaker = Breaker(threshold=3, rest=100.0)
    assert [breaker.failed(float(at)) for at in range(3)] == [False, False, True]
    assert breaker.state == "open"
    assert breaker.wait(2.0) == 100
    assert breaker.wait(102.0) == 0, "one try"
    assert not breaker.failed(103.0), "it was open already"
    assert breaker.wait(103.0) == 100
    breaker.succeeded()
    assert (breaker.state, breaker.wait(104.0)) == ("closed", 0)
    assert not breaker.failed(105.0)
