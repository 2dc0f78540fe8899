"""How a connector asks its network: within a budget of requests, for answers in JSON or any other, and server-sent events.

Neither addresses nor headers nor bodies are in the errors: they may hold secrets.
"""

import asyncio
import base64
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
from streams.connectors.public_addresses import NotPublicError, PublicTransport
from streams.http_answers import LONGEST_PAUSE, RefusedError, UnavailableError, pause_of, raise_if_unavailable
from streams.telemetry import CONNECTOR_REQUESTS

LARGEST_ANSWER: Final = 16 * MEBIBYTE
"""More than this of one answer is not read, bytes."""
LARGEST_EVENT: Final = 4 * MEBIBYTE
"""Nor of one event of a stream."""
CONNECT_SECONDS: Final = 10.0
"""A server that has not answered for so long is not there."""
ANSWER_SECONDS: Final = 120.0
"""An answer that has not come whole by then is not waited for."""
PAUSE_SECONDS: Final = 60.0
"""How long to wait after "too many requests" without a word about it."""
MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = {301, 302, 303, 307, 308}
_CREDENTIALS: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

Headers = Mapping[str, str]
Parameters = Mapping[str, str | int | list[str]]


class NotThereError(Exception):
    """What was asked for is not there: HTTP 404, 410, and whatever else no other try will mend."""


class Answer(NamedTuple):
    """What a server says, whatever that is."""

    status: int
    headers: httpx.Headers
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """Return its JSON. Raises :class:`UnavailableError`, and for its status as :meth:`Session.get`."""
        self.examine()
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise UnavailableError("its answer is not JSON") from None

    def examine(self) -> None:
        """Raise what its status means, if it is no success: as :meth:`Session.get`."""
        _examine(self.status, self.headers)


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
        self._public = httpx.AsyncClient(timeout=CONNECT_SECONDS, follow_redirects=False, transport=PublicTransport())

    async def get(self, url: str, headers: Headers, parameters: Parameters | None = None) -> Any:  # noqa: ANN401 - any JSON
        """Return what ``url`` answers. Waits for the budget, and as long as the network asks for.

        Raises :class:`NotThereError`, :class:`UnavailableError`, :class:`RefusedError`, and what httpx raises of connections.
        """
        request = self._client.build_request("GET", url, headers=headers, params=parameters)
        return (await self._ask(self._client, request)).json()

    async def fetch(
        self, url: str, headers: Headers, parameters: Parameters | None = None, *, is_foreign: bool = False
    ) -> Answer:
        """Return what ``url`` answers, whatever its status. Waits as :meth:`get` does, and goes where it is led to.

        ``is_foreign``: somebody else has named it; then, and when it leads to another host, it has to be at a public address.
        Only the first host is told what stands in ``Authorization``. Raises
        :class:`streams.connectors.public_addresses.NotPublicError`, :class:`UnavailableError` and what httpx raises of connections.
        """
        request = self._request("GET", url, headers=headers, params=parameters)
        at_home = _origin(request.url)
        for _ in range(MOST_REDIRECTS + 1):
            is_elsewhere = _origin(request.url) != at_home
            answer = await self._ask(self._public if is_foreign or is_elsewhere else self._client, request)
            if answer.status not in _REDIRECTS or "Location" not in answer.headers:
                return answer
            request = self._request("GET", answer.headers["Location"], headers=headers, base=request.url)
            if _origin(request.url) != at_home:
                request.headers.pop("Authorization", None)
        raise UnavailableError("it leads from one place to the next without end")

    async def post(self, url: str, headers: Headers, form: Parameters, *, is_foreign: bool = False) -> Answer:
        """Return what ``url`` answers to a form, whatever its status; raises as :meth:`fetch`."""
        request = self._request("POST", url, headers=headers, data=form)
        return await self._ask(self._public if is_foreign else self._client, request)

    def _request(self, method: str, url: str, base: httpx.URL | None = None, **said: Any) -> httpx.Request:  # noqa: ANN401 - as httpx has it
        try:
            return self._client.build_request(method, base.join(url) if base else url, **said)
        except (httpx.InvalidURL, UnicodeError):
            raise NotPublicError from None

    async def _ask(self, client: httpx.AsyncClient, request: httpx.Request) -> Answer:
        """Return an answer, unless it is "too many requests": then that is waited for."""
        while True:
            await self._wait()
            async with asyncio.timeout(ANSWER_SECONDS):
                try:
                    answer = await client.send(request, stream=True)
                except NotPublicError:
                    CONNECTOR_REQUESTS.labels(self._name, "not_public").inc()
                    raise
                try:
                    CONNECTOR_REQUESTS.labels(self._name, str(answer.status_code)).inc()
                    if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                        return Answer(answer.status_code, answer.headers, await _read(answer))
                    self._budget.pause(time.monotonic(), _pause(answer.headers))
                finally:
                    await answer.aclose()

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
            _examine(answer.status_code, answer.headers)
            yield answer

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()
        await self._public.aclose()

    async def _wait(self) -> None:
        if (wait := self._budget.take(time.monotonic())) > 0:
            await asyncio.sleep(wait)


def basic(user: str, password: str) -> str:
    """Return the value of ``Authorization`` of a user with a password (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _examine(status: int, headers: Headers) -> None:
    if httpx.codes.is_success(status):
        return
    if status in _CREDENTIALS:
        raise RefusedError(f"HTTP {status}")
    raise_if_unavailable(status, headers)
    raise NotThereError(f"HTTP {status}")


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
