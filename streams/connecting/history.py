"""A connector's history as a stream that ends, and the clock that its posts drive."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from streams.connectors.live import ALIVE, Historic, Item, Keep, Post, Received

KEEP: Final = 6 * 3_600_000
"""ms of the posts' own time after which the cursor is kept: what comes again after a crash is not so old that it is too late."""


class History:
    """The history of a connector from ``since`` on, ms, as its :meth:`stream`; sets ``over`` when it has come to now."""

    def __init__(self, connector: Historic, since: int, over: asyncio.Event) -> None:
        self.clock = since
        """The time of the latest post so far, ms: when what comes is received."""
        self.is_whole = False
        """It has come to now."""
        self._connector, self._since, self._over = connector, since, over

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield it; see :class:`streams.connectors.live.Connector`."""
        async with aclosing(self._connector.history(self._since, cursor)) as items:  # type: ignore[type-var]
            kept_at, behind = self._since, cursor
            async for received in items:
                at = _time(received.item)
                if at is not None and at > kept_at + KEEP and behind is not None:
                    yield Received(Keep(), behind)
                    kept_at = at
                behind = received.cursor
                if at is not None and at < self._since:
                    yield Received(ALIVE, received.cursor)
                    continue
                if at is not None:  # a wrong clock of theirs does not move ours past now
                    self.clock = max(self.clock, min(at, time.time_ns() // 1_000_000))
                yield received
        self.is_whole = True
        self._over.set()
        await asyncio.Event().wait()  # whoever reads ends it, with all acknowledged


def _time(item: Item) -> int | None:
    """Return when an item happened, ms; None: it does not say."""
    if isinstance(item, Post):
        return item.published_at
    return int(item["published_at"]) if isinstance(item, dict) else None
