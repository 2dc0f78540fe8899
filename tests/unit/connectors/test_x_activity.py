"""What X pushes by its Activity API, in the shapes of its documentation."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors.base import Item, Rejected
from streams.connectors.x_activity import reader
from streams.errors import Reason

NOW = 1_785_000_000_000
US, OTHER, THEM, PARENT = "1111", "4444", "2222", "900"
OURS = {f"x:{US}", f"x:{OTHER}"}
POST = {
    "created_at": "2026-07-24T21:23:23.000Z",
    "edit_history_tweet_ids": ["2080"],
    "conversation_id": "2080",
    "text": "hey @ExampleUser",
    "entities": {"mentions": [{"start": 4, "end": 16, "username": "ExampleUser", "id": US}]},
    "author_id": THEM,
    "public_metrics": {"like_count": 0},
    "id": "2080",
    "lang": "und",
}
USERS = [
    {"id": THEM, "username": "OtherUser", "name": "Other", "public_metrics": {"followers_count": 97}},
    {"data": {"id": US, "username": "ExampleUser"}},
]
ANSWER = {"author_id": US, "referenced_tweets": [{"type": "replied_to", "id": PARENT}], "conversation_id": PARENT}


def event(kind: str, payload: object, user: str = US, **others: Any) -> list[Item]:  # noqa: ANN401
    data = {"event_uuid": "-42", "filter": {"user_id": user}, "event_type": kind, "payload": payload, **others}
    return list(reader(OURS.__contains__)(json.dumps({"data": data}).encode(), "x", NOW))


def only(items: list[Item]) -> dict[str, Any]:
    (found,) = items
    assert isinstance(found, dict), found
    return {name: value for name, value in found.items() if value not in ("", -1, 0, [])}


def test_a_mention() -> None:
    assert only(event("post.mention.create", POST, includes={"users": USERS})) == {
        "id": "x:2080",
        "network": "x",
        "account": f"x:{US}",
        "kind": "mention",
        "author_id": THEM,
        "author_name": "OtherUser",
        "author_followers": 97,
        "contact_id": THEM,
        "conversation_id": "x:2080",
        "published_at": 1_784_928_203_000,
        "received_at": NOW,
        "text": "hey @ExampleUser",
        "url": "https://x.com/OtherUser/status/2080",
    }


def test_a_post_for_two_accounts_is_a_mention_of_each() -> None:
    two = {**POST, "entities": {"mentions": [{"id": US}, {"id": OTHER}, {"id": "7"}, {"username": "gone"}]}}
    found = event("post.mention.create", two)
    assert [item["account"] for item in found if isinstance(item, dict)] == sorted(OURS)
    answer = {**POST, "entities": {}, "in_reply_to_user_id": OTHER}
    assert len(event("post.reply.create", answer)) == 2
    assert len(event("post.mention.create", {**two, "author_id": OTHER})) == 1, "nobody mentions themselves"


def test_what_the_account_answers_is_a_reply() -> None:
    told = only(event("post.create", {**POST, **ANSWER, "in_reply_to_user_id": THEM}))
    assert (told["kind"], told["contact_id"], told["parent_id"]) == ("reply", THEM, f"x:{PARENT}")
    included = {"tweets": [{"id": PARENT, "author_id": THEM}]}
    assert only(event("post.reply.create", {**POST, **ANSWER}, includes=included))["contact_id"] == THEM
    assert "contact_id" not in only(event("post.create", {**POST, **ANSWER}))


def test_what_else_the_account_says() -> None:
    own = {**POST, "author_id": US}
    assert only(event("post.create", own))["kind"] == "broadcast"
    assert only(event("post.create", {**own, **ANSWER, "in_reply_to_user_id": US}))["kind"] == "broadcast", "a thread"
    second = only(event("post.create", {**own, **ANSWER, "in_reply_to_user_id": US, "conversation_id": "1"}))
    assert (second["kind"], second.get("contact_id")) == ("reply", None)
    assert event("post.create", {**own, "referenced_tweets": [{"type": "retweeted", "id": "1"}]}) == []


def test_an_edit_keeps_its_id_and_has_a_higher_revision() -> None:
    edited = only(event("post.mention.create", {**POST, "id": "2081", "edit_history_tweet_ids": ["2080", "2081"]}))
    assert (edited["id"], edited["revision"]) == ("x:2080", 1)


def test_hashtags_links_and_language() -> None:
    entities = {"hashtags": [{"tag": "Late"}], "urls": [{"url": "https://t.co/1", "expanded_url": "https://a.test"}]}
    found = only(event("post.mention.create", {**POST, "entities": entities, "lang": "en"}))
    assert (found["hashtags"], found["links"], found["lang"]) == (["Late"], ["https://a.test"], "en")


def test_a_deletion_is_a_withdrawal() -> None:
    found = only(event("post.delete", {"id": "2080", "author_id": US}))
    assert (found["id"], found["kind"], found["published_at"]) == ("x:2080", "withdrawal", NOW)


def test_who_unfollows_the_account_opts_out() -> None:
    users = {"source": {"data": {"id": THEM, "username": "OtherUser"}}, "target": {"data": {"id": US}}}
    found = only(event("follow.unfollow", users))
    assert (found["id"], found["kind"], found["contact_id"]) == ("x:-42", "opt_out", THEM)
    assert event("follow.unfollow", {"source": users["target"], "target": users["source"]}) == []


@pytest.mark.parametrize(
    "items",
    [
        event("like.create", {"id": "1"}),
        event("post.mention.create", POST, user="7"),
        event("post.mention.create", POST, filter={"keyword": "acme"}),
        event("profile.update.bio", {"before": "a", "after": "b"}),
    ],
)
def test_what_is_not_ours_is_passed_over(items: list[Item]) -> None:
    assert items == []


@pytest.mark.parametrize(
    "changed",
    [{"author_id": None}, {"id": "", "edit_history_tweet_ids": []}, {"text": 1}, {"created_at": 7.5}, {"lang": 1}],
)
def test_what_is_not_as_it_should_be_is_set_aside(changed: dict[str, Any]) -> None:
    (found,) = event("post.mention.create", {**POST, **changed})
    assert isinstance(found, Rejected)
    assert found.reason == Reason.MALFORMED_RECORD
    assert json.loads(found.payload)["data"]["event_uuid"] == "-42"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from([*POST, "data", "payload", "filter", "source"]), inner)
    ),
)
KINDS = st.sampled_from(["post.create", "post.mention.create", "post.delete", "follow.unfollow", "post.quote.create"])


@given(st.binary() | st.builds(
    lambda kind, name, value, others: json.dumps(
        {"data": {"event_uuid": "1", "filter": {"user_id": US}, "event_type": kind, "payload": {**POST, name: value}} | others}
    ).encode(),
    KINDS, st.sampled_from([*POST, "source", "target", "referenced_tweets"]), JSON,
    st.fixed_dictionaries({}, optional={"includes": JSON, "filter": JSON, "payload": JSON}),
) | JSON.map(lambda it: json.dumps(it).encode()))  # fmt: skip
def test_anything_is_taken_passed_over_or_set_aside(record: bytes) -> None:
    for item in reader(OURS.__contains__)(record, "x", NOW):
        assert item.payload or not record if isinstance(item, Rejected) else item["account"] in OURS
