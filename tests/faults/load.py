"""What goes into the plant: a simulated public through the real publisher, and now and then something that cannot be used."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import NamedTuple

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Delivered

from schemas import codec
from schemas.codec import Record
from streams.config import Settings
from streams.connection import kafka_options
from streams.connectors.base import Item, Rejected
from streams.connectors.publisher import Publisher
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.connectors.truth import Truth
from streams.errors import BrokerError, Reason
from streams.interactions import interaction
from tests.faults.lapse import Lapse

SOURCE = "simulator"
MOST_IN_FLIGHT = 256 << 20
"""Bytes in each partition."""
FLUSH_SECONDS = 1.0
BAD_EVERY = 0.5
"""Mean seconds between two things that cannot be used."""
REJECTED = 0.0005
"""Share of events after which a connector has something to set aside."""
FAR = 10**10
"""Milliseconds, four months: a time that nobody believes."""


class Letter(NamedTuple):
    """A dead letter that there has to be."""

    source: str
    place: str
    reason: str


def good(number: int) -> Record:
    """Return an event that is stored and measured by nobody."""
    return interaction(id=f"beside:{number}", account="beside:bad", kind="profile", published_at=1, received_at=1)


def bad_messages(number: int) -> dict[str, tuple[bytes | None, dict[str, Reason]]]:
    """Return what no message should be, with its letters: by whose they are, or by the place in the message."""
    message, schema = codec.encode("interaction", [good(number)]), codec.newest("interaction").header
    nonsense = b"\xff" * 20
    unreadable = {"worker": Reason.UNDECODABLE, "sink": Reason.UNDECODABLE}
    unknown = {"worker": Reason.UNKNOWN_FINGERPRINT, "sink": Reason.UNKNOWN_FINGERPRINT}
    events = [
        good(number),
        good(number) | {"id": ""},
        good(number) | {"kind": "gossip"},
        good(number) | {"published_at": FAR},
        good(number) | {"received_at": FAR + round(time.time() * 1000)},
        good(number) | {"account": ""},
    ]
    reasons = (Reason.EMPTY_ID, Reason.UNKNOWN_KIND, Reason.FUTURE_TIME, Reason.FUTURE_TIME, Reason.EMPTY_ID)
    return {
        "nothing": (b"", unreadable),
        "no value": (None, unreadable),
        "garbage": (b"garbage", unreadable),
        "cut short": (message[:-7], unreadable),
        "unknown schema": (codec.MARKER + bytes(8) + message[codec.HEADER_SIZE :], unknown),
        "another topic's": (codec.encode("turn", []), unknown),
        "nonsense of the right size": (
            schema + codec.avro_long(-1) + codec.avro_long(len(nonsense)) + nonsense + b"\0",
            {"worker": Reason.UNDECODABLE, "sink": Reason.REJECTED},
        ),
        "events": (
            codec.encode("interaction", events),
            {f"#{index}": reason for index, reason in enumerate(reasons, 1)},
        ),
    }


class Load(threading.Thread):
    """Publishes the simulation as its time comes; when told to hurry, the rest of it at once."""

    def __init__(self, settings: Settings, options: SimulatorOptions, lapse: Lapse) -> None:
        super().__init__(daemon=True)
        self._settings, self._options, self._lapse = settings, options, lapse
        self.truth = Truth()
        """What the simulation meant."""
        self.letters: set[Letter] = set()
        """What has to be set aside, and nothing else."""
        self.hurry = threading.Event()
        self.published = self.again = self.bad = self.reached = 0
        self.failures: Counter[str] = Counter()
        """Of the publisher, by what it said."""
        self.told = False
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self.failure = error
            raise

    async def _run(self) -> None:
        beside = threading.Thread(target=self._bad, daemon=True)
        beside.start()
        events = self._in_time()
        unsure: list[Item] = []
        while not self.told:
            try:
                async with self._publisher() as publisher:
                    for item in unsure:
                        self.again += 1
                        await self._publish(publisher, item)
                    await self._publish_all(publisher, events, unsure)
                    await publisher.tick(self.reached)
                self.told = True
            except BrokerError as error:  # what is not acknowledged for sure is published again
                self.failures[error.wrong] += 1
        await asyncio.to_thread(beside.join)

    def _publisher(self) -> Publisher:
        """Return one that does not wait for readers that are being killed all the time, unless they are far behind."""
        connection, topics = kafka_options(self._settings), self._settings.topics
        return Publisher(connection, topics, source=SOURCE, max_bytes_in_flight=MOST_IN_FLIGHT)

    async def _publish_all(self, publisher: Publisher, items: AsyncIterator[Item], unsure: list[Item]) -> None:
        """Publish the items; ``unsure`` holds those that Kafka may not have."""
        flushed = time.monotonic()
        async for item in items:
            unsure.append(item)
            await self._publish(publisher, item)
            if time.monotonic() - flushed > FLUSH_SECONDS:
                await publisher.flush()
                flushed = time.monotonic()
                unsure.clear()
        await publisher.flush()
        unsure.clear()

    async def _publish(self, publisher: Publisher, item: Item) -> None:
        if isinstance(item, Rejected):
            await publisher.reject(item)
        else:
            await publisher.publish(item)

    async def _in_time(self) -> AsyncIterator[Item]:
        """Yield each event when its time has come, and sometimes what a connector has to set aside."""
        rnd = random.Random(self._options.seed)
        for event in simulate(self._options, self.truth):
            self.reached = event["received_at"]
            while self._lapse.now() < self.reached and not self.hurry.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.02)
            self.published += 1
            yield event
            if rnd.random() < REJECTED:
                place = f"line {self.published}"
                self.letters |= {
                    Letter(SOURCE, place, Reason.MALFORMED_RECORD),
                    Letter(SOURCE, f"{place}?", Reason.INVALID_TEXT),
                }
                yield Rejected(Reason.MALFORMED_RECORD, "no record", place, b"\xff{")
                yield good(self.published) | {"id": f"{place}\ud800"}

    def _bad(self) -> None:
        """Put bad messages into the topic, past the publisher, until told to hurry."""
        rnd = random.Random(self._options.seed)
        options = {"enable.idempotence": True, "message.timeout.ms": 300_000, "log_level": 0}
        producer = Producer({"bootstrap.servers": self._settings.brokers, **options})
        topic = self._settings.topics.interactions.name
        while not self.hurry.wait(rnd.uniform(0, 2 * BAD_EVERY)):
            self.bad += 1
            kinds = bad_messages(self.bad)
            value, reasons = kinds[[*kinds][self.bad % len(kinds)]]

            def delivered(error: KafkaError | None, message: Delivered, reasons: dict[str, Reason] = reasons) -> None:
                assert error is None, error
                place = f"{topic}/{message.partition()}/{message.offset()}"
                self.letters |= {
                    Letter("worker", place + who, reason) if who.startswith("#") else Letter(who, place, reason)
                    for who, reason in reasons.items()
                }

            producer.produce(topic, value, partition=self.bad % self._settings.partitions, on_delivery=delivered)
            producer.poll(0)
        assert producer.flush(120) == 0
