"""How far worker and sink are: whether all that was published has become rows."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.topics import Topic
from streams.config import Settings
from streams.connection import kafka_options
from streams.errors import BrokerError
from streams.kafka import covered

POLL_SECONDS: Final = 0.2
STALLED_SECONDS: Final = 60.0
"""Worker and sink that get no further for so long are not running."""


class Progress:
    """An async context manager that asks Kafka how far the readers are."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            options = kafka_options(self._settings)
            self._consumer = AIOKafkaConsumer(enable_auto_commit=False, **options)
            stack.push_async_callback(self._consumer.stop)
            await self._consumer.start()
            self._admin = AIOKafkaAdminClient(**options)
            stack.push_async_callback(self._admin.close)
            await self._admin.start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def folded(self, on_rest: Callable[[int], None]) -> None:
        """Wait until the outputs of all input that is there now are acknowledged; tell how many messages remain."""
        ends = await self._ends([self._settings.topics.interactions])

        async def rest() -> int:
            low = await asyncio.to_thread(covered, self._settings)
            return sum(max(0, end - 1 - low.get(where.partition, -1)) for where, end in ends.items())

        await self._down_to_zero("worker", rest, on_rest)

    async def stored(self, on_rest: Callable[[int], None], topics: Sequence[Topic] | None = None) -> None:
        """Wait until all that is in ``topics`` now is in ClickHouse; tell how many messages remain.

        ``topics``: without them, what the processor takes in and gives out.
        """
        group = self._settings.topics.sink_group
        ends = await self._ends(topics or self._settings.topics.measured)

        async def rest() -> int:
            committed = await self._admin.list_consumer_group_offsets(group, partitions=list(ends))
            done = {where: found.offset for where, found in committed.items()}
            return sum(max(0, end - max(0, done.get(where, 0))) for where, end in ends.items())

        await self._down_to_zero("sink", rest, on_rest)

    async def _down_to_zero(self, who: str, rest: Callable[[], Awaitable[int]], on_rest: Callable[[int], None]) -> None:
        least, since = -1, asyncio.get_running_loop().time()
        while remaining := await rest():
            now = asyncio.get_running_loop().time()
            if least < 0 or remaining < least:
                least, since = remaining, now
            if now - since > STALLED_SECONDS:
                raise BrokerError(
                    f"the {who} is {remaining} messages behind and gets no further",
                    f"start `rapport {who}`, or read its log",
                )
            on_rest(remaining)
            await asyncio.sleep(POLL_SECONDS)
        on_rest(0)

    async def _ends(self, topics: Sequence[Topic]) -> dict[TopicPartition, int]:
        """Return the end of every partition of ``topics``."""
        found = await self._admin.describe_topics([topic.name for topic in topics])
        where = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in found
            for partition in topic["partitions"]
        ]
        return dict(await self._consumer.end_offsets(where))
