"""Avro's binary form of single values (specification 1.11, "Binary Encoding"): what ``rows.py`` is made of.

Compiled where that is done (docs/performance.md); the code is plain Python all the same. Reading raises IndexError where the
bytes end too early, UnicodeDecodeError, and :class:`UnusualError`; the caller then leaves the message to fastavro, which says
what is wrong.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from librt.strings import BytesWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_extensions import i64

DOUBLE: Final = struct.Struct("<d")
FLOAT: Final = struct.Struct("<f")
_LONG_BITS: Final = 64


class UnusualError(Exception):
    """The bytes are not what a writer of these would have written."""


def varint(value: int) -> bytes:
    """Return a number of any size, not negative, in base 128 with the least significant group first."""
    out = BytesWriter()
    _write_varint(out, value)
    return out.getvalue()


def avro_long(value: int) -> bytes:
    """Return a long: zigzag, then a :func:`varint`. Raises OverflowError."""
    out = BytesWriter()
    write_long(out, value)
    return out.getvalue()


def write_long(out: BytesWriter, value: int) -> None:
    """Write a long. Raises OverflowError."""
    number = value << 1 if value >= 0 else ~(value << 1)
    if number >> _LONG_BITS:
        raise OverflowError(f"{value} does not fit in 64 bits")
    _write_varint(out, number)


def _write_varint(out: BytesWriter, number: int) -> None:
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def write_bytes(out: BytesWriter, data: bytes) -> None:
    """Write bytes, as Avro has them."""
    write_long(out, len(data))
    out.write(data)


def write_string(out: BytesWriter, text: str) -> None:
    """Write a string. Raises UnicodeEncodeError."""
    write_bytes(out, text.encode())


def write_longs(out: BytesWriter, values: Sequence[int]) -> None:
    """Write an array of int or long."""
    if values:
        write_long(out, len(values))
        for value in values:
            write_long(out, value)
    out.append(0)


def write_strings(out: BytesWriter, values: Sequence[str]) -> None:
    """Write an array of strings. Raises UnicodeEncodeError."""
    if values:
        write_long(out, len(values))
        for value in values:
            write_string(out, value)
    out.append(0)


def read_long(data: bytes, at: i64) -> tuple[i64, i64]:
    """Return the long at ``at`` and the position after it."""
    value: i64 = 0
    shift: i64 = 0
    while True:
        byte: i64 = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte <= 0x7F:  # noqa: PLR2004 - the last group has its top bit clear
            return (value >> 1) ^ -(value & 1), at
        shift += 7
        if shift > _LONG_BITS - 8:  # the last group of a number this large is fastavro's affair
            raise UnusualError


def read_size(data: bytes, at: i64) -> tuple[i64, i64]:
    """Return the size that stands at ``at``, and the position after it."""
    size, at = read_long(data, at)
    if size < 0:
        raise UnusualError
    return size, at


def read_array_of_strings(data: bytes, at: i64) -> tuple[list[str], i64]:
    """Return the array of strings at ``at``, in one block or none, and the position after it."""
    values: list[str] = []
    count, at = read_size(data, at)
    if not count:
        return values, at
    for _ in range(count):
        size, at = read_size(data, at)
        values.append(data[at : at + size].decode())
        at += size
    if data[at]:
        raise UnusualError
    return values, at + 1
