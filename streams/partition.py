"""One ownership of one input partition: the accounts' live states, and what of them is not yet safe. Pure.

No Faust, no Kafka, no clock: messages come in by :meth:`Partition.apply`, what has to be sent goes out by
:meth:`Partition.snapshot`, and monotonic time is an argument. ``streams/cycle.py`` says in which order a snapshot is sent;
``streams/envelope.py`` what its records mean. Why each rule is there: tests/faults/random_schedules.py removes them one by one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Final, Generic, NamedTuple

from schemas.codec import Record
from schemas.topics import LARGEST_CHECKPOINT
from streams.envelope import GENERATION_BITS, Checkpoint, Claim, Loaded, Stored, account_key, new_epoch
from streams.errors import RapportError
from streams.intake import Message, open_message
from streams.metrics.model import NEVER, Event, Facts, Model, State

SETTLE_SECONDS: Final = 1.0
"""An account's held-back rows go out at most this often, unless they must."""
WAKES: Final = 50
"""Accounts in which what fell due happens in one step. Each takes up to some milliseconds: as many as that when a thousand who
wait in it have to be read from its checkpoint first."""
_ENVELOPE_BYTES: Final = 10_000
"""More than Kafka adds to a checkpoint."""
_BEFORE_ALL: Final = -1
"""An offset before the first."""


class BrokenRuleError(Exception):
    """Offsets are not contiguous, or a promise that replays rest on is broken: the process must not go on."""


class Change(NamedTuple):
    """The first thing that happened to an account since its checkpoint."""

    offset: int
    clock: int
    """The partition's clock before it, ms."""
    since: float
    """When it was folded, monotonic seconds."""


class Quota(NamedTuple):
    """What one cycle may checkpoint."""

    age: float
    """Accounts whose first unsaved change is this old, seconds; and a claim is this often due."""
    accounts: int
    """At most so many of them, oldest first."""


@dataclass
class Snapshot:
    """What one partition has to send in one cycle, in this order, each acknowledged before the next."""

    facts: Facts
    letters: list[Record]
    records: list[tuple[str, bytes, bytes]] = field(default_factory=list)
    """Account, key and value of the accounts checkpointed."""
    deletions: list[bytes] = field(default_factory=list)
    """Keys of earlier epochs, which a claim of this one has made obsolete."""
    claim: Claim | None = None
    """True once all of the above, and all earlier snapshots, are acknowledged."""


class Partition(Generic[State]):
    """What a worker knows of a partition that it owns."""

    def __init__(self, model: Model[State], loaded: Loaded, first: int, generation: int) -> None:
        """Take the partition over where ``loaded`` says; ``first`` is the first offset that the input topic still has."""
        self._model = model
        self._base = generation << GENERATION_BITS
        accounts, claim = loaded.accounts(), loaded.claim()
        self.epoch = new_epoch(loaded.highest_epoch())
        # -- where it stands
        claimed_here = claim is not None and claim.version >= self._base
        self.last = claim.version - self._base if claim is not None and claimed_here else first - 1
        """Last input offset folded."""
        self.clock = claim.clock if claim is not None else 0
        """The partition's clock there, ms."""
        self._under_way: int | None = None
        """The clock before the last message, ms, while that has not been folded wholly; then None."""
        # -- what it knows of each account
        self.states: dict[str, State | Stored] = {account: row.state for account, row in accounts.items()}
        self.offsets = {account: max(row.version - self._base, _BEFORE_ALL) for account, row in accounts.items()}
        """The last offset that touched it, ticks included."""
        self.wakes = {account: row.time for account, row in accounts.items()}
        """The clock at which something falls due in it, ms."""
        self._heap = [(wake, account) for account, wake in self.wakes.items() if wake < NEVER]
        heapify(self._heap)
        # -- what is not yet safe
        self.dirty: dict[str, Change] = dict.fromkeys(self.offsets, Change(_BEFORE_ALL + 1, 0, float("-inf")))
        """Accounts that differ from their checkpoint of THIS epoch, oldest change first: at first all, so that all are
        rewritten before the first claim."""
        self._obsolete = list(loaded.rows)
        """Keys of earlier epochs, deleted after the first claim."""
        self.claimed = _BEFORE_ALL
        """The offset of the newest acknowledged claim of this epoch."""
        self._claimed_at = float("-inf")
        # -- what is to be sent
        self._facts = Facts()
        self._letters: list[Record] = []
        self._owed: dict[str, None] = {}
        """Rows held back of accounts that are not dirty: only time touched them, no replay makes them again."""
        self._held: dict[str, None] = {}
        """Rows held back of dirty accounts: a replay makes them again, for no claim passes the account's first change."""
        self._settled: dict[str, float] = {}
        """When an account's rows last went out, monotonic seconds, oldest first; forgotten after :data:`SETTLE_SECONDS`."""
        # -- what it has done since somebody last asked
        self.kinds: Counter[str] = Counter()
        """Events folded, by kind."""
        self.folded = 0
        """Messages folded wholly."""

    # -- input ------------------------------------------------------------------------------------------------------------

    def apply(self, message: Message, now: float) -> None:
        """Fold one message in one go; as :meth:`begin` and :meth:`go_on`."""
        more = self.begin(message, now)
        while more:
            more = self.go_on()

    def begin(self, message: Message, now: float) -> bool:
        """Fold one message: take in its events, and the first step of :meth:`go_on`; say whether there are more.

        Raises :class:`BrokenRuleError` if it is not the next one, or the one before it is not done with.
        """
        offset, before = message.offset, self.clock
        if offset <= self.last:
            return False  # fetched before the seek
        if offset != self.last + 1 or self._under_way is not None:
            raise BrokenRuleError(f"{message.topic}/{message.partition}: offset {offset} came after {self.last}")
        opened = open_message(message, before)
        self.last, self.clock, self._under_way = offset, opened.clock, before
        self._letters += opened.letters
        for kind, events_of_kind in opened.kinds.items():
            self.kinds[kind] += events_of_kind
        for account, events in opened.events.items():
            if offset <= self.offsets.get(account, _BEFORE_ALL):
                continue  # it is in the checkpoint that the account was loaded from
            if account not in self.dirty:
                if account in self._owed:  # the claim may pass the tick they come from: this change is later
                    self._settle((account,), now)
                self.dirty[account] = Change(offset, before, now)
            self._touch(account, events, before)
        return self.go_on()

    def go_on(self) -> bool:
        """Let happen what fell due by the last message in accounts that it does not mention, :data:`WAKES` of them in a step.

        Returns whether there are more. Snapshots may be taken in between: they do not cover this message.
        """
        before, left = self._under_way, WAKES
        if before is None:
            return False
        while self._heap and self._heap[0][0] <= self.clock:
            if not left:
                return True
            wake, account = heappop(self._heap)
            if self.wakes[account] != wake:
                continue  # an older entry
            if self.offsets[account] >= self.last:
                raise BrokenRuleError(
                    f"{account} is due at {wake}, but its checkpoint of offset {self.offsets[account]} is past that"
                )
            self._touch(account, (), before)
            left -= 1
        self._under_way = None
        self.folded += 1
        return False

    def _touch(self, account: str, events: Sequence[Event], before: int) -> None:
        state = self.states.get(account)
        if state is None:
            state = self.states[account] = self._model.new(account)
        elif isinstance(state, Stored):
            state = self.states[account] = self._load(account, state)
        wake = self._model.fold(state, events, before, self.clock, self._base + self.last, self._facts)
        if wake <= self.clock:
            raise BrokenRuleError(
                f"the model wants {account} to wake at {wake}, but the clock is at {self.clock} already"
            )
        self.offsets[account] = self.last
        if wake != self.wakes.get(account):
            self.wakes[account] = wake
            if wake < NEVER:
                self._wake_at(wake, account)
        if self._model.pending(state):
            (self._held if account in self.dirty else self._owed)[account] = None

    def _wake_at(self, wake: int, account: str) -> None:
        """Enter the account in the heap; older entries stay, and are dropped when there are more of them than accounts."""
        heappush(self._heap, (wake, account))
        if len(self._heap) > 2 * len(self.wakes) + 1000:
            self._heap = [(wake, account) for account, wake in self.wakes.items() if wake < NEVER]
            heapify(self._heap)

    def _load(self, account: str, stored: Stored) -> State:
        try:
            return self._model.loads(account, stored.layout, stored.data)
        except ValueError as error:
            raise RapportError(
                f"the state of {account} has layout {stored.layout} and cannot be read ({error})",
                "run the version of Rapport that wrote it, or a later one",
            ) from error

    # -- output -----------------------------------------------------------------------------------------------------------

    def unsent(self) -> int:
        """Return how many facts and dead letters the next snapshot will have at least."""
        facts = self._facts
        return len(facts.turns) + len(facts.panes) + len(facts.rolling) + len(facts.alerts) + len(self._letters)

    def snapshot(self, now: float, quota: Quota | None, *, backlog: bool) -> Snapshot:
        """Return what is to be sent now; ``quota`` None: outputs only. With a ``backlog``, rows are held as long as may be.

        All of it at once, without giving way to :meth:`apply`: a claim speaks of this snapshot's facts and of no later ones.
        """
        due = [] if quota is None else self._due(now, quota)
        self._settle([account for account in due if account in self._held], now)
        self._settle(tuple(self._owed), now)
        if not backlog:
            self._settle(self._rested(now), now)
        snapshot = Snapshot(self._facts, self._letters)
        self._facts, self._letters = Facts(), []
        if quota is not None:
            for account in due:
                del self.dirty[account]
            snapshot.records = [(account, account_key(account, self.epoch), self._encode(account)) for account in due]
            if self.claimed > _BEFORE_ALL:
                snapshot.deletions = self._obsolete[: quota.accounts]
                del self._obsolete[: quota.accounts]
            low, clock = self.covered()
            if low > self.claimed and (due or now - self._claimed_at >= quota.age):
                snapshot.claim = Claim(self._base + low, clock)
        return snapshot

    def acknowledged(self, claim: Claim, now: float) -> None:
        """Note that ``claim`` of a snapshot is in the topic."""
        self.claimed, self._claimed_at = claim.version - self._base, now

    def covered(self) -> tuple[int, int]:
        """Return the offset before the oldest change that is not checkpointed, and the clock THERE: what may be claimed."""
        oldest = next(iter(self.dirty.values()), None)
        if oldest is not None:
            return oldest.offset - 1, oldest.clock
        return (self.last, self.clock) if self._under_way is None else (self.last - 1, self._under_way)

    def age(self, now: float, taken_over: float) -> float:
        """Return the seconds since the oldest change that is not checkpointed; none is older than the ownership."""
        oldest = next(iter(self.dirty.values()), None)
        return 0.0 if oldest is None else now - max(oldest.since, taken_over)

    def _due(self, now: float, quota: Quota) -> list[str]:
        oldest = islice(self.dirty.items(), quota.accounts)
        return [account for account, change in oldest if change.since <= now - quota.age]

    def _settle(self, accounts: Iterable[str], now: float) -> None:
        """Let rows go out that were held back, as of the last offset that touched each account."""
        for account in accounts:
            state = self.states[account]
            if not isinstance(state, Stored):
                self._model.settle(state, self._base + self.offsets[account], self._facts)
            self._owed.pop(account, None)
            self._held.pop(account, None)
            self._settled.pop(account, None)
            self._settled[account] = now

    def _rested(self, now: float) -> list[str]:
        """Return the dirty accounts with rows held back, whose rows have not gone out for :data:`SETTLE_SECONDS`."""
        rested: list[str] = []  # few of all accounts: they are not copied to be looked through
        for account, at in self._settled.items():
            if at > now - SETTLE_SECONDS:
                break
            rested.append(account)
        for account in rested:
            del self._settled[account]
        return [account for account in self._held if account not in self._settled]

    def _encode(self, account: str) -> bytes:
        state = self.states[account]
        if not isinstance(state, Stored):
            state = Stored(self._model.layout, self._model.dumps(state))
        written = Checkpoint(self._base + self.offsets[account], self.wakes[account], state).encode()
        if len(written) > LARGEST_CHECKPOINT - _ENVELOPE_BYTES:
            raise RapportError(
                f"the state of {account} takes {len(written):,} bytes, more than the {LARGEST_CHECKPOINT:,} of a checkpoint",
                "shorten its expiry_days or lateness_hours",
            )
        return written
