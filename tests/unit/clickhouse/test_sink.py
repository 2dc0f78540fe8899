"""What a rebalance does to a round, moment by moment. No broker and no ClickHouse are needed."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError

from schemas.codec import encode
from schemas.topics import Catalogue
from sinks.clickhouse.sink import Plan, _Sink, run_sink
from sinks.clickhouse.writer import UnavailableError
from tests.clickhouse_server import record

TURNS = Catalogue().turns
HERE = TopicPartition(TURNS.name, 0)


class Consumer:
    """Plays a script: each poll calls one step, which may rebalance, and hands over the offsets it returns."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.stop = asyncio.Event()
        self.refuse = False
        self.committed: list[int] = []

    async def getmany(self, **_: object) -> dict[TopicPartition, list[SimpleNamespace]]:
        if not self.script:
            self.stop.set()
            return {}
        value = encode("turn", [record("turn")])
        found = self.script.pop(0)()
        return {HERE: [SimpleNamespace(topic=TURNS.name, partition=0, offset=n, value=value) for n in found]}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.refuse:
            raise CommitFailedError("not a member")
        self.committed.append(offsets[HERE])

    def highwater(self, _: TopicPartition) -> int:
        return 10


class Writer:
    """Takes everything, unless told to fail."""

    def __init__(self) -> None:
        self.during: Any = None
        self.rows = 0

    def insert(self, _: str, blocks: list[Any], __: str) -> int:
        if self.during is not None:
            self.during()
        self.rows += len(blocks)
        return len(blocks)


def play(script: Any, rows: int = 1) -> tuple[Consumer, Writer]:  # noqa: ANN401 - script(sink, consumer, writer) -> steps
    async def scenario() -> tuple[Consumer, Writer]:
        consumer, writer = Consumer(), Writer()
        plan = Plan(Catalogue(), rows=rows, seconds=5)
        sink = _Sink(consumer, None, writer, plan, consumer.stop)  # type: ignore[arg-type]
        consumer.script = script(sink, consumer, writer)
        await asyncio.wait_for(sink.run(), 20)
        return consumer, writer

    return asyncio.run(scenario())


def steps(*found: object) -> list[Any]:
    """Return polls: a list of offsets as it is, a function's after calling it."""
    return [step if callable(step) else (lambda step=step: step) for step in found]


def after(change: Any, offsets: list[int]) -> Any:  # noqa: ANN401 - a callable and a callable
    def poll() -> list[int]:
        change()
        return offsets

    return poll


def test_round_after_round_is_committed() -> None:
    def script(sink: _Sink, *_: object) -> list[Any]:
        return steps(after(lambda: sink.on_partitions_assigned([HERE]), [0, 1]), [2], [3])

    consumer, writer = play(script)
    assert (consumer.committed, writer.rows) == ([2, 3, 4], 4)


def test_what_was_gathered_before_a_rebalance_is_not_committed() -> None:
    def script(sink: _Sink, *_: object) -> list[Any]:
        return steps(
            after(lambda: sink.on_partitions_assigned([HERE]), [0]),
            after(lambda: sink.on_partitions_revoked([HERE]), [1]),  # the rest of what was fetched
            [2],
            after(lambda: sink.on_partitions_assigned([HERE]), [0, 1]),  # from the committed offset
        )

    consumer, writer = play(script, rows=2)
    assert (consumer.committed, writer.rows) == ([2], 2)


def test_a_rebalance_during_the_insert_forgets_the_round() -> None:
    def script(sink: _Sink, _: Consumer, writer: Writer) -> list[Any]:
        def lost() -> None:
            sink.on_partitions_revoked([HERE])
            writer.during = None

        writer.during = lost
        return steps(after(lambda: sink.on_partitions_assigned([HERE]), [0]), [1])

    consumer, writer = play(script)
    assert (consumer.committed, writer.rows) == ([], 1)


def test_a_rebalance_ends_the_waiting_for_clickhouse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.clickhouse.sink.FIRST_WAIT", 3600)

    def script(sink: _Sink, _: Consumer, writer: Writer) -> list[Any]:
        loop = asyncio.get_running_loop()

        def fail() -> None:
            writer.during = None
            loop.call_soon_threadsafe(sink.on_partitions_revoked, [HERE])
            raise UnavailableError("down")

        writer.during = fail
        return steps(
            after(lambda: sink.on_partitions_assigned([HERE]), [0]),
            after(lambda: sink.on_partitions_assigned([HERE]), [0]),
        )

    consumer, writer = play(script)
    assert (consumer.committed, writer.rows) == ([1], 1)


def test_after_a_refused_commit_nothing_is_committed_until_the_group_is_joined_again() -> None:
    def script(sink: _Sink, consumer: Consumer, _: Writer) -> list[Any]:
        def refuse() -> None:
            sink.on_partitions_assigned([HERE])
            consumer.refuse = True

        def accept() -> None:
            consumer.refuse = False  # aiokafka out of the group commits without a generation: an empty group takes it

        return steps(
            after(refuse, [0]),
            after(accept, [1]),
            after(lambda: sink.on_partitions_assigned([HERE]), [0, 1]),
        )

    consumer, writer = play(script)
    assert (consumer.committed, writer.rows) == ([2], 3)


def test_a_fetch_that_is_cancelled_when_the_consumer_stops_does_not_cancel_the_sink(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = []

    class Client:
        def __init__(self, **_: object) -> None: ...

        def subscribe(self, *_: object, **__: object) -> None: ...

        async def start(self) -> None: ...

        async def stop(self) -> None:
            stopped.append(self)
            raise asyncio.CancelledError

    monkeypatch.setattr("sinks.clickhouse.sink.AIOKafkaConsumer", Client)
    monkeypatch.setattr("sinks.clickhouse.sink.AIOKafkaProducer", Client)
    stop = asyncio.Event()
    stop.set()
    asyncio.run(run_sink({}, None, Plan(Catalogue()), stop))  # type: ignore[arg-type]
    assert len(stopped) == 2
