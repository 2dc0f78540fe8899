"""The sink: facts from Kafka into ClickHouse, their bytes as they are.

A round is: gather messages, insert those of each topic, set aside what cannot be used, commit. The order is what makes
it lose nothing:

====================================  ==================================================================================
when it stops between                 then
====================================  ==================================================================================
gather and insert                     nothing was committed: the messages are read again
insert and commit                     they are inserted again: the same rows, or dropped by their token; nothing changes
a round and the loss of a partition   the round is forgotten, never committed: the partition's owner reads it again
====================================  ==================================================================================

While ClickHouse does not take the rows, the sink tries the same round again for ever. It reads nothing meanwhile, so
memory is bounded, and stays in its group, since heartbeats are sent by a task of their own.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError
from clickhouse_connect.driver.client import Client

from schemas.codec import encode
from schemas.topics import Catalogue, Topic
from sinks.clickhouse.delivery import deliver
from sinks.clickhouse.round import DEAD_LETTER_BYTES, SOURCE, Message, Round, Setback, token
from sinks.clickhouse.writer import TABLES, UnavailableError, Writer
from streams.errors import BrokerError, Reason
from streams.telemetry import DEAD_LETTERS, LAG, SINK_INSERTS, SINK_RETRIES, SINK_ROWS, SINK_SECONDS, log

ROUND_BYTES: Final = 64 << 20
"""A round ends with this many bytes: what bounds the memory, a few times over, whatever the messages' size."""
POLL_MESSAGES: Final = 200
"""Messages taken at a time: as many as a round may overshoot by."""
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 15.0
"""Seconds between tries while ClickHouse is unavailable: doubled each time, and then a random half to all of it."""
PATIENCE: Final = 24 * 3_600_000
"""Milliseconds without a poll after which aiokafka leaves the group: a round may wait long for ClickHouse."""

logger = log("sink")


@dataclass(frozen=True)
class Plan:
    """What the sink carries, and how much at a time."""

    topics: Catalogue
    rows: int = 100_000
    """A round ends with this many rows…"""
    seconds: float = 0.2
    """…or after this long."""


async def run_sink(
    kafka: Mapping[str, Any],
    client: Client,
    plan: Plan,
    stop: asyncio.Event,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Carry ``plan.topics.facts`` to ClickHouse until ``stop`` is set; the insert in hand is then finished first.

    ``kafka``: what aiokafka needs to connect, ``bootstrap_servers`` and perhaps security settings. The tables must be
    there (:func:`sinks.clickhouse.migrate.migrate`). ``on_ready`` is called once the sink has joined its group. Raises
    :class:`BrokerError` if Kafka cannot be reached at the start, and aiokafka's ``KafkaError`` if it fails later for
    good: nothing is lost then, and a restart goes on where it was.
    """
    consumer = AIOKafkaConsumer(
        **kafka,
        group_id=plan.topics.sink_group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_interval_ms=PATIENCE,
    )
    producer = AIOKafkaProducer(**kafka, enable_idempotence=True, max_request_size=2 * DEAD_LETTER_BYTES)
    sink = _Sink(consumer, producer, Writer(client), plan, stop)
    consumer.subscribe([topic.name for topic in plan.topics.facts], listener=sink)
    try:
        try:
            await producer.start()
            await consumer.start()
        except KafkaConnectionError as error:
            raise BrokerError(f"Kafka cannot be reached ({error})", "start it, or set RAPPORT_BROKERS") from None
        if on_ready is not None:
            on_ready()
        await sink.run()
    finally:
        # aiokafka cancels a fetch that waits to be tried again, and passes that on as if it were we who are cancelled
        await asyncio.gather(consumer.stop(), producer.stop(), return_exceptions=True)


class _Sink(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        writer: Writer,
        plan: Plan,
        stop: asyncio.Event,
    ) -> None:
        self._consumer = consumer
        self._producer = producer
        self._writer = writer
        self._plan = plan
        self._stop = stop
        self._topics = {topic.name: topic for topic in plan.topics.facts}
        self._ended = asyncio.Event()
        """Of the present assignment: set once it is over. The next one begins at the committed offsets."""
        self._ended.set()

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._ended.set()
        for partition in revoked:
            with suppress(KeyError):
                LAG.remove(partition.topic, str(partition.partition))

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._ended = asyncio.Event()
        logger.info("assigned", partitions=len(assigned))

    async def run(self) -> None:
        while not self._stop.is_set():
            gathered = await self._gather()
            with suppress(_ForgottenError):
                await self._store(gathered)
                await self._commit(gathered)

    async def _gather(self) -> Round:
        """Return what comes within the plan's time and size: perhaps nothing."""
        gathered, end = Round(self._ended), time.monotonic() + self._plan.seconds
        while gathered.rows < self._plan.rows and gathered.size < ROUND_BYTES and not self._stop.is_set():
            left = end - time.monotonic()
            if left <= 0:
                break
            polled = await self._consumer.getmany(timeout_ms=max(1, int(left * 1000)), max_records=POLL_MESSAGES)
            if gathered.ended is not self._ended:  # reassigned: what came before comes again
                gathered = Round(self._ended)
            if gathered.ended.is_set():  # between two assignments: so does this
                continue
            for partition, records in polled.items():
                for record in records:
                    gathered.add(self._topics[partition.topic], record)
        return gathered

    async def _store(self, gathered: Round) -> None:
        """Insert the round and set aside what cannot be used; then nothing of it can be lost any more."""
        setbacks = list(gathered.setbacks)
        for name, messages in gathered.messages.items():
            topic = self._topics[name]

            async def insert(part: Sequence[Message], topic: Topic = topic) -> None:
                await self._insert(topic, part, gathered.ended)

            for message, error in await deliver(messages, insert):
                rejected = Setback(name, message.partition, message.offset, message.value, Reason.REJECTED, error)
                setbacks.append(rejected)
        await self._set_aside(setbacks)

    async def _insert(self, topic: Topic, messages: Sequence[Message], ended: asyncio.Event) -> None:
        """Insert messages of one topic, trying again for as long as ClickHouse is unavailable."""
        table, blocks, name = TABLES[topic.record], [message.block for message in messages], token(topic, messages)
        wait = FIRST_WAIT
        while True:
            started = time.perf_counter()
            try:
                rows = await asyncio.to_thread(self._writer.insert, topic.record, blocks, name)
            except UnavailableError as error:
                pause = wait * random.uniform(0.5, 1)  # noqa: S311 - so that sinks do not all come back at once
                SINK_RETRIES.labels(table).inc()
                logger.warning("clickhouse_unavailable", table=table, error=str(error), retry_seconds=round(pause, 2))
                if await _any((ended, self._stop), within=pause):
                    raise _ForgottenError from error
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                SINK_SECONDS.labels(table).observe(time.perf_counter() - started)
                SINK_INSERTS.labels(table).inc()
                SINK_ROWS.labels(table).inc(rows)
                return

    async def _set_aside(self, setbacks: Sequence[Setback]) -> None:
        """Send dead letters and wait until Kafka has them."""
        dead_letters, sent = self._plan.topics.dead_letters.name, list[Awaitable[Any]]()
        for setback in setbacks:
            logger.error("set_aside", place=setback.place, reason=str(setback.reason), error=setback.error)
            DEAD_LETTERS.labels(SOURCE, str(setback.reason)).inc()
            if setback.topic == dead_letters and setback.reason == Reason.REJECTED:
                continue  # it stays where it is: a dead letter about it might be refused as well, and so for ever
            message = encode("dead_letter", [setback.dead_letter()])
            sent.append(await self._producer.send(dead_letters, message, key=SOURCE.encode()))
        await asyncio.gather(*sent)

    async def _commit(self, gathered: Round) -> None:
        """Commit where the round ends, if its partitions are still ours."""
        if not gathered.offsets:
            return
        try:
            if gathered.ended.is_set():
                raise _ForgottenError
            await self._consumer.commit(gathered.offsets)
        except (CommitFailedError, IllegalStateError) as error:
            # Out of the group. Until it is joined again aiokafka would commit later rounds, past this one.
            gathered.ended.set()
            raise _ForgottenError from error
        if gathered.ended.is_set():
            return
        for partition, offset in gathered.offsets.items():
            behind = (self._consumer.highwater(partition) or offset) - offset
            LAG.labels(partition.topic, str(partition.partition)).set(max(0, behind))


class _ForgottenError(Exception):
    """The round is not to be committed: its partitions are no longer ours, or the sink stops before it was stored."""


async def _any(events: Sequence[asyncio.Event], within: float) -> bool:
    """Wait until one of the events is set, and say so; or for ``within`` seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    done, waiting = await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    for wait in waiting:
        wait.cancel()
    return bool(done)
