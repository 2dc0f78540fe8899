"""What hubs push of the feeds of a ``feed`` connector (WebSub): it comes sooner than by asking; the connector asks all the same.

A hub pushes a whole feed, or what is new in it. What is old, or belongs to a thread that did not begin there, is left to the
connector, which remembers; both give a post the same id, so it counts once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from sinks.dashboard.access import Token
from streams.connectors.attribution import attribute
from streams.connectors.base import Item, Rejected
from streams.connectors.feed_entries import Entry, parse
from streams.connectors.feed_posts import Blog, name_of, post_of
from streams.connectors.feed_settings import FeedSettings, FeedTable
from streams.connectors.jsonl import checked
from streams.connectors.pushed import malformed, require_few
from streams.connectors.websub import is_signed
from streams.listener.hooks import Answer, Received

FRESH: Final = 3_600_000
"""What was published longer ago than this, ms, may have been there before anybody asked for the feed."""


class WebSub:
    """A :class:`streams.listener.hooks.Hook`."""

    def __init__(self, rights: Token, settings: FeedSettings, secrets: Callable[[], Sequence[str]]) -> None:
        """``secrets``: reads them, each time anew."""
        self.name = rights.name
        self.rights = rights
        self._settings = settings
        self._secrets = secrets

    def challenge(self, query: Mapping[str, str]) -> Answer | None:
        """Say to a hub that we want what it asks about, if we do; nothing here ends a subscription."""
        is_ours = any(query.get("hub.topic") == it.address for it in self._settings.feeds)
        if query.get("hub.mode") != "subscribe" or not is_ours or not query.get("hub.challenge"):
            return None
        return Answer(query["hub.challenge"], "text/plain")

    def is_genuine(self, received: Received) -> bool:
        """Say whether it is signed for one of the feeds."""
        return self._feed(received) is not None

    def read(self, received: Received, place: str) -> list[Sequence[Item]]:
        """Return what each new entry stands for."""
        feed = self._feed(received)
        assert feed is not None  # noqa: S101 - it is genuine
        try:
            document = parse(received.body, feed.address, received.headers.get("content-type", ""))
        except ValueError as error:
            return [[malformed(received.body, f"{place}#0", error)]]
        require_few(len(document.entries))
        blog = Blog(self._settings, lambda _: None, document.entries if feed.holds == "comments" else [])
        return [
            list(self._items(blog, feed, entry, f"{place}#{number}", received.now))
            for number, entry in enumerate(document.entries)
        ]

    def _feed(self, received: Received) -> FeedTable | None:
        """Return the feed that is pushed: each has a secret of its own, so that by which it is signed."""
        given, secrets = received.headers.get("x-hub-signature", ""), self._secrets()
        signed = [
            feed
            for feed in self._settings.feeds
            for secret in secrets
            if is_signed(given, secret, feed.address, received.body)
        ]
        return signed[0] if signed else None

    def _is_settled(self, blog: Blog, feed: FeedTable, entry: Entry) -> bool:
        """Say whether what stands there tells all of an entry that the connector, which remembers, would tell."""
        if feed.holds == "posts":
            return True
        first = blog.line(entry)[-1]
        if first.answers and not first.answers_page:
            return False  # its thread began with something else
        author = blog.author(entry)
        if author not in map(name_of, self._settings.accounts):
            return True
        above = blog.above(entry, [name_of(it) for it in self._settings.accounts_of(feed)])
        return above is not None and blog.author(above) != author

    def _items(self, blog: Blog, feed: FeedTable, entry: Entry, place: str, now: int) -> Iterator[Item]:
        at = entry.published_at
        if not entry.key or at is None or at < now - FRESH or not self._is_settled(blog, feed, entry):
            return
        post = post_of(blog, feed, entry, min(at, now), 0)
        for found in attribute(post, "blog", self._settings.accounts, None):
            event = checked(
                {
                    "id": post.id,
                    "network": "blog",
                    "account": found.account,
                    "kind": found.kind,
                    "author_id": post.author_id,
                    "contact_id": found.contact_id,
                    "parent_id": post.parent_id,
                    "conversation_id": post.conversation_id or post.id,
                    "published_at": post.published_at,
                    "received_at": now,
                    "text": post.text,
                    **post.fields,
                },
                now,
            )
            yield event if isinstance(event, dict) else Rejected(*event, place, entry.payload)
