"""`make recovery`: how soon a worker is at work again that takes over many accounts in which many wait, and how fast it is then.

The checkpoint topic of such accounts is written first (:mod:`tests.benchmarks.copies`), with the worker's own records. Then
the real worker starts on Apache Kafka. Event time is the benchmark's: its first event is of the minute in which the last
owner stopped, so that only its account is looked at; then a tick begins the next minute, at which all of them are.

What it folds then is a minute as it comes in live, 30 events of each account. The ceiling (:mod:`tests.benchmarks.parts`) reads
the same messages.
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from confluent_kafka import Consumer, Producer, TopicPartition
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from schemas.codec import encode
from schemas.topics import LARGEST_CHECKPOINT
from streams.config import Settings
from streams.connectors.publisher import partition_of
from tests import kafka_broker
from tests.benchmarks import copies
from tests.benchmarks.measuring import alone, cpu_of
from tests.benchmarks.parts import COMPILED, compiled, consuming
from tests.plants import PARTITIONS, Rapport, own_settings
from tests.processes import ROOT

FEW: Final = 1
"""Turns that wait in each account of the worker that is compared with."""
PATIENCE_SECONDS: Final = 300.0
POLL_SECONDS: Final = 0.05
CYCLES_SECONDS: Final = 0.5
"""The worker's metrics are that much late at most, while it has nothing to do."""
NOTE: Final = (
    "first event: seconds from the start of the process until Kafka has what came of it. all touched: until every account has "
    "been looked at. MiB: resident then; of the changelog, what is in Kafka. folding: decoding and folding, by the worker's own "
    "metric; worker: all that the process does meanwhile, checkpoints of all accounts included; ÷ ceiling: events per "
    "CPU-second beside those of aiokafka and fastavro, which read and decode the same messages, and a dictionary that counts them. "
    "stop: seconds from SIGTERM to its end."
)

console = Console(width=None if sys.stdout.isatty() else 140)


@dataclass(frozen=True)
class Size:
    """What is recovered."""

    accounts: int
    waiting: int
    """Turns that wait in each."""

    def numbers(self) -> list[list[int]]:
        """Return the accounts of each partition."""
        found: list[list[int]] = [[] for _ in range(PARTITIONS)]
        for number in range(self.accounts):
            found[partition_of(copies.name_of(number), PARTITIONS)].append(number)
        return found


@dataclass
class Recovered:
    """What it took."""

    changelog: float = 0.0
    """MiB."""
    first_event: float = 0.0
    """Seconds."""
    first_memory: float = 0.0
    """MiB."""
    touched: float = 0.0
    touched_memory: float = 0.0
    folding: float = 0.0
    """CPU µs an event."""
    worker: float = 0.0
    ceiling: float = 0.0
    """CPU µs an event of reading and decoding the same messages."""
    end_memory: float = 0.0
    stopped: float = 0.0
    """Seconds from SIGTERM to the end of the process, all accounts checkpointed."""


class Bench:
    """A plant of its own on a broker: its topics, and what is sent to its worker."""

    def __init__(self, brokers: str) -> None:
        self.settings = own_settings(brokers, "recovery", ticks=False, log_level="INFO")
        self._producer = Producer(
            {"bootstrap.servers": brokers, "linger.ms": 20, "message.max.bytes": LARGEST_CHECKPOINT, "log_level": 0}
        )
        self.sent = 0
        """Messages of the input, but for the first of each partition, which was folded before."""

    def write(self, size: Size) -> float:
        """Write the checkpoints of all accounts; return how much that is, MiB."""
        written = 0
        for number, accounts in enumerate(size.numbers()):
            self._produce(self.settings.topics.interactions.name, number, copies.tick_at(-1))
            for key, checkpoint in copies.checkpoints(accounts, size.waiting):
                value = checkpoint.encode()
                written += len(value)
                self._produce(self.settings.topics.checkpoints.name, number, value, key)
        self.flush()
        return written / (1 << 20)

    def send(self, number: int, value: bytes) -> None:
        """Send a message of the input."""
        self._produce(self.settings.topics.interactions.name, number, value)
        self.sent += 1

    def flush(self) -> None:
        assert self._producer.flush(60) == 0

    def _produce(self, topic: str, number: int, value: bytes, key: bytes | None = None) -> None:
        self._producer.produce(topic, value, key, partition=number)
        while len(self._producer) > 1_000:
            self._producer.poll(0.1)


def measure(brokers: str, size: Size, events: int, source: Path, directory: Path) -> Recovered:
    """Write the accounts, start a worker, and give it to do."""
    bench, found = Bench(brokers), Recovered()
    found.changelog = bench.write(size)
    numbers = size.numbers()
    for number, accounts in enumerate(numbers):
        if accounts:
            (event,) = copies.copy(copies.minute(0)[:1], accounts[0])
            late = {**event, "published_at": copies.START - 1, "received_at": copies.START - 1}
            bench.send(number, encode("interaction", [late]))
    bench.flush()
    started = time.monotonic()
    process = Rapport("worker", bench.settings, directory, source)
    try:
        _first_turn(bench.settings, process)
        found.first_event, found.first_memory = time.monotonic() - started, process.resident()
        _folded(process, bench.sent)
        began = time.monotonic()
        for number in range(PARTITIONS):
            bench.send(number, copies.tick_at(0))
        bench.flush()
        _folded(process, bench.sent)
        found.touched, found.touched_memory = time.monotonic() - began, process.resident()
        _fold(bench, process, numbers, events, found)
        found.end_memory = process.resident()
        began = time.monotonic()
        process.popen.terminate()
        process.popen.wait(PATIENCE_SECONDS)
        found.stopped = time.monotonic() - began
    except RuntimeError as error:
        raise RuntimeError(f"{error}; its log ends: {process.log.read_text(errors='replace')[-2000:]}") from error
    finally:
        process.kill()
    return found


def _fold(bench: Bench, process: Rapport, numbers: Sequence[Sequence[int]], events: int, found: Recovered) -> None:
    """Let the worker fold about so many events, each account's minute in one message."""
    accounts = max(1, events // copies.EVENTS_A_MINUTE // PARTITIONS)
    of_partition = [own[:accounts] for own in numbers]
    made = [
        (number, it)
        for number, own in enumerate(of_partition)
        for _, it in copies.messages(own, copies.EVENTS_A_MINUTE)
    ]
    count = copies.EVENTS_A_MINUTE * sum(map(len, of_partition))
    time.sleep(CYCLES_SECONDS)
    before, cpu = _fold_seconds(process), cpu_of(process.popen.pid)
    for number, message in made:
        bench.send(number, message)
    bench.flush()
    _folded(process, bench.sent)
    time.sleep(CYCLES_SECONDS)
    found.folding = 1e6 * (_fold_seconds(process) - before) / count
    found.worker = 1e6 * (cpu_of(process.popen.pid) - cpu) / count
    apart = Bench(bench.settings.brokers)
    for number, message in made:
        apart.send(number, message)
    apart.flush()
    ceiling = alone(consuming, apart.settings, len(made))
    assert ceiling.count == count
    found.ceiling = 1e6 * ceiling.cpu / count


def _fold_seconds(process: Rapport) -> float:
    return process.metrics()["rapport_fold_seconds_total"]


def _first_turn(settings: Settings, process: Rapport) -> None:
    """Return when the first turn is in Kafka."""
    consumer = Consumer({"bootstrap.servers": settings.brokers, "group.id": "nobody", "enable.auto.commit": False})
    try:
        topic = next(topic for topic in settings.topics.facts if topic.record == "turn")
        consumer.assign([TopicPartition(topic.name, number, 0) for number in range(PARTITIONS)])
        end = time.monotonic() + PATIENCE_SECONDS
        while consumer.poll(POLL_SECONDS) is None:
            process.resident()  # raises if it has ended
            if time.monotonic() > end:
                raise RuntimeError("the worker has done nothing")
    finally:
        consumer.close()


def _folded(process: Rapport, messages: int) -> None:
    """Return when the worker says that it has folded so many messages."""
    end = time.monotonic() + PATIENCE_SECONDS
    while process.metrics().get("rapport_messages_total", 0) < messages:
        process.resident()
        if time.monotonic() > end:
            raise RuntimeError("the worker gets no further")
        time.sleep(POLL_SECONDS)


def main(
    accounts: Annotated[int, typer.Option(min=PARTITIONS, max=999_999, help="Accounts.")] = 10_000,
    waiting: Annotated[int, typer.Option(min=1, help="Turns that wait in each of them.")] = 100,
    events: Annotated[int, typer.Option(min=300, help="Events that are folded with all of it in memory.")] = 100_000,
    interpreted: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--interpreted", help="Not the compiled code as well, although it is there.")
    ] = False,
) -> None:
    """Measure recovery, memory, and the speed with a large state beside that with a small one. Takes about three minutes."""
    table = Table(title="A worker that takes over", title_justify="left", box=SIMPLE_HEAD)
    columns = (
        "build",
        "accounts",
        "waiting",
        "changelog MiB",
        "first event s",
        "MiB",
        "all touched s",
        "MiB",
        "folding µs",
        "worker µs",
        "÷ ceiling",
        "MiB",
        "stop s",
    )
    for name in columns:
        table.add_column(name, justify="right")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, ExitStack() as stack:
        with console.status("Starting Kafka"):
            broker = stack.enter_context(kafka_broker.running())
        for build, source in {
            "interpreted": ROOT,
            **({"compiled": COMPILED} if compiled() and not interpreted else {}),
        }.items():
            for size in (Size(accounts, FEW), Size(accounts, waiting)):
                with console.status(f"{size.accounts * size.waiting:,} turns that wait, {build}"):
                    (directory := Path(place, f"{build}-{size.waiting}")).mkdir(exist_ok=True)
                    found = measure(broker.brokers, size, events, source, directory)
                seconds = f"{found.first_event:.1f}", f"{found.touched:.1f}"
                memory = [f"{it:,.0f}" for it in (found.first_memory, found.touched_memory, found.end_memory)]
                cpu = f"{found.folding:.1f}", f"{found.worker:.1f}", f"{found.ceiling / found.worker:.2f}"
                what = build, f"{size.accounts:,}", f"{size.accounts * size.waiting:,}", f"{found.changelog:,.0f}"
                table.add_row(
                    *what, seconds[0], memory[0], seconds[1], memory[1], *cpu, memory[2], f"{found.stopped:.1f}"
                )
        with suppress(OSError):
            console.print(f"Load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", highlight=False)
    console.print(table)
    console.print(NOTE, highlight=False)


if __name__ == "__main__":
    typer.run(main)
