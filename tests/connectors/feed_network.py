"""Blogs as WordPress makes their feeds: posts as RSS 2.0 (wp-includes/feed-rss2.php), comments as Atom with threads (RFC 4685)
(feed-atom-comments.php), with conditional GET, and older pages by RFC 5005.

``acme`` and ``help`` have a blog each, and one together; everybody else's is one that is not asked for.
"""

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from itertools import count, islice
from typing import Any
from urllib.parse import parse_qs

from tests.connectors.network import OURS, Blog, Request, Written, answer

PAGE = 25
USER = "reader"
BEFORE = 1_577_836_800_000
BOTH = "+".join(OURS)


@dataclass
class FeedNetwork(Blog):
    """Every path is ``/BLOG/feed/`` or ``/BLOG/comments/feed/atom/``."""

    tells_deletions_of = ""
    bears = 400
    blogs: dict[str, str] = field(default_factory=dict)
    """Of each post and comment, by key."""
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: int = 1_000_000
    """So many of each feed, older pages included."""
    hub: str = ""
    asked_to_push: list[dict[str, list[str]]] = field(default_factory=list)
    """The forms that came to ``/hub``."""
    comments_at: str = ""
    """Where its posts say that their comments are, otherwise than here."""
    not_modified: int = 0
    _numbers: Any = field(default_factory=lambda: count(2))
    _held: dict[tuple[str, bool], dict[str, None]] = field(default_factory=dict)
    """Keys in each feed, oldest first: of the posts, or of the comments, of a blog, or of the comments on a post."""

    def __post_init__(self) -> None:
        """Begin each blog as WordPress does, with a post and a comment, of long ago."""
        for blog in (*OURS, BOTH):
            for key, text in (
                (f"https://{blog}.example/?p=1", "Hello world!"),
                (f"https://{blog}.example/?p=1#comment-1", "Hi"),
            ):
                item = {"post": 1, "number": 1, "author": "commenter", "text": text, "at": BEFORE, "of": ""}
                self._hold(key, blog, item)

    def _hold(self, key: str, blog: str, item: dict[str, Any]) -> None:
        self.blogs[key], self.items[key] = blog, item
        for name in (blog, str(item["post"])):
            self._held.setdefault((name, "#" in key or key == "?"), {})[key] = None

    def stanza(self, *accounts: str) -> dict[str, Any]:
        feeds = [
            {"address": f"{self.url}/{blog}{path}", "holds": holds, "accounts": [f"blog:{it}" for it in whose]}
            for blog, whose in [*((it, [it]) for it in accounts), *([(BOTH, accounts)] if accounts else [])]
            for path, holds in (("/feed/", "posts"), ("/comments/feed/atom/", "comments"))
            if (blog, holds) != (BOTH, "posts")
        ]
        return {
            "type": "feed",
            "accounts": [f"blog:{it}" for it in accounts],
            "feeds": feeds,
            "authors": {it.title(): f"blog:{it}" for it in accounts},
            "poll_seconds": 0.1,
            "requests_per_hour": 1_000_000,
            "private_addresses": True,
            "user": USER,
            "password_env": "NETWORK_TOKEN",
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        number = next(self._numbers)
        is_post = author in OURS and not parent
        blog = self.blogs[parent] if parent else author if is_post else "+".join(to) or "elsewhere"
        post = number if is_post else self.items[parent]["post"] if parent else 0
        address = f"https://blog.example/?p={post}"
        key = address if is_post else f"{address}#comment-{number}"
        concerns = {} if blog == "elsewhere" else self.concerns(author, to, parent)
        item = {"post": post, "number": number, "author": author, "text": text, "at": self.now(), "of": parent}
        self._hold(key, blog, item)
        self.posts[key] = Written(key, f"blog:{key}", author, text, concerns, parent)
        return self.posts[key]

    def edit(self, key: str, text: str) -> None:
        self.items[key] = self.items[key] | {"text": text}
        self.posts[key] = replace(self.posts[key], text=text)

    def delete(self, key: str) -> None:
        self.items.pop(key, None)
        for keys in self._held.values():
            keys.pop(key, None)

    def malform(self) -> bytes:
        """Write a comment that has nothing to be called by."""
        item = {"number": next(self._numbers), "text": "of nobody", "at": self.now(), "of": "", "post": 0}
        self._hold("?", OURS[0], item)
        return b"of nobody"

    def cut(self) -> None:
        """There is no stream."""

    def forget(self) -> None:
        self.kept = 10

    # -- what it answers --------------------------------------------------------------------------------------------------

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path == "/hub":
            self.asked_to_push.append(parse_qs(request.body.decode()))
            await answer(writer, b"", "202 Accepted")
            return
        login = f"Basic {b64encode(f'{USER}:{self.token}'.encode()).decode()}"
        if request.headers.get("authorization") == login:
            request = replace(request, headers={**request.headers, "authorization": f"Bearer {self.token}"})
        if fault := self.fault(request):
            await answer(writer, b"<html>no</html>", fault[0], {"Content-Type": "text/html", **fault[1]})
            return
        blog, _, path = request.path.strip("/").partition("/")
        keys = self._held.get((blog, "comments" in path), {})
        page = int(request.one("paged", "1"))
        shown = list(islice(reversed(keys), (page - 1) * PAGE, min(page * PAGE, self.kept)))
        has_older = min(len(keys), self.kept) > page * PAGE
        older = f"{self.url}{request.path}?paged={page + 1}" if has_older else ""
        itself = f"{self.url}{request.path}"
        body = (self._comments if "comments" in path else self._posts)(shown, itself, older).encode(
            "utf-8", "surrogatepass"
        )
        etag = f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == etag:
            self.not_modified += 1
            await answer(writer, b"", "304 Not Modified", {"ETag": etag})
            return
        kind = "atom" if "comments" in path else "rss"
        await answer(writer, body, headers={"Content-Type": f"application/{kind}+xml; charset=UTF-8", "ETag": etag})

    def _posts(self, keys: Sequence[str], itself: str, older: str) -> str:
        items = "".join(self._post(key, self.items[key]) for key in keys)
        return (
            '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"\n\txmlns:content="http://purl.org/rss/1.0/modules/content/"\n'
            '\txmlns:wfw="http://wellformedweb.org/CommentAPI/"\n\txmlns:dc="http://purl.org/dc/elements/1.1/"\n'
            '\txmlns:atom="http://www.w3.org/2005/Atom"\n\txmlns:slash="http://purl.org/rss/1.0/modules/slash/"\n\t>\n'
            f"<channel>\n<title>A blog</title>\n{self._links(itself, older, 'atom:link')}<link>https://blog.example</link>\n"
            f"<language>en-US</language>\n<generator>https://wordpress.org/?v=6.8</generator>\n{items}</channel>\n</rss>\n"
        )

    def _post(self, key: str, item: dict[str, Any]) -> str:
        own = f"{self.url}/{item['post']}/comments/feed/"
        slug = f"https://blog.example/{item['post']}/"
        return (
            f"<item>\n<title>Post {item['number']}</title>\n<link>{slug}</link>\n<comments>{slug}#comments</comments>\n"
            f"<dc:creator><![CDATA[{item['author'].title()}]]></dc:creator>\n"
            f"<pubDate>{format_datetime(_time(item))}</pubDate>\n<category><![CDATA[News]]></category>\n"
            f'<guid isPermaLink="false">{escape(key)}</guid>\n<description><![CDATA[{_html(item["text"])}]]></description>\n'
            f"<content:encoded><![CDATA[{_html(item['text'])}]]></content:encoded>\n"
            f"<wfw:commentRss>{self.comments_at or own}</wfw:commentRss>\n"
            f"<slash:comments>{len(self._held.get((str(item['post']), True), ()))}</slash:comments>\n</item>\n"
        )

    def _comments(self, keys: Sequence[str], itself: str, older: str) -> str:
        entries = "".join(self._comment(key, self.items[key]) for key in keys)
        return (
            '<?xml version="1.0" encoding="UTF-8"?><feed\n\txmlns="http://www.w3.org/2005/Atom"\n\txml:lang="en-US"\n'
            f'\txmlns:thr="http://purl.org/syndication/thread/1.0"\n\t>\n<title type="text">Comments for A blog</title>\n'
            f"{self._links(itself, older, 'link')}<id>{itself}</id>\n{entries}</feed>\n"
        )

    def _comment(self, key: str, item: dict[str, Any]) -> str:
        text = escape(_html(item["text"]))
        if any("\ud800" <= it <= "\udfff" for it in item["text"]):  # XML cannot say it, and some say it all the same
            text = "".join(f"&#x{ord(it):X};" if "\ud800" <= it <= "\udfff" else it for it in text)
        if key == "?":
            return f'<entry>\n<title>No id</title>\n<content type="html">{text}</content>\n</entry>\n'
        page = f"https://blog.example/{item['post']}/"
        of = item["of"] or f"https://blog.example/?p={item['post']}"
        at = f"{page}#{of.partition('#')[2]}" if "#" in of else page
        return (
            f"<entry>\n<title>Comment on A post by {item['author'].title()}</title>\n"
            f'<link rel="alternate" href="{page}#comment-{item["number"]}" type="text/html" />\n'
            f"<author>\n<name>{item['author'].title()}</name>\n</author>\n<id>{escape(key)}</id>\n"
            f"<updated>{_time(item):%Y-%m-%dT%H:%M:%SZ}</updated>\n<published>{_time(item):%Y-%m-%dT%H:%M:%SZ}</published>\n"
            f'<content type="html" xml:base="https://blog.example/">{text}</content>\n'
            f'<thr:in-reply-to ref="{escape(of)}" href="{escape(at)}" type="text/html" />\n</entry>\n'
        )

    def _links(self, itself: str, older: str, name: str) -> str:
        found = {"self": itself, "next": older, "hub": self.hub}
        return "".join(f'<{name} rel="{relation}" href="{escape(it)}" />\n' for relation, it in found.items() if it)


def _time(item: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(item["at"] // 1000, UTC)


def _html(text: str) -> str:
    return f"<p>{escape(text, quote=False)}</p>"


NETWORKS = {"feed": FeedNetwork}
