"""What servers that speak Mastodon's API tell by themselves: server-sent events, or else the same events by a WebSocket.

GoToSocial, Pleroma and Akkoma have a WebSocket alone. Whether it tells of all that an account says is not documented for each of
them; so it says there when to ask, and what nobody is told who asks: edits and deletions.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, NamedTuple

from streams.connectors.session import Event, Headers, NotThereError, Session, parse
from streams.connectors.values import MALFORMED
from streams.http_answers import UnavailableError

Heard = asyncio.Queue[Event | Exception]
"""Events as they come, and why there are no more."""
MALFORMED_EVENT: Final = "malformed"
"""The name of what is no event."""
_ONLY_TOLD: Final = ("status.update", "delete", MALFORMED_EVENT)


class Streaming(NamedTuple):
    """Where a server's streams are."""

    address: str
    """``https://…``"""
    headers: Headers
    token: str
    heartbeat: float
    """Seconds: what is silent for so long is dead."""


async def listen(session: Session, streaming: Streaming, heard: Heard) -> None:
    """Put what a server tells into a queue, until it ends, a sign of life first.

    Where there are no server-sent events, :class:`NotThereError` comes first, and then what the WebSocket tells, if there is one.
    """
    try:
        try:
            await _events(session, streaming, heard)
        except NotThereError as error:
            await heard.put(error)
            await _messages(session, streaming, heard)
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader raises it
        await heard.put(error)


async def _events(session: Session, streaming: Streaming, heard: Heard) -> None:
    address = f"{streaming.address}/api/v1/streaming/user"
    async with session.stream(address, streaming.headers, streaming.heartbeat) as answer:
        if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            raise NotThereError("no stream of events")
        await heard.put(Event("", b""))
        async for event in parse(answer.aiter_bytes()):
            await heard.put(event)
    raise UnavailableError("the stream ended")


async def _messages(session: Session, streaming: Streaming, heard: Heard) -> None:
    """Put what a WebSocket tells into the queue; nothing where a server, or a proxy before it, opens none."""
    address, is_open = f"ws{streaming.address.removeprefix('http')}/api/v1/streaming?stream=user", False
    try:
        # older servers look for the token where a browser can put it
        async with session.socket(address, streaming.headers, streaming.heartbeat, [streaming.token]) as messages:
            is_open = True
            async for message in messages:
                if message:
                    await heard.put(event_of(message))
    except Exception:
        if is_open:
            raise


def event_of(message: bytes) -> Event:
    """Return the event of a message; its payload is text, of JSON mostly."""
    try:
        found = json.loads(message)
        return Event(str(found["event"]), found.get("payload", "").encode())
    except (*MALFORMED, RecursionError):
        return Event(MALFORMED_EVENT, message)


async def told(heard: Heard, is_news: Callable[[Event], bool], seconds: float) -> AsyncIterator[Event]:
    """Yield edits and deletions until it is time to ask: once there is news, at the latest after so many seconds.

    Raises why a stream ended.
    """
    until, is_time = time.monotonic() + seconds, False
    while not (is_time and heard.empty()):
        try:
            event = await asyncio.wait_for(heard.get(), until - time.monotonic())
        except TimeoutError:
            return
        if isinstance(event, Exception):
            raise event
        if event.name in _ONLY_TOLD:
            yield event
        else:
            is_time = is_time or is_news(event)
