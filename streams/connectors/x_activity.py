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

A post that is edited has a new id on X; here it keeps its first, and its revision is its place in the history.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from streams.connectors.base import Item, Rejected
from streams.connectors.jsonl import checked
from streams.connectors.pushed import Reader, identity, loads, malformed

Fields = dict[str, Any]
_POSTS: Final = ("post.create", "post.mention.create", "post.reply.create", "post.quote.create")
_NOT_AS_IT_SHOULD_BE: Final = (LookupError, TypeError, ValueError, AttributeError)
_LANGUAGE: Final = 2
"""Letters of ISO 639-1; X has longer codes for what is in no language."""


def reader(allows: Callable[[str], bool]) -> Reader:
    """Return what reads what X pushes; ``allows`` says which accounts, ``x:user_id``, are ours."""

    def read(record: bytes, place: str, now: int) -> Sequence[Item]:
        try:
            events = _events(loads(record)["data"], allows, now)
            found = [checked({**fields, "received_at": now}, now) for fields in events]
        except _NOT_AS_IT_SHOULD_BE as error:
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
    elif kind in _POSTS:
        post = _Post(payload, data.get("includes") or {})
        if post.author == user:
            yield from ({**post.fields(), **common, **side} for side in post.own())
        else:
            ours = {account, *filter(allows, (f"x:{one}" for one in post.addressed()))}
            for one in sorted(ours - {f"x:{post.author}"}):
                yield {**post.fields(), **common, "account": one, "kind": "mention", "contact_id": post.author}


class _Post:
    """A post with what came along with it."""

    def __init__(self, payload: Fields, includes: Fields) -> None:
        self._payload = payload
        self._users = {user["id"]: user for user in (it.get("data", it) for it in includes.get("users") or ())}
        self._posts = {post["id"]: post for post in includes.get("tweets") or ()}
        self._referenced = {it["type"]: it["id"] for it in payload.get("referenced_tweets") or ()}
        self.author = identity(payload["author_id"])
        self.parent = str(self._referenced.get("replied_to") or payload.get("in_reply_to_tweet_id") or "")

    def addressed(self) -> Iterator[str]:
        """Yield the ids of those it names and answers."""
        yield from (it["id"] for it in self._entities("mentions") if "id" in it)
        yield self._parents_author()

    def own(self) -> Iterator[Fields]:
        """Yield what it is, as a post by the account itself."""
        if "retweeted" in self._referenced:
            return
        contact = self._parents_author()
        is_thread = contact == self.author and self.parent == self._payload.get("conversation_id")
        if not self.parent or is_thread:
            yield {"kind": "broadcast"}
        else:  # part two of an answer goes with part one, whoever that was for
            yield {"kind": "reply", "contact_id": "" if contact == self.author else contact}

    def fields(self) -> Fields:
        """Return what it says."""
        payload, user = self._payload, self._users.get(self.author, {})
        history = payload.get("edit_history_tweet_ids") or [payload["id"]]
        conversation, lang = payload.get("conversation_id"), payload.get("lang") or ""
        name = user.get("username", "")
        return {
            "id": f"x:{identity(history[0])}",
            "author_id": self.author,
            "author_name": name,
            "author_followers": user.get("public_metrics", {}).get("followers_count", -1),
            "conversation_id": f"x:{conversation}" if conversation else "",
            "parent_id": f"x:{self.parent}" if self.parent else "",
            "published_at": payload["created_at"],
            "text": payload["text"],
            "lang": lang if len(lang) == _LANGUAGE else "",
            "hashtags": [it["tag"] for it in self._entities("hashtags")],
            "links": [it.get("expanded_url") or it["url"] for it in self._entities("urls")],
            "url": f"https://x.com/{name}/status/{payload['id']}" if name else "",
            "revision": len(history) - 1,
        }

    def _parents_author(self) -> str:
        told = self._payload.get("in_reply_to_user_id") or self._posts.get(self.parent, {}).get("author_id")
        return str(told or "")

    def _entities(self, kind: str) -> Sequence[Fields]:
        return (self._payload.get("entities") or {}).get(kind) or ()
