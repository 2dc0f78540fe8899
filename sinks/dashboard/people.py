"""The lists of the relationships page, each a view of ClickHouse."""

from typing import Any, Final, Literal, get_args

from clickhouse_connect.driver.client import Client

List = Literal["advocates", "lapsed", "follow_ups", "bridges", "opt_outs", "cohorts"]
LISTS: Final[tuple[List, ...]] = get_args(List)
_ORDER: Final = {
    "advocates": "messages DESC, last_at DESC, account, contact_id",
    "lapsed": "tie_strength DESC, account, contact_id",
    "follow_ups": "tie_strength DESC, account, contact_id",
    "bridges": "communities DESC, conversations DESC, account, contact_id",
    "opt_outs": "opted_out_at DESC, account, id",
    "cohorts": "month DESC, account",
}
"""In full, so that pages of a list are all of it."""


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


def people(  # noqa: PLR0913, PLR0917 - they are what is asked
    client: Client, name: List, allowed: str, account: str, limit: int, after: int = 0
) -> list[dict[str, Any]]:
    """Return ``limit`` rows of a list after so many, the most important first; of one account, or of all if it is empty.

    ``allowed``: a regular expression that their accounts match.
    """
    query = f"""
        SELECT * FROM {name}
        WHERE (account = {{account:String}} OR {{account:String}} = '') AND match(account, {{allowed:String}})
        ORDER BY {_ORDER[name]} LIMIT {{limit:UInt32}} OFFSET {{after:UInt32}}"""  # noqa: S608 - names of ours
    given = {"account": account, "allowed": allowed, "limit": limit, "after": after}
    return list(client.query(query, parameters=given).named_results())
