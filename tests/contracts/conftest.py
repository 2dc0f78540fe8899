"""Fixtures of the contracts: each runs on every engine or broker that there is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests import clickhouse_server


@pytest.fixture(scope="session")
def clickhouse_address() -> Iterator[str]:
    """Return where a real ClickHouse is."""
    found = clickhouse_server.server_address()
    if found is None:
        pytest.skip(
            "no ClickHouse server: give RAPPORT_TEST_CLICKHOUSE (http://user:password@host:port), or have Docker"
        )
    address, container = found
    yield address
    if container is not None:
        container.stop()


@pytest.fixture(params=["chDB", "server"])
def clickhouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    """ClickHouse with every table, empty: the engine in this process, then a real server."""
    if request.param == "chDB":
        with clickhouse_server.embedded(tmp_path / "clickhouse") as client:
            yield client
    else:
        with clickhouse_server.server(request.getfixturevalue("clickhouse_address")) as client:
            yield client
