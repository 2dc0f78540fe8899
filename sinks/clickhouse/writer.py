"""Handing records to ClickHouse as they are: Avro object containers built around undecoded bytes.

A container is a header with the writer's schema, then blocks of records (Avro specification 1.11, "Object Container
Files"). Each message becomes one block under the snappy codec, to which the specification adds a CRC-32 of the records:
an uncompressed container with a flipped bit is mostly taken as other data, this one is refused. Nothing is compressed,
since snappy allows a block that is one literal, so no library is needed. And a message whose bytes end too early cannot
eat into the next, since every block is a stream of its own.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby
from typing import Final

import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from schemas.binary import avro_long, varint
from schemas.codec import Block, Schema

TABLES: Final[Mapping[str, str]] = {
    "interaction": "interactions_landing",
    "turn": "turns_landing",
    "pane": "panes_landing",
    "rolling": "rolling_versions",
    "alert": "alerts_versions",
    "revenue": "revenue_versions",
    "notification_command": "notification_commands_versions",
    "dead_letter": "dead_letters_versions",
}
"""The table that takes the records of each type."""

SETTINGS: Final[Mapping[str, int]] = {
    "async_insert": 0,  # it would acknowledge before the rows are there
    "deduplicate_blocks_in_dependent_materialized_views": 1,  # each table by itself: one may have failed
    "input_format_avro_allow_missing_fields": 1,  # records of older schema versions: the column's default
    "max_partitions_per_insert_block": 0,  # a backfill may span more than a hundred months
}

MAX_ROWS: Final = 400_000
"""Rows of one INSERT. ClickHouse stores at most 1,048,449 at a time: a larger one could fail half stored."""

BAD_DATA: Final = frozenset(
    (
        6,  # CANNOT_PARSE_TEXT
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        33,  # CANNOT_READ_ALL_DATA
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        69,  # ARGUMENT_OUT_OF_BOUND
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        467,  # CANNOT_PARSE_BOOL
        469,  # VIOLATED_CONSTRAINT
        691,  # UNKNOWN_ELEMENT_OF_ENUM
    )
)
"""ClickHouse's codes for what only the data can be guilty of. Anything else is held to be the plant's fault and tried
again: a missing table or a full disk must never set a whole topic aside."""


class RefusedError(Exception):
    """ClickHouse refuses these records, and would again."""


class UnavailableError(Exception):
    """ClickHouse did not take the records this time: not reachable, overloaded, out of memory or disk, not set up."""


class Writer:
    """Inserts records into ClickHouse. Blocking; safe in any thread."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def insert(self, name: str, blocks: Sequence[Block], token: str) -> int:
        """Store the records of type ``name`` and return how many there were; once it returns they are on disk.

        ``token`` stands for exactly these blocks: an insert with one that was used lately is dropped by ClickHouse,
        whatever it holds. Raises :class:`RefusedError` and :class:`UnavailableError`; part of the blocks may be stored
        then, which does no harm when all are sent again.
        """
        rows = 0
        for number, group in enumerate(batches(blocks)):
            count = sum(block.count for block in group)
            self._send(TABLES[name], container(group), f"{token}:{number}", count)
            rows += count
        return rows

    def _send(self, table: str, body: bytes, token: str, rows: int) -> None:
        settings = {**SETTINGS, "insert_deduplication_token": token}
        try:
            summary = self._client.raw_insert(table, insert_block=body, fmt="Avro", settings=settings)
        except Error as error:
            wrong = " ".join(str(error).split())[:500]
            if error.code in BAD_DATA or "avro::" in wrong:  # Avro's own exceptions come as code 1001, STD_EXCEPTION
                raise RefusedError(wrong) from error
            raise UnavailableError(wrong) from error
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise UnavailableError(f"{type(error).__name__}: {error}"[:500]) from error
        # 0: not told, or dropped as stored before. More than rows: a view stored some as well.
        if 0 < summary.written_rows < rows:
            raise UnavailableError(f"{table} took {summary.written_rows} of {rows} rows")


def batches(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Yield the blocks that hold records by writer's schema, in order, at most :data:`MAX_ROWS` rows at a time.

    A single block that holds more stays whole.
    """
    filled = sorted((block for block in blocks if block.count), key=lambda block: block.schema.version)
    for _, same in groupby(filled, key=lambda block: block.schema.version):
        batch: list[Block] = []
        rows = 0
        for block in same:
            if batch and rows + block.count > MAX_ROWS:
                yield batch
                batch, rows = [], 0
            batch.append(block)
            rows += block.count
        yield batch


def container(blocks: Sequence[Block]) -> bytes:
    """Return an Avro object container of blocks that share a schema. The same blocks give the same bytes."""
    header, sync = _header(blocks[0].schema)
    parts: list[bytes | memoryview] = [header]
    for block in blocks:
        size = len(block.body)
        prefix = varint(size)
        if size:
            prefix += b"\xfc" + (size - 1).to_bytes(4, "little")  # snappy: one literal, its length in four bytes
        parts += (avro_long(block.count), avro_long(len(prefix) + size + 4), prefix, block.body)
        parts += (zlib.crc32(block.body).to_bytes(4, "big"), sync)
    return b"".join(parts)


def _header(schema: Schema) -> tuple[bytes, bytes]:
    """Return the head of a container, and the 16 bytes that end it and every block."""
    text = json.dumps(schema.record, separators=(",", ":")).encode()
    sync = blake2b(schema.header, digest_size=16).digest()
    pairs = ((b"avro.schema", text), (b"avro.codec", b"snappy"))
    metadata = b"".join(avro_long(len(part)) + part for pair in pairs for part in pair)
    return b"Obj\x01" + avro_long(len(pairs)) + metadata + b"\x00" + sync, sync
