"""A topic that is there already, of this cluster or another: JSON by a mapping, or Interactions (docs/connectors/kafka.md).

How far it is stands in the cursor, an offset for each partition, and not in a consumer group: so it is kept with all other cursors,
behind what our Kafka has acknowledged, and nobody has to let us into a group.
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, UnsupportedCodecError
from aiokafka.structs import TopicPartition
from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from streams.connectors import mapping, pushed
from streams.connectors.live import ALIVE, WHENEVER, ConnectorSettings, Gap, Received
from streams.connectors.pacing import Budget
from streams.connectors.pushed import Reader
from streams.connectors.session import Session
from streams.errors import SettingsError, broker_refusal, kafka_reasons
from streams.http_answers import RefusedError, UnavailableError
from streams.mapping_settings import MappingSettings
from streams.tables import Text, Texts

POLL_SECONDS: Final = 1.0
"""Messages are waited for so long, unless the heartbeat is short."""
METADATA_SECONDS: Final = 60.0
"""New partitions are looked for so often."""
CLOSE_SECONDS: Final = 0.5
"""Under uvloop a TLS connection that is closed waits 30 s for a farewell that Kafka does not say."""


class KafkaSettings(ConnectorSettings):
    """``type = "kafka"``."""

    type: Literal["kafka"]
    accounts: Texts = Field(
        ("*",), min_length=1, description="the brand accounts, network:account_id; * stands for anything"
    )
    brokers: Text = Field(description="bootstrap servers of the topic's cluster, host:port, separated by commas")
    topic: Text = Field(description="the topic")
    mapping: MappingSettings | None = Field(None, description="how its JSON is read; without it, it is Interactions")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to speak to that cluster"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field("PLAIN", description="how to log in")
    username: str = Field("", description="user to log in as")
    password_file: Path | None = Field(None, description="a file with the password")
    password_env: str | None = Field(None, description="the same in a variable")
    ca_file: Path | None = Field(None, description="PEM file with the authorities; without it, the system's")
    certificate_file: Path | None = Field(None, description="PEM file with our certificate and its key, for mutual TLS")
    heartbeat_seconds: float = Field(30, gt=0, le=600, description="brokers that are silent for so long are dead")
    may_have = ("password",)

    @field_validator("mapping")
    @classmethod
    def _may_be_right(cls, given: MappingSettings | None) -> MappingSettings | None:
        try:
            _reader(given)
        except mapping.MappingError as error:
            raise PydanticCustomError("mapping", "{why}", {"why": str(error)}) from None
        return given

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        if self.security_protocol.startswith("SASL") and not (self.username and self.has("password")):
            raise PydanticCustomError("login", "a login needs username, and password_file or password_env")
        return self


class KafkaTopic:
    """What stands in one topic."""

    network: ClassVar[str] = ""
    settings: ClassVar[type[ConnectorSettings]] = KafkaSettings

    def __init__(self, settings: KafkaSettings, _: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._secrets = settings, secrets
        self._read = _reader(settings.mapping)

    @staticmethod
    def budget(_: KafkaSettings) -> Budget:
        """Return any: nothing is asked over HTTP, and Kafka slows down by itself whoever reads too much."""
        return Budget(1, 1.0)

    async def check(self) -> str:
        """Return in words what there is to read."""
        async with self._connected() as consumer:
            return f"{self._settings.topic} has {len(await self._places(consumer))} partitions"

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what is in the topic; see :class:`streams.connectors.live.Connector`."""
        offsets = None if cursor is None else {int(it): offset for it, offset in json.loads(cursor).items()}
        async with self._connected() as consumer:
            while True:
                places = await self._places(consumer)
                firsts, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
                offsets, gaps = _positions(firsts, ends, offsets)
                for gap in gaps:
                    yield Received(gap, _cursor(offsets))
                yield Received(ALIVE, _cursor(offsets))
                for place in places:
                    consumer.seek(place, offsets[place.partition])
                async for received in self._messages(consumer, places, offsets):
                    yield received

    async def _messages(
        self, consumer: AIOKafkaConsumer, places: list[TopicPartition], offsets: dict[int, int]
    ) -> AsyncIterator[Received]:
        """Yield what comes, and move ``offsets`` along, until there are more partitions."""
        heartbeat = self._settings.heartbeat_seconds
        wait, heard = int(1000 * min(POLL_SECONDS, heartbeat / 4)), time.monotonic()
        while len(consumer.partitions_for_topic(self._settings.topic) or places) == len(places):
            found = await consumer.getmany(timeout_ms=wait, max_records=500)
            for messages in found.values():
                for message in messages:
                    for received in self._items(message, offsets):
                        yield received
            if found:
                heard = time.monotonic()
            elif time.monotonic() - heard >= heartbeat / 2:
                async with asyncio.timeout(heartbeat / 2):
                    await consumer.end_offsets(places)
                heard = time.monotonic()
                yield Received(ALIVE, _cursor(offsets))

    def _items(self, message: Any, offsets: dict[int, int]) -> Iterator[Received]:  # noqa: ANN401 - aiokafka has no types
        """Yield what a message stands for; the cursor is behind it with the last. One without a value stands for nothing."""
        place = f"{message.topic}/{message.partition}/{message.offset}"
        items = [] if message.value is None else self._read(message.value, place, WHENEVER)
        before = _cursor(offsets)
        offsets[message.partition] = message.offset + 1
        behind = _cursor(offsets)
        for number, item in enumerate(items, 1):
            yield Received(item, behind if number == len(items) else before)
        if not items:
            yield Received(ALIVE, behind)

    # -- the connection ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Connect. Raises :class:`RefusedError` and :class:`UnavailableError` for what aiokafka raises, here and within."""
        settings = self._settings
        milliseconds = int(settings.heartbeat_seconds * 1000)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=[it.strip() for it in settings.brokers.split(",") if it.strip()],
            **self._security(),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            request_timeout_ms=milliseconds,
            fetch_max_wait_ms=min(500, milliseconds // 4),
            metadata_max_age_ms=int(METADATA_SECONDS * 1000),
        )
        try:
            await _start(consumer)
            yield consumer
        except KafkaError as error:
            raise _explained(error) from None
        finally:
            with suppress(TimeoutError):  # and what aiokafka cancels of its own, as if it were we who are cancelled
                await asyncio.wait_for(asyncio.gather(consumer.stop(), return_exceptions=True), CLOSE_SECONDS)

    def _security(self) -> dict[str, Any]:
        settings = self._settings
        found: dict[str, Any] = {"security_protocol": settings.security_protocol}
        if "SSL" in settings.security_protocol:
            try:
                found["ssl_context"] = context = ssl.create_default_context(cafile=settings.ca_file)
                if settings.certificate_file is not None:
                    context.load_cert_chain(settings.certificate_file, password=lambda: "")
            except OSError as error:  # ssl.SSLError is one
                files = f"{settings.ca_file or ''} {settings.certificate_file or ''}".strip()
                raise SettingsError(f"{files} cannot be used ({error.strerror})", "give PEM files") from None
        if settings.security_protocol.startswith("SASL"):
            found |= {
                "sasl_mechanism": settings.sasl_mechanism,
                "sasl_plain_username": settings.username,
                "sasl_plain_password": self._secrets["password"](),
            }
        return found

    async def _places(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """Return the partitions of the topic, and read these. Asks for all topics first: asking for one by name may make it."""
        topic = self._settings.topic
        if topic not in await consumer.topics():
            raise UnavailableError(f"there is no topic {topic}, or no right to read it")
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.end_offsets(consumer.assignment())
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(places)
        return places


def _reader(given: MappingSettings | None) -> Reader:
    """Return what reads the values. Raises :class:`streams.connectors.mapping.MappingError`."""
    return pushed.interactions if given is None else mapping.reader_of(given)


def _cursor(offsets: Mapping[int, int]) -> str:
    return json.dumps(offsets, separators=(",", ":"))


def _positions(
    firsts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], offsets: Mapping[int, int] | None
) -> tuple[dict[int, int], list[Gap]]:
    """Return where each partition is read from, and what is not there any more; ``offsets``: where we were, None if nowhere."""
    if offsets is None:
        return {place.partition: end for place, end in ends.items()}, []
    found, gaps = {}, []
    for place, first in firsts.items():
        at = offsets.get(place.partition, first)  # a partition that is new came to be after we had begun
        if at > ends[place]:
            gaps.append(Gap(f"{place.topic}/{place.partition} has no offset {at}: it was made anew"))
        elif at < first:
            gaps.append(Gap(f"{place.topic}/{place.partition} has no offsets {at} to {first - 1} any more"))
        found[place.partition] = at if first <= at <= ends[place] else first
    return found, gaps


async def _start(consumer: AIOKafkaConsumer) -> None:
    """Connect. Where we are cancelled meanwhile, aiokafka would forget an open connection: it is let come to its end first."""

    async def start() -> None:
        with kafka_reasons() as reasons:
            try:
                await consumer.start()
            except KafkaError as error:
                raise _explained(error, reasons.last) from None

    starting = asyncio.create_task(start())
    try:
        await asyncio.shield(starting)
    finally:
        if not starting.done():
            await asyncio.wait([starting], timeout=CLOSE_SECONDS)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)


def _explained(error: KafkaError, logged: BaseException | None = None) -> Exception:
    """Return what an error of aiokafka's means to the runner; ``logged``: what aiokafka says of it in its log only."""
    if refusal := next((it for it in (error, logged) if broker_refusal(it)), None):
        return RefusedError(type(refusal).__name__)
    if isinstance(error, UnsupportedCodecError):
        return UnavailableError("its messages are compressed: pip install 'aiokafka[all]'")
    return UnavailableError(type(logged or error).__name__)
