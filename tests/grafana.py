"""What the ClickHouse plugin of Grafana (4.20) makes of a panel's SQL before it asks: macros, variables, all as it does."""

import re
from collections.abc import Sequence
from datetime import datetime


def asked(sql: str, start: datetime, end: datetime, accounts: Sequence[str] = (), interval: int = 3600) -> str:
    """Return the SQL that ClickHouse gets; no ``accounts``: all are chosen. ``interval``: seconds a point of a line lasts."""
    names = ",".join("'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'" for name in accounts)
    sql = re.sub(r"\$__conditionalAll\((.*?\)), \$account\)", r"\1" if accounts else "1=1", sql)
    sql = sql.replace("${account:singlequote}", names)
    sql = sql.replace("$__fromTime", f"toDateTime({int(start.timestamp())})")
    sql = sql.replace("$__toTime", f"toDateTime({int(end.timestamp())})")
    sql = sql.replace("$__interval_s", str(interval))
    sql = re.sub(
        r"\$__timeInterval\(([^()]*)\)", rf"toStartOfInterval(toDateTime(\1), INTERVAL {interval} second)", sql
    )
    assert "$" not in sql, "a macro or variable that is not known here"
    return sql
