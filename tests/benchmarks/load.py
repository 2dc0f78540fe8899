"""What is measured with: simulated events, as the messages that a publisher would have sent."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from schemas.codec import Record, encode
from streams.connectors.publisher import partition_of, size_of
from streams.connectors.simulator import SimulatorOptions, simulate
from tests.plants import PARTITIONS

START: Final = 1_700_000_000_000
"""When the simulated world begins, ms: long ago, so that no event is dated after it was sent."""
RECORD_BYTES: Final = 80
"""About what Kafka adds to a message."""

Messages = list[list[bytes]]
"""The values of each partition's messages, in order."""


def events(count: int, accounts: int, stories_per_hour: float) -> list[Record]:
    """Return the first events of a simulated world, the same every time."""
    options = SimulatorOptions(seed=1, accounts=accounts, stories_per_hour=stories_per_hour, start=START)
    return list(islice(simulate(options), count))


def fitting(events: Sequence[Record], most_bytes: int) -> Sequence[Record]:
    """Return as many of the first events as surely leave every partition within ``most_bytes``, each in its own message."""
    sizes = [0] * PARTITIONS
    for count, event in enumerate(events):
        number = partition_of(event["account"], PARTITIONS)
        sizes[number] += size_of(event) + RECORD_BYTES
        if sizes[number] > most_bytes:
            return events[:count]
    return events


def messages(events: Sequence[Record], size: int) -> Messages:
    """Return the events in messages of ``size``."""
    by_partition: list[list[Record]] = [[] for _ in range(PARTITIONS)]
    for event in events:
        by_partition[partition_of(event["account"], PARTITIONS)].append(event)
    return [
        [encode("interaction", rows[start : start + size]) for start in range(0, len(rows), size)]
        for rows in by_partition
    ]
