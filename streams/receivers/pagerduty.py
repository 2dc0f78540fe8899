"""PagerDuty's Events API v2 (https://developer.pagerduty.com/docs/events-api-v2-overview).

An episode of a group is one incident: ``dedup_key`` is the same from its first notification to its last.
"""

from typing import Any, Final

from streams.notifications.model import Notification
from streams.receivers.base import Poster, Secret, compact, iso
from streams.receivers.wording import lines, title, worst_severity

_ACTIONS: Final = {"firing": "trigger", "acknowledged": "acknowledge", "resolved": "resolve"}
_LONGEST_SUMMARY: Final = 1024


class PagerDuty:
    """Posts to one integration."""

    def __init__(self, url: str, routing_key: Secret, timeout: float) -> None:
        self._url, self._routing_key = url, routing_key
        self._poster = Poster(timeout)

    async def send(self, notification: Notification) -> None:
        """Send it; see :class:`streams.receivers.base.Receiver`."""
        await self._poster.post(self._url, compact({"routing_key": self._routing_key(), **event(notification)}))

    async def close(self) -> None:
        """Close its connections."""
        await self._poster.close()


def event(notification: Notification) -> dict[str, Any]:
    """Return the event without the routing key."""
    return {
        "event_action": _ACTIONS[notification.status],
        "dedup_key": notification.incident,
        "client": "Rapport",
        "payload": {
            "summary": title(notification)[:_LONGEST_SUMMARY],
            "source": notification.account,
            "severity": worst_severity(notification),
            "timestamp": iso(notification.at),
            "group": notification.route,
            "class": ", ".join(sorted({on.alert.kind for on in notification.listed})),
            "custom_details": {"firing": notification.firing, "new": notification.new, "alerts": lines(notification)},
        },
    }
