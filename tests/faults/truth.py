"""What has to be written: one sequential pass of the product's own fold over a partition's input, nothing lazy and nothing lost."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from schemas.codec import Record
from streams.intake import Message, open_message
from streams.metrics.account import Account
from streams.metrics.fold import Fold
from streams.metrics.model import Facts
from streams.metrics.targets import Targets
from tests.told import told

Key = tuple[object, ...]
Row = tuple[object, ...]
KEYS = {  # in the order of Told
    "turn": ("account", "turn_id"),
    "pane": ("account", "minute"),
    "rolling": ("account", "window", "as_of"),
    "alert": ("account", "alert_id"),
}
HELD = frozenset(("pane", "rolling"))
"""Records that may be held back for a while: rows in between need not be written, and carry the version they go out with."""


def key_of(record: str, row: Record) -> Key:
    """Return what stays the same when a row is replaced."""
    return record, *(row[name] for name in KEYS[record])


class Touch(NamedTuple):
    """What one message does to one account."""

    account: str
    version: int
    facts: Facts
    """What it says at once."""
    settle: Callable[[], Facts]
    """Return what might be held back then, as it stands after the message."""


class Pass:
    """The pass over one partition, message by message."""

    def __init__(self, targets_of: Callable[[str], Targets]) -> None:
        self._model = Fold(targets_of)
        self._states: dict[str, Account] = {}
        self._wakes: dict[str, int] = {}
        self._versions: dict[str, int] = {}
        self._clock = 0
        self.letters: list[Record] = []

    def take(self, message: Message, besides: Collection[str] = ()) -> Iterator[Touch]:
        """Fold a message in, and yield what comes of it, account by account.

        ``besides``: accounts that are yielded although nothing happens to them. When an account is looked at next depends a
        little on when its rows went out last: an owner may look in vain, and say again what was true before, of a later version.
        """
        before, opened, looked = self._clock, open_message(message, self._clock), set(besides)
        self._clock = opened.clock
        self.letters += opened.letters
        due: Iterable[str] = ()
        if self._wakes and min(self._wakes.values()) <= self._clock:
            due = [account for account, wake in self._wakes.items() if wake <= self._clock]
        for account in dict.fromkeys((*opened.events, *due)):
            if account not in self._states:
                self._states[account] = self._model.new(account)
            state, facts, events = self._states[account], Facts(), opened.events.get(account, ())
            self._wakes[account] = self._model.fold(state, events, before, self._clock, message.offset, facts)
            self._versions[account] = message.offset
            yield self._touch(account, message.offset, facts)
            looked.discard(account)
        for account in sorted(looked & self._states.keys()):
            yield self._touch(account, message.offset, Facts())

    def end(self) -> Iterator[Touch]:
        """Yield every account once more, with what it may still hold back."""
        for account, version in self._versions.items():
            yield Touch(account, version, self._settle(account, version), Facts)

    def _touch(self, account: str, version: int, facts: Facts) -> Touch:
        return Touch(account, version, facts, lambda: self._settle(account, version))

    def _settle(self, account: str, version: int) -> Facts:
        """Return the rows that an owner might hold back now; rolling rows stay owed, for some owner may not have said them yet."""
        facts, state = Facts(), self._states[account]
        live = state.live
        self._model.settle(state, version, facts)
        state.live = live
        return facts


def rows(facts: Facts) -> Iterator[tuple[Key, Record]]:
    """Yield the rows of ``facts`` with their keys."""
    for record, said in zip(KEYS, told(facts), strict=True):
        for row in said:
            yield key_of(record, row), row
