"""What Meta pushes of Facebook Pages, Instagram and Threads, as Interactions. Pure.

==========  ============================================================  ================================
             what is read                                                  the account
==========  ============================================================  ================================
page        ``feed``: a comment that is added                             ``facebook:`` and the entry's id
instagram   ``comments``                                                  ``instagram:`` and the entry's id
Threads     ``replies``                                                   ``threads:`` and the root's owner
==========  ============================================================  ================================

https://developers.facebook.com/docs/graph-api/webhooks and /docs/threads/webhooks. The rest is passed over: what an edit or a
removal looks like is not documented, and a mention elsewhere comes without its text or without saying whose it is. What was not
pushed is asked for by :mod:`streams.connectors.meta_graph`, under the same ids.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from streams.connectors.base import Item, Rejected
from streams.connectors.files import milliseconds
from streams.connectors.jsonl import checked
from streams.connectors.meta_posts import Said
from streams.connectors.pushed import Reader, identity, loads, malformed
from streams.connectors.values import MALFORMED

Fields = dict[str, Any]
SECONDS_END: Final = 100_000_000_000
"""Meta writes times in seconds; what is larger, in the year 5138, are milliseconds."""


def reader(allows: Callable[[str], bool]) -> Reader:
    """Return what reads what Meta pushes; ``allows`` says which accounts are ours."""

    def read(record: bytes, place: str, now: int) -> Sequence[Item]:
        try:
            changes = list(_changes(loads(record)))
        except MALFORMED as error:
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
        said = None if read is None else read({**change, **values})
        if said is None or not allows(f"{said.network}:{said.own}"):
            return None
        found = checked({**said.interaction(), "received_at": now}, now)
    except MALFORMED as error:
        return malformed(payload, place, f"not as Meta pushes it: {type(error).__name__} {error}")
    return found if isinstance(found, dict) else Rejected(found[0], found[1][:500], place, payload)


def _page(change: Fields) -> Said | None:
    value = change["value"]
    if (value["item"], value["verb"]) != ("comment", "add"):
        return None
    author, post = value["from"], identity(value["post_id"])
    return Said(
        "facebook",
        identity(change["id"]),
        identity(value["comment_id"]),
        identity(author["id"]),
        author.get("name", ""),
        post,
        identity(value.get("parent_id") or post),
        _time(value["created_time"]),
        value.get("message", ""),
    )


def _instagram(change: Fields) -> Said:
    value = change["value"]
    author, media = value["from"], identity(value["media"]["id"])
    return Said(
        "instagram",
        identity(change["id"]),
        identity(value["id"]),
        identity(author["id"]),
        author.get("username", ""),
        media,
        identity(value.get("parent_id") or media),
        _time(change["time"]),  # of the notification: a comment has none
        value.get("text", ""),
    )


def _threads(change: Fields) -> Said:
    value = change["value"]
    root, name = value["root_post"], identity(value["username"])
    own = identity(root["owner_id"])
    return Said(
        "threads",
        own,
        identity(value["id"]),
        own if name == root.get("username") else name,  # a reply says no id of its author
        name,
        identity(root["id"]),
        identity(value["replied_to"]["id"]),
        milliseconds(value["timestamp"]),
        value.get("text", ""),
        value.get("permalink", ""),
    )


def _time(value: int) -> int:
    return value * 1000 if value < SECONDS_END else value


_READERS: Final[dict[tuple[str, str], Callable[[Fields], Said | None]]] = {
    ("page", "feed"): _page,
    ("instagram", "comments"): _instagram,
    ("threads", "replies"): _threads,
}
