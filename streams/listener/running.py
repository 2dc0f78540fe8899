"""``rapport listen`` as a process."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from schemas.codec import Record
from streams import serving, telemetry
from streams.config import Brands, Settings, load_brands
from streams.connection import kafka_options
from streams.connectors.publisher import Publisher
from streams.connectors.understanding import understanding
from streams.errors import SettingsError
from streams.interactions import interaction
from streams.listener.app import Served, build
from streams.listener.courier import Courier
from streams.listener.hooks import Hook
from streams.listener.making import hooks_of
from streams.telemetry import log

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

RELOAD_SECONDS: Final = 2.0
"""How often rapport.toml is looked at; secrets are read for each request."""
KAFKA_SECONDS: Final = 10.0
"""Kafka that has acknowledged nothing for so long is away: the connection is made anew."""

logger = log("listener")


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


class Latest:
    """The application that is served: that of rapport.toml as it is now. Whoever is being answered has that of before."""

    def __init__(self, make: Callable[[Brands, Sequence[Hook]], "ASGIApp"]) -> None:
        self._make = make
        self._application: ASGIApp | None = None

    def take(self, brands: Brands, hooks: Sequence[Hook]) -> None:
        """Let who is in ``brands`` push from now on, and nobody else."""
        self._application = self._make(brands, hooks)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request."""
        assert self._application is not None  # noqa: S101 - taken before anything is served
        await self._application(scope, receive, send)

    async def follow(self, settings: Settings, brands: Brands, *, may_be_open: bool) -> NoReturn:
        """Take rapport.toml, which was ``brands``, as often as it changes; a mistake in it is logged and changes nothing."""
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            try:
                found = await asyncio.to_thread(load_brands, settings.accounts_file)
                if found == brands:
                    continue
                hooks = _hooks_of(found, settings.accounts_file, may_be_open=may_be_open)
            except SettingsError as error:
                logger.error("settings_wrong", error=str(error), what="whoever could push still can")  # noqa: TRY400 - it says all
                continue
            brands = found
            self.take(brands, hooks)
            logger.info("settings_changed", senders=len(serving.senders_of(brands)), webhooks=len(hooks))


def _hooks_of(brands: Brands, path: "Path | None", *, may_be_open: bool) -> list[Hook]:
    """Return the webhooks. Raises :class:`SettingsError` also where anybody could push who may not."""
    hooks = hooks_of(brands, path)
    if not (may_be_open or is_guarded(brands, hooks)):
        raise SettingsError("without tokens or webhooks anybody could push", "leave one, or end the process")
    return hooks


async def run_listener(
    settings: Settings, brands: Brands, hooks: Sequence[Hook], listening: "socket.socket", stop: asyncio.Event
) -> None:
    """Take in what others push until ``stop`` is set; what is under way then is answered.

    Who may push is looked up in rapport.toml again and again.
    """
    make: Callable[[], Publisher] = partial(
        Publisher,
        kafka_options(settings),
        settings.topics,
        source="listen",
        partitions=settings.partitions,
        max_bytes_in_flight=None,  # what worker and sink have not read yet waits in Kafka
        timeout=KAFKA_SECONDS,
    )
    understand = understanding(settings.language, settings.sentiment)
    understand(interaction(kind="mention", text="Good morning"))  # the models are loaded now, while nobody waits
    async with Courier(make) as courier:
        telemetry.serve(settings.metrics_host, settings.metrics_port, lambda: courier.is_connected)
        application = Latest(partial(_application, courier, understand))
        application.take(brands, hooks)
        is_own = serving.is_own(listening.getsockname()[0])
        following = asyncio.create_task(application.follow(settings, brands, may_be_open=is_own), name="rapport.toml")
        try:
            async with serving.until_stopped(application, listening, stop):
                pass
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


def _application(
    courier: Courier, understand: Callable[[Record], Record], brands: Brands, hooks: Sequence[Hook]
) -> "ASGIApp":
    guarded = is_guarded(brands, hooks)
    return build(
        Served(
            courier,
            serving.senders_of(brands),
            hooks,
            is_open=not guarded,
            hosts=("*",) if guarded else serving.OWN_NAMES,
            understand=understand,
        )
    )
