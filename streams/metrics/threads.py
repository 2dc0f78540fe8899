"""Threads and their turns: what a contact and the brand said to each other, and what of it needed an answer.

A :class:`Strand` holds the messages between the account and ONE contact under ONE conversation id. It falls into threads
wherever nobody spoke for long, and a thread into turns. All of that is a function of the strand's messages in their order,
so any order of arrival gives the same turns (docs/metrics.md). A message that comes last, as nearly all do, takes one
step of :func:`thread_of` and :func:`extend`; any other makes :func:`rebuild` take all the steps again.
"""

from typing import Final

from streams.metrics.targets import DAY, Targets

MENTION: Final = 0
REPLY: Final = 1
AUTOMATED_REPLY: Final = 2
BROADCAST: Final = 3
PEER: Final = 4

SILENCE_WITHOUT_CONVERSATION: Final = DAY
"""Where the network has no conversations, a thread ends after this much silence, in ms."""

NOBODY: Final = -1


class Message:
    """One message, as far as turns depend on it."""

    __slots__ = ("at", "contact", "homed", "id", "kind", "parent", "place", "thread")

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
        """Its time in the thread, ms: its own, or that of the contact's message it answers if that is later."""
        self.thread = 0
        """Which thread of the strand it is in."""


class Turn:
    """One turn. Times in ms."""

    __slots__ = (
        *("answered_at", "automated_at", "due_at", "escalation", "expired", "id", "messages", "opened_at", "ordinal"),
        *("reply_id", "skewed"),
    )

    def __init__(self, first: str, ordinal: int, opened_at: int, due_at: int) -> None:
        self.id = first
        self.ordinal = ordinal
        self.opened_at = opened_at
        self.due_at = due_at
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

    def copy(self) -> "Turn":
        """Return another turn that says the same."""
        turn = Turn(self.id, self.ordinal, self.opened_at, self.due_at)
        turn.messages, turn.answered_at, turn.reply_id = self.messages, self.answered_at, self.reply_id
        turn.skewed, turn.automated_at = self.skewed, self.automated_at
        turn.expired, turn.escalation = self.expired, self.escalation
        return turn

    def says_the_same(self, other: "Turn") -> bool:
        """Say whether there is no difference to another turn of the same first message."""
        return (
            (self.ordinal, self.opened_at, self.due_at) == (other.ordinal, other.opened_at, other.due_at)
            and (self.messages, self.answered_at, self.reply_id) == (other.messages, other.answered_at, other.reply_id)
            and (self.skewed, self.automated_at) == (other.skewed, other.automated_at)
            and (self.expired, self.escalation) == (other.expired, other.escalation)
        )


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

    def copy(self) -> "Thread":
        """Return another thread that has come as far."""
        thread = Thread(self.last_at)
        thread.alternations, thread.side, thread.has_contact = self.alternations, self.side, self.has_contact
        thread.turns_before, thread.turns = self.turns_before, [turn.copy() for turn in self.turns]
        return thread


class Strand:
    """The messages between the account and one contact under one conversation id, in the order of :func:`rank`."""

    __slots__ = ("base", "contact", "conversation", "messages", "threads")

    def __init__(self, conversation: str, contact: str) -> None:
        self.conversation = conversation
        self.contact = contact
        self.messages: list[Message] = []
        self.threads: list[Thread] = []
        self.base: list[Thread] = []
        """The threads as they were before the first message held: what the forgotten messages had come to."""

    def turns(self) -> list[Turn]:
        """Return every turn that is held, oldest thread first."""
        return [turn for thread in self.threads for turn in thread.turns]


def rank(message: Message) -> tuple[int, int, str]:
    """Return where a message stands in its strand. At the same instant the contact speaks first: a reply answers it."""
    return message.place, message.kind, message.id


def thread_of(strand: Strand, message: Message, parent: Message | None, targets: Targets) -> Thread:
    """Return the thread a message belongs to: its parent's, or the last one, or a new one after silence.

    The message ranks after all others of the strand; ``parent`` is the one of the strand that it answers.
    """
    silence = targets.expiry if strand.conversation else SILENCE_WITHOUT_CONVERSATION
    threads = strand.threads
    if parent is not None and message.kind != MENTION:
        message.thread = parent.thread
    elif threads and message.place - threads[-1].last_at <= silence:
        message.thread = len(threads) - 1
    else:
        message.thread = len(threads)
        threads.append(Thread(message.place))
    return threads[message.thread]


def extend(thread: Thread, message: Message, targets: Targets) -> Turn | None:
    """Take the next message into its thread. Returns the turn that it opened or changed."""
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
        turn = Turn(message.id, ordinal, message.at, message.at + targets.target)
        thread.turns.append(turn)
    else:
        turn.messages += 1
    return turn


def place(message: Message, parent: Message | None) -> None:
    """Give a message its time in the thread: a reply never stands before the contact's message that it answers."""
    message.place = message.at
    if message.kind != MENTION and parent is not None and parent.kind == MENTION and parent.at > message.at:
        message.place = parent.at


def rebuild(strand: Strand, targets: Targets) -> None:
    """Put the strand's messages in order and take every step again."""
    by_id = {message.id: message for message in strand.messages}
    for message in strand.messages:
        place(message, by_id.get(message.parent))
    strand.messages.sort(key=rank)
    strand.threads = [thread.copy() for thread in strand.base]
    before: dict[str, Message] = {}
    for message in strand.messages:
        extend(thread_of(strand, message, before.get(message.parent), targets), message, targets)
        before[message.id] = message


def forget(strand: Strand, horizon: int, targets: Targets) -> list[Message]:
    """Drop the messages older than ``horizon`` (ms), keeping what they came to; return them.

    The horizon must lie so far back that every turn opened before it is decided for good.
    """
    count = 0
    while count < len(strand.messages) and strand.messages[count].place < horizon:
        count += 1
    if not count:
        return []
    gone, kept, threads = strand.messages[:count], strand.messages[count:], strand.threads
    strand.messages = gone
    rebuild(strand, targets)
    strand.messages, strand.base, strand.threads = kept, strand.threads, threads
    for base, thread in zip(strand.base, threads, strict=False):
        over = max(0, len(base.turns) - 1)  # the last may still take in messages
        for held in (base, thread):
            held.turns_before += over
            del held.turns[:over]
    while (
        len(threads) > 1 and threads[0].last_at < horizon
    ):  # nothing held belongs to it, and a later thread counts anew
        del threads[0], strand.base[0]
        for message in kept:
            message.thread -= 1
    return gone
