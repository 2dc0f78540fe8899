"""The daily digest of whom to write to: ties that lapsed and follow-ups that are due, from ClickHouse, as alerts of their accounts.

The notifier needs no ClickHouse, so this is a command of its own, run by cron. It may run as often as it likes: an account's alert
has one id and one version a day, and the notifier tells each of these once (``streams/notifications/group.py``).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaProducer

from schemas.codec import encode
from streams.config import Brands, Settings
from streams.connection import kafka_options
from streams.notification_commands import where_of

if TYPE_CHECKING:
    from schemas.codec import Record

_DAY: Final = 86_400_000
_MINUTE: Final = 60_000


def rows(found: Sequence[Mapping[str, Any]], brands: Brands, now: int) -> "list[Record]":
    """Return the alerts of the accounts whose clocks show that it is time; ``found``: rows of ``queries.digest``."""
    return [
        _row(it, local // _DAY, now)
        for it in found
        if (local := _local(brands, it["account"], now)) % _DAY >= brands.digest.at
    ]


def _local(brands: Brands, account: str, now: int) -> int:
    """Return what an account's clock shows, ms since 1970 there: that of its calendar, or UTC."""
    calendar = brands.targets(account).calendar
    hours = None if calendar is None else calendar.at(now)
    return now if hours is None else hours.local(now)


def _row(found: Mapping[str, Any], day: int, now: int) -> "Record":
    due, lapsed, names = found["due"], found["lapsed"], ", ".join(found["strongest"])
    in_all = f"{found['due_in_all']} and {found['lapsed_in_all']} in all"
    said = f"since yesterday {due} follow-ups are due and {lapsed} ties have lapsed ({in_all})"
    return {
        "account": found["account"],
        "alert_id": f"follow_up:{day}",
        "kind": "follow_up",
        "severity": "info",
        "state": "firing",
        "subject": f"{said}: {names}",
        "contact_id": found["strongest"][0],
        "escalation": 0,
        "rule": "",
        "opened_at": now,
        "due_at": now,
        "fired_at": now,
        "value": float(due + lapsed),
        "baseline": None,
        "spread": None,
        "version": day,
    }


async def publish(settings: Settings, alerts: "Sequence[Record]") -> None:
    """Put alerts where the notifiers of their accounts find them. Raises aiokafka's ``KafkaError``."""
    topic = settings.topics.alerts.name
    async with AIOKafkaProducer(**kafka_options(settings), enable_idempotence=True) as producer:
        for row in alerts:
            where = await where_of(producer, topic, row["account"])
            await producer.send_and_wait(topic, encode("alert", [row]), partition=where)
