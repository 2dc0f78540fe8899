"""A review of Trustpilot's Business API as posts. Pure (https://developers.trustpilot.com/business-units-api)."""

from datetime import UTC
from typing import Any

from streams.connectors.live import Post
from streams.connectors.reviews import sentiment
from streams.connectors.values import milliseconds


def review_of(raw: Any, unit: str) -> Post:  # noqa: ANN401 - whatever came
    """Return a review of a business unit, as the API and the webhook have it. Raises an error of look-ups, types or values."""
    key, text = _id(raw), _words(raw)
    author, created = raw["consumer"], milliseconds(raw["createdAt"], UTC)
    updated = milliseconds(raw["updatedAt"], UTC) if raw.get("updatedAt") else created
    return Post(
        key=key,
        id=f"trustpilot:{key}",
        author_id=_id(author),
        published_at=created,
        text=text,
        addressed=(unit,),
        conversation_id=f"trustpilot:{key}",
        revision=updated if updated > created else 0,
        fields={
            "author_name": str(author.get("displayName") or author.get("name") or ""),
            "lang": str(raw.get("language") or ""),
            "sentiment": sentiment(int(raw["stars"]), text),
            "url": f"https://www.trustpilot.com/reviews/{key}",
            "likes": int(raw.get("numberOfLikes", -1)),
        },
    )


def reply_of(raw: Any, review: Post, unit: str, key: str) -> Post | None:  # noqa: ANN401 - whatever came
    """Return what the business replied to a review, under a key; None: nothing yet. Raises as :func:`review_of`."""
    reply = raw.get("companyReply")
    if not reply:
        return None
    created = milliseconds(reply["createdAt"], UTC)
    updated = milliseconds(reply["updatedAt"], UTC) if reply.get("updatedAt") else created
    return Post(
        key=key,
        id=f"trustpilot:{key}",
        author_id=unit,
        published_at=created,
        text=_text(reply["text"]),
        parent_id=review.id,
        parent_author_id=review.author_id,
        parent_key=review.key,
        conversation_id=review.id,
        revision=updated if updated > created else 0,
    )


def _words(raw: Any) -> str:  # noqa: ANN401 - whatever came
    """Return title and text; a title that only begins the text is none."""
    title, text = _text(raw.get("title") or ""), _text(raw.get("text") or "")
    return text if text.startswith(title.rstrip(".… ")) else f"{title}\n\n{text}".strip()


def _text(value: Any) -> str:  # noqa: ANN401 - whatever came
    if not isinstance(value, str):
        raise TypeError("a text that is none")
    return value


def _id(value: Any) -> str:  # noqa: ANN401 - whatever came
    found = value["id"]
    if not isinstance(found, str) or not found:
        raise TypeError("an id that is none")
    return found
