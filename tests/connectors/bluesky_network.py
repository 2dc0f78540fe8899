"""A Jetstream of either version, and as much of the AppView as is asked: as their lexicons and their own server have them.

The WebSocket is spoken by the server's half of the library ``websockets``.
"""

import asyncio
import json
from base64 import b32encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from typing import Any

from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from streams.connectors.bluesky_events import BLOCKS, POSTS
from tests.connectors.network import OURS, Network, Request, Written, answer

METHOD = "network.bsky.jetstream.subscribeEvents"
CHATTER_SECONDS = 0.05
"""How often somebody says something that concerns nobody: the network is never silent."""
LONG = 37 * 3_600_000
"""Longer than Jetstream remembers, ms."""
_LETTERS = "234567abcdefghijklmnopqrstuvwxyz"


@dataclass
class BlueskyNetwork(Network):
    """Keeps every event, and sends it to whoever is connected."""

    retells_changes = True
    version: int = 2
    events: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """When each was seen, µs, and its payload as the second version has it, in the order of ``seq``, which begins at 1."""
    forgotten: int = 0
    """Those up to here are not kept any more."""
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_chatting: bool = True
    is_open: bool = False
    """It lets everybody in, as most do."""
    jwt: str = ""
    """Of who has logged in last …"""
    jwt_lasts: int = 1_000_000
    """… and for how many requests."""
    _asked: int = 0
    _answers: dict[str, list[str]] = field(default_factory=dict)
    _quotes: dict[str, list[str]] = field(default_factory=dict)
    _waiting: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    _held: list[bytes] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.has_history = self.version == 2  # by the first it is the same, without a login

    def stanza(self, *accounts: str) -> dict[str, Any]:
        login = {"identifier": "rapport.example", "app_password_env": "NETWORK_TOKEN", "pds": self.url}
        login = login if self.version == 2 else {}
        return {
            "type": "bluesky",
            "accounts": [f"bluesky:{did(name)}" for name in accounts],
            "jetstream": self.url.replace("http", "ws"),
            "version": self.version,
            "appview": self.url,
            "token_env": "NETWORK_TOKEN",
            "requests_per_5_minutes": 1_000_000,
            "heartbeat_seconds": 0.5,
            **login,
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        rkey = tid(next(self._numbers))
        names, facets = "", []
        for name in to:
            at = len(names.encode())
            names += f"@{handle(name)} "
            index = {"byteStart": at, "byteEnd": len(names.encode()) - 1}
            mention = {"$type": "app.bsky.richtext.facet#mention", "did": did(name)}
            facets.append({"$type": "app.bsky.richtext.facet", "features": [mention], "index": index})
        record: dict[str, Any] = {
            "$type": POSTS,
            "createdAt": iso(self.now() * 1000),
            "langs": ["en"],
            "text": names + text,
        }
        if facets:
            record["facets"] = facets
        if parent:
            above = self.records[parent]
            root = above["reply"]["root"] if "reply" in above else {"cid": cid(above), "uri": parent}
            record["reply"] = {"parent": {"cid": cid(above), "uri": parent}, "root": root}
        uri = f"at://{did(author)}/{POSTS}/{rkey}"
        self.records[uri] = record
        self._answers.setdefault(parent, []).append(uri)
        self.posts[uri] = Written(uri, f"bluesky:{uri}", author, text, self.concerns(author, to, parent), parent)
        self.commit(did(author), "create", POSTS, rkey, record)
        return self.posts[uri]

    def quote(self, author: str, key: str) -> str:
        """Have somebody quote a post; return the address of what they wrote."""
        embed = {"$type": "app.bsky.embed.record", "record": {"cid": cid(self.records[key]), "uri": key}}
        record = {"$type": POSTS, "createdAt": iso(self.now() * 1000), "text": "look", "embed": embed}
        rkey = tid(next(self._numbers))
        uri = f"at://{did(author)}/{POSTS}/{rkey}"
        self.records[uri] = record
        self._quotes.setdefault(key, []).append(uri)
        self.commit(did(author), "create", POSTS, rkey, record)
        return uri

    def chat(self) -> None:
        """Have a stranger say something to nobody."""
        record = {"$type": POSTS, "createdAt": iso(self.now() * 1000), "text": "good morning"}
        self.commit(did("somebody"), "create", POSTS, tid(next(self._numbers)), record)

    def block(self, author: str, whom: str) -> None:
        record = {"$type": BLOCKS, "createdAt": iso(self.now() * 1000), "subject": did(whom)}
        self.commit(did(author), "create", BLOCKS, tid(next(self._numbers)), record)

    def leave(self, author: str, status: str = "deleted") -> None:
        """Have somebody delete their account."""
        of = {
            "active": False,
            "did": did(author),
            "seq": 1_000_000_007,
            "status": status,
            "time": iso(self.now() * 1000),
        }
        self.happen("account", did(author), {"account": of})

    def edit(self, key: str, text: str) -> None:
        names = [it for it in self.records[key]["text"].split() if it.startswith("@")]
        record = {**self.records[key], "text": " ".join([*names, text])}
        self.records[key], self.posts[key] = record, replace(self.posts[key], text=text)
        author, collection, rkey = key.removeprefix("at://").split("/")
        self.commit(author, "update", collection, rkey, record)

    def delete(self, key: str) -> None:
        self.records.pop(key, None)
        key = key if key.startswith("at://") else f"at://{did('somebody')}/{POSTS}/{key}"
        author, collection, rkey = key.removeprefix("at://").split("/")
        self.commit(author, "delete", collection, rkey)

    def malform(self) -> bytes:
        part = did(OURS[0]).encode()
        record = {
            "$type": POSTS,
            "createdAt": iso(self.now() * 1000),
            "text": 7,
            "facets": [{"features": [{"did": did(OURS[0])}]}],
        }
        record["reply"] = {"parent": {"uri": 7}}
        self.commit(did("somebody"), "create", POSTS, tid(next(self._numbers)), record)
        self._send(b'{"did": "%b", "kind": "commit", "time_us": "first"}' % part)
        return part

    def cut(self) -> None:
        for queue in self._waiting:
            queue.put_nowait(None)

    def forget(self) -> None:
        """Let more time go by than it remembers."""
        self.forgotten = len(self.events)
        self.mood.skew += LONG

    def commit(
        self, author: str, operation: str, collection: str, rkey: str, record: dict[str, Any] | None = None
    ) -> None:
        of = {"collection": collection, "operation": operation, "rev": tid(next(self._numbers)), "rkey": rkey}
        self.happen("commit", author, of if record is None else {**of, "cid": cid(record), "record": record})

    def happen(self, kind: str, author: str, of: dict[str, Any]) -> None:
        last = self.events[-1][0] if self.events else 0
        witnessed = max(self.now() * 1000, last + 1)
        seq = len(self.events) + 1
        time = iso(witnessed)
        payload = {"$type": f"{METHOD}#{kind}", "did": author, "seq": seq, "time": time, "witnessedAt": time, **of}
        self.events.append((witnessed, payload))
        self._send(self._message(seq))

    def _message(self, seq: int) -> bytes:
        """Return an event as the version has it."""
        witnessed, payload = self.events[seq - 1]
        frame: dict[str, Any] = {"$type": "message", "payload": payload}
        if self.version == 1:
            kind = payload["$type"].rpartition("#")[2]
            envelope = {"$type", "did", "seq", "time", "witnessedAt"}
            body = (
                {name: it for name, it in payload.items() if name not in envelope}
                if kind == "commit"
                else payload[kind]
            )
            frame = {"did": payload["did"], "time_us": witnessed, "kind": kind, kind: body}
        return json.dumps(frame, ensure_ascii=self.escapes, separators=(",", ":")).encode()

    def _send(self, message: bytes) -> None:
        messages = [message]
        if self.mood.shuffled:
            self._held.append(message)
            if len(self._held) < 2:
                return
            messages, self._held = self._held[::-1], []
        for queue in self._waiting:
            for one in messages:
                for _ in range(2 if self.mood.repeating else 1):
                    queue.put_nowait(one)

    # -- what it answers --------------------------------------------------------------------------------------------------

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        path = request.path.removeprefix("/xrpc/")
        if path == "com.atproto.server.createSession":
            await self._log_in(json.loads(request.body), writer)
        elif path.startswith("app.bsky."):
            fault = self.fault(replace(request, headers={"authorization": f"Bearer {self.token}"}))
            authorization = request.headers.get("authorization")
            found = self._told(path, request)
            if fault:
                await answer(writer, b'{"error":"InternalServerError"}', *fault)
            elif authorization and not self._is_logged_in(authorization):
                await answer(writer, b'{"error":"ExpiredToken","message":"Token has expired"}', "400 Bad Request")
            elif self.version == 2 and not self.is_open and path.endswith("searchPosts") and not authorization:
                await answer(writer, b"<html>Forbidden</html>", "403 Forbidden", {"Content-Type": "text/html"})
            elif found is None:
                await answer(writer, b'{"error":"NotFound","message":"Post not found"}', "400 Bad Request")
            else:
                await answer(writer, json.dumps(found).encode())
        elif path != ("/subscribe" if self.version == 1 else METHOD):
            await answer(writer, b"404 page not found\n", "404 Not Found", {"Content-Type": "text/plain"})
        elif not self.is_open and (fault := self.fault(request)):
            await answer(writer, b'{"error":"ServiceUnavailable"}', *fault)
        elif wrong := self._wrong(request):
            await answer(writer, json.dumps(wrong).encode(), "400 Bad Request")
        else:
            await self._stream(request, writer)

    async def _log_in(self, body: dict[str, str], writer: asyncio.StreamWriter) -> None:
        if body != {"identifier": "rapport.example", "password": self.token}:
            error = b'{"error":"AuthenticationRequired","message":"Invalid identifier or password"}'
            await answer(writer, error, "401 Unauthorized")
            return
        self._asked = 0
        self.jwt = f"jwt-{next(self._numbers)}"
        session = {"did": did("rapport"), "handle": "rapport.example", "accessJwt": self.jwt, "refreshJwt": "r"}
        await answer(writer, json.dumps(session).encode())

    def _is_logged_in(self, authorization: str) -> bool:
        self._asked += 1
        return authorization == f"Bearer {self.jwt}" and self._asked <= self.jwt_lasts

    def _told(self, path: str, request: Request) -> dict[str, Any] | None:
        """Return what the AppView answers; None: it has no such thing."""
        limit, first = int(request.one("limit", "25")), int(request.one("cursor", "0"))
        assert 1 <= limit <= 100
        match path.rpartition(".")[2]:
            case "getPostThread":
                return self._thread(request.one("uri"), int(request.one("depth", "6")))
            case "getProfile":
                return self._profile(request.one("actor"))
            case "getAuthorFeed":
                uris = [it for it in reversed(self.records) if it.split("/")[2] == request.one("actor")]
                name, views = "feed", [{"post": self._post(it)} for it in uris]
            case "searchPosts":
                assert request.one("q") == "*"
                since, until = request.one("since"), request.one("until", "9999")
                name, views = "posts", [self._post(it) for it in reversed(self._naming(request.one("mentions")))]
                views = [it for it in views if since <= it["indexedAt"] < until]
            case "getQuotes":
                quoting = self._quotes.get(request.one("uri"), ())
                name, views = "posts", [self._post(it) for it in reversed(quoting)]
            case _:
                return None
        more = {"cursor": str(first + limit)} if first + limit < len(views) else {}
        of = {"uri": request.one("uri")} if path.endswith("getQuotes") else {}
        return {**of, name: views[first : first + limit], **more}

    def _naming(self, whom: str) -> list[str]:
        """Return the posts that mention somebody by a facet, oldest first."""
        return [
            uri
            for uri, record in self.records.items()
            if any(it["features"][0]["did"] == whom for it in record.get("facets", ()))
        ]

    def _wrong(self, request: Request) -> dict[str, str] | None:
        """Return what is wrong with a request for a stream."""
        collections = request.query.get("wantedCollections" if self.version == 1 else "collections", [])
        if set(collections) != {POSTS, BLOCKS}:
            return {"error": "InvalidRequest", "message": "this test wants posts and blocks"}
        cursor = int(request.one("cursor", "0"))
        if self.version == 2 and 0 < cursor <= min(self.forgotten, 10**15):
            return {"error": "CursorTooOld", "message": f"cursor {cursor} is below the floor {self.forgotten + 1}"}
        return None

    def _resumed(self, cursor: int) -> tuple[int, str]:
        """Return how many events are passed over, and what is said of a cursor that cannot be."""
        if not cursor:
            return len(self.events), ""
        if cursor < 10**15:  # inclusive, as is the other
            return (cursor - 1, "") if cursor <= len(self.events) + 1 else (len(self.events), "FutureCursor")
        first = next((n for n, (at, _) in enumerate(self.events) if at >= cursor), len(self.events))
        return max(first, self.forgotten), "OutdatedCursor" if first < self.forgotten else ""

    async def _stream(self, request: Request, writer: asyncio.StreamWriter) -> None:
        skipped, notice = self._resumed(int(request.one("cursor", "0")))
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        if notice and self.version == 2:
            info = {"$type": f"{METHOD}#info", "name": notice, "message": "starting elsewhere"}
            queue.put_nowait(json.dumps({"$type": "message", "payload": info}).encode())
        for seq in range(skipped + 1, len(self.events) + 1):
            queue.put_nowait(self._message(seq))
        self._waiting.append(queue)
        chatter = asyncio.create_task(self._chatter())
        try:
            await self.pour_messages(request, writer, queue, negotiated if self.version == 2 else None)
        finally:
            chatter.cancel()
            await asyncio.gather(chatter, return_exceptions=True)
            self._waiting.remove(queue)

    async def _chatter(self) -> None:
        while True:
            await asyncio.sleep(CHATTER_SECONDS)
            if self.is_chatting:
                self.chat()

    def _thread(self, uri: str, depth: int) -> dict[str, Any] | None:
        if uri not in self.records:
            return None
        return {"thread": {**self._above(uri), **self._below(uri, depth)}}

    def _above(self, uri: str) -> dict[str, Any]:
        """Return a post in its thread, with what is above it."""
        if uri not in self.records:
            return {"$type": "app.bsky.feed.defs#notFoundPost", "uri": uri, "notFound": True}
        record = self.records[uri]
        above = {"parent": self._above(record["reply"]["parent"]["uri"])} if "reply" in record else {}
        return {"$type": "app.bsky.feed.defs#threadViewPost", "post": self._post(uri), **above}

    def _below(self, uri: str, depth: int) -> dict[str, Any]:
        if not depth:
            return {}
        of = {"$type": "app.bsky.feed.defs#threadViewPost"}
        replies = [{**of, "post": self._post(it), **self._below(it, depth - 1)} for it in self._answering(uri)]
        return {"replies": replies}

    def _answering(self, uri: str) -> list[str]:
        return [it for it in self._answers.get(uri, ()) if it in self.records]

    def _post(self, uri: str) -> dict[str, Any]:
        record, author = self.records[uri], uri.removeprefix("at://").partition("/")[0]
        return {
            "$type": "app.bsky.feed.defs#postView",
            "uri": uri,
            "cid": cid(record),
            "author": {"did": author, "handle": "somebody.example"},
            "record": record,
            "indexedAt": record["createdAt"],
            "replyCount": len(self._answering(uri)),
            "quoteCount": len(self._quotes.get(uri, ())),
        }

    def _profile(self, actor: str) -> dict[str, Any] | None:
        names = {did(name): name for name in OURS}
        return {"did": actor, "handle": handle(names[actor])} if actor in names else None


def negotiated(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return the one protocol that the second version has; who asks for none gets it all the same."""
    return next((it for it in offered if it == "xrpc.v1.json"), None)


def did(name: str) -> str:
    """Return somebody's identifier."""
    return f"did:plc:{b32encode(sha256(name.encode()).digest())[:24].decode().lower()}"


def handle(name: str) -> str:
    return f"{name.partition('@')[0]}.example"


def tid(number: int) -> str:
    """Return a key as time would make it."""
    value = (1_770_000_000_000_000 + number) << 10
    return "".join(_LETTERS[value >> shift & 31] for shift in range(60, -1, -5))


def cid(record: dict[str, Any]) -> str:
    """Return a name of the form that a record's has."""
    return f"bafyrei{b32encode(sha256(repr(record).encode()).digest()).decode().lower()[:52]}"


def iso(at: int) -> str:
    """Return a time in µs as Jetstream writes it."""
    return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


NETWORKS = {"bluesky-1": lambda: BlueskyNetwork(version=1), "bluesky-2": BlueskyNetwork}
