"""What every source of Interactions gives: events and set-aside input in one stream, and counts of what it read."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from schemas.codec import Record
from streams.errors import Reason


class Rejected(NamedTuple):
    """One piece of input that could not be used. It becomes a dead letter, never a crash and never nothing."""

    reason: Reason
    error: str
    """What was wrong, in words."""
    place: str
    """Where it came from: ``file:line``, or the network's own position."""
    payload: bytes
    """The original bytes, whole."""


Item = Record | Rejected
"""What a source yields: an Interaction (a dict, as ``streams.interactions.interaction`` makes it) or a rejection."""


@dataclass
class Counts:
    """What a source read and made of it. Rejections are counted by reason."""

    records: int = 0
    """Records read: rows of a file, messages of a network; blank lines and the header are none."""
    mentions: int = 0
    replies: int = 0
    broadcasts: int = 0
    others: int = 0
    """Events of any other kind."""
    unattributed: int = 0
    """Records by the public that address none of the accounts."""
    skipped: int = 0
    """Records by brands that were not asked for, and records that only repeat an earlier one."""
    rejected: Counter[Reason] = field(default_factory=Counter)

    @property
    def events(self) -> int:
        """All events made. One post may be a mention of several accounts, so there can be more of them than records."""
        return self.mentions + self.replies + self.broadcasts + self.others

    def count(self, item: Item) -> None:
        """Count an item that is about to be yielded."""
        if isinstance(item, Rejected):
            self.rejected[item.reason] += 1
            return
        match item["kind"]:
            case "mention":
                self.mentions += 1
            case "reply":
                self.replies += 1
            case "broadcast":
                self.broadcasts += 1
            case _:
                self.others += 1


class Source(Protocol):
    """Anything that Interactions come from; :func:`streams.connectors.runner.run` carries it into Kafka.

    Iterating yields items in the order of ``received_at``, as the processor is to see them. A file may be iterated
    again and yields the same; a network goes on from where it was.
    """

    @property
    def name(self) -> str:
        """The source's name in metrics and dead letters: ``twcs``, ``simulator``, …."""

    @property
    def counts(self) -> Counts:
        """What was read so far."""

    def __iter__(self) -> Iterator[Item]:
        """Yield the items."""
