"""``rapport revenue``: a file of what contacts bought into Kafka, and from there to ClickHouse."""

import asyncio
import time
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import Progress as Bars

from sinks.clickhouse.connection import connect
from streams import progress, terminal
from streams.config import Settings
from streams.connection import kafka_options
from streams.connectors.base import Rejected
from streams.connectors.publisher import BATCH_EVENTS, Publisher
from streams.connectors.revenue import RevenueCounts, read
from streams.embedded import Embedded
from streams.kafka import require_access

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from schemas.codec import Record

SOURCE: Final = "revenue"
"""The source of its dead letters, and of what it counts."""
BUYERS: Final = """
SELECT uniqExact(account, contact_id), uniqExactIf((account, contact_id), (account, contact_id) IN (
    SELECT account, contact_id FROM contact_messages WHERE account IN (SELECT account FROM revenue)))
FROM revenue
"""


async def revenue_embedded(file: Path, settings: Settings, directory: Path, console: Console) -> None:
    """Load into a whole plant of its own; returns when all of it is in ClickHouse."""
    orders = _Orders(file)
    with terminal.bars(console) as bars:
        async with Embedded(directory, settings, SOURCE) as plant:
            await plant.watched(_publish(orders, plant.publisher, bars))
            await plant.settle(terminal.remaining(bars))
            buyers = _buyers(plant.client)
    console.print(terminal.revenue_summary(orders.counts, *buyers))


async def revenue_into(file: Path, settings: Settings, console: Console) -> None:
    """Load into Kafka, and wait until the sink has brought all of it to ClickHouse."""
    orders, topics = _Orders(file), (settings.topics.revenue, settings.topics.dead_letters)
    await asyncio.to_thread(require_access, settings, (settings.topics.interactions, *topics))
    client: Client = await asyncio.to_thread(connect, *settings.clickhouse_server)
    with terminal.bars(console) as bars:
        options = kafka_options(settings)
        async with Publisher(options, settings.topics, source=SOURCE, max_bytes_in_flight=None) as publisher:
            await _publish(orders, publisher, bars)
        async with progress.Progress(settings) as readers:
            remaining = terminal.remaining(bars)
            await readers.stored(lambda rest: remaining("storing", rest), topics)
    console.print(terminal.revenue_summary(orders.counts, *await asyncio.to_thread(_buyers, client)))


class _Orders:
    """A file that can be read, and has the columns: who gave another is told so before anything is started."""

    def __init__(self, file: Path) -> None:
        self.counts = RevenueCounts()
        items = read(file, round(time.time() * 1000), self.counts)
        self.items = chain(list(islice(items, 1)), items)


async def _publish(orders: _Orders, publisher: Publisher, bars: Bars) -> None:
    task, counts = bars.add_task("publishing", total=None), orders.counts
    batch: list[Record] = []
    for item in orders.items:
        if isinstance(item, Rejected):
            await publisher.reject(item)
            continue
        batch.append(item)
        if len(batch) == BATCH_EVENTS:
            await publisher.publish_revenue(batch)
            batch = []
            bars.update(task, completed=counts.published)
    if batch:
        await publisher.publish_revenue(batch)
    await publisher.flush()
    bars.update(task, total=max(counts.published, 1), completed=max(counts.published, 1))


def _buyers(client: "Client") -> tuple[int, int]:
    """Return how many contacts have bought, and how many of them ever talked with the account."""
    buyers, known = client.query(BUYERS).result_rows[0]
    return int(buyers), int(known)
