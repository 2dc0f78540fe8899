"""`make latency`: how long it takes from a post that is published until its row is visible in ClickHouse.

Apache Kafka, the worker, the sink and ClickHouse's engine behind HTTP, each a process, under a steady rate of posts; all
settings are the product's, checkpoints included. Nobody asks ClickHouse meanwhile, for that would slow it down: a row is visible
when ClickHouse has acknowledged its insert, so the sink's client notes when it did, and what. Which post is in which row, and when
its messages were sent, is looked up afterwards, in what was inserted and in Kafka.
"""

import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from io import BytesIO
from itertools import islice, pairwise
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NamedTuple

import fastavro
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from schemas import codec
from schemas.codec import Block, Record
from sinks.clickhouse import sink as module
from sinks.clickhouse.connection import connect
from sinks.clickhouse.sink import Plan, run_sink
from sinks.clickhouse.writer import Writer
from streams.config import Settings
from streams.connection import kafka_options
from streams.connectors.publisher import Publisher
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.progress import Progress
from streams.telemetry import configure_logging
from tests import kafka_broker
from tests.clickhouse_front import Front
from tests.clickhouse_server import make_tables
from tests.plants import Rapport, messages, own_settings
from tests.processes import free_port

STORIES_PER_HOUR: Final = 600.0
TOLD_BEFORE: Final = 5_000
"""Simulated events that are left out: in the first minutes of a world nobody answers yet."""
WARM_SECONDS: Final = 5.0
"""Posts of the first seconds are not counted: Python's processes are still importing, Kafka's is still compiling."""
STAGES: Final = ("publisher", "worker", "to the sink", "insert", "in all")
POST: Final = "post"
TURN: Final = "turn"
NOTE: Final = (
    "Milliseconds. post: the row of the post itself. turn: of the turn that it opens or answers. publisher: until its message is "
    "given to Kafka's client (it waits for more events). worker: until what came of it is given to Kafka's client, folding, "
    "cycle and all. to the sink: until the sink begins to insert it. insert: until ClickHouse acknowledges. A post itself has "
    "no worker. Percentiles of stages do not add up."
)

console = Console()


class Insert(NamedTuple):
    """What ClickHouse has acknowledged."""

    record: str
    began: float
    """Unix seconds."""
    ended: float
    blocks: list[tuple[int, bytes]]
    """Records, how many and their bytes."""

    def rows(self) -> list[Record]:
        schema, found = codec.newest(self.record).record, list[Record]()
        for count, body in self.blocks:
            stream = BytesIO(body)
            found += [fastavro.schemaless_reader(stream, schema, None) for _ in range(count)]
        return found


class Stamps(NamedTuple):
    """When one post had come how far, Unix seconds."""

    published: float
    sent: float
    told: float
    """Its fact; of the post itself, as ``sent``."""
    inserting: float
    visible: float

    def stages(self) -> list[float]:
        """Return the milliseconds of each of :data:`STAGES`."""
        steps = [1000 * (after - before) for before, after in pairwise(self)]
        return [*steps, 1000 * (self.visible - self.published)]


# -- the sink, in a process of its own ------------------------------------------------------------------------------------


class _Noting(Writer):
    """Notes what is acknowledged, and when."""

    inserts: ClassVar[list[Insert]] = []

    def insert(self, name: str, blocks: Sequence[Block], token: str) -> int:
        began = time.time()
        rows = super().insert(name, blocks, token)
        self.inserts.append(Insert(name, began, time.time(), [(it.count, bytes(it.body)) for it in blocks]))
        return rows


def sink(settings: Settings, stop: Event, inserts: Any) -> None:  # noqa: ANN401 - a connection
    """Run the sink until it is told to stop, then hand over what it has inserted."""
    configure_logging("WARNING")
    module.Writer = _Noting
    asyncio.run(_sink(settings, stop))
    inserts.send(_Noting.inserts)


async def _sink(settings: Settings, stop: Event) -> None:
    client, stopped = connect(settings.clickhouse.get_secret_value()), asyncio.Event()
    plan = Plan(settings.topics, settings.sink_rows, settings.sink_seconds)
    running = asyncio.create_task(run_sink(kafka_options(settings), client, plan, stopped))
    while not stop.is_set() and not running.done():  # noqa: ASYNC110 - it is another process that sets it
        await asyncio.sleep(0.5)
    stopped.set()
    await running
    client.close()


# -- the load -------------------------------------------------------------------------------------------------------------


async def publish(settings: Settings, rate: float, seconds: float, accounts: int) -> dict[str, float]:
    """Publish simulated posts as if they were written now; return when each was published, by its id."""
    options = SimulatorOptions(
        accounts=accounts,
        stories_per_hour=STORIES_PER_HOUR,
        crises_per_week=0,
        duplicates=0,
        edits=0,
        deletions=0,
        late=0,
    )
    events = list(islice(simulate(options), TOLD_BEFORE, TOLD_BEFORE + int(rate * seconds)))
    published: dict[str, float] = {}
    connection = kafka_options(settings)
    async with Publisher(connection, settings.topics, source="simulator", max_bytes_in_flight=None) as publisher:
        begun = time.monotonic()
        for count, event in enumerate(events):
            if (early := begun + count / rate - time.monotonic()) > 0:
                await asyncio.sleep(early)
            now = time.time()
            published[event["id"]] = now
            at = int(1000 * now)
            await publisher.publish({**event, "published_at": at, "received_at": at})
        took = time.monotonic() - begun
    console.print(f"{len(events):,} posts in {took:.1f} s, {len(events) / took:,.0f} per second", highlight=False)
    async with Progress(settings) as progress:
        await progress.folded(lambda _: None)
        await progress.stored(lambda _: None)
    return published


# -- the verdict ----------------------------------------------------------------------------------------------------------


def _firsts(timed: Iterator[tuple[Any, list[Record]]], record: str) -> dict[str, Any]:
    """Return by post when it first stood in a record: as itself, as a turn's first message, or as a turn's answer."""
    names = ("id",) if record == "interaction" else ("turn_id", "reply_id")
    found: dict[str, Any] = {}
    for when, rows in timed:
        for row in rows:
            for name in names:
                if row[name]:
                    found.setdefault(row[name], when)
    return found


def stamps(settings: Settings, published: Mapping[str, float], inserts: Sequence[Insert]) -> dict[str, list[Stamps]]:
    """Return how long every post took, and every turn that one opens or answers."""
    topics = {topic.record: topic for topic in settings.topics.facts}

    def inserted(record: str) -> dict[str, Insert]:
        return _firsts(((it, it.rows()) for it in inserts if it.record == record), record)

    def written(record: str) -> dict[str, float]:
        """When it was given to Kafka's client."""
        found = messages(settings.brokers, topics[record].name)
        return _firsts(((it.timestamp / 1000, codec.decode(record, it.value)) for it in found), record)

    sent, told = written("interaction"), written("turn")
    posts, turns = inserted("interaction"), inserted("turn")
    after = min(published.values()) + WARM_SECONDS
    counted = {post: at for post, at in published.items() if at >= after}
    assert counted, f"the first {WARM_SECONDS:.0f} s do not count"
    lost = [post for post in counted if post not in posts]
    assert not lost, f"{len(lost)} posts are not in ClickHouse"
    return {
        POST: [Stamps(at, sent[it], sent[it], posts[it].began, posts[it].ended) for it, at in counted.items()],
        TURN: [
            Stamps(at, sent[it], told[it], turns[it].began, turns[it].ended)
            for it, at in counted.items()
            if it in turns
        ],
    }


def report(found: Mapping[str, Sequence[Stamps]]) -> Table:
    """Return the percentiles of each stage."""
    table = Table(title="From published to visible, ms", title_justify="left", box=SIMPLE_HEAD)
    for name in ("", "stage", "rows", "p50", "p90", "p99", "max"):
        table.add_column(name, justify="right" if name not in ("", "stage") else "left", no_wrap=True)
    for what, of_rows in found.items():
        for stage, times in zip(STAGES, zip(*(it.stages() for it in of_rows), strict=True), strict=True):
            if what == POST and stage == "worker":
                continue
            cuts = statistics.quantiles(times, n=100)
            figures = (cuts[49], cuts[89], cuts[98], max(times))
            table.add_row(what, stage, f"{len(times):,}", *(f"{figure:,.0f}" for figure in figures))
        table.add_section()
    return table


# -- the command ----------------------------------------------------------------------------------------------------------


def _start(stack: ExitStack, directory: Path, changes: Mapping[str, float]) -> Settings:
    """Start Kafka, ClickHouse and the worker."""
    broker = stack.enter_context(kafka_broker.running())
    front = Front(directory / "clickhouse", free_port())
    stack.callback(front.kill)
    make_tables(front.url)
    settings = own_settings(broker.brokers, "latency", clickhouse=front.url, **changes)
    worker = Rapport("worker", settings, directory)
    stack.callback(worker.kill)
    return settings


def main(
    rate: Annotated[float, typer.Option(min=1, help="Posts a second.")] = 1_000.0,
    seconds: Annotated[
        float, typer.Option(min=WARM_SECONDS + 1, help="For so long; the first five do not count.")
    ] = 35.0,
    accounts: Annotated[int, typer.Option(min=1, help="Brand accounts.")] = 100,
    cycle_seconds: Annotated[float, typer.Option(min=0.001, help="RAPPORT_CYCLE_SECONDS.")] = 0.1,
    sink_seconds: Annotated[float, typer.Option(min=0.001, help="RAPPORT_SINK_SECONDS.")] = 0.2,
) -> None:
    """Measure how long a post takes to be visible in ClickHouse. Takes about a minute and a half."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, ExitStack() as stack:
        with console.status("Starting Kafka, ClickHouse, worker and sink"):
            settings = _start(stack, Path(place), {"cycle_seconds": cycle_seconds, "sink_seconds": sink_seconds})
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        stop = context.Event()
        process = context.Process(target=sink, args=(settings, stop, there), daemon=True)
        process.start()
        with console.status(f"{rate:,.0f} posts a second for {seconds:.0f} s"):
            published = asyncio.run(publish(settings, rate, seconds, accounts))
        stop.set()
        inserts = here.recv()
        process.join()
        with suppress(OSError):  # not every system tells
            console.print(f"Load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", highlight=False)
        console.print(report(stamps(settings, published, inserts)))
    console.print(NOTE, highlight=False)


if __name__ == "__main__":
    typer.run(main)
