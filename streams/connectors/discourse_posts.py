"""A post of a Discourse forum as its API has it (docs.discourse.org, and the serializers of its source). Pure."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from streams.connectors import html_text
from streams.connectors.live import Post
from streams.connectors.values import milliseconds, text

EDITED_AFTER: Final = 1_000
"""ms. A post whose ``updated_at`` is later than this after ``created_at`` was edited: within the first minutes that is no new
version, and a little later it always is."""
_LIKE: Final = 2
"""The kind of action that a like is."""


class Place(NamedTuple):
    """Where a post stands."""

    topic: int
    number: int
    """1 is the topic's first."""


class Found(NamedTuple):
    """A post, where it stands, and where the post stands that it answers."""

    post: Post
    place: Place
    above: Place | None
    is_readable: bool
    """False: hidden after flags, or a mere note of what moderators did."""
    is_gone: bool


class Forum:
    """What is the same for all posts of a forum: its address, and who of its people stands for which account."""

    def __init__(self, address: str, people: Mapping[str, str], categories: Mapping[str, str]) -> None:
        """``people``: accounts by username; ``categories``: accounts by number."""
        self.address = address
        self.name = address.partition("://")[2].lower()
        self._people = {name.lower(): _own_id(account) for name, account in people.items()}
        self._categories = {number: _own_id(account) for number, account in categories.items()}

    def person(self, username: str) -> str:
        """Return who that is: the account that they write for, or ``username@forum``; case makes no other user."""
        name = text(username).lower()
        return self._people.get(name, f"{name}@{self.name}")

    def post_of(self, raw: Any) -> Found:  # noqa: ANN401 - whatever came
        """Return the post of a JSON. Raises what :data:`MALFORMED` of ``values`` has."""
        number, place = int(raw["id"]), Place(int(raw["topic_id"]), int(raw["post_number"]))
        published_at, updated_at = milliseconds(raw["created_at"]), milliseconds(raw["updated_at"])
        is_edited = raw["version"] > 1 or updated_at - published_at > EDITED_AFTER
        content, answered = html_text.read(text(raw["cooked"])), raw.get("reply_to_user") or {}
        above = None if place.number == 1 else Place(place.topic, int(raw.get("reply_to_post_number") or 1))
        post = Post(
            key=str(number),
            id=self.id_of(number),
            author_id=self.person(raw["username"]),
            published_at=published_at,
            text=content.text if above else f"{text(raw.get('topic_title') or '')}\n\n{content.text}".strip(),
            addressed=tuple(dict.fromkeys(self._addressed(raw, content, place))),
            parent_author_id=self.person(answered["username"]) if answered else "",
            parent_key=f"{above.topic}/{above.number}" if above else "",
            conversation_id="" if above else self.id_of(number),
            revision=updated_at if is_edited else 0,
            fields={
                "author_name": text(raw.get("name") or raw["username"]),
                "url": f"{self.address}/t/{place.topic}/{place.number}",
                "links": [it.attributes["href"] for it in content.links if _leads_away(it)],
                "automated": int(raw.get("user_id", 1)) < 0,  # the system's own users
                "likes": next((int(it["count"]) for it in raw.get("actions_summary", ()) if it["id"] == _LIKE), 0),
                "comments": int(raw.get("reply_count", -1)),
            },
        )
        kind = raw.get("post_type", 1)
        is_gone = bool(raw.get("deleted_at") or raw.get("user_deleted"))
        return Found(post, place, above, kind in (1, 2) and not raw.get("hidden"), is_gone)

    def id_of(self, number: int) -> str:
        """Return what a post is called everywhere; at ``https://…`` that address leads to it."""
        return f"discourse:{self.name}/p/{number}"

    def _addressed(self, raw: Any, content: html_text.Read, place: Place) -> list[str]:  # noqa: ANN401 - as above
        named = [self.person(it.text.removeprefix("@")) for it in content.links if _is_mention(it)]
        category = self._categories.get(str(raw.get("category_id"))) if place.number == 1 else None
        return [*named, category] if category else named


def _own_id(account: str) -> str:
    return account.partition(":")[2]


def _is_mention(link: html_text.Link) -> bool:
    """Say whether a link names a user, or a group, whose names are of one kind."""
    return not {"mention", "mention-group"}.isdisjoint(link.classes)


def _leads_away(link: html_text.Link) -> bool:
    return link.attributes.get("href", "").startswith(("http://", "https://")) and not _is_mention(link)
