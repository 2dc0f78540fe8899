"""A site of Stack Exchange: its API's wrapper, lists and errors, all of it compressed, as api.stackexchange.com/docs has them."""

import asyncio
import gzip
import json
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from tests.connectors.network import OURS, RETRY_AFTER, Network, Request, Written, answer

SITE = "stackoverflow.com"
Raw = dict[str, Any]


@dataclass
class StackExchangeNetwork(Network):
    """``acme`` and ``help`` are users and tags. What answers a question is an answer; what answers anything else, a comment."""

    raw: dict[str, Raw] = field(default_factory=dict)
    """Questions and answers by their numbers, comments by ``c`` and theirs."""
    backoff: int = 0
    """s; every answer says it."""
    quota: int = 10_000
    _kinds: dict[str, dict[str, Raw]] = field(default_factory=lambda: {"questions": {}, "answers": {}, "comments": {}})
    """The same, apart, by their numbers."""
    _below: dict[str, list[Raw]] = field(default_factory=dict)
    """Comments, by the number of what they are about."""

    is_streamed = False
    has_history = True
    tells_deletions_of = ""

    def stanza(self, *accounts: str) -> dict[str, Any]:
        full = {name: f"stackexchange:{name}@{SITE}" for name in accounts}
        return {
            "type": "stackexchange",
            "accounts": list(full.values()),
            "site": SITE,
            "key_env": "NETWORK_TOKEN",
            "people": {str(_user(name)["user_id"]): account for name, account in full.items()},
            "tags": full,
            "requests_per_day": 1_000_000_000,
            "poll_seconds": 0.05,
            "api": f"{self.url}/2.3",
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        at, above = self.now() // 1000, self.raw.get(parent)
        common = {
            "owner": _user(author),
            "score": -1,
            "creation_date": at,
            "content_license": "CC BY-SA 4.0",
            "body": f"<p>{escape(text)}</p>\n",
        }
        comments = len(self._kinds["comments"])
        posts = len(self._kinds["questions"]) + len(self._kinds["answers"])
        if above is None:
            key, path, parent = str(79_000_001 + posts), "q", ""
            kind = {"question_id": int(key), "tags": [*to, "python"], "title": "A title &amp; more", "answer_count": 0}
            common |= {"last_activity_date": at}
        elif "title" in above:
            key, path, to = str(79_000_001 + posts), "a", ()
            kind = {"answer_id": int(key), "question_id": above["question_id"], "is_accepted": False}
            common |= {"last_activity_date": at}
            above |= {"last_activity_date": at, "answer_count": above["answer_count"] + 1}
        else:
            key, path, to = f"c{139_000_001 + comments}", "posts/comments", ()
            below = above.get("answer_id") or above["post_id"]
            kind = {"comment_id": int(key[1:]), "post_id": below, "edited": False}
            writer, owner = above["owner"], self.raw[str(below)]["owner"]
            if "comment_id" in above and owner != writer != _user(author):
                kind["reply_to_user"] = writer  # not to which of their comments: it is taken for the last
                theirs = [it for it in self._below[str(below)] if it["owner"] == writer]
                parent = f"c{theirs[-1]['comment_id']}"
            else:  # who writes below their own post, or is whose post it is, is not named
                parent = str(below)
        self._keep(key, {**common, **kind})
        name = f"stackexchange:{SITE}/{path}/{key.removeprefix('c')}"
        self.posts[key] = Written(key, name, author, text, self.concerns(author, to, parent), parent)
        return self.posts[key]

    def _keep(self, key: str, raw: Raw) -> None:
        self.raw[key] = raw
        kind = "comments" if key.startswith("c") else "answers" if "answer_id" in raw else "questions"
        self._kinds[kind][key.removeprefix("c")] = raw
        if kind == "comments":
            self._below.setdefault(str(raw.get("post_id")), []).append(raw)

    def edit(self, key: str, text: str) -> None:
        at = self.now() // 1000
        self.raw[key] |= {"body": f"<p>{escape(text)}</p>", "last_edit_date": at, "last_activity_date": at}
        self.posts[key] = replace(self.posts[key], text=text)

    def malform(self) -> bytes:
        self._keep(f"c{len(self.raw)}x", {"comment_id": "first", "creation_date": self.now() // 1000})
        return b'"comment_id": "first"'

    def cut(self) -> None:
        """There is no stream."""

    def forget(self) -> None:
        """A site keeps what is written."""

    # -- what it answers --------------------------------------------------------------------------------------------------

    def is_authorized(self, request: Request) -> bool:
        return request.one("key") == self.token and request.one("site") == SITE

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if fault := self.fault(request):
            status, error = _error(fault[0])
            await self._answer(writer, error, status)
            return
        items, has_more = self._found(request)
        wrapper = {"items": items, "has_more": has_more, "quota_max": 10_000, "quota_remaining": self.quota}
        await self._answer(writer, wrapper | ({"backoff": self.backoff} if self.backoff else {}))

    async def _answer(self, writer: asyncio.StreamWriter, body: Raw, status: str = "200 OK") -> None:
        packed = gzip.compress(json.dumps(body, ensure_ascii=self.escapes).encode(), 1)
        await answer(writer, packed, status, {"Content-Encoding": "gzip"})

    def _found(self, request: Request) -> tuple[list[Raw], bool]:
        match request.path.removeprefix("/2.3/").split("/"):
            case ["info"]:
                return [{"total_questions": len(self.raw)}], False
            case ["posts"]:
                posts = [*self._kinds["questions"].values(), *self._kinds["answers"].values()]
                found = [{**it, "post_id": it.get("answer_id", it.get("question_id"))} for it in posts]
            case ["posts", numbers, "comments"]:
                found = [it for number in numbers.split(";") for it in self._below.get(number, ())]
            case [kind]:
                found = list(self._kinds[kind].values())
            case [kind, numbers]:
                wanted = numbers.split(";")
                assert len(wanted) <= 100
                found = [self._kinds[kind][it] for it in wanted if it in self._kinds[kind]]
        return _page(found, request)


def _page(found: list[Raw], request: Request) -> tuple[list[Raw], bool]:
    by = "last_activity_date" if request.one("sort") == "activity" else "creation_date"
    least, most = int(request.one("min", "0")), int(request.one("max", "9999999999"))
    ordered = sorted((it for it in found if least <= it[by] <= most), key=lambda it: it[by])
    if request.one("order", "desc") == "desc":
        ordered.reverse()
        if ordered:  # of one second, what was written last comes first
            ordered.sort(key=lambda it: -it[by])
    size, page = int(request.one("pagesize", "30")), int(request.one("page", "1"))
    assert size <= 100
    assert page <= 25, "more need a token"
    assert request.one("filter") == "withbody", "otherwise there is no text"
    return ordered[(page - 1) * size : page * size], len(ordered) > page * size


def _user(name: str) -> Raw:
    number = 101 + OURS.index(name) if name in OURS else 1_000 + sum(ord(it) * 31**n for n, it in enumerate(name))
    return {
        "account_id": number,
        "reputation": 1,
        "user_id": number,
        "user_type": "registered",
        "profile_image": "https://i.example/a.png",
        "display_name": name,
        "link": f"https://{SITE}/users/{number}/{name}",
    }


def _error(status: str) -> tuple[str, Raw]:
    """Return an error as the API has it: most have the status 400 and a number of their own."""
    number, name, said = {
        "401": (400, "bad_parameter", "`key` doesn't match a known application"),
        "429": (
            502,
            "throttle_violation",
            f"too many requests from this IP, more requests available in {RETRY_AFTER} seconds",
        ),
        "503": (503, "temporarily_unavailable", "try again later"),
    }[status[:3]]
    return "400 Bad Request", {"error_id": number, "error_name": name, "error_message": said}


NETWORKS = {"stackexchange": StackExchangeNetwork}
