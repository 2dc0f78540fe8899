"""The one way by which Interactions, and what contacts bought, enter Kafka: idempotent, and never far ahead of who reads.

A message holds events of one partition, up to 300 of them (what Faust costs, it costs per message: docs/architecture.md). The
producer is idempotent and not transactional, so offsets have no gaps. It keeps at most ``max_bytes_in_flight`` per
partition between what it has produced and what both readers, the worker and the sink, have committed: a slow reader
slows the input down, and a broker that keeps little in memory loses nothing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.structs import TopicPartition

from schemas.codec import Record, encode
from schemas.topics import MEBIBYTE, Catalogue
from streams.connectors.base import Rejected
from streams.errors import BrokerError, broker_refusal
from streams.interactions import tick, weighed
from streams.telemetry import DEAD_LETTERS, PUBLISHED_BATCHES, PUBLISHED_EVENTS, log

BATCH_EVENTS: Final = 300
"""A message is sent when it has this many events …"""
BATCH_BYTES: Final = 256 * 1024
"""… or when the next event would take it above this many bytes …"""
LINGER_SECONDS: Final = 0.05
"""… or when its first event has waited for so long (not in deterministic mode)."""
LARGEST_PAYLOAD: Final = 8 * MEBIBYTE
"""A dead letter keeps at most this many of the original bytes: its topic takes messages of 16 MiB."""
START_SECONDS: Final = 10.0
"""A broker that does not answer for so long at the start is not there."""
POLL_SECONDS: Final = 0.02
"""How often the readers' commits are asked for while the publisher waits for them."""
PATIENCE_SECONDS: Final = 30.0
"""Readers that commit nothing for so long are worth a warning."""


@lru_cache(maxsize=100_000)
def partition_of(account: str, partitions: int) -> int:
    """Return the partition of an account: the one that Kafka's own partitioners choose for the account as a key."""
    return int((murmur2(account.encode()) & 0x7FFFFFFF) % partitions)


def size_of(event: Record) -> int:
    """Return about how many bytes an event takes in a message; never much less than it does."""
    return weighed(event)[0]


class _Partition:
    """What is on its way to one partition, and who must have read it before much more follows."""

    def __init__(self, topic: str, number: int, readers: tuple[str, ...]) -> None:
        self.place = TopicPartition(topic, number)
        self.readers = readers
        """Consumer groups."""
        self.batch: list[Record] = []
        self.batch_bytes = 0
        self.sending = asyncio.Lock()
        """Held while a batch is taken and given to the producer, so that batches keep their order."""
        self.acknowledged: deque[tuple[int, int]] = deque()
        """Offset and size of each message that Kafka has and that not all readers have committed."""
        self.bytes_in_flight = 0
        """Size of all messages that are unacknowledged, or acknowledged and not committed by all readers."""

    def is_full_for(self, size: int) -> bool:
        """Say whether the batch has no room for another event of ``size`` bytes."""
        return bool(self.batch) and (len(self.batch) >= BATCH_EVENTS or self.batch_bytes + size > BATCH_BYTES)

    def forget(self, committed: int) -> None:
        """Take out of flight what all readers have committed: all offsets below ``committed``."""
        while self.acknowledged and self.acknowledged[0][0] < committed:
            self.bytes_in_flight -= self.acknowledged.popleft()[1]


class Publisher:
    """Carries Interactions, ticks, revenue and dead letters into Kafka. An async context manager; for one event loop.

    ``connection``: keyword arguments of every aiokafka client, ``bootstrap_servers`` and security.
    ``partitions``: how many the interactions topic must have; None: as many as it has.
    ``source``: the label of the metrics, and the source of the dead letters of events that are unfit.
    ``deterministic``: batches depend on the events alone, not on time: the same input makes the same messages, always.
    ``max_bytes_in_flight``: see above; None: as fast as Kafka takes it.
    ``largest_payload``: bytes of the original that a dead letter keeps; librdkafka's broker in memory takes no 5 MB.
    ``timeout``: seconds after which a broker that acknowledges nothing is an error; until then it is tried again.

    Every method may raise :class:`BrokerError`. What failed is not published later: end the process and replay.
    """

    def __init__(  # noqa: PLR0913 - each is a decision of whoever wires it
        self,
        connection: Mapping[str, Any],
        topics: Catalogue,
        *,
        source: str,
        partitions: int | None = None,
        deterministic: bool = False,
        max_bytes_in_flight: int | None = MEBIBYTE,
        largest_payload: int = LARGEST_PAYLOAD,
        timeout: float = 60.0,
    ) -> None:
        self._connection = dict(connection)
        self._topics = topics
        self._source = source
        self._expected_partitions = partitions
        self._deterministic = deterministic
        self._max_bytes_in_flight = max_bytes_in_flight
        self._timeout = timeout
        self._largest_payload = largest_payload
        self._partitions: list[_Partition] = []
        self._dead_letters = _Partition(topics.dead_letters.name, 0, (topics.sink_group,))
        self._revenue = _Partition(topics.revenue.name, 0, (topics.sink_group,))
        self._unacknowledged: set[asyncio.Future[Any]] = set()
        self._failure: BrokerError | None = None
        self._batch_began = asyncio.Event()
        self._polling = asyncio.Lock()
        self._polled_at = self._answered_at = 0.0
        self._lingering: asyncio.Task[None] | None = None
        self._log = log("publisher")

    @property
    def partitions(self) -> int:
        """How many partitions the interactions topic has."""
        return len(self._partitions)

    async def __aenter__(self) -> Self:
        # A message must fit whatever its size: a dead letter may hold 8 MiB. Each message is a batch already, so the
        # producer's own linger is 0. Not compressed: aiokafka has only gzip without further packages, and that is slow.
        self._producer = AIOKafkaProducer(
            **self._connection,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=MEBIBYTE,
            max_request_size=16 * MEBIBYTE,
            request_timeout_ms=int(min(self._timeout, 20.0) * 1000),
            retry_backoff_ms=200,
        )
        self._admin = AIOKafkaAdminClient(**self._connection, request_timeout_ms=int(START_SECONDS * 1000))
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._producer.start()
                await self._admin.start()
                found = len(await self._producer.partitions_for(self._topics.interactions.name))
        except (KafkaError, OSError, TimeoutError) as error:
            await self._close()
            raise broker_refusal(error) or self._unreachable(f"{type(error).__name__}") from None
        except BaseException:
            await self._close()
            raise
        if self._expected_partitions not in (None, found):
            await self._close()
            name = self._topics.interactions.name
            raise BrokerError(
                f"topic {name} has {found} partitions, not {self._expected_partitions}",
                f"set RAPPORT_PARTITIONS={found}, or make the topic anew with another RAPPORT_TOPIC_PREFIX",
            )
        readers = (self._topics.worker_group, self._topics.sink_group)
        self._partitions = [_Partition(self._topics.interactions.name, number, readers) for number in range(found)]
        if not self._deterministic:
            self._lingering = asyncio.create_task(self._send_lingering(), name="publisher-linger")
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Flush, unless an error is on its way out already; then let go of the connections."""
        try:
            if error is None:
                await self.flush()
        finally:
            await self._close()

    async def publish(self, event: Record) -> None:
        """Put an event into the batch of its partition. Waits while the readers are too far behind."""
        size, wrong = weighed(event)
        if wrong:
            payload = repr(event).encode("utf-8", "backslashreplace")
            await self.reject(Rejected(*wrong, place=event["id"].encode("utf-8", "replace").decode(), payload=payload))
            return
        number = partition_of(event["account"], len(self._partitions))
        partition = self._partitions[number]
        while partition.is_full_for(size):
            await self._send(number)
        if not partition.batch:
            self._batch_began.set()
        partition.batch.append(event)
        partition.batch_bytes += size
        if len(partition.batch) >= BATCH_EVENTS:
            await self._send(number)
        elif self._failure:
            raise self._failure

    async def reject(self, rejected: Rejected, source: str | None = None) -> None:
        """Set a piece of input aside: a dead letter with its reason, place and original bytes."""
        source = source or self._source
        letter = {
            "source": source,
            "reason": rejected.reason,
            "error": _text(rejected.error)[:2_000],
            "place": _text(rejected.place)[:2_000],
            "payload": rejected.payload[: self._largest_payload],
            "at": int(time.time() * 1000),
        }
        message, counter = encode("dead_letter", [letter]), DEAD_LETTERS.labels(source, rejected.reason)
        async with self._dead_letters.sending:
            await self._produce(self._dead_letters, message, source.encode(), counter.inc)

    async def publish_revenue(self, records: Sequence[Record]) -> None:
        """Send one message of what contacts bought: at most :data:`BATCH_EVENTS` records, of at most 1 MB together."""

        def count_them() -> None:
            PUBLISHED_EVENTS.labels(self._source).inc(len(records))
            PUBLISHED_BATCHES.labels(self._source).inc()

        async with self._revenue.sending:
            await self._produce(self._revenue, encode("revenue", records), None, count_them)

    async def tick(self, now: int) -> None:
        """Say to every partition what time it is, in ms, after all events so far."""
        for number in range(len(self._partitions)):
            await self._send(number)
            await self._send(number, [tick(now)])

    async def flush(self) -> None:
        """Send what is gathered and wait until Kafka has acknowledged everything."""
        for number in range(len(self._partitions)):
            await self._send(number)
        if self._unacknowledged:
            _, late = await asyncio.wait(self._unacknowledged, timeout=self._timeout)
            if late and not self._failure:
                self._failure = self._unreachable(f"nothing was acknowledged for {self._timeout:.0f} s")
        if self._failure:
            raise self._failure

    async def _send(self, number: int, events: list[Record] | None = None) -> None:
        """Give the batch of a partition, or ``events``, to the producer as one message."""
        partition = self._partitions[number]
        async with partition.sending:
            if events is None:
                events, partition.batch, partition.batch_bytes = partition.batch, [], 0
            if not events:
                return
            count = len(events)

            def count_them() -> None:
                PUBLISHED_EVENTS.labels(self._source).inc(count)
                PUBLISHED_BATCHES.labels(self._source).inc()

            await self._produce(partition, encode("interaction", events), None, count_them)

    async def _produce(
        self, partition: _Partition, message: bytes, key: bytes | None, on_acknowledged: Callable[[], None]
    ) -> None:
        """Hand a message to the producer, once the readers of its partition are near enough."""
        await self._wait_for_readers(partition, len(message))
        if self._failure:
            raise self._failure
        topic, number = partition.place
        try:
            async with asyncio.timeout(self._timeout):
                future: asyncio.Future[Any] = await self._producer.send(topic, message, key, number)
        except (KafkaError, TimeoutError) as error:
            self._failure = broker_refusal(error) or self._unreachable(type(error).__name__)
            raise self._failure from None
        partition.bytes_in_flight += len(message)
        self._unacknowledged.add(future)

        def acknowledge(done: asyncio.Future[Any]) -> None:
            self._unacknowledged.discard(done)
            if done.cancelled():
                self._failure = self._failure or self._unreachable("cancelled")
            elif error := done.exception():
                self._failure = self._failure or broker_refusal(error) or self._unreachable(repr(error))
            else:
                partition.acknowledged.append((done.result().offset, len(message)))
                on_acknowledged()

        future.add_done_callback(acknowledge)
        await asyncio.sleep(0)  # the producer's own task gets its turn, however fast the events come

    async def _wait_for_readers(self, partition: _Partition, size: int) -> None:
        """Wait until ``size`` bytes more may be in flight to a partition. One message is always let through."""
        limit = self._max_bytes_in_flight
        if limit is None:
            return
        began, warned = time.monotonic(), False
        self._answered_at = max(self._answered_at, began)
        while partition.bytes_in_flight and partition.bytes_in_flight + size > limit:
            if self._failure:
                raise self._failure
            await self._poll_commits()
            if not warned and time.monotonic() - began > PATIENCE_SECONDS:
                warned = True
                topic, number = partition.place
                self._log.warning("waiting for the readers", topic=topic, partition=number, readers=partition.readers)

    async def _poll_commits(self) -> None:
        """Ask Kafka what the readers have committed, not all the time. A group without commits has read nothing."""
        async with self._polling:
            if (rest := self._polled_at + POLL_SECONDS - time.monotonic()) > 0:
                await asyncio.sleep(rest)
                return
            # Only where something is in flight: brokers differ in what they say of a topic that is not there yet.
            partitions = [it for it in (*self._partitions, self._dead_letters, self._revenue) if it.bytes_in_flight]
            committed = {partition.place: 1 << 63 for partition in partitions}
            try:
                async with asyncio.timeout(self._timeout):
                    for group in (self._topics.worker_group, self._topics.sink_group):
                        places = [partition.place for partition in partitions if group in partition.readers]
                        offsets = (
                            await self._admin.list_consumer_group_offsets(group, partitions=places) if places else {}
                        )
                        for place in places:
                            committed[place] = min(committed[place], offsets[place].offset)
            # A coordinator that moves, or still loads, is found again; a dead broker is not. KeyError: aiokafka does not
            # look at the error of such an answer, only at its partitions, and there are none.
            except (KafkaError, KeyError, TimeoutError) as error:
                self._polled_at = time.monotonic()
                if refusal := broker_refusal(error):
                    self._failure = refusal
                    raise refusal from None
                if self._polled_at - self._answered_at > self._timeout:
                    self._failure = self._unreachable(f"it does not tell what was read: {type(error).__name__}")
                    raise self._failure from None
                return
            self._polled_at = self._answered_at = time.monotonic()
            for partition in partitions:
                partition.forget(committed[partition.place])

    async def _send_lingering(self) -> None:
        """Send every batch at the latest :data:`LINGER_SECONDS` after its first event."""
        while True:
            await self._batch_began.wait()
            self._batch_began.clear()
            await asyncio.sleep(LINGER_SECONDS)
            try:
                await asyncio.gather(*(self._send(number) for number, it in enumerate(self._partitions) if it.batch))
            except BrokerError:
                return  # kept as the failure, which the next call raises

    async def _close(self) -> None:
        """Let go of everything; a broker that is gone must not hold the process up."""
        if self._lingering:
            self._lingering.cancel()
            await asyncio.gather(self._lingering, return_exceptions=True)
        for client, stop in ((self._producer, self._producer.stop), (self._admin, self._admin.close)):
            try:
                async with asyncio.timeout(2):
                    await stop()
            except (KafkaError, OSError, TimeoutError) as error:
                self._log.warning("closing failed", client=type(client).__name__, error=type(error).__name__)

    def _unreachable(self, why: str) -> BrokerError:
        servers = self._connection.get("bootstrap_servers", "")
        servers = servers if isinstance(servers, str) else ",".join(servers)
        return BrokerError(
            f"Kafka at {servers} does not take messages ({why})", "start it, or set RAPPORT_BROKERS to where it is"
        )


def _text(text: str) -> str:
    """Return text as Avro takes it: what is not Unicode is shown, not kept."""
    return text.encode("utf-8", "backslashreplace").decode()
