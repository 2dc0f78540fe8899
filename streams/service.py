"""What processes have in common that run until somebody asks them to stop."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Final

import typer
from aiokafka.errors import KafkaError

from streams import telemetry
from streams.errors import EXIT_RESTART, broker_refusal

STOP_SECONDS: Final = 9.0
"""A sink or a notifier that is asked to stop takes no longer: what is not committed then is read again by the next one."""


def stop_at_signals(within: float | None = None) -> asyncio.Event:
    """Return what is set at SIGTERM or SIGINT; the process ends ``within`` so many seconds then, whatever it waits for."""
    stop = asyncio.Event()

    def end() -> None:
        stop.set()
        if within is not None:
            give_up = Timer(within, os._exit, (EXIT_RESTART,))  # Kafka is away, or an insert takes long
            give_up.daemon = True
            give_up.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    return stop


@contextmanager
def restarted_after_kafka(source: str) -> Iterator[None]:
    """End with :data:`EXIT_RESTART` where Kafka fails for good: what was not committed is read again after a restart.

    Raises :class:`streams.errors.BrokerError` if Kafka refuses a login or a right.
    """
    try:
        yield
    except KafkaError as error:
        if refusal := broker_refusal(error):
            raise refusal from None
        telemetry.log(source).error("Kafka failed for good", error=f"{type(error).__name__}: {error}")
        raise typer.Exit(EXIT_RESTART) from None
