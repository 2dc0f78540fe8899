"""Files of every compression, and those that cannot be read."""

import bz2
import contextlib
import gc
import gzip
import lzma
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.connectors.files import milliseconds, read_csv
from streams.connectors.replay import open_replay
from streams.errors import InputError

PAIRS = (
    b"customer_tweet_id,customer_id,created_at_customer,reply_tweet_id,agent_id,created_at_reply\r\n"
    b"1.0,ann,2017-10-31 22:13:02+00:00,2,Acme,2017-10-31 22:14:37+00:00\r\n"
)


def _zip(data: bytes, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pairs.csv", data)


def _zstandard(data: bytes, path: Path) -> None:
    path.write_bytes(pytest.importorskip("backports.zstd").compress(data))


WRITERS: dict[str, Callable[[bytes, Path], object]] = {
    "csv": lambda data, path: path.write_bytes(data),
    "gz": lambda data, path: path.write_bytes(gzip.compress(data)),
    "bz2": lambda data, path: path.write_bytes(bz2.compress(data)),
    "xz": lambda data, path: path.write_bytes(lzma.compress(data)),
    "zip": _zip,
    "zst": _zstandard,
}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order-mark"])
def test_every_compression(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"pairs.{suffix}"
    WRITERS[suffix](start + PAIRS, path)
    source = open_replay(path, "pairs", now=1_600_000_000_000)
    assert [it["id"] for it in source] == ["twitter:1", "twitter:2"]  # type: ignore[call-overload]


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zip", "zst"])
def test_a_compressed_file_that_is_cut_short_or_is_not_compressed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pairs.{suffix}"
    rows = b"".join(
        b"%d,ann,2017-10-31 22:13:02,%d,Acme,2017-10-31 22:14:37\n" % (n * 7919 % 10_007, n) for n in range(9_999)
    )
    WRITERS[suffix](PAIRS + rows, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="cannot be read"):
        open_replay(path, "pairs")
    path.write_bytes(PAIRS)
    with pytest.raises(InputError, match="cannot be read"):
        open_replay(path, "pairs")


@pytest.mark.parametrize("file_format", ["twcs", "pairs", "jsonl"])
def test_files_that_are_not_there(tmp_path: Path, file_format: str) -> None:
    for path in (tmp_path, tmp_path / "no.csv", tmp_path / "no.gz", tmp_path / "no.zip"):
        with pytest.raises(InputError, match="cannot be read"):
            open_replay(path, file_format)


def test_other_ways_to_be_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    with pytest.raises(InputError, match="no column tweet_id, author_id"):
        open_replay(tmp_path / "empty.csv", "twcs")
    with pytest.raises(InputError, match="'excel' is not a format"):
        open_replay(tmp_path / "empty.csv", "excel")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a", "")
        archive.writestr("b", "")
    with pytest.raises(InputError, match="holds 2 files"):
        open_replay(tmp_path / "two.zip", "twcs")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 100)
    with pytest.raises(InputError, match="no column"):
        open_replay(tmp_path / "binary.csv", "twcs")


def test_line_numbers_count_lines_not_records(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_bytes(b'a,b\r\n1,"x\r\ny\r\nz"\r\n\r\n2,\xc3\xa9\n3')
    first, second, third = read_csv(path, ("a", "b"))
    assert (first.line, first.fields, first.payload) == (2, ("1", "x\r\ny\r\nz"), b'1,"x\r\ny\r\nz"')
    assert (second.line, second.fields[1], second.payload) == (6, "é", b"2,\xc3\xa9")
    assert (third.line, third.fields, third.complete) == (7, ("3", ""), False)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Tue Oct 31 22:10:47 +0000 2017", datetime(2017, 10, 31, 22, 10, 47, tzinfo=UTC)),
        ("Tue Oct  3 22:10:47 +0200 2017", datetime(2017, 10, 3, 20, 10, 47, tzinfo=UTC)),
        ("2017-10-31 22:10:47+00:00", datetime(2017, 10, 31, 22, 10, 47, tzinfo=UTC)),
        ("2017-10-31T22:10:47.123456Z", datetime(2017, 10, 31, 22, 10, 47, 123000, tzinfo=UTC)),
        ("2017-10-31 22:10:47", datetime(2017, 10, 31, 22, 10, 47, tzinfo=UTC)),
    ],
)
def test_times(text: str, moment: datetime) -> None:
    assert milliseconds(text) == moment.timestamp() * 1000


def test_garbage_is_collected_again_once_a_file_has_been_read_or_has_not(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    for content in (PAIRS, b"no such columns"):
        path.write_bytes(content)
        with contextlib.suppress(InputError):
            open_replay(path, "pairs")
        assert gc.isenabled()
