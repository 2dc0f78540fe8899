"""What a webhook is to the application: how it is believed, and what is in it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from sinks.dashboard.access import Token
from streams.connectors.base import Item


class Received(NamedTuple):
    """A request with a body."""

    headers: Mapping[str, str]
    """By name, in any case."""
    body: bytes
    """As it came."""
    now: int
    """When, ms."""
    query: Mapping[str, str] = {}
    """What stands behind the address."""


class Answer(NamedTuple):
    """What a challenge is answered with."""

    body: str
    media_type: str


class Hook(Protocol):
    """One webhook."""

    @property
    def name(self) -> str:
        """Its name in the address, in metrics and in dead letters."""

    @property
    def rights(self) -> Token:
        """For which accounts it may speak."""

    def challenge(self, query: Mapping[str, str]) -> Answer | None:
        """Return what a GET is answered with; None: it is refused. Raises :class:`RapportError` if a secret cannot be had."""

    def is_genuine(self, received: Received) -> bool:
        """Say whether a request comes from whoever has the secret. Raises :class:`RapportError` if that cannot be had."""

    def read(self, received: Received, place: str) -> list[Sequence[Item]]:
        """Return what each record of the body stands for. Raises :class:`streams.connectors.pushed.TooManyError`."""
