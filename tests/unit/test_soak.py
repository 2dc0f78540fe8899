"""The verdicts of a soak: each can be one of guilty."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.benchmarks.soak import Plan, Sample, fell_behind, memory_grew, memory_unbounded, missing, unexplained

PLAN = Plan(seconds=1_800, rate=5_000, workers=1, away=0)
STEADY = [Sample(float(at), at * 5_000, 300, 15, 80, 900, 20, 40, 5) for at in range(5, 1_800, 5)]


def test_a_steady_run_is_in_order() -> None:
    assert [*memory_grew(STEADY, PLAN), *fell_behind(STEADY, PLAN), *memory_unbounded(STEADY, PLAN)] == []


@pytest.mark.parametrize("who", ["worker", "sink"])
def test_a_tenth_more_at_the_end_is_a_leak(who: str) -> None:
    def leaking(by: float) -> list[Sample]:
        return [replace(it, **{who: getattr(it, who) * (1 + by * it.seconds / PLAN.seconds)}) for it in STEADY]

    assert [*memory_grew(leaking(0.1), PLAN)] == []
    (fault,) = memory_grew(leaking(0.2), PLAN)
    assert fault.startswith(f"memory of the {who} grew by 1")


@pytest.mark.parametrize(("what", "much"), [("worker_lag", 5_000), ("sink_lag", 5_000), ("age", 60)])
def test_one_moment_too_far_behind_is_one_too_many(what: str, much: int) -> None:
    late = [replace(it, **{what: much}) if it.seconds == 900 else it for it in STEADY]
    (fault,) = fell_behind(late, PLAN)
    assert fault.startswith(f"{what.replace('_', ' ')} was {much:,}")


def test_at_the_beginning_one_may_be_behind() -> None:
    assert [*fell_behind([replace(STEADY[0], worker_lag=5_000), *STEADY], PLAN)] == []


def test_memory_is_bounded_at_every_moment() -> None:
    (fault,) = memory_unbounded([*STEADY, replace(STEADY[-1], sink=2_000)], PLAN)
    assert fault.startswith("the sink had 2000 MiB")


def test_whatever_is_missing_is_told() -> None:
    def client(*found: int) -> Any:  # noqa: ANN401
        answers = iter(found)
        return SimpleNamespace(query=lambda _: SimpleNamespace(result_rows=[(next(answers),)]))

    published = Counter(mention=5, reply=3, peer=1)
    assert [*missing(client(9, 5, 3, 0, 0), published)] == []
    assert [*missing(client(8, 5, 4, 2, 1), published)] == [
        *("8 events of 9", "4 replies of 3", "2 too late of 0", "1 dead letters of 0")
    ]


def test_a_line_in_the_log_needs_an_explanation() -> None:
    def process(*events: str) -> Any:  # noqa: ANN401
        return SimpleNamespace(name="sink", lines=lambda *_: [{"event": event} for event in events])

    assert [*unexplained([process("away", "away")], {"away": "as it was told"})] == []
    assert [*unexplained([process("away", "hm", "hm")], {"away": ""})] == ["sink logged 2 times: hm"]
