"""Whom a brand answers, who of its people does, and in whose words."""

import random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from streams.connectors.templates import template_of
from streams.metrics.targets import Targets
from tests.clickhouse_server import DAY, HOUR, MINUTE, NOON, answered, at, put, record, rows


def of(client: Client, view: str, order: str = "ALL", **parameters: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    given = "".join(f", {name} = {value}" for name, value in parameters.items())
    return rows(
        client,
        f"SELECT * FROM {view}(from = {{a:DateTime64(3)}}, to = {{b:DateTime64(3)}}{given}) ORDER BY {order}",
        a=at(NOON),
        b=at(NOON + DAY),
    )


def test_people_with_few_and_with_many_followers(clickhouse: Client) -> None:
    def wrote(name: str, followers: int, minutes: int | None, opened_at: int = NOON) -> None:
        post = record("interaction", id=name, published_at=opened_at, author_followers=followers)
        put(clickhouse, "interaction", [post, {**post, "received_at": NOON + 1, "text": "edited"}])
        turn = {"turn_id": name, "opened_at": opened_at}
        if minutes is not None:
            turn |= {
                "status": "answered",
                "answered_at": opened_at + minutes * MINUTE,
                "response_seconds": minutes * 60.0,
            }
        put(clickhouse, "turn", [record("turn", **turn)])

    wrote("a", 0, 30)
    wrote("b", 99, None)
    wrote("c", 10_000, 10)
    wrote("d", 5_000_000, 20)
    wrote("e", 999, None)
    wrote("f", -1, 5)
    wrote("g", 0, 1, opened_at=NOON - 1)  # before the period
    put(clickhouse, "turn", [record("turn", turn_id="unknown", opened_at=NOON + HOUR)])  # its post is not there
    found = of(clickhouse, "equal_treatment", order="followers_from")
    figures = ("followers_from", "turns", "turns_answered", "response_rate", "response_p50", "rate_ratio", "time_ratio")
    assert [tuple(row[name] for name in figures) for row in found] == [
        (-1, 2, 1, 0.5, 300, 1, 1),
        (0, 2, 1, 0.5, 1800, 1, 1),
        (100, 1, 0, 0, None, 0, None),
        (10_000, 2, 2, 1, 900, 2, 0.5),
    ]


def test_beside_a_smallest_band_that_nobody_answered_there_is_no_ratio_of_times(clickhouse: Client) -> None:
    posts = [record("interaction", id=f"n:{band}", author_followers=band) for band in (0, 100, 1_000)]
    put(clickhouse, "interaction", posts)
    put(
        clickhouse, "turn", [record("turn", turn_id="n:0"), *(answered(MINUTE, turn_id=f"n:{n}") for n in (100, 1_000))]
    )
    found = of(clickhouse, "equal_treatment", order="followers_from")
    assert [(row["response_p50"], row["rate_ratio"], row["time_ratio"]) for row in found] == [
        (None, None, None),
        (60, None, None),
        (60, None, None),
    ]


TEXTS = {
    "@ann Hi Ann, we are on it. Please DM us your number. ^AB": ("AB", "we are on it please dm us your number"),
    "@bob Hi Bob, we are on it! Please DM us your number. ^CD https://t.co/xyz": (
        "CD",
        "we are on it please dm us your number",
    ),
    "@cy hello Cy - we are on it. Please DM us your number -Ann": ("Ann", "we are on it please dm us your number"),
    "@di Your order 17 left on 3 May -Ann": ("Ann", "your order left on may"),
    "@ed It is well-known": ("", "it is well known"),
    "@flo Grüße, Ihr Team": ("", "grüße ihr team"),
    "@gus https://t.co/abc": ("", ""),
    "@hal see https://t.co/Abcdef": ("", "see"),
    "@ida we are on it. Please DM us your number ^Zoé https://t.co/Abcdef": (
        "Zoé",
        "we are on it please dm us your number",
    ),
}


PARTS = (
    *("@ann", "Hi Ann,", "hello", "dear", "Sorry", "we are on it", "It's", "GRÜSSE", "½", "Ⅷ", "ɐ", "hi"),
    *("^AB", "-Ann", "- Bob", "/Cy", "~Zoé", "\N{EN DASH} Di", "-ed", "^X", "-Abcdefghijklmnop"),
    *("https://t.co/Abc", "http://", "see:https://t.co/x", "17", "\xa0", "\n", "😁"),
)


def test_what_the_stream_compares_is_what_the_view_leaves_of_a_reply(clickhouse: Client) -> None:
    chance = random.Random(1)
    drawn = {
        chance.choice(("", " ")).join(chance.choice(PARTS) for _ in range(chance.randrange(6))) for _ in range(3000)
    }
    texts = [*TEXTS, *sorted(drawn)]
    put(
        clickhouse,
        "interaction",
        [record("interaction", id=f"r{n}", kind="reply", text=it) for n, it in enumerate(texts)],
    )
    found = {row["text"]: row["template"] for row in of(clickhouse, "written_replies")}
    assert found == {text: template_of(text) for text in texts}


def test_how_people_sign_and_what_they_use_again(clickhouse: Client) -> None:
    replies = [
        record("interaction", id=f"r{n}", kind="reply", text=text, published_at=NOON + n)
        for n, text in enumerate(TEXTS)
    ]
    machine = record("interaction", id="m", kind="reply", text="We are closed ^ZZ", automated=True)
    put(clickhouse, "interaction", [*replies, machine])
    put(clickhouse, "turn", [answered(90_000) | {"reply_id": "r0"}])
    found = {row["text"]: (row["agent"], row["template"]) for row in of(clickhouse, "written_replies")}
    assert found == TEXTS
    people = {
        row["agent"]: (row["replies"], row["turns_answered"], row["response_p50"]) for row in of(clickhouse, "agents")
    }
    assert people == {"AB": (1, 1, 90), "CD": (1, 0, None), "Ann": (2, 0, None), "Zoé": (1, 0, None), "": (4, 0, None)}
    (share,) = of(clickhouse, "templated")
    assert (share["replies"], share["templated_replies"]) == (9, 4)
    assert share["templated_share"] == pytest.approx(4 / 9)


def test_speaking_of_oneself(clickhouse: Client) -> None:
    def post(number: int, *links: str) -> dict[str, Any]:
        return record("interaction", id=f"b{number}", kind="broadcast", links=[*links])

    own = ("https://www.acme.example/sale", "http://acme.example", "HTTPS://Blog.ACME.example:8443/a")
    others = ("https://notacme.example", "https://news.example/?u=acme.example")
    posts = [post(1, own[0]), post(2, others[0], own[1]), post(3, *others), post(4), post(5, own[2]), post(6, own[1])]
    put(clickhouse, "interaction", [*posts, post(6) | {"kind": "withdrawal"}])
    (found,) = of(clickhouse, "self_promotion", domains="['acme.example', 'acme.shop']")
    assert (found["broadcasts"], found["promoting"], found["self_promotion_share"]) == (5, 3, 0.6)
    targets = Targets(domains=("acme.example", "acme.shop"))
    assert [targets.are_own(row["links"]) for row in posts[:5]] == [True, True, False, False, True]
