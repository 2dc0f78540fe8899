"""Posts that wait for their turn, in a file: a network that lists from now back has told years of them before the first is due.

The file is SQLite's, in the directory for what is temporary (``SQLITE_TMPDIR``, ``TMPDIR``), nobody else sees it, and it goes with
the process.
"""

import pickle
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from typing import Final, Self

from streams.connectors.live import Post
from streams.errors import SettingsError

_MAKE: Final = """
PRAGMA cache_size = -8192;  -- KiB; what is more is in the file
PRAGMA journal_mode = OFF;  -- nobody reads it after a crash
CREATE TABLE posts (key BLOB PRIMARY KEY, published_at INTEGER, post BLOB);
"""


class Waiting:
    """Posts, one of each key. A context manager; all it does raises :class:`SettingsError` where there is no room for them."""

    def __enter__(self) -> Self:
        """Make the file."""
        self._file = sqlite3.connect("")
        with _room():
            self._file.executescript(_MAKE)
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        self._file.close()

    def add(self, post: Post) -> None:
        """Take a post in, in place of one with its key."""
        row = post.key.encode("utf-8", "surrogatepass"), post.published_at, pickle.dumps(post)
        with _room():
            self._file.execute("INSERT OR REPLACE INTO posts VALUES (?, ?, ?)", row)

    def before(self, until: int) -> Iterator[Post]:
        """Yield what was published before a time, ms, in its order; of one moment, what is answered before its answers."""
        for _, posts in groupby(self._sorted(until), attrgetter("published_at")):
            moment = {it.key: it for it in posts}
            yield from sorted(moment.values(), key=lambda it: _depth(it, moment))

    def drop(self, until: int) -> None:
        """Let go of what was published before a time, ms."""
        with _room():
            self._file.execute("DELETE FROM posts WHERE published_at < ?", (until,))

    def _sorted(self, until: int) -> Iterator[Post]:
        with _room():
            due = "SELECT post FROM posts WHERE published_at < ? ORDER BY published_at, rowid"
            for (post,) in self._file.execute(due, (until,)):
                yield pickle.loads(post)  # noqa: S301 - we have written it


def _depth(post: Post, others: Mapping[str, Post]) -> int:
    """Return below how many others of its moment a post stands."""
    depth = 0
    while (above := others.get(post.parent_key)) and depth < len(others):
        post, depth = above, depth + 1
    return depth


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        wrong = f"what is to be told in order cannot be put aside ({error})"
        raise SettingsError(wrong, "make room in the directory that TMPDIR names, or name another") from None
