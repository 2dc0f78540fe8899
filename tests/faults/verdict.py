"""The verdict on a trial: is everything that was written what one sequential pass over the input writes, and is all of it there?"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.codec import Record
from streams.intake import Message
from streams.metrics.targets import Targets
from tests.faults.load import Letter
from tests.faults.truth import HELD, KEYS, Key, Pass, Touch, key_of, rows

EXAMPLES = 3
"""Faults of each kind that are shown."""


class Evidence(Protocol):
    """What a trial left behind."""

    partitions: Sequence[int]

    def input(self, partition: int) -> Iterable[Message]:
        """Return all of the input, in order."""

    def written(self, partition: int) -> Iterable[tuple[str, Record]]:
        """Return the rows in the topics of facts, in order, each with its record type."""

    def stored(self, record: str, accounts: Sequence[str], *, final: bool) -> Iterable[Record]:
        """Return the rows in ClickHouse; ``final``: as FINAL shows them."""

    def covered(self) -> Mapping[int, int]:
        """Return the last input offset that a checkpoint covers, by partition."""

    def letters(self) -> Iterable[Record]:
        """Return the dead letters in the topic."""

    def stored_letters(self) -> Iterable[Letter]:
        """Return the dead letters in ClickHouse, as FINAL shows them."""


@dataclass
class Verdict:
    """What was found."""

    counts: Counter[str] = field(default_factory=Counter)
    """What there was to judge, in words."""
    faults: Counter[str] = field(default_factory=Counter)
    """How many of each kind."""
    examples: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    stalled: bool = False
    """Something came to a stop before the end: more is missing than what is wrong."""

    def fault(self, kind: str, example: object) -> None:
        self.faults[kind] += 1
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(example)

    def differ(self, what: str, found: Iterable[object], wanted: Iterable[object]) -> None:
        """Note what is in one of the sets and not in the other."""
        found, wanted = set(found), set(wanted)
        for one in sorted(found - wanted, key=repr):
            self.fault(f"{what}: not to be there", one)
        for one in sorted(wanted - found, key=repr):
            self.fault(f"{what}: missing", one)


def judge(
    evidence: Evidence, letters: set[Letter], targets_of: Callable[[str], Targets], verdict: Verdict | None = None
) -> Verdict:
    """Compare everything that was written with one pass over the input."""
    verdict, covered, by_worker = verdict or Verdict(), evidence.covered(), list[Record]()
    for partition in evidence.partitions:
        by_worker += _Judgement(verdict, evidence, partition, covered.get(partition, -1)).letters(targets_of)
    known = {Letter(*(row[name] for name in Letter._fields)) for row in by_worker}
    verdict.differ("letters of the worker, by the pass", known, {one for one in letters if one.source == "worker"})
    found = list(evidence.letters())
    verdict.counts["letters sent"] = len(found)
    verdict.differ("letters in the topic", (Letter(*(row[name] for name in Letter._fields)) for row in found), letters)
    truth = {row["place"]: row for row in by_worker}
    for row in found:
        if row["source"] == "worker" and truth.get(row["place"], row) != row:
            verdict.fault("letters of the worker: untrue", row)
    stored = list(evidence.stored_letters())
    verdict.counts["letters in ClickHouse"] = len(stored)
    verdict.differ("letters in ClickHouse", stored, letters)
    if len(stored) != len(set(stored)):
        verdict.fault("letters in ClickHouse: twice", len(stored) - len(set(stored)))
    return verdict


class _Judgement:
    """The judgement on one partition."""

    def __init__(self, verdict: Verdict, evidence: Evidence, partition: int, covered: int) -> None:
        self._verdict, self._evidence, self._partition, self._covered = verdict, evidence, partition, covered
        self._waiting: dict[int, dict[str, dict[Key, Record]]] = defaultdict(lambda: defaultdict(dict))
        """Rows that were written and are not judged yet, by version and account."""
        self._newest: dict[Key, Record] = {}
        """The row of the highest version of each key that was written."""
        self._contents: dict[tuple[Key, int], int] = {}
        """A hash of every row that was written, by key and version."""
        self._true: dict[Key, Record] = {}
        """What each key has to be in the end, of panes and rolling rows all but the version."""

    def letters(self, targets_of: Callable[[str], Targets]) -> list[Record]:
        """Judge everything but the dead letters, and return those of the worker."""
        self._read_written()
        one, end = Pass(targets_of), -1
        for message in self._evidence.input(self._partition):
            end += 1
            if message.offset != end:
                self._verdict.fault("input: a gap", (self._partition, end, message.offset))
            written = self._waiting.pop(message.offset, {})
            for touch in one.take(message, written.keys()):
                self._judge(touch, written.pop(touch.account, {}))
            if written:
                self._verdict.fault("rows of accounts that there are not yet", written)
        self._verdict.counts["input messages"] += end + 1
        if self._covered != end:
            self._verdict.fault("checkpoints do not cover the end of the input", (self._partition, self._covered, end))
        for touch in one.end():
            for key, row in rows(touch.facts):
                self._true[key] = row
        for version, left in self._waiting.items():
            self._verdict.fault("rows of a version that there is not", (version, left))
        self._judge_newest()
        self._judge_stored(sorted({str(key[1]) for key in self._true.keys() | self._newest.keys()}))
        return one.letters

    def _read_written(self) -> None:
        for record, row in self._evidence.written(self._partition):
            key, content, version = key_of(record, row), content_of(row), row["version"]
            again = (key, version) in self._contents
            self._verdict.counts[f"{record} rows sent"] += 1
            self._verdict.counts["rows sent again"] += again
            if again and self._contents[key, version] != content:
                self._verdict.fault(f"{record}: one version, two contents", row)
            self._contents[key, version] = content
            self._waiting[version][row["account"]][key] = row
            if key not in self._newest or self._newest[key]["version"] <= version:
                self._newest[key] = row

    def _judge(self, touch: Touch, written: Mapping[Key, Record]) -> None:
        """Judge the rows of an account at a version."""
        wanted = dict(rows(touch.facts))
        for key, row in wanted.items():
            self._true[key] = row
            if key[0] not in HELD and key not in written:
                self._verdict.fault(f"{key[0]}: missing", row)
        if written:
            now = dict(rows(touch.settle()))
            self._true.update(now)
            wanted |= now
        for key, row in written.items():
            true = wanted.get(key)
            if true is None and key[0] == "pane" and key in self._true:  # as it was said at an earlier version
                true = self._true[key] | {"version": touch.version}
            if true != row:
                self._verdict.fault(f"{key[0]}: untrue", {"row": row, "truth": true})

    def _judge_newest(self) -> None:
        """The newest row of each key is what stands in the end."""
        for key, true in self._true.items():
            row = self._newest.get(key)
            if row is None:
                self._verdict.fault(f"{key[0]}: no row at all", true)
            elif row != true and (key[0] not in HELD or row != true | {"version": row["version"]}):
                self._verdict.fault(f"{key[0]}: the newest row is not the last word", {"row": row, "truth": true})

    def _judge_stored(self, accounts: Sequence[str]) -> None:
        """ClickHouse shows the newest row of each key, and holds nothing that was not written."""
        newest: dict[str, dict[Key, Record]] = defaultdict(dict)
        for key, row in self._newest.items():
            newest[str(key[0])][key] = row
        for record in KEYS:
            wanted, found = newest[record], 0
            for row in self._evidence.stored(record, accounts, final=True):
                found += 1
                if wanted.pop(key_of(record, row), None) != row:
                    self._verdict.fault(f"{record} in ClickHouse: not the newest, or twice", row)
            self._verdict.counts[f"{record} rows in ClickHouse"] += found
            for row in wanted.values():
                self._verdict.fault(f"{record} in ClickHouse: missing", row)
            for row in self._evidence.stored(record, accounts, final=False):
                if self._contents.get((key_of(record, row), row["version"])) != content_of(row):
                    self._verdict.fault(f"{record} in ClickHouse: a version that was never written", row)


def content_of(row: Record) -> int:
    """Return what tells the contents of two rows of the same record type apart."""
    return hash(tuple(tuple(value) if isinstance(value, list) else value for value in row.values()))
