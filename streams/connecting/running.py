"""The process of the connectors: those of rapport.toml, each on its own, as the file has them at any time."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from aiokafka import AIOKafkaProducer

from schemas.codec import Record
from streams.config import Settings
from streams.connecting.history import History
from streams.connecting.store import Store
from streams.connecting.tables import Table, some_tables
from streams.connection import explained, kafka_options
from streams.connectors.live_runner import LiveRunner, Pace
from streams.connectors.making import make
from streams.connectors.memory import Memory
from streams.connectors.publisher import Publisher
from streams.connectors.runner import Carrier
from streams.connectors.understanding import understanding
from streams.errors import SettingsError
from streams.http_answers import RefusedError
from streams.telemetry import connector_gone, log

RELOAD_SECONDS: Final = 2.0
"""How often rapport.toml and the secrets are looked at."""

if TYPE_CHECKING:
    from streams.connectors.live import Historic

logger = log("connectors")


async def run_connectors(
    settings: Settings, names: Collection[str], stop: asyncio.Event, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Run the connectors of rapport.toml, or those ``names``, until ``stop`` is set. ``on_ready``: they have been started.

    What changes in the file or in a secret restarts the connectors that it concerns. Raises :class:`SettingsError` if the file is
    wrong at the start, :class:`streams.errors.BrokerError` and aiokafka's ``KafkaError`` if Kafka fails.
    """
    tables = _wanted(settings, names)
    understand = understanding(settings.language, settings.sentiment)
    async with AsyncExitStack() as stack:
        producer = AIOKafkaProducer(**kafka_options(settings), enable_idempotence=True, linger_ms=0)
        with explained(settings):
            await producer.start()
        stack.push_async_callback(producer.stop)
        publisher = partial(Publisher, kafka_options(settings), settings.topics, max_bytes_in_flight=None)
        work = Work(
            Store(settings, producer),
            lambda name: publisher(source=name),
            understand,
        )
        supervisor = Supervisor(work.run)
        stack.push_async_callback(supervisor.stop)
        supervisor.follow(tables)
        on_ready()
        while not stop.is_set():
            await supervisor.wait(stop, RELOAD_SECONDS)
            try:
                tables = await asyncio.to_thread(_wanted, settings, names)
            except SettingsError as error:
                logger.error("settings_wrong", error=str(error), what="what ran goes on as it was")  # noqa: TRY400 - it says all
                continue
            supervisor.follow(tables)


def _wanted(settings: Settings, names: Collection[str]) -> dict[str, Table]:
    """Return the connectors that are to run. Raises :class:`SettingsError`."""
    tables = some_tables(settings.accounts_file)
    if unknown := [name for name in names if name not in tables]:
        known = ", ".join(sorted(tables))
        raise SettingsError(f"there is no connector {unknown[0]}", f"name one of rapport.toml: {known}")
    return {name: table for name, table in tables.items() if not names or name in names}


class Journals(Protocol):
    """Where connectors keep what they remember."""

    async def read(self, connector: str) -> Memory:
        """Return what a connector remembers."""


@dataclass(frozen=True)
class Work:
    """How each connector is run."""

    journals: Journals
    carrier: Callable[[str], AbstractAsyncContextManager[Carrier]]
    """What takes a connector's events, by its name."""
    understand: Callable[[Record], Record] = lambda event: event
    pace: Pace = field(default_factory=Pace)

    async def run(self, name: str, table: Table, stop: asyncio.Event) -> None:
        """Run a connector from where it was until ``stop`` is set; raises as :meth:`LiveRunner.run`."""
        async with self.carrier(name) as carrier:
            memory = await self.journals.read(name)
            connector, session = make(name, table.settings, table.secrets, memory.known)
            session.remembered = memory.remembered
            try:
                accounts = table.settings.accounts
                await LiveRunner(name, connector, accounts, carrier, memory, self.understand, self.pace).run(stop)
            finally:
                await session.close()

    async def walk(self, name: str, table: Table, since: int, stop: asyncio.Event) -> bool:
        """Run through a connector's history from ``since`` on, ms, until now or until ``stop`` is set; say whether to its end.

        It is of a type that has one. The time is that of the posts. Raises as :meth:`LiveRunner.run`.
        """
        async with self.carrier(name) as carrier:
            memory = await self.journals.read(name)
            connector, session = make(name, table.settings, table.secrets, memory.known, for_history=True)
            try:
                history = History(cast("Historic", connector), since, stop)
                runner = LiveRunner(name, history, table.settings.accounts, carrier, memory, self.understand, self.pace)
                runner.now = lambda: history.clock
                await runner.run(stop)
                return history.is_whole
            finally:
                await session.close()


Start = Callable[[str, Table, asyncio.Event], Coroutine[Any, Any, None]]
"""Runs a connector until the event is set."""


class Supervisor:
    """Keeps running what rapport.toml says, one task for each connector."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stops: dict[str, asyncio.Event] = {}
        self._digests: dict[str, bytes] = {}
        """Of what runs; of what was refused, as long as nothing has changed."""
        self._ending: set[asyncio.Task[None]] = set()

    def follow(self, tables: Mapping[str, Table]) -> None:
        """Stop what is no more or has changed, and start what is new or has changed; raise what failed for good."""
        self._look()
        digests = {name: table.digest() for name, table in tables.items()}
        for name in [name for name, digest in self._digests.items() if digests.get(name) != digest]:
            logger.info("stops", connector=name, why="it has changed" if name in digests else "it is no more")
            del self._digests[name]
            if name in self._tasks:
                self._stops[name].set()
                self._ending.add(self._tasks.pop(name))
            else:  # its credentials were refused
                connector_gone(name)
        for name, table in tables.items():
            if name in self._digests:
                continue
            before = [task for task in self._ending if task.get_name() == name]
            stop = self._stops[name] = asyncio.Event()
            self._digests[name] = digests[name]
            self._tasks[name] = asyncio.create_task(self._begin(name, table, stop, before), name=name)
            logger.info("starts", connector=name, type=table.settings.type, accounts=len(table.settings.accounts))

    async def _begin(self, name: str, table: Table, stop: asyncio.Event, before: list[asyncio.Task[None]]) -> None:
        if before:
            await asyncio.wait(before)  # its last cursor is where this one begins
        try:
            await self._start(name, table, stop)
        except RefusedError as error:
            remedy = "give it others: it starts again when they or its settings change"
            logger.error("credentials_refused", connector=name, error=str(error), remedy=remedy)  # noqa: TRY400 - it says all
        else:
            connector_gone(name)

    async def wait(self, stop: asyncio.Event, seconds: float) -> None:
        """Wait until ``stop`` is set, a connector ends, or so long."""
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([stopping, *self._tasks.values()], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)

    def _look(self) -> None:
        for name in [name for name, task in self._tasks.items() if task.done()]:
            self._tasks.pop(name).result()
        for task in [task for task in self._ending if task.done()]:
            self._ending.discard(task)
            task.result()

    async def stop(self) -> None:
        """Stop all, each with its last cursor kept; raise what failed."""
        for stop in self._stops.values():
            stop.set()
        running = [*self._tasks.values(), *self._ending]
        await asyncio.gather(*running, return_exceptions=True)
        for task in running:
            task.result()
