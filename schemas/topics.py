"""The one catalogue of topics: what each carries, how it is keyed, kept and sized. ``rapport topics apply`` creates them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DAY: Final = 86_400_000  # ms
MEBIBYTE: Final = 1 << 20
LARGEST_GROUP: Final = 16 * MEBIBYTE
"""What the message of one group of alerts may take, in bytes."""
LARGEST_CHECKPOINT: Final = 64 * MEBIBYTE
"""What the message of one account's state may take, in bytes."""


@dataclass(frozen=True)
class Topic:
    """One topic of the catalogue."""

    name: str
    record: str
    """The record type of its messages: a schema's name."""
    key: str
    """What its messages are keyed by, in words."""
    config: Mapping[str, str] = field(default_factory=dict)
    """Topic settings, in Kafka's own names."""
    partitions: int | None = None
    """A fixed number of partitions; None: as many as the plant's setting says, the same for all such topics."""


def _kept(days: int, **config: str) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(days * DAY),
        **{k.replace("_", "."): v for k, v in config.items()},
    }


@dataclass(frozen=True)
class Catalogue:
    """All topics under one prefix, so that several plants can share a cluster."""

    prefix: str = "rapport"

    @property
    def interactions(self) -> Topic:
        """Everything that happens, in order per account. A message holds one partition's events, whatever accounts.

        The broker dates the messages: nobody else's clock bounds what an event may claim to be.
        """
        config = _kept(7, message_timestamp_type="LogAppendTime")
        return Topic(f"{self.prefix}.interactions", "interaction", "none, or the account", config)

    @property
    def turns(self) -> Topic:
        """Turns as they open, are answered, expire or are withdrawn."""
        return Topic(f"{self.prefix}.turns", "turn", "none; partition = input partition", _kept(7))

    @property
    def panes(self) -> Topic:
        """One-minute panes."""
        return Topic(f"{self.prefix}.panes", "pane", "none; partition = input partition", _kept(7))

    @property
    def rolling(self) -> Topic:
        """Rolling metrics."""
        return Topic(f"{self.prefix}.rolling", "rolling", "none; partition = input partition", _kept(7))

    @property
    def alerts(self) -> Topic:
        """Alerts as they fire, escalate and resolve."""
        return Topic(f"{self.prefix}.alerts", "alert", "none; partition = input partition", _kept(7))

    @property
    def notification_commands(self) -> Topic:
        """What people want of alerts: that they are acknowledged, snoozed or silent. Partitioned as alerts are."""
        return Topic(f"{self.prefix}.notification-commands", "notification_command", "the account", _kept(7))

    @property
    def notification_groups(self) -> Topic:
        """What the notifiers know: who was told what (docs/alerts.md). Compaction waits, as for checkpoints."""
        config = {**self.checkpoints.config, "max.message.bytes": str(LARGEST_GROUP)}
        return Topic(f"{self.notifier_group}-groups", "notification_group", "account + route + epoch, or epoch", config)

    @property
    def connectors(self) -> Topic:
        """What the connectors know: how far each is, and which posts concerned an account."""
        config = {**self.checkpoints.config, "max.message.bytes": str(MEBIBYTE)}
        return Topic(f"{self.prefix}-connectors", "connector_state", "connector, and the post's key", config, 1)

    @property
    def revenue(self) -> Topic:
        """What contacts bought, where somebody tells: few, and in no order, since the highest version stands."""
        return Topic(f"{self.prefix}.revenue", "revenue", "none", _kept(7), 1)

    @property
    def checkpoints(self) -> Topic:
        """The processor's state (the changelog of its Faust table, whose name Faust makes).

        Compaction waits longer than the longest recovery takes to read, so that a reader never sees half of an epoch.
        """
        config = {
            "cleanup.policy": "compact",
            "max.message.bytes": str(LARGEST_CHECKPOINT),
            "min.compaction.lag.ms": "60000",
            "min.cleanable.dirty.ratio": "0.1",
            "segment.bytes": str(64 * MEBIBYTE),
            "segment.ms": str(10 * 60_000),
        }
        return Topic(f"{self.worker_group}-accounts-changelog", "checkpoint", "account + epoch, or epoch", config)

    @property
    def dead_letters(self) -> Topic:
        """What could not be used, with reason and original bytes. Room for a 10 MB post and its envelope."""
        return Topic(
            f"{self.prefix}.dead-letters", "dead_letter", "source", _kept(30, max_message_bytes=str(16 * MEBIBYTE)), 1
        )

    @property
    def measured(self) -> tuple[Topic, ...]:
        """Of the facts, those that the processor takes in and gives out."""
        return (self.interactions, self.turns, self.panes, self.rolling, self.alerts, self.dead_letters)

    @property
    def facts(self) -> tuple[Topic, ...]:
        """The topics that the sink carries to ClickHouse."""
        return (*self.measured[:-1], self.revenue, self.notification_commands, self.dead_letters)

    @property
    def all(self) -> tuple[Topic, ...]:
        """Every topic, in the order the data takes."""
        return (*self.facts[:-1], self.checkpoints, self.notification_groups, self.connectors, self.dead_letters)

    @property
    def worker_group(self) -> str:
        """The processor's consumer group, and its Faust application id."""
        return f"{self.prefix}-worker"

    @property
    def sink_group(self) -> str:
        """The sink's consumer group."""
        return f"{self.prefix}-sink"

    @property
    def notifier_group(self) -> str:
        """The notifier's consumer group."""
        return f"{self.prefix}-notifier"
