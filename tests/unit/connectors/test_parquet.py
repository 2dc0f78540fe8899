"""The format ``parquet``: rows are what the same lines of ``jsonl`` are."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.connectors.jsonl import write_jsonl
from streams.connectors.replay import open_replay
from streams.errors import InputError, Reason
from streams.interactions import interaction

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

EVENTS = [
    interaction(
        id=f"n:{n}",
        account="n:acme" if n % 3 else "n:other",
        kind="mention",
        published_at=1_000 * n,
        received_at=1_000 * n + 5,
        text="Zoé" if n % 2 else "",
        sentiment=0.5,
        hashtags=["a", "b"][: n % 3],
        likes=n,
    )
    for n in range(2_100)
]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("accounts", [None, ["ACME"]])
def test_a_file_is_what_the_same_lines_are(tmp_path: Path, accounts: list[str] | None) -> None:
    with (tmp_path / "a.jsonl").open("w") as stream:
        write_jsonl(stream, EVENTS)
    lines = open_replay(tmp_path / "a.jsonl", "jsonl", accounts)
    rows = open_replay(written(tmp_path / "a.parquet", EVENTS), "parquet", accounts)
    assert rows.items == lines.items
    assert rows.counts == lines.counts


def test_times_may_be_timestamps_and_text_and_null_is_not_there(tmp_path: Path) -> None:
    rows = [
        {"published_at": datetime(2026, 1, 1), "text": None},  # noqa: DTZ001 - as Arrow has it without a zone
        {"published_at": datetime(2026, 1, 1, tzinfo=UTC), "text": "b"},
    ]
    texts = [{"published_at": "2026-01-01T00:00:00Z", "text": "c"}]
    for number, some in enumerate((rows[:1], rows[1:], texts)):
        whole = [{"id": "n:1", "account": "n:a", "kind": "mention", **row} for row in some]
        (found,) = open_replay(written(tmp_path / str(number), whole), "parquet").items
        assert isinstance(found, dict)
        assert found["published_at"] == found["received_at"] == 1_767_225_600_000
        assert found["text"] == (some[0]["text"] or "")


def test_a_row_that_is_wrong_is_set_aside_with_its_place(tmp_path: Path) -> None:
    rows = [{"id": id_, "account": "n:a", "kind": "mention", "published_at": 1} for id_ in ("n:1", None, "n:2")]
    first, *others = open_replay(written(tmp_path / "a", rows), "parquet").items
    assert not isinstance(first, dict)
    assert (first.reason, first.place) == (Reason.MALFORMED_RECORD, f"{tmp_path / 'a'}:2")
    assert json.loads(first.payload) == rows[1]
    assert len(others) == 2


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    good = {"id": "n:1", "account": "n:a", "kind": "mention", "published_at": 1}
    (tmp_path / "text").write_text("no Parquet")
    written(tmp_path / "unknown", [{**good, "publishd_at": 1}])
    written(tmp_path / "missing", [{"id": "n:1"}])
    for name, why in (
        ("text", "cannot be read"),
        ("nowhere", "cannot be read"),
        ("unknown", "publishd_at"),
        ("missing", "no column account, kind, published_at"),
    ):
        with pytest.raises(InputError, match=why):
            open_replay(tmp_path / name, "parquet")
