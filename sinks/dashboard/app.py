"""The live page and its API as one application.

No script runs on the page but its own, and nothing is fetched from elsewhere: the policy that ``doors.py`` sends sees to that.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from sinks.dashboard import acting, alerts, api, inbox
from sinks.dashboard.access import Gate, Proxy, Token
from sinks.dashboard.acting import Tell
from sinks.dashboard.alerts import NOTHING_AGREED, Agreed, Alerts
from sinks.dashboard.business_time import BusinessTime, Shifts
from sinks.dashboard.callbacks import Callbacks, Proofs
from sinks.dashboard.doors import Doors
from sinks.dashboard.inbox import Inbox, keep_looking
from sinks.dashboard.pages import Pages
from streams.errors import BrokerError

STATIC: Final = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Served:
    """What a page is served with."""

    client: Client
    tokens: Sequence[Token] = ()
    hosts: Sequence[str] = ("*",)
    """Names by which the page may be asked for; * for any."""
    tell: Tell | None = None
    """None: there is no notifier to be told, and the page is for looking only."""
    proxy: Proxy | None = None
    """Whose word is taken for who asks."""
    proofs: Proofs = field(default_factory=Proofs)
    """What answers to messages are believed by."""
    calendars: Mapping[str, Shifts] = field(default_factory=dict)
    """When accounts are at work, by the names of the calendars' versions."""
    still: bool = False
    """Nothing comes in: it is what a replay has left."""
    agreed: Agreed = NOTHING_AGREED
    """Who is told of alerts, as far as the page says so."""


def build(served: Served) -> FastAPI:
    """Return the application: pages, API and the look at ClickHouse that keeps them up to date."""
    gate = Gate(served.tokens, served.proxy)
    waiting = Inbox(served.client, hours=BusinessTime(served.calendars), agreed=served.agreed)
    firing = Alerts(served.client, lambda: waiting.said, served.agreed)
    pages = Pages(waiting, firing, served, gate)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        looks = ((waiting.look, inbox.EVERY_SECONDS), (firing.look, alerts.EVERY_SECONDS))
        looking = [asyncio.create_task(keep_looking(look, every)) for look, every in looks]
        try:
            yield
        finally:
            for task in looking:
                task.cancel()
            await asyncio.gather(*looking, return_exceptions=True)

    app = FastAPI(
        title="Rapport",
        description="How well a brand listens and answers, as JSON.",
        version="1",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.inbox, app.state.alerts = waiting, firing
    app.add_middleware(Doors, gate=gate, now=time.monotonic)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(served.hosts), www_redirect=False)
    app.include_router(api.router(waiting, served.client))
    app.include_router(acting.router(firing, waiting, served.tell))
    app.include_router(pages.router())
    app.include_router(Callbacks(served.proofs, served.tell, pages.show).router())
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

    @app.exception_handler(BrokerError)
    async def _untold(request: Request, error: BrokerError) -> Response:
        return say(request, 503, str(error))

    @app.exception_handler(Error)
    @app.exception_handler(OSError)
    async def _away(request: Request, error: Exception) -> Response:
        return say(request, 503, f"ClickHouse does not answer: {' '.join(str(error).split())[:300]}")
