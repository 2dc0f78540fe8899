"""Writes ``schemas/rows.py``: for each record type the fields written out as straight code, as protoc and avro-tools do.

    python -m schemas.generate

fastavro looks at the schema anew for every field of every record, which was half of what a worker did (docs/performance.md
has the figures). Only the newest version of a schema is written out; everything else is left to fastavro (``codec.py``).
"""

from collections.abc import Iterator
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
    "author_followers",
    "text",
    "lang",
    "sentiment",
)
"""What the fold needs of an Interaction. A metric that needs another field adds it here, and ``make schemas`` does the rest."""
FOLDED_OF: Final = {
    "counters": ("likes", "shares", "comments", "impressions"),
    "broadcast": ("links",),
    "reply": ("template",),
}
"""What it needs of these kinds besides: no other event carries so much."""
TARGET: Final = Path(__file__).with_name("rows.py")

_HEADER: Final = '''\
"""Reading and writing the newest version of every record type. Made by ``python -m schemas.generate``: do not edit."""
# fmt: off

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from librt.strings import BytesWriter

from schemas.binary import (
    DOUBLE,
    FLOAT,
    read_array_of_strings,
    read_long,
    read_size,
    write_bytes,
    write_long,
    write_longs,
    write_string,
    write_strings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_extensions import i64
'''

_WRITE: Final = {
    "string": "write_string(out, {0})",
    "bytes": "write_bytes(out, {0})",
    "long": "write_long(out, {0})",
    "double": "out.write(DOUBLE.pack({0}))",
    "float": "out.write(FLOAT.pack({0}))",
    "boolean": "out.append(1 if {0} else 0)",
    ("array", "int"): "write_longs(out, {0})",
    ("array", "long"): "write_longs(out, {0})",
    ("array", "string"): "write_strings(out, {0})",
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
    "boolean": ("{0} = data[at] != 0", "at += 1"),  # as fastavro has it
    "float": (  # nearly always 0
        "{0} = 0.0",
        "if data[at] or data[at + 1] or data[at + 2] or data[at + 3]:",
        "    {0} = FLOAT.unpack_from(data, at)[0]",
        "at += 4",
    ),
    ("array", "string"): ("{0}, at = read_array_of_strings(data, at)",),
}
_SKIP: Final = {
    "string": (*_SIZE, "at += size"),
    "long": ("while data[at] > 0x7F:", "    at += 1", "at += 1"),
    "float": ("at += 4",),
    "boolean": ("at += 1",),
    ("array", "string"): ("_, at = read_array_of_strings(data, at)",),
}
_TYPES: Final = {
    "string": "str",
    "bytes": "bytes",
    "long": "int",
    "int": "int",
    "double": "float",
    "float": "float",
    "boolean": "bool",
    ("array", "string"): "list[str]",
}


def generate() -> str:
    """Return the text of the module."""
    functions = [*_reader()]
    for name in versions():
        functions += _writer(name)
    functions += ["", "WRITERS: Final[Mapping[str, Callable[..., bytes]]] = {"]
    functions += [f'    "{name}": {name},' for name in versions()]
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


def _reader() -> Iterator[str]:
    name, wanted = "interaction", {*FOLDED}.union(*FOLDED_OF.values())
    yield f"\ndef read_{name}(data: bytes, at: i64, count: i64) -> tuple[list[dict[str, Any]], i64]:"
    yield '    """Return ``count`` records, of each only what is folded, and the position after them."""'
    yield "    records: list[dict[str, Any]] = []"
    yield "    size: i64"
    for field, kind in _fields(name):
        if field in wanted:
            yield f"    {field}_: {'i64' if kind == 'long' else _TYPES[kind]}"
    yield "    for _ in range(count):"
    for field, kind in _fields(name):
        for step in _READ[kind] if field in wanted else _SKIP[kind]:
            yield "        " + step.format(f"{field}_")
    yield "        record: dict[str, Any] = {"
    for field in FOLDED:
        yield f'            "{field}": {field}_,'
    yield "        }"
    for kind, fields in FOLDED_OF.items():
        yield f'        if kind_ == "{kind}":'
        for field in fields:
            yield f'            record["{field}"] = {field}_'
    yield "        records.append(record)"
    yield "    return records, at\n"


def _writer(name: str) -> Iterator[str]:
    yield f"\ndef {name}("
    for field, kind in _fields(name):
        yield f"    {field}: {_type(kind)},"
    yield ") -> bytes:"
    yield '    """Return one record."""'
    yield "    out = BytesWriter()"
    for field, kind in _fields(name):
        if kind[0] == "optional":
            yield f"    if {field} is None:"
            yield "        out.append(0)"
            yield "    else:"
            yield "        out.append(2)"
            yield f"        {_WRITE[kind[1]].format(field)}"
        else:
            yield f"    {_WRITE[kind].format(field)}"
    yield "    return out.getvalue()\n"


def _type(kind: Any) -> str:  # noqa: ANN401 - a key of the tables above
    if kind[0] == "optional":
        return f"{_type(kind[1])} | None"
    return f"Sequence[{_TYPES[kind[1]]}]" if kind[0] == "array" else _TYPES[kind]


if __name__ == "__main__":
    TARGET.write_text(generate(), "utf-8")
