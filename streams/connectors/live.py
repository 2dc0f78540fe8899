"""The contract of a network's connector: it yields what the network says, each time with the cursor to go on from.

A connector knows one network and no account, no Kafka and no measure. :mod:`streams.connectors.live_runner` does the rest:
whom a post is for, language and sentiment, Kafka, cursors, pauses. docs/connectors/README.md says how to write one.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Protocol

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from schemas.codec import Record
from streams.connectors.base import Rejected
from streams.connectors.pacing import Budget
from streams.tables import SecretTable, Text, Texts


class ConnectorSettings(SecretTable):
    """What every ``[connectors.NAME]`` of rapport.toml has. A connector's own settings are a subclass."""

    type: str = Field(description="which network, and how")
    accounts: Texts = Field(min_length=1, description="the brand accounts, network:account_id")


def _are_configured(found: Mapping[str, str], info: ValidationInfo) -> Mapping[str, str]:
    missing = next((it for it in found.values() if it not in info.data.get("accounts", ())), None)
    if missing is not None:
        raise PydanticCustomError("accounts", "{account} is not among its accounts", {"account": missing})
    return found


ForAccounts = Annotated[Mapping[Text, Text], AfterValidator(_are_configured)]
"""A setting that says of people, or of whatever else, which of the connector's accounts they stand for."""


class Post(NamedTuple):
    """A post as the network gives it. Ids of posts are ``network:…``, those of people are the network's own."""

    key: str
    """By what the network speaks of it in deletions and as a parent; often its id without the network."""
    id: str
    author_id: str
    published_at: int
    """ms, as the network says; the runner takes the time when it came if that is earlier."""
    text: str
    addressed: tuple[str, ...] = ()
    """Whom it addresses: ids as ``author_id`` has them."""
    parent_id: str = ""
    parent_author_id: str = ""
    """Who wrote the parent; "" if it has none, or nobody knows."""
    parent_key: str = ""
    conversation_id: str = ""
    """The root's id; "" where nobody knows."""
    revision: int = 0
    """0 as first published, higher for every edit."""
    fields: Record = {}  # noqa: RUF012 - nobody changes it
    """Whatever else of an Interaction the network tells: ``url``, ``lang``, ``hashtags``, ``likes``, ….."""


def network_of(identity: str) -> str:
    """Return the network of an account's or a post's id, ``network:…``."""
    return identity.partition(":")[0]


class Deletion(NamedTuple):
    """A post is gone."""

    key: str
    at: int
    """ms; when it was deleted or, where the network does not tell, when it said so."""


class Departure(NamedTuple):
    """Somebody has deleted their account, and with it all that they wrote."""

    author_id: str
    at: int
    """ms, as of a :class:`Deletion`."""


class Gap(NamedTuple):
    """The network cannot tell any more what happened in between. It is logged and counted, and the stream goes on."""

    why: str


class Keep(NamedTuple):
    """Before the connector goes on, Kafka has to have all that it has yielded, and the cursor is kept.

    For a network that forgets what it is asked to go on behind.
    """


ALIVE: Final = None
"""Nothing happened, and the network says so."""

Item = Post | Deletion | Departure | Gap | Keep | Rejected | Record | None
"""What a connector yields; a Record is an Interaction that is whole: its account is told, as with an ``opt_out``."""


WHENEVER: Final = 1 << 62
"""The time by which Interactions are read that a connector is told whole, ms: when they came is the runner's business."""


class Received(NamedTuple):
    """An item, and the cursor with which the stream goes on behind it."""

    item: Item
    cursor: str


class Known(NamedTuple):
    """What is kept of a post that concerned an account, for those that answer it and for its deletion."""

    id: str
    accounts: tuple[str, ...]
    author_id: str
    contact_id: str
    conversation_id: str
    published_at: int
    revision: int
    digest: str = ""
    """Of its text as it was published last: :func:`streams.connectors.window.digest`."""
    is_gone: bool = False
    """It was deleted, and stays withdrawn."""


Remembered = Callable[[int], Sequence[tuple[str, Known]]]
"""Returns what is kept and stands of what was published from a time on, ms, by its key."""


class Connector(Protocol):
    """One connection to a network. Made by its class from its settings, a :class:`Session` and its secrets."""

    network: ClassVar[str | tuple[str, ...]]
    """The first half of its accounts and ids, or all that this may be; "" where whole Interactions are told, of any network."""
    settings: ClassVar[type[ConnectorSettings]]

    @staticmethod
    def budget(settings: Any) -> Budget:  # noqa: ANN401 - its own
        """Return how often the network may be asked."""

    def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what happens, from behind a cursor on; None: from now on.

        What it has yielded before may come again. Between two items it may be ended at any time. It notices by itself that its
        connection is dead, within its heartbeat. Raises :class:`streams.http_answers.UnavailableError` (or what httpx raises) where
        another try may help, :class:`streams.http_answers.RefusedError` where the credentials are refused, and
        :class:`streams.errors.SettingsError` where a secret cannot be read.
        """

    async def check(self) -> str:
        """Return in words whom the credentials belong to; raises as :meth:`stream`."""


class Historic(Connector, Protocol):
    """A connector whose network tells what was before."""

    def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what happened from ``since`` on, ms, or from behind a cursor on, and end when it has come to now.

        In the order of its times, as far as the network tells: they are the clock. What is older than ``since`` may be among it.
        The cursors are its own, and otherwise all is as with :meth:`Connector.stream`.
        """
