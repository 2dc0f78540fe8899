"""What stands in the checkpoint topic: keys, records, and what a reader makes of them. Pure.

================  =========================  ==========================================================================
record            key                        says
================  =========================  ==========================================================================
account           account + epoch            "after input offset ``offset`` the account's state is ``state``, its outputs up
                                             to there are acknowledged, and nothing falls due in it at a clock < ``time``"
claim             epoch                      "every input offset ≤ ``offset`` is covered by acknowledged records of my epoch
                                             and by acknowledged outputs; the partition's clock there is ``time``"
================  =========================  ==========================================================================

Each is true for ever, so that late, repeated and stray records do no harm and nobody has to be fenced off. An epoch is ONE
ownership of one partition: a number above all that its owner found in the topic, and four random bytes, for two owners may
find the same. It is part of the key so that compaction never replaces a newer owner's record by an older one's.

Offsets here are versions, ``generation·2⁴⁸ + input offset``: they go on growing when the input topic is made anew.
"""

import os
from typing import Final, NamedTuple

from schemas import codec
from streams.errors import BrokerError

_NUMBER_BYTES: Final = 4
_EPOCH_BYTES: Final = _NUMBER_BYTES + 4
GENERATION_BITS: Final = 48
"""An input offset has this many bits of a version; the generation has those above."""


class Stored(NamedTuple):
    """An account's state as it was written, kept as bytes until something touches the account."""

    layout: int
    data: bytes


class Checkpoint(NamedTuple):
    """The value of a record, whichever of the two it is."""

    version: int
    time: int
    state: Stored

    def encode(self) -> bytes:
        """Return the record's value."""
        row = {"offset": self.version, "time": self.time, "layout": self.state.layout, "state": self.state.data}
        return codec.encode("checkpoint", [row])


class Claim(NamedTuple):
    """How far a partition is covered."""

    version: int
    clock: int

    def encode(self) -> bytes:
        """Return the record's value."""
        return Checkpoint(self.version, self.clock, Stored(0, b"")).encode()


def decode(value: bytes) -> Checkpoint:
    """Return what ``value`` says. Raises :class:`BrokerError` for one that this version of Rapport cannot read."""
    try:
        (row,) = codec.decode("checkpoint", value)
    except ValueError as error:
        raise BrokerError(
            f"a record of the checkpoint topic cannot be read ({error})",
            "run the version of Rapport that wrote it, or a later one",
        ) from None
    return Checkpoint(row["offset"], row["time"], Stored(row["layout"], row["state"]))


def new_epoch(highest: int) -> bytes:
    """Return the epoch of a new owner who found ``highest`` in the topic."""
    return (highest + 1).to_bytes(_NUMBER_BYTES, "big") + os.urandom(_EPOCH_BYTES - _NUMBER_BYTES)


def account_key(account: str, epoch: bytes) -> bytes:
    """Return the key of an account's record."""
    return account.encode() + epoch


def is_claim(key: bytes) -> bool:
    """Say whether a record with this key is a claim."""
    return len(key) == _EPOCH_BYTES


class Loaded:
    """What the checkpoint topic says about one partition; fed record by record, from the first to the last."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Checkpoint] = {}

    def read(self, key: bytes, value: bytes | None) -> None:
        """Take in one record; without a value it deletes what stood under its key."""
        if value is None:
            self.rows.pop(key, None)
            return
        row, known = decode(value), self.rows.get(key)
        if known is None or row.version >= known.version:
            self.rows[key] = row

    def highest_epoch(self) -> int:
        """Return the highest number of any owner so far."""
        return max((_number(key) for key in self.rows), default=0)

    def claim(self) -> Claim | None:
        """Return the claim to resume after: that of the highest epoch which has one, NOT the furthest.

        A later owner has rewritten every account before it claimed, and may have deleted what an earlier claim rests on.
        """
        claims = [(_number(key), row.version, row.time) for key, row in self.rows.items() if is_claim(key)]
        if not claims:
            return None
        _, version, clock = max(claims)
        return Claim(version, clock)

    def accounts(self) -> dict[str, Checkpoint]:
        """Return each account's newest state: that of the highest version, whoever wrote it."""
        newest: dict[str, Checkpoint] = {}
        for key, row in self.rows.items():
            if is_claim(key):
                continue
            account = key[:-_EPOCH_BYTES].decode()
            known = newest.get(account)
            if known is None or row.version > known.version:
                newest[account] = row
        return newest


def _number(key: bytes) -> int:
    return int.from_bytes(key[-_EPOCH_BYTES:-4], "big")
