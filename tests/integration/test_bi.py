"""The queries of docs/bi.md on the real engine."""

import re

import pytest
from clickhouse_connect.driver.client import Client

from tests import views_table
from tests.clickhouse_server import rows
from tests.processes import ROOT

QUERIES = re.findall(r"^```sql\n(.*?)^```", (ROOT / "docs" / "bi.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
FILLED = {
    "{{ from_dttm }}": "2026-03-02 00:00:00",  # as Superset writes them
    "{{ to_dttm }}": "2026-03-04 00:00:00",
    "{{from}}": "'2026-03-02'",  # as Metabase does a text
    "{{to}}": "'2026-03-04'",
}


def test_the_table_of_views_is_current() -> None:
    assert views_table.page() == views_table.PAGE.read_text("utf-8"), "run `python -m tests.views_table`"


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: str(query.split("FROM ")[1].split()[0]))
def test_an_example_runs(clickhouse: Client, query: str) -> None:
    for placeholder, value in FILLED.items():
        query = query.replace(placeholder, value)
    assert "{{" not in query
    rows(clickhouse, query)
