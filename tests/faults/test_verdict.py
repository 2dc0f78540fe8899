"""The verdict is right about what a sound plant writes, and finds whatever is wrong with it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest

from schemas import codec
from schemas.codec import Record
from streams import envelope
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.cycle import Cycles, Quota
from streams.intake import Message
from streams.interactions import interaction, tick
from streams.metrics.fold import Fold
from streams.metrics.targets import DEFAULT_TARGETS, HOUR
from streams.partition import Partition
from tests.faults.load import Letter
from tests.faults.truth import key_of
from tests.faults.verdict import Verdict, judge

PARTITION = 0


@dataclass
class Invented:
    """Evidence (:class:`tests.faults.verdict.Evidence`) of one partition, in lists."""

    messages: list[Message] = field(default_factory=list)
    facts: list[tuple[str, Record]] = field(default_factory=list)
    dead: list[Record] = field(default_factory=list)
    claims: dict[int, int] = field(default_factory=dict)
    tables: dict[str, list[Record]] = field(default_factory=dict)
    dead_in_table: list[Letter] = field(default_factory=list)
    partitions = (PARTITION,)

    def input(self, _: int) -> Sequence[Message]:
        return self.messages

    def written(self, _: int) -> Sequence[tuple[str, Record]]:
        return self.facts

    def stored(self, record: str, _: Sequence[str], *, final: bool) -> Iterator[Record]:
        newest = {key_of(record, row): row for row in sorted(self.tables[record], key=lambda row: int(row["version"]))}
        yield from newest.values() if final else self.tables[record]

    def covered(self) -> Mapping[int, int]:
        return self.claims

    def letters(self) -> Sequence[Record]:
        return self.dead

    def stored_letters(self) -> Sequence[Letter]:
        return self.dead_in_table

    # -- as an outlet of the cycles --------------------------------------------------------------------------------------

    def send(self, record: str, _: int, value: bytes) -> Awaitable[None]:
        rows = codec.decode(record, value)
        if record == "dead_letter":
            self.dead += rows
        else:
            self.facts += [(record, row) for row in rows]
        return asyncio.sleep(0)

    def write(self, partition: int, key: bytes, value: bytes | None) -> Awaitable[None]:
        if value is not None and envelope.is_claim(key):
            self.claims[partition] = envelope.decode(value).version
        return asyncio.sleep(0)

    async def acknowledged(self, sends: Sequence[Awaitable[Any]]) -> None:
        await asyncio.gather(*sends)


def some_input() -> list[Message]:
    """Return a simulated day with ticks, and two events that cannot be used."""
    options = SimulatorOptions(seed=4, accounts=4, duration=12 * HOUR, stories_per_hour=3)
    rnd, values, batch = random.Random(4), [], list[Record]()
    for event in simulate(options):
        batch.append(event)
        if rnd.random() < 0.3:
            values.append(codec.encode("interaction", batch))
            batch = []
        if rnd.random() < 0.2:
            values.append(codec.encode("interaction", [tick(event["received_at"] + rnd.randrange(60_000))]))
    values[20:20] = [b"garbage"]
    values[30:30] = [
        codec.encode("interaction", [interaction(id="", account="a", kind="mention", published_at=1, received_at=1)])
    ]
    return [Message("in", PARTITION, offset, 1 << 42, value) for offset, value in enumerate(values)]


async def sound() -> Invented:
    """Return what a worker writes that is killed twice: its successors find its checkpoints and write some rows again."""
    left, loaded, rnd = Invented(some_input()), envelope.Loaded(), random.Random(5)
    ends = (len(left.messages) // 3, len(left.messages) // 2, len(left.messages))

    class Outlet(Invented):
        def write(self, partition: int, key: bytes, value: bytes | None) -> Awaitable[None]:
            loaded.read(key, value)
            return super().write(partition, key, value)

    outlet = Outlet(left.messages, left.facts, left.dead, left.claims)
    for end in ends:
        owner = Partition(Fold(lambda _: DEFAULT_TARGETS), loaded, 0, 0)
        cycles, now = Cycles(outlet, 1.0), 0.0
        for message in left.messages[owner.last + 1 : end]:
            now += rnd.random() / 4
            owner.apply(message, now)
            if rnd.random() < 0.3:
                await cycles.run({PARTITION: owner}, now, {}, Quota(1.0, 200))
        if end == len(left.messages):
            await cycles.final({PARTITION: owner}, now)
    for record in ("turn", "pane", "rolling", "alert"):
        left.tables[record] = [row for kind, row in left.facts if kind == record]
    left.dead_in_table = [*dict.fromkeys(Letter(row["source"], row["place"], row["reason"]) for row in left.dead)]
    return left


@pytest.fixture(scope="module")
def evidence() -> Invented:
    return asyncio.run(sound())


def judged(left: Invented) -> Verdict:
    letters = {Letter("worker", "in/0/20", "undecodable"), Letter("worker", "in/0/30#0", "empty_id")}
    return judge(left, letters, lambda _: DEFAULT_TARGETS)


def test_what_a_sound_plant_writes_is_exact(evidence: Invented) -> None:
    verdict = judged(evidence)
    assert verdict.faults == {}, dict(verdict.examples)
    for record in ("turn", "pane", "rolling", "alert"):
        sent = verdict.counts[f"{record} rows sent"]
        assert sent > verdict.counts[f"{record} rows in ClickHouse"] > 20
    assert len({(key_of(*fact), fact[1]["version"]) for fact in evidence.facts}) < len(evidence.facts), (
        "some were written twice"
    )


def _last(left: Invented, record: str) -> int:
    """Return where the newest row is that was written of a record type, such that no other has its key and version."""
    rows = [(row["version"], index) for index, (kind, row) in enumerate(left.facts) if kind == record]
    return max(rows)[1]


def _alter(row: Record, **changes: object) -> Record:
    return {**row, **changes}


def lose_a_fact(left: Invented, record: str) -> None:
    del left.facts[_last(left, record)]


def alter_a_fact(left: Invented, record: str) -> None:
    index = _last(left, record)
    row = left.facts[index][1]
    number = next(
        name for name, value in row.items() if type(value) is int and name not in ("version", "minute", "as_of")
    )
    left.facts[index] = record, _alter(row, **{number: row[number] + 1})


def write_a_fact_at_another_version(left: Invented, record: str) -> None:
    index = _last(left, record)
    left.facts[index] = record, _alter(left.facts[index][1], version=10**6)


def lose_a_row(left: Invented, record: str) -> None:
    newest = max(left.tables[record], key=lambda row: int(row["version"]))
    left.tables[record] = [row for row in left.tables[record] if key_of(record, row) != key_of(record, newest)]


def lose_a_newest_row(left: Invented, record: str) -> None:
    versions: dict[Any, set[int]] = {}
    for row in left.tables[record]:
        versions.setdefault(key_of(record, row), set()).add(row["version"])
    key, newest = next((key, max(found)) for key, found in versions.items() if len(found) > 1)
    left.tables[record] = [row for row in left.tables[record] if (key_of(record, row), row["version"]) != (key, newest)]


def alter_a_row(left: Invented, record: str) -> None:
    left.tables[record][0] = _alter(left.tables[record][0], version=left.tables[record][0]["version"] + 1)


@pytest.mark.parametrize("record", ["turn", "pane", "rolling", "alert"])
@pytest.mark.parametrize(
    "wrong",
    [lose_a_fact, alter_a_fact, write_a_fact_at_another_version, lose_a_row, lose_a_newest_row, alter_a_row],
)
def test_a_row_that_is_wrong_is_found(evidence: Invented, wrong: Callable[[Invented, str], None], record: str) -> None:
    left = deepcopy(evidence)
    wrong(left, record)
    assert judged(left).faults


def test_whatever_else_is_wrong_is_found(evidence: Invented) -> None:
    left = deepcopy(evidence)
    left.claims[PARTITION] -= 1
    assert judged(left).faults == {"checkpoints do not cover the end of the input": 1}

    left = deepcopy(evidence)
    del left.messages[5]
    assert judged(left).faults["input: a gap"]

    left = deepcopy(evidence)
    left.dead.pop()
    assert judged(left).faults == {"letters in the topic: missing": 1}

    left = deepcopy(evidence)
    left.dead[0]["payload"] = b""
    assert judged(left).faults == {"letters of the worker: untrue": 1}

    left = deepcopy(evidence)
    left.dead_in_table.append(left.dead_in_table[0])
    assert judged(left).faults == {"letters in ClickHouse: twice": 1}

    left = deepcopy(evidence)
    left.dead_in_table[0] = Letter("worker", "in/0/7", "undecodable")
    assert set(judged(left).faults) == {"letters in ClickHouse: missing", "letters in ClickHouse: not to be there"}
