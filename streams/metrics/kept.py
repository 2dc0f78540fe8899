"""An account's state as bytes: what of it is kept, as nested arrays of MessagePack. The rest is found again from that.

A change of what is kept, or of the order in which it stands, is a new :data:`LAYOUT`.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from streams.metrics.account import Account
from streams.metrics.counters import Buckets, Tally
from streams.metrics.targets import Targets
from streams.metrics.threads import Message, Strand, Thread, Turn

LAYOUT: Final = 2

_Row = Sequence[Any]
"""Written as a tuple, read as a list."""
_Kept = tuple[
    int, int, list[_Row], list[_Row], dict[str, int], dict[str, list[int]], dict[int, tuple[list[int], Buckets]]
]

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Kept).decode


def pack(state: Account) -> bytes:
    """Return the state as bytes."""
    return _encode(
        (
            state.clock,
            state.ahead,
            [_strand_row(strand) for strand in state.strands.values()],
            [_message_row(message) for message in state.loose.values()],
            state.withdrawn,
            state.contacts,
            {minute: (pane.counters, pane.buckets) for minute, pane in state.panes.by_minute.items()},
        )
    )


def unpack(account: str, targets: Targets, data: bytes) -> Account:
    """Return the state that :func:`pack` wrote. Raises ValueError."""
    clock, ahead, strands, loose, withdrawn, contacts, panes = _decode(data)
    state = Account(account, targets, clock, {minute: _tally(*pane) for minute, pane in panes.items()})
    state.ahead, state.withdrawn, state.contacts = ahead, withdrawn, contacts
    state.strands = {(row[0], row[1]): _strand(row) for row in strands}
    state.loose = {row[0]: _message(row) for row in loose}
    state.index()
    return state


def _tally(counters: list[int], buckets: Buckets) -> Tally:
    tally = Tally()
    tally.counters, tally.buckets = counters, buckets
    return tally


def _message_row(message: Message) -> _Row:
    where = (message.homed, message.contact, message.place, message.thread)
    return (message.id, message.at, message.kind, message.parent, *where)


def _message(row: _Row) -> Message:
    message = Message(row[0], row[1], row[2], row[3])
    message.homed, message.contact, message.place, message.thread = row[4], row[5], row[6], row[7]
    return message


def _turn_row(turn: Turn) -> _Row:
    answer = (turn.messages, turn.answered_at, turn.reply_id, turn.skewed, turn.automated_at)
    return (turn.id, turn.ordinal, turn.opened_at, turn.due_at, *answer, turn.expired, turn.escalation)


def _turn(row: _Row) -> Turn:
    turn = Turn(row[0], row[1], row[2], row[3])
    turn.messages, turn.answered_at, turn.reply_id, turn.skewed = row[4], row[5], row[6], row[7]
    turn.automated_at, turn.expired, turn.escalation = row[8], row[9], row[10]
    return turn


def _thread_row(thread: Thread) -> _Row:
    turns = [_turn_row(turn) for turn in thread.turns]
    return (thread.last_at, thread.alternations, thread.side, thread.has_contact, thread.turns_before, turns)


def _thread(row: _Row) -> Thread:
    thread = Thread(row[0])
    thread.alternations, thread.side, thread.has_contact, thread.turns_before = row[1], row[2], row[3], row[4]
    thread.turns = [_turn(turn) for turn in row[5]]
    return thread


def _strand_row(strand: Strand) -> _Row:
    messages = [_message_row(message) for message in strand.messages]
    threads = [_thread_row(thread) for thread in strand.threads]
    return (strand.conversation, strand.contact, messages, threads, [_thread_row(thread) for thread in strand.base])


def _strand(row: _Row) -> Strand:
    strand = Strand(row[0], row[1])
    strand.messages = [_message(message) for message in row[2]]
    strand.threads = [_thread(thread) for thread in row[3]]
    strand.base = [_thread(thread) for thread in row[4]]
    return strand
