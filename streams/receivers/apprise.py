"""Whoever Apprise can tell (https://appriseit.com): an optional library, which knows some hundred services.

It says that it could not send, never why: each failure is tried again. What it sends twice stands there twice.
"""

import asyncio
from typing import Final

from streams.errors import SettingsError
from streams.http_answers import RefusedError, UnavailableError
from streams.notifications.model import Notification
from streams.receivers.base import Secret
from streams.receivers.wording import lines, title, worst_severity

_TYPES: Final = {"resolved": "success", "acknowledged": "info", "critical": "failure", "warning": "warning"}


class Apprise:
    """Sends to one of Apprise's addresses."""

    def __init__(self, url: Secret, timeout: float) -> None:
        try:
            import apprise  # noqa: PLC0415 - few have it
        except ImportError:
            raise SettingsError("apprise is not installed", "pip install 'rapport[apprise]'") from None
        self._apprise, self._url, self._timeout = apprise, url, timeout

    async def send(self, notification: Notification) -> None:
        """Send it; see :class:`streams.receivers.base.Receiver`."""
        service = self._apprise.Apprise.instantiate(self._url())
        if service is None:
            raise RefusedError("its address is none that Apprise knows")
        kind = notification.status if notification.status != "firing" else worst_severity(notification)
        sending = service.async_notify(
            title=title(notification),
            body="\n".join(lines(notification)) or "no alerts",
            notify_type=self._apprise.NotifyType(_TYPES[kind]),
            body_format=self._apprise.NotifyFormat.TEXT,
        )
        try:
            taken = await asyncio.wait_for(sending, self._timeout)
        except TimeoutError:
            raise UnavailableError("TimeoutError") from None
        if not taken:
            raise UnavailableError("Apprise could not send it")

    async def close(self) -> None:
        """Nothing is held between two messages."""
