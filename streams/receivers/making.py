"""A receiver from its settings."""

from collections.abc import Mapping

from streams.notification_settings import (
    AlertmanagerSettings,
    AppriseSettings,
    EmailSettings,
    Notifications,
    OpsgenieSettings,
    PagerDutySettings,
    ReceiverSettings,
    SlackSettings,
    TeamsSettings,
)
from streams.receivers.alertmanager import Alertmanager
from streams.receivers.apprise import Apprise
from streams.receivers.base import Receiver, Secret
from streams.receivers.email import Email
from streams.receivers.opsgenie import Opsgenie
from streams.receivers.pagerduty import PagerDuty
from streams.receivers.slack import Slack
from streams.receivers.teams import Teams
from streams.receivers.webhook import Webhook


def receiver(  # noqa: PLR0911 - one for each
    settings: ReceiverSettings, secrets: Mapping[str, Secret], notifications: Notifications
) -> Receiver:
    """Return the receiver that ``settings`` describe, with its secrets by name and the routes that lead to it."""
    timeout = settings.timeout_seconds
    match settings:
        case EmailSettings():
            return Email(settings, secrets["password"], secrets["link_secret"])
        case PagerDutySettings():
            return PagerDuty(settings.url, secrets["routing_key"], timeout)
        case OpsgenieSettings():
            return Opsgenie(settings.url, secrets["api_key"], timeout)
        case AlertmanagerSettings():
            return Alertmanager(settings, secrets["authorization"], notifications.longest_pause)
        case SlackSettings():
            return Slack(secrets["url"], timeout, buttons=settings.has("signing_secret"))
        case TeamsSettings():
            return Teams(secrets["url"], timeout)
        case AppriseSettings():
            return Apprise(secrets["url"], timeout)
        case _:
            return Webhook(settings.url, secrets["secret"], timeout)
