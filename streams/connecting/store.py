"""What the connectors remember, in a compacted topic of one partition: keyed by connector and post, the cursor under no post.

Nobody owns the partition. A record is true whoever wrote it: a cursor is written only behind what is published.
"""

from collections.abc import Sequence
from typing import Any

from schemas.codec import DecodeError, Record, decode, encode
from streams import kafka
from streams.config import Settings
from streams.connectors.live import Known
from streams.connectors.memory import CURSOR, Memory, Row
from streams.errors import BrokerError


class Store:
    """The topic. ``producer``: aiokafka's, idempotent, so that records keep their order."""

    def __init__(self, settings: Settings, producer: Any) -> None:  # noqa: ANN401 - aiokafka has no types
        self._settings, self._producer = settings, producer
        self._topic = settings.topics.connectors.name

    async def write(self, connector: str, rows: Sequence[Row]) -> None:
        """Return once the rows are kept, in this order. Raises aiokafka's ``KafkaError``."""
        sent = [
            await self._producer.send(
                self._topic,
                None if value is None else encode("connector_state", [_record(connector, post, value)]),
                key=_key(connector, post),
                partition=0,
            )
            for post, value in rows
        ]
        for acknowledged in sent:
            await acknowledged

    async def read(self, connector: str) -> Memory:
        """Return what a connector remembers. Raises :class:`BrokerError`."""
        ours = _key(connector, "")
        records, _ = await kafka.read_partition(self._settings, self._topic, 0)
        newest = {key: value for key, value in records if key.startswith(ours)}
        cursor, posts = None, {}
        for key, value in newest.items():
            if value is None:
                continue
            row = _decoded(value)
            if key == ours:
                cursor = row["cursor"]
            else:
                fields = {name: row[name] for name in Known._fields}
                posts[row["post"]] = Known(**{**fields, "accounts": tuple(row["accounts"])})
        return Memory(connector, self, cursor, posts)


def _key(connector: str, post: str) -> bytes:
    return f"{connector}\0{post}".encode()


def _record(connector: str, post: str, value: str | Known) -> Record:
    row: Record = {"connector": connector, "post": post, "cursor": value if isinstance(value, str) else ""}
    known = Known("", (), "", "", "", 0, 0) if post == CURSOR or isinstance(value, str) else value
    return {**row, **known._asdict()}


def _decoded(value: bytes) -> Record:
    try:
        (row,) = decode("connector_state", value)
    except (DecodeError, ValueError) as error:
        raise BrokerError(
            f"a record of the connectors' topic cannot be read ({error})",
            "run the version of Rapport that wrote it, or a later one",
        ) from None
    return row
