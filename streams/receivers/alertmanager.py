"""Prometheus' Alertmanager, API v2 (https://prometheus.io/docs/alerting/latest/alerts_api).

Each alert that a notification lists is one of Alertmanager's, known by its labels. Whoever posts to it posts again and again while
an alert fires, for one whose ``endsAt`` goes by is over. A notification is told once, so its alerts are given until the next one
must have come: the longest that their route is silent of what goes on, and twice as long as a delivery may take. What ends is
posted as ended; what is forgotten, or is not listed any more, ends by itself.

``severity`` is a label, as routes and inhibitions there have it, so an alert that gets worse is another one: its other self ends.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final, get_args

from streams.http_answers import UnavailableError
from streams.notification_settings import AlertmanagerSettings, Severity
from streams.notifications.model import Listed, Notification
from streams.receivers.base import Poster, Secret, compact, iso
from streams.receivers.wording import line

_MINUTE: Final = 60_000


class Alertmanager:
    """Posts to each member of a cluster, as they do not hand alerts on; one that takes it is enough."""

    def __init__(self, settings: AlertmanagerSettings, authorization: Secret, pause: Callable[[str], int]) -> None:
        """``pause``: how long the route of a name may be silent of what goes on, ms."""
        self._urls = [f"{url.rstrip('/')}/api/v2/alerts" for url in settings.urls]
        self._authorization, self._pause = authorization, pause
        self._delivery = round(2 * settings.give_up_minutes * _MINUTE)
        self._poster = Poster(settings.timeout_seconds)

    async def send(self, notification: Notification) -> None:
        """Send it; see :class:`streams.receivers.base.Receiver`."""
        until = notification.at + self._pause(notification.route) + self._delivery
        body, said = compact(alerts(notification, until)), self._authorization()
        headers = {"Authorization": said} if said else {}
        answers = await asyncio.gather(
            *(self._poster.post(url, body, headers) for url in self._urls), return_exceptions=True
        )
        failures = [it for it in answers if isinstance(it, BaseException)]
        if len(failures) == len(answers):
            raise next((it for it in failures if isinstance(it, UnavailableError)), failures[0])

    async def close(self) -> None:
        """Close its connections."""
        await self._poster.close()


def alerts(notification: Notification, until: int) -> list[dict[str, Any]]:
    """Return what is posted; ``until``, ms: when what fires is over if nobody speaks of it again."""
    return [alert for listed in notification.listed for alert in _selves(notification, listed, until)]


def _selves(notification: Notification, listed: Listed, until: int) -> Iterator[dict[str, Any]]:
    """Yield the alert as it is, and ended as it may have been told before."""
    for severity in get_args(Severity):
        it = {"labels": _labels(notification, listed, severity), "annotations": _annotations(notification, listed)}
        if listed.change != "resolved" and severity == listed.alert.severity:
            yield {**it, "startsAt": iso(listed.alert.fired_at), "endsAt": iso(until)}
        elif listed.change in ("resolved", "escalated", "again", "acknowledged"):
            yield {**it, "endsAt": iso(notification.at)}


def _labels(notification: Notification, listed: Listed, severity: str) -> dict[str, str]:
    return {
        "alertname": listed.alert.kind,
        "source": "rapport",
        "network": notification.account.partition(":")[0],
        "account": notification.account,
        "alert_id": listed.alert.alert_id,
        "severity": severity,
    }


def _annotations(notification: Notification, listed: Listed) -> dict[str, str]:
    said = {"summary": line(listed), "subject": listed.alert.subject, "contact_id": listed.alert.contact_id}
    return {**said, "acknowledged_by": notification.by} if listed.change == "acknowledged" else said
