"""An account's state as bytes: what of it is kept, as nested arrays of MessagePack. The rest is found again from that.

A change of what is kept, or of the order in which it stands (the ``row`` of each class), is a new :data:`LAYOUT`.
"""

from typing import Any, Final

import msgspec

from streams.metrics.account import Account
from streams.metrics.targets import HOUR, Targets
from streams.metrics.threads import Message, Row, Strand, decode, encode

LAYOUT: Final = 9
SILENT: Final = HOUR
"""A strand in which nobody has spoken for so long (ms) stands as bytes alone: most of what falls due in it has by then."""

_Kept = tuple[
    tuple[int, int],
    list[msgspec.Raw],
    list[Row],
    dict[str, int],
    dict[str, list[int]],
    dict[int, list[int]],
    dict[int, bytes],
    dict[str, list[int]],
    tuple[int, int],
    tuple[int | None, dict[int, bytes], list[Row]],
    list[Row],
]

_decode: Final = msgspec.msgpack.Decoder(_Kept).decode
_ARRAY: Final = b"\xdd"
"""An array follows, its length in four bytes (MessagePack's array 32)."""


def pack(state: Account) -> bytes:
    """Return the state as bytes. Strands that have not changed since they were last asked for are not written again."""
    silent = state.clock - SILENT
    kept = [strand.keep(silent) for strand in state.messages.strands.values()]
    strands = msgspec.Raw(_ARRAY + len(kept).to_bytes(4, "big") + b"".join(kept))
    loose = [message.row() for message in state.messages.loose.values()]
    messages = strands, loose, state.withdrawn, state.contacts, state.templates.minutes
    numbers = state.panes.close(), state.reactions.by_post, state.followers
    spikes = state.spikes.since, state.spikes.history, state.spikes.rows()
    return encode(((state.clock, state.ahead), *messages, *numbers, spikes, state.slow.rows()))


def unpack(account: str, targets: Targets, data: bytes) -> Account:
    """Return the state that :func:`pack` wrote. Raises ValueError."""
    (clock, ahead), strands, loose, withdrawn, contacts, templates, panes, reactions, followers, spikes, slow = _decode(
        data
    )
    state = Account(account, targets, clock, panes)
    state.ahead, state.withdrawn, state.reactions.by_post, state.followers = ahead, withdrawn, reactions, followers
    state.templates.minutes = templates
    state.spikes.since, state.spikes.history, firing = spikes
    state.spikes.hold(firing)
    state.slow.hold(slow)
    known: dict[Any, Any] = {}
    for raw in strands:
        row = decode(raw)
        _share(row, known)
        state.hold(Strand.from_kept(bytes(raw), row), row)
    for row in loose:
        state.messages.hold_loose(Message.from_row(row))
    state.contacts = {known.get(contact, contact): minutes[:] for contact, minutes in contacts.items()}
    return state


def _share(row: list[Any], known: dict[Any, Any]) -> None:
    """Let one object stand for all that is equal: in a strand of one turn an id comes three times over, and so do calendars."""
    share = known.setdefault
    row[0], row[1] = share(row[0], row[0]), share(row[1], row[1])
    for message in row[2]:
        message[0], message[3] = share(message[0], message[0]), share(message[3], message[3])
        message[10] = share(message[10], message[10])
    for thread in row[3]:
        for turn in thread[5]:
            turn[0], turn[11], turn[12] = share(turn[0], turn[0]), share(turn[11], turn[11]), share(turn[12], turn[12])
