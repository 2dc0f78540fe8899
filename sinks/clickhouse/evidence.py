"""What stands behind numbers: the newest of their facts, by the ``facts`` of the catalogue (``schemas/metrics.toml``), as SQL.

Each says when (``at``), who (``contact``), what became of it (``status``) and after how long (``seconds``), what was said and where
(``text``, ``url``), and its ``id``. ``{condition}`` and ``{when}`` are the metric's; what was withdrawn has no text.
"""

from collections.abc import Mapping
from typing import Final

_EVENTS: Final = """
WITH chosen AS
    (
        SELECT *, {when} AS at FROM interactions_versions FINAL WHERE {condition} ORDER BY <order> LIMIT <limit>
    )
SELECT chosen.at AS at, chosen.author_id AS contact, <status> AS status, <seconds> AS seconds, post.text AS text, post.url AS url,
    chosen.id AS id
FROM chosen
LEFT JOIN
(
    SELECT id, text, url FROM interactions
    WHERE account = {{account:String}} AND kind NOT IN ('counters', 'profile') AND id IN (SELECT id FROM chosen)
) AS post
ON chosen.id = post.id
ORDER BY <order>"""


def _events(order: str, status: str, seconds: str = "NULL", limit: str = "{{posts:UInt32}}") -> str:
    """Return a query for events as they came, those of withdrawn posts too, with what is known of their post."""
    query = _EVENTS.replace("<order>", order).replace("<limit>", limit)
    return query.replace("<status>", status).replace("<seconds>", seconds)


POSTS: Final[Mapping[str, str]] = {
    "turns": """
SELECT turn.opened_at AS at, turn.contact_id AS contact, turn.status AS status, turn.response_seconds AS seconds,
    post.text AS text, post.url AS url, turn.turn_id AS id
FROM (SELECT * FROM turns WHERE {condition} ORDER BY {when} DESC LIMIT {{posts:UInt32}}) AS turn
LEFT JOIN (SELECT id, text, url FROM interactions WHERE account = {{account:String}} AND kind = 'mention') AS post
ON post.id = turn.turn_id
ORDER BY at DESC""",
    "interactions": """
SELECT published_at AS at, author_id AS contact, kind AS status, NULL AS seconds, text, url, id
FROM interactions WHERE {condition} ORDER BY {when} DESC LIMIT {{posts:UInt32}}""",
    # What the network has told of a post, which may have been withdrawn since: its reactions stay.
    "snapshots": _events(
        "at DESC, id",
        """arrayStringConcat(arrayMap(told -> concat(toString(told.1), ' ', told.2), arrayFilter(told -> told.1 >= 0,
        [(likes, 'likes'), (shares, 'shares'), (comments, 'comments'), (impressions, 'impressions')])), ', ')""",
    ),
    # What came later than all else: so many as there are. ClickHouse does not know the bound of an account's lateness.
    "arrivals": _events(
        "received_at - published_at DESC, id",
        "kind",
        "(toUnixTimestamp64Milli(received_at) - toUnixTimestamp64Milli(published_at)) / 1000",
        "least({{posts:UInt32}}, {{number:UInt32}})",
    ),
    "followers_told": """
SELECT told_at AS at, source AS contact, 'told' AS status, NULL AS seconds, concat(toString(followers), ' followers') AS text,
    '' AS url, '' AS id
FROM followers_told FINAL WHERE {condition} ORDER BY told_at DESC, followers DESC LIMIT {{posts:UInt32}}""",
    # Threads, as docs/metrics.md has them, with the expiry that holds unless another is set; a turn lives at most 90 days.
    "threads": """
WITH
    said AS
    (
        SELECT
            id, parent_id, conversation_id, published_at, text, url,
            if(kind = 'mention', author_id, contact_id) AS contact,
            multiIf(kind = 'mention', 0, NOT automated, 1, 2) AS side
        FROM interactions
        WHERE account = {{account:String}} AND kind IN ('mention', 'reply')
            AND published_at >= {{start:DateTime64(3, 'UTC')}} - INTERVAL 91 DAY AND published_at < {{end:DateTime64(3, 'UTC')}}
    ),
    placed AS
    (
        SELECT
            multiIf(
                said.side = 0 OR (said.contact != '' AND (said.conversation_id != '' OR said.parent_id = '')),
                (said.contact, said.conversation_id),
                parent.id != '', (parent.contact, parent.conversation_id),
                (said.contact, '')) AS strand,
            (greatest(said.published_at, parent.published_at), said.side, said.id) AS message
        FROM said
        LEFT JOIN (SELECT id, contact, conversation_id, published_at FROM said WHERE contact != '') AS parent
        ON said.parent_id = parent.id
    ),
    threads AS
    (
        SELECT
            {{account:String}} AS account,
            strand.1 AS contact,
            arraySort(groupArray(message)) AS messages,
            arrayDifference(arrayMap(message -> toUnixTimestamp64Milli(message.1), messages)) AS gaps,
            arrayJoin(arraySplit(
                (message, gap) -> gap > if(strand.2 = '', 86400000, 604800000), messages, gaps)) AS thread,
            thread[-1].1 AS last_at,
            thread[-1].3 AS last_id,
            arrayMap(message -> message.2, arrayFilter(message -> message.2 < 2, thread)) AS sides,
            arrayCount(change -> change != 0, arrayDifference(sides)) AS alternations
        FROM placed
        WHERE strand.1 != ''
        GROUP BY strand
    )
SELECT thread.last_at AS at, thread.contact AS contact, concat(toString(alternations), ' alternations') AS status, NULL AS seconds,
    post.text AS text, post.url AS url, thread.last_id AS id
FROM (SELECT * FROM threads WHERE has(sides, 0) AND {condition} ORDER BY {when} DESC LIMIT {{posts:UInt32}}) AS thread
LEFT JOIN said AS post ON thread.last_id = post.id
ORDER BY at DESC, id""",
}
