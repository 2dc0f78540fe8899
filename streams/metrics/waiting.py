"""The turns of one account that wait for an answer: how many, how urgent, the oldest, and what falls due next.

Rolling rows ask for all of this once a minute, and there may be a million who wait, so nothing here looks at every turn:
counts change as turns come, escalate and go, and a heap knows what falls due next. An entry of the heap that no longer
holds is dropped when it comes to the top. The oldest is looked for only after it has gone.
"""

from heapq import heappop, heappush

from schemas.codec import Record
from streams.metrics.alerts import PAST_TARGET, next_at
from streams.metrics.threads import NOBODY, Turn


class Waiting:
    """Turns that wait, by id. Times in ms."""

    def __init__(self, expiry: int) -> None:
        self._expiry = expiry
        self._turns: dict[str, Turn] = {}
        self._agenda: list[tuple[int, str]] = []
        """(when, turn): what falls due."""
        self._oldest: int | None = None
        """When the oldest was opened; None: look for it."""
        self._at_risk = 0
        self._breached = 0

    def add(self, turn: Turn) -> None:
        """Note that a turn waits, or that it is another object or has escalated since."""
        self.discard(turn.id)
        turn.falls_due = next_at(turn, self._expiry)
        self._turns[turn.id] = turn
        heappush(self._agenda, (turn.falls_due, turn.id))
        if self._oldest is not None and turn.opened_at < self._oldest:
            self._oldest = turn.opened_at
        if turn.escalation != NOBODY:
            self._count(turn, 1)

    def discard(self, turn_id: str) -> None:
        """Note that a turn no longer waits, if it did. Its escalation must still be what it was when it was added."""
        turn = self._turns.pop(turn_id, None)
        if turn is None:
            return
        if turn.escalation != NOBODY:
            self._count(turn, -1)
        if turn.opened_at == self._oldest:
            self._oldest = None

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
            turn = turns.get(turn_id)
            if turn is not None and turn.falls_due == when:
                return when
            heappop(agenda)
        return None

    def due(self, clock: int) -> list[Turn]:
        """Take out the turns that have fallen due by ``clock``."""
        agenda, turns, found = self._agenda, self._turns, list[Turn]()
        while agenda and agenda[0][0] <= clock:
            when, turn_id = heappop(agenda)
            turn = turns.get(turn_id)
            if turn is not None and turn.falls_due == when:
                self.discard(turn_id)
                found.append(turn)
        return found

    def columns(self) -> Record:
        """Return what every rolling row says of those who wait."""
        if self._oldest is None:
            self._oldest = min([turn.opened_at for turn in self._turns.values()], default=None)
        return {
            "unanswered": len(self._turns),
            "at_risk": self._at_risk,
            "breached": self._breached,
            "oldest_opened_at": self._oldest,
        }
