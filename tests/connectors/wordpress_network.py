"""A WordPress blog: its REST API as developer.wordpress.org/rest-api/reference has it, with its headers, order and errors.

``acme`` and ``help`` are users who write, and so is a guest, whose posts are under the names of both.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import escape
from itertools import count, islice
from typing import Any

from tests.connectors.network import OURS, Blog, Request, Written, answer

USER = "rapport"
USERS = {name: number for number, name in enumerate((*OURS, "guest"), 2)}
BEFORE = 1_577_836_800_000


@dataclass
class WordPressNetwork(Blog):
    """Comments are by number, as are posts."""

    is_streamed = False
    has_history = True
    bears = 300
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    articles: dict[int, dict[str, Any]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    """What is said where this blog does not see it."""
    held: set[int] = field(default_factory=set)
    """Comments that nobody has approved yet."""
    _numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        for name in USERS:
            self._article(name, "Hello world!", BEFORE)

    def stanza(self, *accounts: str) -> dict[str, Any]:
        return {
            "type": "wordpress",
            "accounts": [f"blog:{it}" for it in accounts],
            "site": self.url,
            "authors": {str(USERS[it]): f"blog:{it}" for it in accounts},
            "poll_seconds": 0.1,
            "requests_per_minute": 1_000_000,
            "user": USER,
            "password_env": "NETWORK_TOKEN",
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        is_hidden = parent in self.hidden or (not parent and not to and author not in OURS)
        if author in OURS and not parent:
            number = self._article(author, text, self.now())
            key, post = f"post {number}", f"{self.url}/?p={number}"
        else:
            number = next(self._numbers)
            key = str(number)
            above = {} if is_hidden else self.comments.get(int(parent), {}) if parent.isdecimal() else {}
            under = above.get("post") or (int(parent[5:]) if parent.startswith("post ") else self._standing(to))
            post = f"{self.url}/?p={under}#comment-{number}"
            if not is_hidden:
                self.comments[number] = self._comment(number, author, text) | {
                    "post": under,
                    "parent": above.get("id", 0),
                }
        if is_hidden:
            self.hidden.add(key)
        concerns = {} if is_hidden else self.concerns(author, to, parent)
        self.posts[key] = Written(key, f"blog:{post}", author, text, concerns, parent)
        return self.posts[key]

    def edit(self, key: str, text: str) -> None:
        self.comments[int(key)] |= {"content": {"rendered": _html(text)}}
        self.posts[key] = replace(self.posts[key], text=text)

    def delete(self, key: str) -> None:
        self.comments.pop(int(key), None)

    def malform(self) -> bytes:
        number = next(self._numbers)
        self.comments[number] = {"id": number, "post": "of nobody", "date_gmt": _iso(self.now())}
        return b"of nobody"

    def cut(self) -> None:
        """There is no stream."""

    def forget(self) -> None:
        """WordPress keeps everything."""

    def _standing(self, to: tuple[str, ...]) -> int:
        """Return the post of one of ours under which people write to them."""
        name = to[0] if len(to) == 1 else "guest"
        return next(number for number, it in self.articles.items() if it["author"] == USERS[name])

    def _article(self, author: str, text: str, at: int) -> int:
        number = next(self._numbers)
        self.articles[number] = {
            "id": number,
            "date": _iso(at + 7_200_000),
            "date_gmt": _iso(at),
            "guid": {"rendered": f"https://blog.example/?p={number}"},
            "modified_gmt": _iso(at),
            "slug": f"post-{number}",
            "status": "publish",
            "type": "post",
            "link": f"https://blog.example/post-{number}/",
            "title": {"rendered": f"Post {number}"},
            "content": {"rendered": _html(text), "protected": False},
            "author": USERS[author],
            "comment_status": "open",
            "tags": [],
        }
        return number

    def _comment(self, number: int, author: str, text: str) -> dict[str, Any]:
        at = self.now()
        return {
            "id": number,
            "author": USERS.get(author, 0),
            "author_name": author.title(),
            "author_url": "",
            "date": _iso(at + 7_200_000),
            "date_gmt": _iso(at),
            "content": {"rendered": _html(text)},
            "link": f"https://blog.example/post/#comment-{number}",
            "status": "approved",
            "type": "comment",
            "author_avatar_urls": {"24": "https://secure.gravatar.com/avatar/0?s=24"},
            "meta": [],
        }

    # -- what it answers --------------------------------------------------------------------------------------------------

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        login = f"Basic {b64encode(f'{USER}:{self.token}'.encode()).decode()}"
        if request.headers.get("authorization") == login:
            request = replace(request, headers={**request.headers, "authorization": f"Bearer {self.token}"})
        if fault := self.fault(request):
            await self._error(writer, "rest_cannot_access", fault[0], fault[1])
            return
        match request.path.removeprefix("/wp-json/wp/v2/").split("/"):
            case ["comments"]:
                newest = (self.comments[number] for number in reversed(self.comments) if number not in self.held)
                await self._page(request, writer, newest, len(self.comments) - len(self.held & self.comments.keys()))
            case ["posts"]:
                newest = sorted(self.articles.values(), key=lambda it: (it["date_gmt"], it["id"]), reverse=True)
                await self._page(request, writer, newest, len(newest))
            case ["users"]:
                users = [{"id": number, "slug": name} for name, number in USERS.items()]
                await self._page(request, writer, users, len(users))
            case ["comments", number] if int(number) in self.comments and int(number) not in self.held:
                await answer(writer, self._json(self.comments[int(number)]))
            case ["posts", number] if int(number) in self.articles:
                await answer(writer, self._json(self.articles[int(number)]))
            case ["comments" | "posts", _]:
                await self._error(writer, "rest_post_invalid_id", "404 Not Found")
            case _:
                await self._error(writer, "rest_no_route", "404 Not Found")

    async def _page(
        self, request: Request, writer: asyncio.StreamWriter, things: Iterable[dict[str, Any]], number: int
    ) -> None:
        size, page = int(request.one("per_page", "10")), int(request.one("page", "1"))
        if size > 100:
            await self._error(writer, "rest_invalid_param", "400 Bad Request")
            return
        if after := request.one("after"):  # by the blog's own clock, which is two hours ahead
            things = [it for it in things if after < it.get("date", "9") < request.one("before", "9999")]
            number = len(things)
            if request.one("order") == "asc":
                things.sort(key=lambda it: it["date"])
        fields = request.one("_fields").split(",")
        shown = islice(things, (page - 1) * size, page * size)
        found = [{name: it[name] for name in fields if name in it} if fields[0] else it for it in shown]
        headers = {"X-WP-Total": str(number), "X-WP-TotalPages": str(-(-number // size))}
        await answer(writer, self._json(found), headers=headers)

    async def _error(
        self, writer: asyncio.StreamWriter, code: str, status: str, headers: dict[str, str] | None = None
    ) -> None:
        body = {"code": code, "message": "No.", "data": {"status": int(status[:3])}}
        await answer(writer, self._json(body), status, headers)

    def _json(self, value: object) -> bytes:
        return json.dumps(value, ensure_ascii=self.escapes).encode()


def _iso(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}"


def _html(text: str) -> str:
    return f"<p>{escape(text, quote=False)}</p>\n"


NETWORKS = {"wordpress": WordPressNetwork}
