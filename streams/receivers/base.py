"""The contract of a receiver, and what those that speak HTTP have in common.

A receiver takes a notification or raises. What it takes twice under the same :attr:`Notification.key` it may know as one: a
webhook by ``webhook-id``, PagerDuty by ``dedup_key``, Opsgenie by ``alias``, Alertmanager by labels, mail by ``Message-ID``. Slack
and Teams have nothing of the kind.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx

from streams.http_answers import RefusedError, UnavailableError, raise_if_unavailable
from streams.notifications.model import Notification

Secret = Callable[[], str]
"""Reads a receiver's secret, each time anew. Raises :class:`streams.errors.SettingsError`."""


class Receiver(Protocol):
    """Somebody who is told."""

    async def send(self, notification: Notification) -> None:
        """Return once it has been taken.

        Raises :class:`UnavailableError` if another try may help, :class:`RefusedError` if none does; after either it may have been
        taken all the same.
        """

    async def close(self) -> None:
        """Give back what it holds."""


class Poster:
    """Sends JSON and says what an answer means. Neither addresses nor bodies are in its errors: they may hold secrets."""

    def __init__(self, timeout: float) -> None:
        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Post ``body``; raises as :meth:`Receiver.send`."""
        await self.request("POST", url, body, headers)

    async def request(self, method: str, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send ``body`` by another method; raises as :meth:`Receiver.send`."""
        headers = {"Content-Type": "application/json", "User-Agent": "Rapport", **(headers or {})}
        try:
            answer = await self._client.request(method, url, content=body, headers=headers)
        except httpx.InvalidURL:
            raise RefusedError("its address is none") from None
        except (httpx.TransportError, OSError) as error:
            raise UnavailableError(type(error).__name__) from None
        if not answer.is_success:
            raise_if_unavailable(answer.status_code, answer.headers)
            raise RefusedError(f"HTTP {answer.status_code}")

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


def compact(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return a value as JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def iso(at: int) -> str:
    """Return an instant, ms, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
