"""The YouTube Data API v3: commentThreads.list, comments.list and channels.list as developers.google.com/youtube/v3 has them."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any, ClassVar

from tests.connectors.network import OURS, Network, Request, Written, answer

INLINE = 5
"""Replies that come with their thread."""


@dataclass
class YouTubeNetwork(Network):
    """Everybody is a channel. Threads are two levels deep; whoever answers a reply names its author."""

    is_streamed = False
    has_history = True
    bears = 500
    haste: ClassVar[Mapping[str, Any]] = {"threads": 1000, "recheck_threads": 10_000, "recheck_seconds": 2}
    threads: dict[str, dict[str, Any]] = field(default_factory=dict)
    replies: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    quota: float = float("inf")
    """Units of the day."""
    spent: int = 0
    """Each request takes a unit of them."""
    _numbers: Any = field(default_factory=lambda: count(1))

    def stanza(self, *accounts: str) -> dict[str, Any]:
        return {
            "type": "youtube",
            "accounts": [f"youtube:UC{it}" for it in accounts],
            "key_env": "NETWORK_TOKEN",
            "poll_seconds": 0.1,
            "recheck_seconds": 0.3,
            "units_per_day": 100_000_000,
            "api": f"{self.url}/youtube/v3",
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        number = next(self._numbers)
        top = parent.partition(".")[0]
        is_hidden = parent in self.hidden or (not parent and not to and author not in OURS)
        key = f"{top}.r{number}" if parent else f"Ug{number}"
        if is_hidden:
            self.hidden.add(key)
        elif parent:
            if parent != top:  # the last reply of whom it names is what it answers
                whom = self.posts[parent].author
                text = f"@{whom} {text}"
                parent = next(it["id"] for it in reversed(self.replies[top]) if self.posts[it["id"]].author == whom)
            self.replies[top].append(self._comment(key, author, text) | {"parentId": top})
        else:
            channel = author if author in OURS else to[0]
            text = " ".join([*(f"@{it}" for it in to[1:]), text])
            self.threads[key] = {"channel": channel, "top": self._comment(key, author, text)}
            self.replies[key] = []
        concerns = {} if is_hidden else self.concerns(author, to, parent)
        self.posts[key] = Written(key, f"youtube:{key}", author, text, concerns, parent)
        return self.posts[key]

    def edit(self, key: str, text: str) -> None:
        self.threads[key]["top"] |= {"text": text, "updated": self.now() + 1000}
        self.posts[key] = replace(self.posts[key], text=text)

    def delete(self, key: str) -> None:
        if self.threads.pop(key, None):
            self.replies[key] = []
        replies = self.replies.get(key.partition(".")[0], [])
        replies[:] = [it for it in replies if it["id"] != key]

    def malform(self) -> bytes:
        self.threads["Ug?"] = {"channel": OURS[0], "top": self._comment("Ug?", "ann", "of nobody") | {"author": None}}
        self.replies["Ug?"] = []
        return b"of nobody"

    def cut(self) -> None:
        """There is no stream."""

    def forget(self) -> None:
        """YouTube keeps everything."""

    def _comment(self, key: str, author: str, text: str) -> dict[str, Any]:
        return {"id": key, "author": author, "text": text, "at": self.now(), "updated": self.now()}

    # -- what it answers --------------------------------------------------------------------------------------------------

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        key = request.headers.get("x-goog-api-key")
        if self.mood.refusing or key != self.token:
            await self._error(writer, "400 Bad Request", "badRequest", "API_KEY_INVALID")
            return
        request = replace(request, headers={**request.headers, "authorization": f"Bearer {key}"})
        if self.spent >= self.quota:
            await self._error(writer, "403 Forbidden", "quotaExceeded")
        elif fault := self.fault(request):
            await self._error(writer, fault[0], "rateLimitExceeded", headers=fault[1])
        else:
            self.spent += 1
            await self._found(request, writer)

    async def _found(self, request: Request, writer: asyncio.StreamWriter) -> None:
        match request.path.removeprefix("/youtube/v3/"):
            case "channels":
                names = [it.removeprefix("UC") for it in request.one("id").split(",")]
                items = [
                    {"kind": "youtube#channel", "id": f"UC{it}", "snippet": {"title": it, "customUrl": f"@{it}"}}
                    for it in names
                ]
                await self._page(request, writer, "channel", items, lambda it: it)
            case "commentThreads":
                channel = request.one("allThreadsRelatedToChannelId").removeprefix("UC")
                keys = (key for key in reversed(self.threads) if self.threads[key]["channel"] == channel)
                await self._page(request, writer, "commentThread", keys, self._thread)
            case "comments" if number := request.one("id"):
                assert request.one("part") == "id"
                top = number.partition(".")[0]
                is_there = number in self.threads or any(it["id"] == number for it in self.replies.get(top, []))
                items = [{"kind": "youtube#comment", "etag": "e", "id": number}] if is_there else []
                await self._page(request, writer, "comment", items, lambda it: it)
            case "comments" if request.one("parentId") in self.threads:
                replies = self.replies[request.one("parentId")]
                await self._page(request, writer, "comment", replies, lambda it: self._resource(it, "UC"))
            case _:
                await self._error(writer, "404 Not Found", "commentNotFound")

    def _thread(self, key: str) -> dict[str, Any]:
        thread, replies = self.threads[key], self.replies[key]
        channel = f"UC{thread['channel']}"
        snippet = {
            "channelId": channel,
            "videoId": "dQw4w9WgXcQ",
            "topLevelComment": self._resource(thread["top"], channel),
            "canReply": True,
            "totalReplyCount": len(replies),
            "isPublic": True,
        }
        inline = {"replies": {"comments": [self._resource(it, channel) for it in replies[-INLINE:]]}} if replies else {}
        return {"kind": "youtube#commentThread", "etag": "e", "id": key, "snippet": snippet, **inline}

    @staticmethod
    def _resource(comment: dict[str, Any], channel: str) -> dict[str, Any]:
        snippet = {
            "channelId": channel,
            "videoId": "dQw4w9WgXcQ",
            "textDisplay": comment["text"],
            "textOriginal": comment["text"],
            "authorDisplayName": f"@{comment['author']}",
            "authorProfileImageUrl": "https://yt3.ggpht.com/a",
            "authorChannelUrl": f"http://www.youtube.com/@{comment['author']}",
            "authorChannelId": {"value": f"UC{comment['author']}"},
            "canRate": True,
            "viewerRating": "none",
            "likeCount": 0,
            "publishedAt": _iso(comment["at"]),
            "updatedAt": _iso(comment["updated"]),
        }
        if comment["author"] is None:
            del snippet["publishedAt"]
        parent = {"parentId": comment["parentId"]} if "parentId" in comment else {}
        return {"kind": "youtube#comment", "etag": "e", "id": comment["id"], "snippet": snippet | parent}

    async def _page(
        self,
        request: Request,
        writer: asyncio.StreamWriter,
        kind: str,
        things: Iterable[Any],
        show: Callable[[Any], dict[str, Any]],
    ) -> None:
        first, size = int(request.one("pageToken", "0")), int(request.one("maxResults", "20"))
        page = list(islice(things, first, first + size + 1))
        shown = [show(it) for it in page[:size]]
        more = {"nextPageToken": str(first + size)} if len(page) > size else {}
        info = {"totalResults": len(shown), "resultsPerPage": size}
        found = {"kind": f"youtube#{kind}ListResponse", "etag": "e", **more, "pageInfo": info, "items": shown}
        await answer(writer, json.dumps(found, ensure_ascii=self.escapes).encode())

    async def _error(
        self,
        writer: asyncio.StreamWriter,
        status: str,
        reason: str,
        detail: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        code = int(status[:3])
        error: dict[str, Any] = {
            "code": code,
            "message": "No.",
            "errors": [{"message": "No.", "domain": "global", "reason": reason}],
        }
        if detail:
            details = [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": detail, "domain": "googleapis.com"}
            ]
            error |= {"status": "INVALID_ARGUMENT", "details": details}
        await answer(writer, json.dumps({"error": error}).encode(), status, headers)


def _iso(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


NETWORKS = {"youtube": YouTubeNetwork}
