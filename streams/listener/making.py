"""Webhooks from their settings."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sinks.dashboard.access import Token
from streams.config import Brands, invalid, mistake, secrets_of
from streams.connectors import mapping, pushed
from streams.connectors.feed_settings import FeedSettings
from streams.connectors.telegram_updates import brand
from streams.errors import SettingsError
from streams.listener.hooks import Hook
from streams.listener.networks import Meta, Telegram, Trustpilot, X
from streams.listener.webhook import Webhook
from streams.listener.websub import WebSub
from streams.listener_settings import (
    MetaConnector,
    PushedSettings,
    TelegramConnector,
    TrustpilotConnector,
    WebhookConnector,
    XConnector,
    pushed_settings,
)
from streams.signatures import key_of, secrets_in


def hooks_of(brands: Brands, path: Path | None) -> list[Hook]:
    """Return the webhooks of ``rapport.toml``, which ``path`` names. Raises :class:`SettingsError`."""
    found = [hook_of(name, table, path) for name, table in brands.connectors.items()]
    return [hook for hook in found if hook is not None]


def hook_of(name: str, table: Mapping[str, Any], path: Path | None) -> Hook | None:
    """Return the webhook that is a table of connectors; None: nobody pushes to it. Raises :class:`SettingsError`."""
    where = ["connectors", name]
    try:
        settings = pushed_settings(table)
        if settings is not None:
            return _hook(name, settings)
        if table.get("type") == "feed" and (feeds := FeedSettings.model_validate(table)).callback:
            secrets = _secrets(name, secrets_of(feeds)["secret"], secrets_in)
            return WebSub(Token(name, "", feeds.accounts, "sender"), feeds, secrets)
    except ValidationError as error:
        raise invalid(path, where, error) from None
    except mapping.MappingError as error:
        raise mistake(path, [*where, "mapping"], str(error)) from None
    return None


def _hook(name: str, settings: PushedSettings) -> Hook:
    rights = Token(name, "", settings.accounts, "sender")
    parse = whsec if isinstance(settings, WebhookConnector) else secrets_in
    secrets = {secret: _secrets(name, reveal, parse) for secret, reveal in secrets_of(settings).items()}
    match settings:
        case MetaConnector():
            return Meta(rights, secrets["app_secret"], secrets["verify_token"])
        case TelegramConnector():
            ours = brand(settings.accounts, settings.staff, settings.groups)
            return Telegram(rights, secrets["secret_token"], ours)
        case TrustpilotConnector():
            return Trustpilot(rights, secrets["secret"])
        case XConnector():
            return X(rights, secrets["consumer_secret"])
        case WebhookConnector():
            reader = pushed.interactions if settings.mapping is None else mapping.reader_of(settings.mapping)
            return Webhook(rights, secrets["secret"], reader)


def whsec(text: str) -> list[str]:
    """Return the secrets of Standard Webhooks in a text. Raises :class:`ValueError`."""
    found = secrets_in(text)
    for secret in found:
        key_of(secret)
    return found


def _secrets(name: str, secret: Callable[[], str], parse: Callable[[str], list[str]]) -> Callable[[], Sequence[str]]:
    """Return what reads secrets, each time anew; it is read once now. Raises :class:`SettingsError`, then and now."""

    def read() -> list[str]:
        try:
            return parse(secret())
        except ValueError as error:
            raise SettingsError(f"the secret of connectors.{name} is none ({error})", "copy it again") from None

    read()
    return read
