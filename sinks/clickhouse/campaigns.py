"""Campaigns in ClickHouse: which there are, and every view of a period or of people once more, of one campaign alone.

A view that counts turns or interactions has a twin that counts those of a campaign. It is made from the text of the view itself:
it reads `campaign_turns` for `turns`, `campaign_interactions` for `interactions`, and the twin of a view for the view; for what is
kept of relationships, it computes the same anew. So what a metric is stands in one place, and nothing has to be filtered by
campaign when nobody asks for one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

TWINS: Final = (
    *("account_responsiveness", "waits", "time_to_answer", "time_to_answer_compared", "wait_curves", "account_waits"),
    *("equal_treatment", "written_replies", "agents", "templated", "self_promotion"),
    *("mentioned_terms", "spike_terms"),
    *(
        "contact_messages",
        "contact_history",
        "relationships_at",
        "lapsed",
        "follow_ups",
        "cohorts",
        "automation_suspicion",
    ),
    *("advocates_now", "bridges_now", "conversation_starters_now", "starting_hashtags"),
    *("relationship_value", "contacts_answered", "answering_value"),
)
"""The views that have a twin made of their text."""
WRITTEN_TWINS: Final = ("account_activity", "account_messages")
"""Those whose twin is written out in a migration, for panes know of no campaign."""
CAMPAIGNS: Final = """
CREATE OR REPLACE VIEW campaigns AS
SELECT
    row.1 AS campaign,
    arrayMap(hashtag -> lowerUTF8(hashtag), row.2) AS hashtags,
    arrayMap(link -> lowerUTF8(link), row.3) AS links,
    arrayMap(curator -> lowerUTF8(curator), row.4) AS curators,
    row.5 AS accounts,
    row.6 AS starts_at,
    row.7 AS ends_at,
    cityHash64(hashtags, links, accounts, starts_at, ends_at) AS definition
FROM
(
    SELECT arrayJoin(CAST(%(campaigns)s, 'Array(Tuple(String, Array(String), Array(String), Array(String), Array(String),
        DateTime64(3, ''UTC''), DateTime64(3, ''UTC'')))')) AS row
)
"""
_VIEW: Final = re.compile(r"CREATE OR REPLACE VIEW (\w+) AS\s+(.*)", re.DOTALL)
_FACTS: Final = re.compile(r"\b(FROM|JOIN) (turns|interactions|contact_messages|revenue)\b")
_KEPT: Final = {
    "contacts": "contact_history(campaign = {campaign:String}, at = now64(3, 'UTC'))",
    "relationships": "relationships_at(campaign = {campaign:String}, at = now64(3, 'UTC'))",
    "conversation_starters": "conversation_starters_now(campaign = {campaign:String})",
}
"""What is kept of everything, and what computes the same of a campaign."""
_OWN: Final = re.compile(r"\b(\w+) AS\s*\(")
"""What a query itself calls by a name."""
_VIEWS: Final = re.compile(rf"\b(FROM|JOIN) ({'|'.join((*TWINS, *WRITTEN_TWINS))})\(")
_FROM: Final = re.compile(r"\b(?:(other_)?from = \{(other_)?from:|at = \{at:)")


class Campaign(NamedTuple):
    """A campaign as ``rapport.toml`` names it."""

    name: str
    hashtags: Sequence[str]
    """Without #."""
    links: Sequence[str]
    """What a link of the campaign begins with."""
    curators: Sequence[str]
    """The ``author_id`` of those who were asked to speak of it."""
    accounts: Sequence[str]
    """Only what was said to these; empty: to any."""
    start: datetime
    """The first moment."""
    end: datetime
    """The first moment after it."""


def name_campaigns(client: Client, campaigns: Iterable[Campaign]) -> None:
    """Let ClickHouse know these campaigns and no others, and find at once what belongs to them."""
    rows = [
        (name, [*hashtags], [*links], [*curators], [*accounts], _written(start), _written(end))
        for name, hashtags, links, curators, accounts, start, end in campaigns
    ]
    client.command(CAMPAIGNS, parameters={"campaigns": rows})
    client.command("SYSTEM REFRESH VIEW campaign_members_refresh")
    client.command("SYSTEM WAIT VIEW campaign_members_refresh")


def twins(statements: Iterable[str]) -> Mapping[str, str]:
    """Return the statement that makes each twin, by its name, from those that make the views; of two, the later one."""
    found = {view[1]: view[2] for statement in statements if (view := _VIEW.fullmatch(statement))}
    return {
        f"campaign_{name}": f"CREATE OR REPLACE VIEW campaign_{name} AS\n{of_campaign(found[name])}" for name in TWINS
    }


def of_campaign(query: str) -> str:
    """Return a query about all turns and interactions as one about those of ``{campaign:String}``.

    What it compares with, by times of its own (``{other_from:…}``), is of ``{other_campaign:String}``.
    """
    query = _FACTS.sub(r"\1 campaign_\2(campaign = {campaign:String})", query)
    query = _VIEWS.sub(r"\1 campaign_\2(", query)
    query = _FROM.sub(r"\1campaign = {\2campaign:String}, \g<0>", query)
    for name in _KEPT.keys() - set(_OWN.findall(query)):
        query = re.sub(rf"\bFROM {name}\b(?!\()", f"FROM campaign_{_KEPT[name]}", query)
    return query


def _written(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
