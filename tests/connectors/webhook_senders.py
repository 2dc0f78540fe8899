"""How X and Meta push to an address: what they ask it first, and how they sign what they say, as their documentation has it.

https://docs.x.com/x-api/webhooks/quickstart, https://developers.facebook.com/docs/graph-api/webhooks/getting-started. Nothing here
is shared with what believes them.
"""

import hashlib
import hmac
import json
import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import httpx

from tests.connectors.meta_network import MetaNetwork
from tests.connectors.x_network import XNetwork, number_of


class Sender(Protocol):
    """A network that pushes."""

    network: Any

    async def asks(self, client: httpx.AsyncClient, address: str) -> bool:
        """Say whether an address answers the challenge as it must."""

    async def push(self, client: httpx.AsyncClient, address: str, body: bytes, signed: bytes) -> int:
        """Post a body with the signature of ``signed``, which is the same but for tests; return the status of the answer."""

    def bodies(self) -> Iterator[bytes]:
        """Yield what it has to say."""

    def with_another_secret(self) -> Self:
        """Return somebody who would be it."""


@dataclass
class XSender:
    """X: both by the consumer secret, HMAC-SHA256 in base64."""

    network: XNetwork
    secret: str

    async def asks(self, client: httpx.AsyncClient, address: str) -> bool:
        token = str(uuid.uuid4())
        answer = await client.get(address, params={"crc_token": token, "nonce": uuid.uuid4().hex})
        if answer.status_code != 200:
            return False
        method, _, given = answer.json()["response_token"].partition("=")
        return method == "sha256" and b64decode(given) == self._digest(token.encode())

    async def push(self, client: httpx.AsyncClient, address: str, body: bytes, signed: bytes) -> int:
        signature = f"sha256={b64encode(self._digest(signed)).decode()}"
        headers = {"Content-Type": "application/json", "x-twitter-webhooks-signature": signature}
        return (await client.post(address, content=body, headers=headers)).status_code

    def bodies(self) -> Iterator[bytes]:
        yield from self.network.said

    def with_another_secret(self) -> "XSender":
        return replace(self, secret=self.secret[::-1])

    def subscribe(self, name: str) -> None:
        """Tell of an account from now on."""
        for kind in ("post.create", "post.mention.create", "post.reply.create", "post.delete", "follow.unfollow"):
            number = str(len(self.network.subscriptions))
            self.network.subscriptions[number] = {"event_type": kind, "filter": {"user_id": number_of(name)}}

    def _digest(self, text: bytes) -> bytes:
        return hmac.digest(self.secret.encode(), text, "sha256")


@dataclass
class MetaSender:
    """Meta: the challenge under a token that it was told, bodies by the app's secret, in hexadecimal; by SHA-1 too, as of old."""

    network: MetaNetwork
    secret: str
    verify_token: str

    async def asks(self, client: httpx.AsyncClient, address: str) -> bool:
        asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": self.verify_token}
        answer = await client.get(address, params=asked)
        return (answer.status_code, answer.text) == (200, "1158201444")

    async def push(self, client: httpx.AsyncClient, address: str, body: bytes, signed: bytes) -> int:
        made = {
            it: hmac.new(self.secret.encode(), signed, getattr(hashlib, it)).hexdigest() for it in ("sha1", "sha256")
        }
        headers = {"X-Hub-Signature": f"sha1={made['sha1']}", "X-Hub-Signature-256": f"sha256={made['sha256']}"}
        headers |= {"Content-Type": "application/json", "User-Agent": "facebookexternalua"}
        return (await client.post(address, content=body, headers=headers)).status_code

    def bodies(self) -> Iterator[bytes]:
        for body in self.network.pushed():
            # Meta's JSON is ASCII, "escaped, with lowercase hex digits": the signature is of these bytes
            assert body == json.dumps(json.loads(body)).encode()
            yield body

    def with_another_secret(self) -> "MetaSender":
        return replace(self, secret=self.secret[::-1], verify_token="guess")
