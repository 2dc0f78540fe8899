"""The publisher on librdkafka's broker in memory: 4 partitions for any topic, and what is too much is forgotten."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from prometheus_client import REGISTRY

from schemas.codec import decode
from schemas.topics import Catalogue
from streams.connectors.base import Rejected
from streams.connectors.publisher import BATCH_EVENTS, Publisher, partition_of
from streams.connectors.runner import run
from streams.connectors.simulator import Simulator, SimulatorOptions, simulate
from streams.errors import BrokerError, Reason
from streams.interactions import interaction
from tests.memory_broker import Broker, messages

TOPICS = Catalogue("tests")


@pytest.fixture
def broker() -> Iterator[Broker]:
    it = Broker()
    yield it
    it.die()


def publisher(broker: Broker, **options: Any) -> Publisher:  # noqa: ANN401
    return Publisher(broker.connection, TOPICS, **{"source": "test", "max_bytes_in_flight": None, **options})


def test_events_arrive_in_order_each_in_its_accounts_partition(broker: Broker) -> None:
    events = list(simulate(SimulatorOptions(accounts=9, events=3_000)))

    async def scenario() -> dict[int, list[bytes]]:
        async with publisher(broker, partitions=4) as it:
            for event in events:
                await it.publish(event)
        return await messages(broker, TOPICS.interactions.name)

    found = asyncio.run(scenario())
    for number, batches in found.items():
        expected = [event for event in events if partition_of(event["account"], 4) == number]
        assert [event for batch in batches for event in decode("interaction", batch)] == expected
        assert all(len(decode("interaction", batch)) <= BATCH_EVENTS for batch in batches)
    assert sum(map(bool, found.values())) > 1


def test_the_partition_is_the_one_that_kafka_chooses_for_the_key() -> None:
    java = {"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536}  # Kafka's own UtilsTest
    for key, hashed in java.items():
        assert partition_of(key, 12) == (hashed & 0x7FFFFFFF) % 12


def test_deterministic_batches_depend_on_the_events_alone(broker: Broker) -> None:
    events = list(simulate(SimulatorOptions(events=2_000)))

    async def scenario(pause: float) -> dict[int, list[bytes]]:
        async with publisher(broker, deterministic=True) as it:
            for number, event in enumerate(events):
                await it.publish(event)
                if number % 500 == 0:
                    await asyncio.sleep(pause)
            await it.tick(events[-1]["received_at"])
        return await messages(broker, TOPICS.interactions.name)

    first = asyncio.run(scenario(0))
    both = asyncio.run(scenario(0.12))
    assert both == {number: batches * 2 for number, batches in first.items()}


def test_live_events_do_not_wait_for_others(broker: Broker) -> None:
    async def scenario(*, deterministic: bool) -> int:
        async with publisher(broker, deterministic=deterministic) as it:
            await it.publish(next(simulate(SimulatorOptions())))
            await asyncio.sleep(0.3)
            return sum(map(len, (await messages(broker, TOPICS.interactions.name)).values()))

    assert asyncio.run(scenario(deterministic=True)) == 0
    assert asyncio.run(scenario(deterministic=False)) == 2, "the one of before, at its end, and the new one"


def test_a_tick_comes_after_the_events_in_every_partition(broker: Broker) -> None:
    events = list(simulate(SimulatorOptions(accounts=9, events=100)))

    async def scenario() -> dict[int, list[bytes]]:
        async with publisher(broker) as it:
            for event in events:
                await it.publish(event)
            await it.tick(7)
        return await messages(broker, TOPICS.interactions.name)

    for batches in asyncio.run(scenario()).values():
        (only,) = decode("interaction", batches[-1])
        assert (only["kind"], only["received_at"], only["account"]) == ("tick", 7, "")


def test_large_events_make_small_batches(broker: Broker) -> None:
    events = [
        interaction(id=f"x:{n}", account="x:a", kind="mention", published_at=n, received_at=n, text="é" * 30_000)
        for n in range(12)
    ]

    async def scenario() -> dict[int, list[bytes]]:
        async with publisher(broker) as it:
            for event in events:
                await it.publish(event)
        return await messages(broker, TOPICS.interactions.name)

    batches = next(it for it in asyncio.run(scenario()).values() if it)
    assert [event for batch in batches for event in decode("interaction", batch)] == events
    assert max(map(len, batches)) <= 256 * 1024


def test_what_cannot_be_used_becomes_a_dead_letter(broker: Broker) -> None:
    def count(reason: str) -> float:
        return REGISTRY.get_sample_value("rapport_dead_letters_total", {"source": "test", "reason": reason}) or 0.0

    before = count("too_large")
    good = interaction(id="x:1", account="x:a", kind="mention", published_at=1, received_at=1)

    async def scenario() -> list[dict[str, Any]]:
        async with publisher(broker, largest_payload=1 << 20) as it:
            await it.publish({**good, "text": "x" * 300_000})
            await it.publish({**good, "id": "\ud800", "text": "\ud800"})
            await it.publish({**good, "likes": 1 << 63})
            await it.reject(Rejected(Reason.TOO_LARGE, "so long \udcff", "file\udcff:1", bytes(10_000_000)), "twcs")
            await it.publish(good)
        assert sum(len(batches) for batches in (await messages(broker, TOPICS.interactions.name)).values()) == 1
        letters = [letter for it in (await messages(broker, TOPICS.dead_letters.name)).values() for letter in it]
        return [record for letter in letters for record in decode("dead_letter", letter)]

    letters = asyncio.run(scenario())
    assert [(it["source"], it["reason"]) for it in letters] == [
        ("test", "too_large"),
        ("test", "invalid_text"),
        ("test", "invalid_number"),
        ("twcs", "too_large"),
    ]
    assert b"x" * 300_000 in letters[0]["payload"]
    assert letters[3]["payload"] == bytes(1 << 20)
    assert letters[3]["place"] == "file\\udcff:1"
    assert abs(letters[3]["at"] - time.time() * 1000) < 60_000
    assert count("too_large") == before + 1


@pytest.mark.parametrize("slow", [TOPICS.worker_group, TOPICS.sink_group])
@pytest.mark.parametrize("limit", [1 << 20, None], ids=["bounded", "unbounded"])
def test_bounded_lag_keeps_a_broker_that_forgets_from_losing(broker: Broker, limit: int | None, slow: str) -> None:
    """Two readers that commit, one of them slow; without the bound, this loses messages."""
    text = "x" * 5_000
    events = [{**event, "account": "x:a", "text": text} for event in islice(simulate(SimulatorOptions()), 2_000)]
    done = asyncio.Event()
    read: dict[str, int] = {TOPICS.worker_group: 0, TOPICS.sink_group: 0}
    behind: list[int] = []

    async def reader(group: str, pause: float) -> None:
        async with AIOKafkaConsumer(
            **broker.connection, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
        ) as consumer:
            place = TopicPartition(TOPICS.interactions.name, partition_of("x:a", 4))
            consumer.assign([place])
            while not (
                done.is_set() and await consumer.position(place) >= (await consumer.end_offsets([place]))[place]
            ):
                for records in (await consumer.getmany(timeout_ms=50, max_records=1)).values():
                    read[group] += sum(len(decode("interaction", record.value)) for record in records)
                    behind.append((await consumer.end_offsets([place]))[place] - records[0].offset)
                    await asyncio.sleep(pause)
                    await consumer.commit()

    async def scenario() -> None:
        async with publisher(broker, max_bytes_in_flight=limit) as it, asyncio.TaskGroup() as readers:
            for group in read:
                readers.create_task(reader(group, 0.1 if group == slow else 0))
            for event in events:
                await it.publish(event)
            await it.flush()
            done.set()

    asyncio.run(asyncio.wait_for(scenario(), 60))
    if limit:
        assert read == dict.fromkeys(read, len(events))
        assert max(behind) <= limit / 200_000, "messages of at most 256 KB, and at least 200"
    else:
        assert read[slow] < len(events), "the broker forgot nothing: this test shows nothing"


def test_without_readers_the_publisher_waits(broker: Broker) -> None:
    async def scenario() -> int:
        source = Simulator(SimulatorOptions(accounts=1, events=60_000))
        it = publisher(broker, max_bytes_in_flight=100_000, deterministic=True)
        await it.__aenter__()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run(source, it), 2)
        await it.__aexit__(TimeoutError, TimeoutError(), None)
        return sum(
            len(batch) for batches in (await messages(broker, TOPICS.interactions.name)).values() for batch in batches
        )

    assert asyncio.run(scenario()) <= 100_000


def test_an_answer_without_partitions_is_none(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """So aiokafka passes on that a group's coordinator, after a crash of its broker, still loads."""
    answers: list[object] = []

    async def loading(*_: object, **__: object) -> dict[TopicPartition, object]:
        answers.append(None)
        return {}

    async def scenario() -> None:
        async with publisher(broker, max_bytes_in_flight=1) as it:
            monkeypatch.setattr(it._admin, "list_consumer_group_offsets", loading)  # noqa: SLF001
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.5):
                    for event in simulate(SimulatorOptions(accounts=1, events=2_000)):
                        await it.publish(event)
            it._max_bytes_in_flight = None  # noqa: SLF001 - so that it ends

    asyncio.run(scenario())
    assert answers


def test_dead_letters_wait_for_the_sink_alone(broker: Broker) -> None:
    rejected = Rejected(Reason.MALFORMED_RECORD, "", "", bytes(900))

    async def scenario() -> int:
        it = publisher(broker, max_bytes_in_flight=10_000)
        await it.__aenter__()
        sent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    await it.reject(rejected)
                    sent += 1
        async with AIOKafkaConsumer(**broker.connection, group_id=TOPICS.sink_group, enable_auto_commit=False) as sink:
            place = TopicPartition(TOPICS.dead_letters.name, 0)
            sink.assign([place])
            await sink.commit({place: sent})
        async with asyncio.timeout(5):
            for _ in range(sent):
                await it.reject(rejected)
            await it.__aexit__(None, None, None)
        return sent

    assert 5 < asyncio.run(scenario()) <= 10


def test_a_broker_that_is_not_there() -> None:
    async def scenario() -> None:
        async with Publisher({"bootstrap_servers": "127.0.0.1:1"}, TOPICS, source="test"):
            pass

    began = time.monotonic()
    with pytest.raises(BrokerError, match=r"Kafka at 127\.0\.0\.1:1 does not take messages") as raised:
        asyncio.run(scenario())
    assert "\n" not in str(raised.value)
    assert time.monotonic() - began < 10


def test_a_topic_with_other_partitions(broker: Broker) -> None:
    async def scenario() -> None:
        async with publisher(broker, partitions=12):
            pass

    with pytest.raises(BrokerError, match="has 4 partitions, not 12: set RAPPORT_PARTITIONS=4"):
        asyncio.run(scenario())


@pytest.mark.parametrize("limit", [None, 20_000])
def test_a_broker_that_dies_midway(broker: Broker, limit: int | None) -> None:
    async def scenario() -> None:
        async with publisher(broker, timeout=1.5, max_bytes_in_flight=limit) as it:
            events = simulate(SimulatorOptions())
            for event in islice(events, 50):
                await it.publish(event)
            await it.flush()
            broker.die()
            for event in islice(events, 5_000):
                await it.publish(event)
            await it.flush()

    began = time.monotonic()
    with pytest.raises(BrokerError, match="does not take messages"):
        asyncio.run(scenario())
    assert time.monotonic() - began < 15
