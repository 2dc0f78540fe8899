"""Server-sent events, whatever the pieces in which they come; and answers of any size, or without an end."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors import session
from streams.connectors.pacing import Budget
from streams.connectors.session import LARGEST_ANSWER, LARGEST_EVENT, Event, Session, parse
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


async def asked(said: bytes, *, then: bytes = b"") -> None:
    """Ask a server that says something, and then the rest, again and again, until nobody listens any more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with closing(writer), suppress(ConnectionError):
            writer.write(said)
            while then and not writer.is_closing():
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(0.01)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    asking = Session("a", Budget(1000, 1), lambda _: None)
    try:
        await asking.fetch(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {})
    finally:
        await asking.close()
        server.close()


def head(body: bytes, *lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *lines, "", ""]).encode() + body


@pytest.mark.parametrize(
    "said",
    [
        head(bytes(LARGEST_ANSWER + 1)),
        head(gzip.compress(bytes(LARGEST_ANSWER + 1)), "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + bytes(LARGEST_ANSWER + 1),
    ],
    ids=["said", "compressed", "of no length"],
)
def test_an_answer_of_any_size_is_not_read(said: bytes) -> None:
    with pytest.raises(UnavailableError, match="more than"):
        asyncio.run(asked(said))
    asyncio.run(asked(head(bytes(LARGEST_ANSWER))))


def test_an_answer_that_comes_byte_by_byte_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "ANSWER_SECONDS", -session.CONNECT_SECONDS + 0.3)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(asked(b"HTTP/1.1 200 OK\r\n\r\n", then=b"x"))
    assert time.monotonic() - began < 3
