"""A receiver from its settings."""

from streams.notification_settings import EmailSettings, PagerDutySettings, ReceiverSettings, SlackSettings
from streams.receivers.base import Receiver, Secret
from streams.receivers.email import Email
from streams.receivers.pagerduty import PagerDuty
from streams.receivers.slack import Slack
from streams.receivers.webhook import Webhook


def receiver(settings: ReceiverSettings, secret: Secret) -> Receiver:
    """Return the receiver that ``settings`` describe."""
    if isinstance(settings, EmailSettings):
        return Email(settings, secret)
    if isinstance(settings, PagerDutySettings):
        return PagerDuty(settings.url, secret, settings.timeout_seconds)
    if isinstance(settings, SlackSettings):
        return Slack(secret, settings.timeout_seconds)
    return Webhook(settings.url, secret, settings.timeout_seconds)
