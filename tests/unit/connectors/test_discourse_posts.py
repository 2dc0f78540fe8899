"""Posts as Discourse's documentation and serializers show them, and what is none."""

import json
from typing import Any

import pytest

from streams.connectors.discourse_posts import Forum, Place
from streams.connectors.values import MALFORMED

FORUM = Forum("https://forum.acme.example", {"Zoe": "discourse:acme@forum.acme.example"}, {"5": "discourse:acme@here"})
RAW: dict[str, Any] = {
    "id": 512,
    "name": "Ann",
    "username": "Ann_B",
    "created_at": "2026-03-01T10:00:00.000Z",
    "updated_at": "2026-03-01T10:00:00.400Z",
    "cooked": '<aside class="quote"><p>old</p></aside><p><a class="mention" href="/u/zoe">@Zoe</a> and '
    '<a class="mention-group notify" href="/groups/support">@support</a>, '
    '<span class="mention">@nobody</span>: <a href="https://x.example">here</a></p>',
    "post_number": 4,
    "post_type": 1,
    "reply_count": 2,
    "reply_to_post_number": 3,
    "topic_id": 77,
    "topic_title": "Where is it?",
    "category_id": 5,
    "version": 1,
    "actions_summary": [{"id": 2, "count": 9}, {"id": 3}],
    "user_id": 12,
    "reply_to_user": {"username": "Ben", "avatar_template": "/b.png"},
    "hidden": False,
    "deleted_at": None,
    "user_deleted": False,
}


def test_a_post_as_it_is_documented() -> None:
    found = FORUM.post_of(RAW)
    post = found.post
    assert (found.place, found.above, found.is_readable, found.is_gone) == (Place(77, 4), Place(77, 3), True, False)
    assert (post.key, post.id) == ("512", "discourse:forum.acme.example/p/512")
    assert post.author_id == "ann_b@forum.acme.example"
    assert post.addressed == ("acme@forum.acme.example", "support@forum.acme.example"), "@Zoe writes for acme"
    assert post.parent_author_id == "ben@forum.acme.example"
    assert post.text == "@Zoe and @support, @nobody: here"
    assert (post.published_at, post.revision, post.conversation_id) == (1772359200000, 0, "")
    assert post.fields == {
        "author_name": "Ann",
        "url": "https://forum.acme.example/t/77/4",
        "links": ["https://x.example"],
        "automated": False,
        "likes": 9,
        "comments": 2,
    }


def test_the_first_of_a_topic_has_its_title_and_is_for_the_account_of_its_category() -> None:
    first = {
        **RAW,
        "post_number": 1,
        "reply_to_post_number": None,
        "reply_to_user": None,
        "cooked": "<p>Since May.</p>",
    }
    post = FORUM.post_of(first).post
    assert post.text == "Where is it?\n\nSince May."
    assert (post.addressed, post.conversation_id) == (("acme@here",), post.id)
    assert FORUM.post_of({**first, "category_id": 6}).post.addressed == ()


def test_without_a_word_about_it_a_post_answers_the_topic() -> None:
    assert FORUM.post_of({**RAW, "reply_to_post_number": None}).above == Place(77, 1)


@pytest.mark.parametrize(
    ("changed", "revision"),
    [
        ({"version": 2}, 1772359200400),
        ({"updated_at": "2026-03-01T10:02:00.000Z"}, 1772359320000),  # within the first minutes: no new version
        ({"version": 3, "updated_at": "2026-03-02T10:00:00.000Z"}, 1772445600000),
    ],
)
def test_an_edit_has_a_revision(changed: dict[str, Any], revision: int) -> None:
    assert FORUM.post_of({**RAW, **changed}).post.revision == revision


def test_what_is_not_for_readers() -> None:
    assert not FORUM.post_of({**RAW, "hidden": True}).is_readable
    assert not FORUM.post_of({**RAW, "post_type": 3}).is_readable  # "closed this topic"
    assert FORUM.post_of({**RAW, "user_deleted": True}).is_gone
    assert FORUM.post_of({**RAW, "deleted_at": "2026-03-01T11:00:00.000Z"}).is_gone  # as staff see it
    assert FORUM.post_of({**RAW, "user_id": -1}).post.fields["automated"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": None},
        {"username": None},
        {"created_at": "yesterday"},
        {"created_at": "2026-03-01T10:00:00"},
        {"updated_at": None},
        {"cooked": 7},
        {"post_number": "first"},
        {"version": None},
        {"actions_summary": [7]},
        {"reply_to_user": "ben"},
    ],
    ids=json.dumps,
)
def test_what_is_no_post_says_so(wrong: dict[str, Any]) -> None:
    with pytest.raises(MALFORMED):
        FORUM.post_of({**RAW, **wrong})
