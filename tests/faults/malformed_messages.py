"""Messages that cannot be decoded, of every kind that we could think of, and the reason that each has to be set aside for."""

import random
from collections.abc import Callable, Mapping
from typing import Final

from schemas import codec
from streams.errors import Reason

HEADER: Final = codec.newest("interaction").header
IMPOSSIBLE: Final = (2**31, 2**32, 2**33 - 1, 2**40, 2**62, 2**63 - 1)
"""Counts and lengths that nothing can have: billions and more."""
LARGE_ONE_IN: Final = 1_000
"""Of the malformed messages, so many are nearly as large as Kafka lets a message be."""
LARGE_BYTES: Final = 900_000


def _noise(rnd: random.Random, message: bytes) -> bytes:
    return b"\x00" + rnd.randbytes(rnd.randrange(len(message)))


def _nothing(_: random.Random, __: bytes) -> bytes:
    return b""


def _noise_with_header(rnd: random.Random, message: bytes) -> bytes:
    return HEADER + b"\x02" + b"\xff" * 10 + rnd.randbytes(rnd.randrange(len(message)))


def _cut_short(rnd: random.Random, message: bytes) -> bytes:
    return message[: rnd.randrange(1, len(message))]


def _too_long(rnd: random.Random, message: bytes) -> bytes:
    return message + rnd.randbytes(rnd.randrange(1, 50))


def _unknown_fingerprint(rnd: random.Random, message: bytes) -> bytes:
    return codec.MARKER + rnd.randbytes(8) + message[len(HEADER) :]


def _other_record(_: random.Random, message: bytes) -> bytes:
    return codec.newest("turn").header + message[len(HEADER) :]


def _huge_length(rnd: random.Random, message: bytes) -> bytes:
    """One event whose id says that it is longer than anything."""
    return HEADER + codec.avro_long(1) + codec.avro_long(rnd.choice(IMPOSSIBLE)) + message[len(HEADER) + 4 :]


def _negative_length(rnd: random.Random, message: bytes) -> bytes:
    return HEADER + codec.avro_long(1) + codec.avro_long(-rnd.choice(IMPOSSIBLE)) + message[len(HEADER) + 4 :]


def _huge_count(rnd: random.Random, message: bytes) -> bytes:
    """Billions of events, of which one is there, in a block that says its size or not."""
    body, count = message[_start_of_body(message) :], rnd.choice(IMPOSSIBLE)
    if rnd.random() < 0.5:
        return HEADER + codec.avro_long(count) + body
    return HEADER + codec.avro_long(-count) + codec.avro_long(len(body) - 1) + body


def _smallest_count(_: random.Random, message: bytes) -> bytes:
    """A count that has no opposite in 64 bits."""
    body = message[_start_of_body(message) :]
    return HEADER + b"\xff" * 9 + b"\x01" + codec.avro_long(len(body) - 1) + body


def _many_blocks(rnd: random.Random, message: bytes) -> bytes:
    """Blocks of one event each, and then no end."""
    return HEADER + (codec.avro_long(1) + message[_start_of_body(message) : -1]) * rnd.randrange(2, 9)


def _huge_inner_count(rnd: random.Random, message: bytes) -> bytes:
    """An event that has billions of hashtags, all of them empty, until the message ends."""
    return _inner(rnd.choice((1, -1)) * rnd.choice(IMPOSSIBLE), rnd.randrange(len(message)))


def _large_inner_count(rnd: random.Random, _: bytes) -> bytes:
    return _inner(rnd.choice(IMPOSSIBLE), LARGE_BYTES)


def _large_count_of_nothing(rnd: random.Random, _: bytes) -> bytes:
    """Billions of events without a thing in them, until the message ends."""
    return HEADER + codec.avro_long(rnd.choice(IMPOSSIBLE)) + bytes(LARGE_BYTES)


def _large_invalid_text(_: random.Random, __: bytes) -> bytes:
    """One event with a text that is long and not Unicode."""
    return HEADER + codec.avro_long(1) + codec.avro_long(LARGE_BYTES) + b"\xff" * LARGE_BYTES


def _large_noise(rnd: random.Random, _: bytes) -> bytes:
    return b"\x00" + rnd.randbytes(LARGE_BYTES)


def _start_of_body(message: bytes) -> int:
    """Return where the first event begins: after the count and the size of the only block."""
    position = len(HEADER)
    for _ in range(2):
        while message[position] & 0x80:
            position += 1
        position += 1
    return position


def _inner(count: int, strings: int) -> bytes:
    """Return one event that ends inside the first array it has."""
    fields = codec.newest("interaction").record["fields"]
    before = fields[: [one["name"] for one in fields].index("hashtags")]
    empty = b"".join(bytes(4 if one["type"] == "float" else 1) for one in before)
    return HEADER + codec.avro_long(1) + empty + codec.avro_long(count) + bytes(strings)


Maker = Callable[[random.Random, bytes], bytes]
"""Makes a malformed message, perhaps of a good one."""
SMALL: Final[Mapping[Maker, Reason]] = {
    _nothing: Reason.UNDECODABLE,
    _noise: Reason.UNDECODABLE,
    _noise_with_header: Reason.UNDECODABLE,
    _cut_short: Reason.UNDECODABLE,
    _too_long: Reason.UNDECODABLE,
    _unknown_fingerprint: Reason.UNKNOWN_FINGERPRINT,
    _other_record: Reason.UNKNOWN_FINGERPRINT,
    _huge_length: Reason.UNDECODABLE,
    _negative_length: Reason.UNDECODABLE,
    _huge_count: Reason.UNDECODABLE,
    _smallest_count: Reason.UNDECODABLE,
    _many_blocks: Reason.UNDECODABLE,
    _huge_inner_count: Reason.UNDECODABLE,
}
LARGE: Final[tuple[Maker, ...]] = (
    _large_inner_count,
    _large_count_of_nothing,
    _large_invalid_text,
    _large_noise,
)
"""All undecodable."""


def malformed(rnd: random.Random, number: int, message: bytes) -> tuple[bytes, Reason]:
    """Return a message that cannot be decoded, and the reason that its letter has to have."""
    if number % LARGE_ONE_IN == LARGE_ONE_IN - 1:
        return LARGE[number // LARGE_ONE_IN % len(LARGE)](rnd, message), Reason.UNDECODABLE
    maker, reason = rnd.choice([*SMALL.items()])
    return maker(rnd, message), reason
