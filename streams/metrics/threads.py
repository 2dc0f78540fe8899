"""Threads and their turns: what a contact and the brand said to each other, and what of it needed an answer.

A :class:`Strand` holds the messages between the account and ONE contact under ONE conversation id. It falls into threads
wherever nobody spoke for long, and a thread into turns. All of that is a function of the strand's messages in their order,
so any order of arrival gives the same turns (docs/metrics.md). A message that comes last, as nearly all do, takes one
step of :func:`thread_of` and :func:`extend`; any other makes :func:`rebuild` take all the steps again.

Most strands are silent, and kept for two weeks although little will ever be asked of them. So one that has been written for a
checkpoint stands as those bytes from then on, and is made of objects only while somebody speaks in it.

None of these objects is ever part of a cycle, so that, compiled, the garbage collector does not look at them: ``acyclic``.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from mypy_extensions import mypyc_attr

from streams.metrics.targets import DAY, Targets

MENTION: Final = 0
REPLY: Final = 1
AUTOMATED_REPLY: Final = 2
BROADCAST: Final = 3
PEER: Final = 4
OPT_OUT: Final = 5
"""No message, but kept as one that is in no strand: an id, a time, and something to take back."""

SILENCE_WITHOUT_CONVERSATION: Final = DAY
"""Where the network has no conversations, a thread ends after this much silence, in ms."""

NOBODY: Final = -1


Row = Sequence[Any]
"""What is kept of an object, as values of MessagePack: written as a tuple, read as a list."""
encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder().decode


@mypyc_attr(acyclic=True)
class Message:
    """One message, as far as turns depend on it."""

    __slots__ = (
        *("at", "band", "contact", "homed", "id", "kind", "marked", "parent", "place", "rule", "settled", "template"),
        "thread",
    )

    def __init__(self, post: str, at: int, kind: int, parent: str) -> None:
        self.id = post
        self.at = at
        """published_at, ms."""
        self.kind = kind
        self.parent = parent
        self.homed = True
        """The event itself says which strand it belongs to; else its parent does, and while that is not known, ``contact``."""
        self.contact = ""
        self.place = at
        """Its time in the thread, ms: its own, or that of the post it answers if that is later."""
        self.thread = 0
        """Which thread of the strand it is in."""
        self.marked = False
        """It is a mention that is not meant well, or a broadcast with a link to the brand itself."""
        self.rule = ""
        """It is a mention that this rule is for."""
        self.band = 0
        """It is a mention by somebody of this band of followers (``counters.py``)."""
        self.template = 0
        """It is a reply that says what all others of this number say."""
        self.settled = False
        """It is in its parent's thread, and stays there: the parent has been forgotten."""

    def row(self) -> Row:
        """Return what is kept."""
        return (
            self.id,
            self.at,
            self.kind,
            self.parent,
            self.homed,
            self.contact,
            self.place,
            self.thread,
            self.settled,
            self.marked,
            self.rule,
            self.band,
            self.template,
        )

    @staticmethod
    def from_row(row: Row) -> "Message":
        """Return the message of a row."""
        message = Message(row[0], row[1], row[2], row[3])
        message.homed, message.contact, message.place, message.thread = row[4], row[5], row[6], row[7]
        message.settled, message.marked, message.rule = row[8], row[9], row[10]
        message.band, message.template = row[11], row[12]
        return message


@mypyc_attr(acyclic=True)
class Turn:
    """One turn. Times in ms."""

    __slots__ = (
        *("answered_at", "automated_at", "band", "calendar", "contact", "conversation", "due_at", "escalation"),
        *("expired", "id", "messages", "opened_at", "ordinal", "reply_id", "rule", "skewed"),
    )

    def __init__(self, strand: "Strand", first: str, ordinal: int, opened_at: int, due_at: int) -> None:
        self.contact = strand.contact
        self.conversation = strand.conversation
        self.id = first
        self.ordinal = ordinal
        self.opened_at = opened_at
        self.due_at = due_at
        self.calendar = ""
        """The version of the calendar that it is measured with; empty: around the clock."""
        self.rule = ""
        """The rule that was for its first message, and gave the target; empty: the account's own."""
        self.band = 0
        """That of its first message."""
        self.messages = 1
        self.answered_at: int | None = None
        self.reply_id = ""
        self.skewed = False
        self.automated_at: int | None = None
        self.expired = False
        """Its age has passed the expiry: nothing answers it any more. Set by the account, which has the clock."""
        self.escalation = NOBODY
        """How far its alert has gone: -1 silent, 0 warned, 1 past the target, 2 past twice and 3 past four times the target."""

    @property
    def waits(self) -> bool:
        """Whether it still needs an answer."""
        return self.answered_at is None and not self.expired

    @property
    def response(self) -> int | None:
        """Response time in ms; None if unanswered or if the clocks disagree."""
        return None if self.answered_at is None or self.skewed else self.answered_at - self.opened_at

    def row(self) -> Row:
        """Return what is kept; equal for turns of a strand that say the same."""
        return (
            self.id,
            self.ordinal,
            self.opened_at,
            self.due_at,
            self.messages,
            self.answered_at,
            self.reply_id,
            self.skewed,
            self.automated_at,
            self.expired,
            self.escalation,
            self.calendar,
            self.rule,
            self.band,
        )

    @staticmethod
    def from_row(row: Row, strand: "Strand") -> "Turn":
        """Return the turn of a row."""
        turn = Turn(strand, row[0], row[1], row[2], row[3])
        turn.messages, turn.answered_at, turn.reply_id, turn.skewed = row[4], row[5], row[6], row[7]
        turn.automated_at, turn.expired, turn.escalation = row[8], row[9], row[10]
        turn.calendar, turn.rule, turn.band = row[11], row[12], row[13]
        return turn


@mypyc_attr(acyclic=True)
class Thread:
    """One thread, as far as it has come."""

    __slots__ = ("alternations", "has_contact", "last_at", "side", "turns", "turns_before")

    def __init__(self, last_at: int) -> None:
        self.last_at = last_at
        self.alternations = 0
        """Changes of side between contact and brand."""
        self.side = NOBODY
        """Who spoke last: MENTION or REPLY."""
        self.has_contact = False
        self.turns_before = 0
        """Turns that have been forgotten."""
        self.turns: list[Turn] = []

    def row(self) -> Row:
        """Return what is kept."""
        turns = [turn.row() for turn in self.turns]
        return (self.last_at, self.alternations, self.side, self.has_contact, self.turns_before, turns)

    @staticmethod
    def from_row(row: Row, strand: "Strand") -> "Thread":
        """Return the thread of a row."""
        thread = Thread(row[0])
        thread.alternations, thread.side, thread.has_contact, thread.turns_before = row[1], row[2], row[3], row[4]
        thread.turns = [Turn.from_row(turn, strand) for turn in row[5]]
        return thread


_NO_MESSAGES: Final[list[Message]] = []
_NO_THREADS: Final[list[Thread]] = []


@mypyc_attr(acyclic=True)
class Strand:
    """The messages between the account and one contact under one conversation id, in the order of :func:`rank`."""

    __slots__ = ("_base", "_kept", "_messages", "_there", "_threads", "contact", "conversation", "first_at", "last_at")

    def __init__(self, conversation: str, contact: str) -> None:
        self.conversation = conversation
        self.contact = contact
        self._messages: list[Message] = []
        self._threads: list[Thread] = []
        self._base: Sequence[Row] = ()
        self._there = True
        """The three above are there; else only what has been kept of them is."""
        self._kept = b""
        """Its row as MessagePack, unless something may have changed since that was written."""
        self.first_at = self.last_at = 0
        """When its first message was, and the last in any of its threads, ms; as of the row that is kept."""

    @property
    def messages(self) -> list[Message]:
        """Its messages. Whoever asks for them, or for what follows, may change them: the row is no longer that of the strand."""
        self._open()
        return self._messages

    @property
    def threads(self) -> list[Thread]:
        """What the messages come to."""
        self._open()
        return self._threads

    @threads.setter
    def threads(self, threads: list[Thread]) -> None:
        self._open()
        self._threads = threads

    @property
    def base(self) -> Sequence[Row]:
        """The rows of the threads before the first message held: what the forgotten messages had come to."""
        self._open()
        return self._base

    @base.setter
    def base(self, base: Sequence[Row]) -> None:
        self._open()
        self._base = base

    @staticmethod
    def from_kept(kept: bytes, row: Row) -> "Strand":
        """Return the strand of which ``kept`` was written; ``row`` is what that says."""
        strand = Strand(row[0], row[1])
        strand._let_go()
        strand._kept = kept
        messages, threads = row[2], row[3]
        strand.last_at = max([thread[0] for thread in threads], default=0)
        strand.first_at = messages[0][6] if messages else strand.last_at
        return strand

    def keep(self, silent: int) -> bytes:
        """Return its row as MessagePack; it stands as that alone from now on if nobody spoke after ``silent``, ms."""
        if not self._kept:
            messages, threads = self._messages, self._threads
            self.last_at = max([thread.last_at for thread in threads], default=0)
            self.first_at = messages[0].place if messages else self.last_at
            rows = [message.row() for message in messages], [thread.row() for thread in threads]
            self._kept = encode((self.conversation, self.contact, *rows, self._base))
        if self._there and self.last_at < silent:
            self._let_go()
        return self._kept

    def _let_go(self) -> None:
        """Have no objects. One empty list serves all: there may be a million strands, and nobody changes it."""
        self._there, self._messages, self._threads, self._base = False, _NO_MESSAGES, _NO_THREADS, ()

    def all_after(self, time: int) -> bool:
        """Say whether all its messages are later, as far as that is known without reading it."""
        return self._kept != b"" and self.first_at >= time

    def _open(self) -> None:
        """Make sure that its objects are there, for they are to be read and changed."""
        if not self._there:
            row = decode(self._kept)
            self._messages = [Message.from_row(message) for message in row[2]]
            self._threads = [Thread.from_row(thread, self) for thread in row[3]]
            self._base = row[4]
            self._there = True
        self._kept = b""

    def message(self, post: str) -> Message:
        """Return the message of this id, which must be held; nearly always it is one of the last."""
        for message in reversed(self.messages):
            if message.id == post:
                return message
        raise KeyError(post)

    def turn(self, turn_id: str) -> Turn:
        """Return the turn of this id, which must be held."""
        for thread in self.threads:
            for turn in thread.turns:
                if turn.id == turn_id:
                    return turn
        raise KeyError(turn_id)

    def turns(self) -> list[Turn]:
        """Return every turn that is held, oldest thread first."""
        return [turn for thread in self.threads for turn in thread.turns]


def rank(message: Message) -> tuple[int, int, str]:
    """Return where a message stands in its strand. At the same instant the contact speaks first: a reply answers it."""
    return message.place, message.kind, message.id


def follows(message: Message, parent: Message, targets: Targets) -> bool:
    """Say whether a message belongs where its parent is: replies do, unless one of the two may be forgotten by then."""
    return message.kind != MENTION and -targets.expiry <= message.at - parent.at <= 2 * targets.expiry


def thread_of(strand: Strand, message: Message, parent: Message | None, targets: Targets) -> Thread:
    """Return the thread a message belongs to: its parent's, or the last one, or a new one after silence.

    The message ranks after all others of the strand; ``parent`` is the one of the strand that it answers.
    """
    silence = targets.expiry if strand.conversation else SILENCE_WITHOUT_CONVERSATION
    threads = strand.threads
    if message.settled:
        pass
    elif parent is not None and follows(message, parent, targets):
        message.thread = parent.thread
    elif threads and message.place - threads[-1].last_at <= silence:
        message.thread = len(threads) - 1
    else:
        message.thread = len(threads)
        threads.append(Thread(message.place))
    return threads[message.thread]


def extend(strand: Strand, thread: Thread, message: Message, targets: Targets) -> Turn | None:
    """Take the next message into its thread of the strand. Returns the turn that it opened or changed."""
    thread.last_at = max(thread.last_at, message.place)
    turn = thread.turns[-1] if thread.turns else None
    if turn is not None and (turn.answered_at is not None or message.place > turn.opened_at + targets.expiry):
        turn = None
    if message.kind == AUTOMATED_REPLY:
        if turn is None or turn.automated_at is not None:
            return None
        turn.automated_at = message.place
        return turn
    if thread.side != message.kind:
        thread.alternations += thread.side != NOBODY
        thread.side = message.kind
    if message.kind == REPLY:
        if turn is not None:
            turn.answered_at = message.place
            turn.reply_id = message.id
            turn.skewed = message.at < message.place
            turn.expired = False  # the reply was in time, the news of it was not
        return turn
    thread.has_contact = True
    if turn is None:
        ordinal = thread.turns_before + len(thread.turns) + 1
        target = targets.target_of(message.rule) if message.rule else targets.target
        turn = Turn(strand, message.id, ordinal, message.at, message.at + target)
        turn.rule, turn.band = message.rule, message.band
        hours = None if targets.calendar is None else targets.calendar.at(message.at)
        if hours is not None:
            turn.due_at, turn.calendar = hours.deadline(message.at, target), hours.name
        thread.turns.append(turn)
    else:
        turn.messages += 1
    return turn


def place(message: Message, parent: Message | None, targets: Targets) -> bool:
    """Give a message its time in the thread: it never stands before the post that it follows. Say whether that moved it."""
    if parent is None or parent.place <= message.place or not follows(message, parent, targets):
        return False
    message.place = parent.place
    return True


def rebuild(strand: Strand, targets: Targets) -> None:
    """Put the strand's messages in order and take every step again."""
    by_id = {message.id: message for message in strand.messages}
    for message in strand.messages:
        message.place = message.at
    moved = True
    while moved:  # what follows one that moved may have to move as well
        moved = False
        for message in strand.messages:
            moved |= place(message, by_id.get(message.parent), targets)
    strand.messages.sort(key=rank)
    strand.threads = [Thread.from_row(row, strand) for row in strand.base]
    before: dict[str, Message] = {}
    for message in strand.messages:
        extend(strand, thread_of(strand, message, before.get(message.parent), targets), message, targets)
        before[message.id] = message


def forget(strand: Strand, horizon: int, targets: Targets) -> list[Message]:
    """Drop the messages older than ``horizon`` (ms), keeping what they came to; return them.

    The horizon must lie so far back that every turn opened before it is decided for good.
    """
    messages, count = strand.messages, 0
    while count < len(messages) and messages[count].place < horizon:
        count += 1
    if not count:
        return []
    gone, kept, threads = messages[:count], messages[count:], strand.threads
    by_id = {message.id: message for message in gone}
    for message in kept:
        parent = by_id.get(message.parent)
        message.settled |= parent is not None and follows(message, parent, targets)
    messages[:] = gone
    rebuild(strand, targets)
    base, strand.threads = strand.threads, threads
    messages[:] = kept
    for before, thread in zip(base, threads, strict=False):
        over = max(0, len(before.turns) - 1)  # the last may still take in messages
        for held in (before, thread):
            held.turns_before += over
            del held.turns[:over]
    while (
        len(threads) > 1 and threads[0].last_at < horizon
    ):  # nothing held belongs to it, and a later thread counts anew
        del threads[0], base[0]
        for message in kept:
            message.thread -= 1
    strand.base = [thread.row() for thread in base]
    return gone
