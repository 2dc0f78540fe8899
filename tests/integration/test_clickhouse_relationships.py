"""Relationships: small cases that can be checked by hand; whole worlds are in ``test_every_figure.py``."""

from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.codec import Record
from tests.clickhouse_roles import RELATIONSHIPS
from tests.clickhouse_server import DAY, HOUR, MINUTE, NOON, ROUND, now, plain, put, record, refresh, rows
from tests.processes import ROOT

SECOND = 1000
BRAND = "n:brand"


def said(number: int, at: int, contact: str = "carol", **fields: object) -> Record:
    """Return a mention by a contact."""
    place = {"id": f"n:{number}", "author_id": contact, "contact_id": contact, "published_at": at, "received_at": at}
    return record("interaction", **{**place, "text": f"text {number}", "url": f"https://n/{number}", **fields})


def answered(number: int, at: int, contact: str = "carol", **fields: object) -> Record:
    """Return a reply to a contact."""
    return said(number, at, "brand", **{"kind": "reply", "contact_id": contact, **fields})


def posted(number: int, at: int, **fields: object) -> Record:
    """Return a broadcast."""
    return said(number, at, "brand", **{"kind": "broadcast", "contact_id": "", **fields})


def withdrawn(number: int, at: int) -> Record:
    return record("interaction", id=f"n:{number}", kind="withdrawal", published_at=at, received_at=at)


def in_milliseconds(row: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items()}


def at(client: Client, moment: int, contact: str = "carol") -> dict[str, Any]:
    """Return how things stand with a contact at a moment."""
    query = "SELECT * FROM relationships_at(at = {at:DateTime64(3)}) WHERE contact_id = {contact:String}"
    found = rows(client, query, at=datetime.fromtimestamp(moment / 1000, UTC), contact=contact)
    assert len(found) <= 1
    return in_milliseconds(found[0]) if found else {}


def shown(client: Client, view: str, *key: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return the rows of a view by their key."""
    found = [in_milliseconds(row) for row in rows(client, f"SELECT * FROM {view}")]
    return {
        tuple(row[name] for name in key): {
            name: value for name, value in row.items() if name not in (*key, "refreshed_at")
        }
        for row in found
    }


def contacts(client: Client, view: str) -> list[str]:
    """Return the contacts of a view, in its order."""
    return [row["contact_id"] for row in rows(client, f"SELECT * FROM {view}")]


def test_a_tie_halves_in_ninety_days_and_replies_count_as_mentions_do(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [said(1, NOON), answered(2, NOON + 90 * DAY), said(3, NOON + 90 * DAY)])
    found = at(clickhouse, NOON + 180 * DAY)
    assert found["tie_strength"] == pytest.approx(0.25 + 0.5 + 0.5)
    assert (found["messages_in"], found["messages_out"], found["reciprocity"]) == (2, 1, 0.5)
    assert (found["first_at"], found["last_at"]) == (NOON, NOON + 90 * DAY)
    assert at(clickhouse, NOON + 90 * DAY - 1)["tie_strength"] == pytest.approx(0.5 ** ((90 * DAY - 1) / (90 * DAY)))
    assert at(clickhouse, NOON - 1) == {}


def test_cadence_is_the_median_gap_and_unknown_with_two_messages(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [said(1, NOON), said(2, NOON + HOUR), said(3, NOON + 4 * HOUR), said(4, NOON + DAY)])
    put(clickhouse, "interaction", [said(5, NOON, "dan"), said(6, NOON + HOUR, "dan")])
    assert at(clickhouse, NOON + DAY)["cadence_seconds"] == 3 * 3600  # of 1, 3 and 20 h
    assert at(clickhouse, NOON + 4 * HOUR)["cadence_seconds"] == 2 * 3600  # between 1 and 3 h
    unknown = at(clickhouse, NOON + 900 * DAY, "dan")
    assert [unknown[name] for name in ("cadence_seconds", "lapses_at", "lapsed")] == [None] * 3


def test_lapsed_is_longer_than_three_cadences(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [said(number, NOON + number * HOUR) for number in range(4)])
    end = NOON + 6 * HOUR
    found = [at(clickhouse, end), at(clickhouse, end + 1)]
    assert [(row["lapses_at"], row["lapsed"]) for row in found] == [(end, False), (end, True)]


def test_a_cadence_of_half_a_millisecond_rounds_no_decision(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [said(1, NOON), said(2, NOON + 1), said(3, NOON + 3), answered(4, NOON + 4)])
    assert at(clickhouse, NOON + 4)["cadence_seconds"] == 0.0015
    assert [at(clickhouse, NOON + moment)["lapsed"] for moment in (7, 8)] == [False, True]  # after 3 + 4.5
    assert [at(clickhouse, NOON + moment)["follow_up_due"] for moment in (5, 6)] == [False, True]  # from 4 + 1.5


def test_a_follow_up_is_due_a_cadence_after_our_last_word_or_at_once_after_theirs(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [said(number, NOON + number * HOUR) for number in range(3)])
    put(clickhouse, "interaction", [answered(9, NOON + 2 * HOUR + MINUTE), said(10, NOON, "dan")])
    theirs = at(clickhouse, NOON + 2 * HOUR)
    assert (theirs["last_word"], theirs["follow_up_due"]) == ("contact", True)
    due = NOON + 3 * HOUR + MINUTE
    ours = [at(clickhouse, due - 1), at(clickhouse, due)]
    assert [(row["last_word"], row["follow_up_at"], row["follow_up_due"]) for row in ours] == [
        ("account", due, False),
        ("account", due, True),
    ]
    put(clickhouse, "interaction", [answered(11, NOON + HOUR, "dan")])
    assert at(clickhouse, NOON + DAY, "dan")["follow_up_due"] is None  # we had it, and no cadence is known
    put(clickhouse, "interaction", [answered(12, NOON + 2 * HOUR + 2 * MINUTE, automated=True)])
    assert at(clickhouse, due)["last_id"] == "n:9"  # a machine has no word


def test_at_the_same_millisecond_the_contact_speaks_first(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [answered(1, NOON), said(2, NOON)])
    assert (at(clickhouse, NOON)["last_word"], at(clickhouse, NOON)["last_text"]) == ("account", "text 1")


def test_follow_ups_and_who_came_back(clickhouse: Client) -> None:
    times = [0, 1, 2, 3, 10, 11, 20]  # gaps of 1, 1, 1, 7, 1, 9 h: the cadence is 1 h, two silences are long
    put(clickhouse, "interaction", [said(number, NOON + hour * HOUR) for number, hour in enumerate(times)])
    assert at(clickhouse, NOON + 20 * HOUR)["follow_ups"] == 0
    put(clickhouse, "interaction", [answered(20, NOON + 6 * HOUR)])  # three cadences after 3 h, not longer
    put(clickhouse, "interaction", [answered(21, NOON + 20 * HOUR)])  # they spoke first
    assert at(clickhouse, NOON + 20 * HOUR)["follow_ups"] == 0
    put(clickhouse, "interaction", [answered(22, NOON + 6 * HOUR + 1), answered(23, NOON + 7 * HOUR)])
    put(clickhouse, "interaction", [answered(24, NOON + 30 * HOUR)])
    found = [at(clickhouse, NOON + hour * HOUR) for hour in (20, 30)]
    assert [(row["follow_ups"], row["came_back"]) for row in found] == [(1, 1), (2, 1)]


def test_a_reply_that_names_nobody_goes_to_whom_it_answers(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [said(1, NOON), answered(2, NOON + 1, "", parent_id="n:1")])
    put(clickhouse, "interaction", [answered(3, NOON + 2, "", parent_id="n:9"), answered(4, NOON + 3, "")])
    put(clickhouse, "interaction", [answered(5, NOON + 4, "", parent_id="n:1", automated=True)])
    assert len(rows(clickhouse, "SELECT * FROM contact_messages")) == 2
    assert at(clickhouse, NOON + DAY)["messages_out"] == 1


def test_redelivery_edits_and_withdrawals(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [said(1, NOON), said(2, NOON + HOUR), said(3, NOON, "dan")])
    refresh(clickhouse)
    assert {name for _, name in shown(clickhouse, "relationships", "account", "contact_id")} == {"carol", "dan"}
    edited = said(2, NOON + HOUR, text="as edited", revision=1, received_at=NOON + DAY)
    put(clickhouse, "interaction", [said(1, NOON, received_at=NOON + DAY), edited, withdrawn(3, NOON + HOUR)])
    put(
        clickhouse, "interaction", [said(3, NOON, "dan", received_at=NOON + 2 * DAY)]
    )  # once more, after its withdrawal
    refresh(clickhouse)
    (found,) = shown(clickhouse, "relationships", "account", "contact_id").values()
    assert (found["messages_in"], found["last_text"]) == (2, "as edited")
    assert contacts(clickhouse, "bridges") == ["carol"]


def test_nothing_stays_when_everything_was_withdrawn(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [said(number, NOON + number * DAY, sentiment=0.5) for number in range(2)])
    put(clickhouse, "interaction", [posted(9, NOON)])
    views = ("contacts", "relationships", "advocates", "bridges", "cohorts", "conversation_starters", "follow_ups")
    refresh(clickhouse)
    assert all(rows(clickhouse, f"SELECT * FROM {view}") for view in views)
    put(clickhouse, "interaction", [withdrawn(number, NOON + 9 * DAY) for number in (0, 1, 9)])
    refresh(clickhouse)
    assert [view for view in views if rows(clickhouse, f"SELECT * FROM {view}")] == []


def test_while_a_round_has_not_ended_what_was_there_is_shown_and_none_begins(clickhouse: Client) -> None:
    def mark(name: str) -> datetime:
        (row,) = rows(clickhouse, "SELECT * FROM refreshes FINAL WHERE name = {name:String}", name=name)
        moment: datetime = row["refreshed_at"]
        return moment

    put(clickhouse, "interaction", [said(1, NOON), said(2, NOON, "dan")])
    refresh(clickhouse)
    first = mark("begun")
    assert mark("ended") == first
    put(clickhouse, "interaction", [withdrawn(2, NOON + HOUR)])
    begun = []
    for view in (*ROUND[:-1], ROUND[0]):  # all but the end, and another begin
        clickhouse.command(f"SYSTEM REFRESH VIEW {view}")
        clickhouse.command(f"SYSTEM WAIT VIEW {view}")
        assert {name for _, name in shown(clickhouse, "contacts", "account", "contact_id")} == {"carol", "dan"}
        begun.append(mark("begun"))
    assert set(begun) == {begun[0]}
    assert begun[0] > first
    clickhouse.command(f"SYSTEM REFRESH VIEW {ROUND[-1]}")
    clickhouse.command(f"SYSTEM WAIT VIEW {ROUND[-1]}")
    assert contacts(clickhouse, "contacts") == ["carol"]


def test_every_refresh_waits_for_the_begin_and_the_end_for_every_refresh(clickhouse: Client) -> None:
    found = rows(
        clickhouse,
        "SELECT name, create_table_query AS text FROM system.tables WHERE name IN {v:Array(String)}",
        v=list(ROUND),
    )
    texts = {row["name"]: row["text"] for row in found}
    assert texts.keys() == set(ROUND)
    assert all("REFRESH EVERY 10 MINUTE" in text for text in texts.values())
    assert all("DEPENDS ON default.round_begins" in texts[name] for name in ROUND[1:-1])
    assert all(f"default.{name}" in texts[ROUND[-1]].partition(" APPEND ")[0] for name in ROUND[1:-1])


def test_lapsed_and_follow_ups_are_sorted_by_tie_and_show_the_last_message(clickhouse: Client) -> None:
    start = now() - 30 * DAY
    posts = [said(number, start + number * DAY) for number in range(3)]  # lapsed after five days
    posts += [said(10 + number, start + number * DAY, "dan") for number in range(4)]  # the same, with a stronger tie
    posts += [said(20 + number, start + number * 15 * DAY - DAY, "eve") for number in range(3)]  # not lapsed yet
    posts += [answered(30, now() - DAY, "eve"), said(31, start, "fay"), answered(32, start + 1, "fay")]
    put(clickhouse, "interaction", posts)
    refresh(clickhouse)
    assert contacts(clickhouse, "lapsed") == ["dan", "carol"]
    assert contacts(clickhouse, "follow_ups") == ["dan", "carol"]  # eve has time left, fay no cadence
    (dan, _) = rows(clickhouse, "SELECT * FROM lapsed")
    assert (dan["last_id"], dan["last_url"], dan["last_text"]) == ("n:13", "https://n/13", "text 13")
    assert dan["last_word"] == "contact"


def test_relationships_are_those_at_the_present(clickhouse: Client) -> None:
    start = now() - 10 * DAY
    put(
        clickhouse,
        "interaction",
        [said(1, start), said(2, start + DAY), answered(3, start + 2 * DAY), said(4, start + 3 * DAY)],
    )
    refresh(clickhouse)
    (kept,) = rows(clickhouse, "SELECT * FROM relationships")
    (live,) = rows(clickhouse, "SELECT * FROM relationships_at(at = now64(3))")
    same = set(kept) - {"tie_strength", "refreshed_at"}
    assert {name: kept[name] for name in same} == {name: live[name] for name in same}
    assert kept["tie_strength"] == pytest.approx(live["tie_strength"], rel=1e-4)
    assert list(kept) == list(live)
    columns = "* REPLACE (refreshed_at + INTERVAL 90 DAY AS refreshed_at)"  # so that a half-life lies between
    clickhouse.command(f"INSERT INTO contacts_kept SELECT {columns} FROM contacts")
    (later,) = rows(clickhouse, "SELECT * FROM relationships")
    assert later["tie_strength"] == pytest.approx(kept["tie_strength"] * 2, rel=1e-4)


def test_advocates_speak_well_to_others_on_two_days_and_more_often_than_badly(clickhouse: Client) -> None:
    def praise(number: int, day: int, contact: str, **fields: object) -> Record:
        return said(number, NOON + day * DAY, contact, **{"sentiment": 0.5, **fields})

    peer = {"kind": "peer", "contact_id": "somebody", "parent_id": "n:1"}
    put(
        clickhouse,
        "interaction",
        [
            *[praise(number, number, "ann") for number in range(7)],
            praise(10, 0, "bob", **peer),
            praise(11, 1, "bob", **peer),
            praise(20, 0, "oneday"),
            praise(21, 0, "oneday"),
            praise(30, 0, "answers", parent_id="n:1"),
            praise(31, 1, "answers", parent_id="n:1"),
            praise(40, 0, "neutral", sentiment=0.05),
            praise(41, 1, "neutral", sentiment=0.05),
            praise(50, 0, "mixed"),
            praise(51, 1, "mixed"),
            praise(52, 2, "mixed", sentiment=-0.5),
            praise(53, 3, "mixed", sentiment=-0.06, parent_id="n:1"),
            praise(60, 0, "lukewarm"),
            praise(61, 1, "lukewarm"),
            praise(62, 2, "lukewarm", sentiment=-0.05),
            praise(63, 2, "lukewarm", sentiment=-0.5),
        ],
    )
    refresh(clickhouse)
    found = {name: row for (name,), row in shown(clickhouse, "advocates", "contact_id").items()}
    assert sorted(found) == ["ann", "bob", "lukewarm"]
    assert (found["ann"]["messages"], found["ann"]["days"], found["ann"]["peer_answers"]) == (7, 7, 0)
    assert found["ann"]["evidence_ids"] == ["n:6", "n:5", "n:4", "n:3", "n:2"]
    assert found["ann"]["evidence_urls"][0] == "https://n/6"
    assert found["ann"]["evidence_texts"][4] == "text 2"
    assert (found["bob"]["peer_answers"], found["bob"]["sentiment_known"]) == (2, True)
    assert found["lukewarm"]["negative_messages"] == 1


def test_where_nobody_looked_at_the_sentiment_only_peer_answers_make_an_advocate(clickhouse: Client) -> None:
    posts = [said(number, NOON + number * DAY, "ann") for number in range(3)]
    posts += [said(10 + number, NOON + number * DAY, "bob", kind="peer", contact_id="ann") for number in range(2)]
    put(clickhouse, "interaction", posts)
    refresh(clickhouse)
    ((key, bob),) = shown(clickhouse, "advocates", "contact_id").items()
    assert (key, bob["sentiment_known"], bob["evidence_ids"]) == (("bob",), False, ["n:11", "n:10"])


def test_bridges_count_conversations_hashtags_and_people_met_but_nobody_in_a_crowd(clickhouse: Client) -> None:
    def here(number: int, contact: str, conversation: str, **fields: object) -> Record:
        return said(number, NOON + number, contact, conversation_id=conversation, **fields)

    put(
        clickhouse,
        "interaction",
        [
            here(1, "ann", "n:a", hashtags=["Sale", "new"]),
            here(2, "bob", "n:a"),
            here(3, "cy", "n:a", kind="peer", contact_id="bob"),
            here(4, "ann", "n:b", hashtags=["SALE"]),
            here(5, "bob", "n:b"),
            here(6, "ann", ""),
            *[here(100 + number, f"crowd{number}", "n:full") for number in range(99)],
            here(7, "ann", "n:full"),
        ],
    )
    refresh(clickhouse)
    found = {
        name: tuple(row.values()) for (_, name), row in shown(clickhouse, "bridges", "account", "contact_id").items()
    }
    assert (found["ann"], found["bob"], found["cy"]) == ((3, 2, 101, 103), (2, 0, 2, 2), (1, 0, 2, 2))
    assert found["crowd0"] == (1, 0, 99, 99)
    put(clickhouse, "interaction", [here(8, "onemore", "n:full")])
    refresh(clickhouse)
    found = {
        name: tuple(row.values()) for (_, name), row in shown(clickhouse, "bridges", "account", "contact_id").items()
    }
    assert (found["ann"], found["crowd0"], found["onemore"]) == ((3, 2, 2, 4), (1, 0, 0, 0), (1, 0, 0, 0))


def test_opt_outs_show_what_the_account_did_in_the_day_before(clickhouse: Client) -> None:
    gone = NOON + 10 * DAY
    put(
        clickhouse,
        "interaction",
        [
            said(1, gone, kind="opt_out", contact_id="", text="block"),
            answered(2, gone - DAY - 1),
            answered(3, gone - DAY),
            answered(4, gone - 2 * HOUR, automated=True),
            answered(5, gone - HOUR, "dan"),
            posted(6, gone - 3 * HOUR),
            posted(7, gone),
            posted(8, gone - HOUR, account="n:other"),
            said(9, NOON, "eve", kind="opt_out", text="unfollow"),
        ],
    )
    refresh(clickhouse)
    found = shown(clickhouse, "opt_outs", "account", "id")
    assert found[BRAND, "n:1"] == {
        "contact_id": "carol",
        "opted_out_at": gone,
        "text": "block",
        "replies_to_contact": 1,
        "automated_to_contact": 1,
        "broadcasts": 1,
        "replies": 2,
        "last_at": gone - 2 * HOUR,
        "last_kind": "reply",
        "last_id": "n:4",
        "last_url": "https://n/4",
        "last_text": "text 4",
    }
    eve = found[BRAND, "n:9"]
    assert (eve["contact_id"], eve["replies"], eve["last_at"], eve["last_id"]) == ("eve", 0, None, "")


def test_cohorts_are_null_where_the_time_lies_ahead(clickhouse: Client) -> None:
    january = int(datetime(2020, 1, 31, 12, tzinfo=UTC).timestamp() * 1000)
    leap_day = int(datetime(2020, 2, 29, 12, tzinfo=UTC).timestamp() * 1000)
    put(clickhouse, "interaction", [said(1, january), said(2, leap_day), said(3, january, "dan")])
    put(
        clickhouse,
        "interaction",
        [said(4, leap_day - 1, "dan"), said(5, january, "eve"), said(6, leap_day + 3 * 366 * DAY, "eve")],
    )
    put(clickhouse, "interaction", [said(7, now() - 75 * DAY, "fay"), answered(8, january, "replied only")])
    refresh(clickhouse)
    found = {row["month"].isoformat(): row for row in rows(clickhouse, "SELECT * FROM cohorts ORDER BY month")}
    first, recent = found.values()
    assert (next(iter(found)), first["contacts"]) == ("2020-01-01", 3)
    assert [first[f"active_{months}m"] for months in (1, 3, 12, 36)] == [2, 1, 1, 1]
    assert [recent[f"active_{months}m"] for months in (3, 12, 36)] == [None] * 3
    assert recent["active_1m"] in (0, None)


def test_conversation_starters_and_who_stayed(clickhouse: Client) -> None:
    start = now() - 400 * DAY
    put(
        clickhouse,
        "interaction",
        [
            posted(1, start, hashtags=["Sale", "sale"]),
            posted(2, start + DAY, hashtags=["SALE", "new"], parent_id="n:1"),
            said(10, start + HOUR, "ann", conversation_id="n:1", parent_id="n:1"),
            said(11, start + 2 * HOUR, "ann", conversation_id="n:1", parent_id="n:9"),
            said(12, start + HOUR + 365 * DAY, "ann"),
            said(20, start, "bob"),
            said(21, start + DAY, "bob", parent_id="n:1"),
            said(30, start + DAY, "cy", conversation_id="n:1", parent_id="n:2"),  # begun by the root
            said(31, start + 31 * DAY, "cy", conversation_id="n:2"),
            said(40, now() - DAY, "dan", conversation_id="n:2"),
            said(41, now() - DAY, "eve", conversation_id="n:2", account="n:other"),
        ],
    )
    refresh(clickhouse)
    names = ("threads", "mentions", "contacts_met", "decided_30d", "active_30d", "decided_365d", "active_365d")
    found = shown(clickhouse, "conversation_starters", "account", "id")
    assert [found[BRAND, "n:1"][name] for name in names] == [3, 4, 2, 2, 2, 2, 1]
    assert [found[BRAND, "n:2"][name] for name in names] == [2, 2, 1, 0, 0, 0, 0]
    tags = shown(clickhouse, "starting_hashtags", "account", "hashtag")
    assert tags.keys() == {(BRAND, "sale"), (BRAND, "new")}
    assert [tags[BRAND, "sale"][name] for name in ("posts", *names)] == [2, 5, 6, 3, 2, 2, 2, 1]
    assert [tags[BRAND, "new"][name] for name in ("posts", *names)] == [1, 2, 2, 1, 0, 0, 0, 0]


def test_automation_is_suspected_with_its_reasons(clickhouse: Client) -> None:
    posts = [said(100 + number, NOON + number * HOUR, "clock") for number in range(10)]
    posts += [
        said(200 + number, NOON + number * number * HOUR, "parrot", text=f"same {number % 5}") for number in range(10)
    ]
    posts += [said(300 + number, NOON + number // 2 * HOUR + number % 2 * 9_999, "gun") for number in range(10)]
    posts += [said(400 + number, NOON + number * SECOND, "all", text="same") for number in range(10)]
    posts += [said(500 + number, NOON + number * number * HOUR, "person") for number in range(10)]
    posts += [said(600 + number, NOON + number * HOUR, "nine", text="same") for number in range(9)]
    posts += [said(700 + number, NOON, "instant", text="") for number in range(10)]
    posts += [said(800 + number, NOON + number // 2 * HOUR + number % 2 * 10 * SECOND, "slow") for number in range(10)]
    put(clickhouse, "interaction", posts)
    refresh(clickhouse)
    found = {name: row for (_, name), row in shown(clickhouse, "automation_suspicion", "account", "contact_id").items()}
    assert {name: (row["suspicion"], row["reasons"]) for name, row in found.items()} == {
        "clock": ("some", ["regular gaps"]),
        "parrot": ("some", ["repeated texts"]),
        "gun": ("some", ["bursts"]),
        "all": ("strong", ["regular gaps", "repeated texts", "bursts"]),
        "person": ("none", []),
        "slow": ("none", []),
        "instant": ("considerable", ["regular gaps", "bursts"]),
    }
    assert found["clock"]["gap_variation"] == 0
    assert found["parrot"]["repeated_share"] == 0.5
    assert found["gun"]["quick_share"] == pytest.approx(5 / 9)


@pytest.mark.parametrize("view", RELATIONSHIPS)
def test_every_column_is_documented(clickhouse: Client, view: str) -> None:
    section = (
        (ROOT / "docs" / "metrics.md").read_text("utf-8").partition("\n## Relationships\n")[2].partition("\n## ")[0]
    )
    columns = {row["name"] for row in rows(clickhouse, f"DESCRIBE TABLE {view}")} - {"account", "contact_id"}
    assert [name for name in (view, *sorted(columns)) if f"`{name}`" not in section] == []
