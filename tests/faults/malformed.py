"""A malformed message after each good one, through the real worker on Apache Kafka: ``make malformed COUNT=1000000``.

Every malformed message has to be a dead letter with its reason and its bytes, every good one has to be counted, the worker has
to live and its memory must not grow. The good ones are questions and answers, one in two seconds of event time, with a
short expiry: so what the metrics themselves have to remember soon has its size.
"""

import random
import sys
import tempfile
import threading
import time
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer
from confluent_kafka import Producer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from schemas import codec
from streams.config import Settings
from streams.connectors.publisher import partition_of
from streams.errors import Reason
from streams.interactions import interaction
from tests import kafka_broker
from tests.faults.malformed_messages import malformed
from tests.plants import PARTITIONS, Rapport, own_settings, records

ACCOUNTS: Final = 8
START: Final = 1_700_000_000_000
"""When the first good message was published, ms."""
EVERY: Final = 2_000
"""Event time between two good messages, ms."""
AGREED: Final = "[defaults]\nexpiry_days = 0.5\nlateness_hours = 1\n"
"""So messages are remembered for 25 hours of event time, and for up to a day more: 88,000 of them."""
STARVED: Final = "Thread keepalive is not responding"
"""What Faust says when its consumer's thread has had no processor for three seconds: of a busy machine, not of the input."""
SAMPLE_SECONDS: Final = 1.0
GROWTH: Final = 1.1
"""The most memory in the last quarter of a run may be so many times that of the second quarter."""
LEAST_SAMPLES: Final = 60
"""A shorter run says nothing about growth."""
PATIENCE_SECONDS: Final = 60.0
"""The worker may stand still for so long."""

console = Console(highlight=False, soft_wrap=True)


class Sample(NamedTuple):
    """How it stood at a moment."""

    seconds: float
    messages: int
    """Read by the worker."""
    resident: float
    """MiB."""


@dataclass
class Outcome:
    """What came of a run."""

    samples: list[Sample] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    """Dead letters by reason."""
    faults: list[str] = field(default_factory=list)


class Load(threading.Thread):
    """Sends a malformed message after each good one, and knows for each offset what it sent there."""

    def __init__(self, settings: Settings, count: int, seed: int) -> None:
        super().__init__(daemon=True)
        self._settings, self._count, self._random = settings, count, random.Random(seed)
        self.reasons: list[list[Reason | None]] = [[] for _ in range(PARTITIONS)]
        """Of each partition, by offset; None: a good message."""
        self.sums = [array("L") for _ in range(PARTITIONS)]
        """CRC-32 of each message, likewise."""
        self.done = False

    def run(self) -> None:
        options = {"enable.idempotence": True, "linger.ms": 20, "log_level": 0}
        self._producer = Producer({"bootstrap.servers": self._settings.brokers, **options})
        for number in range(self._count):
            event = good(number)
            message = codec.encode("interaction", [event])
            self._send(partition_of(event["account"], PARTITIONS), message, None)
            bad, reason = malformed(self._random, number, message)
            self._send(self._random.randrange(PARTITIONS), bad, reason)
        assert self._producer.flush(60) == 0
        self.done = True

    def _send(self, partition: int, message: bytes, reason: Reason | None) -> None:
        """Send to where nobody else sends: the order gives the offsets."""
        while len(self._producer) > 20_000:
            self._producer.poll(0.1)
        self._producer.produce(self._settings.topics.interactions.name, message, partition=partition)
        self._producer.poll(0)
        self.reasons[partition].append(reason)
        self.sums[partition].append(zlib.crc32(message))


def good(number: int) -> codec.Record:
    """Return somebody's question, or, after each, the brand's answer to it."""
    pair, is_reply = divmod(number, 2)
    at, account, contact = START + EVERY * number, f"net:brand{pair % ACCOUNTS}", f"net:c{pair}"
    fields = {"account": account, "network": "net", "contact_id": contact, "conversation_id": f"net:{pair}"}
    if is_reply:
        fields |= {"id": f"net:{pair}r", "kind": "reply", "author_id": account, "parent_id": f"net:{pair}"}
    else:
        fields |= {"id": f"net:{pair}", "kind": "mention", "author_id": contact}
    return interaction(published_at=at, received_at=at, text="How long does it take? ❤", **fields)


def run(brokers: str, count: int, seed: int, directory: Path) -> Outcome:
    """Send ``count`` good and as many malformed messages through a worker of their own, and look at what came of them."""
    accounts_file = directory / "rapport.toml"
    accounts_file.write_text(AGREED)
    settings = own_settings(
        brokers,
        "malformed",
        accounts_file=accounts_file,
        ticks=False,
        dead_letters_per_minute=1 << 40,  # at least half of all messages are
    )
    outcome, load = Outcome(), Load(settings, count, seed)
    worker = Rapport("worker", settings, directory)
    try:
        load.start()
        outcome.samples = [*_watched(worker, 2 * count)]
        load.join()
        if (code := worker.stop()) != 0:
            outcome.faults.append(f"the worker ended with {code}")
    finally:
        worker.kill()
    lines = worker.lines("warning", "error", "critical")
    outcome.faults += [f"log: {line}" for line in lines if STARVED not in line["event"]]
    outcome.faults += [*_wrong_letters(settings, load, outcome), *_uncounted(settings, count)]
    if len(outcome.samples) >= LEAST_SAMPLES:
        outcome.faults += growth(outcome.samples)
    return outcome


def _watched(worker: Rapport, messages: int) -> Iterator[Sample]:
    """Yield how the worker does, until it has read all ``messages``."""
    begun = moved = time.monotonic()
    read = 0
    while read < messages:
        time.sleep(SAMPLE_SECONDS)
        now, before = time.monotonic(), read
        read = int(worker.metrics().get("rapport_messages_total", read))
        moved = now if read > before else moved
        if now - moved > PATIENCE_SECONDS:
            raise RuntimeError(f"the worker has read {read} of {messages} messages and no more: {worker.lines()[-5:]}")
        yield Sample(now - begun, read, worker.resident())


def growth(samples: Sequence[Sample]) -> Iterator[str]:
    quarter = len(samples) // 4
    second, last = (
        max(sample.resident for sample in part) for part in (samples[quarter : 2 * quarter], samples[-quarter:])
    )
    if last > GROWTH * second:
        yield f"memory grew from {second:.0f} to {last:.0f} MiB"


def _wrong_letters(settings: Settings, load: Load, outcome: Outcome) -> Iterator[str]:
    """Compare the dead letters with what was sent; all that are as they should be are counted and crossed out."""
    unknown = Counter[str]()
    for letter in records(settings.brokers, settings.topics.dead_letters):
        topic, partition, offset = letter["place"].split("/")
        outcome.reasons[letter["reason"]] += 1
        wanted = load.reasons[int(partition)][int(offset)]
        if letter["reason"] != wanted or zlib.crc32(letter["payload"]) != load.sums[int(partition)][int(offset)]:
            unknown[f"{letter['reason']} where {wanted} was sent to {topic}"] += 1
        load.reasons[int(partition)][int(offset)] = None
    yield from (f"{count} letters: {what}" for what, count in unknown.items())
    missing = Counter(reason for reasons in load.reasons for reason in reasons if reason is not None)
    yield from (f"{count} letters are missing: {reason}" for reason, count in missing.items())


def _uncounted(settings: Settings, count: int) -> Iterator[str]:
    """Compare the newest panes and turns with the good messages."""
    panes: dict[tuple[str, int], codec.Record] = {}
    for pane in records(settings.brokers, settings.topics.panes):
        key = pane["account"], pane["minute"]
        if key not in panes or panes[key]["version"] < pane["version"]:
            panes[key] = {name: pane[name] for name in ("version", "mentions", "replies")}
    answered = {
        turn["turn_id"] for turn in records(settings.brokers, settings.topics.turns) if turn["status"] == "answered"
    }
    found = {
        "mentions": sum(pane["mentions"] for pane in panes.values()),
        "replies": sum(pane["replies"] for pane in panes.values()),
        "answered turns": len(answered),
    }
    wanted = {"mentions": (count + 1) // 2, "replies": count // 2, "answered turns": count // 2}
    yield from (f"{found[what]} {what} of {wanted[what]}" for what in wanted if found[what] != wanted[what])


def main(
    count: Annotated[int, typer.Option(min=100, help="Good messages, and as many malformed ones.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Another seed, other messages.")] = 1,
) -> None:
    """Send good and malformed messages through the worker, and say what came of it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, kafka_broker.running() as broker:
        outcome = run(broker.brokers, count, seed, Path(place))
    table = Table(box=SIMPLE_HEAD)
    for name in ("seconds", "messages", "resident MiB"):
        table.add_column(name, justify="right")
    for sample in outcome.samples[:: max(1, len(outcome.samples) // 20)]:
        table.add_row(f"{sample.seconds:.0f}", f"{sample.messages:,}", f"{sample.resident:.0f}")
    console.print(table)
    console.print("dead letters:", ", ".join(f"{letters:,} {reason}" for reason, letters in outcome.reasons.items()))
    console.print("\n".join(outcome.faults[:50]) or "Nothing is missing, nothing is wrong, and memory did not grow.")
    sys.exit(bool(outcome.faults))


if __name__ == "__main__":
    typer.run(main)
