"""Avro single-object encoding of arrays of records.

A message is the marker ``C3 01``, the 8-byte little-endian CRC-64-AVRO fingerprint of its writer's schema and the body
(Avro specification 1.11, "Single-object encoding"). The schema is an array of one record type, so a reader knows from the
fingerprint alone which records, and which version of them, a message holds. Every version ever written stays in this
folder; a message of an older one is resolved to the newest.

The array is written as one sized block (``-count, bytes, records…, 0``; Avro specification, "Arrays"), so that a sink can
cut the records out without decoding them. Messages by other producers, with unsized or several blocks, are read as well.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from io import BytesIO
from typing import Any, Final, NamedTuple

import fastavro
from fastavro.schema import fingerprint as avro_fingerprint
from fastavro.schema import to_parsing_canonical_form

Record = dict[str, Any]

MARKER: Final = b"\xc3\x01"
HEADER_SIZE: Final = len(MARKER) + 8
RECORDS: Final = "records"


class DecodeError(ValueError):
    """A message is not what it should be. ``reason`` is ``undecodable`` or ``unknown_fingerprint``."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Schema(NamedTuple):
    """One version of one record type, as written in ``<name>.v<version>.avsc``."""

    name: str
    version: int
    record: Record
    """The schema as it stands in the file, logical types included: what ClickHouse is handed."""
    message: Any
    """The parsed array of the record without logical types: the same bytes and fingerprint, and times stay integers.

    It is the one field of a record, :data:`RECORDS`, which adds no byte: fastavro parses a bare array anew for every message.
    """
    header: bytes
    """Marker and fingerprint: the first ten bytes of every message."""


def strip_logical_types(schema: Any) -> Any:  # noqa: ANN401 - a schema is any JSON
    """Return the schema without ``logicalType``, ``doc`` and the like that change no byte."""
    if isinstance(schema, dict):
        return {key: strip_logical_types(value) for key, value in schema.items() if key not in ("logicalType", "doc")}
    if isinstance(schema, list):
        return [strip_logical_types(item) for item in schema]
    return schema


def _load(name: str, version: int, text: str) -> Schema:
    record = json.loads(text)
    bare = {"type": "array", "items": strip_logical_types(record)}
    digest = bytes.fromhex(avro_fingerprint(to_parsing_canonical_form(bare), "CRC-64-AVRO"))
    message = {"type": "record", "name": "rapport.Message", "fields": [{"name": RECORDS, "type": bare}]}
    return Schema(name, version, record, fastavro.parse_schema(message), MARKER + digest)


@cache
def versions() -> Mapping[str, Sequence[Schema]]:
    """Return every schema by record name, oldest version first."""
    found: dict[str, list[Schema]] = {}
    for path in resources.files(__package__).iterdir():
        if path.name.endswith(".avsc"):
            name, version, _ = path.name.split(".")
            found.setdefault(name, []).append(_load(name, int(version[1:]), path.read_text("utf-8")))
    return {name: sorted(schemas, key=lambda schema: schema.version) for name, schemas in sorted(found.items())}


@cache
def newest(name: str) -> Schema:
    """Return the version of ``name`` that is written today."""
    return versions()[name][-1]


@cache
def _by_header() -> Mapping[bytes, Schema]:
    return {schema.header: schema for schemas in versions().values() for schema in schemas}


def encode(name: str, records: Sequence[Mapping[str, Any]]) -> bytes:
    """Return one message holding ``records`` of the type ``name``."""
    schema = newest(name)
    if not records:
        return schema.header + b"\x00"
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, schema.message, {RECORDS: records})
    plain = buffer.getvalue()  # count, records…, 0
    count, start = _read_long(plain, 0)
    size = len(plain) - 1 - start
    return b"".join((schema.header, avro_long(-count), avro_long(size), memoryview(plain)[start:]))


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
    count, position = _read_long(message, HEADER_SIZE)
    if count < 0:
        size, position = _read_long(message, position)
        if 0 <= size == len(message) - 1 - position and message[-1] == 0:
            return Block(schema, -count, memoryview(message)[position:-1])
    elif count == 0 and position == len(message):
        return Block(schema, 0, memoryview(b""))
    records = decode(name, message)
    return cut(name, encode(name, records))


def avro_long(value: int) -> bytes:
    """Return an Avro long: zigzag, then a :func:`varint`."""
    return varint((value << 1) ^ (value >> 63))


def varint(value: int) -> bytes:
    """Return a number of any size, not negative, in base 128 with the least significant group first."""
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_long(data: bytes, position: int) -> tuple[int, int]:
    """Return the Avro long at ``position`` and the position after it. Raises :class:`DecodeError`."""
    value = shift = 0
    for byte in data[position : position + 10]:
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the last group has its top bit clear
            return (value >> 1) ^ -(value & 1), position
    raise DecodeError("undecodable", "the message ends inside a number")
