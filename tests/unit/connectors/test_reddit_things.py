"""Things as Reddit's API has them, and what is none."""

import json
from typing import Any

import pytest

from streams.connectors.reddit_things import People, is_gone, number_of, order_of
from streams.connectors.values import MALFORMED

PEOPLE = People({"Acme_Zoe": "reddit:acme"}, {"AcmeHelp": "reddit:Acme"})
COMMENT: dict[str, Any] = {
    "name": "t1_k1",
    "author": "Ann",
    "created_utc": 1_700_000_000.0,
    "edited": 1_700_000_400.0,
    "subreddit": "gadgets",
    "score": -4,
    "permalink": "/r/gadgets/comments/abc/which/k1/",
    "body": "> asks u/ben\n>\n> and more\n\nHello /u/ACME_zoe and u/cy-2, not /r/u/eve >!a secret!<",
    "parent_id": "t3_abc",
    "link_id": "t3_abc",
    "link_author": "Ben",
}
SUBMISSION: dict[str, Any] = {
    "name": "t3_abc",
    "author": "Ben",
    "created_utc": 1_700_000_000.0,
    "edited": False,
    "subreddit": "acmehelp",
    "score": 12,
    "permalink": "/r/acmehelp/comments/abc/which/",
    "title": "Which one?",
    "selftext": "",
    "is_self": False,
    "url": "https://x.example/",
    "num_comments": 3,
}


def test_a_comment() -> None:
    post = PEOPLE.post_of({"kind": "t1", "data": COMMENT})
    assert (post.key, post.id, post.author_id) == ("t1_k1", "reddit:t1_k1", "ann")
    assert (post.parent_id, post.parent_author_id, post.conversation_id) == ("reddit:t3_abc", "ben", "reddit:t3_abc")
    assert post.text == "Hello /u/ACME_zoe and u/cy-2, not /r/u/eve >!a secret!<"
    assert post.addressed == ("acme", "cy-2"), "whom a quotation names is not addressed"
    assert (post.published_at, post.revision) == (1_700_000_000_000, 1_700_000_400_000)
    assert post.fields == {
        "author_name": "Ann",
        "url": "https://www.reddit.com/r/gadgets/comments/abc/which/k1/",
        "links": [],
        "likes": 0,
        "comments": -1,
    }


def test_a_comment_that_answers_another_says_not_who_wrote_that() -> None:
    assert PEOPLE.post_of({"kind": "t1", "data": {**COMMENT, "parent_id": "t1_k0"}}).parent_author_id == ""


def test_a_comment_of_the_inbox_has_its_submission_in_its_address() -> None:
    inbox = {key: it for key, it in COMMENT.items() if not key.startswith("link_") and key != "permalink"}
    context = {"context": "/r/gadgets/comments/abc/which/k1/?context=3"}
    assert PEOPLE.post_of({"kind": "t1", "data": inbox | context}).conversation_id == "reddit:t3_abc"


def test_a_submission_in_an_own_subreddit() -> None:
    post = PEOPLE.post_of({"kind": "t3", "data": SUBMISSION})
    assert (post.text, post.addressed, post.parent_key) == ("Which one?", ("acme",), "")
    assert (post.conversation_id, post.revision) == (post.id, 0)
    assert (post.fields["links"], post.fields["comments"]) == (["https://x.example/"], 3)


def test_what_is_gone() -> None:
    assert not is_gone({"kind": "t1", "data": COMMENT})
    for changed in ({"author": "[deleted]"}, {"body": "[removed]"}, {"body": "[deleted]"}):
        assert is_gone({"kind": "t1", "data": {**COMMENT, **changed}})
    assert is_gone({"kind": "t3", "data": {**SUBMISSION, "selftext": "[removed]"}})


def test_parents_sort_first() -> None:
    assert number_of("t1_10") == ("t1", 36)
    things = [{"kind": "t1", "data": COMMENT}, {"kind": "t3", "data": SUBMISSION}, 7]
    assert [order_of(it)[0] for it in sorted(things, key=order_of)] == [0, 1_700_000_000, 1_700_000_000]
    assert sorted(things, key=order_of)[1] == things[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "t3_abc"},
        {"name": "t1_ABC!"},
        {"name": 7},
        {"author": None},
        {"body": None},
        {"created_utc": "now"},
        {"parent_id": "abc"},
        {"link_id": None},
        {"edited": "later"},
    ],
    ids=json.dumps,
)
def test_what_is_no_comment_says_so(wrong: dict[str, Any]) -> None:
    with pytest.raises(MALFORMED):
        PEOPLE.post_of({"kind": "t1", "data": {**COMMENT, **wrong}})
