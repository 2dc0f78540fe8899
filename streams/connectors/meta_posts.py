"""What is said on Facebook Pages, Instagram and Threads, pushed or asked for: under which ids, to whom, and as what. Pure."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from streams.connectors.files import milliseconds
from streams.connectors.live import Post
from streams.connectors.pushed import identity

Fields = Mapping[str, Any]


class Said(NamedTuple):
    """A post, or a comment or reply below one. Ids are the network's own."""

    network: str
    own: str
    """The account to which it is said, or by which."""
    id: str
    author: str
    """``own``, where the account says it."""
    name: str
    root: str
    """The post below which it stands; its own id if it stands below none."""
    parent: str
    """What it answers; "" if it stands below nothing."""
    published_at: int
    text: str
    url: str = ""

    def interaction(self) -> dict[str, Any]:
        """Return what it is to the account, as fields of an Interaction: whom the account answers, its parent has to tell."""
        if self.author != self.own:
            side = {"kind": "mention", "contact_id": self.author}
        else:
            side = {"kind": "reply" if self.parent not in ("", self.root) else "broadcast"}
        return {
            **side,
            "id": f"{self.network}:{self.id}",
            "network": self.network,
            "account": f"{self.network}:{self.own}",
            "author_id": self.author,
            "author_name": self.name,
            "conversation_id": f"{self.network}:{self.root}",
            "parent_id": f"{self.network}:{self.parent}" if self.parent else "",
            "published_at": self.published_at,
            "text": self.text,
            "url": self.url,
        }

    def post(self, parent_author: str, counted: Fields) -> Post:
        """Return the same as a post of a connector; ``parent_author``: who wrote the parent, "" if nobody knows."""
        parent = f"{self.network}:{self.parent}" if self.parent else ""
        if parent_author == self.own and self.parent != self.root:
            parent_author = ""  # an answer below the account's own comment: to whom, that comment has to tell
        return Post(
            key=f"{self.network}:{self.id}",
            id=f"{self.network}:{self.id}",
            author_id=self.author,
            published_at=self.published_at,
            text=self.text,
            addressed=() if self.author == self.own else (self.own,),
            parent_id=parent,
            parent_author_id=parent_author,
            parent_key=parent,
            conversation_id=f"{self.network}:{self.root}",
            fields={"author_name": self.name, "url": self.url, **counted},
        )


# -- what is asked for (https://developers.facebook.com/docs/graph-api/reference, /docs/instagram-platform, /docs/threads) -----

_COMMENT: Final = "id,message,created_time,from,permalink_url,like_count,comment_count,parent{id,from}"
_ANSWER: Final = "id,text,timestamp,from,username,parent_id,like_count"
_THREAD: Final = "id,text,timestamp,username,permalink,has_replies,is_reply,replied_to,root_post"
FIELDS: Final[Mapping[str, str]] = {
    "facebook": "id,message,created_time,from,permalink_url,shares",
    "facebook feed": "id,message,created_time,from,permalink_url,shares,"
    f"comments.filter(stream).order(reverse_chronological).limit(25){{{_COMMENT}}}",
    "facebook comments": _COMMENT,
    "instagram": "id,caption,timestamp,username,permalink,like_count,comments_count",
    "instagram comments": f"{_ANSWER},replies.limit(50){{{_ANSWER}}}",
    "instagram replies": _ANSWER,
    "threads": _THREAD,
}
"""The fields to ask for of each kind of thing."""


class Above(NamedTuple):
    """What something stands below, and who wrote that."""

    id: str
    author: str


class Us(NamedTuple):
    """The account: its id and its username."""

    id: str
    name: str


def facebook(thing: Fields, own: str, root: Above | None = None) -> Post:
    """Return a post by or to a page, or a comment below ``root``. Raises one of :data:`MALFORMED`."""
    number, author = identity(thing["id"]), thing["from"] if root else thing.get("from")
    if author is None:  # of a post by a person Meta does not say whose it is: nobody knows whether two are by the same
        author = {"id": number}
    above = thing.get("parent") or {}
    parent = Above(identity(above["id"]), str((above.get("from") or {}).get("id") or "")) if above else root
    said = Said(
        "facebook",
        own,
        number,
        identity(author["id"]),
        _text(author.get("name")),
        root.id if root else number,
        parent.id if parent else "",
        milliseconds(_required(thing["created_time"])),
        _text(thing.get("message")),
        _text(thing.get("permalink_url")),
    )
    counted = {
        "likes": _number(thing.get("like_count")),
        "comments": _number(thing.get("comment_count")),
        "shares": _number((thing.get("shares") or {}).get("count")),
    }
    return said.post(parent.author if parent else "", counted)


def instagram(thing: Fields, us: Us, root: str = "", above: Fields | None = None) -> Post:
    """Return a medium, or a comment below ``root``, a medium of the account's, which may answer the comment ``above``.

    Raises one of :data:`MALFORMED`.
    """
    number, author = identity(thing["id"]), thing.get("from") or {}
    name = _text(author.get("username") or thing.get("username"))
    said = Said(
        "instagram",
        us.id,
        number,
        us.id if name == us.name else identity(author.get("id") or name),
        name,
        root or number,
        identity(above["id"]) if above else root,
        milliseconds(_required(thing["timestamp"])),
        _text(thing.get("text") or thing.get("caption")),
        _text(thing.get("permalink")),
    )
    counted = {"likes": _number(thing.get("like_count")), "comments": _number(thing.get("comments_count"))}
    if above is None:
        return said.post(us.id if root else "", counted)
    by = above.get("from") or {}
    return said.post(us.id if by.get("username") == us.name else str(by.get("id") or ""), counted)


def threads(thing: Fields, us: Us, authors: Mapping[str, str]) -> Post:
    """Return a thread or a reply; ``authors``: of what it may answer. Raises one of :data:`MALFORMED`."""
    number, name = identity(thing["id"]), _required(thing["username"])
    parent = str((thing.get("replied_to") or {}).get("id") or "")
    root = str((thing.get("root_post") or {}).get("id") or parent or number)
    said = Said(
        "threads",
        us.id,
        number,
        us.id if name == us.name else name,  # it says no id of its author
        name,
        root,
        parent,
        milliseconds(_required(thing["timestamp"])),
        _text(thing.get("text")),
        _text(thing.get("permalink")),
    )
    return said.post(authors.get(parent, ""), {})


def _required(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def _text(value: object) -> str:
    return _required(value) if value else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1
