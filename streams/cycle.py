"""One cycle: what the partitions have to send, in the order that makes it exact. Knows of Kafka only that sends are acknowledged.

1. a snapshot of every partition: facts and dead letters not yet sent, states due for a checkpoint, and the claim that will be
   true once all of these are acknowledged;
2. send facts and letters, await them: a checkpoint says that its outputs are safe;
3. write the states, await them: a claim says that the states are safe;
4. write the claims, await them: only now may a partition delete what earlier owners wrote.

Folding goes on while a cycle waits, unless much is unsent (:data:`streams.checkpoint.MOST_UNSENT`). There is one cycle at a time.
"""

from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from time import thread_time
from typing import Any, Final, Generic, Protocol

from schemas import codec, rows
from streams.metrics.model import Facts, State
from streams.partition import Partition, Quota, Snapshot

ROWS: Final = 500
"""Records in one message of facts."""
MESSAGE_BYTES: Final = 900_000
"""A message of facts is not larger, unless one record is: Kafka's own limit is 1 MiB."""
BACKLOG_MESSAGES: Final = 100
"""A partition that is further behind the end of its topic has a backlog: rows that may wait go out with checkpoints only, so
that their cost does not grow with what there is to catch up. Below, it is the swell of a busy topic."""
SHARE: Final = 0.2
"""Checkpoints take at most this share of the core: under load they come less often by themselves."""
BURST: Final = 200
"""Accounts of one partition checkpointed in one cycle, so that no cycle takes long…"""
BURST_BYTES: Final = 4 << 20
"""…and about so many bytes of them, so that none needs much memory."""


class Outlet(Protocol):
    """Where a cycle's messages go. Every send returns at once something to await; it fails if Kafka does not acknowledge."""

    def send(self, record: str, partition: int, value: bytes) -> Awaitable[Any]:
        """Send a message of facts, or of dead letters, to its topic."""

    def write(self, partition: int, key: bytes, value: bytes | None) -> Awaitable[Any]:
        """Send a record to the checkpoint topic."""

    async def acknowledged(self, sends: Sequence[Awaitable[Any]]) -> None:
        """Return when all ``sends`` are acknowledged; raise if one fails."""


@dataclass
class Report:
    """What a cycle did."""

    facts: Counter[str] = field(default_factory=Counter)
    """Records sent, by record type."""
    letters: Counter[str] = field(default_factory=Counter)
    """Dead letters sent, by reason."""
    sizes: list[tuple[str, int]] = field(default_factory=list)
    """The accounts checkpointed, and the bytes of each."""
    checkpoint_cpu: float = 0.0
    """CPU seconds of encoding and sending checkpoints."""


class Cycles(Generic[State]):
    """Runs cycles over the partitions that are owned, and keeps checkpoints within :data:`SHARE` of the core."""

    def __init__(self, outlet: Outlet, age: float) -> None:
        """Send to ``outlet``; a change is checkpointed when it is ``age`` seconds old."""
        self._outlet = outlet
        self._age = age
        self._burst = BURST
        self._rest_until = 0.0
        self.measuring = False
        """A cycle is writing states, and wants to know of :attr:`folding_cpu`. To ask for a thread's CPU time is a system call,
        on some machines a slow one: asked around every message it was a fifth of a worker's time where each is one event."""
        self.folding_cpu = 0.0
        """CPU seconds that folding has taken meanwhile, in the same thread: it goes on and is not a checkpoint's cost."""

    async def regular(
        self, partitions: Mapping[int, Partition[State]], now: float, behind: Mapping[int, int]
    ) -> Report:
        """Run one cycle. ``behind``: messages between what a partition has folded and the end of its topic."""
        quota = Quota(self._age, self._burst) if now >= self._rest_until else None
        report = await self.run(partitions, now, behind, quota)
        if report.sizes:
            self._rest_until = now + report.checkpoint_cpu / SHARE
            mean = sum(size for _, size in report.sizes) // len(report.sizes)
            self._burst = max(1, min(BURST, BURST_BYTES // mean))
        return report

    async def final(self, partitions: Mapping[int, Partition[State]], now: float) -> Report:
        """Send and checkpoint everything; the caller has seen to it that nothing is folded any more."""
        return await self.run(partitions, now, {}, Quota(float("-inf"), 1 << 62))

    async def run(
        self, partitions: Mapping[int, Partition[State]], now: float, behind: Mapping[int, int], quota: Quota | None
    ) -> Report:
        """Take the snapshots and send them, step by step."""
        report, owners = Report(), dict(partitions)  # a rebalance meanwhile may take partitions away
        started = thread_time()
        snapshots = {
            number: owner.snapshot(now, quota, backlog=behind.get(number, 0) > BACKLOG_MESSAGES)
            for number, owner in owners.items()
        }
        report.checkpoint_cpu = thread_time() - started
        outputs = [send for number, snapshot in snapshots.items() for send in self._outputs(number, snapshot, report)]
        await self._outlet.acknowledged(outputs)
        started, self.folding_cpu, self.measuring = thread_time(), 0.0, True
        records = [send for number, snapshot in snapshots.items() for send in self._records(number, snapshot, report)]
        await self._outlet.acknowledged(records)
        due = [(number, snapshot.claim) for number, snapshot in snapshots.items() if snapshot.claim is not None]
        claims = [self._outlet.write(number, owners[number].epoch, claim.encode()) for number, claim in due]
        await self._outlet.acknowledged(claims)
        for number, claim in due:
            owners[number].acknowledged(claim, now)
        self.measuring = False
        report.checkpoint_cpu += thread_time() - self.folding_cpu - started
        return report

    def _outputs(self, number: int, snapshot: Snapshot, report: Report) -> list[Awaitable[Any]]:
        sends = []
        for record, written in by_record(snapshot.facts):
            report.facts[record] += len(written)
            sends += [self._outlet.send(record, number, message) for message in messages(record, written)]
        report.letters.update(letter["reason"] for letter in snapshot.letters)
        letters = [rows.dead_letter(**letter) for letter in snapshot.letters]
        sends += [self._outlet.send("dead_letter", 0, message) for message in messages("dead_letter", letters)]
        return sends

    def _records(self, number: int, snapshot: Snapshot, report: Report) -> list[Awaitable[Any]]:
        report.sizes += [(account, len(value)) for account, _, value in snapshot.records]
        sends = [self._outlet.write(number, key, value) for _, key, value in snapshot.records]
        return sends + [self._outlet.write(number, key, None) for key in snapshot.deletions]


def by_record(facts: Facts) -> tuple[tuple[str, list[bytes]], ...]:
    """Return the rows of ``facts`` with the record type of each."""
    return (("turn", facts.turns), ("pane", facts.panes), ("rolling", facts.rolling), ("alert", facts.alerts))


def messages(record: str, written: Sequence[bytes]) -> list[bytes]:
    """Return rows as messages, each of at most :data:`ROWS` rows and :data:`MESSAGE_BYTES` bytes."""
    found = []
    for start in range(0, len(written), ROWS):
        chunk = written[start : start + ROWS]
        message = codec.message_of(record, chunk)
        if len(message) > MESSAGE_BYTES and len(chunk) > 1:
            half = len(chunk) // 2
            found += messages(record, chunk[:half]) + messages(record, chunk[half:])
        else:
            found.append(message)
    return found
