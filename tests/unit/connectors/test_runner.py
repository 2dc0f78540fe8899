"""Paces and the clock, with a publisher that writes down what it is told."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from schemas.codec import Record
from streams.connectors.base import Counts, Item, Rejected
from streams.connectors.runner import Summary, run
from streams.connectors.simulator import Simulator, SimulatorOptions
from streams.errors import Reason
from streams.interactions import interaction

REJECTED = Rejected(Reason.EMPTY_ID, "", "", b"")


class Written:
    """A publisher that only notes what it is told, and when."""

    def __init__(self, seconds: float = 0) -> None:
        self.notes: list[tuple[str, int]] = []
        self.published: list[tuple[Record, float]] = []
        self.flushed = False
        self._seconds = seconds

    async def publish(self, event: Record) -> None:
        if self._seconds:
            await asyncio.sleep(self._seconds)
        self.notes.append(("event", event["received_at"]))
        self.published.append((event, time.time()))

    async def reject(self, rejected: Rejected, source: str | None = None) -> None:
        assert (rejected, source) == (REJECTED, "listed")
        self.notes.append(("rejected", 0))

    async def tick(self, now: int) -> None:
        self.notes.append(("tick", now))

    async def flush(self) -> None:
        self.flushed = True


class Listed:
    """A source with a given list of items."""

    name = "listed"

    def __init__(self, *items: Item | int) -> None:
        self._items = [event(item) if isinstance(item, int) else item for item in items]
        self.counts = Counts()

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)


def event(at: int) -> Record:
    return interaction(id="x:1", account="x:a", kind="mention", published_at=at - 5, received_at=at)


def test_at_full_speed_the_last_thing_is_a_tick_at_the_last_events_time() -> None:
    publisher, seen = Written(), list[Summary]()
    summary = asyncio.run(run(Listed(REJECTED, 1_000, 9_000_000), publisher, "max", seen.append))
    assert publisher.notes == [("rejected", 0), ("event", 1_000), ("event", 9_000_000), ("tick", 9_000_000)]
    assert publisher.flushed
    assert (summary.events, summary.rejected, summary.reached) == (2, 1, 9_000_000)
    assert seen[-1].events == 2


def test_a_source_with_nothing_in_it() -> None:
    publisher = Written()
    assert asyncio.run(run(Listed(), publisher)).events == 0
    assert (publisher.notes, publisher.flushed) == ([], True)
    assert asyncio.run(run(Listed(REJECTED), publisher, "live")).rejected == 1


def test_live_moves_all_times_by_one_constant() -> None:
    publisher = Written()
    before = int(time.time() * 1000)
    asyncio.run(run(Listed(REJECTED, 1_000, 61_000), publisher, "live"))
    first, last = (it for it, _ in publisher.published)
    assert before <= last["received_at"] <= int(time.time() * 1000)
    assert last["received_at"] - first["received_at"] == 60_000
    assert first["received_at"] - first["published_at"] == 5


def test_at_a_speed_time_is_told_each_second() -> None:
    publisher = Written()
    began = time.monotonic()
    asyncio.run(run(Listed(1_000_000, 1_120_000, 1_250_000), publisher, 100))
    assert 2.4 < time.monotonic() - began < 4
    kinds = [kind for kind, _ in publisher.notes]
    assert kinds == ["event", "tick", "event", "tick", "event", "tick"]
    ticks = [at for kind, at in publisher.notes if kind == "tick"]
    assert ticks[0] == pytest.approx(1_100_000, abs=15_000)
    assert ticks[1] == pytest.approx(1_200_000, abs=15_000)
    assert ticks[2] == 1_250_000


def test_a_slow_pipeline_makes_time_slow() -> None:
    """No tick may tell a time that an event still to come is before: the event would be late through no fault of its own."""
    publisher = Written(seconds=0.11)
    asyncio.run(run(Listed(*range(1_000, 31_000, 1_000)), publisher, 1_000))
    assert [at for _, at in publisher.notes] == sorted(at for _, at in publisher.notes)
    assert sum(kind == "tick" for kind, _ in publisher.notes) >= 3


def test_as_it_happens() -> None:
    publisher = Written()
    now = int(time.time() * 1000)
    asyncio.run(run(Listed(now - 5_000, now + 300, now + 600), publisher, "real"))
    for published, at in publisher.published:
        assert published["received_at"] == pytest.approx(at * 1000, abs=80)
        assert published["published_at"] <= published["received_at"]
    assert [kind for kind, _ in publisher.notes] == ["event", "event", "event", "tick"]


@pytest.mark.parametrize("pace", ["max", "real", 5])
def test_an_endless_source_is_stopped_in_order(pace: str) -> None:
    async def scenario() -> tuple[Summary, Written]:
        publisher, stop = Written(seconds=0.001), asyncio.Event()
        source = Simulator(SimulatorOptions(start=int(time.time() * 1000), stories_per_hour=100))
        asyncio.get_running_loop().call_later(0.3, stop.set)
        return await run(source, publisher, pace, stop=stop), publisher  # type: ignore[arg-type]

    began = time.monotonic()
    summary, publisher = asyncio.run(scenario())
    assert time.monotonic() - began < 2
    assert publisher.flushed
    assert summary.events == len(publisher.published)
    if summary.events:
        assert publisher.notes[-1] == ("tick", summary.reached)


@pytest.mark.parametrize("pace", [0, -1, float("nan")])
def test_a_pace_that_is_none(pace: float) -> None:
    with pytest.raises(ValueError, match="is none"):
        asyncio.run(run(Listed(), Written(), pace))
