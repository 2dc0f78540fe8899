"""Fixtures of the tests that run against real engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.clickhouse_server import embedded


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[Client]:
    """chDB with every table, empty."""
    with embedded(tmp_path / "clickhouse") as client:
        yield client
