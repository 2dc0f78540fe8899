"""Server-sent events, whatever the pieces in which they come."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors.session import LARGEST_EVENT, Event, parse
from streams.http_answers import UnavailableError

STREAM = (
    b":)\n"
    b'event: update\ndata: {"a": "\xe2\x80\xa8 a line of text ends here, an event does not"}\n\n'
    b":thump\n"
    b"event: delete\r\ndata: 17\r\n\r\n"
    b"data: one\ndata:two\nid: 9\nretry: 5\n\n"
    b"event: bare\n\n"
    b"event: update\ndata: cut in the mid"
)
EVENTS = [
    Event("", b""),
    Event("update", b'{"a": "\xe2\x80\xa8 a line of text ends here, an event does not"}'),
    Event("", b""),
    Event("delete", b"17"),
    Event("", b"one\ntwo"),
    Event("bare", b""),
]


async def parsed(pieces: list[bytes]) -> list[Event]:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return [event async for event in parse(chunks())]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_events_are_the_same_whatever_the_pieces(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[one:other] for one, other in pairwise(places)]
    assert asyncio.run(parsed(pieces)) == EVENTS


def test_an_event_without_an_end_is_not_kept_in_memory() -> None:
    with pytest.raises(UnavailableError, match="more than"):
        asyncio.run(parsed([b"data: " + bytes(LARGEST_EVENT), b"x"]))
    with pytest.raises(UnavailableError, match="more than"):
        asyncio.run(parsed([b"data: " + bytes(1_000_000) + b"\n"] * 6))
