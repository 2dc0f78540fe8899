"""Carries a source into Kafka at a chosen pace, and drives the clock of what reads it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from schemas.codec import Record
from streams.connectors.base import Counts, Item, Rejected, Source

Pace = float | Literal["max", "live", "real"]
"""How fast a source is carried:

``"max"``   as fast as the pipeline takes it;
a number N  N simulated seconds a second, with a tick each second;
``"live"``  as ``max``, all times shifted by one constant so that the last event is now; for sources that end;
``"real"``  as it happens: an event is published when the wall clock reaches its ``received_at``, which becomes the
            time when it was.
"""

TICK_SECONDS: Final = 1.0
"""Wall time between two ticks, and between two reports of progress while nothing is published."""
PROGRESS_SECONDS: Final = 0.25
"""Wall time between two reports of progress, at least."""


class Carrier(Protocol):
    """What :func:`run` needs of a publisher."""

    async def publish(self, event: Record) -> None:
        """Take an event."""

    async def reject(self, rejected: Rejected, source: str | None = None) -> None:
        """Take a piece of input that is set aside."""

    async def tick(self, now: int) -> None:
        """Tell all partitions the time in ms."""

    async def flush(self) -> None:
        """Wait until everything has arrived."""


@dataclass(frozen=True)
class Summary:
    """How far a run is, or what it came to."""

    events: int
    """Events published; ticks and dead letters are not counted."""
    rejected: int
    seconds: float
    """Wall time since the start."""
    reached: int
    """``received_at`` of the last event, ms; 0 before the first."""
    counts: Counts
    """What the source read."""


@dataclass
class _Run:
    """One run as it goes."""

    source: Source
    publisher: Carrier
    on_progress: Callable[[Summary], None] | None
    stop: asyncio.Event
    events: int = 0
    rejected: int = 0
    reached: int = 0
    began: float = 0.0
    reported: float = 0.0

    def summary(self) -> Summary:
        """Return how far it is."""
        seconds = time.monotonic() - self.began
        return Summary(self.events, self.rejected, seconds, self.reached, self.source.counts)

    def report(self) -> None:
        """Tell how far it is, but not all the time."""
        if self.on_progress and time.monotonic() - self.reported >= PROGRESS_SECONDS:
            self.reported = time.monotonic()
            self.on_progress(self.summary())

    async def publish(self, item: Item) -> None:
        """Publish one item."""
        if isinstance(item, Rejected):
            await self.publisher.reject(item, self.source.name)
            self.rejected += 1
        else:
            await self.publisher.publish(item)
            self.events += 1
            self.reached = max(self.reached, item["received_at"])
        self.report()

    async def sleep(self, seconds: float) -> None:
        """Sleep, unless the run is told to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.stop.wait()
        except TimeoutError:
            self.report()


async def run(
    source: Source,
    publisher: Carrier,
    pace: Pace = "max",
    on_progress: Callable[[Summary], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Summary:
    """Publish all that ``source`` yields, then a tick at the time of the last event, and wait for all acknowledgements.

    The last tick brings the clocks of all partitions to the end of the source. ``on_progress`` is called a few times a
    second at most. When ``stop`` is set the run ends early and in order: tick, flush, summary. Raises what the
    publisher raises, and :class:`ValueError` for a pace that is no pace.
    """
    if not isinstance(pace, str) and not pace > 0:
        raise ValueError(f"a pace of {pace} simulated seconds a second is none")
    this = _Run(source, publisher, on_progress, stop or asyncio.Event(), began=time.monotonic())
    match pace:
        case "max":
            await _as_fast_as_possible(this, source)
        case "live":
            await _as_fast_as_possible(this, _shifted(list(source), int(time.time() * 1000)))
        case "real":
            await _as_it_happens(this)
        case _:
            await _at_speed(this, pace)
    if this.events:
        await publisher.tick(this.reached)
    await publisher.flush()
    if on_progress:
        on_progress(this.summary())
    return this.summary()


async def _as_fast_as_possible(this: _Run, items: Iterable[Item]) -> None:
    for item in items:
        if this.stop.is_set():
            return
        await this.publish(item)


def _shifted(items: list[Item], now: int) -> Iterator[Item]:
    """Yield the items, all times moved by one constant such that the last event was received ``now``."""
    by = now - max((item["received_at"] for item in items if not isinstance(item, Rejected)), default=now)
    for item in items:
        if isinstance(item, Rejected):
            yield item
        else:
            yield {**item, "published_at": item["published_at"] + by, "received_at": item["received_at"] + by}


async def _at_speed(this: _Run, factor: float) -> None:
    """Publish each event when simulated time, ``factor`` times as fast as ours, reaches it; tick each second.

    A tick never says a time that an event still to come is before: if the pipeline is slower than asked, time is slow.
    """
    next_tick = time.monotonic() + TICK_SECONDS
    origin: tuple[int, float] | None = None  # simulated ms and our time of the first event
    for item in this.source:
        if not isinstance(item, Rejected):
            origin = origin or (item["received_at"], time.monotonic())
            due = origin[1] + (item["received_at"] - origin[0]) / 1000 / factor
            while (now := time.monotonic()) < due or now >= next_tick:
                if this.stop.is_set():
                    return
                if now >= next_tick:
                    simulated = origin[0] + int((now - origin[1]) * 1000 * factor)
                    await this.publisher.tick(min(simulated, item["received_at"]))
                    next_tick = now + TICK_SECONDS
                else:
                    await this.sleep(min(due, next_tick) - now)
        if this.stop.is_set():
            return
        await this.publish(item)


async def _as_it_happens(this: _Run) -> None:
    """Publish each event when the wall clock reaches it. No ticks: with real time, the worker has its own clock."""
    for item in this.source:
        if isinstance(item, Rejected):
            await this.publish(item)
            continue
        while (rest := item["received_at"] / 1000 - time.time()) > 0 and not this.stop.is_set():
            await this.sleep(min(rest, TICK_SECONDS))
        if this.stop.is_set():
            return
        await this.publish({**item, "received_at": max(item["received_at"], int(time.time() * 1000))})
