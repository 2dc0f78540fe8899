"""``rapport replay``: a file through the pipeline, and what came of it."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.progress import Progress

from sinks.clickhouse.connection import connect
from streams import progress, telemetry, terminal
from streams.config import Settings
from streams.connection import kafka_options
from streams.connectors.publisher import Publisher
from streams.connectors.replay import Replay, open_replay
from streams.connectors.runner import Pace, Summary, run
from streams.connectors.understanding import Understood, language_model, sentiment_model
from streams.embedded import Embedded
from streams.errors import RapportError
from streams.kafka import require_access

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


class Request(NamedTuple):
    """What is to be replayed, and how fast."""

    file: Path
    format: str
    pace: Pace
    accounts: list[str] | None


async def replay_embedded(request: Request, settings: Settings, directory: Path, console: Console) -> None:
    """Replay through a whole plant of its own; returns when every fact is in ClickHouse."""
    with terminal.bars(console) as bars:
        source = _read(request, bars)
        understood = _understood(source, settings)
        async with Embedded(directory, settings, request.format) as plant:
            summary = await plant.watched(_publish(understood, plant.publisher, request.pace, bars))
            await plant.settle(terminal.remaining(bars))
            outcome = terminal.outcome(plant.client, _accounts(source))
    _tell(summary, outcome, console)


async def replay_into(request: Request, settings: Settings, console: Console) -> None:
    """Replay into Kafka, and wait until worker and sink have brought all of it to ClickHouse."""
    telemetry.serve(settings.metrics_host, settings.metrics_port, lambda: True)
    topics = settings.topics
    await asyncio.to_thread(require_access, settings, (*topics.measured, topics.checkpoints))
    client: Client = await asyncio.to_thread(connect, *settings.clickhouse_server)
    with terminal.bars(console) as bars:
        source = _read(request, bars)
        understood = _understood(source, settings)
        publisher = Publisher(
            kafka_options(settings),
            settings.topics,
            source=request.format,
            deterministic=request.pace == "max",
            max_bytes_in_flight=None,
        )
        async with publisher:
            summary = await _publish(understood, publisher, request.pace, bars)
        async with progress.Progress(settings) as readers:
            remaining = terminal.remaining(bars)
            await readers.folded(lambda rest: remaining("folding", rest))
            await readers.stored(lambda rest: remaining("storing", rest))
        outcome = terminal.outcome(client, _accounts(source))
    _tell(summary, outcome, console)


def _tell(summary: Summary, outcome: Mapping[str, int], console: Console) -> None:
    """Say what was read and what came of it. Raises KeyboardInterrupt if that is why it is not all."""
    console.print(terminal.summary(summary, outcome))
    if summary.events < summary.counts.events:
        console.print(f"stopped early: {summary.events:,} of {summary.counts.events:,} events were published")
        raise KeyboardInterrupt


def _read(request: Request, bars: Progress) -> Replay:
    task = bars.add_task("reading", total=None)
    source = open_replay(request.file, request.format, request.accounts)
    bars.update(task, total=source.counts.records, completed=source.counts.records)
    if not source.counts.events:
        raise RapportError(
            f"{request.file} has no event of the accounts that are asked for"
            if request.accounts
            else f"{request.file} has no event among {source.counts.records} records",
            "look at its --format" if not request.accounts else "leave out --accounts to see all",
        )
    return source


def _understood(source: Replay, settings: Settings) -> Understood:
    return Understood(source, language_model(settings.language), sentiment_model(settings.sentiment))


async def _publish(source: Understood, publisher: Publisher, pace: Pace, bars: Progress) -> Summary:
    task = bars.add_task("publishing", total=source.counts.events)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    try:
        return await run(source, publisher, pace, lambda so_far: bars.update(task, completed=so_far.events), stop)
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


def _accounts(source: Replay) -> list[str]:
    return sorted({item["account"] for item in source.items if isinstance(item, dict)})
