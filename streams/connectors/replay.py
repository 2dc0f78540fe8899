"""Replays of files: open one, get its Interactions in time order.

The whole file is held in memory, for a post can belong to one that stands later in the file: 3 million rows are not
what this is for, a few hundred thousand are (measured: 1.7 to 1.9 KB a record).
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Final

from streams.connectors import jsonl, pairs, parquet, twcs
from streams.connectors.base import Counts, Item, Rejected
from streams.errors import InputError

FORMATS: Final = ("twcs", "pairs", "jsonl", "parquet")


@dataclass(frozen=True)
class Replay:
    """A file as a source. Iterating yields first what was set aside, then the events by time; as often as one likes."""

    name: str
    """The format."""
    items: list[Item]
    counts: Counts

    def __iter__(self) -> Iterator[Item]:
        """Yield the items."""
        return iter(self.items)


def open_replay(
    path: str | Path, file_format: str, accounts: Iterable[str] | None = None, now: int | None = None
) -> Replay:
    """Read a file of one of :data:`FORMATS`.

    It is compressed if its name ends in .gz, .bz2, .xz, .zip or .zst. ``accounts``: the brand accounts that are wanted,
    as ``name`` or ``network:name``, in any case; None: all of the file. ``now`` (ms): nothing can have been published
    later; the machine's clock unless given. Raises :class:`InputError` for a file that cannot be read, is of no known
    format, or has not the columns of its format.
    """
    path, wanted = Path(path), None if accounts is None else frozenset(accounts)
    now = int(time() * 1000) if now is None else now
    counts = Counts()
    items = read_items(path, file_format, wanted, now, counts)
    rejected: list[Item] = []
    events = []
    with _no_collecting():
        for item in items:
            counts.count(item)
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                events.append(item)
    events.sort(key=lambda event: event["received_at"])  # stable: file order where the times are the same
    return Replay(file_format, [*rejected, *events], counts)


def read_items(
    path: Path, file_format: str, accounts: frozenset[str] | None, now: int, counts: Counts
) -> Iterator[Item]:
    """Return the items of a file in its own order, the same each time. Raises :class:`InputError`, at any item too."""
    match file_format:
        case "twcs":
            return twcs.read(path, accounts, now, counts)
        case "pairs":
            return pairs.read(path, accounts, now, counts)
        case "jsonl":
            return jsonl.read(path, accounts, now, counts)
        case "parquet":
            return parquet.read(path, accounts, now, counts)
    raise InputError(f"{file_format!r} is not a format of files", f"use one of {', '.join(FORMATS)}")


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Keep the garbage collector from what is read: all of it stays, and nothing in it refers to itself.

    It would look at each event several times as their number grows, a fifth of the time that a file takes.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
