"""The state of one brand account, and how an event changes it. Pure: time comes in with events and ticks.

An event goes to its strand (``threads.py``); what the strand's turns contribute goes to panes and windows (``panes.py``); a
turn that waits is on the agenda until it is answered or expires (``alerts.py``). What has changed is gathered while a
message is folded and said once, as it stands at the end of it.
"""

from bisect import bisect, insort
from itertools import zip_longest
from typing import Final
from zlib import crc32

from schemas.codec import Record
from streams.metrics import threads
from streams.metrics.alerts import PAST_TARGET, next_at, reached_at
from streams.metrics.contributions import count_answer, count_thread, count_turn, standing
from streams.metrics.counters import (
    AUTOMATED_REPLIES,
    BROADCASTS,
    CONTACTS,
    FOLLOWERS,
    MENTIONS,
    NEGATIVE_MENTIONS,
    OPT_OUTS,
    PEER_ANSWERS,
    PROMOTING,
    REACTIONS,
    REPLIES,
    STALE_SNAPSHOTS,
    TOO_LATE,
    add_one,
)
from streams.metrics.messages import Messages, Strands
from streams.metrics.model import NEVER, Facts
from streams.metrics.panes import WINDOWS, Panes
from streams.metrics.reactions import UNKNOWN, Reactions
from streams.metrics.records import (
    AlertChange,
    alert_row,
    pane_row,
    rolling_row,
    slow_row,
    spike_row,
    turn_row,
)
from streams.metrics.slow import Slow
from streams.metrics.spikes import Spikes
from streams.metrics.targets import DAY, MINUTE, Targets
from streams.metrics.templates import Templates
from streams.metrics.threads import (
    AUTOMATED_REPLY,
    BROADCAST,
    MENTION,
    NOBODY,
    OPT_OUT,
    PEER,
    REPLY,
    Message,
    Row,
    Strand,
    Turn,
)
from streams.metrics.waiting import Waiting

_WITHDRAWAL: Final = -1
_COUNTERS: Final = -2
_PROFILE: Final = -3
_KINDS: Final = {
    "mention": MENTION,
    "reply": REPLY,
    "broadcast": BROADCAST,
    "peer": PEER,
    "opt_out": OPT_OUT,
    "withdrawal": _WITHDRAWAL,
    "counters": _COUNTERS,
    "profile": _PROFILE,
}
_COUNTED_AS: Final = {
    MENTION: MENTIONS,
    REPLY: REPLIES,
    AUTOMATED_REPLY: AUTOMATED_REPLIES,
    BROADCAST: BROADCASTS,
    PEER: PEER_ANSWERS,
    OPT_OUT: OPT_OUTS,
}
_MARKED_AS: Final = {MENTION: NEGATIVE_MENTIONS, BROADCAST: PROMOTING}
"""What a marked message counts as besides."""
_NEGATIVE: Final = -0.05000000074505806
"""-0.05 as the input has it, in 32 bits: what is below is not meant well (VADER's own bound for its compound score)."""
_CONTACT_MINUTES: Final = WINDOWS[-1][1]


class Account:
    """The live state of one account. Times in ms unless a name says minute."""

    def __init__(self, name: str, targets: Targets, clock: int = 0, panes: dict[int, bytes] | None = None) -> None:
        self.name = name
        self.targets = targets
        self.clock = clock
        self._offset = crc32(name.encode()) % DAY
        """The account's own time of day for forgetting, ms: not all accounts at once."""
        self.ahead = 0
        """The latest time of any message: one dated after the clock enters the windows when the clock gets there."""
        self.messages = Messages(targets)
        self.withdrawn: dict[str, int] = {}
        """When a post was taken away; kept as long as the post itself may still arrive."""
        self.contacts: dict[str, list[int]] = {}
        """The minutes in which a contact wrote, in order."""
        self.templates = Templates()
        self.reactions = Reactions(2 * targets.expiry)
        self.followers = (0, UNKNOWN)
        """When the account's followers were counted last, ms, and how many there were."""
        self.panes = Panes(panes or {}, clock // MINUTE, self._horizon(clock) // MINUTE)
        self.spikes = Spikes()
        self.slow = Slow()
        self.waiting = Waiting(targets)
        """Found again from the messages (see `hold`)."""
        # What has changed and has not been said.
        self.changed: dict[str, tuple[Turn, bool]] = {}
        self.alerts: dict[str, AlertChange] = {}
        self.live = False
        """Rolling rows are owed."""

    def hold(self, strand: Strand, row: Row) -> None:
        """Take in a strand of a checkpoint, which says ``row``."""
        for turn in self.messages.hold(strand, row):
            if turn.waits:
                self.waiting.add(turn, strand)

    # -- events ----------------------------------------------------------------------------------------------------------

    def take(self, clock: int, event: Record) -> None:
        """Take in one event, seen when the partition's clock was ``clock``."""
        number, at = _KINDS.get(event["kind"]), event["published_at"]
        if number is None:
            return  # for the facts only
        if at < clock - self.targets.lateness:
            if not event["revision"]:  # an edit may come whenever it likes
                add_one(self.panes.at(clock // MINUTE), TOO_LATE, 1)
                self.live = True
            return
        if number < 0:
            self._take_news(number, event)
            return
        if event["id"] in self.messages.where:
            return  # a repetition, or an edit, which changes no clock
        withdrawn_at = self.withdrawn.get(event["id"])
        if withdrawn_at is not None and self._undoes(withdrawn_at, at):
            return
        if number == REPLY and event["automated"]:
            number = AUTOMATED_REPLY
        message = Message(event["id"], at, number, event["parent_id"])
        self.live = True
        self.ahead = max(self.ahead, at)
        self._mark(message, event)
        self._count(message, 1)
        if number == MENTION:
            self._take_mention(message, event)
        elif number in (BROADCAST, PEER, OPT_OUT):
            self._place(message, None)
        else:
            self._place(message, self.messages.strand_of_reply(message, event["conversation_id"], event["contact_id"]))

    def _take_mention(self, mention: Message, event: Record) -> None:
        self._count_contact(event["author_id"], mention.at // MINUTE)
        if self.targets.rules:
            mention.rule = self.targets.rule_of(event)
        mention.band = bisect(FOLLOWERS, event["author_followers"])
        self._place(mention, self.messages.strand(event["conversation_id"], event["author_id"]))

    def _take_news(self, number: int, event: Record) -> None:
        """Take in what is no message: news of a post, or of the account."""
        post, at = event["id"], event["published_at"]
        if number == _WITHDRAWAL:
            self._withdraw(post, at)
        elif number == _PROFILE:
            if event["author_followers"] != UNKNOWN:
                self.followers = max(self.followers, (at, event["author_followers"]))
                self.live = True
        else:
            gained = self.reactions.take(event, self.messages.published_at)
            counts = self.panes.at(at // MINUTE)
            if gained is None:
                add_one(counts, STALE_SNAPSHOTS, 1)
            else:
                for counter, amount in zip(REACTIONS, gained, strict=True):
                    add_one(counts, counter, amount)
            self.live = True
            self.ahead = max(self.ahead, at)

    def _place(self, message: Message, strand: Strand | None) -> None:
        """Put a new message where it belongs, and the replies to it beside it."""
        last = strand.messages[-1] if strand is not None and strand.messages else None
        parent = self.messages.put(message, strand)
        if strand is None:
            return
        comes_last = last is None or threads.rank(message) > threads.rank(last)
        if comes_last and not self.messages.is_answered(message.id):
            self._step(strand, message, parent)
        else:
            self._retake({(strand.conversation, strand.contact): strand, **self.messages.follow(message.id)})

    def _step(self, strand: Strand, message: Message, parent: Message | None) -> None:
        """Take in a message that comes last in its strand."""
        thread = threads.thread_of(strand, message, parent, self.targets)
        before = standing(thread)
        turn = threads.extend(strand, thread, message, self.targets)
        after = standing(thread)
        self._recount(before, after)
        if turn is None:
            return
        if turn.id == message.id:
            count_turn(self.panes, turn, 1)
            self.waiting.add(turn, strand)
        elif turn.reply_id == message.id:
            count_answer(self.panes, turn, 1)
            self._close(turn, turn.answered_at or 0)
        self.changed[turn.id] = (turn, True)

    def _recount(self, before: tuple[int, int] | None, after: tuple[int, int] | None) -> None:
        """Count a thread as it stands now, and no longer as it stood."""
        if before != after:
            count_thread(self.panes, before, -1)
            count_thread(self.panes, after, 1)

    def _retake(self, strands: Strands) -> None:
        """Take the messages of strands again from the first, and count the difference."""
        for key, strand in strands.items():
            self._retake_one(strand)
            if not strand.messages and not strand.base:
                del self.messages.strands[key]

    def _retake_one(self, strand: Strand) -> None:
        old = {turn.id: turn for turn in strand.turns()}
        before = [standing(thread) for thread in strand.threads]
        threads.rebuild(strand, self.targets)
        for earlier, now in zip_longest(before, [standing(thread) for thread in strand.threads]):
            self._recount(earlier, now)
        for turn in strand.turns():
            was = old.pop(turn.id, None)
            if was is not None:
                turn.due_at, turn.calendar = was.due_at, was.calendar
                if turn.answered_at is None and was.answered_at is None:
                    turn.escalation, turn.expired = was.escalation, was.expired
                if was.row() == turn.row():
                    if turn.waits:
                        self.waiting.add(turn, strand)
                    continue
                count_turn(self.panes, was, -1)
            count_turn(self.panes, turn, 1)
            self.changed[turn.id] = (turn, True)
            if turn.waits:
                self.waiting.add(turn, strand)
            else:
                self._close(was or turn, turn.answered_at or 0)
        for turn in old.values():
            count_turn(self.panes, turn, -1)
            self._close(turn, self.clock)
            self.changed[turn.id] = (turn, False)

    # -- withdrawals -----------------------------------------------------------------------------------------------------

    def _undoes(self, withdrawn_at: int, published_at: int) -> bool:
        """Say whether a withdrawal is early enough to take back what the post contributed; later it is in the facts only."""
        return withdrawn_at <= published_at + self.targets.expiry

    def _withdraw(self, post: str, at: int) -> None:
        """Take a post back as if it had never been written."""
        earlier = self.withdrawn.get(post)
        self.withdrawn[post] = at if earlier is None else min(at, earlier)
        if post not in self.messages.where:
            return
        message = self.messages.message(post)
        if not self._undoes(at, message.at):
            return
        strand = self.messages.take_out(post)
        self.live = True  # although no turn may change: what was counted is not any more
        self._count(message, -1)
        changed: Strands = {}
        if strand is not None:
            if message.kind == MENTION:
                self._count_contact(strand.contact, message.at // MINUTE, withdrawn=True)
            changed[strand.conversation, strand.contact] = strand
        self._retake({**changed, **self.messages.follow(post)})

    # -- waiting turns ---------------------------------------------------------------------------------------------------

    def _close(self, turn: Turn, at: int) -> None:
        """Note that a turn no longer waits, and resolve its alert if it had one."""
        self.waiting.discard(turn.id)
        if turn.escalation != NOBODY:
            self.alerts[turn.id] = AlertChange(turn, "resolved", at)
            if turn.answered_at is not None:
                turn.escalation = NOBODY

    def _fall_due(self, clock: int) -> None:
        """Let every turn escalate or expire whose time has come."""
        expiry, calendar = self.targets.expiry, self.targets.calendar
        for wait in self.waiting.due(clock):
            turn = wait.turn()
            end, when = turn.opened_at + expiry, next_at(turn, expiry, calendar)
            while when <= clock and when < end:
                turn.escalation += 1
                self.alerts[turn.id] = AlertChange(turn, "firing", reached_at(turn, turn.escalation, calendar))
                if turn.escalation == PAST_TARGET:
                    self.changed[turn.id] = (turn, True)
                when = next_at(turn, expiry, calendar)
            if when <= clock:
                turn.expired = True
                self.changed[turn.id] = (turn, True)
                self._close(turn, end)
            else:
                self.waiting.go_on(wait, turn)

    # -- time ------------------------------------------------------------------------------------------------------------

    def advance(self, clock: int, version: int, facts: Facts) -> None:
        """Move the account's clock to ``clock``: what falls due does, windows move on, and once a day the old is forgotten."""
        self._fall_due(clock)
        minute = clock // MINUTE
        if minute != self.panes.now:
            self.spikes.look(self.panes, minute, self.targets.sensitivity)
            self.slow.look(self.panes, minute, self.targets.slow_p90, self.targets.slow_sla)
            self.live |= self.panes.advance(minute)
        day = self._day(clock)
        if day != self._day(self.clock):
            self.say_panes(version, facts)  # some of them are about to be forgotten
            self._forget(clock)
        self.clock = clock

    def _day(self, clock: int) -> int:
        return (clock + self._offset) // DAY

    def forget_at(self) -> int:
        """Return the clock at which the old is forgotten next."""
        return (self._day(self.clock) + 1) * DAY - self._offset

    def _horizon(self, clock: int) -> int:
        """Return the time before which nothing is remembered, as of the day of ``clock``.

        A turn may be answered until its expiry, the answer withdrawn for as long again, and the news of that be late.
        """
        return self._day(clock) * DAY - self._offset - 2 * self.targets.expiry - self.targets.lateness

    def _forget(self, clock: int) -> None:
        """Drop what can no longer change, messages and panes."""
        now, horizon = self._day(clock) * DAY - self._offset, self._horizon(clock)
        self.messages.forget(horizon)
        for post in [post for post, at in self.withdrawn.items() if at < now - self.targets.lateness]:
            del self.withdrawn[post]
        self.reactions.forget(horizon)
        oldest = now // MINUTE - _CONTACT_MINUTES
        for contact in [contact for contact, minutes in self.contacts.items() if minutes[-1] < oldest]:
            del self.contacts[contact]
        self.templates.forget(oldest)
        self.spikes.keep(self.panes, horizon // MINUTE, now // MINUTE)
        self.panes.forget(horizon // MINUTE)

    def wake(self) -> int:
        """Return the clock at which something falls due next; NEVER if nothing does."""
        due_at = self.waiting.next_at()
        wake = NEVER if due_at is None else due_at
        minute = self.panes.now
        lasting = self.spikes.firing or self.slow.firing
        if self.panes.windows[-1] or self.panes.fresh or lasting or self.ahead // MINUTE > minute:
            wake = min(wake, (minute + 1) * MINUTE)
        if (
            self.messages.where
            or self.messages.strands
            or self.withdrawn
            or self.reactions.by_post
            or self.spikes.history
            or self.panes
        ):
            wake = min(wake, self.forget_at())
        return wake

    # -- counting --------------------------------------------------------------------------------------------------------

    def _mark(self, message: Message, event: Record) -> None:
        """Note what a message counts as besides."""
        if message.kind == MENTION:
            message.marked = event["sentiment"] < _NEGATIVE
        elif message.kind == REPLY:
            message.template = event["template"]
        elif message.kind == BROADCAST and self.targets.domains:
            message.marked = self.targets.are_own(event["links"])

    def _count(self, message: Message, sign: int) -> None:
        """Count a message in the pane of its time."""
        counts = self.panes.at(message.at // MINUTE)
        add_one(counts, _COUNTED_AS[message.kind], sign)
        if message.marked:
            add_one(counts, _MARKED_AS[message.kind], sign)
        if message.template:
            self.templates.count(self.panes, message.template, message.at // MINUTE, sign)

    def _count_contact(self, contact: str, minute: int, *, withdrawn: bool = False) -> None:
        """Count a contact in the pane of its latest message, and in no other."""
        minutes = self.contacts.setdefault(contact, [])
        before = minutes[-1] if minutes else None
        if not withdrawn:
            insort(minutes, minute)
        elif minute in minutes:
            minutes.remove(minute)
        after = minutes[-1] if minutes else None
        if before != after:
            if before is not None:
                add_one(self.panes.at(before), CONTACTS, -1)
            if after is not None:
                add_one(self.panes.at(after), CONTACTS, 1)
        if not minutes:
            del self.contacts[contact]
        elif len(minutes) > 1 and minutes[0] < minutes[-1] - _CONTACT_MINUTES:
            del minutes[0]

    # -- facts -----------------------------------------------------------------------------------------------------------

    def say_changes(self, version: int, facts: Facts) -> None:
        """Append the turns and alerts that have changed, as they stand now."""
        for turn, stands in self.changed.values():
            facts.turns.append(turn_row(self.name, turn, self.targets.calendar, version, stands=stands))
        for change in self.alerts.values():
            facts.alerts.append(alert_row(self.name, change, version))
        for spike in self.spikes.changed.values():
            facts.alerts.append(spike_row(self.name, spike, version))
        for slow in self.slow.changed.values():
            facts.alerts.append(slow_row(self.name, slow, version))
        self.live |= bool(self.changed or self.alerts)
        self.changed.clear()
        self.alerts.clear()
        self.spikes.changed.clear()
        self.slow.changed.clear()

    def say_panes(self, version: int, facts: Facts) -> None:
        """Append the panes that have changed."""
        panes = self.panes
        facts.panes += [pane_row(self.name, minute, panes.counts(minute), version) for minute in panes.take_dirty()]

    def say_rolling(self, version: int, facts: Facts, *, also_empty: bool) -> None:
        """Append the rolling rows as of the clock's minute, those of empty windows if asked for."""
        self.panes.merge()
        _, followers = self.followers
        gauges = (*self.waiting.gauges(), followers if followers != UNKNOWN else None, version)
        facts.rolling += [
            rolling_row(self.name, name, self.panes.now, window, gauges)
            for (name, _), window in zip(WINDOWS, self.panes.windows, strict=True)
            if window or also_empty
        ]
        self.live = False

    def owes(self) -> bool:
        """Say whether rows are held back."""
        return self.live or bool(self.panes.dirty) or bool(self.panes.fresh)
