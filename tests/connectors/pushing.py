"""Networks that push to `rapport listen`: what each sends, and a sender that sends again what was not answered with 2xx."""

import asyncio
import base64
import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

from sinks.dashboard.access import new_token
from streams import signatures
from tests.brands_file import written
from tests.connectors.collector import Collector, Interaction
from tests.connectors.meta_network import MetaNetwork, Thing, number_of
from tests.connectors.network import OURS, Network, Written
from tests.connectors.reviews_network import TrustpilotNetwork
from tests.connectors.telegram_network import STAFF, TelegramNetwork
from tests.connectors.x_network import XNetwork
from tests.processes import kept_port

SENDERS = 4
"""Connections. What is told of one post goes over one of them, in order."""
BATCH = 50
"""Records in a body, one a line: one by one they would take hours, for the listener takes 100 requests a second."""
AGAIN_SECONDS = 0.1
ANSWER_SECONDS = 10.0
SECRET = "0123456789abcdef0123456789abcdef"
WHSEC = f"whsec_{base64.b64encode(SECRET.encode()).decode()}"


@dataclass
class Pushing(Network):
    """What is said is sent. Of earlier posts the listener knows nothing, so nobody here answers an answer of their own."""

    listens_at: int = field(default_factory=kept_port)
    wrong: list[str] = field(default_factory=list)
    """What was wrong with answers."""
    _outgoing: list[list[bytes]] = field(default_factory=lambda: [[] for _ in range(SENDERS)])

    retells_changes = True
    path: ClassVar[str] = "/v1/webhooks/network"
    companion: ClassVar[str] = ""
    """What runs beside the listener, and is not killed."""

    def lets(self, author: str, to: Collection[str] = (), parent: str = "") -> bool:
        is_own = bool(parent) and author in OURS and self.posts[parent].author == author
        return not is_own and super().lets(author, to, parent)

    def concerns(self, author: str, to: Collection[str], parent: str) -> dict[str, str]:
        found = super().concerns(author, to, parent)
        return {account: kind for account, kind in found.items() if kind != "peer"}

    def file(self, name: str, directory: Path) -> str:
        """Return the rapport.toml with it; its secrets are put into ``directory``."""
        secret = directory / "secret"
        secret.write_text(WHSEC if self.kind_of_hook == "webhook" else SECRET)
        return written({f"connectors.{name}": {"type": self.kind_of_hook, **self.hook(str(secret))}})

    # what each has of its own

    kind_of_hook: ClassVar[str] = ""

    def hook(self, secret: str) -> dict[str, Any]:
        """Return its table, without the type; ``secret``: a file that has it."""
        raise NotImplementedError

    def headers(self, body: bytes) -> Mapping[str, str]:
        """Return what shows that a body is from here."""
        raise NotImplementedError

    def body(self, records: Sequence[bytes]) -> tuple[bytes, Mapping[str, str]]:
        """Return what is sent of records, and its headers."""
        body = b"\n".join(records)
        return body, self.headers(body)

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for what is pushed."""
        return True

    def delivered(self, records: Sequence[bytes], answer: bytes) -> None:
        """Note what a delivery was answered with, which was taken."""

    # what is the same for all

    def push(self, key: str, record: bytes) -> None:
        """Send what is told of the post with this key."""
        self._outgoing[crc32(key.encode()) % SENDERS].append(record)

    @property
    def has_sent(self) -> bool:
        """Whether all was answered with 2xx."""
        return not any(self._outgoing)

    def senders(self) -> Sequence["asyncio.Task[None]"]:
        """Return what sends, until it is cancelled."""
        return [asyncio.create_task(self._send(outgoing)) for outgoing in self._outgoing]

    async def _send(self, outgoing: list[bytes]) -> None:
        """Send for ever, over one connection after the other."""
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.listens_at)
                try:
                    await self._send_over(outgoing, reader, writer)
                finally:
                    writer.transport.abort()
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                await asyncio.sleep(AGAIN_SECONDS)

    async def _send_over(
        self, outgoing: list[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            if not outgoing:
                await asyncio.sleep(0.01)
                continue
            records = outgoing[:BATCH]
            body, headers = self.body(records)
            async with asyncio.timeout(ANSWER_SECONDS):
                status, said = await self._deliver(body, headers, reader, writer)
            if status in (429, 503):
                await asyncio.sleep(AGAIN_SECONDS)
            elif 200 <= status < 300:
                self.delivered(records, said)
                del outgoing[: len(records)]
            else:
                raise RuntimeError(f"it was answered with {status}")

    async def _deliver(
        self, body: bytes, headers: Mapping[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, bytes]:
        said = {"Host": f"127.0.0.1:{self.listens_at}", "Content-Length": str(len(body)), **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        writer.write(f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        sizes = [int(line.partition(":")[2]) for line in head if line.startswith("content-length:")]
        return int(head[0].split()[1]), await reader.readexactly(sizes[0])


@dataclass
class HttpNetwork(Pushing, Collector):
    """A collector that posts to the API, under a token."""

    token_and_hash: tuple[str, str] = field(default_factory=new_token)
    path = "/v1/interactions"

    def stanza(self, *accounts: str) -> dict[str, Any]:
        return {"accounts": [f"desk:{name}" for name in accounts]}

    def file(self, name: str, directory: Path) -> str:  # noqa: ARG002 - the hash is no secret
        return written({"[tokens]": {"name": name, "role": "sender", "sha256": self.token_and_hash[1]}})

    def headers(self, body: bytes) -> Mapping[str, str]:  # noqa: ARG002
        return {"Authorization": f"Bearer {self.token_and_hash[0]}"}

    # a collector knows of earlier posts

    def lets(self, author: str, to: Collection[str] = (), parent: str = "") -> bool:
        return Network.lets(self, author, to, parent)

    def concerns(self, author: str, to: Collection[str], parent: str) -> dict[str, str]:
        return Network.concerns(self, author, to, parent)

    def write(self, records: Sequence[Interaction]) -> None:
        for it in records:
            self.push(it["id"], json.dumps(it).encode())


@dataclass
class WebhookNetwork(HttpNetwork):
    """The same, signed by Standard Webhooks."""

    kind_of_hook = "webhook"
    path = Pushing.path

    def file(self, name: str, directory: Path) -> str:
        return Pushing.file(self, name, directory)

    def hook(self, secret: str) -> dict[str, Any]:
        return {"secret_file": secret, "accounts": ["desk:*"]}

    def headers(self, body: bytes) -> Mapping[str, str]:
        name, at = f"msg_{crc32(body)}", str(int(time.time()))
        signature = signatures.standard_webhook(WHSEC, name, at, body)
        return {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": signature}


@dataclass
class PushingTelegram(Pushing, TelegramNetwork):
    """What it sees is pushed, an update a line."""

    kind_of_hook = "telegram-webhook"

    def hook(self, secret: str) -> dict[str, Any]:
        return {"secret_token_file": secret, "accounts": self.stanza(*OURS)["accounts"], "staff": [STAFF]}

    def headers(self, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - it signs nothing
        return {"X-Telegram-Bot-Api-Secret-Token": SECRET}

    def happen(self, **update: object) -> None:
        super().happen(**update)
        told = self.updates.pop()
        message = told.get("message") or told.get("edited_message") or {}
        self.push(str(message.get("message_id")), json.dumps(told).encode())


@dataclass
class PushingX(Pushing, XNetwork):
    """The Activity API by its webhook."""

    kind_of_hook = "x-webhook"

    def __post_init__(self) -> None:
        super().__post_init__()
        for kind in ("post.create", "post.mention.create", "post.reply.create", "post.quote.create", "post.delete"):
            for account in self.stanza(*OURS)["accounts"]:
                user, number = account.partition(":")[2], str(len(self.subscriptions))
                self.subscriptions[number] = {"event_type": kind, "filter": {"user_id": user}}

    def hook(self, secret: str) -> dict[str, Any]:
        return {"consumer_secret_file": secret, "accounts": self.stanza(*OURS)["accounts"]}

    def headers(self, body: bytes) -> Mapping[str, str]:
        return {"x-twitter-webhooks-signature": signatures.x(SECRET, body)}

    def write(self, way: str, line: bytes) -> None:
        if way == "activity":
            post = json.loads(line)["data"]["payload"]
            self.push(post.get("edit_history_tweet_ids", [post["id"]])[0], line)


@dataclass
class PushingMeta(Pushing, MetaNetwork):
    """What people and the account itself say below its posts. Whom it answers there is not told."""

    kind_of_hook = "meta-webhook"
    tells_deletions_of = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.shows_edits = False  # what is pushed of them is not documented

    def hook(self, secret: str) -> dict[str, Any]:
        accounts = self.stanza(*OURS)["accounts"]
        return {"app_secret_file": secret, "verify_token_file": secret, "accounts": accounts}

    def headers(self, body: bytes) -> Mapping[str, str]:
        return {"X-Hub-Signature-256": signatures.meta(SECRET, body)}

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        said = super().say(author, text, to, parent)
        thing = self.things[said.key]
        if thing.root and thing.root.author in OURS:
            self.push(said.key, json.dumps(self.pushed_of(thing)).encode())
        return said

    def contact(self, post: Written) -> str:  # noqa: ARG002
        return ""

    def _concerned(self, thing: Thing) -> dict[str, str]:
        root = thing.root
        if root is None or root.author not in OURS:
            return {}
        kind = "mention"
        if thing.author == root.author:
            kind = "broadcast" if thing.parent in (None, root) else "reply"
        return {f"{self.kind}:{number_of(root.author)}": kind}


@dataclass
class PushingTrustpilot(Pushing, TrustpilotNetwork):
    """Reviews of one business unit: new ones, edits, and those that are deleted. What the business replies is not pushed."""

    kind_of_hook = "trustpilot-webhook"
    path = f"{Pushing.path}?secret={SECRET}"
    tells_deletions_of = "ann"
    asks_by_our_clock = False

    def hook(self, secret: str) -> dict[str, Any]:
        return {"secret_file": secret, "accounts": self.stanza(OURS[0])["accounts"]}

    def headers(self, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - its address is the secret
        return {}

    def lets(self, author: str, to: Collection[str] = (), parent: str = "") -> bool:
        return author not in OURS and not parent and tuple(to) in ((), OURS[:1])

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        said = super().say(author, text, to, parent)
        if said.concerns:
            self._tell("created", said.key)
        return said

    def edit(self, key: str, text: str) -> None:
        super().edit(key, text)
        self._tell("updated", key)

    def delete(self, key: str) -> None:
        self._tell("deleted", key)

    def _tell(self, what: str, key: str) -> None:
        event = {"eventName": f"service-review-{what}", "version": "1", "eventData": self._by_key[key][1]}
        self.push(key, json.dumps({"events": [event]}).encode())


PUSHED = {
    "http": HttpNetwork,
    "webhook": WebhookNetwork,
    "facebook-webhook": PushingMeta,
    "instagram-webhook": lambda: PushingMeta(kind="instagram"),
    "threads-webhook": lambda: PushingMeta(kind="threads"),
    "telegram-webhook": PushingTelegram,
    "trustpilot-webhook": PushingTrustpilot,
    "x-webhook": PushingX,
}
