"""A post from a status, as Mastodon's API has it. Pure."""

from typing import Any

from streams.connectors import html_text
from streams.connectors.live import Post
from streams.connectors.values import milliseconds, text


def post_of(status: Any, host: str) -> Post:  # noqa: ANN401 - whatever came
    """Return the post of a status. ``host``: of the server's own people. Raises what :data:`MALFORMED` of ``values`` has."""
    author, content = status["account"], html_text.read(text(status["content"] or ""))
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
        id=f"mastodon:{text(status['uri'])}",
        author_id=author_id,
        published_at=milliseconds(status["created_at"]),
        text="\n\n".join(part for part in (warning, content.text) if part),
        addressed=tuple(mentions.values()),
        parent_author_id=parent_author_id,
        parent_key=str(status.get("in_reply_to_id") or ""),
        revision=milliseconds(edited_at) if edited_at else 0,
        fields={
            "author_name": text(author.get("display_name") or ""),
            "author_followers": int(author.get("followers_count", -1)),
            "lang": text(status.get("language") or ""),
            "url": text(status.get("url") or ""),
            "hashtags": [text(tag["name"]) for tag in status.get("tags") or []],
            "links": content.addresses,
            "automated": bool(author.get("bot")),
            "likes": int(status.get("favourites_count", -1)),
            "shares": int(status.get("reblogs_count", -1)),
            "comments": int(status.get("replies_count", -1)),
        },
    )


def full_name(name: str, host: str) -> str:
    """Return ``user@host``; of the server's own people it leaves the host out."""
    return text(name) if "@" in name else f"{text(name)}@{host}"
