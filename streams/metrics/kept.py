"""An account's state as bytes: what of it is kept, as nested arrays of MessagePack. The rest is found again from that.

A change of what is kept, or of the order in which it stands (the ``row`` of each class), is a new :data:`LAYOUT`.
"""

from typing import Any, Final

import msgspec

from streams.metrics.account import Account
from streams.metrics.targets import Targets
from streams.metrics.threads import Message, Row, Strand

LAYOUT: Final = 3

_Kept = tuple[int, int, list[Row], list[Row], dict[str, int], dict[str, list[int]], dict[int, bytes]]

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Kept).decode


def pack(state: Account) -> bytes:
    """Return the state as bytes."""
    strands = [strand.row() for strand in state.strands.values()]
    loose = [message.row() for message in state.loose.values()]
    return _encode((state.clock, state.ahead, strands, loose, state.withdrawn, state.contacts, state.panes.by_minute))


def unpack(account: str, targets: Targets, data: bytes) -> Account:
    """Return the state that :func:`pack` wrote. Raises ValueError."""
    clock, ahead, strands, loose, withdrawn, contacts, panes = _decode(data)
    known: dict[Any, Any] = dict(zip(panes, panes, strict=True))

    def share(value: Any) -> Any:  # noqa: ANN401 - text or a number
        return known.setdefault(value, value)

    state = Account(account, targets, clock, panes)
    state.ahead, state.withdrawn = ahead, withdrawn
    state.contacts = {share(contact): [share(minute) for minute in minutes][:] for contact, minutes in contacts.items()}
    for row in strands:
        strand = Strand.from_row(row, share)
        state.strands[strand.conversation, strand.contact] = strand
    for row in loose:
        message = Message.from_row(row, share)
        state.loose[message.id] = message
    state.index()
    return state
