"""Meta's Graph API for pages, Instagram and Threads: their fields, their pages, their errors, and what each lets nobody see."""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from tests.connectors.network import OURS, RETRY_AFTER, Network, Request, Told, Written, answer

INLINE = re.compile(r"comments\.filter\(stream\)\.order\(reverse_chronological\)\.limit\((\d+)\)")


@dataclass
class Thing:
    """A post, a medium, a thread, a comment or a reply."""

    id: str
    author: str
    text: str
    at: int
    root: "Thing | None" = None
    parent: "Thing | None" = None
    """Of a comment that answers another."""
    tags: tuple[str, ...] = ()
    wrong: bool = False
    below: list["Thing"] = field(default_factory=list)
    """Of a post: all that stands below it, oldest first."""
    answers: list["Thing"] = field(default_factory=list)
    """To a comment, oldest first."""


@dataclass
class MetaNetwork(Network):
    """One of the three. Below the first post of each account stands what people say to it."""

    kind: str = "facebook"
    things: dict[str, Thing] = field(default_factory=dict)
    """By key."""
    gone: set[str] = field(default_factory=set)
    """Ids of what was deleted."""
    _numbers: Any = field(default_factory=lambda: count(9_000_001))
    _posts: dict[str, list[Thing]] = field(default_factory=dict)
    """Of each account, oldest first."""
    _tagged: dict[str, list[Thing]] = field(default_factory=dict)
    _replies: dict[str, list[Thing]] = field(default_factory=dict)

    is_streamed = False
    has_history = True

    def __post_init__(self) -> None:
        self.shows_edits = self.kind != "instagram"  # where nobody can edit a comment
        for name in OURS:
            self._posts[name], self._tagged[name], self._replies[name] = [], [], []
            self._post(Thing(self._next(name), name, "Welcome", self.now() - 12 * 86_400_000))

    def stanza(self, *accounts: str) -> dict[str, Any]:
        return {
            "type": "meta",
            "accounts": [f"{self.kind}:{number_of(name)}" for name in accounts],
            "token_env": "NETWORK_TOKEN",
            "app_secret_env": "NETWORK_TOKEN",
            "days": 30,
            "poll_seconds": 0.1,
            "requests_per_hour": 10_000_000,
            "address": f"{self.url}/v25.0",
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        above = self.things[parent] if parent else None
        if above is None and author not in OURS and len(to) == 1:
            above = self._posts[to[0]][0]
        if above is None:
            thing = Thing(self._next(author), author, text, self.now(), tags=to if author not in OURS else ())
            self._post(thing)
        else:
            thing = self._comment(above, author, text)
        key = f"{self.kind}:{thing.id}"
        root = f"{self.kind}:{thing.root.id}" if thing.root else ""
        self.things[key] = thing
        self.posts[key] = Written(key, key, author, text, self._concerned(thing), parent, root)
        return self.posts[key]

    def _post(self, thing: Thing) -> None:
        self._posts.setdefault(thing.author, []).append(thing)
        for name in thing.tags:
            self._tagged[name].append(thing)

    def _comment(self, above: Thing, author: str, text: str) -> Thing:
        root = above.root or above
        parent: Thing | None = above
        if self.kind != "threads":  # an answer to an answer stands beside it
            parent = (above.parent or above) if above.root else None
        prefix = root.id.rpartition("_")[2]
        thing = Thing(self._next(prefix, below=True), author, text, self.now(), root, parent)
        root.below.append(thing)
        if parent is not None:
            parent.answers.append(thing)
        if author in OURS:
            self._replies[author].append(thing)
        return thing

    def _concerned(self, thing: Thing) -> dict[str, str]:
        author = f"{self.kind}:{number_of(thing.author)}"
        if thing.root is None:
            ours = {author: "broadcast"} if thing.author in OURS else {}
            return ours | {f"{self.kind}:{number_of(name)}": "mention" for name in thing.tags}
        found = {}
        if thing.root.author in OURS and thing.root.author != thing.author:
            found[f"{self.kind}:{number_of(thing.root.author)}"] = "mention"
        if thing.author in OURS and (thing.root.author in OURS or self.kind == "threads"):
            is_first = thing.parent in (None, thing.root) and thing.root.author == thing.author
            found[author] = "broadcast" if is_first else "reply"
        return found

    def told(self, post: Written) -> Told:
        thing, author = self.things[post.key], post.author
        if (
            thing.root is None and author not in OURS
        ):  # whose it is, a page is not told; on Instagram it is called otherwise
            author = {"facebook": post.id, "instagram": f"@{author}"}.get(self.kind, author)
        above = thing.parent or thing.root
        return Told(
            author,
            self.contact(post) if author in OURS else author,
            f"{self.kind}:{(thing.root or thing).id}",
            f"{self.kind}:{above.id}" if above else "",
        )

    def contact(self, post: Written) -> str:
        above = self.things[post.key].parent
        while above is not None and above.author == post.author:
            above = above.parent
        if above is None or (
            self.kind == "threads" and not self._concerned(above)
        ):  # of which it is told no more than the id
            return ""
        return above.author

    def edit(self, key: str, text: str) -> None:
        self.things[key].text = text
        self.posts[key] = replace(self.posts[key], text=text)

    def delete(self, key: str) -> None:
        if thing := self.things.get(key):
            below = () if self.kind == "threads" else thing.below  # there these are others' own
            self.gone |= {thing.id, *(it.id for it in below)}
            lists = (self._posts, self._tagged, self._replies)
            for things in (it for names in lists for it in names.values()):
                things[:] = [it for it in things if it is not thing]
            if thing.root:
                thing.root.below.remove(thing)

    def malform(self) -> bytes:
        root = self._posts["acme"][0]
        root.below.append(Thing(self._next("1", below=True), "ann", "", self.now(), root, wrong=True))
        return b'"id"'

    def cut(self) -> None:
        """Do nothing: there is no stream."""

    def forget(self) -> None:
        """Meta keeps what is said: there is no cursor that is too old."""

    def _next(self, author: str, *, below: bool = False) -> str:
        number = str(next(self._numbers))
        if self.kind != "facebook":
            return number
        return f"{author if below else number_of(author)}_{number}"

    # -- what it shows ----------------------------------------------------------------------------------------------------

    def shown(self, thing: Thing, fields: str, *, is_page: bool = True) -> dict[str, Any]:
        """Return a thing as its network shows it. ``is_page``: to the page's own token."""
        at = datetime.fromtimestamp(thing.at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
        if thing.wrong:
            return {"id": thing.id, "created_time" if self.kind == "facebook" else "timestamp": at, "like_count": 0}
        match self.kind:
            case "facebook":
                person = {"id": number_of(thing.author), "name": thing.author}
                above = thing.parent
                parent = (
                    {"id": above.id, "from": {"id": number_of(above.author), "name": above.author}} if above else None
                )
                return {
                    "id": thing.id,
                    "message": thing.text,
                    "created_time": at,
                    "permalink_url": f"https://www.facebook.com/{thing.id}",
                    # of a person's post it does not say whose it is
                    **({"from": person} if is_page and (thing.root or thing.author in OURS) else {}),
                    **({"parent": parent} if parent else {}),
                    **({"like_count": 0, "comment_count": 0} if thing.root else {}),
                    **self._inline(thing, fields),
                }
            case "instagram":
                if thing.root is None:
                    some = {"caption": thing.text, "comments_count": len(thing.below), "username": thing.author}
                    return {
                        "id": thing.id,
                        "timestamp": at,
                        "permalink": f"https://www.instagram.com/p/{thing.id}",
                        **some,
                    }
                person = {"id": number_of(thing.author), "username": thing.author}
                some = {"text": thing.text, "from": person, "username": thing.author, "like_count": 0}
                parent_id = {"parent_id": thing.parent.id} if thing.parent else {}
                return {"id": thing.id, "timestamp": at, **some, **parent_id, **self._inline(thing, fields)}
        said = {"text": thing.text, "username": thing.author, "permalink": f"https://www.threads.net/t/{thing.id}"}
        refers = {}
        if thing.root and thing.parent:
            refers = {"replied_to": {"id": thing.parent.id}, "root_post": {"id": thing.root.id}}
        return {
            "id": thing.id,
            "timestamp": at,
            **said,
            "has_replies": bool(thing.below),
            "is_reply": bool(refers),
            **refers,
        }

    def _inline(self, thing: Thing, fields: str) -> dict[str, Any]:
        """Return the comments that are asked for with it."""
        if thing.root is None and (found := INLINE.search(fields)) and thing.below:
            return {"comments": self._listed(thing.below[::-1], int(found[1]), "", "")}
        answers = thing.answers if thing.root and "replies." in fields else []
        return {"replies": self._listed(answers, 50, "", "")} if answers else {}

    def _listed(
        self, things: list[Thing], limit: int, after: str, fields: str, *, is_page: bool = True
    ) -> dict[str, Any]:
        first = next((n + 1 for n, it in enumerate(things) if it.id == after), 0)
        page = things[first : first + limit]
        found: dict[str, Any] = {"data": [self.shown(it, fields, is_page=is_page) for it in page]}
        if page:
            found["paging"] = {"cursors": {"before": page[0].id, "after": page[-1].id}}
            if len(things) > first + limit:
                found["paging"]["next"] = f"{self.url}/v25.0/next?access_token={self.token}&after={page[-1].id}"
        return found

    # -- what it answers --------------------------------------------------------------------------------------------------

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        status, found, headers = "200 OK", self._wrong(request), {}
        if found:
            status, error = found
            if error["code"] == 4:
                # whole minutes with the real one, which is too long here
                regain = {"type": "pages", "call_count": 100, "estimated_time_to_regain_access": RETRY_AFTER / 60}
                headers = {
                    "X-Business-Use-Case-Usage": json.dumps({"1": [{**regain, "total_time": 9, "total_cputime": 9}]})
                }
            body: object = {"error": {"type": "OAuthException", "fbtrace_id": "AbC", **error}}
        else:
            headers = {"X-App-Usage": json.dumps({"call_count": 28, "total_time": 25, "total_cputime": 25})}
            body = self._found(request)
            if body is None:
                gone = "Unsupported get request. Object with ID does not exist"
                status, body = "400 Bad Request", {"error": {"message": gone, "code": 100, "error_subcode": 33}}
        await answer(writer, json.dumps(body, ensure_ascii=self.escapes).encode(), status, headers)

    def _wrong(self, request: Request) -> tuple[str, dict[str, Any]] | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        proof = hmac.new(self.token.encode(), token.encode(), hashlib.sha256).hexdigest()
        tokens = {self.token, *(f"{self.token}-{number_of(name)}" for name in OURS)}
        if self.mood.refusing or token not in tokens:
            why = "Error validating access token: Session has expired"
            return "400 Bad Request", {"message": why, "code": 190, "error_subcode": 463}
        if request.one("appsecret_proof") != proof:
            return "400 Bad Request", {"message": "Invalid appsecret_proof provided in the API argument", "code": 100}
        if self.mood.busy:
            self.mood.busy -= 1
            return "400 Bad Request", {
                "message": "(#4) Application request limit reached",
                "code": 4,
                "is_transient": True,
            }
        if self.mood.failing:
            self.mood.failing -= 1
            return "503 Service Unavailable", {
                "message": "Service temporarily unavailable",
                "code": 2,
                "is_transient": True,
            }
        return None

    def _found(self, request: Request) -> object:
        parts = request.path.removeprefix("/v25.0/").split("/")
        names = {number_of(name): name for name in OURS}
        if len(parts) == 1 and parts[0] in names:
            name = names[parts[0]]
            shown = {"name": name, "username": name, "access_token": f"{self.token}-{parts[0]}", "id": parts[0]}
            return {it: shown[it] for it in ["id", *request.one("fields").split(",")]}
        if len(parts) == 1:
            is_there = f"{self.kind}:{parts[0]}" in self.things and parts[0] not in self.gone
            return {"id": parts[0]} if is_there else None
        things = self._things(request, names.get(parts[0], ""), *parts) if len(parts) > 1 else None
        if things is None:
            return None
        since = int(request.one("since", "0")) * 1000
        until = int(request.one("until", "9999999999")) * 1000
        newest_first = [it for it in things if since <= it.at < until]
        is_page = request.headers["authorization"] != f"Bearer {self.token}"
        fields, limit = request.one("fields"), int(request.one("limit", "25"))
        return self._listed(newest_first, limit, request.one("after"), fields, is_page=is_page)

    def _things(self, request: Request, name: str, number: str, edge: str) -> list[Thing] | None:
        """Return what a list has, newest first."""
        if name:
            lists = {"replies": self._replies, **dict.fromkeys(("feed", "media", "threads"), self._posts)}
            lists |= dict.fromkeys(("tagged", "tags", "mentions"), self._tagged)
            return lists[edge][name][::-1]
        if edge == "replies":
            return self.things[f"{self.kind}:{number}"].answers
        if self.kind == "facebook":
            assert (request.one("filter"), request.one("order")) == ("stream", "reverse_chronological")
        if self.kind == "threads":
            assert request.one("reverse") == "true"
        below = self._below(number)
        return below and [it for it in below if self.kind != "instagram" or it.parent is None]

    def _below(self, number: str) -> list[Thing] | None:
        """Return what stands below a post of one of ours: of others it is not shown."""
        posts = [it for name in OURS for it in self._posts[name] if it.id == number]
        return posts[0].below[::-1] if posts else None

    def _all_below(self) -> Iterator[Thing]:
        for name in OURS:
            for post in self._posts[name]:
                yield from post.below

    # -- what it pushes ---------------------------------------------------------------------------------------------------

    def pushed(self) -> Iterator[bytes]:
        """Yield what Meta would push of all that is below the accounts' posts."""
        for thing in self._all_below():
            if not thing.wrong:
                yield json.dumps(self.pushed_of(thing)).encode()

    def pushed_of(self, thing: Thing) -> dict[str, Any]:
        root = thing.root
        assert root
        shown, own, at = self.shown(thing, ""), number_of(root.author), thing.at // 1000
        match self.kind:
            case "facebook":
                value = {
                    "from": shown["from"],
                    "item": "comment",
                    "verb": "add",
                    "comment_id": thing.id,
                    "post_id": root.id,
                }
                value |= {"parent_id": (thing.parent or root).id, "created_time": at, "message": thing.text}
                return {
                    "object": "page",
                    "entry": [{"id": own, "time": at, "changes": [{"field": "feed", "value": value}]}],
                }
            case "instagram":
                value = {name: shown[name] for name in ("id", "text", "from", "parent_id") if name in shown}
                change = {"field": "comments", "value": {**value, "media": {"id": root.id}}}
                return {"object": "instagram", "entry": [{"id": own, "time": at, "changes": [change]}]}
        value = {name: shown[name] for name in ("id", "text", "username", "permalink", "timestamp", "replied_to")}
        value["root_post"] = {"id": root.id, "owner_id": own, "username": root.author}
        return {"app_id": "1", "topic": "moderate", "time": at, "values": {"field": "replies", "value": value}}


def number_of(name: str) -> str:
    """Return the id of somebody, which never changes."""
    return str(1_000 + sum(ord(letter) * 31**n for n, letter in enumerate(name)) % 10**12)


NETWORKS = {
    "facebook": MetaNetwork,
    "instagram": lambda: MetaNetwork(kind="instagram"),
    "threads": lambda: MetaNetwork(kind="threads"),
}
