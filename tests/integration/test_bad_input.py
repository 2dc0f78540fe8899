"""What bad input gets: a dead letter with reason, place and original bytes; a count; and the pipeline goes on."""

import asyncio
import json
import time
from pathlib import Path

from confluent_kafka import Producer

from schemas import codec
from streams.config import load_settings
from streams.connectors.jsonl import write_jsonl
from streams.connectors.replay import open_replay
from streams.connectors.runner import run
from streams.embedded import Embedded
from streams.interactions import interaction, tick

NOW = round(time.time() * 1000)
GOOD = [
    interaction(id=f"net:{number}", network="net", account="net:acme", kind=kind, author_id=author, contact_id="ann")
    | {
        "conversation_id": "net:1",
        "published_at": NOW - 9_000 + number,
        "received_at": NOW - 9_000 + number,
        "text": "hello",
    }
    for number, (kind, author) in enumerate([("mention", "ann"), ("reply", "acme"), ("mention", "ann")])
]


def line(**changes: object) -> bytes:
    """Return a line of the file, and of one bad event."""
    event = GOOD[0] | {"id": "net:bad"} | changes
    return json.dumps(event).encode()


BAD_LINES = {
    "malformed_record": [
        b"not json at all",
        b"[" * 5_000,
        line(published_at="yesterday"),
        b'{"id": "net:1"',
    ],
    "empty_id": [line(id="")],
    "future_time": [line(published_at=NOW + 86_400_000, received_at=NOW + 86_400_000)],
    "too_large": [line(text="x" * 10_000_000)],
    "invalid_text": [line(text="lone \ud800 surrogate"), b"\xff\xfe\x00"],
    "unknown_kind": [line(kind="gossip")],
}


def message(event: codec.Record) -> bytes:
    return codec.encode("interaction", [event])


BAD_MESSAGES = [
    ("undecodable", b"garbage"),
    ("undecodable", b""),
    ("undecodable", message(GOOD[0])[:-7]),
    ("undecodable", codec.newest("interaction").header + b"\x02" + b"\xff" * 9 + b"\x01"),  # a length of 2^62
    ("unknown_fingerprint", b"\xc3\x01" + bytes(8) + message(GOOD[0])[10:]),
    ("unknown_fingerprint", codec.encode("turn", [])),
]
BAD_EVENTS = [
    ("empty_id", GOOD[0] | {"id": ""}),
    ("unknown_kind", GOOD[0] | {"kind": "gossip"}),
    ("future_time", GOOD[0] | {"published_at": NOW + 86_400_000}),
    ("future_time", tick(NOW + 10**12)),
]


async def pipeline(directory: Path, file: Path) -> None:
    source = open_replay(file, "jsonl")
    async with Embedded(directory, load_settings(), "jsonl") as plant:
        producer = Producer({"bootstrap.servers": plant.settings.brokers, "log_level": 0})
        topic = plant.settings.topics.interactions.name
        for _, value in BAD_MESSAGES:
            producer.produce(topic, value, partition=1)
        good_and_bad = codec.encode(
            "interaction", [event for _, event in BAD_EVENTS] + [GOOD[2] | {"id": "net:beside"}]
        )
        producer.produce(topic, good_and_bad, partition=1)
        assert producer.flush(10) == 0
        await plant.watched(run(source, plant.publisher))
        await plant.settle()
        letters = plant.client.query("SELECT source, reason, place, hex(payload) FROM dead_letters").result_rows
        turns = plant.client.query("SELECT turn_id, status FROM turns ORDER BY turn_id").result_rows
        ids = plant.client.query("SELECT id FROM interactions ORDER BY id").result_rows
    from_file = sorted((reason, bytes.fromhex(payload)) for who, reason, _, payload in letters if who == "jsonl")
    expected = sorted((reason, bad) for reason, bads in BAD_LINES.items() for bad in bads)
    assert [reason for reason, _ in from_file] == [reason for reason, _ in expected]
    for (_, kept), (_, original) in zip(from_file, expected, strict=True):
        assert original.startswith(kept[:1000])
        assert kept == original or len(original) > 1_000_000, "only what no message can hold is shortened"
    assert all(place.startswith(str(file)) for who, _, place, _ in letters if who == "jsonl")
    by_worker = [(reason, bytes.fromhex(payload)) for who, reason, _, payload in letters if who == "worker"]
    wanted = [*BAD_MESSAGES, *((reason, message(event)) for reason, event in BAD_EVENTS)]
    assert sorted(by_worker) == sorted(wanted)
    assert ("net:0", "answered") in turns
    assert ("net:2", "open") in turns
    assert {("net:0",), ("net:1",), ("net:2",), ("net:beside",)} <= set(ids)


def test_everything_bad_is_set_aside_and_everything_good_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "mixed.jsonl"
    with file.open("wb") as stream:
        for bads in BAD_LINES.values():
            stream.writelines(bad + b"\n" for bad in bads)
    with file.open("a") as lines:
        write_jsonl(lines, GOOD)
    asyncio.run(pipeline(tmp_path / "data", file))


def test_the_summary_names_the_reasons(tmp_path: Path) -> None:
    file = tmp_path / "mixed.jsonl"
    with file.open("wb") as stream:
        stream.writelines(bad + b"\n" for bads in BAD_LINES.values() for bad in bads)
    counts = open_replay(file, "jsonl").counts
    assert {reason.value: count for reason, count in counts.rejected.items()} == {
        reason: len(bads) for reason, bads in BAD_LINES.items()
    }
