"""The engine (chDB) under the grants of one role of deploy/clickhouse/roles.sql, in a process of its own.

``python -m tests.clickhouse_roles ROLE DIRECTORY`` tries what somebody does or should not do, and prints what came of
each as JSON. The engine in a process knows no CREATE USER, but it reads users and roles from a file as a server does.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from schemas.codec import Record
from sinks.clickhouse.campaigns import name_campaigns
from sinks.clickhouse.migrate import migrate, pending
from sinks.clickhouse.queries import report
from sinks.clickhouse.writer import TABLES, RefusedError, UnavailableError
from tests.clickhouse_server import ROUND, put, record, refresh

ROLES = Path(__file__).parent.parent / "deploy" / "clickhouse" / "roles.sql"
CONFIGURATION = """\
<clickhouse>
  <users_config>{file}</users_config>
  <users><default>
    <password/><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <grants><query>GRANT {role}</query></grants>
  </default></users>
  <roles>{roles}</roles>
  <profiles><default/></profiles><quotas><default/></quotas>
</clickhouse>
"""
VIEWS = (
    "interactions",
    "turns",
    "panes",
    "rolling",
    "alerts",
    "revenue",
    "notification_commands",
    "dead_letters",
    "message_responses",
)
RELATIONSHIPS = (
    "relationships",
    "lapsed",
    "follow_ups",
    "advocates",
    "bridges",
    "opt_outs",
    "cohorts",
    "conversation_starters",
    "starting_hashtags",
    "automation_suspicion",
)


def granted() -> dict[str, list[str]]:
    """Return the grants of every role, each without its receiver."""
    text = re.sub(r"^--.*\n", "", ROLES.read_text("utf-8"), flags=re.MULTILINE)
    found: dict[str, list[str]] = {role: [] for role in re.findall(r"CREATE ROLE IF NOT EXISTS (\w+);", text)}
    for grant, role in re.findall(r"(GRANT [^;]+) TO (\w+);", text):
        found[role].append(grant)
    return found


def connect(role: str, directory: Path) -> Client:
    file = directory / f"{role}.xml"
    grants = {name: "".join(f"<query>{grant}</query>" for grant in every) for name, every in granted().items()}
    roles = "".join(f"<{name}><grants>{every}</grants></{name}>" for name, every in grants.items())
    file.write_text(CONFIGURATION.format(file=file, role=role, roles=roles), "utf-8")
    path = f"file:{directory / 'data'}?config-file={file}"  # with file: it is handed on as it is
    return clickhouse_connect.get_client(interface="chdb", path=path, tz_mode="aware")


def written(name: str) -> Record:
    """Return a record that somebody wrote, where it can be."""
    return record(name, **({"author_id": "n:carol"} if name == "interaction" else {}))


def attempts(client: Client) -> dict[str, Callable[[], Any]]:
    """Return everything that anybody does or should not do, by name."""

    def see() -> int:  # as sinks.clickhouse.connection does on a server
        known = client.query("SELECT count() FROM system.databases WHERE name = 'rapport'")
        client.command("USE rapport")
        return int(known.result_rows[0][0])

    def refreshed() -> list[str]:
        refresh(client)
        query = (
            "SELECT exception FROM system.view_refreshes WHERE view IN {views:Array(String)} AND last_success_time > 0"
        )
        return [row[0] for row in client.query(query, {"views": list(ROUND)}).result_rows]

    found: dict[str, Callable[[], Any]] = {"see": see, "pending": lambda: pending(client)}
    found |= {f"insert {name}": lambda name=name: put(client, name, [written(name)]) for name in TABLES}
    found["refresh"] = refreshed
    found |= {
        f"select {view}": lambda view=view: len(client.query(f"SELECT * FROM {view}").result_rows)
        for view in (*VIEWS, *RELATIONSHIPS)
    }
    period = "(from = '2023-11-01', to = '2023-12-01')"
    found |= {
        f"select {view}": lambda view=view: len(client.query(f"SELECT * FROM {view}{period}").result_rows)
        for view in ("account_responsiveness", "account_activity")
    }
    campaign = "campaign_account_activity(campaign = 'summer', from = '2023-11-01', to = '2023-12-01')"
    found["select campaign"] = lambda: len(client.query(f"SELECT * FROM {campaign}").result_rows)
    found["report"] = lambda: len(report(client))
    for name, statement in {
        "create": "CREATE TABLE more (a Int64) ENGINE = Null",
        "drop": "DROP TABLE turns_versions",
        "truncate": "TRUNCATE TABLE turns_versions",
        "delete": "ALTER TABLE turns_versions DELETE WHERE true",
        "alter": "ALTER TABLE turns_versions ADD COLUMN more Int64",
        "database": "CREATE DATABASE another",
        "file": "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "url": "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    }.items():
        found[name] = lambda statement=statement: client.command(statement) and None
    return found


def main(role: str, directory: Path) -> dict[str, Any]:
    client = connect(role, directory)
    results: dict[str, Any] = {}
    if role == "rapport_migrator":
        client.command("CREATE DATABASE IF NOT EXISTS rapport")
        client.command("USE rapport")
        results["migrate"] = migrate(client)
        name_campaigns(client, [])
    for name, attempt in attempts(client).items():
        try:
            results[name] = attempt()
        except (Error, RefusedError, UnavailableError) as error:
            results[name] = "denied" if "Not enough privileges" in str(error) else str(error)
    client.close()
    return results


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))  # noqa: T201 - it is what it is for
