"""The pages, made here so that they can be read without JavaScript; scripts only keep them up to date.

Text from networks is text wherever it stands: Jinja escapes it, and the scripts never make HTML of it.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import quote

from clickhouse_connect.driver.exceptions import Error
from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, PackageLoader, StrictUndefined

from schemas.metrics import metrics
from schemas.wording import duration, figure, measured
from sinks.clickhouse import explanation, queries
from sinks.dashboard import accounts
from sinks.dashboard.access import COOKIE, Gate, Token
from sinks.dashboard.accounts import RANGE_NAMES, RANGES, Range
from sinks.dashboard.acting import NO_NOTIFIER, Tell, allowed
from sinks.dashboard.alerts import AlertChoice, Alerts, Firing, Severity
from sinks.dashboard.api import TOLD_SPIKES, Chosen, Explained, Reader, explained, moment, see
from sinks.dashboard.business_time import Left
from sinks.dashboard.freshness import stale
from sinks.dashboard.inbox import MOST, STATES, WHYS, Choice, Inbox, Waiting, key_of
from sinks.dashboard.people import LISTS, people, triangle

if TYPE_CHECKING:
    from sinks.dashboard.app import Served

FIRST_ROWS: Final = 200
"""Turns that stand in the page itself; its script asks for all."""
STANDING: Final = ("unanswered", "at_risk", "breached")
SHOWN: Final = {
    "now": STANDING,
    "responsiveness": (
        "half_within",
        "ninety_within",
        "response_p50",
        "response_p90",
        "response_rate",
        "within_15m",
        "within_1h",
        "sla",
    ),
    "engagement": (
        "mentions",
        "contacts",
        "replies",
        "broadcasts",
        "reply_share",
        "self_promotion_share",
        "templated_share",
        "conversations",
        "negative_mentions",
        "opt_outs",
    ),
    "reactions": (
        "likes",
        "shares",
        "comments",
        "applause",
        "amplification",
        "conversation_rate",
        "engagement_by_impressions",
        "engagement_by_followers",
    ),
}
"""The figures of an account's page, by section; what is not known of a period is left out."""
OVERVIEW: Final = ("unanswered", "breached", "response_p50", "within_1h", "sla", "mentions", "replies", "reply_share")
KNOWN_DAYS: Final = 28
"""An account leads to all others that had anything in so many days."""
LIST_TITLES: Final = {
    "advocates": ("Speak up for us", "They speak well of the account to others, on more than one day."),
    "lapsed": ("Went quiet", "Silent for longer than three times their own rhythm."),
    "follow_ups": ("Wait for a follow-up", "We had the last word a while ago, or they had it and we never answered."),
    "bridges": ("Bring people together", "They link conversations and people that would not know of each other."),
    "opt_outs": ("Left", "Who unfollowed, blocked, hid or reported the account, and what it had done the day before."),
    "cohorts": (
        "Who stays",
        "Contacts by the month in which they first wrote, and how many of them are still active later.",
    ),
}
PEOPLE: Final = 50
"""Of each list."""
FIRST_PEOPLE: Final = 8
"""Of these the first, whom everybody sees; the others unfold."""
NOBODY: Final = {
    "advocates": "Nobody so far, on two days or more.",
    "lapsed": "Nobody has gone quiet.",
    "follow_ups": "Nobody waits for a follow-up.",
    "bridges": "Nobody so far.",
    "opt_outs": "Nobody has left, or no network has told.",
    "cohorts": "Nobody has written so far.",
}
"""What is said of a list that is empty."""
REPLAYED: Final = "this is what a replay has left: it is for looking only"
"""In place of why nobody can do anything about alerts here."""
POSTS: Final = 50
"""Of each part of an explanation."""


COOKIE_SECONDS: Final = 30 * 86_400


class Pages:
    """What a browser asks for."""

    def __init__(self, inbox: Inbox, alerts: Alerts, served: "Served", gate: Gate) -> None:
        self._inbox = inbox
        self._alerts = alerts
        self._client, self._tell, self._still = served.client, served.tell, served.still
        self._gate = gate
        self._templates = _templates()

    def router(self) -> APIRouter:
        """Return the routes."""
        routes = APIRouter(include_in_schema=False)
        pages: dict[str, Callable[..., Any]] = {
            "/": self.inbox,
            "/alerts": self.alerts,
            "/overview": self.overview,
            "/accounts": self.another_account,
            "/accounts/{account}": self.account,
            "/relationships": self.relationships,
            "/explain": self.explain,
            "/help": self.help,
            "/login": self.login,
        }
        for path, page in pages.items():
            routes.add_api_route(path, page, response_model=None)
        routes.add_api_route("/login", self.enter, methods=["POST"], response_model=None)
        routes.add_api_route("/logout", self.leave, methods=["POST"], response_model=None)
        return routes

    def show(self, request: Request, name: str, firing: Sequence[Firing] | None = None, **given: Any) -> HTMLResponse:  # noqa: ANN401 - what a template needs
        """Return a page, made from its template and what all pages show. ``firing``: all alerts, if somebody has asked already."""
        token = request.state.token
        waiting = self._inbox.chosen(Choice(token.allows)) if token else []
        if firing is None:
            firing = self._alerts.chosen(AlertChoice(token.allows)) if token else []
        shared = {
            "waiting": len(waiting),
            "accounts": sorted({item.account for item in waiting}),
            "fresh": self._inbox.fresh,
            "stale": stale(self._inbox.fresh, time.time(), still=self._still),
            "still": self._still,
            "known": token is not None,
            "alerting": sum(alert.held is None for alert in firing),
            "can": allowed(token, self._tell),
            "can_leave": not self._gate.is_open and token is not None and COOKIE in request.cookies,
        }
        return self._templates.TemplateResponse(request, f"{name}.html", {**shared, **given})

    async def inbox(self, request: Request, chosen: Chosen) -> HTMLResponse:
        """Who is waiting."""
        items, everything = self._inbox.chosen(chosen), self._inbox.chosen(Choice(chosen.allowed))
        return self.show(
            request,
            "inbox",
            items=items[:FIRST_ROWS],
            rest=max(0, len(items) - FIRST_ROWS),
            chosen=chosen,
            by_state={state: sum(item.state == state for item in everything) for state in STATES},
            everything=len(everything),
            oldest=min((item.opened_at for item in everything), default=None),
            whys=WHYS,
            networks=sorted({item.network for item in everything}),
            left=self._left,
            all_shown=len(self._inbox.items) < MOST,
        )

    def _left(self, item: Waiting) -> Left:
        return self._inbox.hours.left(item.calendar, item.due_at, round(time.time() * 1000))

    async def alerts(
        self,
        request: Request,
        token: Reader,
        account: str = "",
        severity: Literal["", Severity] = "",
        kind: str = "",
    ) -> HTMLResponse:
        """Alerts that fire, and who has taken them on."""
        everything = self._alerts.chosen(AlertChoice(token.allows))
        choice = AlertChoice(token.allows, account, "", severity, kind)
        items = [alert for alert in everything if choice.takes(alert)]
        return self.show(
            request,
            "alerts",
            everything,
            items=items[:FIRST_ROWS],
            rest=max(0, len(items) - FIRST_ROWS),
            everything=everything,
            chosen=choice,
            turns=self._inbox.items,
            why_not=REPLAYED if self._still else _why_not(token, self._tell),
        )

    def overview(self, request: Request, token: Reader) -> HTMLResponse:
        """How every account does."""
        now = datetime.now(UTC)
        rows, earlier = (
            [row for row in queries.overview(self._client, at) if token.allows(row["account"])]
            for at in (now, now - accounts.WEEK)
        )
        return self.show(
            request,
            "overview",
            rows=rows,
            before={row["account"]: row for row in earlier},
            before_at=now - accounts.WEEK,
            columns=[metrics()[name] for name in OVERVIEW],
        )

    async def another_account(
        self, account: str, span: Annotated[Range, Query(alias="range")] = "24h"
    ) -> RedirectResponse:
        """Lead to the page of the account that was chosen on that of another."""
        return RedirectResponse(f"/accounts/{quote(account, safe='')}?range={span}", 303)

    def account(
        self,
        request: Request,
        token: Reader,
        account: str,
        span: Annotated[Range, Query(alias="range")] = "24h",
    ) -> HTMLResponse:
        """How one does, now and before."""
        see(token, account)
        now, extent = datetime.now(UTC), RANGES[span]
        standing = queries.standing(self._client, account, "24h", now)
        if standing is None:
            raise HTTPException(404, f"there are no figures of {account}")
        row, before = (accounts.figures(self._client, account, span, end) for end in (now, now - extent.before))
        then = queries.standing(self._client, account, "24h", now - extent.before)
        treated, treatment = accounts.treatment(self._client, account, span, now)
        others = queries.counted_accounts(self._client, KNOWN_DAYS)
        return self.show(
            request,
            "account",
            account=account,
            choices=sorted(filter(token.allows, {account, *others})),
            range=span,
            extent=extent,
            row=(row or {}) | {name: standing[name] for name in STANDING},
            before=(before or {}) | ({name: then[name] for name in STANDING} if then else {}),
            as_of=now,
            compared_at=now - extent.before,
            sections={section: [metrics()[name] for name in names] for section, names in SHOWN.items()},
            spikes=queries.spikes(self._client, account, now - extent.course, now),
            headline=accounts.headline(self._client, account, span, now),
            treatment=treatment,
            treated=treated,
            treated_days=RANGES[treated].length.days,
            metrics=metrics(),
            ranges=RANGE_NAMES,
            told=TOLD_SPIKES,
        )

    def relationships(self, request: Request, token: Reader, account: str = "") -> HTMLResponse:
        """Who its people are."""
        lists = {
            name: people(self._client, name, token.expression, account, PEOPLE) for name in LISTS if name != "cohorts"
        }
        cohorts = triangle(self._client, token.expression, account)
        return self.show(
            request,
            "relationships",
            lists=lists,
            cohorts=cohorts,
            titles=LIST_TITLES,
            empty=NOBODY,
            account=account,
            most=PEOPLE,
            first=FIRST_PEOPLE,
        )

    def explain(  # noqa: PLR0913, PLR0917 - they are what is asked
        self,
        request: Request,
        token: Reader,
        account: str,
        metric: str,
        window: Explained = "24h",
        at: datetime | None = None,
        followers: int | None = None,
    ) -> HTMLResponse:
        """Why a number is what it is, or was."""
        question = explanation.Question(account, metric, window, moment(at), POSTS, followers)
        return self.show(request, "explain", found=explained(self._client, token, question), followers=followers)

    def help(self, request: Request) -> HTMLResponse:
        """Say what the keys do, how fresh all is, and what to do where the page is stale: also while ClickHouse is away."""
        try:
            letters = queries.set_aside(self._client)
        except (Error, OSError):
            letters = None
        return self.show(request, "help", letters=letters)

    async def login(self, request: Request) -> HTMLResponse:
        """Ask for a token."""
        return self.show(request, "login", wrong=False)

    async def enter(self, request: Request, token: Annotated[str, Form()]) -> Response:
        """Let in who has one: the browser keeps it where no script reads it and no other site uses it."""
        if self._gate.known(token.strip()) is None:
            page = self.show(request, "login", wrong=True)
            page.status_code = 401
            return page
        entered = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        entered.set_cookie(
            COOKIE, token.strip(), httponly=True, samesite="strict", secure=secure, max_age=COOKIE_SECONDS
        )
        return entered

    async def leave(self) -> Response:
        """Let the browser forget it."""
        left = RedirectResponse("/login", 303)
        left.delete_cookie(COOKIE)
        return left


def _why_not(token: Token, tell: Tell | None) -> str:
    """Say why somebody can do nothing about alerts here; empty: they can."""
    if tell is None:
        return NO_NOTIFIER
    return (
        ""
        if token.may("acknowledge")
        else f"this token's role is {token.role}: it sees alerts, and does not act on them"
    )


def _templates() -> Jinja2Templates:
    environment = Environment(
        loader=PackageLoader("sinks.dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "duration": duration,
        "figure": figure,
        "moment": _moment,
        "spark": _spark,
        "followers": _followers,
        "safe_url": _safe,
    }
    environment.globals |= {"key_of": key_of, "measured": measured}
    environment.globals["age"] = lambda ms: time.time() - ms / 1000
    return Jinja2Templates(env=environment)


def _moment(value: datetime | float | None) -> str:
    """Say a time, exactly: from a datetime, or ms since 1970."""
    if value is None:
        return ""
    at = value if isinstance(value, datetime) else datetime.fromtimestamp(value / 1000, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _followers(least: int) -> str:
    """Say which band of followers it is, from the least of them."""
    following = {0: "under 100", 100: "100 to 999", 1000: "1,000 to 9,999", 10_000: "10,000 and more"}
    return following.get(least, "not known")


def _safe(url: str) -> str:
    """Return an address that a link may lead to; empty for any other (javascript:, data:)."""
    return url if url.startswith(("https://", "http://")) else ""


def _spark(values: Sequence[float], beside: Sequence[float] = ()) -> str:
    """Return the points of a small line, 100 wide and 20 high, on the scale of it and of the line beside it."""
    top, last = max([*values, *beside, 1]), max(len(values) - 1, 1)
    return " ".join(f"{100 * n / last:.1f},{20 - 20 * value / top:.1f}" for n, value in enumerate(values))
