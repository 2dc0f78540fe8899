"""librdkafka's broker in memory behind a front that asks who is there and can be unhelpful: by Kafka's protocol, frame by frame.

The front speaks what that broker does not: SASL/PLAIN (KIP-152). It has two ports, that which clients are given and that which
the broker names to them in its metadata.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from struct import pack, unpack_from
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.connectors.collector import Collector, Interaction
from tests.connectors.network import RETRY_AFTER

_LOGIN = {"security_protocol": "SASL_PLAINTEXT", "username": "rapport", "password_env": "NETWORK_TOKEN"}
TOPIC = "desk.events"
PARTITIONS = 4
KEPT = 5 << 20
"""What the broker keeps of a partition, bytes."""
SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
REFUSED = 58
"""SASL_AUTHENTICATION_FAILED."""


@dataclass
class KafkaNetwork(Collector):
    """A topic of another system's events, in JSON of its own, keyed by the post."""

    brokers: str = ""
    """Bootstrap servers of a real cluster, which is asked itself: nobody stands before it, and it forgets nothing."""
    topic: str = TOPIC
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _broker_port: int = 0
    _named_port: int = 0

    def __post_init__(self) -> None:
        self._producer: Producer | None = None

    def stanza(self, *accounts: str) -> dict[str, Any]:
        names = ("id", "kind", "author_id", "contact_id", "conversation_id", "parent_id", "published_at", "text")
        fields = {name: f"post.{name}" for name in (*names, "revision")} | {"account": "brand"}
        return {
            "type": "kafka",
            "accounts": [f"desk:{name}" for name in accounts],
            "topic": self.topic,
            **({"brokers": self.brokers} if self.brokers else {"brokers": f"127.0.0.1:{self.port}", **_LOGIN}),
            "heartbeat_seconds": 0.5 if not self.mood.busy else 3 * RETRY_AFTER,  # a quota holds a connection up
            "mapping": {"times": "milliseconds", "fields": fields, "kinds": _KINDS, "constants": {"network": "desk"}},
        }

    # -- what the other system writes -------------------------------------------------------------------------------------

    @property
    def broker(self) -> Producer:
        """The broker, which lives in its producer."""
        if self._producer is None and self.brokers:
            admin = AdminClient({"bootstrap.servers": self.brokers})
            admin.create_topics([NewTopic(self.topic, PARTITIONS)])[self.topic].result()
            self._producer = Producer({"bootstrap.servers": self.brokers, "enable.idempotence": True, "linger.ms": 5})
        elif self._producer is None:
            self._producer = Producer({"test.mock.num.brokers": 1, "log_level": 0, "linger.ms": 0})
            (member,) = self._producer.list_topics(self.topic).brokers.values()
            self._broker_port = member.port
        return self._producer

    def write(self, records: Sequence[Interaction]) -> None:
        for it in records:
            post = {**it, "kind": _CALLED[it["kind"]]}
            event = {"brand": post.pop("account").removeprefix("desk:"), "post": post}
            self._send(it["id"], json.dumps(event, ensure_ascii=self.escapes).encode())

    def _send(self, key: str, value: bytes) -> None:
        self.broker.produce(self.topic, value, key)
        if self.brokers:
            self.broker.poll(0)
        else:
            self.broker.flush()

    def malform(self) -> bytes:
        self._send("x", b'{"brand": "acme", "post": {"id": "x", "kin')
        self._send("x", b'{"brand": "acme", "post": {"id": "x", "kind": "asked"}}')
        return b'"brand"'

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def forget(self) -> None:
        """Write so much of what concerns nobody that the broker lets go of the rest."""
        it = {"id": "desk:0", "kind": "asked", "published_at": self.now(), "text": "x" * 200_000}
        event = json.dumps({"brand": "other", "post": it}).encode()
        for number in range(PARTITIONS):
            for _ in range(KEPT // len(event) + 2):
                self.broker.produce(self.topic, event, partition=number)
                self.broker.flush()

    # -- the front --------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Stand before the broker until the end."""
        assert self.broker
        if self.brokers:
            yield
            self.broker.flush()
            return
        given = await asyncio.start_server(self._given, "127.0.0.1", 0)
        named = await asyncio.start_server(self._front, "127.0.0.1", 0)
        self.port, self._named_port = (it.sockets[0].getsockname()[1] for it in (given, named))
        try:
            yield
        finally:
            given.close()
            named.close()
            self.cut()
            self._producer = None

    async def _given(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.streamed += 1
        await self._front(reader, writer)

    async def _front(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind = await asyncio.open_connection("127.0.0.1", self._broker_port)
        self._open.add(writer)
        self.connections += 1
        try:
            is_mute = False
            while True:
                request = await _frame(reader)
                self.requests.append((time.monotonic(), str(unpack_from(">h", request)[0])))
                answer = await self._answer(request, behind_reader, behind)
                is_mute = is_mute or self.mood.mute  # what a dead connection has swallowed does not come later
                if answer is None:
                    break
                if not is_mute:
                    writer.write(pack(">i", len(answer)) + answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.connections -= 1
            self._open.discard(writer)
            for it in (writer, behind):
                with suppress(RuntimeError):  # the loop may be at its end
                    it.transport.abort()

    async def _answer(self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """Return the answer to a request; None: the connection ends."""
        api, _, number = unpack_from(">hhi", request)
        mood = self.mood
        if mood.slow:
            await asyncio.sleep(mood.slow)
        if mood.failing:
            mood.failing -= 1
            return None
        if mood.busy:  # a quota: Kafka leaves the connection alone for so long
            mood.busy -= 1
            await asyncio.sleep(RETRY_AFTER)
        if api == SASL_HANDSHAKE:
            return pack(">ihih", number, 0, 1, 5) + b"PLAIN"
        if api == SASL_AUTHENTICATE:
            if mood.refusing or not request.endswith(b"\0rapport\0" + self.token.encode()):
                return pack(">ihh", number, REFUSED, 11) + b"who are you" + pack(">iq", -1, 0)
            return pack(">ihhiq", number, 0, -1, 0, 0)
        writer.write(pack(">i", len(request)) + request)
        answer = await _frame(reader)
        if api == API_VERSIONS:  # version 0: the array is the last of it
            count = unpack_from(">i", answer, 6)[0]
            extra = pack(">hhh", SASL_HANDSHAKE, 0, 1) + pack(">hhh", SASL_AUTHENTICATE, 0, 1)
            return answer[:6] + pack(">i", count + 2) + answer[10:] + extra
        host = b"127.0.0.1"
        return answer.replace(host + pack(">i", self._broker_port), host + pack(">i", self._named_port))


_KINDS = {"asked": "mention", "answered": "reply", "posted": "broadcast", "joined": "peer", "gone": "withdrawal"}
_CALLED = {ours: theirs for theirs, ours in _KINDS.items()}


async def _frame(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(unpack_from(">i", await reader.readexactly(4))[0])


NETWORKS = {"kafka": KafkaNetwork}
