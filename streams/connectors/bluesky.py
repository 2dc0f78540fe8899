"""Bluesky: every post of the network by Jetstream, of which those that concern an account are kept (docs/connectors/bluesky.md).

Jetstream filters by authors only. So all posts come, and each is looked at in four places: its author, whom it names, quotes and
answers. Where one of ours is in none of them, and what it answers is of no thread of theirs, nothing else is done about it.
"""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import urlencode

import httpx
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from streams.connectors.base import Rejected
from streams.connectors.bluesky_events import (
    BLOCKS,
    POSTS,
    Event,
    author_of,
    event_of,
    loads,
    parent_of,
    people,
    post_of,
)
from streams.connectors.bluesky_history import Ask, History, Login
from streams.connectors.live import ALIVE, ConnectorSettings, Deletion, Departure, Gap, Item, Post, Received
from streams.connectors.memory import KEPT
from streams.connectors.pacing import Budget
from streams.connectors.session import LARGEST_EVENT, Headers, NotThereError, Session
from streams.connectors.values import MALFORMED
from streams.connectors.walking import DAY, Walk
from streams.errors import Reason
from streams.http_answers import RefusedError, UnavailableError
from streams.interactions import opt_out
from streams.tables import Texts

ALIVE_SECONDS: Final = 0.25
"""How often the cursor moves while nothing concerns anybody."""
OTHER_CLOCK: Final = 5_000_000
"""Two Jetstreams see an event at different times, µs: from another one, we begin so much earlier."""
ANCESTORS: Final = 80
"""How far up a thread is asked for."""
METHOD: Final = "network.bsky.jetstream.subscribeEvents"


def _dids(accounts: Texts) -> Texts:
    for account in accounts:
        if account.startswith("bluesky:") and not account.startswith("bluesky:did:"):
            wrong = "an account here is bluesky:did:…, which {where}?handle={handle} tells"
            where = "https://public.api.bsky.app/xrpc/com.atproto.identity.resolveHandle"
            raise PydanticCustomError("did", wrong, {"where": where, "handle": account.removeprefix("bluesky:")})
    return accounts


class BlueskySettings(ConnectorSettings):
    """``type = "bluesky"``."""

    type: Literal["bluesky"]
    accounts: Annotated[Texts, AfterValidator(_dids)] = Field(
        min_length=1, description="the brand accounts, bluesky:did:…"
    )
    jetstream: str = Field(
        "wss://jetstream.us-east.bsky.network", pattern=r"^wss?://[^\s/]+$", description="a Jetstream, wss://…"
    )
    version: Literal[1, 2] = Field(2, description="which of its protocols it speaks")
    token_file: Path | None = Field(None, description="a file with a key, where a Jetstream wants one")
    token_env: str | None = Field(None, description="the same in a variable")
    appview: str = Field(
        "https://public.api.bsky.app",
        pattern=r"^https?://[^\s/]+$",
        description="who is asked about threads, https://…",
    )
    identifier: str = Field("", description="of a backfill: who logs in for it, where the AppView wants that")
    app_password_file: Path | None = Field(None, description="a file with an app password of theirs")
    app_password_env: str | None = Field(None, description="the same in a variable")
    pds: str = Field(
        "https://bsky.social", pattern=r"^https?://[^\s/]+$", description="the server where they log in, https://…"
    )
    requests_per_5_minutes: int = Field(300, ge=10, description="no more requests than this")
    heartbeat_seconds: float = Field(30, gt=0, le=600, description="a stream that is silent for so long is dead")
    gap_seconds: float = Field(60, gt=0, description="what comes first may be so much later than what came last")
    may_have = ("token", "app_password")

    @model_validator(mode="after")
    def _says_who_logs_in(self) -> Self:
        if self.has("app_password") != bool(self.identifier):
            raise PydanticCustomError("login", "a login needs identifier, and app_password_file or app_password_env")
        return self


class _NoSuchSeqError(Exception):
    """The numbers are those of another archive."""


@dataclass
class _Place:
    """How far a connection is."""

    address: str
    """Of the Jetstream whose ``seq`` it is."""
    seq: int = 0
    """The last number, by the second version; 0: go by time."""
    time_us: int = 0
    """When Jetstream saw the last event; 0: nothing has come yet."""

    @property
    def cursor(self) -> str:
        return json.dumps({"address": self.address, "seq": self.seq, "time_us": self.time_us}, separators=(",", ":"))

    def passed(self, event: Event) -> None:
        """Go on behind an event, whatever the order in which they come."""
        self.seq, self.time_us = max(self.seq, event.seq), max(self.time_us, event.witnessed)


class Bluesky:
    """One Jetstream."""

    network: ClassVar[str] = "bluesky"
    settings: ClassVar[type[ConnectorSettings]] = BlueskySettings

    def __init__(self, settings: BlueskySettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets
        path = "/subscribe" if settings.version == 1 else f"/xrpc/{METHOD}"
        self._address = settings.jetstream + path
        self._dids = frozenset(it.partition(":")[2] for it in settings.accounts)

    @staticmethod
    def budget(settings: BlueskySettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(settings.requests_per_5_minutes, 300.0)

    async def check(self) -> str:
        """Return in words that Jetstream lets us in, and who the accounts are: as who logs in sees them, if anybody does."""
        async with self._session.socket(
            f"{self._address}?{self._query('')}", self._headers(), self._settings.heartbeat_seconds, self._protocols
        ):
            pass
        found, ask = [], self._asking()
        for did in sorted(self._dids):
            try:
                profile = await ask("getProfile", actor=did)
                found.append(f"bluesky:{did} is @{profile['handle']}")
            except (NotThereError, *MALFORMED):
                found.append(f"nobody is bluesky:{did}")
        return "; ".join(found)

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what concerns the accounts; see :class:`streams.connectors.live.Connector`."""
        place = self._begin(cursor)
        while True:
            address = f"{self._address}?{self._query(str(place.seq or place.time_us or ''))}"
            try:
                async with (
                    self._session.socket(
                        address, self._headers(), self._settings.heartbeat_seconds, self._protocols
                    ) as messages,
                    aclosing(self._read(messages, place)) as found,
                ):
                    async for received in found:
                        yield received
            except _NoSuchSeqError:
                place.seq = 0
            except NotThereError as error:
                if not place.seq or b'"CursorTooOld"' not in error.body:
                    raise UnavailableError(
                        f"{error}: is there a Jetstream of version {self._settings.version}?"
                    ) from None
                place.seq = 0  # by time we get what is left, and are told that it is not all

    def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what the AppView tells of since then; see :class:`streams.connectors.live.Historic`."""
        read = History(self._asking(), sorted(self._dids)).began
        return Walk(read, span=DAY, before=KEPT, placed=self._placed).history(since, cursor)

    def _asking(self) -> Ask:
        """Return what asks the AppView: itself, or by the PDS of who is logged in."""
        settings = self._settings
        if not settings.has("app_password"):
            return self._ask
        login = Login(self._session, settings.pds, settings.identifier, self._secrets["app_password"])
        return lambda method, **parameters: login.get(_method(settings.pds, method), parameters)

    def _begin(self, cursor: str | None) -> _Place:
        if not cursor:
            return _Place(self._address)
        place = _Place(**json.loads(cursor))
        if place.address != self._address:
            place = _Place(self._address, 0, place.time_us - OTHER_CLOCK)
        return place

    @property
    def _protocols(self) -> tuple[str, ...]:
        return () if self._settings.version == 1 else ("xrpc.v1.json",)

    def _headers(self) -> Headers:
        token = {"Authorization": f"Bearer {self._secrets['token']()}"} if self._settings.has("token") else {}
        return {"User-Agent": "Rapport", **token}

    def _query(self, cursor: str) -> str:
        # what is longer would end the connection, again and again
        query = [("maxMessageSizeBytes", str(LARGEST_EVENT))]
        if self._settings.version == 1:
            query += [("wantedCollections", POSTS), ("wantedCollections", BLOCKS)]
        else:
            query += [("collections", POSTS), ("collections", BLOCKS), ("kinds", "commit"), ("kinds", "account")]
        return urlencode([*query, *([("cursor", cursor)] if cursor else [])])

    async def _read(self, messages: AsyncIterator[bytes], place: _Place) -> AsyncGenerator[Received, None]:
        """Yield what one connection says. Raises :class:`_NoSuchSeqError`, and as :meth:`Session.socket`."""
        resumed_at, said_at = place.seq, 0.0
        expected_until = place.time_us and place.time_us + round(self._settings.gap_seconds * 1_000_000)
        async for message in messages:
            item: Item = ALIVE
            event = _event(message, place) if message else None
            if isinstance(event, Event):
                if expected_until and event.witnessed > expected_until:
                    lost = (event.witnessed - place.time_us) // 1_000_000
                    yield Received(Gap(f"what came next is {lost} s later than what came last"), place.cursor)
                expected_until = 0
                if not event.seq or event.seq > resumed_at:
                    item = await self._item(event, message)
                place.passed(event)
            else:
                item = event
                place.time_us = place.time_us or time.time_ns() // 1000  # of a network where nothing happens
            now = time.monotonic()
            if item is not ALIVE or now - said_at >= ALIVE_SECONDS:
                said_at = now
                yield Received(item, place.cursor)

    async def _item(self, event: Event, message: bytes) -> Item:
        """Return what an event is to the accounts, if anything."""
        item: Item = ALIVE
        try:
            if event.kind == "account" and event.body.get("status") == "deleted":
                item = Departure(event.did, event.at)
            elif event.kind == "commit":
                collection, operation = event.body["collection"], event.body["operation"]
                if collection == POSTS and operation == "delete":
                    item = Deletion(event.uri, event.at)
                elif collection == POSTS and self._concerns(event):
                    item = await self._post(event)
                elif collection == BLOCKS and operation == "create" and event.body["record"]["subject"] in self._dids:
                    item = _opt_out(event)
        except MALFORMED as error:  # anybody may write anything, and that is no news unless it is about one of ours
            if any(did.encode() in message for did in self._dids):
                item = _rejected(message, error)
        return item

    def _concerns(self, event: Event) -> bool:
        """Say whether a post is by one of ours, to one of them, or in one of their threads."""
        record = event.body["record"]
        if event.did in self._dids or not self._dids.isdisjoint(people(record)):
            return True
        return self._session.known(parent_of(record)) is not None

    async def _post(self, event: Event) -> Post:
        post = post_of(event)
        if (before := self._session.known(post.key)) is not None:
            post = post._replace(published_at=before.published_at)
        return await self._placed(post)

    async def _placed(self, post: Post) -> Post:
        """Return a post with whom it answers, where that is not who wrote what it stands below."""
        is_part_two = post.author_id in self._dids and post.parent_author_id == post.author_id
        if is_part_two and self._session.known(post.parent_key) is None:
            return post._replace(parent_author_id=await self._answered(post))
        return post

    async def _answered(self, post: Post) -> str:
        """Return whom the thread of somebody's posts answers, which begins with a post that is not known; themselves if nobody."""
        with suppress(NotThereError, UnavailableError, RefusedError, httpx.HTTPError, *MALFORMED):
            above = (await self._ask("getPostThread", uri=post.parent_key, depth=0, parentHeight=ANCESTORS))["thread"]
            while above and "post" in above:
                if (author := str(above["post"]["author"]["did"])) != post.author_id:
                    return author
                above = above.get("parent")
        return author_of(post.conversation_id.removeprefix("bluesky:"))

    async def _ask(self, method: str, **parameters: str | int) -> Any:  # noqa: ANN401 - any JSON
        return await self._session.get(_method(self._settings.appview, method), {"User-Agent": "Rapport"}, parameters)


def _method(server: str, name: str) -> str:
    return f"{server}/xrpc/app.bsky.{'actor' if name == 'getProfile' else 'feed'}.{name}"


def _event(message: bytes, place: _Place) -> Event | Rejected | None:
    """Return the event that a message is; None if it is of no event. Raises where the stream ends with it."""
    try:
        event = event_of(loads(message))
        if event.kind == "info" and event.body["name"] == "FutureCursor" and place.seq:
            raise _NoSuchSeqError
    except MALFORMED as error:
        return _rejected(message, error)
    if event.kind == "error":
        raise UnavailableError("it ended the stream")
    return None if event.kind == "info" else event


def _opt_out(event: Event) -> dict[str, Any]:
    """Return that somebody has blocked an account."""
    subject = event.body["record"]["subject"]
    return opt_out(f"bluesky:{event.uri}", f"bluesky:{subject}", event.did, event.at)


def _rejected(message: bytes, error: Exception) -> Rejected:
    why = f"it is no event of Jetstream's ({type(error).__name__}: {str(error)[:200]})"
    return Rejected(Reason.MALFORMED_RECORD, why, "bluesky", message)
