"""What the writer relies on in ClickHouse, on the embedded engine and on a server alike."""

import json
import os
from io import BytesIO

import fastavro
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from schemas import versions
from schemas.codec import Block, newest
from sinks.clickhouse.writer import SETTINGS, RefusedError, UnavailableError, Writer, container
from tests.clickhouse_server import DAY, MINUTE, NOON, block, record, rows


def stored(client: Client, table: str = "turns_versions") -> int:
    """Return the rows of a table, overwritten ones included."""
    return int(rows(client, f"SELECT count() AS found FROM {table}")[0]["found"])


def test_the_same_token_is_stored_once_and_another_again(clickhouse: Client) -> None:
    clickhouse.command("SYSTEM STOP MERGES turns_versions")
    writer, blocks = Writer(clickhouse), [block("turn", record("turn"))]
    for token in ("a", "a", "b", "a"):
        assert writer.insert("turn", blocks, token) == 1
    assert stored(clickhouse) == 2


def test_a_token_works_through_the_landing_table(clickhouse: Client) -> None:
    clickhouse.command("SYSTEM STOP MERGES interactions_versions")
    writer, blocks = (
        Writer(clickhouse),
        [block("interaction", record("interaction"), record("interaction", kind="tick"))],
    )
    for token in ("a", "a", "b", "a"):
        assert writer.insert("interaction", blocks, token) == 2
    assert stored(clickhouse, "interactions_versions") == 2


@pytest.mark.parametrize("name", ["turn", "pane"])
def test_a_row_that_only_one_of_its_two_tables_took_reaches_the_other_when_it_is_sent_again(
    clickhouse: Client, name: str
) -> None:
    tables = f"{name}s_versions", f"{name}s_by_time_versions"
    for broken in tables:
        for table in tables:
            clickhouse.command(f"TRUNCATE TABLE {table}")
        clickhouse.command(f"ALTER TABLE {broken} ADD CONSTRAINT full CHECK version < 0")
        writer, blocks = Writer(clickhouse), [block(name, record(name))]
        with pytest.raises((RefusedError, UnavailableError)):
            writer.insert(name, blocks, f"into {broken}")
        clickhouse.command(f"ALTER TABLE {broken} DROP CONSTRAINT full")
        assert writer.insert(name, blocks, f"into {broken}") == 1
        assert [stored(clickhouse, table) for table in tables] == [1, 1]


def test_a_message_of_an_older_schema_gets_the_defaults_of_what_it_lacks(clickhouse: Client) -> None:
    later = ("likes", "hashtags", "automated", "source")
    definition = dict(newest("interaction").record)
    definition["fields"] = [field for field in definition["fields"] if field["name"] not in later]
    old = versions._load("interaction", 0, json.dumps(definition))  # noqa: SLF001 - a version that the project does not have
    values = record("interaction", id="n:old", text="hello")
    plain = BytesIO()
    fastavro.schemaless_writer(plain, old.message, {versions.RECORDS: [values]})
    older = Block(old, 1, memoryview(plain.getvalue())[1:-1])
    now = block("interaction", record("interaction", id="n:new", likes=3, hashtags=["a"]))
    assert Writer(clickhouse).insert("interaction", [now, older], "mixed") == 2
    found = rows(clickhouse, "SELECT id, text, likes, hashtags, automated, source FROM interactions ORDER BY id")
    assert [tuple(row.values()) for row in found] == [
        ("n:new", "", 3, ["a"], False, ""),
        ("n:old", "hello", -1, [], False, ""),
    ]


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff" * 20, os.urandom(64), bytes(block("turn", record("turn")).body[:-9])],
    ids=["empty", "ones", "noise", "short"],
)
def test_a_damaged_message_is_refused_and_its_neighbours_are_not_mixed_up(clickhouse: Client, body: bytes) -> None:
    good = block("turn", *[record("turn", turn_id=f"n:{number}", messages=7) for number in range(5)])
    with pytest.raises(RefusedError):
        Writer(clickhouse).insert("turn", [good, Block(newest("turn"), 3, memoryview(body)), good], "a")
    assert Writer(clickhouse).insert("turn", [good], "b") == 5
    assert [row["messages"] for row in rows(clickhouse, "SELECT messages FROM turns")] == [7] * 5


def test_a_bit_that_flips_on_the_way_is_refused(clickhouse: Client) -> None:
    body = container([block("turn", *[record("turn", turn_id=f"n:{number}") for number in range(5)])])
    start = body.index(b"n:brand")
    for position in range(start, len(body) - 40, 37):
        flipped = bytearray(body)
        flipped[position] ^= 4
        with pytest.raises(Error):
            clickhouse.raw_insert("turns_versions", insert_block=bytes(flipped), fmt="Avro", settings=dict(SETTINGS))
    assert stored(clickhouse) == 0


def test_a_missing_table_sets_nothing_aside(clickhouse: Client) -> None:
    clickhouse.command("DROP TABLE turns_versions")
    with pytest.raises(UnavailableError):
        Writer(clickhouse).insert("turn", [block("turn", record("turn"))], "a")


def test_a_backfill_of_many_years_is_one_insert(clickhouse: Client) -> None:
    turns = [record("turn", turn_id=f"n:{month}", opened_at=NOON - month * 31 * DAY) for month in range(150)]
    assert Writer(clickhouse).insert("turn", [block("turn", *turns)], "a") == 150
    assert rows(clickhouse, "SELECT min(opened_at) AS first FROM turns")[0]["first"].year == 2011


def test_many_rows_are_whole(clickhouse: Client) -> None:
    blocks = [
        block("turn", *[record("turn", turn_id=f"n:{part}-{n}", opened_at=NOON + n * MINUTE) for n in range(300)])
        for part in range(100)
    ]
    assert Writer(clickhouse).insert("turn", blocks, "a") == 30_000
    (found,) = rows(clickhouse, "SELECT count() AS found, uniqExact(turn_id) AS distinct FROM turns")
    assert found == {"found": 30_000, "distinct": 30_000}
