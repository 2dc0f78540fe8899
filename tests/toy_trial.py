"""A trial on a real broker: load, worker processes that something happens to, and the verdict against one sequential pass."""

import random
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from schemas import codec
from streams import config, envelope, kafka
from streams.config import Settings
from streams.interactions import interaction
from tests.plants import PARTITIONS, messages, own_settings, read, records
from tests.processes import Process
from tests.toy import Truth, key_of

FACTS = ("turn", "pane", "rolling", "alert")


def settings_for(brokers: str) -> Settings:
    """Return the settings of a plant of its own on that broker, its topics made."""
    return own_settings(brokers, "trial", checkpoint_seconds=1.0)


class Load(threading.Thread):
    """Publishes random events, some of them poison, at so many messages a second until told to stop."""

    def __init__(self, settings: Settings, rate: float, seed: int, accounts: int = 40) -> None:
        super().__init__(daemon=True)
        self.settings, self.rate, self.rnd, self.accounts = settings, rate, random.Random(seed), accounts
        self.enough = threading.Event()
        self.sent = self.poison = 0
        self.ids: dict[str, list[str]] = defaultdict(list)

    def run(self) -> None:
        options = {"linger.ms": 5, "enable.idempotence": True, "log_level": 0, "message.timeout.ms": 300_000}
        producer = Producer({"bootstrap.servers": self.settings.brokers, **options})
        begun = time.monotonic()
        while not self.enough.is_set():
            partition = self.rnd.randrange(PARTITIONS)
            try:
                producer.produce(self.settings.topics.interactions.name, self.message(partition), partition=partition)
            except Exception:  # noqa: BLE001 - the broker is away
                producer.poll(0.2)
                continue
            self.sent += 1
            producer.poll(0)
            time.sleep(max(0.0, self.sent / self.rate - (time.monotonic() - begun)))
        assert producer.flush(120) == 0

    def message(self, partition: int) -> bytes:
        """Return the events of some of the partition's accounts, or something that cannot be used."""
        now, rnd = round(time.time() * 1000), self.rnd
        if rnd.random() < 0.03:
            self.poison += 1
            good = codec.encode(
                "interaction", [interaction(id="x", account="x", kind="mention", published_at=0, received_at=0)]
            )
            return rnd.choice((b"", b"garbage", good[:-5], b"\xc3\x01" + bytes(8) + good[10:]))
        events = []
        for _ in range(rnd.choice((1, 1, 2, 5, 20))):
            account = f"toy:{rnd.randrange(self.accounts // PARTITIONS) * PARTITIONS + partition}"
            name = f"{self.sent}-{len(events)}"
            fields = {"id": name, "account": account, "published_at": now, "received_at": now - rnd.randrange(400)}
            chance = rnd.random()
            if chance < 0.01:
                events.append(interaction(kind="mention", **fields | {"account": ""}))
                self.poison += 1
            elif chance < 0.02:
                events.append(interaction(kind="mention", **fields | {"received_at": now + 10**9}))
                self.poison += 1
            elif chance < 0.4 and self.ids[account]:
                events.append(interaction(kind="reply", parent_id=rnd.choice(self.ids[account][-50:]), **fields))
            else:
                self.ids[account].append(name)
                events.append(
                    interaction(kind="mention", revision=rnd.choice((0, rnd.randrange(300, 9_000))), **fields)
                )
        return codec.encode("interaction", events)


class Worker(Process):
    """A worker process with the toy model."""

    def __init__(self, settings: Settings, log: Path, **environment: str) -> None:
        super().__init__([sys.executable, "-m", "tests.toy_worker"], log, config.environment(settings) | environment)


def wait_until_covered(settings: Settings, offsets: dict[int, int], seconds: float = 60.0) -> dict[int, int]:
    """Return how far each partition is covered, when that is past ``offsets``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        low = kafka.covered(settings)
        if all(low.get(number, -1) >= offset for number, offset in offsets.items()):
            return low
        time.sleep(0.3)
    raise AssertionError(f"covered {low}, wanted {offsets}")


@dataclass
class Verdict:
    """What a trial wrote, compared with the truth."""

    rows: Counter[str] = field(default_factory=Counter)
    untrue: list[Any] = field(default_factory=list)
    conflicts: list[Any] = field(default_factory=list)
    missing: list[Any] = field(default_factory=list)
    letters_missing: set[str] = field(default_factory=set)
    letters_untrue: list[Any] = field(default_factory=list)
    letters: int = 0
    untrue_states: list[Any] = field(default_factory=list)
    checkpoints: int = 0
    events: int = 0

    def faults(self) -> dict[str, int]:
        """Return how many of each kind of fault there are."""
        names = ("untrue", "conflicts", "missing", "letters_missing", "letters_untrue", "untrue_states")
        return {name: len(getattr(self, name)) for name in names if getattr(self, name)}


def judge(settings: Settings, low: dict[int, int]) -> Verdict:
    """Compare everything in the topics with the truth; nothing may be missing up to the offsets ``low``."""
    verdict = Verdict()
    by_partition = defaultdict(list)
    for message in messages(settings.brokers, settings.topics.interactions.name):
        by_partition[message.partition].append(message)
    truths = {number: Truth(messages) for number, messages in by_partition.items()}
    verdict.events = sum(truth.kinds.total() for truth in truths.values())
    _judge_facts(settings, truths, low, verdict)
    _judge_letters(settings, truths, low, verdict)
    _judge_checkpoints(settings, truths, verdict)
    return verdict


def _judge_facts(settings: Settings, truths: dict[int, Truth], low: dict[int, int], verdict: Verdict) -> None:
    sent: dict[tuple[Any, int], Any] = {}
    newest: dict[Any, int] = {}
    for record, topic in zip(FACTS, settings.topics.facts[1:5], strict=True):
        assert topic.record == record
        for message in messages(settings.brokers, topic.name):
            for row in codec.decode(record, message.value):
                verdict.rows[record] += 1
                key, version = key_of(record, row), row["version"]
                if sent.setdefault((key, version), row) != row:
                    verdict.conflicts.append(row)
                if truths[message.partition].row(record, key, version) != row:
                    verdict.untrue.append(row)
                newest[key] = max(version, newest.get(key, -1))
    for number, truth in truths.items():
        for key, offsets in truth.changes.items():
            changes = [offset for offset in offsets if offset <= low[number]]
            if key[0] in ("turn", "alert"):
                verdict.missing += [(key, offset) for offset in changes if (key, offset) not in sent]
            elif changes and newest.get(key, -1) < changes[-1]:
                verdict.missing.append((key, changes[-1]))


def _judge_letters(settings: Settings, truths: dict[int, Truth], low: dict[int, int], verdict: Verdict) -> None:
    wanted = {letter["place"]: letter for truth in truths.values() for letter in truth.letters}
    found = set()
    for letter in records(settings.brokers, settings.topics.dead_letters):
        verdict.letters += 1
        found.add(letter["place"])
        if wanted.get(letter["place"]) != letter:
            verdict.letters_untrue.append(letter)
    for place in set(wanted) - found:
        _, number, offset = place.partition("#")[0].split("/")
        if int(offset) <= low[int(number)]:
            verdict.letters_missing.add(place)


def _judge_checkpoints(settings: Settings, truths: dict[int, Truth], verdict: Verdict) -> None:
    for message in read(settings.brokers, settings.topics.checkpoints.name):
        if message.value() is not None:
            row, truth = envelope.decode(message.value()), truths[message.partition()]
            verdict.checkpoints += 1
            if envelope.is_claim(message.key()):
                if truth.clocks[row.version] != row.time:
                    verdict.untrue_states.append(("claim", row))
            elif (wake := truth.wake(message.key()[:-8].decode(), row.version)) is None or row.time > wake:
                verdict.untrue_states.append(("wake", wake, row))
