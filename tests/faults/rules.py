"""The rules that keep checkpoints exact, each with what its code is replaced by to leave it out."""
# ruff: noqa: ANN401 - the modules under test are loaded anew, and have no types here

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

MODULES = ("streams.envelope", "streams.partition", "streams.cycle")


@dataclass(frozen=True)
class Rule:
    name: str
    module: str
    changes: tuple[tuple[str, str], ...]
    """Text of the module, and what replaces it."""
    seed: int = 0
    """A schedule that is known to go wrong without the rule."""


RULES = (
    Rule(
        "the epoch is part of the key",
        "streams.envelope",
        (
            ("return account.encode() + epoch", "return account.encode() + bytes(8)"),
            ("self.rows: dict[bytes, Checkpoint] = {}", "self.rows = Keep()"),
        ),
        seed=6,
    ),
    Rule(
        "resume at the newest epoch's claim, not at the furthest",
        "streams.envelope",
        (("claims = [(_number(key), row", "claims = [(0, row"),),
        seed=46,
    ),
    Rule(
        "loaded accounts are rewritten before the first claim",
        "streams.partition",
        (('dict.fromkeys(self.offsets, Change(_BEFORE_ALL + 1, 0, float("-inf")))', "{}"),),
        seed=3,
    ),
    Rule(
        "old keys are deleted after the first claim only",
        "streams.partition",
        (("            if self.claimed > _BEFORE_ALL:\n", "            if True:\n"),),
        seed=12,
    ),
    Rule(
        "a claim carries the clock at its offset",
        "streams.partition",
        (("return oldest.offset - 1, oldest.clock", "return oldest.offset - 1, self.clock"),),
        seed=1,
    ),
    Rule(
        "a claim carries a clock",
        "streams.partition",
        (("Claim(self._base + low, clock)", "Claim(self._base + low, 0)"),),
        seed=9,
    ),
    Rule(
        "a claim does not pass the oldest change",
        "streams.partition",
        (("return oldest.offset - 1, oldest.clock", "return self.last, self.clock"),),
        seed=1,
    ),
    Rule(
        "a claim does not pass a message that is folded in part",
        "streams.partition",
        ((" if self._under_way is None else (self.last - 1, self._under_way)", ""),),
        seed=206,
    ),
    Rule(
        "a claim speaks of the snapshot, not of the moment it is written",
        "streams.cycle",
        (("owners[number].epoch, claim.encode())", "owners[number].epoch, late(owners[number]))"),),
        seed=27,
    ),
    Rule(
        "a tick moves the account's offset, as an event does",
        "streams.partition",
        (
            (
                "        self.offsets[account] = self.last\n",
                "        if events or account not in self.offsets:\n            self.offsets[account] = self.last\n",
            ),
        ),
    ),
    Rule(
        "what a checkpoint has already is skipped",
        "streams.partition",
        (("if offset <= self.offsets.get(account, _BEFORE_ALL):", "if False:"),),
        seed=2,
    ),
    Rule(
        "untouched accounts are in the heap",
        "streams.partition",
        (
            (
                "self._heap = [(wake, account) for account, wake in self.wakes.items() if wake < NEVER]\n        heapify",
                "self._heap = []\n        heapify",
            ),
        ),
        seed=2,
    ),
    Rule(
        "outputs are acknowledged before states are written",
        "streams.cycle",
        (("        await self._outlet.acknowledged(outputs)\n", ""),),
        seed=3,
    ),
    Rule(
        "states are acknowledged before a claim is written",
        "streams.cycle",
        (("        await self._outlet.acknowledged(records)\n", ""),),
        seed=62,
    ),
    Rule(
        "rows held back go out before their account is checkpointed",
        "streams.partition",
        (("self._settle([account for account in due if account in self._held], now)", "pass"),),
        seed=2,
    ),
    Rule(
        "rows of accounts that only time touched go out at once",
        "streams.partition",
        (
            (
                "self._settle(tuple(self._owed), now)",
                "self._settle([account for account in self._owed if account not in self._settled] if not backlog else (), now)",
            ),
        ),
        seed=37,
    ),
    Rule(
        "such rows go out before their account's first change",
        "streams.partition",
        (
            (
                "                if account in self._owed:",
                "                if self._owed.pop(account, 0) is None and self._held.update({account: None}):",
            ),
        ),
        seed=200,
    ),
)


class Keep(dict[bytes, Any]):
    """A reader's rows under keys without an epoch: there are no old keys to delete."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


def late(owner: Any) -> bytes:
    """Return a claim as of now."""
    envelope = sys.modules["streams.envelope"]
    return envelope.Claim(*owner.covered()).encode()


def load(rule: Rule | None) -> SimpleNamespace:
    """Return the modules, without ``rule``."""
    before = {name: import_module(name) for name in MODULES}
    found = {}
    try:
        for name in MODULES:
            source = Path(before[name].__file__).read_text("utf-8")
            for old, new in rule.changes if rule and rule.module == name else ():
                if source.count(old) != 1:
                    raise LookupError(f"{name} has {source.count(old)} times: {old}")
                source = source.replace(old, new)
            module = ModuleType(name)
            module.__dict__.update(late=late, Keep=Keep)
            sys.modules[name] = found[name] = module
            exec(compile(source, name, "exec"), module.__dict__)
    finally:
        sys.modules.update(before)
    return SimpleNamespace(**{name.removeprefix("streams."): module for name, module in found.items()})
