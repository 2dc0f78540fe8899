"""A webhook of whoever signs by Standard Webhooks: Interactions, foreign JSON by a mapping, CloudEvents with either in them."""

from collections.abc import Callable, Mapping, Sequence

from sinks.dashboard.access import Token
from streams.connectors import pushed
from streams.connectors.base import Item
from streams.connectors.cloudevents import unwrapping
from streams.connectors.pushed import Reader
from streams.listener.hooks import Answer, Received
from streams.signatures import is_standard_webhook


class Webhook:
    """A :class:`streams.listener.hooks.Hook`."""

    def __init__(self, rights: Token, secrets: Callable[[], Sequence[str]], reader: Reader) -> None:
        """``secrets``: reads them, each time anew."""
        self.name = rights.name
        self.rights = rights
        self._secrets = secrets
        self._reader = reader

    def challenge(self, _: Mapping[str, str]) -> Answer | None:
        """Refuse: nobody asks."""
        return None

    def is_genuine(self, received: Received) -> bool:
        """Say whether it is signed with one of the secrets, and lately."""
        return is_standard_webhook(self._secrets(), received.headers, received.body, received.now / 1000)

    def read(self, received: Received, place: str) -> list[Sequence[Item]]:
        """Return what each record stands for."""
        reader = unwrapping(received.headers, self._reader)
        return pushed.read(received.body, pushed.only(self.rights.allows, reader), place, received.now)
