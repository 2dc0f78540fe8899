"""A ClickHouse to test with, and records to put into it."""

import atexit
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

from clickhouse_connect.driver.client import Client

from schemas.codec import Block, Record, cut, encode, message_of, newest
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import TABLES, Writer
from streams.cycle import by_record
from streams.metrics.model import Facts
from tests.processes import has_docker

NOON = 1_700_049_600_000
"""2023-11-15 12:00 UTC, in ms."""
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

_DEFAULTS: dict[str, Record] = {
    "interaction": {"id": "n:1", "account": "n:brand", "kind": "mention", "published_at": NOON, "received_at": NOON},
    "turn": {
        "account": "n:brand",
        "turn_id": "n:1",
        "contact_id": "n:carol",
        "opened_at": NOON,
        "status": "open",
        "due_at": NOON + HOUR,
        "sla": "pending",
        "version": 1,
    },
    "pane": {"account": "n:brand", "minute": NOON, "version": 1},
    "rolling": {"account": "n:brand", "window": "1h", "as_of": NOON, "version": 1},
    "alert": {
        "account": "n:brand",
        "alert_id": "unanswered:n:1",
        "kind": "unanswered",
        "severity": "warning",
        "state": "firing",
        "subject": "n:1",
        "due_at": NOON,
        "fired_at": NOON,
        "version": 1,
    },
    "revenue": {
        "account": "n:brand",
        "id": "order 1",
        "contact_id": "n:carol",
        "at": NOON,
        "amount_micros": 12_340_000,
        "currency": "EUR",
        "version": 1,
    },
    "notification_command": {"account": "n:brand", "alert_id": "unanswered:n:1", "action": "acknowledge", "at": NOON},
    "dead_letter": {"source": "sink", "reason": "undecodable", "place": "t/0/1", "payload": b"", "at": NOON},
}
_tokens = count()
ROUND = (
    "round_begins",
    "contacts_refresh",
    "advocates_refresh",
    "bridges_refresh",
    "conversation_starters_refresh",
    "opt_outs_refresh",
    "campaign_members_refresh",
    "round_ends",
)
"""What is refreshed every ten minutes: the first, all others together, the last."""


def kept_in(name: str) -> str:
    """Return the table in which every version of a record of the type ``name`` is."""
    return TABLES[name].replace("_landing", "_versions")


def record(name: str, **fields: Any) -> Record:  # noqa: ANN401 - as the schema's fields are
    """Return a whole record of the type ``name``."""
    defaults = {field["name"]: field["default"] for field in newest(name).record["fields"] if "default" in field}
    return {**defaults, **_DEFAULTS[name], **fields}


def block(name: str, *records: Record) -> Block:
    return cut(name, encode(name, records))


def answered(after: int, **fields: Any) -> Record:  # noqa: ANN401 - as the schema's fields are
    """Return a turn that was answered ``after`` ms."""
    opened_at = fields.get("opened_at", NOON)
    answer = {"status": "answered", "answered_at": opened_at + after, "response_seconds": after / 1000, "sla": "met"}
    return record("turn", **{**answer, **fields})


def put(client: Client, name: str, records: Sequence[Record]) -> None:
    """Insert records, each call under a token of its own."""
    Writer(client).insert(name, [block(name, *records)], f"test {next(_tokens)}")


def put_facts(client: Client, facts: Facts) -> None:
    """Insert what a fold has said, as it said it."""
    for name, written in by_record(facts):
        if written:
            Writer(client).insert(name, [cut(name, message_of(name, written))], f"test {next(_tokens)}")


def rows(client: Client, query: str, **parameters: object) -> list[dict[str, Any]]:
    return list(client.query(query, parameters).named_results())


def plain(value: object) -> object:
    """Return what a row has, times in ms and money in millionths."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return int(value * 1_000_000) if isinstance(value, Decimal) else value


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def now() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def refresh(client: Client) -> None:
    """Refresh what is kept of relationships, at once; from then on nothing is refreshed that this does not."""
    for view in ROUND:
        client.command(f"SYSTEM STOP VIEW {view}")  # for it would be refreshed when it is altered
        client.command(f"ALTER TABLE {view} MODIFY REFRESH EVERY 10 YEAR APPEND")
    first, *between, last = ROUND
    for together in ([first], between, [last]):
        for view in together:
            client.command(f"SYSTEM REFRESH VIEW {view}")
            client.command(f"SYSTEM START VIEW {view}")
        for view in together:
            client.command(f"SYSTEM WAIT VIEW {view}")


def make_tables(address: str) -> None:
    """Make every table in the ClickHouse at ``address``."""
    with closing(connect(address)) as client:
        migrate(client)


@contextmanager
def embedded(directory: Path) -> Iterator[Client]:
    """Open chDB with every table, and close it. A directory that is not there yet is copied: that takes half as long.

    Nothing is refreshed that :func:`refresh` does not: whenever it is opened, the engine would begin with a whole round.
    """
    if is_new := not directory.exists():
        shutil.copytree(_migrated(), directory, symlinks=True)
    client = connect(f"chdb:{directory}")
    try:
        if not is_new:
            migrate(client)
        client.command(f"SYSTEM STOP VIEW {ROUND[0]}")  # the others wait for it
        yield client
    finally:
        client.close()


@cache
def _migrated() -> Path:
    """Return a directory of chDB with every table, empty: one for this process."""
    directory = Path(mkdtemp(prefix="rapport-test-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    make_tables(f"chdb:{directory}")
    return directory


def server_address() -> tuple[str, Any] | None:
    """Return where a real server is, and what keeps it running: the one at RAPPORT_TEST_CLICKHOUSE, or by Docker."""
    if address := os.environ.get("RAPPORT_TEST_CLICKHOUSE"):
        return address.rstrip("/"), None
    if not has_docker():
        return None
    from testcontainers.clickhouse import ClickHouseContainer  # noqa: PLC0415 - slow to import, and only here

    container = ClickHouseContainer("clickhouse/clickhouse-server:26.3", port=8123)
    container.start()
    login = f"{container.username}:{container.password}"
    return f"http://{login}@{container.get_container_host_ip()}:{container.get_exposed_port(8123)}", container


@contextmanager
def server(address: str) -> Iterator[Client]:
    """Open a database of its own on a real server, with every table; drop it at the end. ``address`` without database."""
    database = f"rapport_test_{uuid4().hex[:12]}"
    client = connect(f"{address}/{database}")
    try:
        migrate(client)
        yield client
    finally:
        client.command(f"DROP DATABASE {database}")
        client.close()
