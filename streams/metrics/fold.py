"""The fold: one account's state and one message's events in, the new state and the facts it makes out. Pure.

This is what the worker runs, what a backfill runs and what the tests' batch oracle runs: ``fold(state, events, …)``.
"""

from collections.abc import Callable, Sequence

from streams.metrics.account import Account
from streams.metrics.kept import LAYOUT, pack, unpack
from streams.metrics.model import Event, Facts
from streams.metrics.targets import MINUTE, Targets


class Fold:
    """Rapport's metrics as a :class:`streams.metrics.model.Model` of :class:`Account`."""

    layout = LAYOUT

    def __init__(self, targets_of: Callable[[str], Targets]) -> None:
        self._targets_of = targets_of

    def new(self, account: str) -> Account:
        """Return the state of an account that nothing has happened to."""
        return Account(account, self._targets_of(account))

    def loads(self, account: str, layout: int, data: bytes) -> Account:
        """Return the state that :meth:`dumps` wrote. Raises ValueError for a layout that it cannot read."""
        if layout != LAYOUT:
            raise ValueError(f"state of {account} has layout {layout}; this release reads layout {LAYOUT}")
        return unpack(account, self._targets_of(account), data)

    def dumps(self, state: Account) -> bytes:
        """Return the state as bytes; nothing may be pending."""
        return pack(state)

    def fold(self, state: Account, events: Sequence[Event], before: int, clock: int, version: int, facts: Facts) -> int:  # noqa: PLR0913, PLR0917 - the contract's
        """Take in one message of the account; see :meth:`streams.metrics.model.Model.fold`."""
        minute, said = clock // MINUTE, -1
        if state.live and state.panes.now != minute:  # rows of the minute of its last event are still owed
            said = state.panes.now
            state.say_rolling(version, facts, also_empty=True)
        if before > state.clock:
            # What fell due in between has been said; an account that was read from a checkpoint does not know.
            live = state.live
            state.advance(before, version, Facts())
            state.say_changes(version, Facts())
            state.live = live
        if state.panes.now not in (minute, said) and state.panes.windows[-1]:
            state.say_rolling(version, facts, also_empty=False)  # the last word on the minute that is over
        for seen_at, event in events:
            state.take(seen_at, event)
        state.advance(clock, version, facts)
        state.say_changes(version, facts)
        return state.wake()

    def settle(self, state: Account, version: int, facts: Facts) -> None:
        """Append the panes and rolling rows that were held back."""
        state.say_panes(version, facts)
        if state.live:
            state.say_rolling(version, facts, also_empty=True)

    def pending(self, state: Account) -> bool:
        """Say whether rows are held back."""
        return state.owes()
