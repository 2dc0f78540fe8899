"""The turns of one account that wait for an answer: how many, how urgent, the oldest, and what falls due next.

Rolling rows ask for all of this once a minute, and there may be a million who wait, so nothing here looks at every turn:
counts change as turns come, escalate and go, and two heaps know the next and the oldest. An entry of a heap that no longer
holds is dropped when it comes to the top.
"""

from heapq import heapify, heappop, heappush

from schemas.codec import Record
from streams.metrics.alerts import PAST_TARGET, next_at
from streams.metrics.threads import NOBODY, Strand, Turn

_STALE = 64
"""So many entries of answered turns are never worth a new heap."""


class Waiting:
    """Turns that wait, by id. Times in ms."""

    def __init__(self, expiry: int) -> None:
        self._expiry = expiry
        self._turns: dict[str, tuple[Strand, Turn, int]] = {}
        """Each with the time at which it next falls due."""
        self._agenda: list[tuple[int, str]] = []
        """(when, turn): what falls due."""
        self._opened: list[tuple[int, str]] = []
        """(opened at, turn): the oldest first."""
        self._at_risk = 0
        self._breached = 0

    def add(self, strand: Strand, turn: Turn) -> None:
        """Note that a turn waits, or that it is another object or has escalated since."""
        self.discard(turn.id)
        when = next_at(turn, self._expiry)
        self._turns[turn.id] = (strand, turn, when)
        heappush(self._agenda, (when, turn.id))
        heappush(self._opened, (turn.opened_at, turn.id))
        if turn.escalation != NOBODY:
            self._count(turn, 1)

    def discard(self, turn_id: str) -> None:
        """Note that a turn no longer waits, if it did. Its escalation must still be what it was when it was added."""
        entry = self._turns.pop(turn_id, None)
        if entry is None:
            return
        if entry[1].escalation != NOBODY:
            self._count(entry[1], -1)
        if len(self._opened) > 2 * len(self._turns) + _STALE:
            self._opened = [(turn.opened_at, turn.id) for _, turn, _ in self._turns.values()]
            heapify(self._opened)

    def _count(self, turn: Turn, sign: int) -> None:
        if turn.escalation < PAST_TARGET:
            self._at_risk += sign
        else:
            self._breached += sign

    def next_at(self) -> int | None:
        """Return when something falls due next; None: nobody waits."""
        agenda, turns = self._agenda, self._turns
        while agenda:
            when, turn_id = agenda[0]
            entry = turns.get(turn_id)
            if entry is not None and entry[2] == when:
                return when
            heappop(agenda)
        return None

    def due(self, clock: int) -> list[tuple[Strand, Turn, int]]:
        """Take out the turns that have fallen due by ``clock``, each with the time at which it did."""
        agenda, turns, found = self._agenda, self._turns, []
        while agenda and agenda[0][0] <= clock:
            when, turn_id = heappop(agenda)
            entry = turns.get(turn_id)
            if entry is not None and entry[2] == when:
                self.discard(turn_id)
                found.append(entry)
        return found

    def columns(self) -> Record:
        """Return what every rolling row says of those who wait."""
        return {
            "unanswered": len(self._turns),
            "at_risk": self._at_risk,
            "breached": self._breached,
            "oldest_opened_at": self._oldest_opened_at(),
        }

    def _oldest_opened_at(self) -> int | None:
        opened, turns = self._opened, self._turns
        while opened:
            opened_at, turn_id = opened[0]
            entry = turns.get(turn_id)
            if entry is not None and entry[1].opened_at == opened_at:
                return opened_at
            heappop(opened)
        return None
