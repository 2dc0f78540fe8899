"""A Discourse forum: posts as its serializers write them, the lists of its latest posts as its versions page them."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import escape
from typing import Any, Literal

from tests.connectors.network import RETRY_AFTER, Network, Request, Written, answer

PAGE = 50
GENERATIONS = ("newest", "inclusive", "window")
Generation = Literal["newest", "inclusive", "window"]
"""How ``before`` is understood: fifty below it; fifty up to it; those of the fifty numbers up to it."""


@dataclass
class DiscourseNetwork(Network):
    """``acme`` and ``help`` are users; people ``zoe`` write for acme, and topics in the category 5 are for acme."""

    generation: Generation = "newest"
    raw: dict[int, dict[str, Any]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    """Those that were deleted; and those that are not for us to read."""
    private: set[int] = field(default_factory=set)
    _standing: dict[tuple[int, int], int] = field(default_factory=dict)
    """The number of the post at a place: its topic, and where in it."""
    _lengths: dict[int, int] = field(default_factory=dict)
    """Of topics."""

    is_streamed = False
    has_history = True

    @property
    def forum(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stanza(self, *accounts: str) -> dict[str, Any]:
        return {
            "type": "discourse",
            "accounts": [f"discourse:{name}@{self.forum}" for name in accounts],
            "forum": self.url,
            "user_api_key_env": "NETWORK_TOKEN",
            "requests_per_minute": 1_000_000,
            "poll_seconds": 0.05,
            "recheck_seconds": 0.1,
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        number, above = len(self.raw) + 1, self.raw.get(int(parent or 0))
        topic = above["topic_id"] if above else 1_000 + number
        place = self._lengths[topic] = self._lengths.get(topic, 0) + 1
        self._standing[topic, place] = number
        replies_to = above["post_number"] if above and above["post_number"] > 1 else None
        at = _iso(self.now())
        user, name = author.partition("@")[0], author.title()
        self.raw[number] = {
            "id": number,
            "name": name,
            "username": user,
            "avatar_template": "/letter_avatar_proxy/v4/letter/a/5f8ce5/{size}.png",
            "created_at": at,
            "cooked": _cooked(text, to),
            "post_number": place,
            "post_type": 1,
            "posts_count": place,
            "updated_at": at,
            "reply_count": 0,
            "reply_to_post_number": replies_to,
            "quote_count": 0,
            "incoming_link_count": 0,
            "reads": 1,
            "readers_count": 0,
            "score": 0.2,
            "yours": False,
            "topic_id": topic,
            "topic_slug": "a-topic",
            "topic_title": "A topic",
            "topic_html_title": "A topic",
            "category_id": 4,
            "display_username": name,
            "version": 1,
            "can_edit": False,
            "can_delete": False,
            "can_recover": False,
            "user_title": None,
            "raw": text,
            "actions_summary": [{"id": 2, "count": 3}],
            "moderator": False,
            "admin": False,
            "staff": False,
            "user_id": 1 + sum(map(ord, user)),
            "hidden": False,
            "trust_level": 1,
            "deleted_at": None,
            "user_deleted": False,
            "edit_reason": None,
            "can_view_edit_history": True,
            "wiki": False,
        }
        if above and replies_to:
            self.raw[number]["reply_to_user"] = {"username": above["username"], "avatar_template": "/a.png"}
            above["reply_count"] += 1
        concerns = self.concerns(author, to, parent)
        self.posts[str(number)] = Written(
            str(number), f"discourse:{self.forum}/p/{number}", author, text, concerns, parent
        )
        return self.posts[str(number)]

    def edit(self, key: str, text: str) -> None:
        written = self.raw[int(key)]
        cooked = written["cooked"].replace(escape(written["raw"]), escape(text))
        self.raw[int(key)] |= {"cooked": cooked, "raw": text, "version": 2, "updated_at": _iso(self.now())}
        self.posts[key] = replace(self.posts[key], text=text)

    def delete(self, key: str) -> None:
        self.gone.add(int(key))

    def malform(self) -> bytes:
        number = len(self.raw) + 1
        self.raw[number] = {"id": number, "topic_id": 7, "post_number": "first", "cooked": None, "username": None}
        return b'"post_number": "first"'

    def cut(self) -> None:
        """There is no stream."""

    def forget(self) -> None:
        """A forum keeps what is written."""

    # -- what it answers --------------------------------------------------------------------------------------------------

    def is_authorized(self, request: Request) -> bool:
        return self.token in (request.headers.get("user-api-key"), request.headers.get("api-key"))

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if fault := self.fault(request):
            status = fault[0].replace("401 Unauthorized", "403 Forbidden")
            await answer(
                writer, _json(_error(status)), status
            )  # how long to wait is in the body, as older versions have it
            return
        match request.path.strip("/").removesuffix(".json").split("/"):
            case ["posts"]:
                body = {"latest_posts": self._latest(int(request.one("before", "0")))}
                await answer(writer, json.dumps(body, ensure_ascii=self.escapes).encode())
            case ["posts", "by_number", topic, place]:
                await self._one(self.raw.get(self._standing.get((int(topic), int(place)), 0)), writer)
            case ["posts", number]:
                await self._one(self.raw.get(int(number)), writer)
            case ["session", "current"]:
                await answer(writer, b'{"current_user":{"id":1,"username":"Acme","name":"Acme"}}')
            case _:
                await answer(writer, _json(_error("404")), "404 Not Found")

    async def _one(self, raw: dict[str, Any] | None, writer: asyncio.StreamWriter) -> None:
        if raw is None or raw["id"] in self.gone:
            await answer(writer, _json(_error("404")), "404 Not Found")
        elif raw["id"] in self.private:
            await answer(writer, _json(_error("403")), "403 Forbidden")
        else:  # it has no title then
            one = {name: value for name, value in raw.items() if "title" not in name and name != "category_id"}
            await answer(writer, json.dumps(one, ensure_ascii=self.escapes).encode())

    def _latest(self, before: int) -> list[dict[str, Any]]:
        last = before - (self.generation == "newest") if before else len(self.raw)
        first = last - PAGE + 1 if self.generation == "window" else 1
        found = []
        for number in range(min(last, len(self.raw)), max(first, 1) - 1, -1):
            if number not in self.gone and number not in self.private:
                found.append(self.raw[number])
            if len(found) == PAGE:
                break
        return found


def _cooked(text: str, to: tuple[str, ...]) -> str:
    """Return HTML as Discourse makes it. The first is quoted as well, which names nobody."""
    names = "".join(f'<a class="mention" href="/u/{name}">@{name}</a> ' for name in to)
    quote = (
        '<aside class="quote no-group" data-username="help" data-post="1" data-topic="3"><div class="title">help:</div>'
        '<blockquote><p><a class="mention" href="/u/help">@help</a> quoted</p></blockquote></aside>'
    )
    return f"{quote}<p>{names}{escape(text)}</p>"


def _error(status: str) -> dict[str, Any]:
    match status[:3]:
        case "429":
            return {
                "errors": ["You've performed this action too many times, please try again later."],
                "error_type": "rate_limit",
                "extras": {"wait_seconds": RETRY_AFTER, "time_left": f"{RETRY_AFTER} second"},
            }
        case "404":
            return {"errors": ["The requested URL or resource could not be found."], "error_type": "not_found"}
        case _:
            return {"errors": ["You are not permitted to view the requested resource."], "error_type": "invalid_access"}


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


NETWORKS = {"discourse": DiscourseNetwork}
