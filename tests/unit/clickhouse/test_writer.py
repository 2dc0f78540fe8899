"""What is handed to ClickHouse, byte by byte, and how its answers are understood. No ClickHouse is needed."""

import zlib
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import fastavro
import pytest
import urllib3
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from schemas.binary import read_long
from schemas.codec import Block, cut, encode, newest
from sinks.clickhouse import writer
from sinks.clickhouse.writer import TABLES, RefusedError, UnavailableError, Writer, batches, container
from tests.clickhouse_server import answered, block, record


def unsnapped(body: bytes) -> bytes:
    """Return a container as one without codec, checking every block's literal, length and checksum on the way."""
    stream, out = memoryview(body), bytearray()
    marker = body.index(b"snappy") + len("snappy") + 1
    sync = body[marker : marker + 16]
    out += body[:marker].replace(b"\x0csnappy", b"\x08null") + sync
    position = marker + 16
    while position < len(body):
        count, position = read_long(body, position)
        size, position = read_long(body, position)
        data, position = bytes(stream[position : position + size]), position + size
        assert body[position : position + 16] == sync
        position += 16
        shift = next(index for index, byte in enumerate(data) if byte < 0x80) + 1
        length = sum((byte & 0x7F) << 7 * index for index, byte in enumerate(data[:shift]))
        assert data[shift] == 0xFC
        assert int.from_bytes(data[shift + 1 : shift + 5], "little") == length - 1
        records = data[shift + 5 : -4]
        assert len(records) == length
        assert data[-4:] == zlib.crc32(records).to_bytes(4, "big")
        plain = BytesIO()
        fastavro.schemaless_writer(plain, "long", count)
        fastavro.schemaless_writer(plain, "long", length)
        out += plain.getvalue() + records + sync
    return bytes(out)


def test_a_container_holds_the_records_of_its_messages() -> None:
    first = [record("turn", turn_id=f"n:{number}") for number in range(300)]
    second = [answered(1500, turn_id="n:300", contact_id="ß" * 70)]
    body = container([block("turn", *first), block("turn", *second)])
    reader = fastavro.reader(BytesIO(unsnapped(body)), return_record_name=False)
    assert reader.writer_schema["fields"][5]["type"]["logicalType"] == "timestamp-millis"
    found = [one["turn_id"] for one in reader]
    assert found == [f"n:{number}" for number in range(301)]


def test_the_same_blocks_give_the_same_bytes() -> None:
    assert container([block("turn", record("turn"))]) == container([block("turn", record("turn"))])


def test_a_block_without_bytes_is_still_a_container() -> None:
    assert container([Block(newest("turn"), 5, memoryview(b""))])


def test_batches_keep_schemas_apart_and_stay_below_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_ROWS", 10)
    new = newest("turn")
    old = new._replace(version=0)
    blocks = [Block(new, 6, memoryview(b"a")), Block(old, 1, memoryview(b"b")), Block(new, 0, memoryview(b""))]
    blocks += [Block(new, 4, memoryview(b"c")), Block(new, 1, memoryview(b"d")), Block(new, 50, memoryview(b"e"))]
    assert [[bytes(one.body) for one in batch] for batch in batches(blocks)] == [[b"b"], [b"a", b"c"], [b"d"], [b"e"]]
    assert list(batches([])) == []


def test_cut_gives_the_bytes_of_the_records() -> None:
    message = encode("turn", [record("turn"), record("turn", turn_id="n:2")])
    found = cut("turn", message)
    assert (found.count, found.schema) == (2, newest("turn"))
    assert message.endswith(bytes(found.body) + b"\x00")


class Client:
    """Stands for ClickHouse: answers as told and keeps what it was asked."""

    def __init__(self, answer: Exception | int) -> None:
        self.answer = answer
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def raw_insert(self, table: str, *, insert_block: bytes, fmt: str, settings: dict[str, Any]) -> SimpleNamespace:
        assert insert_block.startswith(b"Obj\x01")
        assert fmt == "Avro"
        self.calls.append((table, settings))
        if isinstance(self.answer, Exception):
            raise self.answer
        return SimpleNamespace(written_rows=self.answer)


def insert(answer: Exception | int) -> tuple[int, Client]:
    client = Client(answer)
    return Writer(client).insert("turn", [block("turn", record("turn"), record("turn"))], "token"), client  # type: ignore[arg-type]


@pytest.mark.parametrize("told", [0, 2, 4])
def test_an_insert_names_table_token_and_settings(told: int) -> None:
    rows, client = insert(told)
    assert rows == 2
    ((table, settings),) = client.calls
    assert table == TABLES["turn"] == "turns_landing"
    assert settings["insert_deduplication_token"] == "token:0"
    assert (settings["async_insert"], settings["input_format_avro_allow_missing_fields"]) == (0, 1)


@pytest.mark.parametrize(
    "error",
    [
        DatabaseError("Code: 117. Incorrect data", code=117),
        DatabaseError("Code: 1001. std::exception. type: avro::Exception, e.what() = EOF reached", code=1001),
    ],
)
def test_bad_data_is_refused(error: Exception) -> None:
    with pytest.raises(RefusedError):
        insert(error)


@pytest.mark.parametrize(
    "error",
    [
        DatabaseError("Code: 252. Too many parts", code=252),
        DatabaseError("Code: 241. Memory limit exceeded", code=241),
        DatabaseError("Code: 243. Not enough space", code=243),
        DatabaseError("Code: 60. Unknown table", code=60),
        DatabaseError("Code: 53. Type mismatch", code=53),
        DatabaseError("Code: 1001. std::exception. type: std::bad_alloc", code=1001),
        OperationalError("Network Error"),
        ConnectionRefusedError("refused"),
        TimeoutError("timed out"),
        urllib3.exceptions.ProtocolError("Connection broken"),
    ],
)
def test_anything_else_is_tried_again(error: Exception) -> None:
    with pytest.raises(UnavailableError):
        insert(error)


def test_fewer_rows_than_sent_is_tried_again() -> None:
    with pytest.raises(UnavailableError, match="1 of 2 rows"):
        insert(1)
