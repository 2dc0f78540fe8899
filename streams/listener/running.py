"""``rapport listen`` as a process."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from streams import serving, telemetry
from streams.config import Brands, Settings
from streams.connection import kafka_options
from streams.connectors.publisher import Publisher
from streams.connectors.understanding import understanding
from streams.errors import SettingsError
from streams.interactions import interaction
from streams.listener.app import Served, build
from streams.listener.courier import Courier
from streams.listener.hooks import Hook

if TYPE_CHECKING:
    import socket

KAFKA_SECONDS: Final = 10.0
"""Kafka that has acknowledged nothing for so long is away: the connection is made anew."""


def listen(host: str, port: int, *, guarded: bool) -> "socket.socket":
    """Return a socket to listen on. ``guarded``: for others than this machine, too. Raises :class:`SettingsError`."""
    if not guarded and not serving.is_own(host):
        raise SettingsError(
            f"without tokens or webhooks anybody could push, and {host} is for others as well",
            "make a token with `rapport token NAME --role sender`, put it into rapport.toml, and set RAPPORT_ACCOUNTS_FILE",
        )
    return serving.bound(host, port)


def is_guarded(brands: Brands, hooks: Sequence[Hook]) -> bool:
    """Say whether whoever pushes is asked who they are."""
    return bool(serving.senders_of(brands)) or bool(hooks)


async def run_listener(
    settings: Settings, brands: Brands, hooks: Sequence[Hook], listening: "socket.socket", stop: asyncio.Event
) -> None:
    """Take in what others push until ``stop`` is set; what is under way then is answered."""
    make: Callable[[], Publisher] = partial(
        Publisher,
        kafka_options(settings),
        settings.topics,
        source="listen",
        partitions=settings.partitions,
        max_bytes_in_flight=None,  # what worker and sink have not read yet waits in Kafka
        timeout=KAFKA_SECONDS,
    )
    guarded = is_guarded(brands, hooks)
    understand = understanding(settings.language, settings.sentiment)
    understand(interaction(kind="mention", text="Good morning"))  # the models are loaded now, while nobody waits
    async with Courier(make) as courier:
        telemetry.serve(settings.metrics_host, settings.metrics_port, lambda: courier.is_connected)
        application = build(
            Served(
                courier,
                serving.senders_of(brands),
                hooks,
                is_open=not guarded,
                hosts=("*",) if guarded else serving.OWN_NAMES,
                understand=understand,
            )
        )
        async with serving.until_stopped(application, listening, stop):
            pass
