"""Posts of X and of Meta's networks as their APIs give them: whatever comes is a post that can be written, or is no post."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors import meta_posts, x_posts
from streams.connectors.live import Post
from streams.connectors.values import MALFORMED
from streams.interactions import interaction, unfit
from tests.unit.connectors.test_x_activity import POST, USERS

EVERYWHERE: dict[str, Any] = {
    "id": "71_8",
    "message": "Where?",
    "created_time": "2026-03-02T10:00:00+0000",
    "from": {"id": "5", "name": "Zoé", "username": "zoe"},
    "parent": {"id": "71_7", "from": {"id": "20"}},
    "permalink_url": "https://www.facebook.com/71_8",
    "like_count": 3,
    "shares": {"count": 2},
    "text": "Where?",
    "timestamp": "2026-03-02T10:00:00+0000",
    "username": "zoe",
    "permalink": "https://www.threads.net/@zoe/post/Pp",
    "replied_to": {"id": "41"},
    "root_post": {"id": "41"},
}
US = meta_posts.Us("20", "acme")
Read = Callable[[Any], Post]
READERS: dict[str, Read] = {
    "x": lambda it: x_posts.post_of(it, {"users": USERS, "tweets": [it]}),
    "facebook": lambda it: meta_posts.facebook(it, "20", meta_posts.Above("71", "20")),
    "instagram": lambda it: meta_posts.instagram(it, US, "71", it),
    "threads": lambda it: meta_posts.threads(it, US, {"41": "20"}),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*POST, *EVERYWHERE]), inner, max_size=3)
    ),
    max_leaves=6,
)


def written(post: Post) -> dict[str, Any]:
    """Return a post as an Interaction, as the runner writes it; raises where something is not of its type."""
    whole = interaction(
        id=post.id,
        author_id=post.author_id,
        parent_id=post.parent_id,
        conversation_id=post.conversation_id,
        published_at=post.published_at,
        received_at=0,
        text=post.text,
        revision=post.revision,
        account="",
        kind=post.key,
        contact_id=post.parent_author_id + "".join((*post.addressed, post.parent_key)),
        **post.fields,
    )
    unfit(whole)
    return whole


@pytest.mark.parametrize("network", READERS)
@given(name=st.sampled_from([*POST, *EVERYWHERE, "note_tweet", "referenced_tweets", "in_reply_to_user_id"]), value=JSON)
def test_whatever_comes_is_a_post_or_none(network: str, name: str, value: object) -> None:
    try:
        post = READERS[network]({**EVERYWHERE, **(POST if network == "x" else {}), name: value})
    except MALFORMED:
        return
    assert written(post)["id"].startswith(f"{network}:")


def test_a_post_of_x_is_whole_and_as_it_was_written() -> None:
    long = {
        "note_tweet": {"text": "R&amp;D &lt;3 and &amp;amp; so on"},
        "public_metrics": {"like_count": 4, "retweet_count": 2},
    }
    post = x_posts.post_of({**POST, **long}, {"users": USERS})
    assert post.text == "R&D <3 and &amp; so on"
    assert (post.fields["likes"], post.fields["shares"], post.fields["comments"]) == (4, 2, -1)


def test_a_later_version_of_x_keeps_name_and_time_of_the_first() -> None:
    first, second = "2080768123456789504", "2080768999999999999"
    later = {**POST, "id": second, "edit_history_tweet_ids": [first, second], "created_at": "2026-07-24T21:27:00.000Z"}
    post = x_posts.post_of(later, {})
    assert (post.key, post.id, post.revision) == (first, f"x:{first}", 1)
    # ids of X are times: 2080768123456789504 >> 22 is 496093779434 ms after 2010-11-04T01:42:54.657Z
    assert post.published_at == (496_093_779_434 + 1_288_834_974_657) // 1000 * 1000
    answer = {
        **POST,
        "id": "9",
        "edit_history_tweet_ids": ["9"],
        "referenced_tweets": [{"type": "replied_to", "id": second}],
    }
    assert x_posts.post_of(answer, {"tweets": [later]}).parent_id == f"x:{first}"


def test_an_answer_on_instagram_stands_below_its_comment_and_its_medium() -> None:
    comment = {
        "id": "71",
        "from": {"id": "5", "username": "zoe"},
        "text": "Where?",
        "timestamp": "2026-03-02T10:00:00+0000",
    }
    answer = {**comment, "id": "72", "from": {"id": "20", "username": "acme"}, "text": "Here", "like_count": 1}
    post = meta_posts.instagram(answer, US, "31", comment)
    assert (post.parent_id, post.parent_author_id, post.conversation_id) == ("instagram:71", "5", "instagram:31")
    assert (post.addressed, post.fields["likes"], post.published_at) == ((), 1, 1_772_445_600_000)


def test_a_visitors_post_on_a_page_is_a_mention_and_has_its_id_for_its_author() -> None:
    visit = {"id": "20_7", "message": "Hello", "created_time": "2026-03-02T10:00:00+0000"}
    post = meta_posts.facebook(visit, "20")
    assert (post.author_id, post.addressed, post.conversation_id, post.parent_id) == (
        "20_7",
        ("20",),
        "facebook:20_7",
        "",
    )
    answer = {**visit, "id": "7_8", "from": {"id": "20", "name": "Acme"}}
    assert meta_posts.facebook(answer, "20", meta_posts.Above("20_7", "20_7")).parent_author_id == "20_7"
    with pytest.raises(KeyError, match="from"):
        meta_posts.facebook(visit, "20", meta_posts.Above("20_1", "20"))
