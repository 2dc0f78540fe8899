"""The JSON API under ``/api/v1``: what the page shows, for programs. OpenAPI is made from it, at ``/api/v1/openapi.json``."""

import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse

from schemas.metrics import metrics
from sinks.clickhouse import explanation, queries
from sinks.dashboard import accounts, described
from sinks.dashboard.access import Token
from sinks.dashboard.accounts import RANGES, Range
from sinks.dashboard.inbox import Change, Choice, Inbox, State, Why, key_of
from sinks.dashboard.people import LISTS, List, people
from streams.errors import RapportError

HEARTBEAT_SECONDS: Final = 5.0
"""A stream says at least so often that it lives, and how fresh it is."""
Window = Literal["5m", "1h", "24h"]
Explained = Literal["1m", "5m", "1h", "6h", "24h", "7d", "28d", "365d"]
DAY_MS: Final = 86_400_000
TOLD_SPIKES: Final = 5
"""The latest; finding what one was about takes a while."""
TERMS: Final = 5

NO_CURSOR: Final = "the cursor is none: use `next` as it was given"

Item = TypeVar("Item")
Place = TypeVar("Place", bound=tuple[Any, ...])
_encode: Final = msgspec.json.Encoder().encode


def reader(request: Request) -> Token:
    """Return who asks, whom the page's gate has let in."""
    token: Token = request.state.token
    return token


Reader = Annotated[Token, Depends(reader)]
Cursor = Annotated[str, Query(description="`next` of the page before")]


def choice(  # noqa: PLR0913, PLR0917 - they are what is asked
    token: Reader,
    account: Annotated[str, Query(description="One account, network:account_id")] = "",
    network: Annotated[str, Query(description="One network")] = "",
    state: Annotated[Literal["", State], Query(description="How far the turn is")] = "",
    q: Annotated[str, Query(description="Words in the text, the name or the id of the contact", max_length=200)] = "",
    why: Annotated[Literal["", Why], Query(description="Why it matters beyond its age")] = "",
) -> Choice:
    """Return which turns are asked for."""
    return Choice(token.allows, account, network, state, q, why)


Chosen = Annotated[Choice, Depends(choice)]


def router(inbox: Inbox, client: Any) -> APIRouter:  # noqa: ANN401, C901 - clickhouse_connect's; one function a route
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1")

    @routes.get("/inbox", summary="Who is waiting now, the most overdue first")
    async def _inbox(
        request: Request,
        chosen: Chosen,
        cursor: Cursor = "",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> Response:
        items, following = page(inbox.chosen(chosen), cursor, limit, lambda turn: turn.place)
        body = {"items": items, "next": following, "fresh": inbox.fresh}
        return answer(request, body, of={"items": items, "next": following})

    @routes.get("/inbox/events", summary="The same as it changes (server-sent events)")
    async def _events(
        chosen: Chosen, last_event_id: Annotated[str, Header(description="Of the last event that came")] = ""
    ) -> StreamingResponse:
        return StreamingResponse(
            events(inbox, chosen, last_event_id),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @routes.get("/turns/{turn_id:path}", summary="One turn that waits")
    async def _turn(request: Request, token: Reader, turn_id: str, account: str) -> Response:
        item = inbox.items.get(key_of(account, turn_id))
        if item is None or not token.allows(account):
            raise HTTPException(404, f"nobody waits by the name of {turn_id} for {account}")
        return answer(request, item)

    @routes.get("/fresh", summary="How fresh all of it is")
    async def _fresh(_: Request) -> Response:
        return Response(_encode(inbox.fresh), media_type="application/json", headers={"Cache-Control": "no-store"})

    @routes.get("/calendars", summary="When those are at work for whom somebody waits")
    async def _calendars(request: Request, token: Reader) -> Response:
        named = {item.calendar for item in inbox.chosen(Choice(token.allows))}
        return answer(request, {"calendars": inbox.hours.shifts(named, round(time.time() * 1000) // DAY_MS * DAY_MS)})

    @routes.get(
        "/accounts",
        summary="Every account: how its last 24 hours stand",
        responses=described.rows("accounts", described.of("rolling"), paged=True),
    )
    def _accounts(
        request: Request, token: Reader, cursor: Cursor = "", limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
    ) -> Response:
        rows = [row for row in queries.overview(client, datetime.now(UTC)) if token.allows(row["account"])]
        shown, following = page(rows, cursor, limit, lambda row: (-row["unanswered"], row["account"]))
        return answer(request, {"accounts": shown, "next": following})

    @routes.get(
        "/accounts/{account}/metrics",
        summary="The rolling figures of an account over time",
        responses=described.rows("rows", described.of("rolling")),
    )
    def _metrics(  # noqa: PLR0913, PLR0917 - they are what is asked
        request: Request,
        token: Reader,
        account: str,
        window: Window = "1h",
        span: Annotated[Range, Query(alias="range")] = "24h",
        weeks_ago: Annotated[int, Query(ge=0, le=520)] = 0,
    ) -> Response:
        see(token, account)
        end = datetime.now(UTC) - timedelta(weeks=weeks_ago)
        rows = queries.course(client, account, window, end - RANGES[span].course, end)
        return answer(request, {"account": account, "window": window, "rows": rows})

    @routes.get(
        "/accounts/{account}/course",
        summary="How an account did in a period, step by step, unanswered included",
        responses=described.rows("rows", described.COURSE),
    )
    def _course(
        request: Request,
        token: Reader,
        account: str,
        span: Annotated[Range, Query(alias="range")] = "24h",
        before: Annotated[bool, Query(description="What it is compared with: the same hours, earlier")] = False,  # noqa: FBT002 - of the address
    ) -> Response:
        see(token, account)
        rows = accounts.course(client, account, span, datetime.now(UTC), before=before)
        return answer(request, {"account": account, "step_seconds": RANGES[span].step.total_seconds(), "rows": rows})

    @routes.get("/accounts/{account}/course.csv", summary="The same as CSV, beside what it is compared with")
    def _course_as_csv(token: Reader, account: str, span: Annotated[Range, Query(alias="range")] = "24h") -> Response:
        see(token, account)
        now = datetime.now(UTC)
        rows = [accounts.course(client, account, span, now, before=before) for before in (False, True)]
        return Response(accounts.csv_of(*rows), media_type="text/csv; charset=utf-8")

    @routes.get("/accounts/{account}/spikes", summary="When far more happened than is usual, and what it was about")
    def _spikes(
        request: Request, token: Reader, account: str, span: Annotated[Range, Query(alias="range")] = "24h"
    ) -> Response:
        see(token, account)
        end = datetime.now(UTC)
        rows = queries.spikes(client, account, end - RANGES[span].course, end)
        for row in rows[:TOLD_SPIKES]:
            row["terms"] = queries.terms(client, account, row["began_at"], row["ended_at"] or end, TERMS)
        return answer(request, {"account": account, "spikes": rows[:TOLD_SPIKES]})

    @routes.get("/explain", summary="Why a number is what it is")
    def _explain(  # noqa: PLR0913, PLR0917 - they are what is asked
        request: Request,
        token: Reader,
        account: str,
        metric: Annotated[str, Query(description=described.listed(described.EXPLAINED))],
        window: Explained = "24h",
        at: datetime | None = None,
        posts: Annotated[int, Query(ge=0, le=200)] = 20,
        followers: Annotated[
            int | None, Query(description="Of a band of equal treatment, by its `followers_from`")
        ] = None,
    ) -> Response:
        question = explanation.Question(account, metric, window, moment(at), posts, followers)
        return answer(request, explained(client, token, question))

    @routes.get(
        "/relationships",
        summary="People: advocates, lapsed, follow_ups, bridges, opt_outs, cohorts",
        responses=described.rows("people", described.of(*LISTS), paged=True),
    )
    def _relationships(  # noqa: PLR0913, PLR0917 - they are what is asked
        request: Request,
        token: Reader,
        which: Annotated[List, Query(alias="list")],
        account: str = "",
        cursor: Cursor = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        # A list is as the last refresh has left it, ten minutes long: its rows are counted
        after = _decoded(cursor, tuple[int])[0] if cursor else 0
        rows = people(client, which, token.expression, account, limit + 1, after)
        following = _encoded((after + limit,)) if len(rows) > limit else ""
        return answer(request, {"list": which, "people": rows[:limit], "next": following})

    @routes.get("/catalogue", summary="Every metric: what it is, its unit, which way is good")
    def _catalogue(request: Request) -> Response:
        return answer(request, {"metrics": [*metrics().values()]})

    return routes


def moment(at: datetime | None) -> datetime | None:
    """Return a time as it was asked for; without a zone it is UTC."""
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


def see(token: Token, account: str) -> None:
    """Refuse an account that may not be seen, as if it were not there."""
    if not token.allows(account):
        raise HTTPException(404, f"there is no account {account}")


def explained(client: Any, token: Token, question: explanation.Question) -> explanation.Explanation:  # noqa: ANN401 - clickhouse_connect's
    """Return why a number is what it is: :func:`sinks.clickhouse.explanation.explain`. Raises 404 for what is not there."""
    see(token, question.account)
    try:
        return explanation.explain(client, question)
    except RapportError as error:
        raise HTTPException(404, str(error)) from None


def answer(request: Request, body: Any, of: Any = None) -> Response:  # noqa: ANN401 - any JSON
    """Return JSON with an ETag, or 304 if that is known already. ``of``: what the ETag is of, if not all of it."""
    encoded = _encode(body)
    tag = f'"{hashlib.blake2b(encoded if of is None else _encode(of), digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(encoded, media_type="application/json", headers=headers)


def page(
    items: Sequence[Item], cursor: str, limit: int, placed: Callable[[Item], tuple[Any, ...]]
) -> tuple[list[Item], str]:
    """Return the items after a cursor, and the cursor that follows; empty at the end. ``placed``: what they are in order of.

    A cursor says behind which place to go on, so that who leaves or comes meanwhile moves nobody.
    """
    rest = list(items)
    if cursor:
        start = _decoded(cursor, tuple)
        try:
            rest = [item for item in items if placed(item) > start]
        except TypeError:
            raise HTTPException(400, NO_CURSOR) from None
    shown = rest[:limit]
    if len(rest) <= limit:
        return shown, ""
    return shown, _encoded(placed(shown[-1]))


def _encoded(place: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode()


def _decoded(cursor: str, of: type[Place]) -> Place:
    """Return the place that a cursor names; raises 400 if it is none."""
    try:
        found: Place = msgspec.msgpack.decode(base64.urlsafe_b64decode(cursor), type=of)
    except (ValueError, msgspec.MsgspecError):
        raise HTTPException(400, NO_CURSOR) from None
    return found


async def events(inbox: Inbox, chosen: Choice, last: str) -> AsyncIterator[bytes]:
    """Yield server-sent events: ``all`` with every turn, ``change`` with ``put`` and ``gone``, ``fresh``.

    As https://html.spec.whatwg.org/multipage/server-sent-events.html has them; ids are those of :meth:`Inbox.watch`.
    """
    yield b"retry: 1000\n\n"
    async for number, change in inbox.watch(chosen, last, HEARTBEAT_SECONDS):
        yield event(number, *_told(inbox, change))


def _told(inbox: Inbox, change: Change | None) -> tuple[str, Any]:
    if change is None:
        return "fresh", inbox.fresh
    if change.number == 0:
        return "all", {"items": change.put, "fresh": inbox.fresh}
    return "change", {"put": change.put, "gone": [item.key for item in change.gone], "fresh": inbox.fresh}


def event(number: str, name: str, data: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return one event; JSON has no line breaks."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (number.encode(), name.encode(), _encode(data))
