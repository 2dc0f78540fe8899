"""Bringing ClickHouse's tables and views up to date: the numbered files of ``migrations/``, each applied once.

A file that has been released is never edited: a change is a new file. Every statement can be repeated without harm, so
one that was interrupted, or two processes that start at once, do no damage.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib import resources

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from schemas.metrics import metrics
from schemas.views import views
from sinks.clickhouse.campaigns import twins
from streams.errors import ClickHouseError

TABLE = """
CREATE TABLE IF NOT EXISTS migrations (name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = ReplacingMergeTree ORDER BY name
"""
COMMENTS = """
SELECT shown.name, shown.comment, held.name, held.comment
FROM system.tables AS shown
LEFT JOIN (SELECT * FROM system.columns WHERE database = currentDatabase()) AS held ON shown.name = held.table
WHERE shown.database = currentDatabase() AND shown.engine = 'View'
"""
APPLIED = "INSERT INTO migrations (name, checksum) VALUES ({name:String}, {checksum:String})"


def migrate(client: Client) -> list[str]:
    """Apply what has not been applied yet, in order, and return the names. Raises :class:`ClickHouseError`."""
    names = pending(client)
    if names:
        client.command(TABLE)
    for name in names:
        text = migrations()[name]
        for statement in statements(text):
            try:
                client.command(statement)
            except Error as error:
                reason = " ".join(str(error).split())[:500]
                remedy = "mend what it names, then run `rapport migrate` again"
                raise ClickHouseError(f"migration {name} failed ({reason})", remedy) from None
        client.command(APPLIED, {"name": name, "checksum": _checksum(text)})
    client.command(catalogue())
    for statement in twins(statement for text in migrations().values() for statement in statements(text)).values():
        client.command(statement)
    _comment(client)
    return names


def pending(client: Client) -> list[str]:
    """Return the names of the migrations that have not been applied, in order.

    Raises :class:`ClickHouseError` if one that has been applied reads differently now.
    """
    applied: dict[str, str] = {}
    if client.command("EXISTS TABLE migrations"):
        rows = client.query("SELECT name, checksum FROM migrations FINAL").result_rows
        applied = {name: checksum for name, checksum in rows}  # noqa: C416 - dict() does not see pairs in rows
    for name, text in migrations().items():
        if name in applied and applied[name] != _checksum(text):
            remedy = "restore the file as it was released, and put the change in a new one"
            raise ClickHouseError(f"migration {name} was edited after it had been applied", remedy)
    return [name for name in migrations() if name not in applied]


def catalogue() -> str:
    """Return the statement that makes the view ``metrics``: the words for every number, as of this release.

    They are no migration, for they change whenever somebody finds a better sentence.
    """
    names = ("name", "label", "definition", "unit", "better", "section", "views", "counted")
    columns = ", ".join(f"metric.{number} AS {name}" for number, name in enumerate(names, 1))
    rows = ", ".join(
        f"({', '.join(_literal(getattr(metric, name)) for name in names)})" for metric in metrics().values()
    )
    return f"CREATE OR REPLACE VIEW metrics AS SELECT {columns} FROM (SELECT arrayJoin([{rows}]) AS metric)"  # noqa: S608 - our own words


def _comment(client: Client) -> None:
    """Write the words of ``schemas/views.toml`` and the catalogue to the views and their columns, where BI tools look for them.

    A view that is made again has lost them, and they are no migration either: each time only what differs is written. Views
    with parameters have no columns until they are asked, so there ClickHouse keeps a comment of the whole only.
    """
    told: dict[str, dict[str, str]] = {}
    for name, comment, column, said in client.query(COMMENTS).result_rows:
        told.setdefault(name, {})[column] = said
        told[name][""] = comment
    for name in views().keys() & told.keys():
        changes = [
            f"COMMENT COLUMN {column} {_literal(words)}"
            for column, words in views()[name].columns.items()
            if told[name].get(column, words) != words
        ]
        if told[name][""] != views()[name].comment:
            changes.append(f"MODIFY COMMENT {_literal(views()[name].comment)}")
        if changes:
            client.command(f"ALTER TABLE {name} {', '.join(changes)}")


def _literal(value: str | Sequence[str]) -> str:
    """Return a text, or an array of them, as SQL has it."""
    if not isinstance(value, str):
        return f"[{', '.join(map(_literal, value))}]"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@cache
def migrations() -> Mapping[str, str]:
    """Return the text of every migration by name, in order."""
    files = (resources.files(__package__) / "migrations").iterdir()
    return {file.name: file.read_text("utf-8") for file in sorted(files, key=lambda file: file.name)}


def statements(text: str) -> list[str]:
    """Return the statements of a migration; each ends with a semicolon at the end of a line, comments are dropped."""
    bare = re.sub(r"^\s*--.*\n", "", text, flags=re.MULTILINE)
    return [part.strip() for part in re.split(r";\s*(?:\n|$)", bare) if part.strip()]


def _checksum(text: str) -> str:
    return sha256(text.encode()).hexdigest()
