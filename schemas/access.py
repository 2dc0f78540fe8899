"""What each process may do in Kafka, and nothing more: from the catalogue, so that it cannot fall behind it.

``rapport topics acls`` prints it. The rights that another implies are left out: Read and Write imply Describe. No process
needs a right over the cluster: producers are idempotent, which Kafka 3 and later allow to whoever may write.
"""

from collections.abc import Iterator
from enum import StrEnum
from shlex import quote
from typing import Literal, NamedTuple

from schemas.topics import Catalogue, Topic

Operation = Literal["Read", "Write", "Describe", "Create", "DescribeConfigs"]


class Role(StrEnum):
    """Who connects to Kafka."""

    CONNECTOR = "connector"
    """`rapport connectors run`: publishes Interactions and keeps how far it is. A producer of one's own needs no more."""
    REPLAY = "replay"
    """`rapport replay`: publishes, and looks how far worker and sink have come."""
    LISTENER = "listener"
    """`rapport listen`: publishes what others push."""
    REVENUE = "revenue"
    """`rapport revenue`: publishes orders, and looks how far the sink has come."""
    WORKER = "worker"
    SINK = "sink"
    NOTIFIER = "notifier"
    """`rapport notify`: tells people about alerts, and takes what they say to that."""
    PAGE = "page"
    """`rapport serve`: hands on what people say to alerts."""
    ADMINISTRATOR = "administrator"
    """`rapport topics apply`, `rapport topics check`, `rapport check`."""


class Grant(NamedTuple):
    """One right."""

    operation: Operation
    resource: Literal["topic", "group"]
    name: str


def grants(role: Role, topics: Catalogue) -> list[Grant]:
    """Return what ``role`` needs of the plant of ``topics``."""
    return sorted(set(_grants(role, topics)))


def _grants(role: Role, topics: Catalogue) -> Iterator[Grant]:  # noqa: C901 - a case for each
    facts = [topics.turns, topics.panes, topics.rolling, topics.alerts]
    match role:
        case Role.CONNECTOR:
            yield from _publishing(topics)
            yield from _on("Read", topics.connectors)
            yield from _on("Write", topics.connectors)
        case Role.REPLAY:
            yield from _publishing(topics)
            yield from _on("Describe", *facts)
            yield from _on("Read", topics.checkpoints)  # their claims say what is folded
        case Role.LISTENER:
            yield from _on("Write", topics.interactions, topics.dead_letters)
        case Role.REVENUE:
            yield from _on("Write", topics.revenue, topics.dead_letters)
            yield from _on("Describe", topics.interactions)  # as every publisher
            yield Grant("Describe", "group", topics.sink_group)
        case Role.WORKER:
            yield from _on("Read", topics.interactions, topics.checkpoints)
            yield from _on("Write", topics.interactions, *facts, topics.checkpoints, topics.dead_letters)  # it ticks
            yield Grant("Read", "group", topics.worker_group)
        case Role.SINK:
            yield from _on("Read", *topics.facts)
            yield from _on("Write", topics.dead_letters)
            yield Grant("Read", "group", topics.sink_group)
        case Role.NOTIFIER:
            yield from _on("Read", topics.alerts, topics.notification_commands, topics.notification_groups)
            yield from _on("Write", topics.notification_commands, topics.notification_groups, topics.dead_letters)
            yield Grant("Read", "group", topics.notifier_group)
            yield from _watching(topics)
        case Role.PAGE:
            yield from _on("Write", topics.notification_commands)
        case Role.ADMINISTRATOR:
            for operation in ("Create", "Describe", "DescribeConfigs"):
                yield from _on(operation, *topics.all)


def _publishing(topics: Catalogue) -> Iterator[Grant]:
    """Yield what a publisher of Interactions needs: it waits for readers that are far behind."""
    yield from _on("Write", topics.interactions, topics.dead_letters)
    yield Grant("Describe", "group", topics.worker_group)
    yield Grant("Describe", "group", topics.sink_group)


def _watching(topics: Catalogue) -> Iterator[Grant]:
    """Yield what a notifier needs to watch the plant, where rapport.toml asks for that."""
    yield from _on("Describe", *(topic for topic in topics.facts if topic not in (topics.alerts, topics.dead_letters)))
    yield from _on("Write", topics.alerts)
    for group in (topics.worker_group, topics.sink_group):
        yield Grant("Describe", "group", group)


def _on(operation: Operation, *topics: Topic) -> Iterator[Grant]:
    return (Grant(operation, "topic", topic.name) for topic in topics)


def commands(role: Role, topics: Catalogue, principal: str) -> list[str]:
    """Return a shell script of Kafka's own command that grants ``principal`` what ``role`` needs, one line per operation."""
    wanted = grants(role, topics)
    lines = []
    for operation, resource in sorted({(grant.operation, grant.resource) for grant in wanted}):
        names = [grant.name for grant in wanted if grant[:2] == (operation, resource)]
        named = " ".join(f"--{resource} {name}" for name in names)
        lines.append(f'kafka-acls.sh "$@" --add --allow-principal {quote(principal)} --operation {operation} {named}')
    return lines
