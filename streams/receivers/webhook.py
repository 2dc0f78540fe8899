"""Standard Webhooks 1.0: JSON that is signed (https://www.standardwebhooks.com)."""

import time
from typing import Any

from streams.http_answers import RefusedError
from streams.notifications.model import Listed, Notification
from streams.receivers.base import Poster, Secret, compact, iso
from streams.signatures import standard_webhook


class Webhook:
    """Posts to one address. With several secrets it signs with each, so that they can be changed one after the other."""

    def __init__(self, url: str, secret: Secret, timeout: float) -> None:
        self._url, self._secret = url, secret
        self._poster = Poster(timeout)

    async def send(self, notification: Notification) -> None:
        """Send it; see :class:`streams.receivers.base.Receiver`."""
        body, name = compact(payload(notification)), f"msg_{notification.key}"
        at = str(int(time.time()))  # of this try, as the specification has it
        try:
            signatures = [standard_webhook(secret, name, at, body) for secret in self._secret().split()]
        except ValueError as error:
            raise RefusedError(str(error)) from None
        headers = {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": " ".join(signatures)}
        await self._poster.post(self._url, body, headers)

    async def close(self) -> None:
        """Close its connections."""
        await self._poster.close()


def payload(notification: Notification) -> dict[str, Any]:
    """Return what is posted."""
    it = notification
    return {
        "type": f"alerts.{it.status}",
        "timestamp": iso(it.at),
        "data": {
            "account": it.account,
            "route": it.route,
            "incident": it.incident,
            "number": it.number,
            "firing": it.firing,
            "new": it.new,
            "resolved": it.resolved,
            "caused": it.caused,
            "by": it.by,
            "alerts": [_alert(listed) for listed in it.listed],
        },
    }


def _alert(listed: Listed) -> dict[str, Any]:
    alert = listed.alert
    return {
        "alert_id": alert.alert_id,
        "change": listed.change,
        "kind": alert.kind,
        "severity": alert.severity,
        "state": "firing" if alert.firing else "resolved",
        "subject": alert.subject,
        "contact_id": alert.contact_id,
        "escalation": alert.escalation,
        "due_at": iso(alert.due_at),
        "fired_at": iso(alert.fired_at),
        "value": alert.value,
        "baseline": alert.baseline,
    }
