"""What BI tools find written beside the views and their columns."""

import re

from clickhouse_connect.driver.client import Client

from schemas.metrics import metrics
from schemas.views import views
from sinks.clickhouse.migrate import migrate
from tests.clickhouse_server import rows


def comments(client: Client) -> dict[str, str]:
    query = "SELECT name, comment FROM system.tables WHERE database = currentDatabase() AND engine = 'View'"
    return {row["name"]: row["comment"] for row in rows(client, query)}


def test_every_view_that_is_promised_is_there_and_says_what_a_row_is(clickhouse: Client) -> None:
    found = comments(clickhouse)
    assert {name: found.get(name) for name in views()} == {name: view.comment for name, view in views().items()}
    assert {name for metric in metrics().values() for name in metric.views} <= views().keys()


def test_every_column_says_what_it_is(clickhouse: Client) -> None:
    query = "SELECT table, name, comment FROM system.columns WHERE database = currentDatabase() AND table IN {views:Array(String)}"
    found = rows(clickhouse, query, views=list(views()))
    assert {row["table"] for row in found} == {name for name, view in views().items() if not view.parameters}
    assert [f"{row['table']}.{row['name']}" for row in found if not row["comment"]] == []


def test_a_view_has_the_parameters_that_are_promised(clickhouse: Client) -> None:
    for name, view in views().items():
        made = clickhouse.command(f"SHOW CREATE TABLE {name}")
        assert set(re.findall(r"\{(\w+):", str(made))) == set(view.parameters), name


def test_a_view_that_was_made_again_gets_its_words_back(clickhouse: Client) -> None:
    before = comments(clickhouse)
    clickhouse.command("CREATE OR REPLACE VIEW panes AS SELECT * EXCEPT (version) FROM panes_versions FINAL")
    clickhouse.command("ALTER TABLE turns COMMENT COLUMN account 'old words'")
    assert migrate(clickhouse) == []
    assert comments(clickhouse) == before
    query = "SELECT comment FROM system.columns WHERE database = currentDatabase() AND table = 'turns' LIMIT 1"
    assert rows(clickhouse, query) == [{"comment": views()["turns"].columns["account"]}]
