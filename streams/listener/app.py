"""The ASGI application to which others push: interactions under a token, webhooks under a signature.

It answers once Kafka has acknowledged what came, the dead letters too, or else says when to come again; what it has answered with
200 is never lost. Nothing of a request is logged: tokens, signatures and challenges are in it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, NamedTuple, NoReturn

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from schemas.codec import Record
from sinks.dashboard.access import Gate, Rate, Token, bearer
from sinks.dashboard.bodies import body_of
from streams.connectors import pushed
from streams.connectors.base import Item, Rejected
from streams.errors import BrokerError, RapportError
from streams.listener.courier import Carrier
from streams.listener.hooks import Hook, Received
from streams.telemetry import ACKNOWLEDGEMENT_SECONDS, RECEIVED, REFUSED, log

ANSWER_SECONDS: Final = 1.0
"""Whoever pushes is answered within this, after the last byte of the body."""
BODY_SECONDS: Final = 10.0
"""A body that takes longer to come is not waited for."""
SMALL_BODY: Final = 30_000
"""Bytes. What is larger is read in a thread, for which language its texts are in takes a while; handing over takes one, too."""
RETRY_AFTER: Final = "2"
"""Seconds."""
BURST: Final = 500
PER_SECOND: Final = 100
"""Requests of one token, of one webhook, and of one address."""
API: Final = "http"
"""The source of what comes under a token."""
UNKNOWN: Final = "unknown"
"""The source of what nobody is known for: their names would make as many metrics as they like."""

logger = log("listener")


@dataclass(frozen=True)
class Served:
    """What the application is made of."""

    carrier: Carrier
    tokens: Sequence[Token] = ()
    """Whose interactions are taken, and of which accounts."""
    hooks: Sequence[Hook] = ()
    is_open: bool = False
    """Whether interactions are taken of anybody: where neither tokens nor webhooks are set up, on this machine."""
    hosts: Sequence[str] = ("*",)
    """Names by which it may be asked for."""
    understand: Callable[[Record], Record] = lambda event: event
    """Gives an event its language and sentiment."""
    now: Callable[[], float] = time.time
    """Seconds since 1970."""


class Sender(NamedTuple):
    """Who pushes."""

    source: str
    """As metrics and dead letters have it."""
    place: str
    """Where dead letters say that it came from."""
    allows: Callable[[str], bool]
    """Says for which accounts they may speak."""


def build(served: Served) -> Starlette:
    """Return the application."""
    listener = _Listener(served)
    routes = [
        Route("/healthz", lambda _: JSONResponse({"alive": True})),
        Route("/v1/interactions", listener.interactions, methods=["POST"]),
        Route("/v1/webhooks/{name}", listener.challenge, methods=["GET"]),
        Route("/v1/webhooks/{name}", listener.webhook, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(served.hosts), www_redirect=False)],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )


class _Listener:
    def __init__(self, served: Served) -> None:
        self._served = served
        self._gate = Gate(served.tokens)
        self._hooks = {hook.name: hook for hook in served.hooks}
        self._addresses = Rate(BURST, PER_SECOND, time.monotonic)
        self._senders = Rate(BURST, PER_SECOND, time.monotonic)

    async def interactions(self, request: Request) -> Response:
        """Take interactions of somebody with a token."""
        self._let_in(request, API)
        token = self._token(request)
        self._wait(self._senders, token.sha256, API)
        sender = Sender(API, f"{API}:{token.name}", token.allows)
        body, now = await self._body(request, API), self._now()
        reader = pushed.only(token.allows, pushed.interactions)
        return await self._take(sender, body, lambda: pushed.read(body, reader, sender.place, now))

    async def webhook(self, request: Request) -> Response:
        """Take what a network, or whoever has the secret of a webhook, pushes."""
        hook = self._hook(request)
        self._wait(self._senders, hook.name, hook.name)
        body = await self._body(request, hook.name)
        received = Received(request.headers, body, self._now(), request.query_params)
        if not self._revealed(hook, lambda: hook.is_genuine(received)):
            _refuse(hook.name, HTTPStatus.UNAUTHORIZED, "signature", "this is not signed as it has to be")
        sender = Sender(hook.name, f"webhook:{hook.name}", hook.rights.allows)
        return await self._take(sender, received.body, lambda: hook.read(received, sender.place))

    async def challenge(self, request: Request) -> Response:
        """Answer a network that asks whether we are who it was told of."""
        hook = self._hook(request)
        answer = self._revealed(hook, lambda: hook.challenge(request.query_params))
        if answer is None:
            _refuse(hook.name, HTTPStatus.FORBIDDEN, "challenge", "this is no challenge that could be met")
        return Response(answer.body, media_type=answer.media_type, headers={"X-Content-Type-Options": "nosniff"})

    # -- who it is --------------------------------------------------------------------------------------------------------

    def _let_in(self, request: Request, source: str) -> None:
        self._wait(self._addresses, request.client.host if request.client else "", source)
        if "origin" in request.headers:  # another site would act in the name of whoever looks at it
            _refuse(source, HTTPStatus.FORBIDDEN, "origin", "this is for programs, not for browsers")
        if request.headers.get("content-encoding", "identity") != "identity":
            _refuse(source, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "encoding", "send the body as it is, not compressed")

    def _hook(self, request: Request) -> Hook:
        hook = self._hooks.get(request.path_params["name"])
        self._let_in(request, UNKNOWN if hook is None else hook.name)
        if hook is None:
            _refuse(UNKNOWN, HTTPStatus.NOT_FOUND, "unknown", "there is no such webhook in rapport.toml")
        return hook

    def _token(self, request: Request) -> Token:
        if self._served.is_open:
            return Token("", "")
        token = self._gate.known(bearer(request))
        if token is None:
            wrong = "who sends? Authorization: Bearer TOKEN, of the role sender"
            _refuse(API, HTTPStatus.UNAUTHORIZED, "token", wrong, {"WWW-Authenticate": "Bearer"})
        return token

    @staticmethod
    def _wait(rate: Rate, who: str, source: str) -> None:
        if wait := rate.wait(who):
            after = {"Retry-After": str(round(wait + 0.5))}
            _refuse(source, HTTPStatus.TOO_MANY_REQUESTS, "too_many", "too many requests", after)

    @staticmethod
    def _revealed(hook: Hook, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - as what is asked
        """Return what a hook says that needs its secret, which is read each time anew."""
        try:
            return ask()
        except RapportError as error:
            logger.error("A secret cannot be had", webhook=hook.name, error=str(error))  # noqa: TRY400 - it is one line
            _come_again(hook.name, "secret", "its secret cannot be had here")

    # -- what came --------------------------------------------------------------------------------------------------------

    @staticmethod
    async def _body(request: Request, source: str) -> bytes:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await body_of(request)
        except HTTPException as error:
            _refuse(source, error.status_code, "too_large", error.detail)
        except TimeoutError:
            _refuse(source, HTTPStatus.REQUEST_TIMEOUT, "slow", "the body did not come in time")
        except ClientDisconnect:
            _refuse(source, HTTPStatus.BAD_REQUEST, "slow", "the body did not come")

    async def _take(self, sender: Sender, body: bytes, read: Callable[[], list[Sequence[Item]]]) -> Response:
        """Carry what ``read`` returns to Kafka, and say what became of it."""
        began, understand = time.monotonic(), self._served.understand

        def finished(item: Item) -> Item:
            return (
                item if isinstance(item, Rejected) else understand({**item, "source": item["source"] or sender.source})
            )

        def understood() -> list[list[Item]]:
            return [[finished(item) for item in items] for items in read()]

        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = understood() if len(body) <= SMALL_BODY else await asyncio.to_thread(understood)
                await self._served.carrier.deliver(sender.source, [it for items in found for it in items], len(body))
        except pushed.TooManyError as error:
            _refuse(sender.source, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many_records", str(error))
        except (BrokerError, TimeoutError):
            _come_again(sender.source, "kafka", "Kafka has not acknowledged it: send it again")
        ACKNOWLEDGEMENT_SECONDS.labels(sender.source).observe(time.monotonic() - began)
        RECEIVED.labels(sender.source).inc(len(found))
        return JSONResponse(_account_of(found))

    def _now(self) -> int:
        return int(self._served.now() * 1000)


def _account_of(found: Sequence[Sequence[Item]]) -> dict[str, Any]:
    """Return what became of each record, counted from 0."""
    return {
        "taken": [item["id"] for items in found for item in items if not isinstance(item, Rejected)],
        "set_aside": [
            {"record": number, "reason": item.reason, "error": item.error}
            for number, items in enumerate(found)
            for item in items
            if isinstance(item, Rejected)
        ],
        "passed_over": [number for number, items in enumerate(found) if not items],
    }


def _come_again(source: str, reason: str, wrong: str) -> NoReturn:
    _refuse(source, HTTPStatus.SERVICE_UNAVAILABLE, reason, wrong, {"Retry-After": RETRY_AFTER})


def _refuse(source: str, status: int, reason: str, wrong: str, headers: dict[str, str] | None = None) -> NoReturn:
    REFUSED.labels(source, reason).inc()
    raise HTTPException(status, wrong, headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _failed(_: Request, error: Exception) -> Response:
    """Say that something went wrong which nobody foresaw; it is in nobody's hands then, so it is to be sent again."""
    REFUSED.labels(UNKNOWN, "error").inc()
    logger.error("A request failed", error=type(error).__name__)
    return JSONResponse({"error": "something went wrong here"}, HTTPStatus.INTERNAL_SERVER_ERROR)
