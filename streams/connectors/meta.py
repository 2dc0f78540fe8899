"""What Meta pushes of Facebook Pages, Instagram and Threads, as Interactions. Pure.

==========  ============================================================  ================================
             what is read                                                  the account
==========  ============================================================  ================================
page        ``feed``: a comment that is added                             ``facebook:`` and the entry's id
instagram   ``comments``                                                  ``instagram:`` and the entry's id
Threads     ``replies``                                                   ``threads:`` and the root's owner
==========  ============================================================  ================================

https://developers.facebook.com/docs/graph-api/webhooks and /docs/threads/webhooks. The rest is passed over: what an edit or a
removal looks like is not documented, and a mention elsewhere comes without its text or without saying whose it is.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from streams.connectors.base import Item, Rejected
from streams.connectors.jsonl import checked
from streams.connectors.pushed import Reader, identity, loads, malformed

Fields = dict[str, Any]
SECONDS_END: Final = 100_000_000_000
"""Meta writes times in seconds; what is larger, in the year 5138, are milliseconds."""
_NOT_AS_IT_SHOULD_BE: Final = (LookupError, TypeError, ValueError, AttributeError)


def reader(allows: Callable[[str], bool]) -> Reader:
    """Return what reads what Meta pushes; ``allows`` says which accounts are ours."""

    def read(record: bytes, place: str, now: int) -> Sequence[Item]:
        try:
            changes = list(_changes(loads(record)))
        except _NOT_AS_IT_SHOULD_BE as error:
            return [malformed(record, place, f"not as Meta pushes it: {type(error).__name__} {error}")]
        found = (_item(kind, change, allows, place, now) for kind, change in changes)
        return [item for item in found if item is not None]

    return read


def _changes(given: Any) -> Iterator[tuple[str, Fields]]:  # noqa: ANN401 - any JSON
    """Yield each change with what it is about. Raises errors of look-ups and types."""
    if "values" in given:
        yield "threads", dict(given)
        return
    for entry in given["entry"]:
        # with Instagram's own login, the one change stands in the entry itself
        for change in entry.get("changes", [entry]):
            yield str(given["object"]), {"id": entry["id"], "time": entry.get("time"), **change}


def _item(kind: str, change: Fields, allows: Callable[[str], bool], place: str, now: int) -> Item | None:
    """Return the Interaction of a change, why there is none, or None: it is not for us."""
    payload = msgspec.json.encode({"object": kind, "change": change})
    try:
        values = change["values"] if kind == "threads" else change
        read = _READERS.get((kind, str(values.get("field"))))
        fields = None if read is None else read({**change, **values})
        if fields is None or not allows(fields["account"]):
            return None
        found = checked({**fields, "received_at": now}, now)
    except _NOT_AS_IT_SHOULD_BE as error:
        return malformed(payload, place, f"not as Meta pushes it: {type(error).__name__} {error}")
    return found if isinstance(found, dict) else Rejected(found[0], found[1][:500], place, payload)


def _page(change: Fields) -> Fields | None:
    value = change["value"]
    if (value["item"], value["verb"]) != ("comment", "add"):
        return None
    own, author = identity(change["id"]), value["from"]
    post, parent = identity(value["post_id"]), identity(value.get("parent_id") or value["post_id"])
    return {
        **_side(identity(author["id"]), own, is_answer=parent != post),
        "id": f"facebook:{identity(value['comment_id'])}",
        "network": "facebook",
        "account": f"facebook:{own}",
        "author_name": author.get("name", ""),
        "conversation_id": f"facebook:{post}",
        "parent_id": f"facebook:{parent}",
        "published_at": _time(value["created_time"]),
        "text": value.get("message", ""),
    }


def _instagram(change: Fields) -> Fields | None:
    value = change["value"]
    own, author, media = identity(change["id"]), value["from"], identity(value["media"]["id"])
    parent = value.get("parent_id")
    return {
        **_side(identity(author["id"]), own, is_answer=bool(parent)),
        "id": f"instagram:{identity(value['id'])}",
        "network": "instagram",
        "account": f"instagram:{own}",
        "author_name": author.get("username", ""),
        "conversation_id": f"instagram:{media}",
        "parent_id": f"instagram:{parent or media}",
        "published_at": _time(change["time"]),  # of the notification: a comment has none
        "text": value.get("text", ""),
    }


def _threads(change: Fields) -> Fields | None:
    value = change["value"]
    root, parent, name = value["root_post"], identity(value["replied_to"]["id"]), identity(value["username"])
    post = identity(root["id"])
    return {
        **_side(name, root.get("username"), is_answer=parent != post),  # a reply says no id of its author
        "id": f"threads:{identity(value['id'])}",
        "network": "threads",
        "account": f"threads:{identity(root['owner_id'])}",
        "author_name": name,
        "conversation_id": f"threads:{post}",
        "parent_id": f"threads:{parent}",
        "published_at": value["timestamp"],
        "text": value.get("text", ""),
        "url": value.get("permalink", ""),
    }


def _side(author: str, own: str | None, *, is_answer: bool) -> Fields:
    """Return who wrote it to whom: the public to the brand; or the brand, to whoever wrote what it answers."""
    if author != own:
        return {"kind": "mention", "author_id": author, "contact_id": author}
    return {"kind": "reply" if is_answer else "broadcast", "author_id": author}


def _time(value: int) -> int:
    return value * 1000 if value < SECONDS_END else value


_READERS: Final[dict[tuple[str, str], Callable[[Fields], Fields | None]]] = {
    ("page", "feed"): _page,
    ("instagram", "comments"): _instagram,
    ("threads", "replies"): _threads,
}
