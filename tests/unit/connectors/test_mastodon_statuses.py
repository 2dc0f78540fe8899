"""Statuses as Mastodon's documentation shows them, and what is none."""

import json
from typing import Any

import pytest

from streams.connectors.mastodon_statuses import post_of
from streams.connectors.values import MALFORMED

CONTENT = (
    '<p><span class="h-card"><a href="https://social.example/@acme" class="u-url mention">@<span>acme</span></a></span>'
    ' caf&eacute; &lt;b&gt;<br />second line</p><p>and <a href="https://shop.example/?a=1&amp;b=2" rel="nofollow">'
    '<span class="invisible">https://</span><span>shop.example/?a=1&amp;b=2</span></a> '
    '<a href="https://social.example/tags/spring" class="mention hashtag" rel="tag">#<span>spring</span></a></p>'
)
STATUS: dict[str, Any] = {
    "id": "103254962155278888",
    "created_at": "2019-12-05T11:34:47.196Z",
    "in_reply_to_id": "103254950000000000",
    "in_reply_to_account_id": "1468",
    "spoiler_text": "about parcels",
    "language": "en",
    "uri": "https://else.example/users/ann/statuses/103254962155278888",
    "url": "https://else.example/@ann/103254962155278888",
    "replies_count": 7,
    "reblogs_count": 6,
    "favourites_count": 11,
    "edited_at": "2019-12-05T11:40:00.000Z",
    "content": CONTENT,
    "reblog": None,
    "account": {"id": "1", "acct": "ann@else.example", "display_name": "Ann", "bot": True, "followers_count": 320},
    "mentions": [{"id": "1468", "username": "acme", "url": "https://social.example/@acme", "acct": "acme"}],
    "tags": [{"name": "spring", "url": "https://social.example/tags/spring"}],
}


def test_a_status_as_it_is_documented() -> None:
    post = post_of(STATUS, "social.example")
    assert post.id == "mastodon:https://else.example/users/ann/statuses/103254962155278888"
    assert (post.key, post.parent_key) == ("103254962155278888", "103254950000000000")
    assert (post.author_id, post.parent_author_id) == ("ann@else.example", "acme@social.example")
    assert post.addressed == ("acme@social.example",)
    assert (post.published_at, post.revision) == (1575545687196, 1575546000000)
    text = "about parcels\n\n@acme café <b>\nsecond line\nand https://shop.example/?a=1&b=2 #spring"
    assert post.text == text
    assert post.fields == {
        "author_name": "Ann",
        "author_followers": 320,
        "lang": "en",
        "url": "https://else.example/@ann/103254962155278888",
        "hashtags": ["spring"],
        "links": ["https://shop.example/?a=1&b=2"],
        "automated": True,
        "likes": 11,
        "shares": 6,
        "comments": 7,
    }


def test_what_older_servers_leave_out_is_not_missed() -> None:
    """Pleroma has no edits in its older versions, and null where Mastodon has nothing."""
    bare = {key: STATUS[key] for key in ("id", "created_at", "uri", "content", "account")}
    post = post_of({**bare, "mentions": None, "tags": None, "language": None, "edited_at": None}, "social.example")
    assert (post.revision, post.addressed, post.fields["likes"]) == (0, (), -1)
    assert post_of({**bare, "id": "01H3VQ4ZJ8Z0G2N9", "content": None}, "social.example").key == "01H3VQ4ZJ8Z0G2N9"


@pytest.mark.parametrize(
    "wrong",
    [
        {"uri": None},
        {"uri": 7},
        {"created_at": "yesterday"},
        {"created_at": "2019-12-05T11:34:47"},
        {"created_at": None},
        {"account": {"id": "1"}},
        {"account": None},
        {"mentions": [{}]},
        {"tags": [7]},
        {"favourites_count": "many"},
        {"content": ["a"]},
    ],
    ids=json.dumps,
)
def test_what_is_no_status_says_so(wrong: dict[str, Any]) -> None:
    with pytest.raises(MALFORMED):
        post_of({**STATUS, **wrong}, "social.example")
