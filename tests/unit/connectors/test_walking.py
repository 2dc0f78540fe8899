"""Walks through lists, against plain sorting: however they are cut into spans, and wherever they are broken off."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streams.connectors.live import Item, Post, Received
from streams.connectors.walking import DAY, FOREVER, OVERLAP, Walk

HOUR = DAY // 24
LONGEST = 3 * DAY


class Said(NamedTuple):
    """Something said below what began some time before; hours."""

    began: int
    later: int


WORLDS = st.lists(st.builds(Said, st.integers(0, 240), st.integers(0, 72)), max_size=30)


@given(WORLDS, st.integers(0, 240), st.sampled_from([DAY, 5 * DAY, FOREVER]), st.lists(st.integers(1, 12), max_size=6))
def test_a_walk_has_all_since_a_date_in_order_wherever_it_is_broken_off(
    world: list[Said], first: int, span: int, breaks: list[int]
) -> None:
    start = time.time_ns() // 1_000_000 // HOUR * HOUR - 250 * HOUR
    posts = {
        str(number): Post(
            str(number), f"a:{number}", "ann", start + (it.began + it.later) * HOUR, "", parent_key=str(number - 1)
        )
        for number, it in enumerate(world)
        if it.began + it.later < 249
    }

    async def read(since: int, until: int) -> AsyncIterator[Item]:
        for key in reversed(posts):
            if since <= start + world[int(key)].began * HOUR < until:
                yield posts[key]

    async def passed(since: int, cursor: str | None, most: int) -> list[Received]:
        found: list[Received] = []
        async with aclosing(Walk(read, span=span, before=LONGEST).history(since, cursor)) as walk:  # type: ignore[type-var]
            async for received in walk:
                found.append(received)
                if len(found) == most:
                    break
        return found

    since, cursor = start + first * HOUR, None
    seen: set[str] = set()
    for most in [*breaks, 10**9]:
        found = asyncio.run(passed(since, cursor, most))
        keys = [it.item.key for it in found if isinstance(it.item, Post)]
        times = [posts[key].published_at for key in keys]
        assert times == sorted(times)
        for key, above in ((key, posts[key].parent_key) for key in keys):
            if above in keys and posts[above].published_at == posts[key].published_at:
                assert keys.index(above) < keys.index(key)
        assert len(keys) == len(set(keys))
        seen |= set(keys)
        cursor = found[-1].cursor
    assert seen == {key for key, it in posts.items() if it.published_at >= since}
    assert cursor is not None
    assert int(cursor) > time.time_ns() // 1_000_000 - OVERLAP - HOUR
    assert len(asyncio.run(passed(since, cursor, 10**9))) < 25, "it begins where it was"
