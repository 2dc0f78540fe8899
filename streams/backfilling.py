"""``rapport backfill``: what a network tells of the time before, in a lane of its own.

The lane is a plant of its own under another prefix: its input, its worker, its states, its cursor. So it may be killed at any
moment as any plant may, and its clock is that of the posts. Its facts go to the same tables, its alerts nowhere. They are of a
generation below 0: where live has said something of a turn or a minute too, live stands; where two lanes have, that which began
earlier, for it has seen more.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from rich.console import Console

from schemas.topics import Catalogue, Topic
from streams import kafka, terminal
from streams.config import Settings
from streams.connecting.running import Work
from streams.connecting.store import Store
from streams.connecting.tables import Table, load_tables
from streams.connection import explained, kafka_options
from streams.connectors.live_runner import Pace
from streams.connectors.making import has_history
from streams.connectors.publisher import Publisher
from streams.connectors.understanding import understanding
from streams.connectors.walking import DAY
from streams.embedded import Processes
from streams.errors import RapportError, SettingsError
from streams.http_answers import RefusedError
from streams.progress import Progress

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

LONGEST_PREFIX: Final = 60


class Request(NamedTuple):
    """What is walked through."""

    connector: str
    table: Table
    since: datetime
    """UTC."""


class Lane(Catalogue):
    """The topics of a backfill."""

    @property
    def facts(self) -> tuple[Topic, ...]:
        """Those that the sink carries to ClickHouse: of what is over there are neither alerts nor rolling windows."""
        return (self.interactions, self.turns, self.panes, self.dead_letters)


def requested(connector: str, since: datetime, settings: Settings) -> Request:
    """Return what somebody asks for. Raises :class:`SettingsError` if it cannot be."""
    tables = load_tables(settings.accounts_file)
    able = sorted(name for name, table in tables.items() if has_history(table.settings.type))
    if connector not in able:
        wrong = f"connector {connector} has no history" if connector in tables else f"there is no connector {connector}"
        others = f"name one that has one: {', '.join(able)}" if able else "none of rapport.toml has one"
        raise SettingsError(wrong, f"{others} (docs/connectors/backfill.md)")
    if not 0 <= since.timestamp() < datetime.now(UTC).timestamp():
        raise SettingsError(f"{since:%Y-%m-%d} is no day to begin with", "give one that is past, and after 1970")
    return Request(connector, tables[connector], since)


def lane_of(settings: Settings, request: Request) -> Settings:
    """Return the settings of a backfill's own plant: the same for the same connector and date. Raises :class:`SettingsError`."""
    prefix = f"{settings.topic_prefix}-backfill-{request.connector}-{request.since:%Y%m%d}"
    if len(prefix) > LONGEST_PREFIX:
        raise SettingsError(f"{prefix} is too long for a prefix of topics", "give the connector a shorter name")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", prefix):
        raise SettingsError(f"{prefix} cannot be a prefix of topics", "call the connector by ASCII letters and digits")
    days = int(request.since.timestamp() * 1000) // DAY
    lane = {"topic_prefix": prefix, "generation": -1 - days, "ticks": False, "metrics_port": 0}
    return settings.model_copy(update=lane)


async def backfill(
    request: Request, settings: Settings, client: "Client", console: Console, stop: asyncio.Event
) -> None:
    """Walk through a connector's history from a date to now, and wait until all of it is in ClickHouse.

    When ``stop`` is set it ends early, and the next run goes on there. Raises :class:`RapportError`.
    """
    lane = lane_of(settings, request)
    topics = Lane(lane.topic_prefix)
    await asyncio.to_thread(kafka.apply_topics, lane)
    with terminal.bars(console) as bars:
        async with (
            Processes(lane, client, topics) as plant,
            Publisher(kafka_options(lane), lane.topics, source=request.connector) as publisher,
        ):
            bars.add_task("walking", total=None)
            is_whole = await plant.watched(_walk(request, lane, publisher, stop))
            if is_whole:
                await publisher.tick(time.time_ns() // 1_000_000)
            await publisher.flush()
            remaining = terminal.remaining(bars)
            async with Progress(lane) as readers:
                await plant.watched(readers.folded(lambda rest: remaining("folding", rest)))
                await plant.watched(readers.stored(lambda rest: remaining("storing", rest), topics.facts))
    if not is_whole:
        console.print("stopped early: the same command goes on")
        raise KeyboardInterrupt
    console.print(
        f"{request.connector} is there since {request.since:%Y-%m-%d}; topics of {lane.topic_prefix} keep how far it is"
    )


async def _walk(request: Request, lane: Settings, publisher: Publisher, stop: asyncio.Event) -> bool:
    """Publish the history; say whether it has come to its end."""

    @asynccontextmanager
    async def carrier(_: str) -> AsyncIterator[Publisher]:
        yield publisher

    producer = AIOKafkaProducer(**kafka_options(lane), enable_idempotence=True, linger_ms=0)
    with explained(lane):
        await producer.start()
    try:
        understand = understanding(lane.language, lane.sentiment)
        work = Work(Store(lane, producer), carrier, understand, Pace())
        return await work.walk(request.connector, request.table, int(request.since.timestamp() * 1000), stop)
    except RefusedError as error:
        raise RapportError(f"the network refuses the credentials ({error})", "give others") from None
    finally:
        await producer.stop()
