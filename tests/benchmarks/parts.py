"""What is measured: each part of the pipeline by itself, and the ceiling that the worker cannot be above."""

import asyncio
import gc
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from schemas import codec
from sinks.clickhouse.sink import Plan, run_sink
from sinks.clickhouse.writer import Writer
from streams import kafka
from streams.app import GARBAGE_THRESHOLDS
from streams.config import Settings
from streams.connection import kafka_options
from streams.envelope import Loaded
from streams.intake import Message, Opened, open_message
from streams.metrics.fold import Fold
from streams.metrics.model import NEVER, Facts
from streams.metrics.targets import DEFAULT_TARGETS
from streams.partition import Partition
from streams.telemetry import SINK_ROWS, configure_logging
from tests import plants
from tests.benchmarks.load import PARTITIONS, Messages
from tests.benchmarks.measuring import Measured, Stopwatch, cpu_of, pin
from tests.clickhouse_server import embedded
from tests.processes import ROOT, Process

COMPILED: Final = ROOT / "build" / "compiled"
CYCLE_EVENTS: Final = 3_000
"""Events between two snapshots: about what a busy worker folds in a cycle."""
PATIENCE_SECONDS: Final = 120.0


def produce(settings: Settings, messages: Messages) -> None:
    """Send the messages to the interactions topic."""
    producer = Producer({"bootstrap.servers": settings.brokers, "linger.ms": 20, "log_level": 0})
    topic = settings.topics.interactions.name
    for number, values in enumerate(messages):
        for value in values:
            producer.produce(topic, value, partition=number)
            while len(producer) > 50_000:
                producer.poll(0.1)
    assert producer.flush(60) == 0


# -- in a process of its own ----------------------------------------------------------------------------------------------


def consuming(settings: Settings, messages: int) -> Measured:
    """Measure the ceiling: aiokafka, fastavro and a dictionary that counts the events of each account."""
    return uvloop.run(_consuming(settings, messages))


async def _consuming(settings: Settings, messages: int) -> Measured:
    watch, counts, topic = Stopwatch(), Counter[str](), settings.topics.interactions.name
    fetching = {"fetch_max_wait_ms": 50, "max_partition_fetch_bytes": 10_000_000}  # as the worker's consumer
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest", **fetching
    ) as consumer:
        with watch:
            consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
            while messages:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    messages -= len(records)
                    for record in records:
                        for event in codec.decode("interaction", record.value):
                            counts[event["account"]] += 1
    return watch.measured(counts.total())


def folding(messages: Messages, size: int) -> Measured:
    """Measure decoding and folding: what the worker does between Kafka and Kafka, but for encoding what comes of it."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    watch, events = Stopwatch(), 0
    for values in messages:
        partition = Partition(Fold(lambda _: DEFAULT_TARGETS), Loaded(), 0, 0)
        with watch:
            for offset, value in enumerate(values):
                partition.apply(_message(offset, value), 0.0)
                if offset % max(1, CYCLE_EVENTS // size) == 0:
                    partition.snapshot(0.0, None, backlog=True)
        events += partition.kinds.total()
    return watch.measured(events)


def folding_alone(messages: Messages) -> Measured:
    """Measure the fold without decoding."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    watch, events = Stopwatch(), 0
    for values in messages:
        fold, clock = _Folded(), 0
        for offset, value in enumerate(values):
            opened = open_message(_message(offset, value), clock)
            with watch:
                fold.take(opened, clock, offset)
            clock = opened.clock
            events += sum(opened.kinds.values())
    return watch.measured(events)


class _Folded:
    """The accounts of one partition, folded by the bare contract of the model."""

    def __init__(self) -> None:
        self._model = Fold(lambda _: DEFAULT_TARGETS)
        self._states: dict[str, Any] = {}
        self._wakes: dict[str, int] = {}

    def take(self, opened: Opened, before: int, offset: int) -> None:
        facts = Facts()
        for account in opened.events.keys() - self._states.keys():
            self._states[account], self._wakes[account] = self._model.new(account), NEVER
        for account, state in self._states.items():
            events = opened.events.get(account, ())
            if events or self._wakes[account] <= opened.clock:
                self._wakes[account] = self._model.fold(state, events, before, opened.clock, offset, facts)


def _message(offset: int, value: bytes) -> Message:
    return Message("rapport.interactions", 0, offset, 1 << 60, value)


def writing(settings: Settings) -> Measured:
    """Measure inserts into chDB: the facts that the worker has made, undecoded, as many in one insert as it takes."""
    watch, written = Stopwatch(), 0
    with tempfile.TemporaryDirectory() as directory, embedded(Path(directory)) as client:
        for topic in settings.topics.facts[1:5]:
            blocks = [codec.cut(topic.record, it.value) for it in plants.messages(settings.brokers, topic.name)]
            with watch:
                written += Writer(client).insert(topic.record, blocks, topic.name)
    return watch.measured(written)


def storing(settings: Settings, rows: int) -> Measured:
    """Measure the whole sink: all topics from the start, Kafka to chDB, until so many rows are stored."""
    configure_logging("WARNING")
    with tempfile.TemporaryDirectory() as directory, embedded(Path(directory)) as client:
        return asyncio.run(_storing(settings, client, rows))


async def _storing(settings: Settings, client: Any, rows: int) -> Measured:  # noqa: ANN401 - clickhouse_connect's
    stop, ready, watch = asyncio.Event(), asyncio.Event(), Stopwatch()
    plan = Plan(settings.topics, settings.sink_rows, settings.sink_seconds)
    sink = asyncio.create_task(run_sink(kafka_options(settings), client, plan, stop, ready.set))
    await ready.wait()
    with watch:
        while _stored() < rows and not sink.done():  # noqa: ASYNC110 - what the sink counts wakes nobody
            await asyncio.sleep(0.02)
    stop.set()
    await sink
    return watch.measured(_stored())


def _stored() -> int:
    return int(sum(it.value for family in SINK_ROWS.collect() for it in family.samples if it.name.endswith("_total")))


# -- the worker, which is a process already -------------------------------------------------------------------------------


def compiled() -> bool:
    """Say whether the pure modules have been compiled (`make compiled`)."""
    return any(COMPILED.glob("schemas/rows.*.so"))


def fastest() -> Path:
    """Return where the code is: compiled, where that is there."""
    return COMPILED if compiled() else ROOT


def working(settings: Settings, messages: int, events: int, source: Path = ROOT) -> Measured:
    """Measure `rapport worker`: from its recovery, with nothing folded, until every event is checkpointed.

    ``source``: where its code is, :data:`COMPILED` for the compiled one.
    """
    with tempfile.TemporaryDirectory() as directory:
        process = plants.Rapport("worker", settings, Path(directory), source)
        try:
            pin(process.popen.pid)  # before it has threads
            start = _when(process, "Recovered")
            while process.metrics().get("rapport_messages_total", 0) < messages:
                process.resident()  # raises if it has ended
                time.sleep(0.5)  # to be asked costs the worker some milliseconds
            process.popen.terminate()
            end = _when(process, "Checkpointed before stopping")
        finally:
            process.kill()
    low = kafka.covered(settings)
    assert sum(low.values()) + len(low) == messages, f"covered only up to {low}"
    return Measured(events, end[0] - start[0], end[1] - start[1])


def _when(process: Process, event: str) -> tuple[float, float]:
    """Return the time, and the CPU-seconds of the process, when the worker's log says ``event``."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        moment = time.monotonic(), cpu_of(process.popen.pid)
        if process.said(event):
            return moment
        if process.popen.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError(f"the worker did not say {event!r}: {process.log.read_text()[-2000:]}")
