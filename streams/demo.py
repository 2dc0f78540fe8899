"""``rapport demo``: simulated brands and their public, measured live in the terminal.

A day of the simulation is told as fast as it goes, so that every window is full; then it goes on as it happens.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from schemas.codec import Record
from sinks.clickhouse.connection import connect
from sinks.clickhouse.queries import report
from streams import terminal
from streams.config import Brands, Settings
from streams.connectors.base import Counts
from streams.connectors.runner import run
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.embedded import Embedded, target
from streams.errors import SettingsError
from streams.service import stop_at_signals
from streams.serving import address, listen, serve

if TYPE_CHECKING:
    from streams.connectors.publisher import Publisher

HISTORY_HOURS: Final = 12
"""Told before it goes live."""
SIMULATED_NOW: Final = 1_790_692_200_000
"""When it goes live in the simulation, whatever day it is here: a Tuesday, 14:30 UTC, when people are at work."""
PAGE_PORT: Final = 8080
"""Of the live page, if it is free."""
REFRESH_SECONDS: Final = 1.0
REPEAT_SECONDS: Final = 5.0
"""How often the table is printed where there is no terminal to draw it in again."""
ACCOUNTS: Final = 8
STORIES_PER_HOUR: Final = 40.0
"""Threads that begin per account: something happens every second or two."""
POLLS: Final = 600_000
"""The counters of the accounts' posts are asked for this often, in ms."""


class _Part:
    """A part of the simulation as a source."""

    name: Final = "simulator"

    def __init__(self, events: Iterator[Record]) -> None:
        self._events = events
        self.counts = Counts()

    def __iter__(self) -> Iterator[Record]:
        for event in self._events:
            self.counts.count(event)
            yield event


async def show(settings: Settings, console: Console, seed: int, seconds: float | None, directory: Path | None) -> None:
    """Run the demo until ``seconds`` have passed or Ctrl-C."""
    stop = stop_at_signals()
    if seconds is not None:
        asyncio.get_running_loop().call_later(seconds, stop.set)
    async with _directory(directory) as place:
        with console.status("starting broker, worker, sink and ClickHouse on this machine"):
            plant = await Embedded(place, settings, "simulator").__aenter__()
        try:
            async with _page(place, plant.settings) as page:
                await plant.watched(_tell(plant, console, seed, stop, page))
        finally:
            with console.status("stopping"):
                await plant.__aexit__()


@asynccontextmanager
async def _page(place: Path, settings: Settings) -> AsyncIterator[str]:
    """Serve the live page meanwhile; yield its address. It has its own connection, so that nobody waits for its questions."""
    client = connect(target(place))
    try:
        listening = listen("127.0.0.1", PAGE_PORT)
    except SettingsError:  # somebody else has the port
        listening = listen("127.0.0.1", 0)
    ended = asyncio.Event()
    serving = asyncio.create_task(serve(client, listening, Brands(), ended, settings))
    try:
        yield address(listening)
    finally:
        ended.set()
        await serving
        client.close()


async def _tell(plant: Embedded, console: Console, seed: int, stop: asyncio.Event, page: str) -> None:
    start = SIMULATED_NOW - HISTORY_HOURS * 3_600_000
    events = _shifted(
        simulate(
            SimulatorOptions(seed=seed, accounts=ACCOUNTS, start=start, stories_per_hour=STORIES_PER_HOUR, polls=POLLS)
        )
    )
    history, first = _until(events, _now())
    with console.status(f"telling the last {HISTORY_HOURS} hours of {ACCOUNTS} simulated brands"):
        await run(_Part(history), plant.publisher, "max", stop=stop)
        await plant.settle()
    live = asyncio.create_task(run(_Part(chain(first, events)), plant.publisher, "real", stop=stop))
    clock = asyncio.create_task(_tick(plant.publisher, stop))
    picture = partial(_picture, plant, console, page)
    try:
        if console.is_terminal:
            with Live(console=console, refresh_per_second=4) as screen:
                await _show(picture, screen.update, REFRESH_SECONDS, stop)
        else:
            await _show(picture, console.print, REPEAT_SECONDS, stop)
    finally:
        stop.set()
        await asyncio.gather(live, clock)


async def _show(
    picture: Callable[[], Awaitable[Table]], put: Callable[[Table], None], every: float, stop: asyncio.Event
) -> None:
    """Put the picture of the moment before people, again and again until the end, and then once more."""
    while not stop.is_set():
        put(await picture())
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every)
    put(await picture())


async def _picture(plant: Embedded, console: Console, page: str) -> Table:
    rows = await asyncio.to_thread(report, plant.client)
    table = terminal.report_table(rows, console.width)
    table.title = f"Rapport, simulated brands · {datetime.now(UTC):%H:%M:%S} UTC · live page: {page} · Ctrl-C ends it"
    return table


async def _tick(publisher: "Publisher", stop: asyncio.Event) -> None:
    """Say what time it is, each second."""
    while not stop.is_set():
        await publisher.tick(_now())
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)


def _now() -> int:
    return round(time.time() * 1000)


def _shifted(events: Iterator[Record]) -> Iterator[Record]:
    """Move a simulation such that :data:`SIMULATED_NOW` is now."""
    by = _now() - SIMULATED_NOW
    for event in events:
        yield {**event, "published_at": event["published_at"] + by, "received_at": event["received_at"] + by}


def _until(events: Iterator[Record], now: int) -> tuple[Iterator[Record], list[Record]]:
    """Part endless events at a time: those received before ``now``, and a list that will hold the first one after it."""
    rest: list[Record] = []

    def before() -> Iterator[Record]:
        for event in events:
            if event["received_at"] >= now:
                rest.append(event)
                return
            yield event

    return before(), rest


@asynccontextmanager
async def _directory(given: Path | None) -> AsyncIterator[Path]:
    if given is not None:
        yield given
        return
    with TemporaryDirectory(prefix="rapport-demo-") as temporary:
        yield Path(temporary)
