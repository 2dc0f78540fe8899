"""Reddit: its tokens, listings and things, as reddit.com/dev/api and its own clients have them."""

import asyncio
import base64
import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import chain, count, islice
from typing import Any

from tests.connectors.network import RETRY_AFTER, Network, Request, Written, answer

SUBREDDIT = "gadgets"
MOST = 1_000
Thing = dict[str, Any]


@dataclass
class RedditNetwork(Network):
    """``acme`` is whose refresh token it is. Everybody writes in one subreddit."""

    things: dict[str, Thing] = field(default_factory=dict)
    """By full name."""
    inbox: list[Thing] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    """Those that hold."""
    remaining: float = 996.0
    most: int = MOST
    """As far back as lists go."""
    grants: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(50_000_000_000))
    _lists: dict[tuple[str, str], list[Thing]] = field(default_factory=dict)
    """By ``t1`` or ``t3`` and a subreddit, and by ``by`` and an author."""

    is_streamed = False
    has_history = True
    bears = 200

    def stanza(self, *accounts: str) -> dict[str, Any]:
        return {
            "type": "reddit",
            "accounts": [f"reddit:{name}" for name in accounts],
            "client_id": "p-jcoLKBynTLew",
            "client_secret_env": "NETWORK_TOKEN",
            "refresh_token_env": "NETWORK_TOKEN",
            "subreddits": [SUBREDDIT],
            "requests_per_minute": 1_000_000,
            "poll_seconds": 0.05,
            "recheck_seconds": 0.1,
            "login": self.url,
            "api": self.url,
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(
        self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "", subreddit: str = SUBREDDIT
    ) -> Written:
        kind = "t1" if parent else "t3"
        number = _base36(next(self._numbers))
        name, above = f"{kind}_{number}", self.things.get(parent)
        link = above["data"].get("link_id", parent) if above else name
        said = " ".join([*(f"u/{it}" for it in to), text])
        data = {
            "id": number,
            "name": name,
            "author": author,
            "author_fullname": f"t2_{_base36(sum(map(ord, author)))}",
            "created_utc": float(self.now() // 1000),
            "edited": False,
            "subreddit": subreddit,
            "score": 1,
            "permalink": f"/r/{subreddit}/comments/{link[3:]}/a_title/{number}/",
            "distinguished": None,
        }
        if above:
            data |= {"body": f"> u/help, as somebody said\n\n{said}", "parent_id": parent, "link_id": link}
            data |= {"link_author": self.things[link]["data"]["author"], "replies": ""}
        else:
            data |= {
                "title": "A title",
                "selftext": said,
                "is_self": True,
                "num_comments": 0,
                "url": "https://x.example",
            }
        self._keep({"kind": kind, "data": data})
        concerns = self.concerns(author, to, parent)
        self.posts[name] = Written(name, f"reddit:{name}", author, text, concerns, parent)
        if "reddit:acme" in concerns and author != "acme" and kind == "t1":
            kinds = {
                "was_comment": True,
                "type": "comment_reply",
                "subject": "comment reply",
                "dest": "acme",
                "new": True,
            }
            told = {key: it for key, it in data.items() if key not in ("link_id", "permalink", "link_author")}
            context = {"context": data["permalink"] + "?context=3", "link_title": "A title"}
            self.inbox.append({"kind": "t1", "data": told | kinds | context})
        return self.posts[name]

    def _keep(self, thing: Thing) -> None:
        data = thing["data"]
        self.things[data["name"]] = thing
        for place in ((thing["kind"], data.get("subreddit", SUBREDDIT)), ("by", data["author"])):
            self._lists.setdefault(place, []).append(thing)

    def edit(self, key: str, text: str) -> None:
        self._change(key, self.posts[key].text, text)
        self.things[key]["data"]["edited"] = float(self.now() // 1000)
        self.posts[key] = replace(self.posts[key], text=text)

    def _change(self, key: str, old: str, new: str) -> None:
        data = self.things[key]["data"]
        name = "body" if "body" in data else "selftext"
        data[name] = data[name].replace(old, new)

    def delete(self, key: str) -> None:
        if key in self.things:
            data = self.things[key]["data"]
            data |= {"author": "[deleted]", "body" if "body" in data else "selftext": "[deleted]"}

    def secrets(self) -> Collection[str]:
        return {self.token, *self.tokens}

    def malform(self) -> bytes:
        name = f"t1_{_base36(next(self._numbers))}"
        self._keep({"kind": "t1", "data": {"name": name, "author": "ann", "created_utc": 9e9, "body": None}})
        return b'"body": null'

    def cut(self) -> None:
        """There is no stream."""

    def forget(self) -> None:
        """Lists end, but not so soon."""

    # -- what it answers --------------------------------------------------------------------------------------------------

    def is_authorized(self, request: Request) -> bool:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if request.path == "/api/v1/access_token":
            return kind == "Basic" and base64.b64decode(value) == f"p-jcoLKBynTLew:{self.token}".encode()
        return kind == "Bearer" and value in self.tokens

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        assert request.headers["user-agent"] == "server:p-jcoLKBynTLew:rapport (by /u/acme)"
        if fault := self.fault(request):
            status = fault[0]
            code, said = status.split(" ", 1)
            limits = {"X-Ratelimit-Remaining": "0.0", "X-Ratelimit-Reset": str(RETRY_AFTER)} if code == "429" else {}
            await answer(writer, json.dumps({"message": said, "error": int(code)}).encode(), status, limits)
        elif request.path == "/api/v1/access_token":
            await self._grant(request, writer)
        else:
            limits = {"X-Ratelimit-Remaining": str(self.remaining), "X-Ratelimit-Used": "4", "X-Ratelimit-Reset": "1"}
            body = json.dumps(self._found(request), ensure_ascii=self.escapes).encode()
            await answer(writer, body, headers=limits)

    async def _grant(self, request: Request, writer: asyncio.StreamWriter) -> None:
        grant = request.form["grant_type"][0]
        self.grants.append(grant)
        if grant == "refresh_token" and request.form["refresh_token"] != [self.token]:
            await answer(writer, b'{"message": "Bad Request", "error": 400}', "400 Bad Request")
            return
        token = f"eyJ{len(self.grants)}-{grant}"
        self.tokens.add(token)
        found = {"access_token": token, "token_type": "bearer", "expires_in": 86400, "scope": "*"}
        await answer(writer, json.dumps(found).encode())

    def _found(self, request: Request) -> Thing:
        assert request.one("raw_json") == "1"
        match request.path.strip("/").split("/"):
            case ["api", "v1", "me"]:
                return {"name": "Acme", "id": "abc"}
            case ["api", "info"]:
                names = request.one("id").split(",")
                assert len(names) <= 100
                return _listing([self.things[it] for it in names if it in self.things], None)
            case ["message", "inbox"]:
                message = {"kind": "t4", "data": {"name": "t4_1", "author": "cy", "body": "psst", "created_utc": 1.0}}
                return self._page([message, *self.inbox[-self.most :]], request)
            case ["user", name, "overview"]:
                return self._page(self._lists.get(("by", name), []), request)
            case ["r", names, "comments" | "new" as kind]:
                lists = [self._lists.get(("t1" if kind == "comments" else "t3", it), []) for it in names.split("+")]
                return self._page(lists[0] if len(lists) == 1 else sorted(chain(*lists), key=_written), request)
        raise AssertionError(request.path)

    def _is_there(self, thing: Thing) -> bool:
        it = self.things.get(thing["data"]["name"], thing)
        return bool(it["data"]["author"] != "[deleted]")

    def _page(self, found: list[Thing], request: Request) -> Thing:
        newest = list(islice(filter(self._is_there, reversed(found)), self.most))
        after = request.one("after")
        names = [it["data"]["name"] for it in newest]
        first = names.index(after) + 1 if after else 0
        limit = int(request.one("limit", "25"))
        page = newest[first : first + limit]
        return _listing(page, page[-1]["data"]["name"] if first + limit < len(newest) else None)


def _written(thing: Thing) -> int:
    return int(thing["data"]["name"][3:], 36)


def _listing(things: list[Thing], after: str | None) -> Thing:
    data = {"after": after, "before": None, "dist": len(things), "modhash": None, "geo_filter": "", "children": things}
    return {"kind": "Listing", "data": data}


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"


NETWORKS = {"reddit": RedditNetwork}
