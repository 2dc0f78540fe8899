"""The lists of the relationships page, each a view of ClickHouse."""

from typing import Any, Final, Literal, get_args

from clickhouse_connect.driver.client import Client

List = Literal["advocates", "lapsed", "follow_ups", "bridges", "opt_outs", "cohorts"]
LISTS: Final[tuple[List, ...]] = get_args(List)
_ORDER: Final = {
    "advocates": "messages DESC, last_at DESC",
    "lapsed": "tie_strength DESC",
    "follow_ups": "tie_strength DESC",
    "bridges": "communities DESC, conversations DESC",
    "opt_outs": "opted_out_at DESC",
    "cohorts": "month DESC",
}


def triangle(client: Client, allowed: str, account: str) -> list[dict[str, Any]]:
    """Return who stays, the newest month first: contacts by the month of their first message, and how many are active later.

    The columns of ``cohorts``, of one account, or of all together; ``active_…`` is None as long as a month is undecided.
    """
    # A month is decided for all accounts at once, so that a sum is of all or of none.
    query = """
        SELECT month, sum(contacts) AS contacts, sum(active_1m) AS active_1m, sum(active_3m) AS active_3m,
            sum(active_12m) AS active_12m, sum(active_36m) AS active_36m
        FROM cohorts
        WHERE (account = {account:String} OR {account:String} = '') AND match(account, {allowed:String})
        GROUP BY month ORDER BY month DESC"""
    return list(client.query(query, parameters={"account": account, "allowed": allowed}).named_results())


def people(client: Client, name: List, allowed: str, account: str, limit: int) -> list[dict[str, Any]]:
    """Return the first ``limit`` rows of a list, the most important first; of one account, or of all if it is empty.

    ``allowed``: a regular expression that their accounts match.
    """
    query = f"""
        SELECT * FROM {name}
        WHERE (account = {{account:String}} OR {{account:String}} = '') AND match(account, {{allowed:String}})
        ORDER BY {_ORDER[name]}, account LIMIT {{limit:UInt32}}"""  # noqa: S608 - names of ours
    return list(
        client.query(query, parameters={"account": account, "allowed": allowed, "limit": limit}).named_results()
    )
