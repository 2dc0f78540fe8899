"""Every type of connector, and one from its table of rapport.toml."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic_core import PydanticCustomError

from streams.connectors.live import Connector, ConnectorSettings, Known, network_of

if TYPE_CHECKING:
    from streams.connectors.session import Session

TYPES: Final[Mapping[str, str]] = {
    "bluesky": "streams.connectors.bluesky:Bluesky",
    "discourse": "streams.connectors.discourse:Discourse",
    "feed": "streams.connectors.feed:Feed",
    "folder": "streams.connectors.folder:Folder",
    "google_reviews": "streams.connectors.google_reviews:GoogleReviews",
    "imap": "streams.connectors.imap:Mailbox",
    "kafka": "streams.connectors.kafka_topic:KafkaTopic",
    "mastodon": "streams.connectors.mastodon:Mastodon",
    "meta": "streams.connectors.meta_graph:Meta",
    "reddit": "streams.connectors.reddit:Reddit",
    "stackexchange": "streams.connectors.stackexchange:StackExchange",
    "telegram": "streams.connectors.telegram:Telegram",
    "trustpilot": "streams.connectors.trustpilot:Trustpilot",
    "wordpress": "streams.connectors.wordpress:WordPress",
    "x": "streams.connectors.x:X",
    "youtube": "streams.connectors.youtube:YouTube",
}
"""Module and class by ``type``; imported when one is wanted."""


HISTORY_SHARE: Final = 0.5
"""So much of a connector's requests its history may use: the rest is for what happens now."""
HISTORY_TRIES: Final = 10
"""A request of a history is made so often before what was read is given up: some minutes."""


class Made(NamedTuple):
    """A connector, and what its requests go through."""

    connector: Connector
    session: "Session"


def settings_of(table: Mapping[str, Any]) -> ConnectorSettings:
    """Return the settings of a ``[connectors.NAME]``. Raises pydantic's ``ValidationError`` and ``PydanticCustomError``."""
    if table.get("type") not in TYPES:
        known = ", ".join(sorted(TYPES))
        raise PydanticCustomError("type", "there is no such type of connector: give one of {known}", {"known": known})
    kind = _class(table["type"])
    found: ConnectorSettings = kind.settings.model_validate(dict(table))
    networks = (kind.network,) if isinstance(kind.network, str) else kind.network
    for account in found.accounts:
        if kind.network and (network_of(account) not in networks or ":" not in account):
            wrong = "an account of this type begins with {networks}:"
            raise PydanticCustomError("accounts", wrong, {"networks": ": or ".join(networks)})
    return found


def settings_class(of: str) -> type[ConnectorSettings]:
    """Return what the table of a type has to be."""
    found: type[ConnectorSettings] = _class(of).settings
    return found


def has_history(of: str) -> bool:
    """Say whether connectors of a type tell what was before: :class:`streams.connectors.live.Historic`."""
    return hasattr(_class(of), "history")


def make(
    name: str,
    settings: ConnectorSettings,
    secrets: Mapping[str, Callable[[], str]],
    known: Callable[[str], Known | None],
    *,
    for_history: bool = False,
) -> Made:
    """Return a connector that has not connected yet.

    ``known``: what is remembered of a post, by its key. ``for_history``: for a long way that is walked beside what happens now.
    """
    from streams.connectors.session import Session  # noqa: PLC0415 - httpx takes its time, and rapport.toml is read often

    kind = _class(settings.type)
    budget = kind.budget(settings)
    session = (
        Session(name, budget.part(HISTORY_SHARE), known, HISTORY_TRIES) if for_history else Session(name, budget, known)
    )
    return Made(kind(settings, session, secrets), session)


def _class(of: str) -> Any:  # noqa: ANN401 - a Connector that is to be made
    module, _, name = TYPES[of].partition(":")
    return getattr(import_module(module), name)
