"""Rapport's worker with the compared work in place of its fold: its protocol alone, checkpoints and all.

An account's counts go out when they are settled, as Rapport's own rows do: not after each event.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.codec import newest
from schemas.rows import rolling
from streams.app import run_worker
from streams.config import load_settings
from streams.metrics.model import NEVER, Event, Facts
from tests.benchmarks.peers.work import FIELDS, Job, Progress, count, thread_of

_EMPTY: Final = {each["name"]: each["default"] for each in newest("rolling").record["fields"] if "default" in each}


@dataclass(slots=True)
class Account:
    """The state of an account."""

    account: str
    counts: list[int] = field(default_factory=lambda: [0] * len(FIELDS))
    opened: dict[str, int] = field(default_factory=dict)
    """When the open turn of each thread was opened."""
    clock: int = 0
    changed: bool = False


class Small:
    """The model (:class:`streams.metrics.model.Model`)."""

    layout = 1

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def new(self, account: str) -> Account:
        return Account(account)

    def loads(self, account: str, layout: int, data: bytes) -> Account:
        assert layout == self.layout
        return Account(account, *json.loads(data))

    def dumps(self, state: Account) -> bytes:
        return json.dumps([state.counts, state.opened]).encode()

    def fold(self, state: Account, events: Sequence[Event], _: int, clock: int, __: int, ___: Facts) -> int:
        for _, event in events:
            thread = thread_of(event)
            after = count(event, state.counts, state.opened.pop(thread, None))
            if after is not None:
                state.opened[thread] = after
            self._progress.advance()
        state.clock, state.changed = clock, True
        return NEVER

    def settle(self, state: Account, version: int, facts: Facts) -> None:
        counts = dict(zip(FIELDS, state.counts, strict=True))
        row = {"account": state.account, "window": "all", "as_of": state.clock, "version": version}
        facts.rolling.append(rolling(**(_EMPTY | row | counts)))
        state.changed = False

    def pending(self, state: Account) -> bool:
        return state.changed


if __name__ == "__main__":
    run_worker(load_settings(), Small(Progress(Job.from_arguments().events)))
