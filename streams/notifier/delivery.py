"""From a notification to a receiver that has taken it: tries, pauses, the other receiver, and at last a dead letter."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from streams.errors import RapportError
from streams.http_answers import RefusedError, UnavailableError
from streams.notification_settings import Notifications
from streams.notifications.model import Notification
from streams.receivers.base import Receiver
from streams.telemetry import NOTIFICATION_FAILURES, NOTIFICATION_SECONDS, NOTIFICATIONS, NOTIFICATIONS_PENDING, log

FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 60.0
"""Seconds between two tries: doubled each time, then a random half to all of it; longer if the receiver says so."""
AT_ONCE: Final = 8
"""Tries that one receiver has to bear at the same time."""

logger = log("notifier")


class UndeliveredError(Exception):
    """The receiver refuses it, or has not taken it for as long as its settings allow."""


class Delivery:
    """Sends to the receivers of ``rapport.toml``; one that is down keeps nobody else waiting."""

    def __init__(self, notifications: Notifications, receivers: Mapping[str, Receiver]) -> None:
        self._notifications, self._receivers = notifications, receivers
        self._turns = {name: asyncio.Semaphore(AT_ONCE) for name in receivers}

    async def deliver(self, notification: Notification, fell_back: Callable[[], Awaitable[None]]) -> None:
        """Return once the receiver of its route has it, or the fallback, for which ``fell_back`` is awaited first.

        Raises :class:`UndeliveredError` if neither takes it.
        """
        route = self._notifications.route(notification.route)
        if route is None:
            raise UndeliveredError(f"there is no route {notification.route} any more")
        if not notification.fallen_back:
            try:
                await self._send(notification, route.receiver, notification.at)
            except UndeliveredError as error:
                if route.fallback is None:
                    raise
                logger.warning("falls_back", route=route.name, error=str(error), to=route.fallback)
                await fell_back()
            else:
                return
        if route.fallback is None:
            raise UndeliveredError("there is no fallback any more")
        await self._send(notification, route.fallback, _now())

    async def _send(self, notification: Notification, name: str, since: int) -> None:
        """Try until the receiver has it, or ``give_up_minutes`` after ``since``, ms."""
        end = since + self._notifications.receivers[name].give_up_minutes * 60_000
        wait = FIRST_WAIT
        with NOTIFICATIONS_PENDING.labels(name).track_inprogress():
            while True:
                try:
                    async with self._turns[name]:
                        await self._receivers[name].send(notification)
                except UnavailableError as error:
                    why, pause = str(error), max(error.pause, wait * random.uniform(0.5, 1))  # noqa: S311 - no secret
                except RapportError as error:  # its secret cannot be read
                    why, pause = str(error), wait
                except RefusedError as error:
                    NOTIFICATION_FAILURES.labels(name).inc()
                    raise UndeliveredError(f"{name} refuses it ({error})") from None
                except Exception as error:
                    logger.exception("receiver_failed", receiver=name)
                    raise UndeliveredError(f"{name} fails ({type(error).__name__})") from error
                else:
                    NOTIFICATIONS.labels(name, notification.status).inc()
                    NOTIFICATION_SECONDS.labels(name).observe(max(0, _now() - notification.at) / 1000)
                    return
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    # lost in asyncio.wait_for of Python 3.11, if what it waits for ends at that moment, as mail's connection does
                    raise asyncio.CancelledError
                NOTIFICATION_FAILURES.labels(name).inc()
                logger.warning("receiver_unavailable", receiver=name, error=why, retry_seconds=round(pause, 2))
                if _now() + pause * 1000 > end:
                    raise UndeliveredError(f"{name} has not taken it ({why})")
                await asyncio.sleep(pause)
                wait = min(2 * wait, LONGEST_WAIT)


def _now() -> int:
    return time.time_ns() // 1_000_000
