"""What a connector has to remember across restarts: how far it is, and the posts that concerned an account.

It is written only when Kafka has acknowledged what came before: :meth:`Memory.keep`. A crash at any moment repeats at most what
came since. Two processes with a connector of the same name do no harm: each writes only cursors behind which it has published all,
what both publish has the same ids, and a repetition counts for nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from streams.connectors.live import Known

KEPT: Final = 15 * 86_400_000
"""Posts are remembered for so long after they were published, ms: as long as the fold does unless set otherwise."""
SWEEP: Final = 3_600_000
"""ms between two looks for those that are older."""
CURSOR: Final = ""
"""The key of the cursor among those of posts."""

Row = tuple[str, str | Known | None]
"""Key and value: the cursor, a post, or None, which deletes it."""


class Journal(Protocol):
    """Where it is written."""

    async def write(self, connector: str, rows: Sequence[Row]) -> None:
        """Return once the rows are kept, in this order."""


class Memory:
    """What one connector remembers; in memory, and in its journal as of the last :meth:`keep`."""

    def __init__(self, connector: str, journal: Journal, cursor: str | None, posts: Mapping[str, Known]) -> None:
        self.cursor = cursor
        """Behind what has been published; None: nothing yet."""
        self._connector, self._journal = connector, journal
        self._posts = dict(posts)
        self._changed: dict[str, None] = {}
        self._written = cursor
        self._swept_at = 0

    def known(self, key: str) -> Known | None:
        """Return what is remembered of a post."""
        return self._posts.get(key)

    def written_by(self, author_id: str) -> list[str]:
        """Return the keys of what is remembered of somebody. It looks through all of it."""
        return [key for key, it in self._posts.items() if it.author_id == author_id]

    def remembered(self, since: int) -> list[tuple[str, Known]]:
        """Return what stands and was published from then on, ms, by its key. It looks through all of it."""
        return [(key, it) for key, it in self._posts.items() if it.published_at >= since and not it.is_gone]

    def learn(self, key: str, known: Known) -> None:
        """Remember a post."""
        self._posts[key] = known
        self._changed[key] = None

    def forget(self, key: str) -> None:
        """Forget a post."""
        if self._posts.pop(key, None) is not None:
            self._changed[key] = None

    def sweep(self, now: int) -> None:
        """Forget what is older than :data:`KEPT`, now and then."""
        if now - self._swept_at >= SWEEP:
            self._swept_at = now
            for key in [key for key, it in self._posts.items() if it.published_at < now - KEPT]:
                self.forget(key)

    def pending(self) -> tuple[str | None, list[Row]]:
        """Return the cursor and what has changed since :meth:`keep`: posts first, then the cursor behind them."""
        rows: list[Row] = [(key, self._posts.get(key)) for key in self._changed]
        if self.cursor is not None and self.cursor != self._written:
            rows.append((CURSOR, self.cursor))
        return self.cursor, rows

    async def keep(self, cursor: str | None, rows: Sequence[Row]) -> None:
        """Write what :meth:`pending` gave, all of which Kafka has acknowledged since."""
        await self._journal.write(self._connector, rows)
        self._written = cursor
        for key, value in rows:
            if self._posts.get(key) is value:  # otherwise it has changed meanwhile
                self._changed.pop(key, None)
