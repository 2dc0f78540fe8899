"""What the processor's shell needs of the metrics: the contract between ``streams/checkpoint.py`` and the pure fold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from schemas.codec import Record

NEVER: Final = (1 << 63) - 1
"""A clock that is never reached."""


@dataclass(slots=True)
class Facts:
    """Records to be sent, by the topic they go to. Each is whole, its ``version`` included, and written (``schemas/rows.py``)."""

    turns: list[bytes] = field(default_factory=list)
    panes: list[bytes] = field(default_factory=list)
    rolling: list[bytes] = field(default_factory=list)
    alerts: list[bytes] = field(default_factory=list)


State = TypeVar("State")
Event = tuple[int, Record]
"""The partition's clock when the event was seen (ms), and the Interaction."""


class Model(Protocol[State]):
    """How an account's state is made, changed and kept.

    Rules: no clock, no randomness, no order of sets, no ``hash()``; ``loads(dumps(state))`` equals ``state``; facts are a
    function of the state and the arguments, so that a replay of the same input writes the same facts again.
    """

    layout: int
    """Version of what ``dumps`` writes."""

    def new(self, account: str) -> State:
        """Return the state of an account that nothing has happened to."""

    def loads(self, account: str, layout: int, data: bytes) -> State:
        """Return the state that ``dumps`` wrote. Raises ValueError for a layout that it cannot read."""

    def dumps(self, state: State) -> bytes:
        """Return the state as bytes. Only called when nothing is pending."""

    def fold(self, state: State, events: Sequence[Event], before: int, clock: int, version: int, facts: Facts) -> int:  # noqa: PLR0913, PLR0917
        """Take in one message: ``events`` of this account (none: only time passes), moving its clock from ``before`` to ``clock``.

        What fell due up to ``before`` has been said already and is not said again; what falls due in (before, clock] is
        appended to ``facts`` with ``version``. Turns and alerts are appended at once; panes and rolling rows that may wait
        are held in the state until :meth:`settle`, and are ``pending``. Returns the clock at which something falls due next.
        """

    def settle(self, state: State, version: int, facts: Facts) -> None:
        """Append the rows that were held back, as of the account's last ``version``; then nothing is pending."""

    def pending(self, state: State) -> bool:
        """Say whether rows are held back."""
