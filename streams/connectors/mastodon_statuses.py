"""A post from a status, as Mastodon's API has it. Pure."""

from datetime import datetime
from typing import Any, Final

from streams.connectors.live import Post
from streams.connectors.markup import links, plain

MALFORMED: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError)
"""What :func:`post_of` raises of something that is no status."""


def post_of(status: Any, host: str) -> Post:  # noqa: ANN401 - whatever came
    """Return the post of a status. ``host``: of the server's own people. Raises one of :data:`MALFORMED`."""
    author, content = status["account"], status["content"] or ""
    mentions = {str(it["id"]): full_name(it["acct"], host) for it in status.get("mentions") or []}
    author_id, parent_author = full_name(author["acct"], host), status.get("in_reply_to_account_id")
    parent_author_id = ""
    if parent_author:
        itself = str(parent_author) == str(author["id"])
        parent_author_id = author_id if itself else mentions.get(str(parent_author), "")
    edited_at = status.get("edited_at")
    warning = status.get("spoiler_text") or ""
    return Post(
        key=str(status["id"]),
        id=f"mastodon:{_text(status['uri'])}",
        author_id=author_id,
        published_at=_milliseconds(status["created_at"]),
        text="\n\n".join(part for part in (warning, plain(content)) if part),
        addressed=tuple(mentions.values()),
        parent_author_id=parent_author_id,
        parent_key=str(status.get("in_reply_to_id") or ""),
        revision=_milliseconds(edited_at) if edited_at else 0,
        fields={
            "author_name": _text(author.get("display_name") or ""),
            "author_followers": int(author.get("followers_count", -1)),
            "lang": _text(status.get("language") or ""),
            "url": _text(status.get("url") or ""),
            "hashtags": [_text(tag["name"]) for tag in status.get("tags") or []],
            "links": links(content),
            "automated": bool(author.get("bot")),
            "likes": int(status.get("favourites_count", -1)),
            "shares": int(status.get("reblogs_count", -1)),
            "comments": int(status.get("replies_count", -1)),
        },
    )


def _text(value: Any) -> str:  # noqa: ANN401 - whatever came
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def full_name(name: str, host: str) -> str:
    """Return ``user@host``; of the server's own people it leaves the host out."""
    return _text(name) if "@" in name else f"{_text(name)}@{host}"


def _milliseconds(text: str) -> int:
    at = datetime.fromisoformat(_text(text))
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return round(at.timestamp() * 1000)
