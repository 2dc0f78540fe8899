"""Avro single-object encoding of arrays of records.

A message is the marker ``C3 01``, the 8-byte little-endian CRC-64-AVRO fingerprint of its writer's schema and the body
(Avro specification 1.11, "Single-object encoding"). The schema is an array of one record type, so a reader knows from the
fingerprint alone which records, and which version of them, a message holds.

The array is written as one sized block (``-count, bytes, records…, 0``; Avro specification, "Arrays"), so that a sink can
cut the records out without decoding them. Messages by other producers, with unsized or several blocks, are read as well.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Final

import fastavro

from schemas import rows
from schemas.binary import UnusualError, avro_long, read_long
from schemas.versions import MARKER, RECORDS, Record, Schema, newest, versions

__all__ = [
    "Block",
    "DecodeError",
    "Record",
    "Schema",
    "cut",
    "decode",
    "decode_folded",
    "encode",
    "message_of",
    "newest",
    "versions",
]

HEADER_SIZE: Final = len(MARKER) + 8


class DecodeError(ValueError):
    """A message is not what it should be. ``reason`` is ``undecodable`` or ``unknown_fingerprint``."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@cache
def _by_header() -> Mapping[bytes, Schema]:
    return {schema.header: schema for schemas in versions().values() for schema in schemas}


def encode(name: str, records: Sequence[Record]) -> bytes:
    """Return one message holding ``records`` of the type ``name``."""
    write = rows.WRITERS[name]
    return message_of(name, [write(**record) for record in records])


def message_of(name: str, written: Sequence[bytes]) -> bytes:
    """Return one message holding records that have been written already, each by its function of ``schemas/rows.py``."""
    header = newest(name).header
    if not written:
        return header + b"\x00"
    body = b"".join(written)
    return b"".join((header, avro_long(-len(written)), avro_long(len(body)), body, b"\x00"))


def decode(name: str, message: bytes) -> list[Record]:
    """Return the records of a message, resolved to the newest version of ``name``. Raises :class:`DecodeError`."""
    schema = schema_of(name, message)
    target = newest(name)
    buffer = BytesIO(message)
    buffer.seek(HEADER_SIZE)
    try:
        decoded = fastavro.schemaless_reader(buffer, schema.message, None if schema is target else target.message)
    except Exception as error:  # whatever fastavro's reading ran into: EOFError, IndexError, UnicodeDecodeError…
        raise DecodeError("undecodable", f"not an array of {name}: {type(error).__name__}: {error}") from error
    if buffer.tell() != len(message):
        raise DecodeError("undecodable", f"{len(message) - buffer.tell()} bytes follow the array of {name}")
    return decoded[RECORDS]  # type: ignore[no-any-return]


def decode_folded(message: bytes) -> list[Record]:
    """Return the Interactions of a message, each at least with what the fold needs of it (``schemas/generate.py``).

    As :func:`decode`, but text that nobody folds is not looked at. Raises :class:`DecodeError`.
    """
    end = len(message) - 1
    if message.startswith(newest("interaction").header) and not message[end]:
        with suppress(IndexError, UnicodeDecodeError, UnusualError):
            count, at = read_long(message, HEADER_SIZE)
            size, at = read_long(message, at)
            if count < 0 and at + size == end:
                records, at = rows.read_interaction(message, at, -count)
                if at == end:
                    return records
    return decode("interaction", message)


def schema_of(name: str, message: bytes) -> Schema:
    """Return the schema a message was written with, which must be a version of ``name``. Raises :class:`DecodeError`."""
    header = message[:HEADER_SIZE]
    schema = _by_header().get(header)
    if schema is not None and schema.name == name:
        return schema
    if len(header) < HEADER_SIZE or header[:2] != MARKER:
        raise DecodeError(
            "undecodable", f"no Avro single-object marker; it starts with {header[:2].hex() or 'nothing'}"
        )
    raise DecodeError("unknown_fingerprint", f"fingerprint {header[2:].hex()} is no version of {name}")


@dataclass(frozen=True, slots=True)
class Block:
    """The undecoded records of one message."""

    schema: Schema
    count: int
    body: memoryview


def cut(name: str, message: bytes) -> Block:
    """Return a message's records as bytes, ready for an Avro container. Raises :class:`DecodeError`.

    A message with one sized block is cut; any other is decoded and encoded again, for only that finds the ends of records.
    """
    schema = schema_of(name, message)
    with suppress(IndexError, UnusualError):
        count, at = read_long(message, HEADER_SIZE)
        if count < 0:
            size, at = read_long(message, at)
            if 0 <= size == len(message) - 1 - at and message[-1] == 0:
                return Block(schema, -count, memoryview(message)[at:-1])
        elif count == 0 and at == len(message):
            return Block(schema, 0, memoryview(b""))
    records = decode(name, message)
    return cut(name, encode(name, records))
