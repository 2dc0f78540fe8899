"""Spikes as one asks for them, and the terms that stand out, against the formula written down anew (``view_oracle.py``)."""

import re
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clickhouse_server import DAY, HOUR, MINUTE, NOON, at, put, record, rows
from tests.view_oracle import Period, spike_terms


def mention(number: int, time: int, text: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - as the fields are
    return record("interaction", id=f"m{number:03}", author_id=f"a{number}", published_at=time, text=text, **fields)


def terms(client: Client, start: int = NOON, end: int = NOON + HOUR) -> list[dict[str, Any]]:
    return rows(
        client,
        "SELECT * FROM spike_terms(account = 'n:brand', from = {a:DateTime64(3)}, to = {b:DateTime64(3)})",
        a=at(start),
        b=at(end),
    )


WORDS = st.lists(st.sampled_from(["the", "app", "is", "down", "Zürich", "#spring", "don't"]), max_size=6)


@given(st.lists(WORDS, max_size=12), st.lists(WORDS, max_size=20))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_terms_are_those_of_the_formula(clickhouse: Client, inside: list[list[str]], before: list[list[str]]) -> None:
    clickhouse.command("TRUNCATE TABLE interactions_versions")
    texts = [(NOON + number * MINUTE, words) for number, words in enumerate(inside)]
    texts += [(NOON - 1 - number * DAY, words) for number, words in enumerate(before)]
    posts = [mention(number, time, " ".join(words)) for number, (time, words) in enumerate(texts)]
    put(clickhouse, "interaction", posts)
    found = {(row.pop("term"),): row for row in terms(clickhouse) if row["z"] > 1e-9}
    truth = spike_terms(posts, Period(NOON, NOON + HOUR))
    assert found.keys() == truth.keys()
    for term, row in truth.items():
        assert found[term].pop("examples") == row.pop("examples")
        assert found[term] == pytest.approx(row, abs=1e-9)
    ranked = [row["z"] for row in terms(clickhouse)]
    assert ranked == sorted(ranked, reverse=True)


def test_what_is_always_said_does_not_stand_out(clickhouse: Client) -> None:
    """Twenty days of small talk with 'the' in every post; then 'the app is down' ten times, and once about something else."""
    usual = ["the parcel is late", "where is the parcel", "the shop is nice", "thanks for the help"]
    posts = [mention(number, NOON - DAY * (1 + number % 20), usual[number % 4]) for number in range(200)]
    posts += [mention(200 + number, NOON + number * MINUTE, "The app is down AGAIN!") for number in range(10)]
    posts += [mention(210, NOON + 11 * MINUTE, "the weather")]
    put(clickhouse, "interaction", posts)
    found = terms(clickhouse)
    assert {row["term"] for row in found[:3]} == {"app", "down", "again"}
    standing = {row["term"]: row["z"] for row in found}
    assert "the" not in standing or standing["the"] < 0.5
    assert "weather" not in standing
    assert found[0]["examples"] == [
        {"id": f"m{number}", "url": posts[number]["url"], "text": "The app is down AGAIN!"}
        for number in (200, 201, 202)
    ]


def test_hashtags_links_and_names(clickhouse: Client) -> None:
    text = "@brand #DieselGate! It's at https://www.news.example/a/Story?utm=%d. 42 times"
    posts = [mention(number, NOON + number, text % number, hashtags=["DieselGate"]) for number in range(3)]
    posts += [mention(3, NOON + 3, "#dieselgate", links=["http://news.example/a/Story/"])]
    posts += [mention(number, NOON - number * HOUR, "hello it\u2019s me") for number in range(4, 9)]
    put(clickhouse, "interaction", posts)
    found = {row["term"]: row["posts"] for row in terms(clickhouse)}
    assert found == {"#dieselgate": 4, "news.example/a/Story": 4, "at": 3, "times": 3}
    assert not any(re.search(r"brand|42|utm", term) for term in found)


def test_only_the_account_its_mentions_and_the_time(clickhouse: Client) -> None:
    put(
        clickhouse,
        "interaction",
        [
            *(mention(number, NOON + number, "fire") for number in (0, 1)),
            mention(2, NOON + 2, "fire", account="n:other"),
            mention(3, NOON + 3, "fire", kind="reply"),
            mention(4, NOON + HOUR, "fire"),
            mention(5, NOON + 5, "fire"),
            mention(5, NOON + 5, "", kind="withdrawal", received_at=NOON + 6),
            mention(6, NOON - 28 * DAY - 1, "fire"),
            *(mention(number, NOON - 28 * DAY, "water") for number in (7, 8)),
        ],
    )
    (row,) = terms(clickhouse)
    assert (row["term"], row["posts"], row["posts_before"]) == ("fire", 2, 0)
    assert terms(clickhouse, NOON + 5 * DAY, NOON + 6 * DAY) == []


def test_a_spike_is_one_row(clickhouse: Client) -> None:
    spike = {"kind": "spike", "subject": "mentions", "due_at": NOON, "value": 40.0, "baseline": 9.5, "spread": 3.1}
    alerts = [
        record("alert"),
        record("alert", alert_id="spike:mentions:1", state="firing", fired_at=NOON + 15 * MINUTE, version=1, **spike),
        record("alert", alert_id="spike:opt_outs:1", state="firing", fired_at=NOON, **{**spike, "subject": "opt_outs"}),
        record("alert", alert_id="spike:mentions:1", state="resolved", fired_at=NOON + HOUR, version=2, **spike),
    ]
    put(clickhouse, "alert", alerts)
    mentions, opt_outs = rows(clickhouse, "SELECT * FROM spikes ORDER BY series")
    assert mentions == {
        "account": alerts[0]["account"],
        "series": "mentions",
        "began_at": at(NOON),
        "ended_at": at(NOON + HOUR),
        "state": "resolved",
        "value": 40.0,
        "baseline": 9.5,
        "spread": 3.1,
    }
    assert (opt_outs["state"], opt_outs["ended_at"]) == ("firing", None)
