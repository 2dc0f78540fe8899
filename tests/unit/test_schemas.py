"""Every version of every schema: what it looks like, that it stays readable, and that its fingerprint never moves."""

import json
import struct
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import fastavro
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, generate
from schemas.codec import DecodeError, Schema
from schemas.generate import FOLDED, FOLDED_OF
from schemas.versions import MARKER, strip_logical_types
from streams.interactions import interaction

EXAMPLES = Path(codec.__file__).parent / "examples"
ALL = [schema for schemas in codec.versions().values() for schema in schemas]
NAMES = [
    "alert",
    "checkpoint",
    "connector_state",
    "dead_letter",
    "interaction",
    "notification_command",
    "notification_group",
    "pane",
    "revenue",
    "rolling",
    "turn",
]


def example(schema: Schema, kind: str) -> Path:
    return EXAMPLES / f"{schema.name}.v{schema.version}.{kind}"


def as_json(records: list[codec.Record]) -> str:
    return json.dumps(records, indent=2, ensure_ascii=False, default=lambda value: {"hex": value.hex()}) + "\n"


def test_every_record_has_a_schema() -> None:
    assert sorted(codec.versions()) == NAMES


@pytest.mark.parametrize("schema", ALL, ids=str)
def test_golden_example(schema: Schema) -> None:
    """The bytes of every version ever released read as they did then, in the newest form."""
    message = example(schema, "avro").read_bytes()
    expected = example(schema, "json").read_text("utf-8")
    assert message[:10] == schema.header
    records = codec.decode(schema.name, message)
    assert as_json(records) == expected
    if schema is codec.newest(schema.name):
        assert codec.encode(schema.name, records) == message


@pytest.mark.parametrize("schema", ALL, ids=str)
def test_field_says_what_it_is(schema: Schema) -> None:
    assert schema.record["doc"]
    for field in schema.record["fields"]:
        assert field["doc"], field["name"]


@pytest.mark.parametrize("name", NAMES)
def test_newer_reads_older(name: str) -> None:
    """A field that comes later has a default; none changes its type or goes away (the sink names columns by them)."""
    for older, newer in pairwise(codec.versions()[name]):
        before = {field["name"]: field for field in older.record["fields"]}
        after = {field["name"]: field for field in newer.record["fields"]}
        assert before.keys() <= after.keys()
        for field in after.values():
            known = before.get(field["name"])
            assert "default" in field if known is None else field["type"] == known["type"]
        fastavro.parse_schema(newer.record)


def test_fingerprint_is_the_specification_s() -> None:
    """Avro 1.11 gives CRC-64-AVRO of "null" as 63dd24e7cc258f8a; single-object encoding writes it little-endian."""
    digest = fingerprint(to_parsing_canonical_form("null"), "CRC-64-AVRO")
    assert bytes.fromhex(digest) == struct.pack("<Q", 0x63DD24E7CC258F8A)


def test_logical_types_change_no_byte() -> None:
    schema = codec.newest("turn")
    with_types = {"type": "array", "items": schema.record}
    digest = fingerprint(to_parsing_canonical_form(with_types), "CRC-64-AVRO")
    assert MARKER + bytes.fromhex(digest) == schema.header


checkpoints = st.fixed_dictionaries(
    {
        "offset": st.integers(-(2**63), 2**63 - 1),
        "time": st.integers(-(2**63), 2**63 - 1),
        "layout": st.integers(0, 9),
        "state": st.binary(max_size=300),
    }
)


@given(st.lists(checkpoints, max_size=50))
def test_round_trip(records: list[codec.Record]) -> None:
    message = codec.encode("checkpoint", records)
    assert codec.decode("checkpoint", message) == records


@given(st.lists(checkpoints, max_size=20), st.booleans())
def test_cut_records_stand_in_a_container(records: list[codec.Record], foreign: bool) -> None:  # noqa: FBT001 - Hypothesis'
    """What is cut out is exactly the records, also of a message by a writer that does not say the block's size."""
    message = codec.encode("checkpoint", records)
    if foreign:
        schema = codec.newest("checkpoint")
        message = schema.header + _written_by_others(records)
    block = codec.cut("checkpoint", message)
    assert block.count == len(records)
    assert bytes(block.body) == b"".join(_bare(record) for record in records)


def _written_by_others(records: list[codec.Record]) -> bytes:
    """An array in blocks of one record each, of unsaid size, as the specification allows."""
    return b"".join(b"\x02" + _bare(record) for record in records) + b"\x00"


def _bare(record: codec.Record) -> bytes:
    plain = codec.encode("checkpoint", [record])
    block = codec.cut("checkpoint", plain)
    return bytes(block.body)


def refusal(function: Callable[[str, bytes], object], message: bytes) -> str | None:
    """Return the reason for which a message is refused; None: it is taken. Any other error is one."""
    try:
        function("interaction", message)
    except DecodeError as error:
        return error.reason
    return None


@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_are_refused_and_nothing_else(data: bytes, marked: bool) -> None:  # noqa: FBT001 - Hypothesis'
    message = codec.newest("interaction").header + data if marked else data
    reason = refusal(codec.decode, message)
    assert reason in ((None, "undecodable") if marked else ("undecodable", "unknown_fingerprint"))
    assert refusal(codec.cut, message) in (None, reason, "undecodable")
    if reason is None:
        records = codec.decode("interaction", message)
        assert codec.decode("interaction", codec.encode("interaction", records)) == records


def test_refusals_say_what_is_wrong() -> None:
    turn = codec.encode("turn", [])
    with pytest.raises(DecodeError, match="no version of pane") as refused:
        codec.decode("pane", turn)
    assert refused.value.reason == "unknown_fingerprint"
    with pytest.raises(DecodeError, match="starts with 7b22"):
        codec.decode("pane", b'{"json": true}')
    with pytest.raises(DecodeError, match="starts with nothing"):
        codec.decode("pane", b"")
    with pytest.raises(DecodeError, match="3 bytes follow"):
        codec.decode("turn", turn + b"abc")


def values_of(kind: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - a schema is any JSON
    """Return values that a field of that type may have."""
    if isinstance(kind, list):
        return st.none() | values_of(kind[1])
    if isinstance(kind, dict):
        return st.lists(values_of(kind["items"]), max_size=3) if kind["type"] == "array" else values_of(kind["type"])
    longs = st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 70) | st.integers(0, 2**42)
    return {
        "string": st.text(max_size=5) | st.text(min_size=60, max_size=70),
        "bytes": st.binary(max_size=70),
        "long": longs,
        "int": st.integers(-(2**31), 2**31 - 1),
        "boolean": st.booleans(),
        "float": st.floats(width=32, allow_nan=False),
        "double": st.floats(allow_nan=False),
    }[kind]


def records_of(name: str) -> st.SearchStrategy[list[codec.Record]]:
    fields = strip_logical_types(codec.newest(name).record)["fields"]
    values = {field["name"]: values_of(field["type"]) for field in fields}
    if name == "interaction":
        values["kind"] |= st.sampled_from([*FOLDED_OF])
    return st.lists(st.fixed_dictionaries(values), max_size=4)


@pytest.mark.parametrize("name", NAMES)
@given(st.data())
@settings(max_examples=50)
def test_what_is_written_out_writes_as_fastavro_does(name: str, data: st.DataObject) -> None:
    records = data.draw(records_of(name))
    assert codec.decode(name, codec.encode(name, records)) == records
    plain = BytesIO()
    fastavro.schemaless_writer(plain, codec.newest(name).message, {"records": records})
    body = bytes(codec.cut(name, codec.encode(name, records)).body)
    assert plain.getvalue().endswith(body + b"\x00" if records else b"\x00")


def folded(records: list[codec.Record]) -> list[codec.Record]:
    """Return of each record what the fold needs of it."""
    return [{name: record[name] for name in (*FOLDED, *FOLDED_OF.get(record["kind"], ()))} for record in records]


@given(records_of("interaction"))
def test_what_is_folded_is_read_as_fastavro_does(records: list[codec.Record]) -> None:
    message = codec.encode("interaction", records)
    assert folded(codec.decode_folded(message)) == folded(codec.decode("interaction", message))


@given(records_of("interaction").filter(bool), st.data())
def test_what_is_broken_is_refused_as_fastavro_does(records: list[codec.Record], data: st.DataObject) -> None:
    """Bytes changed, cut off or put in: the same is refused, but for what stands in text that nobody folds."""
    message = bytearray(codec.encode("interaction", records))
    at = data.draw(st.integers(10, len(message) - 1))
    message[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    broken = bytes(message)
    try:
        expected = codec.decode("interaction", broken)
    except DecodeError as error:
        if "UnicodeDecodeError" in str(error):
            return
        with pytest.raises(DecodeError):
            codec.decode_folded(broken)
    else:
        found = codec.decode_folded(broken)
        assert folded(found) == folded(expected)


@pytest.mark.parametrize("value", [0, 1, 2, 3, 255])
def test_every_byte_reads_as_fastavro_reads_it(value: int) -> None:
    """A byte for another, at each place in turn: among them truth values that are neither 0 nor 1."""
    event = interaction(id="a", account="b", kind="mention", published_at=1, received_at=1)
    whole = codec.encode("interaction", [event])
    for at in range(10, len(whole)):
        changed = whole[:at] + bytes([value]) + whole[at + 1 :]
        try:
            expected = codec.decode("interaction", changed)
        except DecodeError:
            with pytest.raises(DecodeError):
                codec.decode_folded(changed)
        else:
            assert folded(codec.decode_folded(changed)) == folded(expected), at


def test_what_is_written_out_is_of_today() -> None:
    assert generate.TARGET.read_text("utf-8") == generate.generate(), "run `make schemas`"
