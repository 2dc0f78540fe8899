"""Servers that speak Mastodon's API and are not Mastodon: GoToSocial, Pleroma, and Akkoma, which grew out of Pleroma.

What differs is as their own documentation and sources have it (https://docs.gotosocial.org, https://docs.pleroma.social,
https://docs.akkoma.dev). None of them has server-sent events: what they answer there is HTTP 404. They have a WebSocket instead.
"""

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.connectors.mastodon_network import HOST, MastodonNetwork
from tests.connectors.network import Request, Written

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class GoToSocialNetwork(MastodonNetwork):
    """Ids are ULIDs (https://github.com/ulid/spec)."""

    version = "0.19.1+git-1a2b3c4"
    opens_sockets = True
    """Otherwise a proxy before it knows of none."""

    def is_stream(self, request: Request) -> bool:
        is_socket = self.opens_sockets and request.headers.get("upgrade", "").lower() == "websocket"
        return is_socket and request.path == "/api/v1/streaming" and request.query["stream"] == ["user"]

    async def stream(self, request: Request, writer: asyncio.StreamWriter) -> None:
        assert request.headers["sec-websocket-protocol"] == self.token
        messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.streams.append(messages)
        try:
            await self.pour_messages(request, writer, messages, lambda _, offered: offered[0])
        finally:
            self.streams.remove(messages)

    def framed(self, event: bytes) -> bytes:
        name, payload = (line.partition(": ")[2] for line in event.decode("utf-8", "surrogatepass").split("\n")[:2])
        message = {"stream": ["user"], "event": name, "payload": payload}
        return json.dumps(message, ensure_ascii=self.escapes).encode()

    def name_of_next(self, kind: str = "status") -> str:
        assert kind
        return _written(int(super().name_of_next()) << 64, _CROCKFORD, 26)


@dataclass
class PleromaNetwork(GoToSocialNetwork):
    """Ids of statuses are flakes, in letters of both cases, those of notifications are numbers of their own.

    This is an older one: it knows /api/v1/instance alone, whose ``uri`` is an address, and passes over ``types[]``, so that all
    notifications come: of somebody who follows, which is about no status, and of kinds that Mastodon has not.
    """

    version = "2.7.2 (compatible; Pleroma 2.4.2)"
    hides_version_2 = True
    _notification_numbers: Any = field(default_factory=lambda: count(999_000, 7))
    """They soon have a digit more."""

    def name_of_next(self, kind: str = "status") -> str:
        if kind == "notification":
            return str(next(self._notification_numbers))
        return _written(next(self._numbers) << 64, _BASE62, 18)

    def uri(self, author: str, number: str) -> str:
        return f"https://{HOST}/objects/{uuid.uuid5(uuid.NAMESPACE_URL, author + number)}"

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        written = super().say(author, text, to, parent)
        status = self.statuses[written.key]
        status["content"] = status["content"][3:-4].replace(' class="u-url', ' data-user="9x" rel="ugc" class="u-url')
        for name in ("edited_at", "filtered"):
            del status[name]
        status |= {"language": None, "pleroma": {"local": True, "conversation_id": 7, "content": {"text/plain": text}}}
        if author == "acme":
            self._remember(
                {
                    **self._notification("pleroma:emoji_reaction", "ann", status["created_at"]),
                    "emoji": "👍",
                    "status": status,
                }
            )
        elif written.concerns:
            self._remember(self._notification("follow", author, status["created_at"]))
        return written

    def _notification(self, kind: str, author: str, at: str) -> dict[str, Any]:
        account = {"id": "9x", "username": author, "acct": author, "display_name": author}
        number = self.name_of_next("notification")
        return {"id": number, "type": kind, "created_at": at, "account": account}

    def instance(self, path: str) -> dict[str, Any]:
        return super().instance(path) | {"uri": f"https://{HOST}"}

    def is_of_mentions(self, request: Request) -> bool:
        assert request
        return False


class AkkomaNetwork(PleromaNetwork):
    """It has /api/v2/instance, and keeps to ``types[]``."""

    version = "2.7.2 (compatible; Akkoma 3.15.2)"
    hides_version_2 = False

    def is_of_mentions(self, request: Request) -> bool:
        return request.query.get("types[]") == ["mention"]


def _written(number: int, digits: str, length: int) -> str:
    said = ""
    while number:
        number, digit = divmod(number, len(digits))
        said = digits[digit] + said
    return said.rjust(length, digits[0])


NETWORKS = {"gotosocial": GoToSocialNetwork, "pleroma": PleromaNetwork}
