"""A folder in which files are put: each is read once, as soon as it is whole (docs/connectors/folder.md).

A file that is whole is renamed into ``taken/``, behind a number that is one higher than all before. So the folder becomes a log:
the cursor is a number and how many items of that file are behind us. What was taken and not yet acknowledged is found again behind
the cursor, in the order in which it was taken, whoever took it.
"""

import asyncio
import fcntl
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import ClassVar, Final, Literal, NamedTuple

from pydantic import Field

from streams.connectors.base import Counts, Item, Rejected
from streams.connectors.live import ALIVE, WHENEVER, ConnectorSettings, Gap, Received
from streams.connectors.pacing import Budget
from streams.connectors.replay import read_items
from streams.connectors.session import Session
from streams.errors import InputError, Reason
from streams.http_answers import UnavailableError
from streams.tables import Texts

TAKEN: Final = "taken"
"""Where files are that were whole."""
UNFINISHED: Final = (".part", ".partial", ".tmp", ".crdownload", ".filepart")
"""Names that end so are of files that somebody still writes; those that begin with a dot are too."""
AT_ONCE: Final = 500
"""Items that are read in one go."""


class FolderSettings(ConnectorSettings):
    """``type = "folder"``."""

    type: Literal["folder"]
    accounts: Texts = Field(
        ("*",), min_length=1, description="the brand accounts, network:account_id; * stands for anything"
    )
    path: Path = Field(description="the folder")
    format: Literal["twcs", "pairs", "jsonl", "parquet"] = Field(description="what is in its files")
    settled_seconds: float = Field(10, ge=0, le=3600, description="a file is whole when it has not changed for so long")
    poll_seconds: float = Field(5, gt=0, le=3600, description="how often the folder is looked at")


class _File(NamedTuple):
    """One that was taken."""

    number: int
    path: Path


class _Look(NamedTuple):
    """A file that waits, as it is and since when."""

    state: tuple[int, int, int]
    """Size, time of change, inode."""
    since: float


class Folder:
    """The files of one folder, oldest first."""

    network: ClassVar[str] = ""
    settings: ClassVar[type[ConnectorSettings]] = FolderSettings

    def __init__(self, settings: FolderSettings, _: Session, __: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._taken = settings, settings.path / TAKEN
        # without a pattern the names help to read: who is a brand in a file of tweets
        self._accounts = None if any("*" in it for it in settings.accounts) else frozenset(settings.accounts)
        self._looks: dict[str, _Look] = {}

    @staticmethod
    def budget(_: FolderSettings) -> Budget:
        """Return any: nobody is asked."""
        return Budget(1, 1.0)

    async def check(self) -> str:
        """Return in words what waits."""
        with _explained(self._settings.path):
            return f"{len(_waiting(self._settings.path))} files wait in {self._settings.path}"

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what is in the files, those too that wait at the first start; see :class:`streams.connectors.live.Connector`."""
        with _explained(self._settings.path):
            self._taken.mkdir(exist_ok=True)
            number, at = self._begin() if cursor is None else json.loads(cursor)
        yield Received(ALIVE, _cursor(number, at))
        while True:
            for file in await asyncio.to_thread(self._files, number):
                if file.number != number:
                    yield Received(_gap(number, at, file.number), _cursor(file.number, 0))
                    number, at = file.number, 0
                async for received in self._read(file, at):
                    yield received
                number, at = number + 1, 0
                yield Received(ALIVE, _cursor(number, at))
            await asyncio.sleep(self._settings.poll_seconds)
            yield Received(ALIVE, _cursor(number, at))

    def _begin(self) -> tuple[int, int]:
        """Return where a new connector begins: with all that has been taken, since whoever took it may not have come to its end."""
        return next((file.number for file in _those_taken(self._taken)), 1), 0

    async def _read(self, file: _File, at: int) -> AsyncIterator[Received]:
        """Yield the items of a file behind the first ``at``. It does not change, so they are the same each time."""
        items = read_items(file.path, self._settings.format, self._accounts, WHENEVER, Counts())
        try:
            await asyncio.to_thread(_pass_over, items, at)
            while chunk := await asyncio.to_thread(list, islice(items, AT_ONCE)):
                for item in chunk:
                    at += 1
                    yield Received(item, _cursor(file.number, at))
        except InputError as error:
            letter = Rejected(Reason.MALFORMED_RECORD, str(error), str(file.path), b"")
            yield Received(letter, _cursor(file.number, at + 1))

    def _files(self, number: int) -> list[_File]:
        """Take what is whole; return what has been taken, by us or another, from a number on."""
        with _explained(self._settings.path), _alone(self._taken) as taken:
            files = _those_taken(self._taken)
            following = max([number, *(file.number + 1 for file in files)])
            for name in self._whole():
                path = self._taken / f"{following:010}-{name}"
                with suppress(FileNotFoundError):  # somebody took it back
                    (self._settings.path / name).rename(path)
                    files.append(_File(following, path))
                    following += 1
            os.fsync(taken)  # a loss of power gives no number twice
            return [file for file in files if file.number >= number]

    def _whole(self) -> list[str]:
        """Return the names of the files that have not changed for long enough, the oldest first."""
        now, looks = time.monotonic(), {}
        for entry in _waiting(self._settings.path):
            with suppress(FileNotFoundError):
                found = entry.stat()
                state = (found.st_size, found.st_mtime_ns, found.st_ino)
                before = self._looks.get(entry.name)
                looks[entry.name] = before if before and before.state == state else _Look(state, now)
        self._looks = looks
        whole = [name for name, look in looks.items() if now - look.since >= self._settings.settled_seconds]
        return sorted(whole, key=lambda name: (looks[name].state[1], name))


def _cursor(number: int, at: int) -> str:
    return f"[{number},{at}]"


def _gap(number: int, at: int, there: int) -> Gap:
    what = f"file {number} behind its first {at} items" if at else f"file {number}"
    return Gap(f"{what} was not read and is not in {TAKEN}/ any more: the next is {there}")


def _pass_over(items: Iterator[Item], number: int) -> None:
    for _ in islice(items, number):
        pass


def _waiting(folder: Path) -> list[os.DirEntry[str]]:
    """Return the files that somebody has put there, whole or not."""
    with os.scandir(folder) as entries:
        return [
            it for it in entries if not it.name.startswith(".") and not it.name.endswith(UNFINISHED) and it.is_file()
        ]


def _those_taken(taken: Path) -> list[_File]:
    """Return the files that were taken, in order."""
    numbered = ((path.name.partition("-")[0], path) for path in taken.iterdir())
    return sorted(_File(int(number), path) for number, path in numbered if number.isdecimal())


@contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """Let no other process take files meanwhile; give the folder's descriptor."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be used ({error.strerror})") from None
