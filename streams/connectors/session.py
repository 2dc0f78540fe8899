"""How a connector asks its network: one HTTP client within a budget of requests, answers in JSON, streams of server-sent events.

Neither addresses nor headers nor bodies are in the errors: they may hold secrets.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import httpx

from schemas.topics import MEBIBYTE
from streams.connectors.live import Known
from streams.connectors.pacing import Budget
from streams.http_answers import LONGEST_PAUSE, RefusedError, UnavailableError, pause_of, raise_if_unavailable
from streams.telemetry import CONNECTOR_REQUESTS

LARGEST_ANSWER: Final = 16 * MEBIBYTE
"""More than this of one answer is not read, bytes."""
LARGEST_EVENT: Final = 4 * MEBIBYTE
"""Nor of one event of a stream."""
CONNECT_SECONDS: Final = 10.0
"""A server that has not answered for so long is not there."""
PAUSE_SECONDS: Final = 60.0
"""How long to wait after "too many requests" without a word about it."""
_CREDENTIALS: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

Headers = Mapping[str, str]
Parameters = Mapping[str, str | int | list[str]]


class NotThereError(Exception):
    """What was asked for is not there: HTTP 404, 410, and whatever else no other try will mend."""

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status
        """Of HTTP; 0 where that is not why."""


class Event(NamedTuple):
    """A server-sent event. One without a name and data is a comment: a sign of life."""

    name: str
    data: bytes


class Session:
    """What a connector needs of the world. ``name``: the connector's, for metrics."""

    def __init__(self, name: str, budget: Budget, known: Callable[[str], Known | None]) -> None:
        self._name, self._budget = name, budget
        self.known = known
        """What is kept of a post, by its key; None: it is of no account of ours, or older than is kept."""
        self._client = httpx.AsyncClient(timeout=CONNECT_SECONDS, follow_redirects=False)

    async def get(self, url: str, headers: Headers, parameters: Parameters | None = None, seconds: float = 0.0) -> Any:  # noqa: ANN401 - any JSON
        """Return what ``url`` answers. Waits for the budget, and as long as the network asks for.

        ``seconds``: for so long it may wait for something to happen. Raises :class:`NotThereError`, :class:`UnavailableError`,
        :class:`RefusedError`, and what httpx raises of connections.
        """
        return await self._ask("GET", url, headers, seconds, params=parameters)

    async def post(self, url: str, headers: Headers, form: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
        """Return what ``url`` answers to a form. Waits and raises as :meth:`get`."""
        return await self._ask("POST", url, headers, data=form)

    async def _ask(self, method: str, url: str, headers: Headers, seconds: float = 0.0, **what: Any) -> Any:  # noqa: ANN401
        timeout = httpx.Timeout(CONNECT_SECONDS, read=CONNECT_SECONDS + seconds)
        while True:
            await self._wait()
            async with self._client.stream(method, url, headers=headers, timeout=timeout, **what) as answer:
                CONNECTOR_REQUESTS.labels(self._name, str(answer.status_code)).inc()
                if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                    self._budget.pause(time.monotonic(), _pause(answer.headers))
                    continue
                _examine(answer)
                body = await _read(answer)
            try:
                return json.loads(body)
            except (ValueError, RecursionError):
                raise UnavailableError("its answer is not JSON") from None

    @asynccontextmanager
    async def stream(
        self, url: str, headers: Headers, heartbeat: float, parameters: Parameters | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Open a stream of which no two pieces are further apart than ``heartbeat`` seconds. Raises as :meth:`get`."""
        await self._wait()
        timeout = httpx.Timeout(CONNECT_SECONDS, read=heartbeat)
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", **headers}
        async with self._client.stream("GET", url, headers=headers, params=parameters, timeout=timeout) as answer:
            CONNECTOR_REQUESTS.labels(self._name, str(answer.status_code)).inc()
            if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                pause = _pause(answer.headers)
                self._budget.pause(time.monotonic(), pause)
                raise UnavailableError("HTTP 429", pause)
            _examine(answer)
            yield answer

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def _wait(self) -> None:
        if (wait := self._budget.take(time.monotonic())) > 0:
            await asyncio.sleep(wait)


def _examine(answer: httpx.Response) -> None:
    status = answer.status_code
    if answer.is_success:
        return
    if status in _CREDENTIALS:
        raise RefusedError(f"HTTP {status}")
    raise_if_unavailable(status, answer.headers)
    raise NotThereError(f"HTTP {status}", status)


async def _read(answer: httpx.Response) -> bytes:
    found = bytearray()
    async for chunk in answer.aiter_bytes():
        found += chunk
        if len(found) > LARGEST_ANSWER:
            raise UnavailableError(f"its answer has more than {LARGEST_ANSWER} bytes")
    return bytes(found)


def _pause(headers: Headers) -> float:
    """Return for how long a network wants to be left alone, seconds: Retry-After, or when its window ends."""
    if "Retry-After" in headers:
        return pause_of(headers["Retry-After"])
    reset = headers.get("X-RateLimit-Reset", "")
    try:
        until = float(reset) if reset.isdecimal() else datetime.fromisoformat(reset).timestamp()
    except ValueError:
        return PAUSE_SECONDS
    return min(max(until - datetime.now(UTC).timestamp(), 0.0), LONGEST_PAUSE)


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a stream of bytes, which end in LF or CR LF, without their ends.

    By bytes, because the lines of text end at more characters than these, and JSON may hold them.
    """
    rest = b""
    async for chunk in chunks:
        *ended, rest = (rest + chunk).split(b"\n")
        for line in ended:
            yield line.removesuffix(b"\r")
        if len(rest) > LARGEST_EVENT:
            raise UnavailableError(f"an event has more than {LARGEST_EVENT} bytes")


async def parse(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Yield the server-sent events of a stream of bytes (WHATWG, "Server-sent events")."""
    name, size = "", 0
    data: list[bytes] = []
    async for line in lines(chunks):
        if not line:
            if name or data:
                yield Event(name, b"\n".join(data))
            name, data, size = "", [], 0
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not field:
            yield Event("", b"")
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"data":
            data.append(value)
            size += len(value)
            if size > LARGEST_EVENT:
                raise UnavailableError(f"an event has more than {LARGEST_EVENT} bytes")
