"""Webhooks from their settings."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from sinks.dashboard.access import Token
from streams.config import Brands, invalid, mistake, secrets_of
from streams.connectors import mapping, pushed
from streams.errors import SettingsError
from streams.listener.hooks import Hook
from streams.listener.networks import Meta, X
from streams.listener.webhook import Webhook
from streams.listener_settings import (
    MetaConnector,
    PushedSettings,
    WebhookConnector,
    XConnector,
    pushed_settings,
)
from streams.signatures import key_of, secrets_in


def hooks_of(brands: Brands, path: Path | None) -> list[Hook]:
    """Return the webhooks of ``rapport.toml``, which ``path`` names. Raises :class:`SettingsError`."""
    found: list[Hook] = []
    for name, table in brands.connectors.items():
        where = ["connectors", name]
        try:
            settings = pushed_settings(table)
            if settings is not None:
                found.append(_hook(name, settings))
        except ValidationError as error:
            raise invalid(path, where, error) from None
        except mapping.MappingError as error:
            raise mistake(path, [*where, "mapping"], str(error)) from None
    return found


def _hook(name: str, settings: PushedSettings) -> Hook:
    rights = Token(name, "", settings.accounts, "sender")
    parse = whsec if isinstance(settings, WebhookConnector) else secrets_in
    secrets = {secret: _secrets(name, reveal, parse) for secret, reveal in secrets_of(settings).items()}
    match settings:
        case MetaConnector():
            return Meta(rights, secrets["app_secret"], secrets["verify_token"])
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
