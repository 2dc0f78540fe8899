"""A notifier's plant for tests: alerts that somebody publishes, and what a webhook was told of them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaProducer

from schemas.codec import Record, encode
from streams.config import Brands, Settings, load_brands
from streams.connectors.publisher import partition_of
from tests.receivers import SECRETS

PARTITIONS = 4
ROUTES = """\
[receivers.hook]
type = "webhook"
url = "{url}"
secret_env = "HOOK_SECRETS"

[[routes]]
name = "all"
receiver = "hook"
group_wait_seconds = {wait}
group_interval_seconds = 1
flap_count = 0
"""
SEVERITIES = ("warning", "critical", "critical", "critical")
ENVIRONMENT = {"HOOK_SECRETS": " ".join(SECRETS)}


def brands(directory: Path, url: str, wait: float = 0, more: str = "") -> Brands:
    file = directory / "rapport.toml"
    file.write_text(ROUTES.format(url=url, wait=wait) + more, "utf-8")
    return load_brands(file)


def settings(kafka: str, prefix: str) -> Settings:
    return Settings(brokers=kafka, topic_prefix=prefix, partitions=PARTITIONS)


def alert(account: str, subject: str, version: int, escalation: int = 0, *, firing: bool = True) -> Record:
    now = time.time_ns() // 1_000_000
    return {
        "account": account,
        "alert_id": f"unanswered:{subject}",
        "kind": "unanswered",
        "severity": SEVERITIES[escalation],
        "state": "firing" if firing else "resolved",
        "subject": subject,
        "contact_id": "ann",
        "escalation": escalation,
        "rule": "",
        "opened_at": now,
        "due_at": now,
        "fired_at": now,
        "value": None,
        "baseline": None,
        "spread": None,
        "version": version,
    }


class Alerts:
    """The worker's part: publishes rows, each to the partition of its account."""

    def __init__(self, its: Settings) -> None:
        self._topics = its.topics
        self._producer = AIOKafkaProducer(bootstrap_servers=its.brokers, enable_idempotence=True)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def publish(self, rows: Iterable[Record]) -> None:
        for row in rows:
            await self.publish_together([row])

    async def publish_together(self, rows: Sequence[Record]) -> None:
        """As one message, of one account."""
        where = partition_of(rows[0]["account"], PARTITIONS)
        await self._producer.send_and_wait(self._topics.alerts.name, encode("alert", rows), partition=where)

    async def command(self, account: str, **command: str) -> None:
        row = {"account": account, "alert_id": "", "until": 0, "by": "bea", "at": round(time.time() * 1000), **command}
        message = encode("notification_command", [row])
        where = partition_of(account, PARTITIONS)
        await self._producer.send_and_wait(self._topics.notification_commands.name, message, partition=where)


def told(taken: Sequence[tuple[str, Mapping[str, Any]]]) -> list[tuple[str, str, int, str]]:
    """Return what was told of alerts, each key once: account, alert, escalation, change. The same key may not say two things."""
    by_key: dict[str, Any] = {}
    for key, message in taken:
        assert by_key.setdefault(key, message) == message, "one key, two contents"
    return [
        (message["data"]["account"], it["alert_id"], it["escalation"], it["change"])
        for message in by_key.values()
        for it in message["data"]["alerts"]
        if it["change"] != "ongoing"
    ]
