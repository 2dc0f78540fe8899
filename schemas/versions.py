"""Every version of every record type: the files of this folder, parsed.

Every version ever written stays here; a message of an older one is resolved to the newest.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

import fastavro
from fastavro.schema import fingerprint as avro_fingerprint
from fastavro.schema import to_parsing_canonical_form

Record = dict[str, Any]

MARKER: Final = b"\xc3\x01"
RECORDS: Final = "records"


class Schema(NamedTuple):
    """One version of one record type, as written in ``<name>.v<version>.avsc``."""

    name: str
    version: int
    record: Record
    """The schema as it stands in the file, logical types included: what ClickHouse is handed."""
    message: Any
    """The parsed array of the record without logical types: the same bytes and fingerprint, and times stay integers.

    It is the one field of a record, :data:`RECORDS`, which adds no byte: fastavro parses a bare array anew for every message.
    """
    header: bytes
    """Marker and fingerprint: the first ten bytes of every message."""


def strip_logical_types(schema: Any) -> Any:  # noqa: ANN401 - a schema is any JSON
    """Return the schema without ``logicalType``, ``doc`` and the like that change no byte."""
    if isinstance(schema, dict):
        return {key: strip_logical_types(value) for key, value in schema.items() if key not in ("logicalType", "doc")}
    if isinstance(schema, list):
        return [strip_logical_types(item) for item in schema]
    return schema


def _load(name: str, version: int, text: str) -> Schema:
    record = json.loads(text)
    bare = {"type": "array", "items": strip_logical_types(record)}
    digest = bytes.fromhex(avro_fingerprint(to_parsing_canonical_form(bare), "CRC-64-AVRO"))
    message = {"type": "record", "name": "rapport.Message", "fields": [{"name": RECORDS, "type": bare}]}
    return Schema(name, version, record, fastavro.parse_schema(message), MARKER + digest)


@cache
def versions() -> Mapping[str, Sequence[Schema]]:
    """Return every schema by record name, oldest version first."""
    found: dict[str, list[Schema]] = {}
    for path in resources.files(__package__).iterdir():
        if path.name.endswith(".avsc"):
            name, version, _ = path.name.split(".")
            found.setdefault(name, []).append(_load(name, int(version[1:]), path.read_text("utf-8")))
    return {name: sorted(schemas, key=lambda schema: schema.version) for name, schemas in sorted(found.items())}


@cache
def newest(name: str) -> Schema:
    """Return the version of ``name`` that is written today."""
    return versions()[name][-1]
