"""Trustpilot's Business API and Google's Business Profile API: lists of reviews, the newest first, for who has a token."""

import asyncio
import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, ClassVar

from tests.connectors.network import OURS, Network, Request, Told, Written, answer

Raw = dict[str, Any]


@dataclass
class ReviewsNetwork(Network):
    """A review is of one business, which may reply once. Nobody else can say anything there."""

    is_streamed = False
    has_history = True
    asks_by_our_clock = True
    haste: ClassVar[Mapping[str, Any]] = {"days": 60 / 86_400}

    prefix = ""
    units = ("", "")
    """Of acme and help."""

    reviews: dict[str, list[Raw]] = field(default_factory=dict)
    """By unit, the oldest first."""
    tokens: set[str] = field(default_factory=set)
    asked_for_tokens: int = 0
    _by_key: dict[str, tuple[str, Raw]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))

    def lets(self, author: str, to: Collection[str] = (), parent: str = "") -> bool:
        if author not in OURS:
            return not parent and len(to) <= 1
        unit, above = self._by_key.get(parent, ("", {}))
        return unit == self.units[OURS.index(author)] and not self.replied(above)

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        concerns = self.concerns(author, to, parent)
        if author in OURS:
            key, (_, above) = f"{parent}/reply", self._by_key[parent]
            self.reply(above, text)
        else:
            unit = self.units[OURS.index(to[0])] if to else "of somebody else"
            raw = self.review(author, text)
            key = str(raw["id" if "id" in raw else "reviewId"])
            self._by_key[key] = unit, raw
            self.reviews.setdefault(unit, []).append(raw)
        self.posts[key] = Written(key, f"{self.prefix}:{key}", author, text, concerns, parent)
        return self.posts[key]

    def edit(self, key: str, text: str) -> None:
        self.change(self._by_key[key][1], text)
        self.posts[key] = replace(self.posts[key], text=text)

    def delete(self, key: str) -> None:
        for unit, reviews in self.reviews.items():
            self.reviews[unit] = [raw for raw in reviews if raw is not self._by_key.get(key, ("", None))[1]]

    def one(self, unit: str, key: str) -> Raw | None:
        """Return a review by itself, wherever it is, or of one unit."""
        of, raw = self._by_key.get(key, ("", {}))
        return raw if unit in ("", of) and any(it is raw for it in self.reviews.get(of, [])) else None

    async def give_one(self, writer: asyncio.StreamWriter, found: Raw | None, missing: bytes) -> None:
        if found is None:
            await answer(writer, missing, "404 Not Found")
        else:
            await self.give(writer, found)

    def malform(self) -> bytes:
        self.reviews.setdefault(self.units[0], []).append({"id": 7, "stars": "many"})
        return b'"stars"'

    def cut(self) -> None:
        """Nothing stays open."""

    def forget(self) -> None:
        """Reviews are kept, and are in their lists whatever is asked for."""

    # what each has of its own

    def review(self, author: str, text: str) -> Raw:
        raise NotImplementedError

    def reply(self, raw: Raw, text: str) -> None:
        raise NotImplementedError

    def unreply(self, raw: Raw) -> None:
        raise NotImplementedError

    def replied(self, raw: Raw) -> bool:
        raise NotImplementedError

    def change(self, raw: Raw, text: str) -> None:
        raise NotImplementedError

    # what both have

    def iso(self, later: int = 0) -> str:
        at = datetime.fromtimestamp((self.now() + later) / 1000, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def newest(self, unit: str) -> list[Raw]:
        return self.reviews.get(unit, [])[::-1]

    def grant(self, seconds: object, kind: str) -> bytes:
        self.asked_for_tokens += 1
        token = f"{self.token}-{self.asked_for_tokens}"
        self.tokens.add(token)
        return json.dumps({"access_token": token, "expires_in": seconds, "token_type": kind}).encode()

    def bears_a_token(self, request: Request) -> bool:
        return request.headers.get("authorization", "").removeprefix("Bearer ") in self.tokens

    async def give(self, writer: asyncio.StreamWriter, found: object) -> None:
        await answer(writer, json.dumps(found, ensure_ascii=self.escapes).encode())


@dataclass
class TrustpilotNetwork(ReviewsNetwork):
    """``is_private``: with OAuth, which has a path of its own."""

    is_private: bool = False

    def __post_init__(self) -> None:
        self.has_history = not self.is_private  # which is the same by another path

    prefix = "trustpilot"
    units = ("46d6a890ffa235a75b00021d", "507f191e810c19729de860ea")

    def stanza(self, *accounts: str) -> Raw:
        return {
            "type": "trustpilot",
            "accounts": [f"trustpilot:{self.units[OURS.index(name)]}" for name in accounts],
            "server": self.url,
            "key_env": "NETWORK_TOKEN",
            **({"secret_env": "NETWORK_TOKEN"} if self.is_private else {}),
            "poll_seconds": 0.1,
            "requests_per_minute": 1_000_000,
        }

    def review(self, author: str, text: str) -> Raw:
        return {
            "links": [],
            "id": f"{next(self._numbers):024x}",
            "consumer": {"links": [], "id": f"consumer-{author}", "displayName": author.title(), "numberOfReviews": 3},
            "stars": 2,
            "title": "Hm",
            "text": text,
            "language": "en",
            "createdAt": self.iso(),
            "updatedAt": None,
            "companyReply": None,
            "isVerified": True,
            "numberOfLikes": 0,
            "status": "active",
        }

    def reply(self, raw: Raw, text: str) -> None:
        raw["companyReply"] = {"text": text, "createdAt": self.iso(), "updatedAt": None}

    def unreply(self, raw: Raw) -> None:
        raw["companyReply"] = None

    def replied(self, raw: Raw) -> bool:
        return bool(raw["companyReply"])

    def change(self, raw: Raw, text: str) -> None:
        raw |= {"text": text, "updatedAt": self.iso(later=1)}

    def is_authorized(self, request: Request) -> bool:
        if request.path.endswith("/accesstoken"):
            pair = base64.b64encode(f"{self.token}:{self.token}".encode()).decode()
            return request.headers.get("authorization") == f"Basic {pair}"
        if "/private/" in request.path:
            return self.bears_a_token(request)
        return request.headers.get("apikey") == self.token

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if fault := self.fault(request):
            await answer(writer, b'{"message": "Unauthorized"}', *fault)
            return
        match request.path.replace("/private/", "/").split("/")[2:]:
            case ["oauth", "oauth-business-users-for-applications", "accesstoken"]:
                assert request.form == {"grant_type": ["client_credentials"]}
                await answer(writer, self.grant("359999", "Bearer"))
            case ["business-units", unit, "reviews"]:
                size, page = int(request.one("perPage", "20")), int(request.one("page", "1"))
                assert request.one("orderBy") == "createdat.desc"
                assert size <= 100
                found = self.newest(unit)[(page - 1) * size : page * size]
                await self.give(writer, {"links": [], "reviews": found})
            case ["reviews", key]:
                await self.give_one(writer, self.one("", key), b'{"message": "Not Found"}')
            case ["business-units", unit] if unit in self.units:
                await self.give(writer, {"id": unit, "displayName": OURS[self.units.index(unit)].title()})
            case _:
                await answer(writer, b'{"message": "Not Found"}', "404 Not Found")


@dataclass
class GoogleNetwork(ReviewsNetwork):
    """Times have more digits than milliseconds."""

    prefix = "google"
    units = ("1038/2001", "1038/2002")

    def told(self, post: Written) -> Told:
        """Return what is told of a post: whose a review is, nobody is told."""
        told = super().told(post)
        return replace(told, contact=told.conversation, author=post.author if post.parent else post.id)

    def stanza(self, *accounts: str) -> Raw:
        return {
            "type": "google_reviews",
            "accounts": [f"google:{self.units[OURS.index(name)]}" for name in accounts],
            "client_id": "rapport.apps.example",
            "client_secret_env": "NETWORK_TOKEN",
            "refresh_token_env": "NETWORK_TOKEN",
            "server": self.url,
            "token_server": self.url,
            "poll_seconds": 0.1,
            "requests_per_minute": 1_000_000,
        }

    def review(self, author: str, text: str) -> Raw:
        key, now = f"AbFvOqk{next(self._numbers):08x}", self._time()
        return {
            "name": f"accounts/1038/locations/2001/reviews/{key}",
            "reviewId": key,
            "reviewer": {"displayName": author.title(), "profilePhotoUrl": "https://lh3.example/a"},
            "starRating": "TWO",
            "comment": text,
            "createTime": now,
            "updateTime": now,
        }

    def _time(self, later: int = 0) -> str:
        return self.iso(later).replace("Z", "045678Z")

    def reply(self, raw: Raw, text: str) -> None:
        raw["reviewReply"] = {"comment": text, "updateTime": self._time()}

    def unreply(self, raw: Raw) -> None:
        del raw["reviewReply"]

    def replied(self, raw: Raw) -> bool:
        return "reviewReply" in raw

    def change(self, raw: Raw, text: str) -> None:
        raw |= {"comment": text, "updateTime": self._time(later=1)}
        reviews = next(it for it in self.reviews.values() if any(one is raw for one in reversed(it)))
        reviews.sort(key=lambda it: str(it.get("updateTime", "9")))  # by which it is in order

    def is_authorized(self, request: Request) -> bool:
        return request.path == "/token" or self.bears_a_token(request)

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        form = {name: it[0] for name, it in request.form.items()}
        if request.path == "/token" and (self.mood.refusing or form.get("refresh_token") != self.token):
            wrong = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            await answer(writer, json.dumps(wrong).encode(), "400 Bad Request")
        elif fault := self.fault(request):
            code = int(fault[0].split()[0])
            wrong = {"error": {"code": code, "message": "no", "status": "UNAUTHENTICATED"}}
            await answer(writer, json.dumps(wrong).encode(), *fault)
        elif request.path == "/token":
            assert form["grant_type"] == "refresh_token"
            assert (form["client_id"], form["client_secret"]) == ("rapport.apps.example", self.token)
            await answer(writer, self.grant(3599, "Bearer"))
        else:
            await self._list(request, writer)

    async def _list(self, request: Request, writer: asyncio.StreamWriter) -> None:
        match request.path.split("/"):
            case ["", "v4", "accounts", account, "locations", location, "reviews"] if (
                f"{account}/{location}" in self.units
            ):
                newest, size = self.newest(f"{account}/{location}"), min(int(request.one("pageSize", "50")), 50)
                first = int(request.one("pageToken", "0"))
                found: Raw = {"reviews": newest[first : first + size]} if newest else {}
                more = {"nextPageToken": str(first + size)} if first + size < len(newest) else {}
                await self.give(writer, {**found, "averageRating": 2, "totalReviewCount": len(newest), **more})
            case ["", "v4", "accounts", account, "locations", location, "reviews", key]:
                missing = b'{"error": {"code": 404, "status": "NOT_FOUND"}}'
                await self.give_one(writer, self.one(f"{account}/{location}", key), missing)
            case _:
                await answer(writer, b'{"error": {"code": 404, "status": "NOT_FOUND"}}', "404 Not Found")


NETWORKS = {
    "trustpilot": TrustpilotNetwork,
    "trustpilot-private": lambda: TrustpilotNetwork(is_private=True),
    "google_reviews": GoogleNetwork,
}
