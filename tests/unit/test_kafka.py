"""Kafka apart from Faust, without a Kafka."""

import asyncio

import pytest

from streams.config import load_settings
from streams.kafka import read_checkpoints


def test_a_fetch_that_is_cancelled_when_the_reader_stops_does_not_cancel_the_recovery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Consumer:
        def __init__(self, **_: object) -> None: ...

        async def start(self) -> None: ...

        async def stop(self) -> None:
            raise asyncio.CancelledError

    monkeypatch.setattr("streams.kafka.AIOKafkaConsumer", Consumer)
    assert asyncio.run(read_checkpoints(load_settings(), [])) == {}
