"""Submissions and comments as Reddit's API has them, with ``raw_json=1`` (https://www.reddit.com/dev/api). Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from streams.connectors.live import Post
from streams.connectors.values import MALFORMED, text

SUBMISSION: Final = "t3"
COMMENT: Final = "t1"
DELETED: Final = "[deleted]"
_NOBODY: Final = frozenset((DELETED, "[removed]"))
_NAME: Final = re.compile(r"(?<![\w/])/?u/([A-Za-z0-9_-]{2,20})", re.IGNORECASE)
_QUOTED: Final = re.compile(r"^\s*>(?!!).*$\n?", re.MULTILINE)
_LINK: Final = re.compile(r"/comments/([0-9a-z]{1,12})/")
_FULL_NAME: Final = re.compile(r"(t[13])_([0-9a-z]{1,12})")


class People:
    """Who stands for which account: users by name, and subreddits whose submissions are for one. Case makes no difference."""

    def __init__(self, people: Mapping[str, str], subreddits: Mapping[str, str]) -> None:
        self._people = {name.lower(): _own_id(account) for name, account in people.items()}
        self._subreddits = {name.lower(): _own_id(account) for name, account in subreddits.items()}

    def person(self, name: Any) -> str:  # noqa: ANN401 - whatever came
        """Return who that is: the account that they write for, or their name in small letters; "" if they are deleted."""
        lower = text(name).lower()
        return "" if lower == DELETED else self._people.get(lower, lower)

    def post_of(self, thing: Any) -> Post:  # noqa: ANN401 - whatever came
        """Return the post of a thing. Raises what :data:`MALFORMED` of ``values`` has."""
        kind, data = thing["kind"], thing["data"]
        name = data["name"]
        own_kind, _ = number_of(name)
        if own_kind != kind:
            raise ValueError(f"{kind[:9]!r} is not what {name!r} is")
        is_comment = kind == COMMENT
        said = _QUOTED.sub("", text(data["body" if is_comment else "selftext"])).strip()
        title = "" if is_comment else text(data["title"])
        addressed = [self.person(it) for it in _NAME.findall(f"{title}\n{said}")]
        if not is_comment and (account := self._subreddits.get(text(data["subreddit"]).lower())):
            addressed.append(account)
        link, parent = (_link_of(data), data["parent_id"]) if is_comment else (name, "")
        asker = data.get("link_author") if parent == link else None
        return Post(
            key=name,
            id=id_of(name),
            author_id=self.person(data["author"]),
            published_at=int(data["created_utc"]) * 1000,
            text="\n\n".join(filter(None, (title, said))),
            addressed=tuple(dict.fromkeys(addressed)),
            parent_id=id_of(parent) if parent else "",
            parent_author_id=self.person(asker) if asker else "",
            parent_key=parent,
            conversation_id=id_of(link),
            revision=int(data.get("edited") or 0) * 1000,
            fields={
                "author_name": text(data["author"]),
                "url": f"https://www.reddit.com{text(data.get('permalink') or data.get('context') or '').partition('?')[0]}",
                "links": [text(data["url"])] if not is_comment and not data.get("is_self") and data.get("url") else [],
                "likes": max(int(data.get("score", 0)), 0),
                "comments": int(data.get("num_comments") or 0) if not is_comment else -1,
            },
        )


def _link_of(comment: Any) -> Any:  # noqa: ANN401 - whatever came
    """Return the submission that a comment is below; in the inbox it stands only in the address."""
    if "link_id" in comment:
        return comment["link_id"]
    found = _LINK.search(comment["context"])
    return f"{SUBMISSION}_{found[1]}" if found else None


def is_gone(thing: Any) -> bool:  # noqa: ANN401 - whatever came
    """Say whether a thing was deleted by its author, or taken away. Raises what :data:`MALFORMED` of ``values`` has."""
    data = thing["data"]
    return data["author"] == DELETED or data.get("body" if thing["kind"] == COMMENT else "selftext") in _NOBODY


def id_of(name: str) -> str:
    """Return what a thing is called everywhere."""
    number_of(name)
    return f"reddit:{name}"


def number_of(name: Any) -> tuple[str, int]:  # noqa: ANN401 - whatever came
    """Return kind and number of a full name, ``t1_abc``: those of one kind grow. Raises :class:`ValueError` if it is none."""
    found = _FULL_NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise ValueError(f"{str(name)[:40]!r} is no full name")
    return found[1], int(found[2], 36)


def order_of(thing: Any) -> tuple[int, bool, int]:  # noqa: ANN401 - whatever came
    """Return what things sort by so that parents are first: s, comments last, number; what is none comes first of all."""
    try:
        kind, number = number_of(thing["data"]["name"])
        return int(thing["data"]["created_utc"]), kind == COMMENT, number
    except MALFORMED:
        return 0, False, 0


def _own_id(account: str) -> str:
    return account.partition(":")[2].lower()
