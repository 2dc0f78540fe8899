"""Watches the plant by the broker alone, and says what is wrong as alerts of an account of its own.

They go to the topic of alerts like those of brands: so they are grouped, routed, silenced and kept like them. The notifier whose
partition the account's is watches; whoever has it next says again what fires, which changes nothing for groups that know it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.codec import encode
from streams.config import Settings
from streams.connection import kafka_options
from streams.connectors.publisher import partition_of
from streams.notifications.plant import ACCOUNT, Limits, Reading, Trouble, Watch
from streams.telemetry import log

if TYPE_CHECKING:
    from schemas.topics import Topic

EVERY_SECONDS: Final = 15.0
"""How often it is looked."""

logger = log("notifier")


async def watch(settings: Settings, limits: Limits, producer: Any, owns: Callable[[int], bool]) -> None:  # noqa: ANN401 - aiokafka's
    """Watch whenever ``owns`` says that the account's partition is ours, until cancelled; what goes wrong is tried again."""
    while True:
        try:
            async with _Eyes(settings) as eyes:
                where, watching = partition_of(ACCOUNT, eyes.partitions), Watch(limits)
                while True:
                    if owns(where):
                        changed = watching.take(await eyes.look())
                        await _say(settings, producer, where, changed)
                    else:
                        watching = Watch(limits)
                    await asyncio.sleep(EVERY_SECONDS)
        except Exception as error:  # noqa: BLE001 - the notifier goes on without it
            logger.warning("cannot_watch", why=repr(error))
        await asyncio.sleep(EVERY_SECONDS)


async def _say(settings: Settings, producer: Any, where: int, changed: Sequence[tuple[Trouble, bool]]) -> None:  # noqa: ANN401
    rows = [_row(trouble, firing=firing) for trouble, firing in changed]
    if rows:
        logger.info("plant", alerts={row["subject"]: row["state"] for row in rows})
        await producer.send_and_wait(settings.topics.alerts.name, encode("alert", rows), partition=where)


class _Eyes:
    """What asks Kafka."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._topics = settings, settings.topics
        self._places: dict[str, list[TopicPartition]] = {}
        self.partitions = 0
        """Of the alerts."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            options = kafka_options(self._settings)
            self._consumer: Any = AIOKafkaConsumer(enable_auto_commit=False, **options)
            stack.push_async_callback(self._consumer.stop)
            await self._consumer.start()
            self._admin: Any = AIOKafkaAdminClient(**options)
            stack.push_async_callback(self._admin.close)
            await self._admin.start()
            for found in await self._admin.describe_topics([topic.name for topic in self._topics.facts]):
                name = found["topic"]
                self._places[name] = [TopicPartition(name, it["partition"]) for it in found["partitions"]]
            self.partitions = len(self._places[self._topics.alerts.name])
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def look(self) -> Reading:
        """Return how far the plant is."""
        topics = self._topics
        committed = {
            "worker": await self._committed(topics.worker_group, [topics.interactions]),
            "sink": await self._committed(topics.sink_group, topics.facts),
        }
        ends = await self._consumer.end_offsets([it for places in self._places.values() for it in places])
        at = time.monotonic_ns() // 1_000_000
        return Reading(
            at,
            {(it.topic, it.partition): ends[it] for it in self._places[topics.interactions.name]},
            sum(ends[it] for it in self._places[topics.dead_letters.name]),
            {
                reader: {(it.topic, it.partition): (offset, ends[it]) for it, offset in done.items() if it in ends}
                for reader, done in committed.items()
            },
        )

    async def _committed(self, group: str, topics: "Sequence[Topic]") -> Mapping[TopicPartition, int]:
        places = [it for topic in topics for it in self._places[topic.name]]
        found = await self._admin.list_consumer_group_offsets(group, partitions=places)
        return {where: it.offset for where, it in found.items() if it.offset >= 0}


def _row(trouble: Trouble, *, firing: bool) -> dict[str, Any]:
    now = time.time_ns() // 1_000_000
    began_at = now - time.monotonic_ns() // 1_000_000 + trouble.since
    return {
        "account": ACCOUNT,
        "alert_id": f"plant:{trouble.subject}",
        "kind": "plant",
        "severity": trouble.severity,
        "state": "firing" if firing else "resolved",
        "subject": trouble.subject,
        "contact_id": "",
        "escalation": 0,
        "rule": "",
        "opened_at": began_at,
        "due_at": began_at,
        "fired_at": now,
        "value": trouble.value,
        "baseline": trouble.limit,
        "spread": None,
        "version": now,
    }
