"""How a connector asks its network: within a budget of requests, for answers in JSON or any other, by events and WebSockets.

Neither addresses nor headers nor bodies are in the errors: they may hold secrets.
"""

import asyncio
import base64
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from schemas.topics import MEBIBYTE
from streams.connectors.live import Known, Remembered
from streams.connectors.pacing import Budget, full_jitter
from streams.connectors.public_addresses import NotPublicError, PublicTransport
from streams.http_answers import LONGEST_PAUSE, RefusedError, UnavailableError, pause_of, raise_if_unavailable
from streams.telemetry import CONNECTOR_REQUESTS

LARGEST_ANSWER: Final = 16 * MEBIBYTE
"""More than this of one answer is not read, bytes."""
LARGEST_EVENT: Final = 4 * MEBIBYTE
"""Nor of one event of a stream, or one message of a WebSocket."""
CONNECT_SECONDS: Final = 10.0
"""A server that has not answered for so long is not there."""
ANSWER_SECONDS: Final = 120.0
"""An answer that has not come whole by then is not waited for."""
PAUSE_SECONDS: Final = 60.0
"""How long to wait after "too many requests" without a word about it."""
FIRST_WAIT: Final = 0.2
"""Before a request that has failed is made again, at most, seconds; it doubles up to …"""
LONGEST_WAIT: Final = 60.0
MOST_REDIRECTS: Final = 5
LONGEST_WINDOW: Final = 1e8
"""What is less than this is a number of seconds that are left, and not a moment in the year 1973."""
_REDIRECTS: Final = {301, 302, 303, 307, 308}
_SILENT: Final = logging.getLogger("streams.connectors.websockets")
_SILENT.disabled = True  # websockets writes the headers of its requests into its log
_CREDENTIALS: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

Headers = Mapping[str, str]
Parameters = Mapping[str, str | int | list[str]]
Judge = Callable[[int, Headers, bytes], float]
"""Looks at status, headers and body of an answer where they say more than HTTP does: returns the seconds for which the network
wants to be left alone, after which a request that failed is made again; raises what no other try will mend."""


class NotThereError(Exception):
    """What was asked for is not there: HTTP 404, 410, and whatever else no other try will mend."""

    def __init__(self, why: str, status: int = 0, body: bytes = b"") -> None:
        super().__init__(why)
        self.status = status
        """Of HTTP; 0 where that is not why."""
        self.body = body
        """What the network said of it: for the connector to understand, never for a log."""


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
        _examine(self.status, self.headers, self.body)


class Event(NamedTuple):
    """A server-sent event. One without a name and data is a comment: a sign of life."""

    name: str
    data: bytes


class Session:
    """What a connector needs of the world. ``name``: the connector's, for metrics.

    ``tries``: a request that fails as another would not is made again so often before it raises. More than one is for whoever would
    have to begin anew with a long way.
    """

    def __init__(self, name: str, budget: Budget, known: Callable[[str], Known | None], tries: int = 1) -> None:
        self.name, self._budget, self._tries = name, budget, tries
        self.known = known
        """What is kept of a post, by its key; None: it is of no account of ours, or older than is kept."""
        self.remembered: Remembered = lambda _: ()
        """All of it that stands and was published from a time on; of a history nothing, for its network is not looked at again."""
        self._client = httpx.AsyncClient(timeout=CONNECT_SECONDS, follow_redirects=False)
        self._public = httpx.AsyncClient(timeout=CONNECT_SECONDS, follow_redirects=False, transport=PublicTransport())

    def stands(self, key: str) -> bool:
        """Say whether a post is kept and was not deleted."""
        known = self.known(key)
        return known is not None and not known.is_gone

    async def get(
        self,
        url: str,
        headers: Headers,
        parameters: Parameters | None = None,
        judge: Judge | None = None,
        seconds: float = 0.0,
    ) -> Any:  # noqa: ANN401 - any JSON
        """Return what ``url`` answers. Waits for the budget, and as long as the network asks for.

        ``judge``: where the network says more than HTTP does. ``seconds``: for so long it may wait for something to happen.

        Raises :class:`NotThereError`, :class:`UnavailableError`, :class:`RefusedError`, and what httpx raises of connections.
        """
        timeout = httpx.Timeout(CONNECT_SECONDS, read=CONNECT_SECONDS + seconds)
        request = self._request("GET", url, headers=headers, params=parameters, timeout=timeout)
        return (await self._ask(self._client, request, judge)).json()

    async def send(
        self, method: str, url: str, headers: Headers, body: object = None, form: Mapping[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - any JSON
        """Return what is answered to a body, as JSON, or to a form. Waits and raises as :meth:`get`."""
        return (await self._ask(self._client, self._request(method, url, headers=headers, json=body, data=form))).json()

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

    async def submit(self, url: str, headers: Headers, form: Mapping[str, str], *, is_foreign: bool = False) -> Answer:
        """Return what ``url`` answers to a form, whatever its status; raises as :meth:`fetch`."""
        request = self._request("POST", url, headers=headers, data=form)
        return await self._ask(self._public if is_foreign else self._client, request)

    def _request(self, method: str, url: str, base: httpx.URL | None = None, **said: Any) -> httpx.Request:  # noqa: ANN401 - as httpx has it
        try:
            return self._client.build_request(method, base.join(url) if base else url, **said)
        except (httpx.InvalidURL, UnicodeError):
            raise NotPublicError from None

    async def _ask(self, client: httpx.AsyncClient, request: httpx.Request, judge: Judge | None = None) -> Answer:
        """Return an answer; one that asks for a pause is not, it is asked for again afterwards."""
        failures = 0
        while True:
            await self._wait()
            try:
                answer = await self._answer(client, request)
            except (httpx.TransportError, TimeoutError):
                failures += 1
                if failures >= self._tries:
                    raise
                self.pause(_wait_after(failures))
                continue
            if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and failures + 1 < self._tries:
                failures += 1
                self.pause(max(_wait_after(failures), pause_of(answer.headers.get("Retry-After", ""))))
                continue
            asked = judge(*answer) if judge else 0.0
            is_busy = answer.status == HTTPStatus.TOO_MANY_REQUESTS
            self.pause(asked or (_pause(answer.headers) if is_busy or _is_last(answer.headers) else 0.0))
            if not is_busy and (not asked or httpx.codes.is_success(answer.status)):
                return answer

    async def _answer(self, client: httpx.AsyncClient, request: httpx.Request) -> Answer:
        async with asyncio.timeout(ANSWER_SECONDS + request.extensions["timeout"]["read"]):
            try:
                response = await client.send(request, stream=True)
            except NotPublicError:
                CONNECTOR_REQUESTS.labels(self.name, "not_public").inc()
                raise
            async with aclosing(response):
                CONNECTOR_REQUESTS.labels(self.name, str(response.status_code)).inc()
                return Answer(response.status_code, response.headers, await _read(response))

    @asynccontextmanager
    async def stream(
        self, url: str, headers: Headers, heartbeat: float, parameters: Parameters | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Open a stream of which no two pieces are further apart than ``heartbeat`` seconds. Raises as :meth:`get`."""
        await self._wait()
        timeout = httpx.Timeout(CONNECT_SECONDS, read=heartbeat)
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", **headers}
        async with self._client.stream("GET", url, headers=headers, params=parameters, timeout=timeout) as answer:
            self._opened(answer.status_code, answer.headers)
            yield answer

    @asynccontextmanager
    async def socket(
        self, url: str, headers: Headers, heartbeat: float, protocols: Sequence[str] = ()
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a WebSocket (RFC 6455) and yield its messages, and b"" where nothing came but the answer to a ping.

        Without either for ``heartbeat`` seconds it is dead. A message that is not taken holds the server back.
        Raises as :meth:`get`.
        """
        await self._wait()
        opening = _Opening(
            url,
            additional_headers=dict(headers),
            subprotocols=[Subprotocol(it) for it in protocols] or None,
            compression=None,
            open_timeout=CONNECT_SECONDS,
            close_timeout=1.0,
            ping_interval=None,
            max_size=LARGEST_EVENT,
            logger=_SILENT,
        )
        try:
            async with opening as socket:
                self._opened(HTTPStatus.OK, {})
                yield _messages(socket, heartbeat)
        except InvalidStatus as error:
            answer = error.response
        except WebSocketException as error:
            raise UnavailableError(type(error).__name__) from None
        else:
            return
        self._opened(answer.status_code, answer.headers, bytes(answer.body or b""))

    def pause(self, seconds: float) -> None:
        """Let nothing be asked for so long, as the network wants it."""
        self._budget.pause(time.monotonic(), min(max(seconds, 0.0), LONGEST_PAUSE))

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()
        await self._public.aclose()

    async def _wait(self) -> None:
        if (wait := self._budget.take(time.monotonic())) > 0:
            await asyncio.sleep(wait)

    def _opened(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Count the answer of a stream's server, and raise if it has opened none."""
        CONNECTOR_REQUESTS.labels(self.name, str(status)).inc()
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            pause = _pause(headers)
            self.pause(pause)
            raise UnavailableError("HTTP 429", pause)
        _examine(status, headers, body)


class _Opening(connect):
    """Opens a WebSocket, where it was asked for and nowhere else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def _messages(socket: ClientConnection, heartbeat: float) -> AsyncIterator[bytes]:
    """Yield what a WebSocket says; see :meth:`Session.socket`. Asked for a sign of life after half the time of silence."""
    pong: asyncio.Future[float] | None = None
    while True:
        try:
            async with asyncio.timeout(heartbeat / 2):
                message = await socket.recv(decode=False)
        except TimeoutError:
            if pong is not None:
                if not pong.done():
                    raise UnavailableError("it is silent") from None
                yield b""
            pong = asyncio.ensure_future(await socket.ping())
            continue
        pong = None
        yield message


def basic(user: str, password: str) -> str:
    """Return the value of ``Authorization`` of a user with a password (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _examine(status: int, headers: Headers, body: bytes = b"") -> None:
    if httpx.codes.is_success(status):
        return
    if status in _CREDENTIALS:
        raise RefusedError(f"HTTP {status}")
    raise_if_unavailable(status, headers)
    raise NotThereError(f"HTTP {status}", status, body)


def _wait_after(failures: int) -> float:
    return full_jitter(failures, FIRST_WAIT, LONGEST_WAIT, random.random())  # noqa: S311 - no secret


async def _read(answer: httpx.Response) -> bytes:
    found = bytearray()
    async for chunk in answer.aiter_bytes():
        found += chunk
        if len(found) > LARGEST_ANSWER:
            raise UnavailableError(f"its answer has more than {LARGEST_ANSWER} bytes")
    return bytes(found)


def _is_last(headers: Headers) -> bool:
    """Say whether a network tells that nothing more may be asked before its window ends."""
    try:
        return "X-RateLimit-Reset" in headers and float(headers.get("X-RateLimit-Remaining", "1")) < 1
    except ValueError:
        return False


def _pause(headers: Headers) -> float:
    """Return for how long a network wants to be left alone, seconds: Retry-After, or when its window ends (X has another name)."""
    if "Retry-After" in headers:
        return pause_of(headers["Retry-After"])
    reset = headers.get("X-RateLimit-Reset") or headers.get("X-Rate-Limit-Reset", "")
    try:
        until = float(reset) if reset.isdecimal() else datetime.fromisoformat(reset).timestamp()
        if until < LONGEST_WINDOW:
            return min(until, LONGEST_PAUSE)
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
