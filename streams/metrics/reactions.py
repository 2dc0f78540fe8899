"""Reactions to the account's own posts: by how much the network's counters have grown from one snapshot to the next.

A network tells how many likes a post has, not who gave one when. So what counts in a minute is the difference to the snapshot
before. A post that was seen when it was published began with nothing; of any other the first snapshot is only what later
ones are compared with, since its reactions are older than that.
"""

from collections.abc import Callable
from typing import Final

from schemas.codec import Record

UNKNOWN: Final = -1
"""A counter that the network does not give."""


class Reactions:
    """The newest snapshot of each post, as [time in ms, likes, shares, comments, impressions]."""

    __slots__ = ("_memory", "by_post")

    def __init__(self, memory: int) -> None:
        """``memory``: ms after which a snapshot is no longer compared with; it may be forgotten then."""
        self._memory = memory
        self.by_post: dict[str, list[int]] = {}

    def take(self, event: Record, published_at: Callable[[str], int | None]) -> list[int] | None:
        """Take in a snapshot; return what was gained, in the order above, or None if a newer one is known.

        ``published_at``: when a post was, ms; None if it is not known. Asked only of a first snapshot: a reply may have to be
        read for it.
        """
        at: int = event["published_at"]
        now = [at, event["likes"], event["shares"], event["comments"], event["impressions"]]
        before = self.by_post.get(event["id"])
        if before is not None and at < before[0]:
            return None
        if before is None or before[0] < at - self._memory:
            since = published_at(event["id"])
            known = since is not None and since >= at - self._memory
            before = [at, 0, 0, 0, 0] if known else [at, *[UNKNOWN] * 4]
        gained: list[int] = []
        for number, new in enumerate(now[1:], 1):
            old = before[number]
            gained.append(0 if UNKNOWN in (new, old) else new - old)
            if new == UNKNOWN:
                now[number] = old
        self.by_post[event["id"]] = now
        return gained

    def forget(self, horizon: int) -> None:
        """Drop the snapshots before ``horizon``, ms."""
        for post in [post for post, snapshot in self.by_post.items() if snapshot[0] < horizon]:
            del self.by_post[post]
