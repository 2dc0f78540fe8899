"""The blogs of :mod:`tests.connectors.feed_network` with a hub, which pushes what is new in a feed to whoever has subscribed to it.

W3C WebSub (https://www.w3.org/TR/websub/): it verifies intent (``hub.challenge``), gives a lease, and pushes what has changed of a
feed, signed (``X-Hub-Signature``), again and again until it is answered with 2xx.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs
from uuid import uuid4

import httpx

from tests.brands_file import written
from tests.connectors.feed_network import FeedNetwork
from tests.connectors.network import OURS, Network, Request, Written, answer
from tests.connectors.pushing import AGAIN_SECONDS, SECRET, Pushing

LEASE_SECONDS = 5 * 86_400
"""At most, whatever is asked for."""
VERIFICATIONS = 100
POLL_SECONDS = 1.0
"""The connector asks so seldom that most of it is pushed before."""


class Subscription(NamedTuple):
    """What was asked for, and verified."""

    secret: bytes
    until: float


@dataclass
class HubNetwork(Pushing, FeedNetwork):
    """The connector subscribes, and asks now and then; the listener is told at once what it can place without having asked."""

    companion = "connectors run"
    retells_changes = FeedNetwork.retells_changes
    asks_by_our_clock = True  # what was published more than an hour ago is not taken from a hub
    lets = Network.lets
    concerns = Network.concerns
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    """By feed."""
    _unread: Counter[str] = field(default_factory=Counter)
    """So much has changed in each feed since it was asked for."""
    _verifying: set["asyncio.Task[None]"] = field(default_factory=set)

    def file(self, name: str, directory: Path) -> str:
        self.hub, secret = f"{self.url}/hub", directory / "secret"
        secret.write_text(SECRET)
        callback = {"callback": f"http://127.0.0.1:{self.listens_at}{self.path}", "secret_file": str(secret)}
        table = {**self.stanza(*OURS), **callback, "poll_seconds": POLL_SECONDS}
        self._outgoing = [[] for _ in table["feeds"]]
        return written({f"connectors.{name}": table})

    @property
    def topics(self) -> list[str]:
        """The feeds that somebody may subscribe to."""
        return [it["address"] for it in self.stanza(*OURS)["feeds"]]

    @property
    def is_awaited(self) -> bool:
        return self.subscriptions.keys() == set(self.topics)

    @property
    def unread(self) -> int:
        return max(self._unread.values(), default=0)

    # -- subscriptions ----------------------------------------------------------------------------------------------------

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path != "/hub":
            if not request.query:
                self._unread.pop(f"{self.url}{request.path}", None)
            await super().serve(request, writer)
            return
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        is_right = form["hub.mode"] == "subscribe" and form["hub.topic"] in self.topics
        is_right = is_right and len(form["hub.secret"]) < 200 and int(form["hub.lease_seconds"]) > 0
        if is_right:
            task = asyncio.create_task(self._verify(form))
            self._verifying.add(task)
            task.add_done_callback(self._verifying.discard)
        await answer(writer, b"", "202 Accepted" if is_right else "400 Bad Request")

    async def _verify(self, form: Mapping[str, str]) -> None:
        """Ask whoever is to be called whether that is what they want."""
        topic, challenge = form["hub.topic"], uuid4().hex
        lease = min(int(form["hub.lease_seconds"]), LEASE_SECONDS)
        asked = {
            "hub.mode": "subscribe",
            "hub.topic": topic,
            "hub.challenge": challenge,
            "hub.lease_seconds": str(lease),
        }
        async with httpx.AsyncClient() as client:
            for _ in range(VERIFICATIONS):
                try:
                    said = await client.get(form["hub.callback"], params=asked)
                except httpx.HTTPError:
                    await asyncio.sleep(AGAIN_SECONDS)
                    continue
                if said.is_success and said.text == challenge:
                    self.subscriptions[topic] = Subscription(form["hub.secret"].encode(), time.monotonic() + lease)
                return

    # -- what is pushed ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        said = super().say(author, text, to, parent)
        self._changed(said.key)
        return said

    def edit(self, key: str, text: str) -> None:
        super().edit(key, text)
        self._changed(key)

    def _changed(self, key: str) -> None:
        path = "/comments/feed/atom/" if "#" in key else "/feed/"
        topic, topics = f"{self.url}/{self.blogs[key]}{path}", self.topics
        if topic in topics:
            self._unread[topic] += 1
        if topic in self.subscriptions and time.monotonic() < self.subscriptions[topic].until:
            self._outgoing[topics.index(topic)].append(f"{topic} {key}".encode())

    def body(self, records: Sequence[bytes]) -> tuple[bytes, Mapping[str, str]]:
        topic, keys = records[0].decode().partition(" ")[0], _keys(records)
        is_posts = "/comments/" not in topic
        body = (self._posts if is_posts else self._comments)([*reversed(keys)], topic, "").encode()
        signature = hmac.new(self.subscriptions[topic].secret, body, hashlib.sha256).hexdigest()
        return body, {
            "Content-Type": f"application/{'rss' if is_posts else 'atom'}+xml; charset=UTF-8",
            "Link": f'<{self.hub}>; rel="hub", <{topic}>; rel="self"',
            "X-Hub-Signature": f"sha256={signature}",
        }

    def delivered(self, records: Sequence[bytes], answer: bytes) -> None:
        """Hold what was taken against what can be placed by what was pushed."""
        keys, taken = _keys(records), set(json.loads(answer)["taken"])
        wanted = {self.posts[it].id for it in keys if self._is_placed(it, keys)}
        self.wrong += [f"pushed, and not taken: {it}" for it in wanted - taken]
        self.wrong += [f"pushed, and taken too early: {it}" for it in taken - wanted]

    def _is_placed(self, key: str, there: Collection[str]) -> bool:
        post = self.posts[key]
        if "#" not in key:
            return True
        above = key
        while "#" in (above := self.posts[above].parent):
            if above not in there:
                return False
        if post.author in OURS:
            return "#" in post.parent and self.posts[post.parent].author != post.author
        return any(kind != "peer" for kind in post.concerns.values())


def _keys(records: Sequence[bytes]) -> list[str]:
    """Return the keys of what has changed, the oldest change first."""
    return [*dict.fromkeys(record.decode().partition(" ")[2] for record in records)]
