"""Discourse: all public posts of a forum, by asking for the newest again and again (docs/connectors/discourse.md).

Posts have numbers that grow, and ``/posts.json?before=N`` gives the last fifty below one: so what was missed is walked forwards,
oldest first, from the number in the cursor. What was edited shows in the same lists when they are read again, and a post that was
there and is there no more is asked for: not found means deleted.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple

from pydantic import Field

from streams.connectors.absence import Absence
from streams.connectors.base import Rejected
from streams.connectors.discourse_posts import Forum, Found, Place
from streams.connectors.live import ALIVE, ConnectorSettings, Deletion, ForAccounts, Item, Known, Post, Received
from streams.connectors.pacing import Budget
from streams.connectors.session import Headers, NotThereError, Session
from streams.connectors.values import MALFORMED, Recent, milliseconds
from streams.errors import Reason
from streams.http_answers import RefusedError, UnavailableError
from streams.tables import Text

PAGE: Final = 50
"""So many posts an answer of ``/posts.json`` has."""
STEP: Final = 49
"""Older forums include the number that is asked for, newer ones do not: of fifty numbers, so many are in every answer."""
REMEMBERED: Final = 20_000
"""Posts of which it is remembered where they stand."""


class DiscourseSettings(ConnectorSettings):
    """``type = "discourse"``."""

    type: Literal["discourse"]
    forum: str = Field(pattern=r"^https?://[^\s]*[^\s/]$", description="the forum, https://…")
    user_api_key_file: Path | None = Field(None, description="a file with a user's own key")
    user_api_key_env: str | None = Field(None, description="the same in a variable")
    api_key_file: Path | None = Field(None, description="a file with a key that an administrator has made")
    api_key_env: str | None = Field(None, description="the same in a variable")
    api_username: Text | None = Field(None, description="as whom an administrator's key for all users reads")
    people: ForAccounts = Field({}, description="users who write for an account: the username, and the account")
    categories: ForAccounts = Field({}, description="categories whose topics are for an account: the number, and it")
    requests_per_minute: int = Field(20, ge=1, description="no more requests than this")
    poll_seconds: float = Field(60, gt=0, le=3600, description="how often the newest posts are asked for")
    recheck_posts: int = Field(200, ge=0, description="so many of the last posts are looked at again for changes …")
    recheck_seconds: float = Field(900, gt=0, description="… so often; the newest fifty always are")
    may_have = ("user_api_key", "api_key")


class Discourse:
    """One forum."""

    network: ClassVar[str] = "discourse"
    settings: ClassVar[type[ConnectorSettings]] = DiscourseSettings

    def __init__(self, settings: DiscourseSettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets

    @staticmethod
    def budget(settings: DiscourseSettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(settings.requests_per_minute, 60.0)

    async def check(self) -> str:
        """Return in words whose key it is."""
        await self.get("/posts.json")
        try:
            current = (await self.get("/session/current.json"))["current_user"]["username"]
        except (NotThereError, *MALFORMED):
            return "the forum is read as anybody may read it"
        return f"the key is of discourse:{self._forum().person(current)}"

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what is written; see :class:`streams.connectors.live.Connector`."""
        reading = self._reading()
        await reading.begin(cursor)
        rechecked_at = time.monotonic()
        while True:
            yield reading.received(ALIVE)
            is_due = time.monotonic() - rechecked_at >= self._settings.recheck_seconds
            async for received in reading.poll(is_recheck=is_due):
                yield received
            if is_due:
                rechecked_at = time.monotonic()
            await asyncio.sleep(self._settings.poll_seconds)

    async def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what was written since then; see :class:`streams.connectors.live.Historic`."""
        reading = self._reading()
        await (reading.begin(cursor) if cursor else reading.begin_at(since))
        yield reading.received(ALIVE)
        async for received in reading.poll(is_recheck=False):
            yield received

    def _reading(self) -> "_Reading":
        return _Reading(self.get, self._session, self._forum(), self._settings.recheck_posts)

    async def get(self, path: str, **parameters: str | int | list[str]) -> Any:  # noqa: ANN401 - any JSON
        """Return what the forum answers; raises as :meth:`Session.get`."""
        return await self._session.get(self._settings.forum + path, self._headers(), parameters, _wait_of)

    def _forum(self) -> Forum:
        return Forum(self._settings.forum, self._settings.people, self._settings.categories)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "Rapport"}
        if self._settings.has("user_api_key"):
            headers["User-Api-Key"] = self._secrets["user_api_key"]()
        if self._settings.has("api_key"):
            headers["Api-Key"] = self._secrets["api_key"]()
        if self._settings.api_username:
            headers["Api-Username"] = self._settings.api_username
        return headers


def _wait_of(status: int, _: Headers, body: bytes) -> float:
    """Return for how long a forum wants to be left alone: its 429 says so in the body, in older versions there alone."""
    try:
        return float(json.loads(body)["extras"]["wait_seconds"]) if status == 429 else 0.0  # noqa: PLR2004
    except MALFORMED:
        return 0.0


class _Standing(NamedTuple):
    """What is remembered of a post that stands somewhere."""

    number: int
    author_id: str


class _Reading:
    """What one connection has read, up to its cursor."""

    def __init__(self, get: Callable[..., Awaitable[Any]], session: Session, forum: Forum, recheck: int) -> None:
        self._get, self._session, self._forum, self._recheck = get, session, forum, recheck
        self._since = self._at = 0
        """Numbers of posts: the last before it ever began, and the last that it has passed over."""
        self._seen: Recent[str, int] = Recent(REMEMBERED)
        """Revisions as they were read last, by key; of what is no post, by its bytes."""
        self._absence = Absence(session, self._one, takes_below=False)
        self._standing: Recent[Place, _Standing | None] = Recent(REMEMBERED)

    async def begin(self, cursor: str | None) -> None:
        """Go on behind a cursor; None: behind what there is."""
        if cursor:
            at = json.loads(cursor)
            self._since, self._at = at["since"], at["at"]
        else:
            self._since = self._at = max(map(_number, await self._page()), default=0)

    async def begin_at(self, since: int) -> None:
        """Go on behind what is older than ``since``, ms: found by halving, for numbers grow as time does."""
        older, newer = 0, max(map(_number, await self._page()), default=0) + 1
        while newer - older > PAGE:
            before = middle = (older + newer) // 2
            page = list[Any]()
            while not page and before > older:  # what we may not read leaves gaps among the numbers
                page = [it for it in await self._page(before=before) if older < _number(it) <= middle]
                before -= STEP
            if not page:
                older = middle
            elif numbers := [_number(it) for it in page if _is_older(it, since)]:
                older = max(numbers)
            else:
                newer = min(map(_number, page))
        self._since = self._at = older

    def received(self, item: Item) -> Received:
        """Return an item with the cursor behind it."""
        return Received(item, json.dumps({"since": self._since, "at": self._at}, separators=(",", ":")))

    async def poll(self, *, is_recheck: bool) -> AsyncIterator[Received]:
        """Yield what is new, oldest first, and what has changed among what the forum still shows."""
        newest = await self._page()
        numbers = list(filter(None, map(_number, newest)))
        first, last = min(numbers, default=self._at + 1), max(numbers, default=self._at)
        while self._at + 1 < first:  # more than a page has come meanwhile
            low, high = self._at + 1, min(self._at + STEP, first - 1)
            async for received in self._take(await self._page(before=self._at + PAGE), low, high):
                yield received
            self._at = high
        async for received in self._take(newest, first, max(last, self._at)):
            yield received
        self._at, end = max(last, self._at), max(self._since, last - self._recheck)
        before = first
        while is_recheck and before > end + 1:
            low = max(end + 1, before - STEP)
            async for received in self._take(await self._page(before=before), low, before - 1):
                yield received
            before = low

    async def _page(self, **parameters: int) -> list[Any]:
        try:
            page = await self._get("/posts.json", **parameters)
        except NotThereError:
            raise UnavailableError("it has no list of posts: look at the address of the forum") from None
        found = page.get("latest_posts") if isinstance(page, dict) else None
        if not isinstance(found, list):
            raise UnavailableError("its answer is no list of posts")
        return found

    async def _take(self, page: list[Any], low: int, high: int) -> AsyncIterator[Received]:
        """Yield what is new or has changed from one number to another, both included, all of which would be in ``page``."""
        there = set()
        for raw in sorted(page, key=_number):
            number = _number(raw)
            there.add(number)
            if not number or max(low, self._since + 1) <= number <= high:
                item = await self._item(raw, number)
                self._at = max(self._at, number)
                if item is not ALIVE:
                    yield self.received(item)
        among = range(max(low, self._since + 1), high + 1)
        missing = {str(it) for it in among if it not in there and self._session.stands(str(it))}
        if not missing:
            return
        async for deletion in self._absence.gone(0, lambda key, _: key in missing):
            yield self.received(deletion)

    async def _one(self, key: str, _: Known) -> None:
        """Ask for one post, which may be only hidden, or moved to where we may not read."""
        post = await self._get(f"/posts/{key}.json")
        if isinstance(post, dict) and post.get("deleted_at"):
            raise NotThereError("deleted", HTTPStatus.NOT_FOUND)

    async def _item(self, raw: Any, number: int) -> Item:  # noqa: ANN401 - whatever came
        """Return what a post is; ALIVE if nothing is new about it."""
        try:
            found = self._forum.post_of(raw)
        except MALFORMED as error:
            payload = json.dumps(raw)
            if not self._is_new(payload, 0) or (number and number <= self._at):
                return ALIVE
            why = f"it is no post ({type(error).__name__}: {str(error)[:200]})"
            return Rejected(Reason.MALFORMED_RECORD, why, f"discourse, post {number or '?'}", payload.encode())
        if found.is_gone:
            return _deletion(number) if self._session.stands(found.post.key) else ALIVE
        self._standing[found.place] = _Standing(number, found.post.author_id)
        if not found.is_readable or not self._is_new(found.post.key, found.post.revision):
            return ALIVE
        return await self._placed(found)

    def _is_new(self, key: str, revision: int) -> bool:
        is_new = self._seen.get(key, -1) < revision
        if is_new:
            self._seen[key] = revision
        return is_new

    async def _placed(self, found: Found) -> Post:
        """Return a post with what it answers, and the first of its topic. Where one is gone, nobody knows."""
        post = found.post
        if found.above is None:
            return post
        parent = await self._at_place(found.above)
        if parent is not None:
            parent_id, key = self._forum.id_of(parent.number), str(parent.number)
            post = post._replace(parent_id=parent_id, parent_key=key, parent_author_id=parent.author_id)
        first = await self._at_place(Place(found.place.topic, 1))
        return post._replace(conversation_id=self._forum.id_of(first.number)) if first else post

    async def _at_place(self, place: Place) -> _Standing | None:
        """Return what stands somewhere; it is asked for once."""
        if place not in self._standing:
            standing = None
            try:
                raw = await self._get(f"/posts/by_number/{place.topic}/{place.number}.json")
                standing = _Standing(int(raw["id"]), self._forum.person(raw["username"]))
            except (NotThereError, RefusedError, *MALFORMED):
                pass
            self._standing[place] = standing
        return self._standing[place]


def _number(raw: Any) -> int:  # noqa: ANN401 - whatever came
    """Return the number of a post; 0 where it has none."""
    number = raw.get("id") if isinstance(raw, dict) else None
    return number if isinstance(number, int) else 0


def _is_older(raw: Any, since: int) -> bool:  # noqa: ANN401 - whatever came
    try:
        return milliseconds(raw["created_at"]) < since
    except MALFORMED:
        return False


def _deletion(number: int) -> Deletion:
    return Deletion(str(number), time.time_ns() // 1_000_000)
