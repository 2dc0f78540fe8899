"""What Jetstream says, in its first and second version, and a post from its record. Pure.

Records are what people's own software wrote: nobody has checked them. So they are read leniently where they concern nobody here.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from streams.connectors.live import Post

POSTS: Final = "app.bsky.feed.post"
BLOCKS: Final = "app.bsky.graph.block"
BACKDATED: Final = 86_400_000
"""A post that says it was written so long before it came, ms, came from elsewhere: nobody could have read it earlier."""
_QUOTES: Final = ("app.bsky.embed.record", "app.bsky.embed.recordWithMedia")
_LANGUAGE: Final = (2, 3)
"""Letters that the code of a language has."""


class Event(NamedTuple):
    """One event of the network, whichever version told it."""

    kind: str
    """``commit``, ``account``, ``identity``, …; ``info`` and ``error`` are of the stream itself."""
    did: str = ""
    """Whose repository it is in: its author."""
    witnessed: int = 0
    """When Jetstream saw it, µs since 1970."""
    seq: int = 0
    """Its number in the second version."""
    body: Any = None
    """Of a commit ``{operation, collection, rkey, record}``; of an account ``{active, status}``; of the stream what it says."""

    @property
    def uri(self) -> str:
        """What a commit is about."""
        return f"at://{self.did}/{self.body['collection']}/{self.body['rkey']}"

    @property
    def at(self) -> int:
        """When Jetstream saw it, ms."""
        return self.witnessed // 1000


def loads(message: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return the value of a message. Raises one of :data:`MALFORMED`."""
    try:
        return msgspec.json.decode(message)
    except (ValueError, RecursionError):
        return json.loads(message)  # which also reads half a character


def event_of(value: Any) -> Event:  # noqa: ANN401 - whatever came
    """Return the event that a message of either version is. Raises one of :data:`MALFORMED`."""
    frame = value.get("$type")
    if frame == "error":
        return Event("error", body=value)
    if frame != "message":
        kind = value["kind"]
        return Event(kind, _did(value["did"]), _whole(value["time_us"]), body=value.get(kind))
    payload = value["payload"]
    kind = payload["$type"].rpartition("#")[2]
    if kind == "info":
        return Event(kind, body=payload)
    witnessed = microseconds(payload.get("witnessedAt") or payload["time"])
    body = payload if kind == "commit" else payload.get(kind)
    return Event(kind, _did(payload["did"]), witnessed, _whole(payload["seq"]), body)


def people(record: Any) -> Iterator[str]:  # noqa: ANN401 - whatever came
    """Yield whom a post names, quotes and answers, by their DIDs. Raises one of :data:`MALFORMED`."""
    if facets := record.get("facets"):
        yield from (it["did"] for it in _features(facets) if it.get("$type") == "app.bsky.richtext.facet#mention")
    if embed := record.get("embed"):
        yield from _quoted(embed)
    if reply := record.get("reply"):
        yield author_of(reply["parent"]["uri"])


def parent_of(record: Any) -> str:  # noqa: ANN401 - whatever came
    """Return the address of what a post answers; "" if it answers none. Raises one of :data:`MALFORMED`."""
    reply = record.get("reply")
    return _text(reply["parent"]["uri"]) if reply else ""


def author_of(uri: str) -> str:
    """Return whose repository an ``at://…`` is in; "" if it does not say so by a DID."""
    authority = uri.removeprefix("at://").partition("/")[0]
    return authority if authority.startswith("did:") else ""


def post_of(event: Event) -> Post:
    """Return the post of a commit that has a record. Raises one of :data:`MALFORMED`."""
    record, uri, rkey = event.body["record"], event.uri, _text(event.body["rkey"])
    parent = parent_of(record)
    features = list(_features(record.get("facets") or ()))
    embed = record.get("embed") or {}
    external = (embed.get("external") or embed.get("media", {}).get("external") or {}).get("uri")
    links = [it["uri"] for it in features if it.get("$type") == "app.bsky.richtext.facet#link"]
    tags = [it["tag"] for it in features if it.get("$type") == "app.bsky.richtext.facet#tag"]
    lang = next(iter(record.get("langs") or ()), "").partition("-")[0].lower()
    return Post(
        key=uri,
        id=f"bluesky:{uri}",
        author_id=event.did,
        published_at=_published(record.get("createdAt"), event.at),
        text=_text(record["text"]),
        addressed=tuple(dict.fromkeys(people(record))),
        parent_id=f"bluesky:{parent}" if parent else "",
        parent_author_id=author_of(parent),
        parent_key=parent,
        conversation_id=f"bluesky:{_text(record['reply']['root']['uri'])}" if parent else f"bluesky:{uri}",
        revision=event.at if event.body["operation"] == "update" else 0,
        fields={
            "lang": lang if len(lang) in _LANGUAGE else "",
            "url": f"https://bsky.app/profile/{event.did}/post/{rkey}",
            "hashtags": [_text(it) for it in (*tags, *(record.get("tags") or ()))],
            "links": [_text(it) for it in dict.fromkeys((*links, external)) if it],
        },
    )


def microseconds(time: str) -> int:
    """Return µs since 1970. Raises :class:`ValueError` and :class:`TypeError`."""
    at = datetime.fromisoformat(time)
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return round(at.timestamp() * 1_000_000)


def _published(created_at: Any, witnessed: int) -> int:  # noqa: ANN401 - whatever came
    """Return when a post could first be read, ms: as it says itself, as far as that can be."""
    try:
        created = microseconds(created_at) // 1000
    except (TypeError, ValueError, OverflowError):
        return witnessed
    return min(created, witnessed) if created > witnessed - BACKDATED else witnessed


def _features(facets: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - whatever came
    return (feature for facet in facets for feature in facet["features"])


def _quoted(embed: dict[str, Any]) -> Iterator[str]:
    """Yield whom an embedded record is by. Embeds of other kinds are open to everybody: they may look like anything."""
    if embed.get("$type") in _QUOTES:
        record = embed["record"]
        yield author_of((record.get("record") or record)["uri"])


def _did(value: Any) -> str:  # noqa: ANN401 - whatever came
    if not _text(value).startswith("did:"):
        raise ValueError(f"{value[:40]!r} is no DID")
    return str(value)


def _text(value: Any) -> str:  # noqa: ANN401 - whatever came
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def _whole(value: Any) -> int:  # noqa: ANN401 - whatever came
    if not isinstance(value, int):
        raise TypeError(f"{str(value)[:40]!r} is no whole number")
    return value
