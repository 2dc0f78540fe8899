"""What people do about alerts: acknowledge, snooze, silence; by the API, and by the page's forms, which need no script."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from sinks.dashboard.access import NEEDED, Action, Token
from sinks.dashboard.alerts import AlertChoice, Alerts, Severity
from sinks.dashboard.api import Cursor, Reader, answer, page, see
from sinks.dashboard.inbox import Inbox
from streams.telemetry import log

Tell = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Puts what somebody says of an alert (``account``, ``alert_id``, ``action``, ``until`` in ms, ``by``) where the notifier finds it.
Raises :class:`streams.errors.BrokerError`."""

SNOOZE_MINUTES: Final = 60.0
MOST_MINUTES: Final = 30 * 1440
SEEN_SECONDS: Final = 3.0
"""A form that was sent waits so long for what it said to be seen, since the page that follows is made once."""
NO_NOTIFIER: Final = "nobody can be told: `rapport serve` does not know Kafka, set RAPPORT_BROKERS"
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    403: {"description": "The token's role is not for this"},
    404: {"description": "There is no such account, or it is not the token's"},
    501: {"description": "The page was started without Kafka"},
    503: {"description": "Kafka does not answer"},
}

logger = log("dashboard")

Minutes = Annotated[float, Field(ge=0, le=MOST_MINUTES, description="For how long; 0 ends it")]
Account = Annotated[str, Field(min_length=1, max_length=500, description="The account, network:account_id")]
AlertId = Annotated[
    str, Field(max_length=1000, description="The alert's alert_id; empty for all that fire of the account")
]


class Acknowledge(BaseModel):
    """Somebody is at it."""

    account: Account
    alert_id: AlertId = ""


class Snooze(Acknowledge):
    """To be left alone for a while."""

    minutes: Minutes = SNOOZE_MINUTES


class Silence(BaseModel):
    """Nobody is to be told of any alert of an account for a while, those to come too."""

    account: Account
    minutes: Minutes = SNOOZE_MINUTES


def allowed(token: Token | None, tell: Tell | None) -> list[Action]:
    """Return what somebody may do on the page."""
    return [] if token is None or tell is None else [action for action in NEEDED if token.may(action)]


def router(alerts: Alerts, inbox: Inbox, tell: Tell | None) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    async def act(token: Token, action: Action, said: Acknowledge | Silence, minutes: float = 0) -> dict[str, Any]:
        """Hand on what somebody said, and return it; refuse it to who may not."""
        see(token, said.account)
        if not token.may(action):
            raise HTTPException(403, f"to {action} takes the role {NEEDED[action]}, and this token has {token.role}")
        if tell is None:
            raise HTTPException(501, NO_NOTIFIER)
        until = 0 if action == "acknowledge" else round((time.time() + minutes * 60) * 1000)
        alert_id = said.alert_id if isinstance(said, Acknowledge) else ""
        command = {"account": said.account, "alert_id": alert_id, "action": action, "until": until, "by": token.name}
        await tell(command)
        logger.info("said", **command)
        return command

    @routes.get("/api/v1/alerts", summary="What fires now, the worst first")
    async def _alerts(  # noqa: PLR0913, PLR0917 - they are what is asked
        request: Request,
        token: Reader,
        account: Annotated[str, Query(description="One account, network:account_id")] = "",
        network: Annotated[str, Query(description="One network")] = "",
        severity: Severity | None = None,
        kind: Annotated[str, Query(description="unanswered, spike, …")] = "",
        cursor: Cursor = "",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> Response:
        chosen = alerts.chosen(AlertChoice(token.allows, account, network, severity or "", kind))
        items, following = page(chosen, cursor, limit, lambda alert: alert.place)
        body = {"items": items, "next": following, "fresh": inbox.fresh}
        return answer(request, body, of={"items": items, "next": following})

    @routes.post("/api/v1/alerts/acknowledge", summary="Somebody is at it", status_code=202, responses=REFUSALS)
    async def _acknowledge(token: Reader, said: Acknowledge) -> dict[str, Any]:
        return await act(token, "acknowledge", said)

    @routes.post("/api/v1/alerts/snooze", summary="Leave it alone for a while", status_code=202, responses=REFUSALS)
    async def _snooze(token: Reader, said: Snooze) -> dict[str, Any]:
        return await act(token, "snooze", said, said.minutes)

    @routes.post(
        "/api/v1/alerts/silence", summary="Leave an account alone for a while", status_code=202, responses=REFUSALS
    )
    async def _silence(token: Reader, said: Silence) -> dict[str, Any]:
        return await act(token, "silence", said, said.minutes)

    @routes.post("/alerts/{action}", include_in_schema=False)
    async def _form(  # noqa: PLR0913, PLR0917 - they are what the form has
        token: Reader,
        action: Action,
        account: Annotated[str, Form()],
        alert_id: Annotated[str, Form()] = "",
        minutes: Annotated[float, Form(ge=0, le=MOST_MINUTES)] = SNOOZE_MINUTES,
        back: Annotated[str, Form(pattern=r"^/(alerts)?(\?|$)")] = "/alerts",
    ) -> Response:
        before = inbox.said
        said = Silence(account=account) if action == "silence" else Acknowledge(account=account, alert_id=alert_id)
        await act(token, action, said, minutes)
        await inbox.heard(before, SEEN_SECONDS)
        return RedirectResponse(back, 303)

    return routes
