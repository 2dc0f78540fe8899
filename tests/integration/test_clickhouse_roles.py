"""deploy/clickhouse/roles.sql on the engine: each role can do its work with our code, and nothing else."""

import json
import subprocess
import sys
from typing import Any

import pytest

from sinks.clickhouse.migrate import migrations
from sinks.clickhouse.writer import TABLES
from tests.clickhouse_roles import RELATIONSHIPS, VIEWS, granted
from tests.clickhouse_server import ROUND
from tests.processes import ROOT

INSERTS = {f"insert {name}" for name in TABLES}
PERIODS = ("account_responsiveness", "account_activity")
SELECTS = {f"select {view}" for view in (*VIEWS, *RELATIONSHIPS, *PERIODS, "campaign")} | {"report"}
HARM = {"drop", "truncate", "delete", "database", "file", "url"}


@pytest.fixture(scope="module")
def came_of_it(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each role's attempts came to, one after the other on the same data."""
    directory, found = tmp_path_factory.mktemp("roles"), {}
    for role in ("rapport_migrator", "rapport_writer", "rapport_reader"):
        command = [sys.executable, "-m", "tests.clickhouse_roles", role, str(directory)]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        found[role] = json.loads(run.stdout)
    return found


def denied(results: dict[str, Any]) -> set[str]:
    return {name for name, result in results.items() if result == "denied"}


def test_the_migrator_makes_what_there_is_and_destroys_nothing(came_of_it: dict[str, dict[str, Any]]) -> None:
    results = came_of_it["rapport_migrator"]
    assert results["migrate"] == list(migrations())
    assert denied(results) == HARM
    assert results["refresh"] == [""] * len(ROUND), "every refresh came to its end"


def test_the_writer_adds_rows_and_reads_none(came_of_it: dict[str, dict[str, Any]]) -> None:
    results = came_of_it["rapport_writer"]
    assert denied(results) == SELECTS | HARM | {"create", "alter", "refresh"}
    assert (results["see"], results["pending"]) == (1, []), "what the sink asks before it begins"


def test_the_reader_sees_what_was_written_and_changes_nothing(came_of_it: dict[str, dict[str, Any]]) -> None:
    results = came_of_it["rapport_reader"]
    assert denied(results) == INSERTS | HARM | {"create", "alter", "refresh"}
    assert all(results[f"select {view}"] == 1 for view in VIEWS if view != "message_responses")
    assert results["select relationships"] == results["select bridges"] == 1


def test_the_writer_may_insert_into_every_table_of_the_sink_and_no_other() -> None:
    inserts = {grant.rpartition(".")[2] for grant in granted()["rapport_writer"] if "INSERT" in grant}
    assert inserts == set(TABLES.values())
