"""Every message that an account remembers, and which strand each is in.

Most messages say where they belong. A reply that does not is where the post is that it answers, and moves when that comes
or goes; until it is known, the reply is with its contact, or in no strand at all.
"""

from collections.abc import Iterator

from streams.metrics import threads
from streams.metrics.targets import Targets
from streams.metrics.threads import AUTOMATED_REPLY, REPLY, Message, Row, Strand, Turn

Strands = dict[tuple[str, str], Strand]
"""By conversation and contact."""


class Messages:
    """The messages of one account."""

    __slots__ = ("_answers", "_targets", "loose", "strands", "where")

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self.strands: Strands = {}
        self.loose: dict[str, Message] = {}
        """Messages of no strand: broadcasts, peers' answers, and replies whose thread is not known (yet)."""
        # What follows is found again from the above.
        self.where: dict[str, Strand | None] = {}
        """The strand of each message; None of the loose."""
        self._answers: dict[str, list[str]] = {}
        """Replies by the post that they answer, whether that is known here or not."""

    # -- from a checkpoint -----------------------------------------------------------------------------------------------

    def hold(self, strand: Strand, row: Row) -> Iterator[Turn]:
        """Take in a strand of a checkpoint, which says ``row``; yield its turns."""
        self.strands[strand.conversation, strand.contact] = strand
        for post, _, kind, parent, *_ in row[2]:
            self.where[post] = strand
            self._note_answer(kind, parent, post)
        for thread in row[3]:
            for kept in thread[5]:
                yield Turn.from_row(kept, strand)

    def hold_loose(self, message: Message) -> None:
        """Take in a message of a checkpoint that is in no strand."""
        self._put(message, None)

    # -- what there is ---------------------------------------------------------------------------------------------------

    def message(self, post: str) -> Message:
        """Return a message that is held."""
        strand = self.where[post]
        return self.loose[post] if strand is None else strand.message(post)

    def published_at(self, post: str) -> int | None:
        """Return when a message was published, ms; None if it is not held."""
        return self.message(post).at if post in self.where else None

    def is_answered(self, post: str) -> bool:
        """Say whether a reply to a post is held."""
        return post in self._answers

    def strand(self, conversation: str, contact: str) -> Strand:
        """Return a strand, a new one if it is not there."""
        key = (conversation, contact)
        strand = self.strands.get(key)
        if strand is None:
            strand = self.strands[key] = Strand(conversation, contact)
        return strand

    def strand_of_reply(self, message: Message, conversation: str, contact: str) -> Strand | None:
        """Return where a reply belongs: where it says; else with the post that it answers, once that is known."""
        if contact and (conversation or not message.parent):
            return self.strand(conversation, contact)
        message.homed, message.contact = False, contact
        return self._strand_by_parent(message)

    def _strand_by_parent(self, message: Message) -> Strand | None:
        """Return the strand of the post that a reply answers; without one, its contact's; without that, None."""
        strand = self.where.get(message.parent)
        if strand is not None and threads.follows(message, strand.message(message.parent), self._targets):
            return strand
        return self.strand("", message.contact) if message.contact else None

    # -- what comes and goes ---------------------------------------------------------------------------------------------

    def put(self, message: Message, strand: Strand | None) -> Message | None:
        """Put a new message into its strand, after all others; return the message of that strand that it answers."""
        self._put(message, strand)
        if strand is None:
            return None
        parent = strand.message(message.parent) if self.where.get(message.parent) is strand else None
        threads.place(message, parent, self._targets)
        strand.messages.append(message)
        return parent

    def take_out(self, post: str) -> Strand | None:
        """Take out a message that is held; return the strand that it was in."""
        message, strand = self.message(post), self.where.pop(post)
        self._forget_answer(message)
        if strand is None:
            del self.loose[post]
        else:
            strand.messages.remove(message)
        return strand

    def follow(self, post: str) -> Strands:
        """Move the replies to a post that has come or gone to where they belong now; return the strands that changed."""
        changed: Strands = {}
        for reply in self._answers.get(post, ()):
            before, message = self.where[reply], self.message(reply)
            after = before if message.homed else self._strand_by_parent(message)
            if before is after:
                continue
            if before is None:
                del self.loose[reply]
            else:
                before.messages.remove(message)
                changed[before.conversation, before.contact] = before
            if after is None:
                self.loose[reply] = message
            else:
                after.messages.append(message)
                changed[after.conversation, after.contact] = after
            self.where[reply] = after
            changed |= self.follow(reply)
        return changed

    def forget(self, horizon: int) -> None:
        """Drop the messages before ``horizon``, ms, and the strands of which nothing is left."""
        gone: list[Message] = []
        for key, strand in list(self.strands.items()):
            if strand.all_after(horizon):
                continue
            gone += threads.forget(strand, horizon, self._targets)
            if not strand.messages and all(thread.last_at < horizon for thread in strand.threads):
                del self.strands[key]
        for message in [message for message in self.loose.values() if message.at < horizon]:
            del self.loose[message.id]
            gone.append(message)
        for message in gone:
            del self.where[message.id]
            self._forget_answer(message)

    def _put(self, message: Message, strand: Strand | None) -> None:
        self.where[message.id] = strand
        self._note_answer(message.kind, message.parent, message.id)
        if strand is None:
            self.loose[message.id] = message

    def _note_answer(self, kind: int, parent: str, post: str) -> None:
        if parent and kind in (REPLY, AUTOMATED_REPLY):
            self._answers.setdefault(parent, []).append(post)

    def _forget_answer(self, message: Message) -> None:
        replies = self._answers.get(message.parent, [])
        if message.id in replies:
            replies.remove(message.id)
            if not replies:
                del self._answers[message.parent]
