"""Takes what came in to Kafka, over one connection that is made anew as often as it fails.

Whoever pushes is answered once Kafka has acknowledged, so what is not acknowledged is theirs to send again: nothing waits here.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol, Self

from aiokafka.errors import KafkaError

from streams.connectors.base import Item, Rejected
from streams.connectors.publisher import LINGER_SECONDS, Publisher
from streams.errors import BrokerError
from streams.telemetry import log

RETRY_SECONDS: Final = 1.0
"""After Kafka has failed, the next connection is tried so much later."""
MOST_PENDING: Final = 32 << 20
"""Bytes that wait for Kafka's acknowledgement; beyond, nothing more is taken."""

logger = log("listener")


class Carrier(Protocol):
    """What the application needs of a way to Kafka."""

    async def deliver(self, source: str, items: Sequence[Item], size: int) -> None:
        """Return once Kafka has acknowledged all ``items``, which came in ``size`` bytes. Raises :class:`BrokerError`.

        After an error, and when it is cancelled, some of them may be in Kafka or come to be there all the same.
        """


class Courier:
    """A :class:`Carrier`. An async context manager; for one event loop."""

    def __init__(self, make: Callable[[], Publisher]) -> None:
        self._make = make
        self._connection: tuple[Publisher, asyncio.Future[None]] | None = None
        """The second is how the first failed, once it has."""
        self._round: asyncio.Task[None] | None = None
        self._pending = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether Kafka is there, as far as is known."""
        return self._connection is not None

    async def __aenter__(self) -> Self:
        self._keeping = asyncio.create_task(self._keep_connected(), name="courier")
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [task for task in (self._keeping, self._round, *self._under_way) if task is not None]
        for task in tasks:
            task.cancel()  # whoever is owed an answer has had it
        await asyncio.gather(*tasks, return_exceptions=True)

    async def deliver(self, source: str, items: Sequence[Item], size: int) -> None:
        """Return once Kafka has acknowledged all ``items``; see :class:`Carrier`."""
        if self._pending + size > MOST_PENDING:
            raise BrokerError("too much waits for Kafka already", "send it again later")
        # A task of its own: if whoever waits is told to come again, the batch that others' events are in goes on its way.
        task = asyncio.create_task(self._deliver(source, items))
        self._pending += size
        self._under_way.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._pending -= size
            self._under_way.discard(task)
            _ = task.cancelled() or task.exception()  # it may be that nobody waits for it any more

        task.add_done_callback(done)
        await asyncio.shield(task)

    async def _deliver(self, source: str, items: Sequence[Item]) -> None:
        if self._connection is None:
            raise BrokerError("Kafka is away", "send it again later")
        publisher, failure = self._connection
        try:
            for item in items:
                await (publisher.reject(item, source) if isinstance(item, Rejected) else publisher.publish(item))
            if self._round is None:
                self._round = asyncio.create_task(self._acknowledged(publisher))
            await asyncio.shield(self._round)
        except BrokerError as error:
            if not failure.done():
                failure.set_exception(error)
            raise

    async def _acknowledged(self, publisher: Publisher) -> None:
        """Wait for all that comes within :data:`LINGER_SECONDS` as one: what it costs, it costs per message."""
        await asyncio.sleep(LINGER_SECONDS)
        self._round = None
        await publisher.flush()

    async def _keep_connected(self) -> None:
        said = ""
        while True:
            try:
                async with self._make() as publisher:
                    failure = asyncio.get_running_loop().create_future()
                    self._connection = publisher, failure
                    said = ""
                    logger.info("Kafka is there")
                    try:
                        await failure
                    finally:
                        self._connection = None
            except (BrokerError, KafkaError, OSError) as error:
                if str(error) != said:  # once for as long as it is so
                    logger.warning("Kafka takes nothing: whoever pushes is told to come again", error=str(error))
                said = str(error)
            await asyncio.sleep(RETRY_SECONDS)
