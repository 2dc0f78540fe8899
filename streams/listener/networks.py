"""Webhooks of networks, each with its own handshake and signature: Meta's, Telegram's, Trustpilot's and X's."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from sinks.dashboard.access import Token
from streams import signatures
from streams.connectors import meta, pushed, telegram_pushed, trustpilot_pushed, x_activity
from streams.connectors.base import Item
from streams.connectors.telegram_updates import Brand
from streams.listener.hooks import Answer, Received

Secrets = Callable[[], Sequence[str]]
"""Reads secrets, each time anew."""
_CRC_TOKEN: Final = re.compile(rb"[A-Za-z0-9_.=+/-]{1,256}")
"""X signs events and wants challenges signed alike, by the same secret: whoever asks must not get a signature for an event."""


class Meta:
    """A :class:`streams.listener.hooks.Hook` for Facebook Pages, Instagram and Threads."""

    def __init__(self, rights: Token, app_secrets: Secrets, verify_tokens: Secrets) -> None:
        self.name = rights.name
        self.rights = rights
        self._app_secrets = app_secrets
        self._verify_tokens = verify_tokens
        self._reader = meta.reader(rights.allows)

    def challenge(self, query: Mapping[str, str]) -> Answer | None:
        """Echo the challenge of who knows the verify token."""
        is_known = signatures.is_one_of(query.get("hub.verify_token", ""), self._verify_tokens())
        if query.get("hub.mode") != "subscribe" or not is_known or "hub.challenge" not in query:
            return None
        return Answer(query["hub.challenge"], "text/plain")

    def is_genuine(self, received: Received) -> bool:
        """Say whether the app's secret has signed it."""
        made = [signatures.meta(secret, received.body) for secret in self._app_secrets()]
        return signatures.is_one_of(received.headers.get("x-hub-signature-256", ""), made)

    def read(self, received: Received, place: str) -> list[Sequence[Item]]:
        """Return what each record stands for."""
        return pushed.read(received.body, self._reader, place, received.now)


class Telegram:
    """A :class:`streams.listener.hooks.Hook` for a bot of Telegram."""

    def __init__(self, rights: Token, secret_tokens: Secrets, ours: Brand) -> None:
        self.name = rights.name
        self.rights = rights
        self._secret_tokens = secret_tokens
        self._reader = telegram_pushed.reader(rights.accounts, ours)

    def challenge(self, _: Mapping[str, str]) -> Answer | None:
        """Refuse: Telegram asks nothing."""
        return None

    def is_genuine(self, received: Received) -> bool:
        """Say whether it has the secret that only Telegram was told."""
        given = received.headers.get("x-telegram-bot-api-secret-token", "")
        return signatures.is_one_of(given, self._secret_tokens())

    def read(self, received: Received, place: str) -> list[Sequence[Item]]:
        """Return what each record stands for."""
        return pushed.read(received.body, self._reader, place, received.now)


class Trustpilot:
    """A :class:`streams.listener.hooks.Hook` for service reviews of Trustpilot, which signs nothing: its address is secret."""

    def __init__(self, rights: Token, secrets: Secrets) -> None:
        self.name = rights.name
        self.rights = rights
        self._secrets = secrets
        self._reader = trustpilot_pushed.reader(rights.accounts[0])

    def challenge(self, _: Mapping[str, str]) -> Answer | None:
        """Refuse: Trustpilot asks nothing."""
        return None

    def is_genuine(self, received: Received) -> bool:
        """Say whether it came to the address that only Trustpilot was told."""
        return signatures.is_one_of(received.query.get("secret", ""), self._secrets())

    def read(self, received: Received, place: str) -> list[Sequence[Item]]:
        """Return what each record stands for."""
        return pushed.read(received.body, self._reader, place, received.now)


class X:
    """A :class:`streams.listener.hooks.Hook` for X's Activity API."""

    def __init__(self, rights: Token, consumer_secrets: Secrets) -> None:
        self.name = rights.name
        self.rights = rights
        self._secrets = consumer_secrets
        self._reader = x_activity.reader(rights.allows)

    def challenge(self, query: Mapping[str, str]) -> Answer | None:
        """Sign a ``crc_token``, with the first of the secrets; but nothing that could be the body of an event."""
        if not _CRC_TOKEN.fullmatch(query.get("crc_token", "").encode()):
            return None
        token = signatures.x(self._secrets()[0], query["crc_token"].encode())
        return Answer(msgspec.json.encode({"response_token": token}).decode(), "application/json")

    def is_genuine(self, received: Received) -> bool:
        """Say whether the consumer secret has signed it, and not as a ``crc_token``."""
        if _CRC_TOKEN.fullmatch(received.body):
            return False
        made = [signatures.x(secret, received.body) for secret in self._secrets()]
        return signatures.is_one_of(received.headers.get("x-twitter-webhooks-signature", ""), made)

    def read(self, received: Received, place: str) -> list[Sequence[Item]]:
        """Return what each record stands for."""
        return pushed.read(received.body, self._reader, place, received.now)
