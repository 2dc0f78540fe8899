"""A small model with everything that can go wrong in it: order, time, rows held back, what falls due. And its truth.

A mention opens a turn that falls due after ``revision`` ms and is over :data:`GRACE` later; a reply answers the turn
``parent_id``. A pane counts, per second of the turn's opening, what was opened, what answered, and what fell due or was
over; it and the rolling row are held back until they are settled.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas import codec
from schemas.codec import Record
from schemas.rows import WRITERS
from streams.intake import Message, open_message
from streams.metrics.model import NEVER, Event, Facts
from tests.told import told

GRACE = 10_000  # ms
PANE = 1_000  # ms
PRIME = (1 << 61) - 1


DEFAULTS = {
    name: {field["name"]: field["default"] for field in codec.newest(name).record["fields"] if "default" in field}
    for name in ("turn", "pane", "rolling", "alert")
}


def written(record: str, row: Record) -> bytes:
    """Return a row of the toy's, with the defaults of the fields that it knows nothing of."""
    return WRITERS[record](**{**DEFAULTS[record], **row})


@dataclass
class Account:
    account: str
    count: int = 0
    hash: int = 7
    clock: int = 0
    turns: dict[str, list[int]] = field(default_factory=dict)  # id -> when opened, when due, whether that was counted
    panes: dict[int, list[int]] = field(default_factory=dict)  # start -> opened, answered, due or over
    held_panes: dict[int, None] = field(default_factory=dict)
    held_rolling: bool = False
    padding: str = ""


class Say(NamedTuple):
    """Where a fold says what happens, and up to which clock it has been said."""

    changed: dict[str, bytes]
    facts: Facts
    version: int
    before: int


class Toy:
    """The model; ``padding`` makes its states as large as real ones."""

    layout = 3

    def __init__(self, padding: int = 0) -> None:
        self.padding = "x" * padding

    def new(self, account: str) -> Account:
        return Account(account, padding=self.padding)

    def loads(self, account: str, layout: int, data: bytes) -> Account:
        if layout != self.layout:
            raise ValueError(f"layout {layout}")
        count, hashed, clock, turns, panes = json.loads(data)
        panes = {int(start): counts for start, counts in panes.items()}
        return Account(account, count, hashed, clock, turns, panes, padding=self.padding)

    def dumps(self, state: Account) -> bytes:
        # rows held back are NOT kept: whoever encodes them loses them, and the tests see it
        return json.dumps([state.count, state.hash, state.clock, state.turns, state.panes]).encode() + b" " * len(
            self.padding
        )

    def fold(self, state: Account, events: Sequence[Event], before: int, clock: int, version: int, facts: Facts) -> int:  # noqa: PLR0913, PLR0917
        changed: dict[str, bytes] = {}
        say = Say(changed, facts, version, before)
        for now, event in events:
            self._advance(state, now, say)
            state.count += 1
            state.hash = (state.hash * 1_000_003 + sum(event["id"].encode())) % PRIME
            state.held_rolling = True
            if event["kind"] == "mention" and event["id"] not in state.turns:
                state.turns[event["id"]] = [now, now + event["revision"], 0]
                changed[event["id"]] = self._turn(state, event["id"], "open", version)
                self._count(state, now, 0)
            elif event["kind"] == "reply" and event["parent_id"] in state.turns:
                changed[event["parent_id"]] = self._turn(state, event["parent_id"], "answered", version)
                self._count(state, state.turns.pop(event["parent_id"])[0], 1)
        self._advance(state, clock, say)
        state.clock = clock
        facts.turns += changed.values()
        return min((due + GRACE if counted else due for _, due, counted in state.turns.values()), default=NEVER)

    def _advance(self, state: Account, now: int, say: "Say") -> None:
        """Let turns fall due and be over; what was said up to ``say.before`` is counted, and not said again."""
        for name, turn in list(state.turns.items()):
            opened, due, counted = turn
            if due <= now and not counted:
                turn[2] = 1
                self._count(state, opened, 2, held=due > say.before)
                if due > say.before:
                    say.facts.alerts.append(self._alert(state, name, say.version))
            if due + GRACE <= now:
                self._count(state, opened, 2, held=due + GRACE > say.before)
                if due + GRACE > say.before:
                    say.changed[name] = self._turn(state, name, "expired", say.version)
                    state.held_rolling = True
                del state.turns[name]

    @staticmethod
    def _alert(state: Account, name: str, version: int) -> bytes:
        due = state.turns[name][1]
        row = {"account": state.account, "alert_id": name, "kind": "due", "severity": "warning", "state": "firing"}
        return written("alert", row | {"subject": name, "due_at": due, "fired_at": due, "version": version})

    @staticmethod
    def _count(state: Account, opened: int, column: int, *, held: bool = True) -> None:
        start = opened // PANE * PANE
        state.panes.setdefault(start, [0, 0, 0])[column] += 1
        if held:
            state.held_panes[start] = None

    @staticmethod
    def _turn(state: Account, name: str, status: str, version: int) -> bytes:
        opened, due, _ = state.turns[name]
        row: Record = {"account": state.account, "turn_id": name, "contact_id": "", "opened_at": opened}
        return written("turn", row | {"status": status, "due_at": due, "sla": "pending", "version": version})

    def settle(self, state: Account, version: int, facts: Facts) -> None:
        for start in state.held_panes:
            opened, answered, late = state.panes[start]
            row: Record = {"account": state.account, "minute": start, "mentions": opened, "replies": answered}
            facts.panes.append(written("pane", row | {"clock_skew": late, "version": version}))
        if state.held_rolling:
            row = {"account": state.account, "window": "1h", "as_of": state.clock, "mentions": state.count}
            facts.rolling.append(written("rolling", row | {"replies": state.hash, "version": version}))
        state.held_panes, state.held_rolling = {}, False

    def pending(self, state: Account) -> bool:
        return state.held_rolling or bool(state.held_panes)


class Empty:
    """The model that does nothing: what the shell costs."""

    layout = 1

    def new(self, account: str) -> list[str]:
        return [account]

    def loads(self, account: str, layout: int, data: bytes) -> list[str]:
        assert layout == self.layout
        assert not data
        return [account]

    def dumps(self, state: list[str]) -> bytes:
        assert state
        return b""

    def fold(self, *_: object) -> int:
        return NEVER

    def settle(self, *_: object) -> None: ...

    def pending(self, _: object) -> bool:
        return False


Key = tuple[Any, ...]
KEYS = {  # in the order of Told
    "turn": ("account", "turn_id"),
    "pane": ("account", "minute"),
    "rolling": ("account", "window"),
    "alert": ("account", "alert_id"),
}


def key_of(record: str, row: Record) -> Key:
    """Return what stays the same when a row is replaced."""
    return record, *(row[name] for name in KEYS[record])


class Truth:
    """One sequential pass over one partition's input: every account at every message, and nothing lazy."""

    def __init__(self, messages: Iterable[Message], generation: int = 0) -> None:
        toy, states, clock = Toy(), {}, 0
        self.base = generation << 48
        self.clocks: list[int] = []  # by offset
        self.rows: dict[tuple[Key, int], Record] = {}  # what each row is at each offset at which it changes
        self.changes: dict[Key, list[int]] = defaultdict(list)  # the offsets at which a row changes
        self.states: dict[str, list[tuple[int, bytes, int]]] = defaultdict(list)  # offset, state, when it wakes
        self.letters: list[Record] = []
        self.kinds: Counter[str] = Counter()
        for message in messages:
            before, opened = clock, open_message(message, clock)
            clock = opened.clock
            self.clocks.append(clock)
            self.letters += opened.letters
            self.kinds.update(opened.kinds)
            for account in opened.events:
                states.setdefault(account, toy.new(account))
            for account, state in states.items():
                facts, events = Facts(), opened.events.get(account, ())
                wake = toy.fold(state, events, before, clock, self.base + message.offset, facts)
                toy.settle(state, self.base + message.offset, facts)
                if events or facts.turns or facts.alerts or facts.panes:
                    self.states[account].append((message.offset, toy.dumps(state), wake))
                for record, said in zip(KEYS, told(facts), strict=True):
                    for row in said:
                        self.changes[key_of(record, row)].append(message.offset)
                        self.rows[key_of(record, row), message.offset] = row

    def row(self, record: str, key: Key, version: int) -> Record | None:
        """Return what a row of that version has to be, or None if there can be none."""
        offset = version - self.base
        last = max((change for change in self.changes.get(key, ()) if change <= offset), default=None)
        if last is None or (record in ("turn", "alert") and last != offset):
            return None
        row = self.rows[key, last] | {"version": version}
        return row | {"as_of": self.clocks[offset]} if record == "rolling" else row

    def state(self, account: str, offset: int) -> bytes | None:
        """Return what the account was after ``offset``."""
        found = self._found(account, offset)
        return None if found is None else found[1]

    def wake(self, account: str, offset: int) -> int | None:
        """Return when something fell due next in the account, as of ``offset``."""
        found = self._found(account, offset)
        return None if found is None else found[2]

    def _found(self, account: str, offset: int) -> tuple[int, bytes, int] | None:
        found = None
        for entry in self.states[account]:
            if entry[0] > offset:
                break
            found = entry
        return found
