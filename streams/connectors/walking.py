"""A connector's history, where its network tells lists: read by spans of time, passed on in the order of its times.

Lists have the newest first, and what is said below a thing stands with it, not in its own day. So what is found of later days waits
for them, in a file, and a walk that goes on reads again what began some time before: what has been passed on is passed over.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from streams.connectors.live import ALIVE, Item, Post, Received
from streams.connectors.waiting import Waiting

Read = Callable[[int, int], AsyncIterator[Item]]
"""Yields what a network tells of things that began from one time on and before another, ms, in any order; later things may be among
it, and earlier ones."""

DAY: Final = 86_400_000
FOREVER: Final = 1 << 52
"""ms; of a span: all at once, where a list can be read from now back only."""
OVERLAP: Final = 60_000
"""ms. The next walk begins so much before this one ended: not all of a network knows everything at once, and some tell seconds."""


@dataclass(frozen=True)
class Walk:
    """How a network's lists are walked through."""

    read: Read
    span: int = FOREVER
    """ms that are asked for at once, and put aside; a crash has them asked for again."""
    before: int = 0
    """What began so much earlier, ms, is read too, for what is said below it."""
    placed: Callable[[Post], Awaitable[Post]] | None = None
    """Completes a post when all before it has been passed on: now what it answers is known, if it ever is."""

    async def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what there is since then; see :meth:`streams.connectors.live.Historic.history`."""
        at = int(cursor) if cursor else since
        # whole seconds: a network that tells no less dates what it tells up to one earlier
        begin, is_last = max(at - self.before, 0) // 1000 * 1000, False
        with Waiting() as waiting:
            while not is_last:
                now, until = time.time_ns() // 1_000_000, begin + self.span
                is_last = until > now - OVERLAP  # some want to hear nothing of the last seconds
                until = FOREVER if is_last else until  # a wrong clock of theirs may be ahead
                yield Received(ALIVE, str(at))
                async with aclosing(self.read(begin, until)) as found:  # type: ignore[type-var]
                    async for item in found:
                        if not isinstance(item, Post):
                            yield Received(item, str(at))
                        elif item.published_at >= at:
                            waiting.add(item)
                for post in waiting.before(until):
                    at = max(at, min(post.published_at, now))
                    yield Received(await self.placed(post) if self.placed else post, str(at))
                waiting.drop(until)
                at, begin = max(at, (now - OVERLAP) // 1000 * 1000 if is_last else until), until
        yield Received(ALIVE, str(at))
