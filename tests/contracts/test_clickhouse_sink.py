"""The sink between a broker and each engine: exact over restarts, patient with ClickHouse, and no message stops it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from clickhouse_connect.driver.client import Client
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.codec import encode, newest
from schemas.topics import Catalogue, Topic
from sinks.clickhouse import sink as sinking
from sinks.clickhouse.sink import Plan, run_sink
from streams.errors import BrokerError
from tests.clickhouse_server import NOON, record, rows
from tests.kafka_broker import Kafka

TOPICS = Catalogue()
PLAN = Plan(TOPICS, rows=1000, seconds=0.05)


class Faulty:
    """A client whose inserts do as told before they are passed on."""

    def __init__(self, client: Client, before: Callable[[str], None]) -> None:
        self._client = client
        self._before = before
        self.inserts = 0

    def raw_insert(self, table: str, **options: Any) -> Any:  # noqa: ANN401
        self.inserts += 1
        self._before(table)
        return self._client.raw_insert(table, **options)


def down(_: str) -> None:
    raise ConnectionRefusedError("nobody listens")


def send(kafka: Kafka, topic: Topic, *messages: bytes, partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": kafka.brokers, "log_level": 0})
    for message in messages:
        producer.produce(topic.name, message, partition=partition)
    assert producer.flush(20) == 0


def turns(start: int, end: int) -> bytes:
    return encode(
        "turn", [record("turn", turn_id=f"n:{number}", opened_at=NOON + number) for number in range(start, end)]
    )


@asynccontextmanager
async def running(kafka: Kafka, client: Client | Faulty, plan: Plan = PLAN) -> AsyncIterator[asyncio.Task[None]]:
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run_sink({"bootstrap_servers": kafka.brokers}, client, plan, stop, ready.set))
    await asyncio.wait([task, asyncio.ensure_future(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def tried(client: Faulty, inserts: int = 1) -> None:
    for _ in range(600):
        if client.inserts >= inserts:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{client.inserts} inserts in 30 seconds")


async def until(client: Client, query: str, wanted: object, seconds: float = 30) -> None:
    found: object = None
    for _ in range(int(seconds / 0.05)):
        found = await asyncio.to_thread(client.command, query)
        if found == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{query}: {found}, not {wanted}")


async def committed(kafka: Kafka, topic: Topic, partition: int = 0, group: str = TOPICS.sink_group) -> int | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.brokers, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        found: int | None = await consumer.committed(TopicPartition(topic.name, partition))
    finally:
        await consumer.stop()
    return found


def test_every_fact_reaches_its_view_and_offsets_are_committed(embedded_kafka: Kafka, clickhouse: Client) -> None:
    for topic in TOPICS.facts:
        send(embedded_kafka, topic, encode(topic.record, [record(topic.record)]), partition=1)

    async def scenario() -> None:
        async with running(embedded_kafka, clickhouse):
            for view in ("interactions", "turns", "panes", "rolling", "alerts", "revenue", "dead_letters"):
                await until(clickhouse, f"SELECT count() FROM {view}", 1)
        for topic in TOPICS.facts:
            assert await committed(embedded_kafka, topic, 1) == 1

    asyncio.run(scenario())


def test_an_order_that_comes_again_stands_as_it_was_stated_last(embedded_kafka: Kafka, clickhouse: Client) -> None:
    def order(name: str, micros: int, version: int) -> dict[str, Any]:
        return record("revenue", id=name, amount_micros=micros, version=version)

    corrected = encode("revenue", [order("1", 5_000_001, 2), order("2", -1, 3)])
    first = encode("revenue", [order("1", 7, 1)])
    send(embedded_kafka, TOPICS.revenue, corrected, b"poison", first, corrected)

    async def scenario() -> None:
        async with running(embedded_kafka, clickhouse):
            await until(clickhouse, "SELECT sum(amount) FROM revenue", Decimal(5))
            await until(clickhouse, "SELECT count() FROM dead_letters", 1)
        assert await committed(embedded_kafka, TOPICS.revenue) == 4

    asyncio.run(scenario())
    assert rows(clickhouse, "SELECT count() AS found FROM revenue")[0]["found"] == 2


@pytest.mark.slow
def test_a_restart_goes_on_where_it_was(embedded_kafka: Kafka, clickhouse: Client) -> None:
    send(embedded_kafka, TOPICS.turns, turns(0, 10), turns(10, 20))

    async def scenario() -> None:
        async with running(embedded_kafka, clickhouse):
            await until(clickhouse, "SELECT count() FROM turns", 20)
        assert await committed(embedded_kafka, TOPICS.turns) == 2
        send(embedded_kafka, TOPICS.turns, turns(20, 25))
        again = Faulty(clickhouse, lambda _: None)
        async with running(embedded_kafka, again):
            await until(clickhouse, "SELECT count() FROM turns", 25)
        assert again.inserts == 1  # what had been committed was not read again
        assert await committed(embedded_kafka, TOPICS.turns) == 3

    asyncio.run(scenario())
    assert rows(clickhouse, "SELECT count() AS found FROM turns_versions")[0]["found"] == 25


def test_bad_messages_are_set_aside_and_the_others_stored(embedded_kafka: Kafka, clickhouse: Client) -> None:
    damaged = newest("turn").header + b"\x01\x04\xff\xff\x00"
    unknown = b"\xc3\x01" + b"\x07" * 8 + b"\x00"
    send(embedded_kafka, TOPICS.turns, turns(0, 5), b"poison", turns(5, 10), damaged, unknown, turns(10, 15))
    send(embedded_kafka, TOPICS.dead_letters, newest("dead_letter").header + b"\x01\x04\xff\xff\x00")

    async def scenario() -> None:
        async with running(embedded_kafka, clickhouse):
            await until(clickhouse, "SELECT count() FROM turns", 15)
            await until(clickhouse, "SELECT count() FROM dead_letters", 3)
        assert await committed(embedded_kafka, TOPICS.turns) == 6

    asyncio.run(scenario())
    found = rows(clickhouse, "SELECT reason, source, place, hex(payload) AS payload FROM dead_letters ORDER BY place")
    assert [tuple(row.values()) for row in found] == [
        ("undecodable", "sink", "rapport.turns/0/1", b"poison".hex().upper()),
        ("rejected", "sink", "rapport.turns/0/3", damaged.hex().upper()),
        ("unknown_fingerprint", "sink", "rapport.turns/0/4", unknown.hex().upper()),
    ]


def test_while_clickhouse_is_down_nothing_is_committed_and_then_everything_is_stored(
    embedded_kafka: Kafka, clickhouse: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinking, "LONGEST_WAIT", 0.2)
    send(embedded_kafka, TOPICS.turns, turns(0, 10))
    is_down = True

    def before(table: str) -> None:
        if is_down:
            down(table)

    async def scenario() -> None:
        nonlocal is_down
        faulty = Faulty(clickhouse, before)
        async with running(embedded_kafka, faulty):
            await tried(faulty, 5)
            assert not await committed(embedded_kafka, TOPICS.turns)
            is_down = False
            await until(clickhouse, "SELECT count() FROM turns", 10)
        assert await committed(embedded_kafka, TOPICS.turns) == 1

    asyncio.run(scenario())


@pytest.mark.slow
def test_it_stops_while_clickhouse_is_down_and_loses_nothing(embedded_kafka: Kafka, clickhouse: Client) -> None:
    send(embedded_kafka, TOPICS.turns, turns(0, 10))

    async def scenario() -> None:
        faulty = Faulty(clickhouse, down)
        async with running(embedded_kafka, faulty):
            await tried(faulty)
        assert not await committed(embedded_kafka, TOPICS.turns)
        async with running(embedded_kafka, clickhouse):
            await until(clickhouse, "SELECT count() FROM turns", 10)

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_crash_between_insert_and_commit_stores_nothing_twice(
    embedded_kafka: Kafka, clickhouse: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(embedded_kafka, TOPICS.turns, turns(0, 10))

    async def crash(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(sinking._Sink, "_commit", crash)  # noqa: SLF001 - the moment between insert and commit
            with pytest.raises(ZeroDivisionError):
                async with running(embedded_kafka, clickhouse) as task:
                    await task
        assert not await committed(embedded_kafka, TOPICS.turns)
        async with running(embedded_kafka, clickhouse):
            for _ in range(200):
                if await committed(embedded_kafka, TOPICS.turns) == 1:
                    break
                await asyncio.sleep(0.05)

    asyncio.run(scenario())
    assert rows(clickhouse, "SELECT count() AS found FROM turns_versions")[0]["found"] == 10


@pytest.mark.kafka
@pytest.mark.slow
def test_partitions_that_move_take_their_uncommitted_round_along(kafka: Kafka, clickhouse: Client) -> None:
    """Needs real Kafka: the in-memory broker refuses the second member of a group."""
    topics = Catalogue(f"moves-{uuid4().hex[:8]}")
    admin = AdminClient({"bootstrap.servers": kafka.brokers})
    for made in admin.create_topics([NewTopic(topic.name, 4, 1) for topic in topics.facts]).values():
        made.result(30)
    for partition in range(4):
        send(kafka, topics.turns, turns(partition * 10, partition * 10 + 10), partition=partition)

    async def offsets() -> list[int | None]:
        return [await committed(kafka, topics.turns, number, topics.sink_group) for number in range(4)]

    async def scenario() -> None:
        plan = Plan(topics, rows=1000, seconds=0.05)
        stuck = Faulty(clickhouse, down)
        async with running(kafka, stuck, plan):
            await tried(stuck)
            async with running(kafka, clickhouse, plan):  # joins: the first one loses partitions, and its round
                await until(clickhouse, "SELECT count() > 0 FROM turns", 1)
            assert None in await offsets()  # the first one's, of which it stored nothing
        async with running(kafka, clickhouse, plan):
            await until(clickhouse, "SELECT count() FROM turns", 40)
        assert await offsets() == [1, 1, 1, 1]

    asyncio.run(scenario())


def test_no_broker_is_said_in_one_line(clickhouse: Client) -> None:
    kafka = {"bootstrap_servers": "127.0.0.1:9"}
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1"):
        asyncio.run(run_sink(kafka, clickhouse, PLAN, asyncio.Event()))
