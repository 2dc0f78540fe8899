"""Opsgenie's Alert API v2 (https://docs.opsgenie.com/docs/alert-api), which Jira Service Management speaks as well.

An episode of a group is one alert: ``alias`` is the same from its first notification to its last.
"""

from typing import Any, Final

from streams.notifications.model import Notification
from streams.receivers.base import Poster, Secret, compact
from streams.receivers.wording import bullets, lines, title, worst_severity

_PRIORITIES: Final = {"critical": "P1", "warning": "P3"}
_LONGEST_MESSAGE: Final = 130
_LONGEST_DESCRIPTION: Final = 15_000
_LONGEST_USER: Final = 100


class Opsgenie:
    """Speaks to one integration."""

    def __init__(self, url: str, api_key: Secret, timeout: float) -> None:
        self._url, self._api_key = url, api_key
        self._poster = Poster(timeout)

    async def send(self, notification: Notification) -> None:
        """Send it; see :class:`streams.receivers.base.Receiver`."""
        headers = {"Authorization": f"GenieKey {self._api_key()}"}
        for method, path, body in requests(notification):
            await self._poster.request(method, self._url + path, compact(body), headers)

    async def close(self) -> None:
        """Close its connections."""
        await self._poster.close()


def requests(notification: Notification) -> list[tuple[str, str, dict[str, Any]]]:
    """Return what is asked of it: method, what follows the address, and body.

    To create an alert that is open already only counts it once more: what is worse by now, or is no longer acknowledged, is said
    beside.
    """
    about = {"source": "Rapport", "note": title(notification)}
    if notification.status == "resolved":
        return [("POST", _of(notification, "close"), about)]
    if notification.status == "acknowledged":
        user = {"user": notification.by[:_LONGEST_USER]} if notification.by else {}
        return [("POST", _of(notification, "acknowledge"), about | user)]
    priority = _PRIORITIES[worst_severity(notification)]
    asked = [("POST", "", _alert(notification, priority))]
    if notification.number > 1:
        asked.append(("PUT", _of(notification, "priority"), {"priority": priority}))
    if notification.renews:
        asked.append(("POST", _of(notification, "unacknowledge"), about))
    return asked


def _of(notification: Notification, what: str) -> str:
    return f"/{notification.incident}/{what}?identifierType=alias"


def _alert(notification: Notification, priority: str) -> dict[str, Any]:
    details = {"firing": str(notification.firing), "new": str(notification.new), "route": notification.route}
    return {
        "message": title(notification)[:_LONGEST_MESSAGE],
        "alias": notification.incident,
        "description": bullets(lines(notification), _LONGEST_DESCRIPTION),
        "entity": notification.account,
        "source": "Rapport",
        "priority": priority,
        "tags": sorted({on.alert.kind for on in notification.listed}),
        "details": details,
    }
