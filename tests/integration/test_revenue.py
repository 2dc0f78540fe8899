"""``rapport revenue``: a file through broker and sink to the views, and what is wrong in it set aside."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from streams.embedded import BYTES_IN_FLIGHT
from tests.clickhouse_server import embedded, rows

HEADER = "id,account,contact_id,at,amount,currency\n"
EVENTS: list[dict[str, Any]] = [
    {"id": "net:1", "kind": "mention", "author_id": "ann", "published_at": "2026-03-02T09:00:00Z"},
    {"id": "net:2", "kind": "reply", "author_id": "acme", "parent_id": "net:1", "published_at": "2026-03-02T09:12:00Z"},
]


def rapport(*arguments: str | Path, code: int = 0) -> str:
    command = [sys.executable, "-m", "streams", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    return " ".join((done.stdout + done.stderr).split())


def value(client: Client) -> list[dict[str, Any]]:
    return rows(client, "SELECT * FROM relationship_value(from = '2026-01-01', to = '2027-01-01') ORDER BY ALL")


@pytest.mark.slow
def test_orders_stand_beside_how_their_contacts_were_answered(tmp_path: Path) -> None:
    posts, first, second = tmp_path / "posts.jsonl", tmp_path / "first.csv", tmp_path / "second.csv"
    data = tmp_path / "data"
    lines = (json.dumps({"account": "net:acme", "contact_id": "ann", **event}) + "\n" for event in EVENTS)
    posts.write_text("".join(lines))
    first.write_text(
        HEADER
        + "1,net:acme,ann,2026-03-05,20.00,EUR\n"
        + "2,net:acme,ann,2026-03-06,a lot,EUR\n"
        + "3,net:acme,bob,2026-03-06,5,EUR\n"
        + "3,net:acme,bob,2026-03-06,6,EUR\n"
        + ",net:acme,bob,2026-03-06,6,EUR\n"
    )
    second.write_text(HEADER + "1,net:acme,ann,2026-03-05,19.99,EUR\n")
    rapport("replay", posts, "--format", "jsonl", "--embedded", data)
    said = rapport("revenue", first, "--embedded", data)
    for line in (
        "records read 5",
        "set aside 2 1 malformed_record, 1 empty_id",
        "repeated 1 an order of the file stands as its last line has it",
        "published 3",
        "buyers 2",
        "known 1 of them",
    ):
        assert line in said
    assert "set aside 0 repeated 0 published 1" in rapport("revenue", second, "--embedded", data)
    with embedded(data / "clickhouse") as client:
        ann, bob = value(client)
        letters = rows(client, "SELECT source, reason, place, payload FROM dead_letters ORDER BY place")
    assert (ann["contact_id"], ann["revenue"], ann["orders"]) == ("ann", Decimal("19.99"), 1), "the later file stands"
    assert (ann["turns"], ann["turns_answered"], ann["response_p50"], ann["first_touch"]) == (1, 1, 720, "mention")
    assert (bob["contact_id"], bob["revenue"], bob["turns"]) == ("bob", Decimal(6), 0)
    assert [tuple(letter.values()) for letter in letters] == [
        ("revenue", "malformed_record", f"{first}:3", "2,net:acme,ann,2026-03-06,a lot,EUR"),
        ("revenue", "empty_id", f"{first}:6", ",net:acme,bob,2026-03-06,6,EUR"),
    ]


@pytest.mark.slow
def test_a_file_larger_than_the_broker_keeps_arrives_whole(tmp_path: Path) -> None:
    file, count = tmp_path / "orders.csv", 20_000
    lines = (
        f"order {number},net:acme,contact {number % 700} {'x' * 300},2026-03-05,0.01,EUR\n" for number in range(count)
    )
    file.write_text(HEADER + "".join(lines))
    assert file.stat().st_size > 6 * BYTES_IN_FLIGHT
    said = rapport("revenue", file, "--embedded", tmp_path / "data")
    assert "buyers 700" in said
    assert "known 0 do the contact ids of the file stand in interactions?" in said
    with embedded(tmp_path / "data" / "clickhouse") as client:
        (found,) = rows(client, "SELECT count() AS orders, sum(amount) AS amount FROM revenue")
    assert found == {"orders": count, "amount": Decimal(200)}


def test_a_file_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    said = rapport("revenue", tmp_path / "no.csv", "--embedded", tmp_path / "data", code=2)
    assert "no.csv cannot be read" in said
    assert not (tmp_path / "data").exists()
