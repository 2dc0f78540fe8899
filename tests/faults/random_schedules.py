"""Random schedules of the real partition, cycle and envelope against an abstract broker, with every fault there is.

Owners, zombies, crashes, lost batches, compaction with and without the markers of deletion, ownership taken again with sends
still under way, ticks, late events, backlogs. Every row is compared with the truth at its key and version, when it is sent; at
every recovery so are clock, states and rows that nobody will make again; at the end everything. Then each rule of the module
is left out in turn (tests/faults/rules.py), and schedules have to go wrong.

As a program it prints the table:
``python -m tests.faults.random_schedules [schedules] [schedules of each mutation] [part of a rule's name]``.
"""
# ruff: noqa: ANN401 - the modules under test are loaded anew, and have no types here

import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from schemas import codec
from streams.intake import Message
from streams.interactions import interaction, tick
from tests.faults.rules import RULES, Rule, load
from tests.toy import Toy, Truth, key_of

ACCOUNTS = ("a", "b", "c", "d")
FOREVER = 1 << 62


class Wrong(Exception):  # noqa: N818 - what a schedule found
    """A schedule went wrong."""


# -- input ----------------------------------------------------------------------------------------------------------------


def some_messages(rnd: random.Random) -> list[Message]:
    """Return one partition's input: events of several accounts, late ones too, and ticks."""
    now, messages, ids, last = 20_000, [], 0, defaultdict(list)
    for offset in range(rnd.choice((30, 50))):
        now += rnd.choice((0, 300, 1500, 4000))
        events = []
        if rnd.random() < 0.45:
            events.append(tick(now + rnd.randint(-2000, 500)))
        for account in rnd.sample(ACCOUNTS, rnd.choice((1, 1, 2)) if not events or rnd.random() < 0.1 else 0):
            for _ in range(rnd.choice((1, 1, 3))):
                ids += 1
                fields = {
                    "id": f"{ids}",
                    "account": account,
                    "published_at": now,
                    "received_at": now + rnd.randint(-3000, 0),
                }
                if rnd.random() < 0.3 and last[account]:
                    events.append(interaction(kind="reply", parent_id=rnd.choice(last[account]), **fields))
                else:
                    last[account].append(f"{ids}")
                    delay = rnd.choice((0, rnd.randrange(500, 20_000), rnd.randrange(500, 20_000)))
                    events.append(interaction(kind="mention", revision=delay, **fields))
        messages.append(Message("in", 0, offset, now + 60_000, codec.encode("interaction", events)))
    return messages


# -- an owner and the broker ----------------------------------------------------------------------------------------------


class Pause:
    def __await__(self) -> Iterator[None]:
        yield


@dataclass
class Sent:
    """A message on its way: of facts, or a record of the checkpoint topic."""

    record: str
    key: bytes
    value: bytes | None


@dataclass
class Owner:
    """A process that owns the partition, or believes so."""

    modules: SimpleNamespace
    process: int
    partition: Any
    messages: list[Message]
    rnd: random.Random
    queue: list[Sent] = field(default_factory=list)
    dying: int | None = None
    dead: bool = False
    now: float = 0.0
    coroutine: Any = None

    def __post_init__(self) -> None:
        self.next = self.partition.last + 1
        self.more = False
        """The message before the next is not wholly folded."""
        self.cycles = self.modules.cycle.Cycles(self, 5.0)

    def send(self, record: str, partition: int, value: bytes) -> Any:
        assert partition == 0
        self.queue.append(Sent(record, b"", value))

    def write(self, partition: int, key: bytes, value: bytes | None) -> Any:
        assert partition == 0
        self.queue.append(Sent("checkpoint", key, value))

    async def acknowledged(self, sends: Sequence[Awaitable[Any]]) -> None:
        assert all(send is None for send in sends)
        while self.queue:
            await Pause()

    def fold(self) -> None:
        """Go on with the message that is being folded, or begin the next; stop anywhere within it."""
        if not self.more and self.next < len(self.messages):
            self.now += self.rnd.choice((0.0, 0.1, 0.7))
            self.more = self.partition.begin(self.messages[self.next], self.now)
            self.next += 1
        while self.more and self.rnd.random() < 0.7:
            self.more = self.partition.go_on()

    def cycle(self, quota: Any, behind: int) -> None:
        """Go on with the cycle that waits, or begin one."""
        if self.coroutine is None:
            self.coroutine = self.cycles.run({0: self.partition}, self.now, {0: behind}, quota)
        try:
            self.coroutine.send(None)
        except StopIteration:
            self.coroutine = None

    def step(self) -> None:
        if self.queue or self.dying is not None:
            return
        age = self.rnd.choice((float("-inf"), float("-inf"), 1e9))
        quota = self.modules.partition.Quota(age, self.rnd.choice((1, 2, 9)))
        self.cycle(quota if self.rnd.random() < 0.8 else None, self.rnd.choice((0, 1000)))


class World:
    """The broker, and the judge of all that reaches it."""

    def __init__(self, modules: SimpleNamespace, rnd: random.Random, *, strict: bool) -> None:
        self.modules, self.rnd, self.strict = modules, rnd, strict
        self.messages = some_messages(rnd)
        self.truth = Truth(self.messages)
        self.log: list[Sent] = []
        self.sent: set[tuple[Any, int]] = set()
        self.newest: dict[Any, int] = {}
        self.by_account = defaultdict(list)
        for key in self.truth.changes:
            self.by_account[key[1]].append(key)

    def append(self, sent: Sent) -> None:
        if sent.record == "checkpoint":
            self.log.append(sent)
            return
        for row in codec.decode(sent.record, sent.value):
            key, version = key_of(sent.record, row), row["version"]
            if row != self.truth.row(sent.record, key, version):
                raise Wrong(f"untrue {sent.record}")
            self.sent.add((key, version))
            self.newest[key] = max(version, self.newest.get(key, -1))

    def compact(self) -> None:
        end, forget = self.rnd.randint(0, len(self.log)), self.rnd.random() < 0.5
        last = {sent.key: index for index, sent in enumerate(self.log[:end])}
        kept = [s for i, s in enumerate(self.log[:end]) if last[s.key] == i and not (s.value is None and forget)]
        self.log = kept + self.log[end:]

    def recover(self, process: int, *, at_the_end: bool = False) -> Owner:
        """Return a new owner, after looking at what it finds: nothing it will not make again may be missing."""
        loaded = self.modules.envelope.Loaded()
        for sent in self.log:
            loaded.read(sent.key, sent.value)
        partition = self.modules.partition.Partition(Toy(), loaded, 0, 0)
        resumed = partition.last
        judged = self.strict or at_the_end
        if self.strict and resumed >= 0 and partition.clock != self.truth.clocks[resumed]:
            raise Wrong("wrong clock")
        for account in ACCOUNTS:
            known = max(resumed, partition.offsets.get(account, -1))
            for key in self.by_account[account]:
                self._must_be_there(key, known)
            if judged:
                self._same_state(partition, account, known)
        return Owner(self.modules, process, partition, self.messages, self.rnd)

    def _must_be_there(self, key: Any, known: int) -> None:
        changes = [offset for offset in self.truth.changes[key] if offset <= known]
        if key[0] in ("turn", "alert"):
            if any((key, offset) not in self.sent for offset in changes):
                raise Wrong(f"lost {key[0]}")
        elif changes and self.newest.get(key, -1) < changes[-1]:
            raise Wrong(f"lost {key[0]}")

    def _same_state(self, partition: Any, account: str, known: int) -> None:
        truth, toy = self.truth.state(account, known), Toy()
        if truth is None:
            return
        stored = partition.states.get(account)
        if stored is None:
            raise Wrong("lost state")
        states = []
        for data in (stored.data, truth):
            state = toy.loads(account, toy.layout, data)
            clock = self.truth.clocks[known]
            toy.fold(state, (), clock, clock, 0, self.modules.partition.Facts())  # what only waits to be forgotten
            states.append(toy.dumps(state))
        if states[0] != states[1]:
            raise Wrong("wrong state")

    def finish(self) -> None:
        """Let one last owner go to the end without faults: nothing may be missing."""
        owner = self.recover(-1)
        while owner.more or owner.next < len(self.messages):
            owner.fold()
        for _ in range(2):
            while True:
                owner.cycle(self.modules.partition.Quota(float("-inf"), FOREVER), 0)
                while owner.queue:
                    self.append(owner.queue.pop(0))
                if owner.coroutine is None:
                    break
        for key in self.truth.changes:
            self._must_be_there(key, len(self.messages))
        if self.recover(-2, at_the_end=True).partition.last != len(self.messages) - 1:
            raise Wrong("no claim at the end")


def run(world: World) -> None:
    """Run one schedule. Raises :class:`Wrong`, or whatever else the module raises when it is not itself any more."""
    rnd, current = world.rnd, world.recover(0)
    owners, processes = [current], 0
    for _ in range(rnd.choice((80, 160, 320))):
        owners = [owner for owner in owners if not owner.dead]
        likely = owners + [current] * 2 * (not current.dead)
        chance = rnd.random()
        if chance < 0.30 and likely:
            rnd.choice(likely).fold()
        elif chance < 0.50 and likely:
            rnd.choice(likely).step()
        elif chance < 0.87 and owners:
            deliver(world, rnd.choice(owners))
        elif chance < 0.93:
            world.compact()
        elif chance < 0.97 or current.dead:  # by a new process, or by one that owned it before
            processes += 1
            process, under_way = rnd.choice([processes, *(owner.process for owner in owners)]), []
            if rnd.random() < 0.3:
                owners = []
            else:
                under_way = [sent for owner in owners if owner.process == process for sent in owner.queue]
                owners = [owner for owner in owners if owner.process != process]
            current = world.recover(process)
            current.queue = under_way
            owners.append(current)
    world.finish()


def deliver(world: World, owner: Owner) -> None:
    """Let the broker append the next message of ``owner``, or lose it: later ones may still get in before the process ends."""
    if not owner.queue:
        return
    if owner.dying is None and world.rnd.random() < 0.04:
        owner.queue.pop(0)
        owner.dying = world.rnd.randint(0, 3)
    else:
        world.append(owner.queue.pop(0))
        if owner.dying is not None:
            owner.dying -= 1
    if owner.dying is not None and owner.dying <= 0:
        owner.dead = True


@contextmanager
def quick(rnd: random.Random, modules: SimpleNamespace) -> Iterator[None]:
    """Make epochs from the schedule's own numbers, and decode every message once: owners read the same ones many times."""
    decode, known = codec.decode, {}

    def remembered(name: str, message: bytes) -> list[codec.Record]:
        if (name, message) not in known:
            known[name, message] = decode(name, message)
        return known[name, message]

    modules.envelope.os = SimpleNamespace(urandom=rnd.randbytes)
    modules.partition.WAKES = 1
    codec.decode = remembered
    try:
        yield
    finally:
        codec.decode = decode


def schedule(modules: SimpleNamespace, seed: int, *, strict: bool) -> str:
    """Run the schedule of ``seed`` and return what went wrong, or nothing."""
    rnd = random.Random(seed)
    with quick(rnd, modules):
        try:
            run(World(modules, rnd, strict=strict))
        except Wrong as wrong:
            return str(wrong)
        except (modules.partition.BrokenRuleError, AssertionError) as error:
            return type(error).__name__
    return ""


def failures(rule: Rule | None, schedules: int, first: int = 0) -> Counter[str]:
    """Return what went wrong in how many schedules; a module without a rule is judged by its outputs and its last state."""
    modules = load(rule)
    found = Counter(schedule(modules, seed, strict=rule is None) for seed in range(first, first + schedules))
    del found[""]
    return found


if __name__ == "__main__":
    only = sys.argv.pop() if not sys.argv[-1].isdigit() and len(sys.argv) > 1 else ""
    whole, each = [int(argument) for argument in sys.argv[1:]] + [20_000, 3_000][len(sys.argv) - 1 :]
    for left_out in (None, *RULES):
        if left_out and only not in left_out.name:
            continue
        count, begun = each if left_out else whole, time.monotonic()
        wrong = failures(left_out, count)
        name = f"without: {left_out.name}" if left_out else "nothing left out"
        print(f"{name:<78} {wrong.total():>5} of {count} {dict(wrong)} {time.monotonic() - begun:.0f} s", flush=True)  # noqa: T201
