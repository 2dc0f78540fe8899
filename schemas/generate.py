"""Writes ``schemas/rows.py``: for each record type the fields written out as straight code, as protoc and avro-tools do.

    python -m schemas.generate

fastavro looks at the schema anew for every field of every record, which was half of what a worker did (docs/performance.md
has the figures). Only the newest version of a schema is written out; everything else is left to fastavro (``codec.py``).
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from schemas.versions import Record, newest, strip_logical_types, versions

FOLDED: Final = (
    "id",
    "account",
    "kind",
    "author_id",
    "contact_id",
    "conversation_id",
    "parent_id",
    "published_at",
    "received_at",
    "automated",
    "revision",
)
"""What the fold needs of an Interaction. A metric that needs another field adds it here, and ``make schemas`` does the rest."""
TARGET: Final = Path(__file__).with_name("rows.py")

_HEADER: Final = '''\
"""Reading and writing the newest version of every record type. Made by ``python -m schemas.generate``: do not edit."""
# fmt: off

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas.binary import (
    DOUBLE,
    FLOAT,
    avro_long,
    avro_longs,
    avro_sized,
    avro_string,
    avro_strings,
    read_array_of_strings,
    read_long,
    read_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_extensions import i64
'''

_WRITE: Final = {
    "string": "avro_string({0})",
    "bytes": "avro_sized({0})",
    "long": "avro_long({0})",
    "double": "DOUBLE.pack({0})",
    "float": "FLOAT.pack({0})",
    "boolean": 'b"\\x01" if {0} else b"\\x00"',
    ("array", "int"): "avro_longs({0})",
    ("array", "string"): "avro_strings({0})",
}

_SIZE: Final = (
    "size = data[at]",
    "if size & 0x81:",
    "    size, at = read_size(data, at)",
    "else:",
    "    size, at = size >> 1, at + 1",
)
_READ: Final = {
    "string": (*_SIZE, "{0} = data[at : at + size].decode()", "at += size"),
    "long": (
        "{0} = data[at]",
        "if {0} > 0x7F:",
        "    {0}, at = read_long(data, at)",
        "else:",
        "    {0}, at = {0} >> 1 ^ -({0} & 1), at + 1",
    ),
    "boolean": ("{0} = data[at] == 1", "at += 1"),
}
_SKIP: Final = {
    "string": (*_SIZE, "at += size"),
    "long": ("while data[at] > 0x7F:", "    at += 1", "at += 1"),
    "float": ("at += 4",),
    "boolean": ("at += 1",),
    ("array", "string"): ("_, at = read_array_of_strings(data, at)",),
}
_TYPES: Final = {"long": "i64", "boolean": "bool", "string": "str"}


def generate() -> str:
    """Return the text of the module."""
    functions = [*_reader("interaction", FOLDED)]
    for name in versions():
        functions += _writer(name)
    functions += ["", "WRITERS: Final[Mapping[str, Callable[[list[dict[str, Any]]], bytes]]] = {"]
    functions += [f'    "{name}": write_{name},' for name in versions()]
    functions += ["}", ""]
    return "\n".join([_HEADER, *functions])


def _fields(name: str) -> Iterator[tuple[str, Any]]:
    """Return the fields of a record type: name, and type as a key of the tables above."""
    schema: Record = strip_logical_types(newest(name).record)
    return ((field["name"], _kind(field["type"])) for field in schema["fields"])


def _kind(of: Any) -> Any:  # noqa: ANN401 - a schema is any JSON
    if isinstance(of, dict):
        return (of["type"], of["items"]) if of["type"] == "array" else of["type"]
    if isinstance(of, list):
        null, other = of
        if null != "null":
            raise ValueError(f"a union is of null and one other type here, not {of}")
        return "optional", _kind(other)
    return of


def _reader(name: str, wanted: Collection[str]) -> Iterator[str]:
    yield f"\ndef read_{name}(data: bytes, at: i64, count: i64) -> tuple[list[dict[str, Any]], i64]:"
    yield '    """Return ``count`` records, of each only what is folded, and the position after them."""'
    yield "    records: list[dict[str, Any]] = []"
    yield "    size: i64"
    for field, kind in _fields(name):
        if field in wanted:
            yield f"    {field}_: {_TYPES[kind]}"
    yield "    for _ in range(count):"
    for field, kind in _fields(name):
        for step in _READ[kind] if field in wanted else _SKIP[kind]:
            yield "        " + step.format(f"{field}_")
    yield "        records.append({"
    for field in wanted:
        yield f'            "{field}": {field}_,'
    yield "        })"
    yield "    return records, at\n"


def _writer(name: str) -> Iterator[str]:
    yield f"\ndef write_{name}(records: list[dict[str, Any]]) -> bytes:"
    yield '    """Return the records, one after the other."""'
    yield "    written: list[bytes] = []"
    yield "    for record in records:"
    for field, kind in _fields(name):
        value = f'record["{field}"]'
        if kind[0] == "optional":
            yield f"        {field}_ = {value}"
            written = _WRITE[kind[1]].format(f"{field}_")
            yield f'        written.append(b"\\x00" if {field}_ is None else b"\\x02" + {written})'
        else:
            yield f"        written.append({_WRITE[kind].format(value)})"
    yield '    return b"".join(written)\n'


if __name__ == "__main__":
    TARGET.write_text(generate(), "utf-8")
