"""PagerDuty's Events API v2 (https://developer.pagerduty.com/docs/events-api-v2-overview).

An episode of a group is one incident: ``dedup_key`` is the same from its first notification to its last. But an incident that is
acknowledged wakes nobody, whatever is triggered, and no event takes that back. So when an acknowledgement is over, the incident is
resolved, and what still fires is another one.
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
        for event in events(notification):
            await self._poster.post(self._url, compact({"routing_key": self._routing_key(), **event}))

    async def close(self) -> None:
        """Close its connections."""
        await self._poster.close()


def events(notification: Notification) -> list[dict[str, Any]]:
    """Return the events without the routing key. Sent again, all of them change nothing."""
    action, renewals = _ACTIONS[notification.status], notification.renewals
    found = [_event(notification, action, renewals)]
    return [_event(notification, "resolve", renewals - 1), *found] if notification.renews else found


def _event(notification: Notification, action: str, renewals: int) -> dict[str, Any]:
    return {
        "event_action": action,
        "dedup_key": f"{notification.incident}-{renewals}" if renewals else notification.incident,
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
