"""What people answer to a message about alerts: Slack's buttons, and the links in a mail.

Whoever comes here has no token. Slack signs what it sends (https://docs.slack.dev/authentication/verifying-requests-from-slack);
a link carries what it says, signed by the notifier (``schemas/answers.py``). To follow a link changes nothing, for programs that
look through mail follow them too: what it says is done by the button of the page it leads to.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, HTTPException, Request, Response

from schemas.answers import LABELS, Answer, Signed, loads, read
from sinks.dashboard.acting import NO_NOTIFIER, Tell
from sinks.dashboard.bodies import body_of
from streams.errors import RapportError

REPLAY_SECONDS: Final = 300
"""What Slack signed longer ago may be what somebody overheard."""
ANSWER_SECONDS: Final = 2.5
"""Slack waits for three."""

Show = Callable[..., Response]
"""Makes a page of a template, as :meth:`sinks.dashboard.pages.Pages.show`."""


@dataclass(frozen=True)
class Proofs:
    """Whose word is taken; read each time anew, so that it can be changed under way. Raises :class:`RapportError`."""

    slack: Callable[[], Sequence[str]] = tuple
    """The signing secrets of Slack's apps."""
    links: Callable[[], Sequence[str]] = tuple
    """The keys that sign links."""


class Callbacks:
    """Where answers come in."""

    def __init__(self, proofs: Proofs, tell: Tell | None, show: Show) -> None:
        """``tell``: what takes a command to the notifier; None: there is none to be told."""
        self._proofs, self._tell, self._show = proofs, tell, show

    def router(self) -> APIRouter:
        """Return the routes."""
        routes = APIRouter(prefix="/callbacks", include_in_schema=False)
        routes.add_api_route("/slack", self.slack, methods=["POST"], response_model=None)
        routes.add_api_route("/mail", self.ask, response_model=None)
        routes.add_api_route("/mail", self.answer, methods=["POST"], response_model=None)
        return routes

    async def slack(self, request: Request) -> Response:
        """Do what a button says: whoever pressed it stands in what Slack signed."""
        body = await body_of(request)
        at, signature = (request.headers.get(f"x-slack-{name}", "") for name in ("request-timestamp", "signature"))
        if not is_from_slack(_secrets(self._proofs.slack), at, body, signature, time.time()):
            raise HTTPException(401, "Slack has not signed this")
        try:
            answers, by = pressed(body)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise HTTPException(400, "this is no button of an alert") from None
        for answer in answers:
            await self._say(answer, by)
        return Response()

    async def ask(self, request: Request, say: str = "") -> Response:
        """Show what a link says, and ask whether to do it."""
        return self._page(request, say, self._signed(say), done=False)

    async def answer(self, request: Request) -> Response:
        """Do what a link says."""
        text = parse_qs((await body_of(request)).decode("utf-8", "replace")).get("say", [""])[0]
        said = self._signed(text)
        await self._say(said.answer, said.by)
        return self._page(request, text, said, done=True)

    def _signed(self, text: str) -> Signed:
        try:
            return read(text, _secrets(self._proofs.links), _now())
        except ValueError as error:
            raise HTTPException(400, str(error)) from None

    def _page(self, request: Request, text: str, said: Signed, *, done: bool) -> Response:
        return self._show(request, "callback", text=text, said=said, label=LABELS[said.answer.action], done=done)

    async def _say(self, answer: Answer, by: str) -> None:
        if self._tell is None:
            raise HTTPException(501, NO_NOTIFIER)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._tell(answer.command(by, _now()))
        except TimeoutError:
            raise HTTPException(503, "Kafka does not answer: try again") from None


def is_from_slack(secrets: Sequence[str], at: str, body: bytes, signature: str, now: float) -> bool:
    """Say whether Slack has signed a body; ``at``: when, as it says, in s since 1970 like ``now``."""
    try:
        fresh = abs(now - int(at)) <= REPLAY_SECONDS
    except ValueError:
        return False
    signed = b"v0:" + at.encode() + b":" + body
    made = [f"v0={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets]
    return fresh and any(hmac.compare_digest(it.encode(), signature.encode()) for it in made)


def pressed(body: bytes) -> tuple[list[Answer], str]:
    """Return what the buttons say that somebody pressed, and who did. Raises errors of values and look-ups if it is malformed."""
    payload = json.loads(parse_qs(body.decode(), strict_parsing=True)["payload"][0])
    if payload["type"] != "block_actions":
        return [], ""
    by = payload["user"].get("name") or payload["user"]["username"]
    return [loads(action["value"]) for action in payload["actions"] if action["action_id"] in LABELS], str(by)


def _secrets(known: Callable[[], Sequence[str]]) -> Sequence[str]:
    try:
        return known()
    except RapportError as error:
        raise HTTPException(503, str(error)) from None


def _now() -> int:
    return time.time_ns() // 1_000_000
