"""What the notifiers know, in a compacted topic: one partition of it, owned by one notifier at a time.

Each group's record is keyed by group and epoch, an epoch being one ownership as in the checkpoint protocol
(docs/architecture.md); the record of the highest epoch stands. An owner begins with a claim, a record of its epoch alone. From
then on nobody else should write to the partition, so that the offsets of what it writes have no gaps. **A gap is another owner**:
then what was written does not count, and the writer has to begin anew. So a notifier that has lost its partition and does not
know it yet, frozen for a while perhaps, tells nobody anything: it writes before it tells.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final

from schemas import codec
from streams import envelope, kafka
from streams.config import Settings
from streams.errors import BrokerError
from streams.notifications import kept
from streams.notifications.group import Group

_EPOCH_BYTES: Final = 8

GroupKey = tuple[str, str]
"""Account and route."""


class LostError(Exception):
    """Somebody else writes to the partition."""


@dataclass(frozen=True, slots=True)
class Offsets:
    """Up to where the input is in a group; -1: none of it."""

    alerts: int = -1
    commands: int = -1


@dataclass(frozen=True, slots=True)
class Stored:
    """A group, and what of the input is in it."""

    group: Group
    offsets: Offsets


class Store:
    """One partition of the topic, from :meth:`open` on ours."""

    def __init__(self, settings: Settings, producer: Any, partition: int) -> None:  # noqa: ANN401 - aiokafka's
        self._settings, self._producer, self._partition = settings, producer, partition
        self._topic = settings.topics.notification_groups.name
        self._keys: dict[GroupKey, list[bytes]] = {}
        """The keys under which the topic has a group, ours last."""
        self._epoch, self._next = b"", 0
        self._sending = asyncio.Lock()

    async def open(self) -> dict[GroupKey, Stored]:
        """Read all that is there, become the owner and return the groups. Raises :class:`BrokerError`."""
        rows: dict[bytes, bytes] = {}
        end = 0
        while True:
            records, end = await kafka.read_partition(self._settings, self._topic, self._partition, end)
            for key, value in records:
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value
            highest = max((_number(key) for key in rows), default=0)
            self._epoch = envelope.new_epoch(highest)
            claim = _encode(Stored(Group("", ""), Offsets()), b"")
            if await (await self._send(self._epoch, claim)) == end:
                break  # nobody wrote in between
        self._next = end + 1
        found = self._newest(rows)
        for key in rows:
            if len(key) == _EPOCH_BYTES:
                await self._append(key, None)  # the claims of those before us
        return found

    async def write(self, stored: Stored) -> None:
        """Return once the group is kept. Raises :class:`LostError` if it does not count."""
        name = stored.group.account, stored.group.route
        key = f"{name[0]}\0{name[1]}".encode() + self._epoch
        before = [other for other in self._keys.get(name, ()) if other != key]
        self._keys[name] = [*before, key]
        await self._append(key, _encode(stored, kept.dumps(stored.group)))
        for other in before:
            await self._append(other, None)
        self._keys[name] = [key]

    async def forget(self, name: GroupKey) -> None:
        """Delete a group: older records first, or one of them would stand again."""
        for key in self._keys.pop(name, ()):
            await self._append(key, None)

    async def _append(self, key: bytes, value: bytes | None) -> None:
        """Write one record. Its offset is known beforehand, unless somebody else writes too."""
        async with self._sending:
            acknowledged, expected = await self._send(key, value), self._next
            self._next += 1
        if await acknowledged != expected:
            raise LostError

    async def _send(self, key: bytes, value: bytes | None) -> Awaitable[int]:
        sent = await self._producer.send(self._topic, value, key=key, partition=self._partition)

        async def offset() -> int:
            return int((await sent).offset)

        return offset()

    def _newest(self, rows: dict[bytes, bytes]) -> dict[GroupKey, Stored]:
        """Return of each group what its last owner wrote."""
        found: dict[GroupKey, Stored] = {}
        for key in sorted((key for key in rows if len(key) > _EPOCH_BYTES), key=_number):
            stored = _decode(rows[key])
            name = stored.group.account, stored.group.route
            found[name] = stored
            self._keys.setdefault(name, []).append(key)
        return found


def _number(key: bytes) -> int:
    return int.from_bytes(key[-_EPOCH_BYTES:-4], "big")


def _encode(stored: Stored, state: bytes) -> bytes:
    row = {
        "account": stored.group.account,
        "route": stored.group.route,
        "alerts_offset": stored.offsets.alerts,
        "commands_offset": stored.offsets.commands,
        "layout": kept.LAYOUT,
        "state": state,
    }
    return codec.encode("notification_group", [row])


def _decode(value: bytes) -> Stored:
    try:
        (row,) = codec.decode("notification_group", value)
        if row["layout"] != kept.LAYOUT:
            raise ValueError(f"layout {row['layout']}")  # noqa: TRY301 - said below
    except ValueError as error:
        raise BrokerError(
            f"a record of the topic of notification groups cannot be read ({error})",
            "run the version of Rapport that wrote it, or a later one",
        ) from None
    return Stored(kept.loads(row["state"]), Offsets(row["alerts_offset"], row["commands_offset"]))
