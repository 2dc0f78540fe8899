"""What Bluesky tells of the time before: an account's own posts, posts that mention it, and what stands below and quotes these.

The AppView is asked, as anybody or, where it wants that for searches, as somebody who is logged in at their PDS, which passes on
what is asked (https://docs.bsky.app/docs/api/app-bsky-feed-search-posts).
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from streams.connectors.base import Rejected
from streams.connectors.bluesky_events import Event, microseconds, post_of
from streams.connectors.live import Item, Post
from streams.connectors.session import NotThereError, Session
from streams.connectors.values import MALFORMED
from streams.connectors.walking import FOREVER
from streams.errors import Reason
from streams.http_answers import RefusedError, UnavailableError

PAGE: Final = 100
DEPTH: Final = 100
"""So many levels of a thread are asked for at once."""

Ask = Callable[..., Awaitable[Any]]
"""Asks a method of the AppView, with its parameters by their names."""


class _View(NamedTuple):
    """A post as the AppView shows it."""

    uri: str
    item: Item
    replies: int
    quotes: int


class History:
    """Of the accounts ``dids``."""

    def __init__(self, ask: Ask, dids: Sequence[str]) -> None:
        self._ask, self._dids = ask, dids
        self._own: dict[str, list[_View]] = {}
        """What an account has written, back to where this began."""
        self._looked_below: set[str] = set()

    async def began(self, since: int, until: int) -> AsyncIterator[Item]:
        """Yield what began between two times, and what stands below it: a :data:`streams.connectors.walking.Read`."""
        for did in self._dids:
            for view in await self._written(did, since):
                if not isinstance(view.item, Post) or since <= view.item.published_at < until:
                    async for item in self._around(view):
                        yield item
            between = {"since": _iso(since), **({"until": _iso(until)} if until < FOREVER else {})}
            async for raw in self._pages("searchPosts", "posts", q="*", mentions=did, sort="latest", **between):
                async for item in self._around(_view(raw)):
                    yield item

    async def _written(self, did: str, since: int) -> Sequence[_View]:
        """Return what an account has written from ``since`` on: the list has no dates and is read once, from now back."""
        if did not in self._own:
            found = self._own[did] = []
            async for raw in self._pages("getAuthorFeed", "feed", actor=did, filter="posts_with_replies"):
                if "reason" in raw:  # a repost, or what is pinned
                    continue
                view = _view(raw["post"])
                if isinstance(view.item, Post) and view.item.published_at < since:
                    break
                found.append(view)
        return self._own[did]

    async def _around(self, view: _View) -> AsyncIterator[Item]:
        """Yield a post, what stands below it, and what quotes it."""
        yield view.item
        if view.replies:
            async for item in self._below(view.uri):
                yield item
        if view.quotes and isinstance(view.item, Post) and view.item.author_id in self._dids:
            async for raw in self._pages("getQuotes", "posts", uri=view.uri):
                yield _view(raw).item

    async def _below(self, uri: str) -> AsyncIterator[Item]:
        """Yield what stands below a post, parents first; of what was looked below already, nothing."""
        asked = [uri]
        while asked:
            top = asked.pop()
            if top in self._looked_below:
                continue
            try:
                thread = (await self._ask("getPostThread", uri=top, depth=DEPTH, parentHeight=0))["thread"]
            except NotThereError:  # it has gone meanwhile
                continue
            level = [thread]
            for depth in range(DEPTH + 1):
                below = [it for above in level for it in above.get("replies") or () if "post" in it]
                self._looked_below.update(str(it["post"].get("uri")) for it in level if depth < DEPTH and "post" in it)
                if depth:
                    views = [_view(it["post"]) for it in level]
                    for view in views:
                        yield view.item
                    asked += [it.uri for it in views if it.replies and depth == DEPTH]
                level = below

    async def _pages(self, method: str, name: str, **parameters: str) -> AsyncIterator[Any]:
        """Yield what a list has, the newest first."""
        cursor: dict[str, str] = {}
        while True:
            page = await self._ask(method, limit=PAGE, **parameters, **cursor)
            found = page.get(name) if isinstance(page, dict) else None
            if not isinstance(found, list):
                raise UnavailableError("its answer is no list")
            for raw in found:
                yield raw
            if not found or not page.get("cursor"):
                return
            cursor = {"cursor": page["cursor"]}


class Login:
    """Somebody's session at their PDS (https://docs.bsky.app/docs/api/com-atproto-server-create-session)."""

    def __init__(self, session: Session, pds: str, identifier: str, password: Callable[[], str]) -> None:
        self._session, self._pds, self._identifier, self._password = session, pds, identifier, password
        self._token = ""

    async def get(self, url: str, parameters: dict[str, str | int]) -> Any:  # noqa: ANN401 - any JSON
        """Return what is answered to who is logged in; raises as :meth:`Session.get`."""
        for is_again in (False, True):
            if not self._token:
                self._token = await self._new()
            headers = {"Authorization": f"Bearer {self._token}", "User-Agent": "Rapport"}
            try:
                return await self._session.get(url, headers, parameters)
            except (RefusedError, NotThereError) as error:
                is_over = isinstance(error, RefusedError) or b'"ExpiredToken"' in error.body
                if is_again or not is_over:
                    raise
                self._token = ""
        raise AssertionError

    async def _new(self) -> str:
        body = {"identifier": self._identifier, "password": self._password()}
        address = f"{self._pds}/xrpc/com.atproto.server.createSession"
        found = await self._session.send("POST", address, {"User-Agent": "Rapport"}, body)
        return str(found["accessJwt"])


def _view(raw: Any) -> _View:  # noqa: ANN401 - whatever came
    """Return a post as Jetstream would have told it; what is none becomes a dead letter."""
    try:
        uri, did = str(raw["uri"]), raw["author"]["did"]
        collection, rkey = uri.split("/")[-2:]
        body = {"operation": "create", "collection": collection, "rkey": rkey, "record": raw["record"]}
        post = post_of(Event("commit", did, microseconds(raw["indexedAt"]), body=body))
        return _View(post.key, post, int(raw.get("replyCount", 0)), int(raw.get("quoteCount", 0)))
    except MALFORMED as error:
        why = f"it is no post of the AppView's ({type(error).__name__}: {str(error)[:200]})"
        return _View("", Rejected(Reason.MALFORMED_RECORD, why, "bluesky", json.dumps(raw).encode()), 0, 0)


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
