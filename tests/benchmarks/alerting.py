"""`make alerting`: how soon after a promise is broken somebody is told, while a million others wait.

Kafka, worker and notifier, each a process, with the product's settings and checkpoints, and a receiver of signed webhooks. First
a million people write to 10,000 brands that have promised to answer within two days; then a hundred write to a hundred brands
that have promised a minute, one after the other, and nobody answers. An alert is due when that minute is over. The route has no
``group_wait``. At last come storms: ten thousand who write at the same moment, so that ten thousand alerts are due at once.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer
from confluent_kafka import Producer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from schemas.codec import encode
from streams.config import Settings
from streams.connectors.publisher import BATCH_EVENTS, partition_of
from streams.interactions import interaction
from tests import kafka_broker
from tests.benchmarks.parts import fastest
from tests.plants import PARTITIONS, Rapport, own_settings
from tests.receivers import SECRETS, Station, station

FILE: Final = """
[networks.patient]
target_minutes = 2880

[networks.urgent]
target_minutes = 1

[receivers.hook]
type = "webhook"
url = "{url}"
secret_file = "{secret}"

[[routes]]
name = "all"
receiver = "hook"
severities = ["critical"]
group_wait_seconds = 0
group_interval_seconds = 1
"""
STORM: Final = 10_000
"""Alerts that are due at the same moment, …"""
STORMS: Final = (1, 100, 1_000)
"""… of so many accounts."""
PROMISED: Final = 60_000
"""What urgent accounts have promised, ms."""
URGENT: Final = 100
BETWEEN_SECONDS: Final = 0.17
"""Between two of them: they fall due at all times of a second."""
PATIENCE_SECONDS: Final = 300.0
HOUR: Final = 3_600_000

console = Console(highlight=False)


def mention(account: str, contact: str, at: int) -> dict[str, object]:
    """Return a mention that waits for an answer; times in ms."""
    post = f"{account}.{contact}"
    own = {"id": post, "account": account, "author_id": contact, "contact_id": contact, "conversation_id": post}
    return interaction(
        network=account.partition(":")[0],
        kind="mention",
        text="where is my order?",
        lang="en",
        source="benchmark",
        published_at=at,
        received_at=at,
        **own,
    )


def crowd(producer: Producer, topic: str, accounts: int, waiting: int) -> int:
    """Let so many people write to each account, in the last twenty hours; return how many messages that took."""
    now, messages = time.time_ns() // 1_000_000, 0
    names: list[list[str]] = [[] for _ in range(PARTITIONS)]
    for number in range(accounts):
        name = f"patient:{number:06}"
        names[partition_of(name, PARTITIONS)].append(name)
    for turn in range(waiting):
        at = now - 20 * HOUR + turn * 20 * HOUR // waiting
        for number, own in enumerate(names):
            for first in range(0, len(own), BATCH_EVENTS):
                events = [mention(name, f"user{turn}", at) for name in own[first : first + BATCH_EVENTS]]
                producer.produce(topic, encode("interaction", events), partition=number)
                messages += 1
                producer.poll(0)
    assert producer.flush(PATIENCE_SECONDS) == 0
    return messages


class Storm(NamedTuple):
    """How soon after they were due the alerts of a storm were told, ms."""

    accounts: int
    messages: int
    first: list[float]
    """The first message of each account."""
    all: list[float]
    """The message with which all of an account's were told."""


async def told(settings: Settings, place: Path, accounts: int, waiting: int) -> tuple[list[float], list[Storm], float]:
    """Return how many ms after it was due each of the urgent alerts was told, the storms, and the worker's memory, MiB."""
    async with station("webhook") as hook:
        (place / "secret").write_text("\n".join(SECRETS))
        (place / "rapport.toml").write_text(FILE.format(url=hook.url, secret=place / "secret"))
        producer = Producer({"bootstrap.servers": settings.brokers, "linger.ms": 5, "log_level": 0})
        topic = settings.topics.interactions.name
        source = fastest()
        with console.status(f"{accounts * waiting:,} people write"):
            messages = await asyncio.to_thread(crowd, producer, topic, accounts, waiting)
        worker = Rapport("worker", settings, place, source)
        notifier = Rapport("notify run", settings, place, source)
        try:
            with console.status("They are counted"):
                await _until(lambda: worker.metrics().get("rapport_messages_total", 0) >= messages, worker)
            with console.status(f"{URGENT} people write to whoever has promised a minute"):
                for number in range(URGENT):
                    account = f"urgent:{number:03}"
                    event = mention(account, "ann", time.time_ns() // 1_000_000)
                    producer.produce(topic, encode("interaction", [event]), partition=partition_of(account, PARTITIONS))
                    producer.poll(0)
                    await asyncio.sleep(BETWEEN_SECONDS)
                producer.flush(10)
                await _until(lambda: len(hook.taken) >= URGENT, notifier)
            late, storms = _late(hook), []
            for count in STORMS:
                with console.status(f"{STORM:,} people write to {count:,} accounts at the same moment"):
                    storms.append(await storm(hook, producer, topic, notifier, count))
            return late, storms, worker.resident()
        finally:
            notifier.kill()
            worker.kill()


async def storm(hook: Station, producer: Producer, topic: str, notifier: Rapport, accounts: int) -> Storm:
    """Let :data:`STORM` people write at the same moment, and wait until all the alerts of it were told."""
    before, each, at, name = (
        len(hook.taken),
        STORM // accounts,
        time.time_ns() // 1_000_000,
        f"urgent:storm-{accounts}-",
    )
    for number in range(accounts):
        account = f"{name}{number:04}"
        events = [mention(account, f"user{turn}", at) for turn in range(each)]
        for first in range(0, each, BATCH_EVENTS):
            value = encode("interaction", events[first : first + BATCH_EVENTS])
            producer.produce(topic, value, partition=partition_of(account, PARTITIONS))
            producer.poll(0)
    assert await asyncio.to_thread(producer.flush, PATIENCE_SECONDS) == 0
    first: dict[str, float] = {}
    everything: dict[str, float] = {}
    messages: set[str] = set()

    def are_told() -> bool:
        for arrival, (_, message) in list(zip(hook.arrivals, hook.taken, strict=False))[before:]:
            account, firing = message["data"]["account"], message["data"]["firing"]
            if not account.startswith(name):
                continue  # it grows worse, of those before
            messages.add(message["data"]["incident"] + str(message["data"]["number"]))
            first.setdefault(account, arrival)
            if firing == each:
                everything.setdefault(account, arrival)
        return len(everything) == accounts

    await _until(are_told, notifier)
    due = (at + PROMISED) / 1000 - (time.time() - asyncio.get_running_loop().time())
    late = [sorted((it - due) * 1000 for it in found.values()) for found in (first, everything)]
    return Storm(accounts, len(messages), *late)


def _late(hook: Station) -> list[float]:
    """Return how long after it was due each alert came, ms."""
    ahead = time.time() - asyncio.get_running_loop().time()
    found = []
    for arrival, (_, message) in zip(hook.arrivals, hook.taken, strict=True):
        (alert,) = message["data"]["alerts"]
        due = datetime.fromisoformat(alert["due_at"]).timestamp()
        found.append((arrival + ahead - due) * 1000)
    return sorted(found)


async def _until(holds: Callable[[], bool], process: Rapport) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not await asyncio.to_thread(holds):
        if process.popen.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"nothing happens; the log ends: {process.log.read_text(errors='replace')[-2000:]}")
        await asyncio.sleep(0.05)


def main(
    accounts: Annotated[int, typer.Option(min=PARTITIONS, max=999_999, help="Accounts.")] = 10_000,
    waiting: Annotated[int, typer.Option(min=1, help="Turns that wait in each of them.")] = 100,
) -> None:
    """Measure how soon somebody is told, while many wait. Takes about six minutes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, kafka_broker.running() as broker:
        settings = own_settings(broker.brokers, "alerting", accounts_file=Path(place, "rapport.toml"))
        late, storms, memory = asyncio.run(told(settings, Path(place), accounts, waiting))
    table = _table("From due to told, ms", "turns that wait", "alerts", "p50", "p90", "max", "worker MiB")
    table.add_row(f"{accounts * waiting:,}", str(len(late)), *_quantiles(late), f"{memory:,.0f}")
    console.print(table)
    table = _table(
        f"{STORM:,} alerts due at once, from due to told, ms",
        *("accounts", "messages", "first p50", "p90", "max", "all p50", "p90", "max"),
    )
    for it in storms:
        table.add_row(f"{it.accounts:,}", f"{it.messages:,}", *_quantiles(it.first), *_quantiles(it.all))
    console.print(table)
    with suppress(OSError):
        console.print(f"Load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _quantiles(late: list[float]) -> list[str]:
    return [f"{it:.0f}" for it in (late[len(late) // 2], late[int(0.9 * len(late))], late[-1])]


if __name__ == "__main__":
    typer.run(main)
