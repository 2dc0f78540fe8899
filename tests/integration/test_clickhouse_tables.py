"""The tables: that they are the schemas, that migrating is safe to repeat, and that opening ClickHouse says what is wrong."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.codec import Schema, versions
from sinks.clickhouse import migrate as migrating
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrate import migrate, migrations, pending
from sinks.clickhouse.writer import TABLES
from streams.errors import ClickHouseError, SettingsError
from tests.clickhouse_server import kept_in, put, record, rows

COLUMN = {
    "string": "String",
    "bytes": "String",
    "long": "Int64",
    "int": "Int32",
    "float": "Float32",
    "double": "Float64",
    "boolean": "Bool",
}


def column(kind: Any) -> str:  # noqa: ANN401 - a schema is any JSON
    """Return the column type of an Avro type."""
    match kind:
        case ["null", other]:
            return f"Nullable({column(other)})"
        case {"type": "array", "items": item}:
            return f"Array({column(item)})"
        case {"logicalType": "timestamp-millis"}:
            return "DateTime64(3, 'UTC')"
    return COLUMN[kind]


def default(value: object) -> str:
    """Return how the default of a field reads in system.columns, or "" where it is the column type's own."""
    return "" if value in (None, "", 0, 0.0, False, []) else str(value)


@pytest.mark.parametrize("schema", [one for name in TABLES for one in versions()[name]], ids=lambda one: one.name)
def test_a_table_has_the_fields_of_every_version_of_its_schema(clickhouse: Client, schema: Schema) -> None:
    for name in {TABLES[schema.name], kept_in(schema.name)}:
        found = {row["name"]: row for row in rows(clickhouse, f"DESCRIBE TABLE {name}")}
        for field in schema.record["fields"]:
            described = found[field["name"]]
            assert described["type"].replace("LowCardinality(String)", "String") == column(field["type"]), field["name"]
            stated = described["default_expression"].removeprefix("toInt64(").removesuffix(")").strip("'")
            assert stated == default(field.get("default")), field["name"]
        if schema is versions()[schema.name][-1]:
            stored = [name for name, described in found.items() if described["default_type"] != "MATERIALIZED"]
            assert stored == [field["name"] for field in schema.record["fields"]]


def test_every_fact_has_a_table_that_waits_for_the_disk_and_knows_tokens(clickhouse: Client) -> None:
    tables = rows(clickhouse, "SELECT name, engine_full FROM system.tables WHERE name LIKE '%_versions'")
    again = {"panes_by_time_versions", "turns_by_time_versions"}
    assert {table["name"] for table in tables} == {kept_in(name) for name in TABLES} | again
    for table in tables:
        for setting in ("fsync_after_insert = 1", "fsync_part_directory = 1", "non_replicated_deduplication_window = "):
            assert setting in table["engine_full"], table["name"]


def test_migrating_twice_does_nothing_the_second_time(clickhouse: Client) -> None:
    put(clickhouse, "turn", [record("turn")])
    assert (pending(clickhouse), migrate(clickhouse)) == ([], [])
    assert len(rows(clickhouse, "SELECT * FROM turns")) == 1


def test_a_migration_that_was_interrupted_is_applied_again(clickhouse: Client) -> None:
    put(clickhouse, "turn", [record("turn")])
    clickhouse.command("TRUNCATE TABLE migrations")
    assert migrate(clickhouse) == list(migrations())
    assert len(rows(clickhouse, "SELECT * FROM turns")) == 1


def test_an_edited_migration_is_an_error(clickhouse: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    edited = {name: text + "-- edited" for name, text in migrations().items()}
    monkeypatch.setattr(migrating, "migrations", lambda: edited)
    with pytest.raises(ClickHouseError, match=r"0001_tables\.sql was edited"):
        pending(clickhouse)


def test_a_migration_that_fails_is_named_and_tried_again(clickhouse: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {**migrations(), "0003_more.sql": "CREATE TABLE IF NOT EXISTS more (a Int64) ENGINE = Memory;\nNONSENSE;\n"}
    monkeypatch.setattr(migrating, "migrations", lambda: more)
    with pytest.raises(ClickHouseError, match=r"0003_more\.sql failed") as raised:
        migrate(clickhouse)
    assert "\n" not in str(raised.value)
    assert pending(clickhouse) == ["0003_more.sql"]


def test_readers_in_other_threads_of_the_process_see_whole_results(clickhouse: Client, tmp_path: Path) -> None:
    second = connect(f"chdb:{tmp_path / 'clickhouse'}")
    wrong: list[object] = []
    stop = threading.Event()

    def read(client: Client) -> None:
        while not stop.is_set():
            try:
                ((found, distinct),) = client.query("SELECT count(), uniqExact(turn_id) FROM turns").result_rows
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is the finding
                wrong.append(error)
                return
            if found % 50 or found != distinct:
                wrong.append((found, distinct))

    readers = [threading.Thread(target=read, args=(client,)) for client in (clickhouse, clickhouse, second)]
    for reader in readers:
        reader.start()
    for batch in range(20):
        put(clickhouse, "turn", [record("turn", turn_id=f"n:{batch}-{number}") for number in range(50)])
    stop.set()
    for reader in readers:
        reader.join()
    ((found,),) = second.query("SELECT count() FROM turns").result_rows
    second.close()
    assert (wrong, found) == ([], 1000)


def test_a_directory_that_another_process_holds(clickhouse: Client, tmp_path: Path) -> None:
    assert clickhouse.command("SELECT 1") == 1
    code = f"""
from sinks.clickhouse.connection import connect
from streams.errors import ClickHouseError
try:
    connect("chdb:{tmp_path / "clickhouse"}")
except ClickHouseError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "cannot be opened" in done.stdout, done
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "target", ["", "localhost", "ftp://h/x", "http://", "http://h:port/x", "http://h:99999/x", "chdb:"]
)
def test_an_address_that_is_none(target: str) -> None:
    with pytest.raises(SettingsError):
        connect(target)


def test_a_server_that_is_not_there_is_said_in_one_line_without_the_password() -> None:
    with pytest.raises(ClickHouseError) as raised:
        connect("http://ann:s3cr3t@127.0.0.1:9/rapport")
    assert "127.0.0.1:9" in str(raised.value)
    assert "s3cr3t" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chdb", None)
    monkeypatch.delitem(sys.modules, "clickhouse_connect.driver._backend.chdb_backend", raising=False)
    monkeypatch.delitem(sys.modules, "clickhouse_connect.driver._chdbclient", raising=False)
    with pytest.raises(SettingsError, match=r"pip install 'rapport\[embedded\]'"):
        connect(f"chdb:{tmp_path}")
