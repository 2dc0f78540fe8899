"""What a network says when it is asked for the counters of an account's posts, simulated: as connectors ask, now and then.

A post gains most of its reactions in its first hours and hardly any after days: 1 - exp(-age / 6 h) of what it will ever have.
"""

import math
from collections import deque
from collections.abc import Iterator
from typing import Final
from zlib import crc32

from schemas.codec import Record
from streams.interactions import interaction
from streams.metrics.targets import HOUR

POSTS: Final = 5
"""Of so many of an account's latest posts the counters are asked for."""
FADES: Final = 6 * HOUR


def polled(events: Iterator[Record], every: int) -> Iterator[Record]:
    """Yield ``events``, and ``every`` so many ms, for each account, its profile and the counters of its latest posts.

    By ``received_at``, as the events are. The same events always give the same answers.
    """
    latest: dict[str, deque[Record]] = {}
    due = 0
    for event in events:
        now = event["received_at"]
        if now >= due:
            for account, posts in latest.items():
                yield _profile(account, now)
                for post in posts:
                    yield _counters(post, now)
            due = (now // every + 1) * every
        if event["kind"] == "broadcast" and not event["revision"]:
            posts = latest.setdefault(event["account"], deque(maxlen=POSTS))
            if event["id"] not in (post["id"] for post in posts):
                posts.append(event)
        yield event


def _followers(account: str, now: int) -> int:
    """Return how many follow an account: from a thousand to a million, growing by some a day."""
    number = crc32(account.encode())
    return int(10 ** (3 + 3 * (number / (1 << 32)))) + now // HOUR % 1_000


def _profile(account: str, now: int) -> Record:
    return _event(
        account, id=account, kind="profile", author_id=account, author_followers=_followers(account, now), at=now
    )


def _counters(post: Record, now: int) -> Record:
    account, published_at = post["account"], post["published_at"]
    seen_by = _followers(account, published_at) * (1 + crc32(post["id"].encode()) % 10) / 20
    impressions = int(seen_by * (1 - math.exp((published_at - now) / FADES)))
    return _event(
        account,
        id=post["id"],
        kind="counters",
        impressions=impressions,
        likes=impressions // 50,
        shares=impressions // 400,
        comments=impressions // 300,
        at=now,
    )


def _event(account: str, at: int, **fields: str | int) -> Record:
    network = account.partition(":")[0]
    return interaction(account=account, network=network, published_at=at, received_at=at, source="simulator", **fields)
