"""What a campaign came to."""

from typing import Any

from clickhouse_connect.driver.client import Client

from tests.clickhouse_server import DAY, HOUR, NOON, put, record, rows
from tests.integration.test_clickhouse_views import at

CAMPAIGN = "hashtags = ['#Spring', 'sale'], links = ['https://acme.example/spring'], curators = ['Cara', 'carl']"


def campaigns(client: Client) -> list[dict[str, Any]]:
    return rows(
        client,
        f"SELECT * FROM campaigns({CAMPAIGN}, from = {{a:DateTime64(3)}}, to = {{b:DateTime64(3)}}) ORDER BY account",
        a=at(NOON),
        b=at(NOON + DAY),
    )


def post(name: str, author: str, followers: int = -1, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return record("interaction", id=name, author_id=author, author_followers=followers, **fields)


def test_who_spoke_how_many_may_have_seen_it_and_how_it_was_answered(clickhouse: Client) -> None:
    linked = {"links": ["https://ACME.example/spring?x=1"]}
    posts = [
        post("1", "cara", 1_000, hashtags=["SPRING"]),
        post("2", "cara", 1_200, hashtags=["spring", "sale"], published_at=NOON + HOUR),
        post("3", "ann", 50, **linked),
        post("4", "bob", hashtags=["Sale"], kind="peer"),
        post("5", "ann", 50, hashtags=["autumn"], links=["https://acme.example/autumn"]),
        post("6", "dan", 9, hashtags=["sale"], published_at=NOON + DAY),
        post("7", "brand", kind="broadcast", hashtags=["sale"]),
        post("8", "eve", 7, hashtags=["sale"]),
        post("8", "eve", kind="withdrawal", received_at=NOON + 1),
        post("9", "carl", 5, account="n:other", hashtags=["sale"]),
    ]
    put(clickhouse, "interaction", [*posts, {**posts[0], "received_at": NOON + 2}])  # delivered twice
    put(
        clickhouse,
        "turn",
        [
            record("turn", turn_id="1", status="answered", answered_at=NOON + 60_000, response_seconds=60.0),
            record("turn", turn_id="3"),
            record("turn", turn_id="5", status="answered", answered_at=NOON + 1_000, response_seconds=1.0),
        ],
    )
    brand, other = campaigns(clickhouse)
    assert brand == {
        "account": "n:brand",
        "posts": 4,
        "mentions": 3,
        "contacts": 3,
        "reach": 1_250,
        "curator_posts": 2,
        "curator_share": 0.5,
        "curator_reach": 1_200,
        "turns": 2,
        "turns_answered": 1,
        "response_rate": 0.5,
        "response_p50": 60,
    }
    assert (other["account"], other["posts"], other["curator_share"], other["response_rate"]) == ("n:other", 1, 1, None)


def test_nobody_spoke(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [post("1", "ann")])
    assert campaigns(clickhouse) == []
