"""What people say to alerts, on its way to the notifier: ``rapport notify ack`` and the page say it by this."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.codec import encode
from streams.config import Settings
from streams.connection import kafka_options
from streams.connectors.publisher import partition_of
from streams.errors import BrokerError

SECONDS: Final = 10.0
"""Kafka that has not acknowledged a command for so long is away; whoever said it waits no longer."""


async def where_of(producer: AIOKafkaProducer, topic: str, account: str) -> int:
    """Return the partition of a topic in which an account's notifier reads. Raises :class:`BrokerError` without the topic."""
    number = len(await producer.partitions_for(topic))
    if not number:
        raise BrokerError(f"there is no topic {topic}", "run rapport topics apply")
    return partition_of(account, number)


class Commands:
    """Publishes commands; connects to Kafka at the first one. An async context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._disconnect()

    async def tell(self, command: Mapping[str, Any]) -> None:
        """Put a command where the notifier of its account finds it: ``account``, ``alert_id``, ``action``, ``until``, ``by``.

        Once it returns, Kafka has it. Raises aiokafka's ``KafkaError``, :class:`TimeoutError` and :class:`BrokerError`; Kafka may
        have it then all the same.
        """
        try:
            async with asyncio.timeout(SECONDS):
                await self._send(command)
        except (KafkaError, TimeoutError):
            await self._disconnect()  # the next one begins with a connection of its own
            raise

    async def _send(self, command: Mapping[str, Any]) -> None:
        topic, producer = self._settings.topics.notification_commands.name, await self._connected()
        account, where = command["account"], await where_of(producer, topic, command["account"])
        message = encode("notification_command", [{**command, "at": time.time_ns() // 1_000_000}])
        await producer.send_and_wait(topic, message, key=account.encode(), partition=where)

    async def _connected(self) -> Any:  # noqa: ANN401 - aiokafka's
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(**kafka_options(self._settings), enable_idempotence=True)
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()
