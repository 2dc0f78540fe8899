"""Questions to ClickHouse, each a file of SQL beside this one."""

from functools import cache
from importlib import resources
from typing import Any

from clickhouse_connect.driver.client import Client


def report(client: Client) -> list[dict[str, Any]]:
    """Return one row per account over all there is, busiest first.

    ``account``; ``turns``, ``answered``, ``open`` now; ``oldest_opened_at`` of the open ones and its
    age in ``oldest_seconds`` (None: none is open);
    ``response_p50``, ``response_p90`` in seconds, exact (None: no answer yet); ``within_1h``, ``reply_share``, 0 to 1
    (None: nothing to divide by); ``mentions``, ``replies`` (not automated), distinct ``contacts``.
    """
    return list(client.query(_sql("report")).named_results())


@cache
def _sql(name: str) -> str:
    return (resources.files(__package__) / f"{name}.sql").read_text("utf-8")
