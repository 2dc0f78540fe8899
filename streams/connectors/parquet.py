"""The format ``parquet``: an Interaction a row, columns named as the fields of ``schemas/interaction.v*.avsc``. Needs an extra.

As in ``jsonl``, only id, account, kind and published_at must be there, times are ms, ISO 8601 or Arrow's timestamps (without a
zone: UTC), and what is null is not there. A file is read row group by row group.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from streams.connectors import jsonl
from streams.connectors.base import Counts, Item, Rejected
from streams.connectors.files import milliseconds, unreadable
from streams.errors import InputError

ROWS: Final = 1_000
"""So many are read at once."""


def read(path: Path, accounts: frozenset[str] | None, now: int, counts: Counts) -> Iterator[Item]:
    """Yield the Interactions and rejections in file order. Raises :class:`InputError`."""
    is_wanted = jsonl.wanting(accounts)
    for number, row in enumerate(_rows(path), 1):
        counts.records += 1
        found = jsonl.checked({name: _plain(value) for name, value in row.items() if value is not None}, now)
        if not isinstance(found, dict):
            payload = json.dumps(row, default=str).encode()
            yield Rejected(found[0], found[1][:500], f"{path}:{number}", payload)
        elif is_wanted(found["account"]):
            yield found
        else:
            counts.skipped += 1


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - the same
    except ImportError:
        raise InputError(f"{path} is Parquet, which is an extra", "pip install 'rapport[parquet]'") from None
    try:
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            if missing := [name for name in jsonl.NEEDED if name not in names]:
                raise InputError(f"{path} has no column {', '.join(missing)}", "name the columns as Interactions do")
            if unknown := [name for name in names if name not in jsonl.TYPES]:
                raise InputError(f"{path} has columns of no Interaction ({', '.join(unknown)[:200]})", "leave them out")
            for batch in file.iter_batches(batch_size=ROWS):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from None


def _plain(value: object) -> object:
    """Return a value as JSON has it."""
    if isinstance(value, datetime):
        return milliseconds((value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat())
    return value
