"""What is asked for of an account of Meta's in one round: its posts, what is said below them, and posts elsewhere that name it.

Meta tells of no edits and deletions in lists. What is read again and has another text than was published is edited; what is
remembered and not listed, though the list has all of its place, may be gone.
"""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from streams.connectors import meta_posts
from streams.connectors.absence import Absence
from streams.connectors.base import Rejected
from streams.connectors.files import milliseconds
from streams.connectors.live import Item, Known, Post
from streams.connectors.meta_posts import FIELDS
from streams.connectors.session import NotThereError, Parameters
from streams.connectors.values import MALFORMED
from streams.connectors.walking import DAY, FOREVER
from streams.connectors.window import digest
from streams.errors import Reason
from streams.http_answers import UnavailableError

PAGE: Final = 50
"""Posts, or comments, to ask for at once."""
FEED: Final = 25
"""Posts of a page, each with as many of its comments."""
_TIMES: Final = ("created_time", "timestamp")


class Graph(NamedTuple):
    """What asks for one account."""

    network: str
    own: str
    """Its id."""
    name: str
    """Of Instagram and Threads: its username."""
    get: Callable[[str, Parameters], Awaitable[Any]]
    """Asks for a path below the address of the API."""
    known: Callable[[str], Known | None]
    """What is remembered of a post, by its key."""


class Wanted(Protocol):
    """What the settings say."""

    @property
    def days(self) -> int:
        """Return below posts of how many days comments are looked for."""

    @property
    def elsewhere(self) -> bool:
        """Return whether posts of others are asked for, too."""


@dataclass
class Kept:
    """How far an account is, and what this process has seen of it."""

    since: int = 0
    """ms: what is older was seen …"""
    had: frozenset[str] = frozenset()
    """… as were these, which are of that second."""
    seen: dict[str, int] = field(default_factory=dict)
    """What has been found, and when it was said, ms."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many comments there were below a medium."""
    before: int = 0
    """When the last was said of what had been found before the last round began, ms."""

    @property
    def newest(self) -> int:
        """When the last of what was found was said; 0: there is nothing."""
        return max(self.seen.values(), default=0)

    def begin(self) -> None:
        """Take all that was found as seen, for ever."""
        self.since = self.newest
        self.had = frozenset(key for key, at in self.seen.items() if at == self.since)

    def move(self, overlap: int) -> None:
        """Go on behind what was found before this round, but for the last ``overlap`` ms.

        A round may take longer than that: what was said meanwhile, in a list that had been read by then, is found with the next.
        """
        newest = self.newest
        if (since := self.before - overlap) > self.since:
            self.since, self.had = since, frozenset()
            self.seen = {key: at for key, at in self.seen.items() if at >= since}
        self.before = newest

    def forget(self) -> None:
        """Forget what only this process knows: it may not have been published."""
        self.seen, self.counts = {}, {}


async def found_for(graph: Graph, kept: Kept, wanted: Wanted, absence: Absence) -> list[tuple[str, Item]]:
    """Return what is new, edited or gone, by its key, and note that it was seen; of what is no post, its bytes are the key."""
    oldest = (kept.since or time.time_ns() // 1_000_000) - wanted.days * DAY
    reading = _Round(graph, kept, oldest)
    found = await reading.read(elsewhere=wanted.elsewhere)
    found += [(it.key, it) async for it in absence.gone(oldest, reading.is_missing)]
    if absence.is_unfinished:
        kept.counts = {}  # so that the same lists are read again
    return found


async def found_between(graph: Graph, since: int, until: int, *, elsewhere: bool) -> list[tuple[str, Item]]:
    """Return what was posted between two times, ms, and what stands below it, by its key."""
    return await _Round(graph, Kept(since), since, until).read(elsewhere=elsewhere)


class _Page(NamedTuple):
    """A page of a list."""

    things: list[Any]
    has_more: bool
    """There is another behind it."""


class _Round:
    """One account, once. ``oldest`` and ``until``: posts before the one and from the other on are not looked below, ms."""

    def __init__(self, graph: Graph, kept: Kept, oldest: int, until: int = FOREVER) -> None:
        self._graph, self._kept, self._oldest, self._until = graph, kept, oldest, until
        self._times = {"since": max(oldest, 0) // 1000, **({"until": until // 1000} if until < FOREVER else {})}
        self.found: list[tuple[str, Item]] = []
        self._listed: set[str] = set()
        """Keys."""
        self._whole: dict[str, int] = {}
        """From when on what stands below a post is listed, all of it, ms, by the post's id; of "", what others posted elsewhere."""

    async def read(self, *, elsewhere: bool) -> list[tuple[str, Item]]:
        """Return what is there."""
        await {"facebook": self.facebook, "instagram": self.instagram, "threads": self.threads}[self._graph.network](
            elsewhere=elsewhere
        )
        return self.found

    def is_missing(self, key: str, known: Known) -> bool:
        """Say whether a post of the account would have been listed, and was not: :data:`streams.connectors.absence.Missing`."""
        if key in self._listed or f"{self._graph.network}:{self._graph.own}" not in known.accounts:
            return False
        begins = known.id == known.conversation_id
        if known.author_id == self._graph.own and (begins or self._graph.network == "threads"):
            return True  # its own posts, and on Threads its replies, are listed from the oldest on
        root = "" if begins else known.conversation_id.partition(":")[2]
        return known.published_at >= self._whole.get(root, FOREVER)

    async def facebook(self, *, elsewhere: bool) -> None:
        """Take what is on a page, below it, and where it is tagged."""
        own = self._graph.own
        async for post in self._list(f"{own}/feed", "facebook feed", {**self._times, "limit": FEED}):
            self._take(post, lambda it: meta_posts.facebook(it, own))
            if not _id(post):
                continue
            root = meta_posts.Above(_id(post), _id(_inner(post, "from")) or _id(post))
            async for comment in self._back(root.id, self._comments(root.id, _inner(post, "comments"))):
                self._take(comment, lambda it, root=root: meta_posts.facebook(it, own, root))  # type: ignore[misc]
        if elsewhere:
            async for post in self._list(f"{own}/tagged", "facebook", self._times):
                self._take(post, lambda it: meta_posts.facebook(it, own))
            self._whole[""] = self._oldest

    async def _comments(self, root: str, first: Mapping[str, Any]) -> AsyncIterator[_Page]:
        """Yield the pages of comments below a post, newest first; ``first``: the one that came with it."""
        yield _Page(_listed(first), bool(_after(first)))
        if after := _after(first):
            asked: Parameters = {"filter": "stream", "order": "reverse_chronological", "after": after}
            async for page in self._pages(f"{root}/comments", "facebook comments", asked):
                yield page

    async def instagram(self, *, elsewhere: bool) -> None:
        """Take the account's media, what is below them, and media in which it is tagged."""
        us, counts = meta_posts.Us(self._graph.own, self._graph.name), self._kept.counts
        async for medium in self._list(f"{us.id}/media", "instagram", self._times if self._until < FOREVER else None):
            if _time(medium, self._oldest) < self._oldest:
                break
            if _time(medium, self._oldest) >= self._until:
                continue
            self._take(medium, lambda it: meta_posts.instagram(it, us))
            count = medium.get("comments_count") if _id(medium) else None
            if count is not None and counts.get(_id(medium)) != count:
                await self._below(_id(medium), us)
                counts[_id(medium)] = count
        if elsewhere:
            async for medium in self._back("", self._pages(f"{us.id}/tags", "instagram")):
                self._take(medium, lambda it: meta_posts.instagram(it, us))

    async def _below(self, root: str, us: meta_posts.Us) -> None:
        """Take the comments below a medium and the answers to them: either may be new below an old one."""
        async for comment in self._all(root, self._pages(f"{root}/comments", "instagram comments")):
            self._take(comment, lambda it: meta_posts.instagram(it, us, root))
            replies = _inner(comment, "replies")
            for reply in _listed(replies):
                self._take(reply, lambda it, above=comment: meta_posts.instagram(it, us, root, above))  # type: ignore[misc]
            if (after := _after(replies)) and _id(comment):
                path = f"{_id(comment)}/replies"
                async for reply in self._list(path, "instagram replies", {"after": after}):
                    self._take(reply, lambda it, above=comment: meta_posts.instagram(it, us, root, above))  # type: ignore[misc]

    async def threads(self, *, elsewhere: bool) -> None:
        """Take the account's threads, what is below them, its replies anywhere, and what mentions it."""
        own, since = self._graph.own, self._times
        things: list[Any] = []
        for name in ("replies", "mentions") if elsewhere else ("replies",):
            things += [thing async for thing in self._list(f"{own}/{name}", "threads", since)]
        # last of all, so that what any of those stands below is there
        posts = [thing async for thing in self._list(f"{own}/threads", "threads", since)]
        for root in [_id(thing) for thing in posts if _id(thing) and thing.get("has_replies")]:
            pages = self._pages(f"{root}/conversation", "threads", {"reverse": "true"})
            things += [thing async for thing in self._back(root, pages)]
        things += posts
        self._whole |= {_id(thing): 0 for thing in posts if not thing.get("has_replies")}
        self._whole |= {"": self._oldest} if elsewhere else {}
        us = meta_posts.Us(own, self._graph.name)
        names = {_id(thing): thing.get("username") for thing in things if _id(thing)}
        authors = {number: own if name == us.name else str(name) for number, name in names.items()}
        for thing in things:
            self._take(thing, lambda it: meta_posts.threads(it, us, authors))

    # -- lists and things -------------------------------------------------------------------------------------------------

    async def _back(self, root: str, pages: AsyncIterator[_Page]) -> AsyncIterator[Any]:
        """Yield things, the newest first, to the end of the page on which there are old ones, and note from when on that is all."""
        async for page in pages:
            for thing in page.things:
                yield thing
            times = [_time(it, FOREVER) for it in page.things]
            if not page.has_more or any(map(self._is_old, page.things)):
                # another of the same second may be on the next page
                self._whole[root] = min(times) + 1000 if page.has_more else 0
                return

    async def _all(self, root: str, pages: AsyncIterator[_Page]) -> AsyncIterator[Any]:
        """Yield all things, and note that these are all."""
        async for page in pages:
            for thing in page.things:
                yield thing
            if not page.has_more:
                self._whole[root] = 0

    async def _list(self, path: str, kind: str, parameters: Parameters | None = None) -> AsyncIterator[Any]:
        """Yield the things of a list, as the network orders them: see :meth:`_pages`."""
        async for page in self._pages(path, kind, parameters):
            for thing in page.things:
                yield thing

    async def _pages(self, path: str, kind: str, parameters: Parameters | None = None) -> AsyncIterator[_Page]:
        """Yield the pages of a list. Nothing of what is gone by now, but for the account's own.

        By the cursor of each page, never by the address of the next, which has the token in it and comes from others.
        """
        asked = {"fields": FIELDS[kind], "limit": PAGE, **(parameters or {})}
        with suppress(*(() if path.startswith(f"{self._graph.own}/") else (NotThereError,))):
            while True:
                page = await self._graph.get(path, asked)
                if not isinstance(page, dict) or not isinstance(page.get("data"), list):
                    raise UnavailableError("its answer is no list")
                after = _after(page)
                yield _Page(page["data"], bool(after))
                if not after:
                    return
                asked["after"] = after

    def _is_old(self, thing: Any) -> bool:  # noqa: ANN401 - whatever came
        return _time(thing, self._kept.since) < self._kept.since

    def _take(self, thing: Any, read: Callable[[Any], Post]) -> None:  # noqa: ANN401 - whatever came
        """Note what was not seen yet, and what has another text now."""
        kept = self._kept
        item: Item
        try:
            post = read(thing)
            item, key, at = post, post.key, post.published_at
        except MALFORMED as error:
            payload = json.dumps(thing).encode()
            why = f"not as Meta has it ({type(error).__name__}: {str(error)[:200]})"
            item = Rejected(Reason.MALFORMED_RECORD, why, f"meta, {self._graph.network}:{self._graph.own}", payload)
            key, at = payload.decode(), _time(thing, kept.since)
        self._listed.add(f"{self._graph.network}:{_id(thing)}")
        if at < kept.since or key in kept.had or key in kept.seen:
            item = self._edited(item) if isinstance(item, Post) else None
            if item is None:
                return
        else:
            kept.seen[key] = at
        self.found.append((key, item))

    def _edited(self, post: Post) -> Post | None:
        """Return a post that has another text now, to all to whom it was published; None: it has not."""
        known, author = self._graph.known(post.key), f"{self._graph.network}:{post.author_id}"
        if known is None or known.is_gone or known.digest == digest(post.text):
            return None
        addressed = post.addressed
        if known.id == known.conversation_id:
            # the lists of several accounts may have it, and be read one after the other
            addressed = tuple(it.partition(":")[2] for it in known.accounts if it != author)
        return post._replace(addressed=addressed, revision=time.time_ns() // 1_000_000)


def _after(page: Mapping[str, Any]) -> str:
    """Return the cursor behind a page; "" behind the last."""
    paging = _inner(page, "paging")
    return str(_inner(paging, "cursors").get("after") or "") if paging.get("next") else ""


def _inner(thing: Any, name: str) -> Mapping[str, Any]:  # noqa: ANN401 - whatever came
    found = thing.get(name) if isinstance(thing, dict) else None
    return found if isinstance(found, dict) else {}


def _listed(page: Mapping[str, Any]) -> list[Any]:
    found = page.get("data")
    return found if isinstance(found, list) else []


def _id(thing: Any) -> str:  # noqa: ANN401 - whatever came
    return str(thing.get("id") or "") if isinstance(thing, dict) else ""


def _time(thing: Any, otherwise: int) -> int:  # noqa: ANN401 - whatever came
    """Return when something was said, ms; ``otherwise`` where it does not say."""
    with suppress(*MALFORMED):
        return milliseconds(next(thing[name] for name in _TIMES if name in thing))
    return otherwise
