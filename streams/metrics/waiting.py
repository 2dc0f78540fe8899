"""The turns of one account that wait for an answer: how many, how urgent, the oldest, and what falls due next.

Rolling rows ask for all of this once a minute, and there may be a million who wait, so nothing here looks at every turn:
counts change as turns come, escalate and go. What falls due is found by its minute, and put in order only when that minute is
next: most turns have been answered by then. The oldest is looked for only after it has gone.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from streams.metrics.alerts import PAST_TARGET, next_at
from streams.metrics.targets import MINUTE, Targets
from streams.metrics.threads import NOBODY, Strand, Turn

if TYPE_CHECKING:
    from mypy_extensions import i64

_NEVER: Final = -1


@mypyc_attr(acyclic=True)
class Wait:
    """One that waits: of its turn, what is counted here. The turn itself may be bytes meanwhile."""

    __slots__ = ("_strand", "escalation", "falls_due", "id", "opened_at")

    def __init__(self, turn: Turn, strand: Strand) -> None:
        self._strand = strand
        self.id = turn.id
        """The turn's."""
        self.opened_at: i64 = turn.opened_at
        self.escalation: i64 = NOBODY
        self.falls_due: i64 = _NEVER
        """The clock at which the turn escalates or expires next, unless it has been taken out for that or waits no longer."""

    def turn(self) -> Turn:
        """Return the turn."""
        return self._strand.turn(self.id)


class Waiting:
    """Turns that wait, by id. Times in ms."""

    def __init__(self, targets: Targets) -> None:
        self._expiry = targets.expiry
        self._calendar = targets.calendar
        self._waits: dict[str, Wait] = {}
        self._next: list[tuple[int, str]] = []
        """(when, turn): what falls due up to the end of the minute ``_minute``, as a heap. What no longer holds is dropped when it
        comes to the top."""
        self._minute = 0
        self._later: dict[int, list[Wait]] = {}
        """The turns that fall due later, by the minute in which they do, unless they have been answered since."""
        self._minutes: list[int] = []
        """Those minutes, as a heap."""
        self._oldest: int | None = None
        """When the oldest was opened; None: look for it."""
        self._at_risk = 0
        self._breached = 0

    def add(self, turn: Turn, strand: Strand) -> None:
        """Note that a turn of a strand waits, or that it is another since."""
        self.discard(turn.id)
        wait = self._waits[turn.id] = Wait(turn, strand)
        if self._oldest is not None and turn.opened_at < self._oldest:
            self._oldest = turn.opened_at
        self.go_on(wait, turn)

    def go_on(self, wait: Wait, turn: Turn) -> None:
        """Note that a turn that had fallen due goes on waiting, as it stands now."""
        self._count(wait.escalation, -1)
        self._count(turn.escalation, 1)
        falls_due = next_at(turn, self._expiry, self._calendar)
        wait.escalation, wait.falls_due = turn.escalation, falls_due
        minute = falls_due // MINUTE
        later = self._later.get(minute)
        if later is not None:
            later.append(wait)
        elif minute <= self._minute:
            heappush(self._next, (falls_due, turn.id))
        else:
            self._later[minute] = [wait]
            heappush(self._minutes, minute)

    def discard(self, turn_id: str) -> None:
        """Note that a turn no longer waits, if it did."""
        wait = self._waits.pop(turn_id, None)
        if wait is None:
            return
        self._count(wait.escalation, -1)
        wait.falls_due = _NEVER
        if wait.opened_at == self._oldest:
            self._oldest = None

    def _count(self, escalation: int, sign: int) -> None:
        if escalation >= PAST_TARGET:
            self._breached += sign
        elif escalation != NOBODY:
            self._at_risk += sign

    def next_at(self) -> int | None:
        """Return when something falls due next; None: nobody waits."""
        waits = self._waits
        while True:
            while self._next:
                when, turn_id = self._next[0]
                wait = waits.get(turn_id)
                if wait is not None and wait.falls_due == when:
                    return when
                heappop(self._next)
            if not self._minutes:
                return None
            self._minute = heappop(self._minutes)
            for wait in self._later.pop(self._minute):
                if wait.falls_due // MINUTE == self._minute:
                    self._next.append((wait.falls_due, wait.id))
            heapify(self._next)

    def due(self, clock: int) -> list[Wait]:
        """Take out what has fallen due by ``clock``; each is to :meth:`go_on`, or to be discarded."""
        found: list[Wait] = []
        while (when := self.next_at()) is not None and when <= clock:
            _, turn_id = heappop(self._next)
            wait = self._waits[turn_id]
            wait.falls_due = _NEVER
            found.append(wait)
        return found

    def gauges(self) -> tuple[int, int, int, int | None]:
        """Return how many wait, how many of them are at risk, how many past target, and when the oldest was opened."""
        if self._oldest is None:
            self._oldest = min([wait.opened_at for wait in self._waits.values()], default=None)
        return len(self._waits), self._at_risk, self._breached, self._oldest
