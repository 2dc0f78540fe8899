"""The live page and its API as one application.

No script runs on the page but its own, and nothing is fetched from elsewhere: the policy that ``doors.py`` sends sees to that.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from sinks.dashboard import api
from sinks.dashboard.access import Gate, Token
from sinks.dashboard.doors import Doors
from sinks.dashboard.inbox import Inbox
from sinks.dashboard.pages import Pages

STATIC: Final = Path(__file__).parent / "static"

Tell = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Puts what somebody says of an alert (``account``, ``alert_id``, ``action``, ``until`` in ms, ``by``) where the notifier finds it.
Raises :class:`streams.errors.BrokerError`."""


@dataclass(frozen=True)
class Served:
    """What a page is served with."""

    client: Client
    tokens: Sequence[Token] = ()
    hosts: Sequence[str] = ("*",)
    """Names by which the page may be asked for; * for any."""
    tell: Tell | None = None
    """None: there is no notifier to be told, and the page is for looking only."""


def build(served: Served) -> FastAPI:
    """Return the application: pages, API and the look at ClickHouse that keeps them up to date."""
    gate, inbox = Gate(served.tokens), Inbox(served.client)
    pages = Pages(inbox, served.client, gate)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(inbox.run())
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    app = FastAPI(
        title="Rapport",
        description="How well a brand listens and answers, as JSON.",
        version="1",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.inbox = inbox
    app.add_middleware(Doors, gate=gate, now=time.monotonic)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(served.hosts), www_redirect=False)
    app.include_router(api.router(inbox, served.client))
    app.include_router(pages.router())
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    _say_errors(app, pages)
    return app


def _say_errors(app: FastAPI, pages: Pages) -> None:
    """Answer with what is wrong, in the form that was asked for."""

    def say(request: Request, status: int, wrong: str) -> Response:
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": wrong}, status)
        page = pages.show(request, "error", status=status, wrong=wrong)
        page.status_code = status
        return page

    @app.exception_handler(HTTPException)
    async def _refused(request: Request, error: HTTPException) -> Response:
        return say(request, error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def _wrong(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return say(request, 422, f"{first['loc'][-1]}: {first['msg']}")

    @app.exception_handler(Error)
    @app.exception_handler(OSError)
    async def _away(request: Request, error: Exception) -> Response:
        return say(request, 503, f"ClickHouse does not answer: {' '.join(str(error).split())[:300]}")
