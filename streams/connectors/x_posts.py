"""A post as X API v2 has it, by whichever way it comes: pushed, streamed or asked for. Pure.

A post that is edited has a new id on X; here it keeps its first, and its revision is its place in the history
(https://docs.x.com/x-api/fundamentals/edit-posts).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from streams.connectors.files import milliseconds
from streams.connectors.live import Post
from streams.connectors.pushed import identity

Fields = Mapping[str, Any]
_LANGUAGE: Final = 2
"""Letters of ISO 639-1; X has longer codes for what is in no language."""
EPOCH: Final = 1_288_834_974_657
"""ms; from here on the ids of X count the milliseconds …"""
TIME_BITS: Final = 22
"""… above so many bits."""
_METRICS: Final = {
    "likes": "like_count",
    "shares": "retweet_count",
    "comments": "reply_count",
    "impressions": "impression_count",
}


def post_of(payload: Fields, includes: Fields) -> Post:
    """Return the post of a payload; ``includes``: what came along. Raises one of :data:`MALFORMED`."""
    number, author_id = identity(payload["id"]), identity(payload["author_id"])
    history = [identity(it) for it in payload.get("edit_history_tweet_ids") or [number]]
    tweets = {it["id"]: it for it in includes.get("tweets") or ()}
    referenced = {it["type"]: identity(it["id"]) for it in payload.get("referenced_tweets") or ()}
    parent = referenced.get("replied_to") or str(payload.get("in_reply_to_tweet_id") or "")
    above, quoted = tweets.get(parent, {}), tweets.get(referenced.get("quoted"), {})
    parent = str((above.get("edit_history_tweet_ids") or [parent])[0])
    named = [it["id"] for it in _entities(payload, "mentions") if "id" in it]
    conversation, whole = payload.get("conversation_id"), payload.get("note_tweet") or {}
    return Post(
        key=history[0],
        id=f"x:{history[0]}",
        author_id=author_id,
        published_at=milliseconds(_text(payload["created_at"])) if len(history) == 1 else _born(history[0]),
        text=_unescaped(_text(whole.get("text") or payload["text"])),
        addressed=tuple(dict.fromkeys(identity(it) for it in (*named, quoted.get("author_id")) if it)),
        parent_id=f"x:{parent}" if parent else "",
        parent_author_id=str(payload.get("in_reply_to_user_id") or above.get("author_id") or ""),
        parent_key=parent,
        conversation_id=f"x:{conversation}" if conversation else "",
        revision=len(history) - 1,
        fields=_others(payload, _author(author_id, includes)),
    )


def is_repost(payload: Fields) -> bool:
    """Say whether it only passes on somebody's post."""
    return any(it["type"] == "retweeted" for it in payload.get("referenced_tweets") or ())


def _others(payload: Fields, author: Fields) -> dict[str, Any]:
    lang, name, metrics = (
        _text(payload.get("lang") or ""),
        _text(author.get("username", "")),
        payload.get("public_metrics"),
    )
    return {
        "author_name": name,
        "author_followers": _number(author.get("public_metrics") or {}, "followers_count"),
        "lang": lang if len(lang) == _LANGUAGE else "",
        "hashtags": [_text(it["tag"]) for it in _entities(payload, "hashtags")],
        "links": [_text(it.get("expanded_url") or it["url"]) for it in _entities(payload, "urls")],
        "url": f"https://x.com/{name}/status/{payload['id']}" if name else "",
        **{ours: _number(metrics or {}, theirs) for ours, theirs in _METRICS.items()},
    }


def _author(author_id: str, includes: Fields) -> Fields:
    users = (it.get("data", it) for it in includes.get("users") or ())
    return next((it for it in users if it["id"] == author_id), {})


def _entities(payload: Fields, kind: str) -> Sequence[Fields]:
    return (payload.get("entities") or {}).get(kind) or ()


def _born(number: str) -> int:
    """Return when a post was made, ms, to the second as X says it: its versions have times of their own."""
    return ((int(number) >> TIME_BITS) + EPOCH) // 1000 * 1000


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def _number(metrics: Fields, name: str) -> int:
    value = metrics.get(name, -1)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {str(value)[:40]!r}")
    return value


def _unescaped(text: str) -> str:
    """Return a text as it was written: X escapes these three characters."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
