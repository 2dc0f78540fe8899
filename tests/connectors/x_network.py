"""X's API v2, as docs.x.com has it: users, timelines, rules, subscriptions, and both streams in lines of JSON."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from streams.connectors.x_posts import EPOCH
from tests.connectors.network import OURS, RETRY_AFTER, Network, Request, Written, answer

ALIVE_SECONDS = 0.1
"""The real one's are 20 s apart."""
STREAMS = {"/2/activity/stream": "activity", "/2/tweets/search/stream": "filtered"}
RULE = re.compile(r"\(@(\w+) OR to:(\d+) OR from:\2\) -is:retweet")
PROBLEMS = "https://api.twitter.com/2/problems"


@dataclass
class XNetwork(Network):
    """``way``: how the connector is to take from it."""

    bears = 300
    way: str = "activity"
    history: str = "timelines"
    tweets: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Every version of every post, by its id, oldest first."""
    rules: dict[str, dict[str, str]] = field(default_factory=dict)
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    goes_back: dict[str, int] = field(default_factory=lambda: {"mentions": 1_000_000, "tweets": 1_000_000})
    """So many posts of a timeline can be asked for; X's own limits would be less than what tests write at once."""
    said: list[bytes] = field(default_factory=list)
    """All events of the Activity API, as a stream or a webhook gets them."""
    _timelines: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """User and timeline: the ids of the posts in it."""
    _streams: dict[str, asyncio.Queue[bytes | None]] = field(default_factory=dict)
    _held: list[bytes] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.is_streamed = self.way != "poll"
        self.has_history = self.way != "filtered"  # it is the same
        self.tells_deletions_of = "acme" if self.way == "activity" else ""

    def stanza(self, *accounts: str) -> dict[str, Any]:
        return {
            "type": "x",
            "accounts": [f"x:{number_of(name)}" for name in accounts],
            "token_env": "NETWORK_TOKEN",
            "way": self.way,
            "history": self.history,
            "poll_seconds": 0.1,
            "heartbeat_seconds": 0.5,
            "retry_seconds": 0.01,
            "requests_per_15_minutes": 1_000_000,
            "address": self.url,
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        number = self._next()
        above = self.posts.get(parent)
        others = list(dict.fromkeys([*to, *([above.author] if above and above.author != author else [])]))
        tweet = self._tweet(number, author, text, others)
        if above:
            newest = self._newest(parent)
            tweet |= {
                "in_reply_to_user_id": number_of(above.author),
                "referenced_tweets": [{"type": "replied_to", "id": newest["id"]}],
                "conversation_id": newest["conversation_id"],
            }
        concerns = {account: kind for account, kind in self.concerns(author, others, parent).items() if kind != "peer"}
        self.posts[number] = Written(number, f"x:{number}", author, text, concerns, parent)
        self._publish(tweet)
        return self.posts[number]

    def quote(self, author: str, key: str, kind: str = "quoted") -> str:
        """Have somebody quote a post, or pass it on (``retweeted``); return the key of what they wrote."""
        number = self._next()
        tweet = self._tweet(number, author, "look", [])
        self._publish(tweet | {"referenced_tweets": [{"type": kind, "id": key}]})
        return number

    def edit(self, key: str, text: str) -> None:
        before, number = self._newest(key), self._next()
        after = {
            **before,
            "id": number,
            "text": " ".join([*(word for word in before["text"].split() if word[0] == "@"), _escaped(text)]),
            "created_at": _iso(self.now()),
            "edit_history_tweet_ids": [*before["edit_history_tweet_ids"], number],
        }
        for timeline in self._timelines.values():
            if before["id"] in timeline:
                timeline.remove(before["id"])
        self.posts[key] = replace(self.posts[key], text=text)
        self._publish(after)

    def delete(self, key: str) -> None:
        written = self.posts.get(key)
        number = self._newest(key)["id"] if written else key
        author = number_of(written.author) if written else "999"
        for timeline in self._timelines.values():
            if number in timeline:
                timeline.remove(number)
        self.tweets.pop(number, None)
        for subscription in self._subscribed("post.delete", author):
            self.write("activity", _event(subscription, {"id": number, "author_id": author}))

    def unfollow(self, who: str, whom: str) -> None:
        """Have somebody follow an account no more."""
        users = {side: {"data": _user(name)} for side, name in (("source", who), ("target", whom))}
        for subscription in self._subscribed("follow.unfollow", number_of(whom)):
            self.write("activity", _event(subscription, users))

    def malform(self) -> bytes:
        wrong = {"id": self._next(), "text": 7}
        self._timelines.setdefault((number_of("acme"), "mentions"), []).append(wrong["id"])
        self.tweets[wrong["id"]] = wrong
        self.write(
            "activity", json.dumps({"data": {"event_type": "post.create", "filter": {}, "payload": wrong}}).encode()
        )
        self.write("filtered", json.dumps({"data": wrong, "matching_rules": []}).encode())
        self.write(self.way, b'{"data": {"id": "1", "te')
        return b'"id"'

    def cut(self) -> None:
        for stream in self._streams.values():
            stream.put_nowait(None)

    def forget(self) -> None:
        """X goes back no further than these."""
        for number in range(800):
            self.say("ann", f"more {number}", to=("acme",))
        self.goes_back = {"mentions": 800, "tweets": 3200}

    def _next(self) -> str:
        return str(((self.now() - EPOCH) << 22) + next(self._numbers))

    def _newest(self, key: str) -> dict[str, Any]:
        return next(it for it in reversed(self.tweets.values()) if it.get("edit_history_tweet_ids", [""])[0] == key)

    def _tweet(self, number: str, author: str, text: str, others: list[str]) -> dict[str, Any]:
        names = "".join(f"@{_name(name)} " for name in others)
        mentions = [{"start": 0, "end": 1, "username": _name(name), "id": number_of(name)} for name in others]
        return {
            "id": number,
            "text": names + _escaped(text),
            "author_id": number_of(author),
            "created_at": _iso(self.now()),
            "conversation_id": number,
            "edit_history_tweet_ids": [number],
            "lang": "en",
            "public_metrics": {
                "retweet_count": 0,
                "reply_count": 0,
                "like_count": 0,
                "quote_count": 0,
                "impression_count": 1,
            },
            **({"entities": {"mentions": mentions}} if mentions else {}),
        }

    # -- what it says by itself -------------------------------------------------------------------------------------------

    def _publish(self, tweet: dict[str, Any]) -> None:
        self.tweets[tweet["id"]] = tweet
        author, parent = tweet["author_id"], tweet.get("in_reply_to_user_id")
        mentioned = {it["id"] for it in tweet.get("entities", {}).get("mentions", ())}
        self._timelines.setdefault((author, "tweets"), []).append(tweet["id"])
        for user in mentioned:
            self._timelines.setdefault((user, "mentions"), []).append(tweet["id"])
        includes = self._includes([tweet])
        quoted = [
            self.tweets[it["id"]]["author_id"] for it in tweet.get("referenced_tweets", ()) if it["type"] == "quoted"
        ]
        told = [("post.create", author), *(("post.mention.create", user) for user in sorted(mentioned))]
        told += [("post.reply.create", parent)] if parent else []
        for kind, user in [*told, *(("post.quote.create", user) for user in quoted)]:
            for subscription in self._subscribed(kind, user):
                self.write("activity", _event(subscription, tweet, includes))
        matching = [it for it in self.rules.values() if _matches(it["value"], tweet, mentioned)]
        if matching:
            rules = [{"id": it["id"], "tag": it["tag"]} for it in matching]
            self.write("filtered", self._json({"data": tweet, "includes": includes, "matching_rules": rules}))

    def _subscribed(self, kind: str, user: str) -> Iterator[dict[str, Any]]:
        for it in self.subscriptions.values():
            if (it["event_type"], it["filter"]["user_id"]) == (kind, user):
                yield it

    def write(self, way: str, line: bytes) -> None:
        if way == "activity":
            self.said.append(line)
        if (stream := self._streams.get(way)) is None:
            return
        self._held.append(line)
        if self.mood.shuffled and len(self._held) < 2:
            return
        events, self._held = self._held[::-1], []
        for event in events:
            for _ in range(2 if self.mood.repeating else 1):
                stream.put_nowait(event + b"\r\n")

    def _includes(self, tweets: list[dict[str, Any]]) -> dict[str, Any]:
        names = {number_of(it.author): it.author for it in self.posts.values()} if len(self.posts) < 100 else {}
        authors = dict.fromkeys(it["author_id"] for it in tweets if "author_id" in it)
        above = (it["id"] for tweet in tweets for it in tweet.get("referenced_tweets", ()))
        return {
            "users": [_user(names.get(number, f"user{number}")) for number in authors],
            "tweets": [self.tweets[number] for number in dict.fromkeys(above) if number in self.tweets],
        }

    def _json(self, value: object) -> bytes:
        return json.dumps(value, ensure_ascii=self.escapes).encode()

    # -- what it answers --------------------------------------------------------------------------------------------------

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if fault := self.fault(request):
            status, headers = fault
            if status.startswith("429"):
                headers = {"x-rate-limit-reset": str(int(time.time()) + 1 + RETRY_AFTER), "x-rate-limit-remaining": "0"}
            title = status.partition(" ")[2]
            problem = {"title": title, "detail": title, "type": "about:blank", "status": int(status[:3])}
            await answer(writer, json.dumps(problem).encode(), status, headers)
        elif request.path in STREAMS:
            await self._stream(STREAMS[request.path], writer)
        else:
            status, found = self._found(request)
            limits = {"x-rate-limit-limit": "450", "x-rate-limit-remaining": "449", "x-rate-limit-reset": "1"}
            await answer(writer, self._json(found), status, limits)

    def _found(self, request: Request) -> tuple[str, object]:
        match [request.method, *request.path.strip("/").split("/")[1:]]:
            case ["GET", "users"]:
                names = {number_of(name): name for name in OURS}
                numbers = request.one("ids").split(",")
                missing = [_missing("user", number) for number in numbers if number not in names]
                return "200 OK", {
                    "data": [_user(names[number]) for number in numbers if number in names],
                    **({"errors": missing} if missing else {}),
                }
            case ["GET", "users", number, ("mentions" | "tweets") as timeline]:
                numbers = self._timelines.get((number, timeline), [])[-self.goes_back[timeline] :]
                return "200 OK", self._page(numbers, "pagination_token", request)
            case ["GET", "tweets", "search", "recent" | "all"]:
                return self._search(request)
            case ["GET", "tweets"]:
                found = [self.tweets[number] for number in request.one("ids").split(",") if number in self.tweets]
                if not found:
                    return "200 OK", {"errors": [_missing("tweet", request.one("ids"))]}
                return "200 OK", {"data": found, "includes": self._includes(found)}
        return self._standing(request)

    def _standing(self, request: Request) -> tuple[str, object]:
        """Answer what is about rules and subscriptions."""
        match [request.method, *request.path.strip("/").split("/")[1:]]:
            case ["GET", "tweets", "search", "stream", "rules"]:
                rules = list(self.rules.values())
                sent = {"sent": _iso(self.now()), "result_count": len(rules)}
                return "200 OK", {"meta": sent, **({"data": rules} if rules else {})}
            case ["POST", "tweets", "search", "stream", "rules"]:
                return "201 Created", self._change_rules(json.loads(request.body))
            case ["GET", "activity", "subscriptions"]:
                there = list(self.subscriptions.values())
                return "200 OK", {"data": there, "meta": {"total_subscriptions": len(there)}}
            case ["POST", "activity", "subscriptions"]:
                number, now = str(next(self._numbers)), _iso(self.now())
                asked = json.loads(request.body)
                assert set(asked) <= {"event_type", "filter", "tag", "webhook_id"}
                self.subscriptions[number] = {"subscription_id": number, "created_at": now, "updated_at": now, **asked}
                total = {"total_subscriptions": len(self.subscriptions)}
                return "200 OK", {"data": {"subscription": self.subscriptions[number]}, "meta": total}
            case ["DELETE", "activity", "subscriptions", number] if number in self.subscriptions:
                del self.subscriptions[number]
                return "200 OK", {"data": {"deleted": True}, "meta": {"total_subscriptions": len(self.subscriptions)}}
        return "404 Not Found", {"title": "Not Found Error", "type": f"{PROBLEMS}/resource-not-found", "status": 404}

    def _change_rules(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "delete" in asked:
            for number in asked["delete"]["ids"]:
                del self.rules[number]
            return {
                "meta": {
                    "sent": _iso(self.now()),
                    "summary": {"deleted": len(asked["delete"]["ids"]), "not_deleted": 0},
                }
            }
        made = []
        for rule in asked["add"]:
            assert RULE.fullmatch(rule["value"]), rule
            made.append({"id": str(next(self._numbers)), **rule})
            self.rules[made[-1]["id"]] = made[-1]
        return {"data": made, "meta": {"sent": _iso(self.now()), "summary": {"created": len(made), "valid": len(made)}}}

    def _search(self, request: Request) -> tuple[str, object]:
        """Answer a search, as rules of the filtered stream are read."""
        start = datetime.fromisoformat(request.one("start_time")).timestamp() * 1000
        if request.path.endswith("recent") and start < time.time() * 1000 - 7 * 86_400_000:
            detail = f"'start_time' must be on or after {_iso(self.now())}. Your 'start_time' is older than 7 days"
            error = {
                "parameters": {"start_time": [request.one("start_time")]},
                "message": f"Invalid 'start_time'. {detail}",
            }
            problem = {"title": "Invalid Request", "detail": "One or more parameters to your request was invalid."}
            return "400 Bad Request", {"errors": [error], **problem, "type": f"{PROBLEMS}/invalid-request"}
        assert int(request.one("max_results", "10")) >= 10
        found = []
        for number, tweet in self.tweets.items():
            is_newest = self._newest(tweet["edit_history_tweet_ids"][0]) is tweet
            mentioned = {it["id"] for it in tweet.get("entities", {}).get("mentions", ())}
            if is_newest and _matches(request.one("query"), tweet, mentioned):
                found.append(number)
        return "200 OK", self._page(found, "next_token", request)

    def _page(self, numbers: list[str], token: str, request: Request) -> dict[str, Any]:
        most, since = int(request.one("max_results", "10")), int(request.one("since_id", "0"))
        first = int(request.one(token, "b0")[1:])
        assert 5 <= most <= 100
        start, end = request.one("start_time"), request.one("end_time", "9999")
        assert not start or start >= "2010-11-06T00:00:00Z"
        newer: list[str] = []
        for number in reversed(numbers):
            if int(number) <= since or len(newer) > first + most:
                break
            written = self.tweets[number].get("created_at")
            if written is None or start <= written[:19] + "Z" < end:
                newer.append(number)
        page = [self.tweets[number] for number in newer[first : first + most] if number in self.tweets]
        if not page:
            return {"meta": {"result_count": 0}}
        meta = {"result_count": len(page), "newest_id": page[0]["id"], "oldest_id": page[-1]["id"]}
        if len(newer) > first + most:
            meta["next_token"] = f"b{first + most}"
        return {"data": page, "includes": self._includes(page), "meta": meta}

    async def _stream(self, way: str, writer: asyncio.StreamWriter) -> None:
        if way in self._streams:
            self._streams.pop(way).put_nowait(None)  # one connection: a new one ends the old
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        events: asyncio.Queue[bytes | None] = asyncio.Queue()
        events.put_nowait(b"\r\n")
        self._streams[way] = events
        try:
            await self.pour(writer, events, b"\r\n", ALIVE_SECONDS)
        finally:
            if self._streams.get(way) is events:
                del self._streams[way]


def _event(subscription: dict[str, Any], payload: object, includes: dict[str, Any] | None = None) -> bytes:
    event = {
        "filter": subscription["filter"],
        "event_type": subscription["event_type"],
        "event_uuid": f"{time.time_ns()}",
        "tag": subscription.get("tag", ""),
        "payload": payload,
    }
    return json.dumps({"data": {**event, "includes": includes} if includes else event}).encode()


def _matches(rule: str, tweet: dict[str, Any], mentioned: set[str]) -> bool:
    found = RULE.fullmatch(rule)
    assert found
    if any(it["type"] == "retweeted" for it in tweet.get("referenced_tweets", ())):
        return False
    assert found[1] in {_name(name) for name in OURS}
    return found[2] in {*mentioned, tweet["author_id"], tweet.get("in_reply_to_user_id")}


def number_of(name: str) -> str:
    """Return the id of a user, which never changes."""
    return str(1_000 + sum(ord(letter) * 31**n for n, letter in enumerate(name)) % 10**12)


def _name(name: str) -> str:
    return re.sub(r"\W", "_", name)[:15]


def _user(name: str) -> dict[str, Any]:
    metrics = {"followers_count": 97, "following_count": 3, "tweet_count": 9, "listed_count": 0}
    return {"id": number_of(name), "username": _name(name), "name": name.title(), "public_metrics": metrics}


def _missing(kind: str, number: str) -> dict[str, str]:
    return {
        "value": number,
        "detail": f"Could not find {kind} with ids: [{number}].",
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": "ids",
        "resource_id": number,
        "type": f"{PROBLEMS}/resource-not-found",
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at // 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


NETWORKS = {
    "x-activity": XNetwork,
    "x-filtered": lambda: XNetwork(way="filtered"),
    "x-polled": lambda: XNetwork(way="poll", history="all"),
}
