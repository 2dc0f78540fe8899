"""Records of CSV and JSON-lines files, compressed or not, each with its line number and its original bytes.

A file is read as text that keeps every byte: what is not UTF-8 becomes lone surrogates (``surrogateescape``), which are
found when the event is checked and turned back into the bytes they were for the dead letter.
"""

import bz2
import csv
import gzip
import importlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from streams.errors import InputError

LARGEST_FIELD: Final = 16 << 20
"""Largest field of a CSV record, in characters. Above what any network allows, so that a post of 10 MB is still one
record and is set aside whole; small enough that a quote that is never closed does not swallow a file of any size."""

_UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)
"""What the standard library raises for files that are missing, cut short, not of their format, or encrypted."""


class FileRecord(NamedTuple):
    """One record of a file: its fields by column, or what is wrong with its form."""

    line: int
    """Number of its first line; the first of the file is 1."""
    fields: tuple[str, ...]
    """The columns that were asked for, in that order; those that a short row does not have are empty."""
    text: str
    """The record as it stands in the file; what is not UTF-8 as lone surrogates."""
    complete: bool
    """False: trailing columns are missing."""
    error: str
    """Why the fields cannot be trusted; empty if they can."""

    @property
    def payload(self) -> bytes:
        """The record's bytes, without the end of its last line."""
        return original(self.text)

    def is_unicode(self) -> bool:
        """Say whether all of its bytes are UTF-8."""
        try:
            self.text.encode()
        except UnicodeEncodeError:
            return False
        return True


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading; the end of its name says how it is compressed. Raises :class:`InputError`."""
    try:
        match path.suffix.lower():
            case ".gz":
                return cast("IO[bytes]", gzip.open(path, "rb"))
            case ".bz2":
                return bz2.open(path, "rb")
            case ".xz":
                return lzma.open(path, "rb")
            case ".zip":
                archive = zipfile.ZipFile(path)
                members = [member for member in archive.infolist() if not member.is_dir()]
                if len(members) != 1:
                    raise InputError(f"{path} holds {len(members)} files", "give an archive of one, or the file itself")
                return archive.open(members[0])
            case ".zst":
                return _open_zstandard(path)
            case _:
                return path.open("rb")
    except _UNREADABLE as error:
        raise unreadable(path, error) from None


def _open_zstandard(path: Path) -> IO[bytes]:
    """Open a .zst file with Python's own module (3.14) or its backport, whichever there is."""
    for module in ("compression.zstd", "backports.zstd"):
        try:
            zstandard = importlib.import_module(module)
        except ImportError:
            continue
        opened: IO[bytes] = zstandard.open(path, "rb")
        return opened
    raise InputError(f"{path} is compressed with Zstandard", "pip install backports.zstd, or compress it with gzip")


def unreadable(path: Path, error: Exception) -> InputError:
    """Say that a file cannot be read, and why."""
    why = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return InputError(f"{path} cannot be read ({why})", "name a file that exists, is readable and whole")


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file, whatever ends them, with their ends as they are. Raises :class:`InputError`."""
    stream = open_bytes(path)
    with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        try:
            yield from text
        except Exception as error:
            if isinstance(error, _UNREADABLE) or type(error).__name__ == "ZstdError":
                raise unreadable(path, error) from None
            raise


def original(text: str) -> bytes:
    """Return the bytes that ``text`` of :func:`read_lines` was read from, without the end of the last line."""
    return text.encode("utf-8", "surrogateescape").rstrip(b"\r\n")


def read_csv(path: Path, needed: Sequence[str]) -> Iterator[FileRecord]:  # noqa: C901 - one loop, down the page
    """Yield the records of a CSV file; blank lines are none. Raises :class:`InputError`, also if a column is missing.

    ``needed``: the columns, two or more, whose fields are asked for.

    The rules are those of ``csv.DictReader``, with more care for what it would hide: rows longer than the header (a
    comma that was not quoted shifts every later column) and a quote that is open at the end of the file (the record is
    made of many) have an ``error``.
    """
    csv.field_size_limit(LARGEST_FIELD)  # a setting of the whole process; nothing else in Rapport reads CSV
    taken: list[str] = []  # the lines of the record that is being read

    ended = False

    def lines() -> Iterator[str]:
        nonlocal ended
        for line in read_lines(path):
            taken.append(line)
            yield line
        ended = True

    reader = csv.reader(lines())
    try:
        columns = next(reader, [])
    except csv.Error:
        columns = []
    if missing := [column for column in needed if column not in columns]:
        raise InputError(f"{path} has no column {', '.join(missing)}", f"its first line must name {', '.join(needed)}")
    place = {column: index for index, column in enumerate(columns)}
    wanted: Callable[[Sequence[str]], tuple[str, ...]] = itemgetter(*(place[column] for column in needed))
    first_line = 1
    while True:
        first_line += len(taken)
        taken.clear()
        error = ""
        values: list[str] = []
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            error = f"not CSV: {problem}"
        if not values and not error:
            continue
        missing_fields = len(columns) - len(values)
        if missing_fields < 0:
            error = f"{len(values)} fields where the first line has {len(columns)}: a comma that is not quoted?"
        elif ended:  # a record ends with its line, so the reader looked past the last one only because of an open quote
            error = f"a quote is not closed by the end of the file, {len(taken)} lines later"
        if missing_fields > 0:
            values += [""] * missing_fields
        yield FileRecord(first_line, wanted(values), "".join(taken), missing_fields <= 0, error)


_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name: f"{number:02}" for number, name in enumerate(_NAMES, 1)}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(text: str) -> int:
    """Return the time in ms of ISO 8601 (UTC without an offset) or Twitter's ``Tue Oct 31 22:10:47 +0000 2017``.

    Raises :class:`ValueError`. Not by ``strptime``, which reads month names in the language of the machine.
    """
    parts = text.split()
    if len(parts) == 6 and parts[1] in _MONTHS:  # noqa: PLR2004 - the words of Twitter's form
        _, month, day, clock, offset, year = parts
        text = f"{year}-{_MONTHS[month]}-{day:0>2}T{clock}{offset}"
    moment = datetime.fromisoformat(text)
    since = (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment) - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
