"""Posts and errors as Stack Exchange's documentation shows them, and what is none."""

import json
from typing import Any

import pytest

from streams.connectors.stackexchange import _wait_of
from streams.connectors.stackexchange_posts import Site
from streams.connectors.values import MALFORMED
from streams.http_answers import RefusedError, UnavailableError

SITE = Site("stackoverflow.com", {"22656": "stackexchange:acme@here"}, {"Acme-SDK": "stackexchange:acme@here"})
ANN = {"user_id": 7, "user_type": "registered", "display_name": "Ann &quot;A&quot;"}
QUESTION: dict[str, Any] = {
    "question_id": 11,
    "tags": ["python", "acme-sdk"],
    "owner": ANN,
    "answer_count": 2,
    "score": 3,
    "creation_date": 1_700_000_000,
    "last_activity_date": 1_700_000_900,
    "last_edit_date": 1_700_000_500,
    "title": "Why &lt;this&gt;?",
    "body": '<p>See <a href="https://x.example">here</a>:</p>\n<pre><code>a &lt; b\n</code></pre>\n',
}
COMMENT: dict[str, Any] = {
    "comment_id": 13,
    "post_id": 12,
    "owner": {"user_type": "does_not_exist", "display_name": "user99"},
    "reply_to_user": {"user_id": 22656, "user_type": "registered", "display_name": "Zoe"},
    "score": -2,
    "creation_date": 1_700_000_100,
    "body": "@Zoe &amp; <code>x</code>",
}


def test_a_question_as_it_is_documented() -> None:
    post = SITE.post_of("questions", QUESTION)
    assert (post.key, post.id) == ("11", "stackexchange:stackoverflow.com/q/11")
    assert (post.author_id, post.addressed) == ("7@stackoverflow.com", ("acme@here",))
    assert (post.parent_key, post.conversation_id) == ("", post.id)
    assert (post.published_at, post.revision) == (1_700_000_000_000, 1_700_000_500_000)
    assert post.text == "Why <this>?\n\nSee here:\na < b"
    assert post.fields == {
        "author_name": 'Ann "A"',
        "url": "https://stackoverflow.com/q/11",
        "hashtags": ["python", "acme-sdk"],
        "links": ["https://x.example"],
        "likes": 3,
        "comments": 2,
    }


def test_an_answer_and_a_comment() -> None:
    bare = {"answer_id": 12, "question_id": 11, "owner": {"user_id": 22656}, "creation_date": 1, "body": "<p>So.</p>"}
    answer = SITE.post_of("answers", bare)
    assert (answer.key, answer.id, answer.parent_key) == ("12", "stackexchange:stackoverflow.com/a/12", "11")
    assert (answer.author_id, answer.revision) == ("acme@here", 0)
    comment = SITE.post_of("comments", COMMENT)
    assert (comment.key, comment.parent_key, comment.parent_author_id) == ("c13", "12", "acme@here")
    assert (comment.author_id, comment.text) == ("?user99@stackoverflow.com", "@Zoe & x")
    assert comment.fields["url"] == "https://stackoverflow.com/posts/comments/13"


@pytest.mark.parametrize(
    "wrong",
    [
        {"question_id": None},
        {"tags": None},
        {"tags": [7]},
        {"owner": "ann"},
        {"creation_date": "now"},
        {"title": None},
        {"body": None},
        {"last_edit_date": "later"},
    ],
    ids=json.dumps,
)
def test_what_is_no_question_says_so(wrong: dict[str, Any]) -> None:
    with pytest.raises(MALFORMED):
        SITE.post_of("questions", {**QUESTION, **wrong})


def error(number: int, said: str = "") -> bytes:
    return json.dumps({"error_id": number, "error_name": "a_name", "error_message": said}).encode()


def test_an_error_says_what_it_is_by_its_number() -> None:
    assert (
        _wait_of(400, {}, error(502, "too many requests from this IP, more requests available in 35421 seconds"))
        == 35_421
    )
    assert _wait_of(400, {}, error(502, "Violation of backoff parameter")) == 60
    for body in (b"<html>502 Bad Gateway</html>", b"[]", b'{"error_id": "x"}', b"{}"):
        assert _wait_of(502, {}, body) == 0
    for number in (500, 503):
        with pytest.raises(UnavailableError, match=f"^its error {number}$"):
            _wait_of(400, {}, error(number, "a secret"))
    for number in (400, 402, 403, 405, 406):
        with pytest.raises(RefusedError, match=f"^its error {number}$"):
            _wait_of(400, {}, error(number, "a secret"))
