"""Reddit: what is said in subreddits, to the account, and by its people, by asking again and again (docs/connectors/reddit.md).

Lists have the newest first, and ``before=`` shows nothing once the thing that it names is deleted: so each list is read back by
``after=`` until it is older than the cursor. What concerned an account lately is looked at again, for edits and deletions.
"""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple

from pydantic import Field

from streams.connectors.base import Rejected
from streams.connectors.live import ALIVE, ConnectorSettings, Deletion, ForAccounts, Gap, Item, Post, Received
from streams.connectors.oauth import Tokens
from streams.connectors.pacing import Budget
from streams.connectors.reddit_things import COMMENT, SUBMISSION, People, is_gone, number_of, order_of
from streams.connectors.session import Headers, NotThereError, Session
from streams.connectors.values import MALFORMED, Recent
from streams.connectors.walking import Walk
from streams.errors import Reason
from streams.http_answers import UnavailableError
from streams.tables import Texts

PAGE: Final = 100
"""Things that an answer has, and names that a question may have."""
OVERLAP: Final = 60
"""s. What is older than the cursor by less is read again: not all of Reddit knows everything at once."""
LIST: Final = 900
"""A list ends after about a thousand things; one that ends before has shown all that there is."""
REMEMBERED: Final = 20_000
"""Things of which it is remembered who wrote them."""


class RedditSettings(ConnectorSettings):
    """``type = "reddit"``."""

    type: Literal["reddit"]
    client_id: str = Field(pattern=r"^[\w-]+$", description="the app's id")
    client_secret_file: Path | None = Field(None, description="a file with the app's secret")
    client_secret_env: str | None = Field(None, description="the same in a variable")
    refresh_token_file: Path | None = Field(None, description="a file with a user's refresh token, for their inbox")
    refresh_token_env: str | None = Field(None, description="the same in a variable")
    subreddits: Texts = Field((), description="what is said there is read")
    own_subreddits: ForAccounts = Field(
        {}, description="the same, and new submissions are for an account: name, account"
    )
    people: ForAccounts = Field({}, description="users who write for an account: the name, and the account")
    requests_per_minute: int = Field(100, ge=1, description="no more requests than this")
    poll_seconds: float = Field(60, gt=0, le=3600, description="how often the newest are asked for")
    recheck_posts: int = Field(
        100, ge=0, le=1_000, description="so many that concerned an account are looked at again …"
    )
    recheck_seconds: float = Field(300, gt=0, description="… so often")
    login: str = Field(
        "https://www.reddit.com", pattern=r"^https?://[^\s]*[^\s/]$", description="where tokens are made"
    )
    api: str = Field("https://oauth.reddit.com", pattern=r"^https?://[^\s]*[^\s/]$", description="where the API is")
    needs = ("client_secret",)
    may_have = ("refresh_token",)


class Reddit:
    """One app's view of Reddit."""

    network: ClassVar[str] = "reddit"
    settings: ClassVar[type[ConnectorSettings]] = RedditSettings

    def __init__(self, settings: RedditSettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets
        self._tokens = Tokens(session, self._grant)

    @staticmethod
    def budget(settings: RedditSettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(settings.requests_per_minute, 60.0)

    async def check(self) -> str:
        """Return in words whose token it is."""
        if not self._settings.has("refresh_token"):
            await self._tokens.token()
            return "the app is known, and reads what anybody may read"
        return f"the token is of reddit:{str((await self.get('/api/v1/me'))['name']).lower()}"

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what is said; see :class:`streams.connectors.live.Connector`."""
        settings = self._settings
        reading = self._reading()
        await reading.begin(cursor)
        rechecked_at = time.monotonic()
        while True:
            yield reading.received(ALIVE)
            async for received in reading.poll():
                yield received
            if time.monotonic() - rechecked_at >= settings.recheck_seconds:
                async for received in reading.recheck():
                    yield received
                rechecked_at = time.monotonic()
            await asyncio.sleep(settings.poll_seconds)

    def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what its lists have since then; see :class:`streams.connectors.live.Historic`."""
        return Walk(self._reading().began).history(since, cursor)

    def _reading(self) -> "_Reading":
        people = People(self._settings.people, self._settings.own_subreddits)
        return _Reading(self.get, self._session, people, self._lists(), self._settings.recheck_posts)

    def _lists(self) -> Sequence[str]:
        """Return what is read: children before their parents, so that nobody writes one in between."""
        settings = self._settings
        subreddits = "+".join(dict.fromkeys([*settings.subreddits, *settings.own_subreddits]))
        names = dict.fromkeys([*(it.partition(":")[2] for it in settings.accounts), *settings.people])
        inbox = ["/message/inbox"] if settings.has("refresh_token") else []
        inside = [f"/r/{subreddits}/comments", f"/r/{subreddits}/new"] if subreddits else []
        return [*inbox, *(f"/user/{name}/overview" for name in names), *inside]

    async def get(self, path: str, **parameters: str | int | list[str]) -> Any:  # noqa: ANN401 - any JSON
        """Return what Reddit answers; raises as :meth:`Tokens.get`."""
        return await self._tokens.get(
            self._settings.api + path, {"User-Agent": self._agent()}, {"raw_json": 1, **parameters}
        )

    def _grant(self) -> tuple[str, Headers, Mapping[str, str]]:
        """Return how to ask for a token: of the user whose refresh token we have, or of the app alone."""
        form = {"grant_type": "client_credentials"}
        if self._settings.has("refresh_token"):
            form = {"grant_type": "refresh_token", "refresh_token": self._secrets["refresh_token"]()}
        pair = f"{self._settings.client_id}:{self._secrets['client_secret']()}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}", "User-Agent": self._agent()}
        return f"{self._settings.login}/api/v1/access_token", headers, form

    def _agent(self) -> str:
        """Return what Reddit wants to be told: where it runs, what, and who is responsible."""
        return f"server:{self._settings.client_id}:rapport (by /u/{self._settings.accounts[0].partition(':')[2]})"


class _Found(NamedTuple):
    """A thing, and the list in which it was found; "": it was asked for by its name."""

    path: str
    thing: Any


class _Reading:
    """What one connection has read, up to its cursor."""

    def __init__(
        self, get: Callable[..., Awaitable[Any]], session: Session, people: People, lists: Sequence[str], recheck: int
    ) -> None:
        self._get, self._session, self._people, self._lists, self._recheck = get, session, people, lists, recheck
        self._since = {SUBMISSION: 0, COMMENT: 0}
        """The last numbers before it ever began."""
        self._at: dict[str, int] = {}
        """s. Behind what was written then, in each list: while one is read, more is written in those that were read before it."""
        self._recent: list[str] = []
        """Names of what may have concerned an account lately, oldest first."""
        self._seen: Recent[str, int] = Recent(REMEMBERED)
        """Revisions as they were read last, by key; of what is no post, by its bytes."""
        self._authors: Recent[str, str] = Recent(REMEMBERED)

    async def begin(self, cursor: str | None) -> None:
        """Go on behind a cursor; None: behind what there is."""
        if cursor:
            at = json.loads(cursor)
            self._since, self._at, self._recent = at["since"], at["at"], at["recent"]
            latest = max(self._at.values(), default=0)
            self._at = {path: self._at.get(path, latest) for path in self._lists}
            return
        for path in self._lists:
            self._at[path] = 0
            for thing in (await self._page(path))[0]:
                moment, is_comment, number = order_of(thing)
                kind = COMMENT if is_comment else SUBMISSION
                self._at[path], self._since[kind] = max(self._at[path], moment), max(self._since[kind], number)

    def received(self, item: Item) -> Received:
        """Return an item with the cursor behind it."""
        at = {"since": self._since, "at": self._at, "recent": self._recent}
        return Received(item, json.dumps(at, separators=(",", ":")))

    async def poll(self) -> AsyncIterator[Received]:
        """Yield what is new, oldest first."""
        things: list[_Found] = []
        for path in self._lists:
            found, has_gap = await self._back(path)
            things += (_Found(path, thing) for thing in found)
            if has_gap:
                yield self.received(Gap("a list of Reddit ends before the last thing that was read"))
        async for received in self._take(things):
            yield received

    async def began(self, since: int, _: int) -> AsyncIterator[Item]:
        """Yield what the lists have from ``since`` on, ms, and some of before."""
        self._at = dict.fromkeys(self._lists, since // 1000)
        things: list[_Found] = []
        for path in self._lists:
            found, has_gap = await self._back(path)
            things += (_Found(path, thing) for thing in found)
            if has_gap:
                yield Gap("a list of Reddit ends before the date")
        for _thing, item in await self._read(things):
            yield item

    async def recheck(self) -> AsyncIterator[Received]:
        """Yield what has changed of that which concerned an account lately."""
        self._recent = [name for name in self._recent if self._session.stands(name)]
        async for received in self._take(_Found("", thing) for thing in await self._named(self._recent)):
            yield received

    def _keep_in_mind(self, name: str) -> None:
        """Look at it again later, if it turns out to concern an account; of the one before that is known by now."""
        if self._recent and self._session.known(self._recent[-1]) is None:
            self._recent.pop()
        if name not in self._recent and self._recheck:
            self._recent = [*self._recent, name][-self._recheck :]

    async def _take(self, things: Iterable[_Found]) -> AsyncIterator[Received]:
        for (path, thing), item in await self._read(things):
            if path:
                self._at[path] = max(self._at[path], order_of(thing)[0])
            if isinstance(item, Post):
                self._keep_in_mind(item.key)
            if item is not ALIVE:
                yield self.received(item)

    async def _read(self, things: Iterable[_Found]) -> Sequence[tuple[_Found, Item]]:
        """Return things, oldest first, and what they are: posts with whom they answer."""
        items = [(it, self._item(it.thing)) for it in sorted(things, key=lambda it: order_of(it.thing))]
        await self._learn_authors([item for _, item in items if isinstance(item, Post)])
        return [(it, self._answering(item) if isinstance(item, Post) else item) for it, item in items]

    def _answering(self, post: Post) -> Post:
        return post._replace(parent_author_id=post.parent_author_id or self._author_of(post.parent_key))

    def _item(self, thing: Any) -> Item:  # noqa: ANN401 - whatever came
        """Return what a thing is; ALIVE if nothing is new about it, or it is neither a submission nor a comment."""
        if isinstance(thing, dict) and thing.get("kind") not in (SUBMISSION, COMMENT):
            return ALIVE  # a message in the inbox
        try:
            name, (kind, number) = thing["data"]["name"], number_of(thing["data"]["name"])
            if number <= self._since[kind] and self._session.known(name) is None:
                return ALIVE
            if is_gone(thing):
                return Deletion(name, time.time_ns() // 1_000_000) if self._session.stands(name) else ALIVE
            post = self._people.post_of(thing)
        except MALFORMED as error:
            payload = json.dumps(thing)
            why = f"it is no submission and no comment ({type(error).__name__}: {str(error)[:200]})"
            rejected = Rejected(Reason.MALFORMED_RECORD, why, "reddit", payload.encode())
            return rejected if self._is_new(payload, 0) else ALIVE
        self._authors[post.key] = post.author_id
        return post if self._is_new(post.key, post.revision) else ALIVE

    def _is_new(self, key: str, revision: int) -> bool:
        is_new = self._seen.get(key, -1) < revision
        if is_new:
            self._seen[key] = revision
        return is_new

    def _author_of(self, name: str) -> str:
        known = self._session.known(name)
        return known.author_id if known else self._authors.get(name, "")

    # -- requests ---------------------------------------------------------------------------------------------------------

    async def _learn_authors(self, posts: Sequence[Post]) -> None:
        """Ask who wrote what these answer, where nobody knows."""
        told = {it.parent_key for it in posts if it.parent_author_id} | self._authors.keys()
        unknown = dict.fromkeys(
            it.parent_key for it in posts if it.parent_key not in told and not self._session.known(it.parent_key)
        )
        for thing in await self._named(name for name in unknown if name):
            try:
                self._authors[thing["data"]["name"]] = self._people.person(thing["data"]["author"])
            except MALFORMED:
                continue

    async def _named(self, names: Iterable[str]) -> list[Any]:
        """Return things by their full names; those that are not there do not come."""
        every, found = list(names), list[Any]()
        for first in range(0, len(every), PAGE):
            found += (await self._page("/api/info", id=",".join(every[first : first + PAGE])))[0]
        return found

    async def _back(self, path: str) -> tuple[list[Any], bool]:
        """Return what a list has from now back to the cursor, and whether it ends before that."""
        found: list[Any] = []
        after = ""
        while True:
            page, after = await self._page(path, limit=PAGE, after=after)
            found += page
            oldest = min((order_of(it)[0] for it in page if order_of(it)[0]), default=0)
            if oldest < self._at[path] - OVERLAP or not page:
                return found, False
            if not after:
                return found, len(found) >= LIST and oldest > self._at[path]

    async def _page(self, path: str, **parameters: str | int) -> tuple[list[Any], str]:
        """Return the things of an answer, and behind which of them the next begins; "": it is the last."""
        try:
            answer = await self._get(path, **parameters)
        except NotThereError:
            raise UnavailableError("a list is not there: look at the names of people and subreddits") from None
        try:
            return list(answer["data"]["children"]), str(answer["data"].get("after") or "")
        except MALFORMED:
            raise UnavailableError("its answer is no list") from None
