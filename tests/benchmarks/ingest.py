"""`python -m tests.benchmarks.ingest`: how fast posts become messages, from a connector's records to the bytes that Kafka is sent.

The connectors, the runner and the publisher are the real ones; only Kafka's client is not: it acknowledges at once, so that
nobody waits. The ceiling is the same events, made already, encoded 300 at a time.
"""

import asyncio
import csv
import os
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from schemas.codec import Record, encode
from schemas.topics import Catalogue
from streams.connectors import publisher
from streams.connectors.base import Counts
from streams.connectors.jsonl import write_jsonl
from streams.connectors.publisher import BATCH_EVENTS, Publisher
from streams.connectors.replay import open_replay
from streams.connectors.runner import run
from streams.connectors.simulator import Simulator, SimulatorOptions
from tests.benchmarks import load
from tests.benchmarks.load import PARTITIONS
from tests.benchmarks.measuring import Measured, Stopwatch, alone, code_in
from tests.benchmarks.parts import COMPILED, compiled
from tests.kafka_broker import ROOT

CEILING: Final = "ceiling: encoding alone"
PUBLISHER: Final = "publisher"
TWCS: Final = "twcs file"
JSONL: Final = "jsonl file"
SIMULATOR: Final = "simulator"
NOTE: Final = (
    "publisher: events in memory, checked, gathered by partition and encoded. The files: read and normalised as well. "
    "The simulator invents its events, which is most of its work."
)

console = Console()


class World(NamedTuple):
    """What is published: the first events of a simulated world."""

    events: int
    accounts: int
    stories_per_hour: float

    def told(self) -> list[Record]:
        return load.events(self.events, self.accounts, self.stories_per_hour)


# -- in a process of its own ----------------------------------------------------------------------------------------------


def encoding(world: World) -> Measured:
    """Measure the ceiling."""
    events, watch = world.told(), Stopwatch()
    with watch:
        for start in range(0, len(events), BATCH_EVENTS):
            encode("interaction", events[start : start + BATCH_EVENTS])
    return watch.measured(len(events))


def publishing(world: World) -> Measured:
    """Measure the publisher alone."""
    return asyncio.run(_carrying(lambda: _Told(world.told())))


def reading(path: Path) -> Measured:
    """Measure a file, from its bytes to ours; its name says its format."""
    return asyncio.run(_carrying(lambda: path))


def simulating(world: World) -> Measured:
    """Measure the simulator as a source."""
    options = SimulatorOptions(accounts=world.accounts, stories_per_hour=world.stories_per_hour, events=world.events)
    return asyncio.run(_carrying(lambda: Simulator(options)))


async def _carrying(prepare: Any) -> Measured:  # noqa: ANN401 - a source's maker
    """Carry a source to a publisher whose Kafka is always there; what is prepared for it takes no time."""
    source, watch = prepare(), Stopwatch()
    async with without_kafka() as carrier:
        with watch:
            if isinstance(source, Path):
                source = open_replay(source, source.suffix[1:])
            summary = await run(source, carrier)
    assert not summary.rejected
    return watch.measured(summary.events)


def without_kafka() -> Publisher:
    """Return a publisher that never waits."""
    publisher.AIOKafkaProducer, publisher.AIOKafkaAdminClient = _Producer, _Admin
    return Publisher({}, Catalogue("bench"), source="bench", max_bytes_in_flight=None)


class _Told:
    """Events in memory as a source."""

    name: Final = "told"

    def __init__(self, events: Sequence[Record]) -> None:
        self.counts = Counts()
        self._events = events

    def __iter__(self) -> Any:  # noqa: ANN401
        return iter(self._events)


class _Appended(NamedTuple):
    offset: int


class _Producer:
    """Takes the place of aiokafka's: whatever is sent has been acknowledged."""

    def __init__(self, **_: object) -> None:
        self._sent = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def partitions_for(self, _: str) -> set[int]:
        return set(range(PARTITIONS))

    async def send(self, *_: object) -> "asyncio.Future[_Appended]":
        acknowledged = asyncio.get_running_loop().create_future()
        acknowledged.set_result(_Appended(self._sent))
        self._sent += 1
        return acknowledged


class _Admin:
    """Takes the place of aiokafka's: nobody asks it."""

    def __init__(self, **_: object) -> None: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


# -- the files ------------------------------------------------------------------------------------------------------------


def write_twcs(path: Path, events: Iterable[Record]) -> None:
    """Write simulated events as a file of tweets would have them: who writes to whom stands in texts and parents alone."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["tweet_id", "author_id", "inbound", "created_at", "text", "in_response_to_tweet_id"])
        for event in events:
            if event["kind"] in ("mention", "reply", "broadcast"):
                by_public = event["kind"] == "mention"
                brand = event["account"].partition(":")[2]
                author, text = (
                    (event["author_id"], f"@{brand} {event['text']}") if by_public else (brand, event["text"])
                )
                when = datetime.fromtimestamp(event["published_at"] / 1000, UTC).strftime("%a %b %d %H:%M:%S +0000 %Y")
                tweet, parent = (event[name].partition(":")[2] for name in ("id", "parent_id"))
                rows.writerow([tweet, author, by_public, when, text, parent])


# -- the command ----------------------------------------------------------------------------------------------------------


def main(
    events: Annotated[int, typer.Option(min=100, help="Events that are published.")] = 100_000,
    accounts: Annotated[int, typer.Option(min=1, help="Brand accounts, all of them busy.")] = 20,
    stories_per_hour: Annotated[float, typer.Option(min=0.1, help="Threads that begin per account and hour.")] = 600.0,
    interpreted: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--interpreted", help="Not the compiled code as well, although it is there.")
    ] = False,
) -> None:
    """Measure the publisher's path beside encoding alone, each on one core. Takes about a minute."""
    world = World(events, accounts, stories_per_hour)
    table = Table(title=f"Ingest on one of {os.cpu_count()} cores", title_justify="left", box=SIMPLE_HEAD)
    for name in ("", "build", "events", "events/CPU-s", "µs/event", "÷ ceiling"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    with tempfile.TemporaryDirectory() as directory:
        with console.status("Writing files"):
            files = {TWCS: Path(directory, "tweets.twcs"), JSONL: Path(directory, "events.jsonl")}
            told = world.told()
            write_twcs(files[TWCS], told)
            with files[JSONL].open("w") as stream:
                write_jsonl(stream, told)
        for is_compiled in (False, True) if compiled() and not interpreted else (False,):
            with code_in(COMPILED if is_compiled else ROOT):
                _measure(table, "compiled" if is_compiled else "interpreted", world, files)
    console.print(table)
    console.print(NOTE, highlight=False)


def _measure(table: Table, build: str, world: World, files: dict[str, Path]) -> None:
    """Add the lines of one build."""
    ceiling = 0.0
    work = {CEILING: (encoding, world), PUBLISHER: (publishing, world)}
    work |= {name: (reading, path) for name, path in files.items()} | {SIMULATOR: (simulating, world)}
    for name, (function, argument) in work.items():
        with console.status(f"{name}, {build}"):
            found = alone(function, argument)
        rate = found.count / found.cpu
        ceiling = ceiling or rate
        figures = f"{rate:,.0f}", f"{1e6 / rate:.1f}", f"{rate / ceiling:.2f}"
        table.add_row(name, build, f"{found.count:,}", *figures)
    table.add_section()


if __name__ == "__main__":
    typer.run(main)
