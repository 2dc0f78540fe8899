"""What stands in a feed: RSS and Atom, with threads (RFC 4685), pages (RFC 5005), comment feeds and hubs. Pure.

feedparser (https://feedparser.readthedocs.io) reads whatever calls itself a feed, well-formed or not; it is given bytes and
fetches nothing. It resolves addresses, ids among them, against that of the feed.
"""

import calendar
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import feedparser

from streams.connectors import html_text

MOST_ENTRIES: Final = 500
"""Of one document; the rest, which is the oldest, is left out."""
_NUMBERED: Final = re.compile(rb"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,8}));")
_HALVES: Final = range(0xD800, 0xE000)
_MARK: Final = "\ufdd0"
"""Stands for half a character while feedparser reads: it gives a whole feed up for one. No text has it: it is no character."""


class Entry(NamedTuple):
    """An item of RSS, an entry of Atom."""

    key: str
    """Its guid or id, otherwise where it is; "" if it has neither."""
    title: str
    text: str
    author: str
    author_uri: str
    """Of the author; Atom alone has it."""
    published_at: int | None
    """ms; None if it has no time that can be read."""
    link: str
    answers: str
    """The id of what it answers, by ``thr:in-reply-to``."""
    answers_page: bool
    """What it answers is the page on which it stands: a post, and no comment."""
    comments: str
    """The feed of its comments, by ``wfw:commentRss``."""
    comment_count: int
    """How many there are, by ``slash:comments``; -1 if nobody says."""
    hashtags: Sequence[str]
    links: Sequence[str]
    payload: bytes
    """As it was read, as JSON."""


class Document(NamedTuple):
    """A feed, or a page of one."""

    entries: Sequence[Entry]
    """The newest first where they have times."""
    itself: str
    """What it calls itself, ``rel="self"``."""
    hub: str
    """Who pushes it, ``rel="hub"``."""
    older: str
    """The page with what is older, ``rel="next"`` or ``"prev-archive"``."""


def parse(body: bytes, address: str, content_type: str = "", linked: Mapping[str, str] | None = None) -> Document:
    """Return what stands in a feed at an address. ``linked``: what the header ``Link`` says, by its relation.

    Raises :class:`ValueError` if it is no feed.
    """
    headers = {"content-type": content_type or "application/xml", "content-location": address}
    body = _NUMBERED.sub(_marked, body)
    try:
        found = feedparser.parse(io.BytesIO(body), response_headers=headers, sanitize_html=False)
    except Exception:  # noqa: BLE001 - it has many, of code that met what nobody had thought of
        raise ValueError("it cannot be read as a feed") from None
    if not found.get("version"):
        raise ValueError("it is no feed")
    relations = {it.get("rel", ""): it.get("href", "") for it in reversed(found.feed.get("links", []))} | dict(
        linked or {}
    )
    entries = [_entry(dict(it)) for it in found.entries]  # its own look-up guesses, and warns that it will not for ever
    entries.sort(key=lambda it: -(it.published_at or 0))
    older = relations.get("next") or relations.get("prev-archive") or ""
    return Document(entries[:MOST_ENTRIES], relations.get("self", ""), relations.get("hub", ""), _whole(older))


def _entry(entry: Mapping[str, Any]) -> Entry:
    contents = [str(it.get("value", "")) for it in entry.get("content", [])]
    content = html_text.read(_whole(contents[0] if contents else str(entry.get("summary", ""))))
    answered = entry.get("thr_in-reply-to") or {}
    ref = answered.get("ref") or answered.get("href") or ""
    author = entry.get("author_detail") or {}
    link = _whole(entry.get("link"))
    return Entry(
        key=_whole(entry.get("id")) or link,
        title=html_text.read(_whole(entry.get("title"))).text,
        text=content.text,
        author=_whole(author.get("name") or entry.get("author")).strip(),
        author_uri=_whole(author.get("href")),
        published_at=_milliseconds(entry.get("published_parsed") or entry.get("updated_parsed")),
        link=link,
        answers=_whole(ref),
        answers_page="#" in link and answered.get("href") == link.partition("#")[0],
        comments=_whole(entry.get("wfw_commentrss")),
        comment_count=int(count)
        if (count := _whole(entry.get("slash_comments"))).isascii() and count.isdecimal()
        else -1,
        hashtags=[_whole(tag.get("term")) for tag in entry.get("tags", []) if tag.get("term")],
        links=content.addresses,
        payload=json.dumps(entry, default=str).encode(),
    )


def _marked(found: re.Match[bytes]) -> bytes:
    """Return a character that stands there by its number; :data:`_MARK` for half of one."""
    number = int(found[1], 16) if found[1] else int(found[2])
    return _MARK.encode() if number in _HALVES else found[0]


def _whole(value: object) -> str:
    """Return a text, with its half characters again: it is no text then, and is set aside."""
    return str(value or "").replace(_MARK, "\ud800")


def _milliseconds(at: Any) -> int | None:  # noqa: ANN401 - time.struct_time, of UTC
    try:
        return calendar.timegm(at) * 1000
    except (TypeError, ValueError, OverflowError):
        return None
