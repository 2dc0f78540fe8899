"""What Meta pushes, in the shapes of its documentation."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors.base import Item, Rejected
from streams.connectors.meta import reader
from streams.errors import Reason

NOW = 1_772_445_700_000
OURS = {"facebook:20", "instagram:30", "threads:40"}
COMMENT = {
    "from": {"id": "5", "name": "Zoé"},
    "item": "comment",
    "verb": "add",
    "comment_id": "20_7",
    "post_id": "20_1",
    "parent_id": "20_1",
    "created_time": 1_772_445_600,
    "message": "Where is my order?",
}
IN_INSTAGRAM = {"id": "71", "from": {"id": "5", "username": "zoe"}, "text": "Where?", "media": {"id": "31"}}
IN_THREADS = {
    "id": "8901234",
    "username": "zoe",
    "text": "Reply",
    "media_type": "TEXT_POST",
    "permalink": "https://www.threads.net/@zoe/post/Pp",
    "replied_to": {"id": "41"},
    "root_post": {"id": "41", "owner_id": "40", "username": "acme"},
    "shortcode": "Pp",
    "timestamp": "2026-03-02T10:00:00+0000",
}


def read(given: object) -> list[Item]:
    return list(reader(OURS.__contains__)(json.dumps(given).encode(), "meta", NOW))


def page(field: str = "feed", own: str = "20", **changed: Any) -> list[Item]:  # noqa: ANN401
    change = {"field": field, "value": {**COMMENT, **changed}}
    return read({"object": "page", "entry": [{"id": own, "time": 1_772_445_601, "changes": [change]}]})


def instagram(**changed: Any) -> list[Item]:  # noqa: ANN401
    change = {"field": "comments", "value": {**IN_INSTAGRAM, **changed}}
    return read({"object": "instagram", "entry": [{"id": "30", "time": 1_772_445_601, "changes": [change]}]})


def threads(field: str = "replies", **changed: Any) -> list[Item]:  # noqa: ANN401
    values = {"value": {**IN_THREADS, **changed}, "field": field}
    return read({"app_id": "1", "topic": "moderate", "target_id": "41", "time": 1_723_226_877, "values": values})


def only(items: list[Item]) -> dict[str, Any]:
    (event,) = items
    assert isinstance(event, dict), event
    return {name: value for name, value in event.items() if value not in ("", -1, 0, [])}


def test_a_comment_below_a_page() -> None:
    assert only(page()) == {
        "id": "facebook:20_7",
        "network": "facebook",
        "account": "facebook:20",
        "kind": "mention",
        "author_id": "5",
        "author_name": "Zoé",
        "contact_id": "5",
        "conversation_id": "facebook:20_1",
        "parent_id": "facebook:20_1",
        "published_at": 1_772_445_600_000,
        "received_at": NOW,
        "text": "Where is my order?",
    }


def test_the_pages_own_comments() -> None:
    own = {"from": {"id": "20", "name": "Acme"}}
    answer = only(page(**own, parent_id="20_7"))
    assert (answer["kind"], answer["parent_id"], answer.get("contact_id")) == ("reply", "facebook:20_7", None)
    assert only(page(**own))["kind"] == "broadcast"


def test_a_comment_on_instagram_in_both_forms() -> None:
    event = only(instagram())
    assert (event["id"], event["account"], event["kind"]) == ("instagram:71", "instagram:30", "mention")
    assert (event["conversation_id"], event["parent_id"]) == ("instagram:31", "instagram:31")
    assert (event["published_at"], event["author_name"]) == (1_772_445_601_000, "zoe")
    plain = {"id": "30", "time": 1_772_445_601, "field": "comments", "value": IN_INSTAGRAM}
    assert only(read({"object": "instagram", "entry": [plain]})) == event
    answer = only(instagram(**{"from": {"id": "30", "username": "acme"}}, parent_id="71"))
    assert (answer["kind"], answer["parent_id"]) == ("reply", "instagram:71")


def test_a_reply_on_threads() -> None:
    event = only(threads())
    assert (event["id"], event["account"], event["kind"]) == ("threads:8901234", "threads:40", "mention")
    assert (event["author_id"], event["contact_id"], event["published_at"]) == ("zoe", "zoe", 1_772_445_600_000)
    assert event["url"] == "https://www.threads.net/@zoe/post/Pp"
    answer = only(threads(username="acme", replied_to={"id": "8901234"}))
    assert (answer["kind"], answer["parent_id"]) == ("reply", "threads:8901234")


@pytest.mark.parametrize(
    "items",
    [
        page(verb="remove"),
        page(verb="edited"),
        page(item="like"),
        page(field="mention"),
        page(own="21"),
        threads(field="mentions"),
        threads(root_post={"id": "1", "owner_id": "9"}),
        read({"object": "user", "entry": [{"id": "1", "time": 1, "changes": [{"field": "feed", "value": {}}]}]}),
        read({"object": "instagram", "entry": [{"id": "30", "time": 1, "messaging": []}]}),
    ],
)
def test_what_is_not_ours_or_not_documented_is_passed_over(items: list[Item]) -> None:
    assert items == []


def test_what_is_not_as_it_should_be_is_set_aside_alone() -> None:
    changes = [
        {"field": "feed", "value": {**COMMENT, "from": None}},
        {"field": "feed", "value": COMMENT},
        {"field": "feed", "value": {**COMMENT, "comment_id": None}},
        {"field": "feed", "value": {**COMMENT, "created_time": "x"}},
        {"field": "feed", "value": {**COMMENT, "created_time": 99_999_999_999}},
    ]
    found = read({"object": "page", "entry": [{"id": "20", "time": 1, "changes": changes}]})
    reasons = [item.reason if isinstance(item, Rejected) else item["id"] for item in found]
    malformed = Reason.MALFORMED_RECORD
    assert reasons == [malformed, "facebook:20_7", malformed, malformed, Reason.FUTURE_TIME]
    assert isinstance(found[0], Rejected)
    assert json.loads(found[0].payload)["change"]["value"]["post_id"] == "20_1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*COMMENT, *IN_THREADS, "id", "entry"]), inner),
)


@given(JSON.map(lambda it: json.dumps(it).encode()) | st.binary() | st.builds(
    lambda name, value, shape: json.dumps(
        {"object": "page", "entry": [{"id": "20", "changes": [{"field": "feed", "value": {**COMMENT, name: value}}]}]}
        if shape else {"values": {"field": "replies", "value": {**IN_THREADS, name: value}}}
    ).encode(),
    st.sampled_from([*COMMENT, *IN_THREADS]), JSON, st.booleans(),
))  # fmt: skip
def test_anything_is_taken_passed_over_or_set_aside(record: bytes) -> None:
    for item in reader(OURS.__contains__)(record, "meta", NOW):
        assert item.payload or not record if isinstance(item, Rejected) else item["account"] in OURS
