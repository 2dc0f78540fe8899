"""What every request passes: who asks is known, nobody asks too often, no other site acts in somebody's name."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sinks.dashboard.access import Gate, Rate

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers say of our own forms that they come from "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
CALLBACKS: Final = "/callbacks/"
"""What comes there is from anywhere and carries its own proof (``callbacks.py``)."""
OPEN: Final = ("/login", "/static/", CALLBACKS)
"""For whoever comes."""
BURST: Final = 200
PER_SECOND: Final = 50
"""Requests of one token, person or address."""
GUESSES: Final = 10
GUESSES_PER_SECOND: Final = 0.2
"""Tokens that one address may try."""


class Doors:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, gate: Gate, now: Callable[[], float]) -> None:
        self._app = app
        self._gate = gate
        self._requests = Rate(BURST, PER_SECOND, now)
        self._guesses = Rate(GUESSES, GUESSES_PER_SECOND, now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        refusal = self._refusal(request)
        await (self._app if refusal is None else refusal)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """Return why a request goes no further; None: it does."""
        if self._gate.is_behind_proxy(request) and request.headers.get("x-forwarded-proto") == "https":
            request.scope["scheme"] = "https"  # as the browser speaks it: its cookie is for https alone
        token, path = self._gate.who(request), request.url.path
        request.scope.setdefault("state", {})["token"] = token
        address = request.client.host if request.client else ""
        guessing = request.method == "POST" and path == "/login"
        asking = (token.sha256 or token.name) if token else ""
        wait = self._guesses.wait(address) if guessing else self._requests.wait(asking or address)
        if wait:
            return JSONResponse({"error": "too many requests"}, 429, {"Retry-After": str(round(wait + 0.5))})
        changes = request.method not in ("GET", "HEAD") and not path.startswith(CALLBACKS)
        if changes and not _from_here(request):
            return JSONResponse({"error": "asked for by another site"}, 403)
        if token is not None or path.startswith(OPEN):
            return None
        if path.startswith("/api/"):
            return JSONResponse(
                {"error": "who asks? send Authorization: Bearer TOKEN"}, 401, {"WWW-Authenticate": "Bearer"}
            )
        return RedirectResponse("/login", 303)


def _from_here(request: Request) -> bool:
    """Say whether a request that may change something comes from this page, or from no browser at all."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
