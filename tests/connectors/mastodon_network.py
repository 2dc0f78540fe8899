"""A Mastodon server: the API's entities as docs.joinmastodon.org has them, and the stream as its own server writes it."""

import asyncio
import json
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import escape
from itertools import count, islice
from typing import Any

from tests.connectors.network import OURS, Network, Request, Written, answer

HOST = "social.example"
THUMP_SECONDS = 0.1
"""The real one's are 15 s apart."""


@dataclass
class MastodonNetwork(Network):
    """``acme`` is whose token it is."""

    has_history = True
    version = "4.4.0"
    hides_version_2 = False
    """It has /api/v1/instance alone."""

    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    notifications: dict[str, dict[str, Any]] = field(default_factory=dict)
    _written_by: dict[str, list[str]] = field(default_factory=dict)
    _notified: list[str] = field(default_factory=list)
    _mentions: list[str] = field(default_factory=list)
    """The order of statuses by each account, of all notifications, and of those that are mentions."""
    streams: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    _held: list[bytes] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(110_224_538_612_341_312, 7))

    def stanza(self, *accounts: str) -> dict[str, Any]:
        return {
            "type": "mastodon",
            "accounts": [f"mastodon:{name}@{HOST}" for name in accounts],
            "instance": self.url,
            "token_env": "NETWORK_TOKEN",
            "requests_per_5_minutes": 1_000_000,
            "heartbeat_seconds": 0.5,
            "poll_seconds": 0.1,
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        number = self.name_of_next()
        above = self.posts.get(parent)
        others = dict.fromkeys([*to, *([above.author] if above and above.author != author else [])])
        status = {
            "id": number,
            "created_at": _iso(self.now()),
            "edited_at": None,
            "in_reply_to_id": parent or None,
            "in_reply_to_account_id": _account(above.author)["id"] if above else None,
            "sensitive": False,
            "spoiler_text": "",
            "visibility": "public",
            "language": "en",
            "uri": self.uri(author, number),
            "url": f"https://{HOST}/@{author}/{number}",
            "replies_count": 0,
            "reblogs_count": 0,
            "favourites_count": 0,
            "favourited": False,
            "reblogged": False,
            "muted": False,
            "bookmarked": False,
            "content": _html(text, others),
            "filtered": [],
            "reblog": None,
            "account": _account(author),
            "media_attachments": [],
            "mentions": [{key: _account(name)[key] for key in ("id", "username", "url", "acct")} for name in others],
            "tags": [],
            "emojis": [],
            "card": None,
            "poll": None,
        }
        self.statuses[number] = status
        self._written_by.setdefault(status["account"]["id"], []).append(number)
        is_seen = OURS[0] in (author, *others)  # one token sees what one account sees
        concerns = self.concerns(author, others, parent) if is_seen else {}
        uri = f"mastodon:{status['uri']}"
        written = Written(number, uri, author, text, concerns, parent)
        self.posts[number] = written
        if author == OURS[0]:
            self._send("update", status)
        elif OURS[0] in others:
            self._notify("mention", status)
        return written

    def boost(self, author: str, key: str) -> None:
        """Have somebody boost a post: a status of its own, and a notification to its author."""
        number = self.name_of_next()
        self._send(
            "update", {**self.statuses[key], "id": number, "account": _account(author), "reblog": self.statuses[key]}
        )
        self._notify("reblog", self.statuses[key])

    def edit(self, key: str, text: str) -> None:
        written = self.posts[key]
        names = {it["username"]: None for it in self.statuses[key]["mentions"]}
        self.statuses[key] |= {"content": _html(text, names), "edited_at": _iso(self.now() + 1)}
        self.posts[key] = replace(written, text=text)
        self._send("status.update", self.statuses[key])

    def delete(self, key: str) -> None:
        self.statuses.pop(key, None)
        for number in [n for n, it in self.notifications.items() if it.get("status", {}).get("id") == key]:
            del self.notifications[number]
        self._write(f"event: delete\ndata: {key}\n\n".encode())

    def malform(self) -> bytes:
        self._write(b'event: update\ndata: {"id": "1", "acc\n\n')
        number = self.name_of_next("notification")
        wrong = {"id": number, "type": "mention", "created_at": _iso(self.now()), "status": {"id": 7}}
        self._remember(wrong)
        self._send("notification", wrong)
        return b'"id"'

    def cut(self) -> None:
        for stream in self.streams:
            stream.put_nowait(None)

    def forget(self) -> None:
        """Mastodon keeps notifications and statuses: there is no cursor that is too old."""

    def name_of_next(self, kind: str = "status") -> str:  # noqa: ARG002 - others name their notifications otherwise
        """Return an id that nothing had yet: later ones sort behind earlier ones, first by length, then as text."""
        return str(next(self._numbers))

    def uri(self, author: str, number: str) -> str:
        """Return what a status is called everywhere."""
        return f"https://{HOST}/users/{author}/statuses/{number}"

    def _notify(self, kind: str, status: dict[str, Any]) -> None:
        number = self.name_of_next("notification")
        notification = {
            "id": number,
            "type": kind,
            "created_at": status["created_at"],
            "group_key": f"ungrouped-{number}",
            "account": status["account"],
            "status": status,
        }
        self._remember(notification)
        self._send("notification", notification)

    def _remember(self, notification: dict[str, Any]) -> None:
        self.notifications[notification["id"]] = notification
        self._notified.append(notification["id"])
        if notification["type"] == "mention":
            self._mentions.append(notification["id"])

    def _send(self, event: str, payload: dict[str, Any]) -> None:
        self._write(f"event: {event}\ndata: {json.dumps(payload, ensure_ascii=self.escapes)}\n\n".encode())

    def _write(self, event: bytes) -> None:
        if self.mood.shuffled:
            self._held.append(event)
            if len(self._held) < 2:
                return
            events, self._held = self._held[::-1], []
        else:
            events = [event]
        for stream in self.streams:
            for one in events:
                for _ in range(2 if self.mood.repeating else 1):
                    stream.put_nowait(self.framed(one))

    def framed(self, event: bytes) -> bytes:
        """Return an event as its stream has it."""
        return event

    # -- what it answers --------------------------------------------------------------------------------------------------

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        path = request.path
        if path in ("/api/v2/instance", "/api/v1/instance")[self.hides_version_2 :]:  # for everybody
            await answer(writer, _json(self.instance(path)))
        elif fault := self.fault(request):
            status, headers = fault
            await answer(writer, b'{"error": "no"}', status, headers)
        elif self.is_stream(request):
            await self.stream(request, writer)
        elif (found := self._found(request)) is None:
            await answer(writer, b'{"error": "Record not found"}', "404 Not Found")
        else:
            limits = {"X-RateLimit-Limit": "300", "X-RateLimit-Remaining": "299", "X-RateLimit-Reset": _iso(self.now())}
            await answer(writer, json.dumps(found, ensure_ascii=self.escapes).encode(), headers=limits)

    def instance(self, path: str) -> dict[str, Any]:
        """Return what the server says of itself."""
        streaming = f"ws://127.0.0.1:{self.port}"
        if "v1" in path:
            return {"uri": HOST, "title": "A server", "version": self.version, "urls": {"streaming_api": streaming}}
        urls = {"urls": {"streaming": streaming}}
        return {"domain": HOST, "title": "A server", "version": self.version, "configuration": urls}

    def _found(self, request: Request) -> object:
        match request.path.strip("/").split("/")[2:]:
            case ["accounts", "verify_credentials"]:
                return _account(OURS[0])
            case ["accounts", number, "statuses"]:
                return _page(self._written_by.get(number, []), self.statuses, request, 40)
            case ["notifications"]:
                order = self._mentions if self.is_of_mentions(request) else self._notified
                return _page(order, self.notifications, request, 80)
            case ["statuses", number] if number in self.statuses:
                return self.statuses[number]
            case ["statuses", number, "context"] if number in self.statuses:
                ancestors = []
                above = self.statuses[number]["in_reply_to_id"]
                while above in self.statuses:
                    ancestors.insert(0, self.statuses[above])
                    above = self.statuses[above]["in_reply_to_id"]
                return {"ancestors": ancestors, "descendants": []}
        return None

    def is_of_mentions(self, request: Request) -> bool:
        """Say whether it asks for mentions alone."""
        return request.query.get("types[]") == ["mention"]

    def is_stream(self, request: Request) -> bool:
        """Say whether it is the stream that is asked for."""
        return request.path == "/api/v1/streaming/user"

    async def stream(self, request: Request, writer: asyncio.StreamWriter) -> None:  # noqa: ARG002 - of a WebSocket
        """Answer with what happens from now on."""
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: private, no-store\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        events: asyncio.Queue[bytes | None] = asyncio.Queue()
        events.put_nowait(b":)\n")
        self.streams.append(events)
        try:
            await self.pour(writer, events, b":thump\n", THUMP_SECONDS)
        finally:
            self.streams.remove(events)


def _page(order: list[str], things: dict[str, Any], request: Request, most: int) -> list[Any]:
    """Return a page as Mastodon gives it: newest first; behind min_id those that are next, otherwise the newest."""
    limit = min(int(request.one("limit", "20")), most)
    if "min_id" in request.query:
        first = bisect_right(order, _age(request.one("min_id")), key=_age)
        following = (things[order[n]] for n in range(first, len(order)) if order[n] in things)
        return list(islice(following, limit))[::-1]
    last = bisect_left(order, _age(request.one("max_id")), key=_age) if "max_id" in request.query else len(order)
    before = (things[number] for number in reversed(order[:last]) if number in things)
    return list(islice(before, limit))


def _age(number: str) -> tuple[int, str]:
    return len(number), number


def _account(name: str) -> dict[str, Any]:
    """Return somebody. ``user@host`` is of another server."""
    user, _, host = name.partition("@")
    address = f"https://{host or HOST}/@{user}"
    return {
        "id": str(1_000 + sum(ord(letter) * 31**n for n, letter in enumerate(name)) % 10**12),
        "username": user,
        "acct": name,
        "display_name": user.title(),
        "locked": False,
        "bot": False,
        "created_at": "2022-11-05T00:00:00.000Z",
        "note": "",
        "url": address,
        "uri": f"https://{host or HOST}/users/{user}",
        "avatar": "https://files.example/a.png",
        "followers_count": 12,
        "following_count": 3,
        "statuses_count": 9,
        "emojis": [],
        "fields": [],
    }


def _html(text: str, people: dict[str, None]) -> str:
    """Return the content of a status. What people write in tests begins with no name: these stand in front of it."""
    names = "".join(
        f'<span class="h-card"><a href="{_account(name)["url"]}" class="u-url mention">@<span>{name}</span></a></span> '
        for name in people
    )
    return f"<p>{names}{escape(text)}</p>"


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


NETWORKS = {"mastodon": MastodonNetwork}
