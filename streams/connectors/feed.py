"""Blogs by their feeds, RSS and Atom: posts, and comments where they come as feeds too (docs/connectors/feed.md).

A feed has only what is newest and does not say what has changed. So each is asked for again and again, with what it said last time
(conditional GET, RFC 9110), and compared with what was seen. Where a burst is longer than the feed, its older pages are asked for.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

import httpx

from streams.connectors.base import Rejected
from streams.connectors.feed_entries import Document, Entry, parse
from streams.connectors.feed_posts import Blog, post_of
from streams.connectors.feed_settings import FeedSettings, FeedTable
from streams.connectors.live import ALIVE, ConnectorSettings, Gap, Item, Received
from streams.connectors.pacing import Budget
from streams.connectors.public_addresses import NotPublicError
from streams.connectors.session import Answer, Headers, NotThereError, Session, basic
from streams.connectors.websub import RENEWED_AFTER, subscription
from streams.connectors.window import Change, Window, digest
from streams.errors import Reason
from streams.http_answers import RefusedError, UnavailableError
from streams.signatures import secrets_in

MOST_PAGES: Final = 100
"""Older pages that are asked for at once."""
MOST_FOUND: Final = 20
"""Feeds of comments that are taken from one feed of posts: those of its newest posts."""
LARGE: Final = 30_000
"""Bytes; what is larger is read in a thread, for it takes a while."""
NOT_MODIFIED: Final = 304
ACCEPTED: Final = "application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.1"


@dataclass
class _Feed:
    """A feed, and what was seen of it."""

    table: FeedTable
    found_in: str = ""
    """The feed of posts that has named it; "": rapport.toml has."""
    etag: str = ""
    modified: str = ""
    hub: str = ""
    subscribed_at: int = 0
    window: Window | None = None
    """None: it is to be looked at for the first time, and what is in it was there before."""

    def dumps(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in _KEPT},
            "table": self.table.model_dump() if self.found_in else None,
            "window": self.window and self.window.dumps(),
        }


_KEPT: Final = ("found_in", "etag", "modified", "hub", "subscribed_at")


class _Look(NamedTuple):
    """What a feed has now."""

    feed: _Feed
    entries: Sequence[Entry]
    etag: str
    modified: str
    is_first: bool
    """It was never looked at before."""
    missed: bool
    """What came between the last look and these is not there any more."""


class Feed:
    """The feeds of one or several blogs."""

    network: ClassVar[str] = "blog"
    settings: ClassVar[type[ConnectorSettings]] = FeedSettings

    def __init__(self, settings: FeedSettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets

    @staticmethod
    def budget(settings: FeedSettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(settings.requests_per_hour, 3600.0)

    async def check(self) -> str:
        """Return in words what the feeds are."""
        reading = _Reading(self._settings, self._session, self._secrets)
        said = []
        for table in self._settings.feeds:
            document = await reading.document(_Feed(table))
            pushes = "pushes" if document.hub and document.itself == table.address else "is polled"
            said.append(f"{len(document.entries)} {table.holds}, {pushes}")
        return "; ".join(said)

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what is new in the feeds; see :class:`streams.connectors.live.Connector`."""
        reading = _Reading(self._settings, self._session, self._secrets)
        reading.begin(cursor)
        if cursor is not None:
            yield reading.received(ALIVE)
        while True:
            async for received in reading.look():
                yield received
            yield reading.received(ALIVE)
            await asyncio.sleep(self._settings.poll_seconds)


@dataclass
class _Reading:
    """What one connection has read."""

    settings: FeedSettings
    session: Session
    secrets: Mapping[str, Callable[[], str]]
    feeds: dict[str, _Feed] = field(default_factory=dict)
    """By address."""

    def begin(self, cursor: str | None) -> None:
        """Go on from a cursor, with the feeds that rapport.toml has now."""
        kept = json.loads(cursor) if cursor else {}
        tables = {table.address: table for table in self.settings.feeds}
        for address, state in kept.items():
            if address in tables or state["found_in"] in tables:
                table = tables.get(address) or FeedTable.model_validate(state["table"])
                window = state["window"] and Window.loads(state["window"])
                self.feeds[address] = _Feed(table, **{name: state[name] for name in _KEPT}, window=window)
        for address, table in tables.items():
            self.feeds.setdefault(address, _Feed(table))

    def received(self, item: Item) -> Received:
        """Return an item with the cursor behind it."""
        return Received(
            item, json.dumps({address: it.dumps() for address, it in self.feeds.items()}, separators=(",", ":"))
        )

    # -- what is new ------------------------------------------------------------------------------------------------------

    async def look(self) -> AsyncIterator[Received]:
        """Yield what is new in all feeds, in the order of its time, and what was edited."""
        # Comments first: then every post is known that one of them is about.
        feeds = sorted(self.feeds.values(), key=lambda it: it.table.holds != "comments")
        looks = [look for it in feeds if (look := await self._look(it))]
        now = time.time_ns() // 1_000_000
        blog = Blog(self.settings, self.session.known, [it for look in looks for it in _comments(look)])
        changes = []
        for look in looks:
            if look.missed:
                yield self.received(Gap("a feed has had more new items than it holds"))
            things = [(_key(it), _order(it, now), _digest(it), it) for it in reversed(look.entries)]
            if look.feed.window is None:
                look.feed.window = Window()
                look.feed.window.begin((key, order, of) for key, order, of, _ in things)
            for number, (key, order, of, entry) in enumerate(things):
                if change := look.feed.window.change(key, order, of):
                    # what is answered before its answers, where times are coarse and a feed moves while it is read
                    place = order, look.feed.table.holds == "comments", len(blog.line(entry)), number
                    changes.append((place, look.feed, entry, of, change))
        changes.sort(key=lambda it: it[0])
        for (order, *_), feed, entry, of, change in changes:
            assert feed.window is not None  # noqa: S101 - it was looked at
            feed.window.add(_key(entry), order, of)
            if not entry.key:
                why, where = "an item without a guid, an id or a link", f"blog, {feed.table.holds}"
                yield self.received(Rejected(Reason.MALFORMED_RECORD, why, where, entry.payload))
                continue
            published_at = now if entry.published_at is None else entry.published_at
            revision = now if change is Change.EDITED else 0
            yield self.received(post_of(blog, feed.table, entry, published_at, revision))
        for look in looks:
            look.feed.etag, look.feed.modified = look.etag, look.modified
            self._find(look)
        await self._subscribe(now)

    def _find(self, look: _Look) -> None:
        """Take the feeds of comments that the newest posts name, and leave those of older ones."""
        posts, tables = look.feed.table, (it.table for it in self.feeds.values() if it.found_in)
        newest = {it.comments: it for it in look.entries[:MOST_FOUND] if it.comments} if posts.with_comments else {}
        for address in [it.address for it in tables if self.feeds[it.address].found_in == posts.address]:
            if address not in newest:
                del self.feeds[address]
        for address in newest:
            if address not in self.feeds:
                table = FeedTable(address=address, holds="comments", accounts=posts.accounts)
                self.feeds[address] = _Feed(table, posts.address, window=None if look.is_first else Window())

    # -- asking -----------------------------------------------------------------------------------------------------------

    async def _look(self, feed: _Feed) -> _Look | None:
        """Return what a feed has; None: nothing new, or one that only another feed has named is not to be had."""
        try:
            answer = await self._ask(feed.table.address, feed.etag, feed.modified)
            if answer.status == NOT_MODIFIED:
                return None
            document = await self._read(answer, feed.table.address)
            entries, missed, is_first = list(document.entries), False, feed.window is None
            if feed.window is not None:
                entries, missed = await self._with_older(feed.window, document)
        except (RefusedError, NotThereError, UnavailableError, httpx.HTTPError, OSError):
            if not feed.found_in:
                raise
            return None
        feed.hub = document.hub if document.itself == feed.table.address else ""
        return _Look(
            feed, entries, answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", ""), is_first, missed
        )

    async def _with_older(self, window: Window, document: Document) -> tuple[list[Entry], bool]:
        """Return what is in a feed and its older pages, down to what was seen; and whether there is something that is not."""
        found = {_key(it): it for it in document.entries}
        now = time.time_ns() // 1_000_000
        for _ in range(MOST_PAGES):
            if not document.entries or any(
                window.knows(_key(it)) or _order(it, now) < window.horizon for it in document.entries
            ):
                return list(found.values()), False
            if not document.older:
                break
            try:
                document = await self._read(await self._ask(document.older), document.older)
            except (NotThereError, NotPublicError):
                break
            found = found | {_key(it): it for it in document.entries if _key(it) not in found}
        return list(found.values()), bool(document.older) or not window.is_empty

    async def document(self, feed: _Feed) -> Document:
        """Return what stands in a feed now."""
        return await self._read(await self._ask(feed.table.address), feed.table.address)

    async def _ask(self, address: str, etag: str = "", modified: str = "") -> Answer:
        said = {"If-None-Match": etag, "If-Modified-Since": modified, "Authorization": self._authorization(address)}
        headers: Headers = {
            "Accept": ACCEPTED,
            "User-Agent": "Rapport",
            **{name: it for name, it in said.items() if it},
        }
        return await self.session.fetch(address, headers, is_foreign=not self.settings.private_addresses)

    def _authorization(self, address: str) -> str:
        """Return what is told to the hosts of rapport.toml, and no others."""
        hosts = {httpx.URL(it.address).netloc for it in self.settings.feeds}
        if not self.settings.has("password") or httpx.URL(address).netloc not in hosts:
            return ""
        return basic(self.settings.user, self.secrets["password"]())

    @staticmethod
    async def _read(answer: Answer, address: str) -> Document:
        answer.examine()
        said = httpx.Response(answer.status, headers=answer.headers).links
        linked = {str(it.get("rel", "")): str(it.get("url", "")) for it in said.values()}
        arguments = answer.body, address, answer.headers.get("Content-Type", ""), linked
        try:
            if len(answer.body) <= LARGE:
                return parse(*arguments)
            return await asyncio.to_thread(parse, *arguments)
        except ValueError as error:
            raise UnavailableError(str(error)) from None

    # -- being told -------------------------------------------------------------------------------------------------------

    async def _subscribe(self, now: int) -> None:
        """Ask hubs to push, again before they forget it. Where that fails it is tried again after the next look."""
        for feed in self.feeds.values():
            if feed.hub and self.settings.callback and now - feed.subscribed_at >= RENEWED_AFTER:
                callback = self.settings.callback
                form = subscription(feed.table.address, callback, secrets_in(self.secrets["secret"]())[0])
                try:
                    is_foreign = not self.settings.private_addresses
                    answer = await self.session.submit(feed.hub, {"User-Agent": "Rapport"}, form, is_foreign=is_foreign)
                except (UnavailableError, httpx.HTTPError, OSError):
                    continue
                if httpx.codes.is_success(answer.status):
                    feed.subscribed_at = now


def _comments(look: _Look) -> Sequence[Entry]:
    return look.entries if look.feed.table.holds == "comments" else []


def _key(entry: Entry) -> str:
    return digest(entry.key or entry.payload.decode())


def _order(entry: Entry, now: int) -> int:
    return now if entry.published_at is None else min(entry.published_at, now)


def _digest(entry: Entry) -> str:
    return digest(entry.title, entry.text, entry.author)
