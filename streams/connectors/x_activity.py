"""What X pushes by its Activity API, as Interactions. Pure (https://docs.x.com/x-api/activity/event-payloads).

==============================================  =========================================================================
event                                           is
==============================================  =========================================================================
post.mention.create, post.reply.create,         by anybody else, a mention of the account, and of each of ours that it names
post.quote.create
post.create                                     the account's own: a reply, or a broadcast; a repost is passed over
post.delete                                     a withdrawal
follow.unfollow                                 an opt_out, where it is the account that is followed no more
==============================================  =========================================================================

Posts are read by :mod:`streams.connectors.x_posts`, as by the connector that asks (:mod:`streams.connectors.x`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from streams.connectors.base import Item, Rejected
from streams.connectors.jsonl import checked
from streams.connectors.pushed import Reader, identity, loads, malformed
from streams.connectors.values import MALFORMED
from streams.connectors.x_posts import is_repost, post_of

Fields = dict[str, Any]
POSTS: Final = ("post.create", "post.mention.create", "post.reply.create", "post.quote.create")
"""The events that bring a post."""


def reader(allows: Callable[[str], bool]) -> Reader:
    """Return what reads what X pushes; ``allows`` says which accounts, ``x:user_id``, are ours."""

    def read(record: bytes, place: str, now: int) -> Sequence[Item]:
        try:
            events = _events(loads(record)["data"], allows, now)
            found = [checked({**fields, "received_at": now}, now) for fields in events]
        except MALFORMED as error:
            return [malformed(record, place, f"not as X pushes it: {type(error).__name__} {error}")]
        return [it if isinstance(it, dict) else Rejected(it[0], it[1][:500], place, record) for it in found]

    return read


def _events(data: Fields, allows: Callable[[str], bool], now: int) -> Iterator[Fields]:
    """Yield the Interactions of an event, without what is the same for all. Raises errors of look-ups and types."""
    kind, payload, user = data["event_type"], data["payload"], data["filter"].get("user_id")
    account = f"x:{user}"
    if not user or not allows(account):
        return
    common: Fields = {"network": "x", "account": account}
    if kind == "post.delete":
        yield common | {
            "id": f"x:{identity(payload['id'])}",
            "kind": "withdrawal",
            "author_id": user,
            "published_at": now,
        }
    elif kind == "follow.unfollow":
        who, whom = (payload[side]["data"] for side in ("source", "target"))
        if whom["id"] == user:
            contact, event = identity(who["id"]), identity(data["event_uuid"])
            person = {"author_id": contact, "contact_id": contact, "author_name": who.get("username", "")}
            yield common | person | {"id": f"x:{event}", "kind": "opt_out", "published_at": now}
    elif kind in POSTS:
        yield from _of_post(payload, data.get("includes") or {}, account, allows)


def _of_post(payload: Fields, includes: Fields, account: str, allows: Callable[[str], bool]) -> Iterator[Fields]:
    post = post_of(payload, includes)
    event = {
        "id": post.id,
        "network": "x",
        "account": account,
        "author_id": post.author_id,
        "conversation_id": post.conversation_id,
        "parent_id": post.parent_id,
        "published_at": post.published_at,
        "text": post.text,
        "revision": post.revision,
        **post.fields,
    }
    author = f"x:{post.author_id}"
    if author != account:
        ours = {account, *filter(allows, (f"x:{one}" for one in (*post.addressed, post.parent_author_id)))}
        for one in sorted(ours - {author}):
            yield {**event, "account": one, "kind": "mention", "contact_id": post.author_id}
    elif not is_repost(payload):
        contact = post.parent_author_id
        is_thread = contact == post.author_id and post.parent_id == post.conversation_id
        if not post.parent_id or is_thread:
            yield {**event, "kind": "broadcast"}
        else:  # part two of an answer goes with part one, whoever that was for
            yield {**event, "kind": "reply", "contact_id": "" if contact == post.author_id else contact}
