"""Stack Exchange: all questions, answers and comments of a site, by asking for the newest (docs/connectors/stackexchange.md).

Three lists, each behind the last that was seen: a site's own lists cost fewer requests than following each thread. They are asked
for children first and passed on parents first, so that what a post answers has been passed on before it.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple

from pydantic import Field

from streams.connectors.base import Rejected
from streams.connectors.live import ALIVE, ConnectorSettings, ForAccounts, Item, Post, Received
from streams.connectors.pacing import Budget
from streams.connectors.session import PAUSE_SECONDS, Headers, NotThereError, Session
from streams.connectors.stackexchange_posts import KINDS, SORTS, Kind, Site, key_of, moment_of, number_of
from streams.connectors.values import MALFORMED, Recent
from streams.connectors.walking import DAY, FOREVER, Walk
from streams.errors import Reason
from streams.http_answers import RefusedError, UnavailableError

PAGE: Final = 100
"""So many posts an answer has, and so many numbers a question may name."""
OVERLAP: Final = 60
"""s. What is behind the newest by less is asked for again: answers are kept for a minute, and not every server knows it at once."""
REMEMBERED: Final = 50_000
"""Posts of which it is remembered who wrote them."""
BURST: Final = 100
"""Requests that may follow each other at once; more than 30 a second are too many."""
DAY_SECONDS: Final = 86_400.0
QUOTA_SECONDS: Final = 3600.0
"""A day's quota that is used up is looked at again after this."""
_WAIT: Final = re.compile(r"in (\d+) seconds")


class StackExchangeSettings(ConnectorSettings):
    """``type = "stackexchange"``."""

    type: Literal["stackexchange"]
    site: str = Field(pattern=r"^[a-z0-9.-]+\.[a-z]+$", description="the site's domain, as stackoverflow.com")
    key_file: Path | None = Field(None, description="a file with the key of the application")
    key_env: str | None = Field(None, description="the same in a variable")
    people: ForAccounts = Field({}, description="users who write for an account: the number, and the account")
    tags: ForAccounts = Field({}, description="tags whose questions are for an account: the tag, and the account")
    requests_per_day: int = Field(10_000, ge=100, description="no more requests than this")
    poll_seconds: float = Field(120, gt=0, le=3600, description="how often the newest posts are asked for")
    api: str = Field(
        "https://api.stackexchange.com/2.3", pattern=r"^https?://[^\s]*[^\s/]$", description="where the API is"
    )
    needs = ("key",)


class StackExchange:
    """One site."""

    network: ClassVar[str] = "stackexchange"
    settings: ClassVar[type[ConnectorSettings]] = StackExchangeSettings

    def __init__(
        self, settings: StackExchangeSettings, session: Session, secrets: Mapping[str, Callable[[], str]]
    ) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets

    @staticmethod
    def budget(settings: StackExchangeSettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(BURST, BURST * DAY_SECONDS / settings.requests_per_day)

    async def check(self) -> str:
        """Return in words what the key allows."""
        found = await self.get("/info")
        return f"the key has {found.get('quota_remaining')} of {found.get('quota_max')} requests of today left"

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what is written; see :class:`streams.connectors.live.Connector`."""
        settings = self._settings
        reading = self._reading()
        await reading.begin(cursor)
        while True:
            yield reading.received(ALIVE)
            async for received in reading.poll():
                yield received
            await asyncio.sleep(settings.poll_seconds)

    def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what was written since then; see :class:`streams.connectors.live.Historic`."""
        reading = self._reading()
        return Walk(reading.between, span=DAY, placed=reading.placed).history(since, cursor)

    def _reading(self) -> "_Reading":
        site = Site(self._settings.site, self._settings.people, self._settings.tags)
        return _Reading(self.get, self._session, site)

    async def get(self, path: str, **parameters: str | int | list[str]) -> Any:  # noqa: ANN401 - any JSON
        """Return what the API answers, and wait afterwards if it says so. Raises as :meth:`Session.get`."""
        asked: dict[str, str | int | list[str]] = {"pagesize": PAGE, "filter": "withbody", **parameters}
        asked |= {"site": self._settings.site, "key": self._secrets["key"]()}
        found = await self._session.get(self._settings.api + path, {"User-Agent": "Rapport"}, asked, _wait_of)
        if not isinstance(found, dict) or not isinstance(found.get("items"), list):
            raise UnavailableError("its answer is no list")
        if isinstance(backoff := found.get("backoff"), int):
            self._session.pause(backoff)
        if found.get("quota_remaining") == 0:
            self._session.pause(QUOTA_SECONDS)
        return found


def _wait_of(status: int, _: Headers, body: bytes) -> float:
    """Return for how long an error wants us to wait: nearly all have the status 400, and a number of their own."""
    if status == HTTPStatus.OK:
        return 0.0
    try:
        error = json.loads(body)
        number, said = int(error["error_id"]), str(error.get("error_message"))
    except MALFORMED:
        return 0.0
    if number == 502:  # noqa: PLR2004 - throttle_violation
        wait = _WAIT.search(said)
        return float(wait[1]) if wait else PAUSE_SECONDS
    if number >= 500:  # noqa: PLR2004 - as with HTTP
        raise UnavailableError(f"its error {number}")
    raise RefusedError(f"its error {number}")


class _Standing(NamedTuple):
    """What is remembered of a post."""

    id: str
    author_id: str
    conversation_id: str


class _Reading:
    """What one connection has read, up to its cursor."""

    def __init__(self, get: Callable[..., Awaitable[Any]], session: Session, site: Site) -> None:
        self._get, self._session, self._site = get, session, site
        self._since = {"posts": 0, "comments": 0}
        """The last numbers before it ever began."""
        self._at: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        """s. Behind what it is in each list."""
        self._seen: Recent[str, int] = Recent(REMEMBERED)
        """Revisions as they were read last, by key; of what is no post, by its bytes."""
        self._standing: Recent[str, _Standing] = Recent(REMEMBERED)
        self._comments: Recent[str, dict[int, str]] = Recent(REMEMBERED)
        """Authors of the comments below a post, by their numbers."""

    async def begin(self, cursor: str | None) -> None:
        """Go on behind a cursor; None: behind what there is."""
        if cursor:
            at = json.loads(cursor)
            self._since, self._at = at["since"], at["at"]
            return
        for name, number in (("posts", "post_id"), ("comments", "comment_id")):
            newest = (await self._get(f"/{name}", sort="creation", order="desc", pagesize=1))["items"]
            if newest:
                self._since[name] = int(newest[0][number])
                moment = int(newest[0]["creation_date"])
                self._at |= dict.fromkeys(KINDS[:2] if name == "posts" else KINDS[2:], moment)

    def received(self, item: Item) -> Received:
        """Return an item with the cursor behind it."""
        return Received(item, json.dumps({"since": self._since, "at": self._at}, separators=(",", ":")))

    async def poll(self) -> AsyncIterator[Received]:
        """Yield what is new or has changed."""
        # Children first: a question that is written in between is in its list, whatever answers it is in none yet.
        lists = {kind: await self._behind(kind) for kind in reversed(KINDS)}
        for kind in KINDS:
            for raw, item in await self._new(kind, lists[kind]):
                self._at[kind] = max(self._at[kind], moment_of(SORTS[kind], raw))
                yield self.received(await self.placed(item) if isinstance(item, Post) else item)

    async def between(self, since: int, until: int) -> AsyncIterator[Item]:
        """Yield what was written between two times, ms, both included."""
        bounds = {"max": until // 1000} if until < FOREVER else {}
        for kind in KINDS:
            listed = await self._listed(kind, "creation", since // 1000, **bounds)
            for _, item in await self._new(kind, listed):
                yield item

    async def _new(self, kind: Kind, listed: Iterable[Any]) -> Sequence[tuple[Any, Item]]:
        """Return what is new or has changed of a list, and what it is, with what is needed for its place asked for."""
        new = [(raw, self._post(kind, raw)) for raw in listed if self._is_new(kind, raw)]
        await self._look_up([it for _, it in new if isinstance(it, Post)], kind)
        return new

    def _behind(self, kind: Kind) -> Awaitable[Sequence[Any]]:
        """Return what a list has behind the cursor, oldest first."""
        return self._listed(kind, SORTS[kind], max(self._at[kind] - OVERLAP, 0))

    async def _listed(self, kind: Kind, sort: str, least: int, **bounds: int) -> Sequence[Any]:
        """Return what a list has from a moment on, s, oldest first.

        The next page is what comes behind the last post, not the page of the next number: from page to page what something happens
        to moves to the end, and all behind it moves up.
        """
        found: list[Any] = []
        page = 1
        while True:
            answer = await self._get(f"/{kind}", sort=sort, order="asc", min=least, page=page, **bounds)
            found += answer["items"]
            if not answer.get("has_more") or not answer["items"]:
                return found
            last = moment_of(sort, answer["items"][-1]) - 1
            least, page = (last, 1) if last > least else (least, page + 1)

    def _is_new(self, kind: Kind, raw: Any) -> bool:  # noqa: ANN401 - whatever came
        """Say whether it was not read before as it is, and not written before all began."""
        try:
            number, revision = number_of(kind, raw), int(raw.get("last_edit_date", 0))
            key = key_of(kind, number)
            is_old = number <= self._since["comments" if kind == "comments" else "posts"]
            if is_old and self._session.known(key) is None:
                return False
        except MALFORMED:
            key, revision = json.dumps(raw), 0
        is_new = self._seen.get(key, -1) < revision
        if is_new:
            self._seen[key] = revision
        return is_new

    def _post(self, kind: Kind, raw: Any) -> Item:  # noqa: ANN401 - whatever came
        try:
            return self._site.post_of(kind, raw)
        except MALFORMED as error:
            why = f"it is none of the {kind} ({type(error).__name__}: {str(error)[:200]})"
            return Rejected(Reason.MALFORMED_RECORD, why, f"stackexchange, {kind}", json.dumps(raw).encode())

    # -- what a post answers ----------------------------------------------------------------------------------------------

    async def _look_up(self, posts: Sequence[Post], kind: Kind) -> None:
        """Ask for what of these posts is needed and not known: what they answer, and the comments that theirs may answer."""
        if kind != "comments":
            for post in posts:  # among themselves they know each other
                self._stand(post)
        unknown = dict.fromkeys(it.parent_key for it in posts if it.parent_key and not self._stands(it.parent_key))
        if kind == "comments":
            await self._ask("answers", unknown)
            below = dict.fromkeys(it.parent_key for it in posts if it.parent_author_id)
            await self._ask_for_comments([key for key in below if key not in self._comments])
        await self._ask("questions", [key for key in unknown if not self._stands(key)])

    async def _ask(self, kind: Kind, keys: Iterable[str]) -> None:
        """Ask for posts by their numbers; of those that are not there, or of another kind, none comes."""
        for some in _hundreds(keys):
            for raw in await self._all(f"/{kind}/{';'.join(some)}"):
                post = self._post(kind, raw)
                if isinstance(post, Post):
                    self._stand(post)

    async def _ask_for_comments(self, keys: Iterable[str]) -> None:
        for some in _hundreds(keys):
            for key in some:
                self._comments[key] = {}
            for raw in await self._all(f"/posts/{';'.join(some)}/comments"):
                comment = self._post("comments", raw)
                if isinstance(comment, Post):
                    self._stand_below(comment)

    async def _all(self, path: str) -> Sequence[Any]:
        found: list[Any] = []
        page = 1
        while True:
            try:
                answer = await self._get(path, sort="creation", order="asc", page=page)
            except NotThereError:
                return found
            found += answer["items"]
            if not answer.get("has_more"):
                return found
            page += 1

    def _stand(self, post: Post) -> None:
        conversation = post.conversation_id or self._site.id_of("questions", int(post.parent_key))
        self._standing[post.key] = _Standing(post.id, post.author_id, conversation)

    def _stand_below(self, comment: Post) -> None:
        if comment.parent_key in self._comments:
            self._comments[comment.parent_key][int(comment.key[1:])] = comment.author_id

    def _stands(self, key: str) -> _Standing | None:
        if (known := self._session.known(key)) is not None:
            return _Standing(known.id, known.author_id, known.conversation_id)
        return self._standing.get(key)

    async def placed(self, post: Post) -> Post:
        """Return a post with what it answers: of a comment that is to somebody, their last comment before it if there is one."""
        if not post.parent_key:
            return post
        parent = self._stands(post.parent_key)
        if parent is not None:
            post = post._replace(
                parent_id=parent.id,
                parent_author_id=post.parent_author_id or parent.author_id,
                conversation_id=parent.conversation_id,
            )
        if post.key.startswith("c"):
            self._stand_below(post)
            own = int(post.key[1:])
            others = self._comments.get(post.parent_key, {}).items()
            earlier = [it for it, author in others if it < own and author == post.parent_author_id]
            is_told = parent is None or post.parent_author_id != parent.author_id
            if earlier and is_told:
                number = max(earlier)
                key = f"c{number}"
                if self._session.known(key) is None:
                    key = post.parent_key  # by it at least the account is known whose thread that is
                post = post._replace(parent_key=key, parent_id=self._site.id_of("comments", number))
        return post


def _hundreds(keys: Iterable[str]) -> Iterable[Sequence[str]]:
    every = list(keys)
    return (every[first : first + PAGE] for first in range(0, len(every), PAGE))
