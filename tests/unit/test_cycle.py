"""The order of a cycle's sends, and the size of its messages."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from schemas import codec
from schemas.rows import dead_letter
from streams.cycle import BURST, BURST_BYTES, MESSAGE_BYTES, ROWS, Cycles, messages
from streams.envelope import Loaded
from streams.intake import Message
from streams.interactions import interaction
from streams.partition import Partition
from tests.toy import Toy


class Outlet:
    """Notes what is sent, and in how many steps it is acknowledged."""

    def __init__(self) -> None:
        self.steps: list[list[str]] = [[]]

    def send(self, record: str, partition: int, value: bytes) -> Any:  # noqa: ANN401 - nothing to await
        assert partition == 0
        assert value
        self.steps[-1].append(record)

    def write(self, partition: int, key: bytes, value: bytes | None) -> Any:  # noqa: ANN401
        assert partition == 0
        self.steps[-1].append("deletion" if value is None else "claim" if len(key) == 8 else "state")

    async def acknowledged(self, sends: Sequence[Awaitable[Any]]) -> None:
        assert len(sends) == len(self.steps[-1])
        self.steps.append([])


def some(count: int) -> Message:
    fields = {"kind": "mention", "published_at": 1000, "received_at": 1000}
    events = [interaction(id=f"{n}", account=f"{n}", **fields) for n in range(count)]
    return Message("in", 0, 0, 2000, codec.encode("interaction", [*events, interaction(id="", account="", **fields)]))


def test_outputs_then_states_then_claims_each_acknowledged_before_the_next() -> None:
    outlet, partition = Outlet(), Partition(Toy(), Loaded(), 0, 0)
    partition.apply(some(2), 0.0)
    report = asyncio.run(Cycles(outlet, 5.0).final({0: partition}, 0.0))
    assert outlet.steps == [["turn", "pane", "rolling", "alert", "dead_letter"], ["state", "state"], ["claim"], []]
    assert report.facts == {"turn": 2, "pane": 2, "rolling": 2, "alert": 2}
    assert report.letters == {"empty_id": 1}
    assert partition.claimed == 0


def test_checkpoints_rest_until_they_are_within_their_share() -> None:
    outlet, partition = Outlet(), Partition(Toy(), Loaded(), 0, 0)
    partition.apply(some(2 * BURST), 0.0)
    cycles = Cycles(outlet, 5.0)
    report = asyncio.run(cycles.regular({0: partition}, 6.0, {}))
    assert len(report.sizes) == BURST
    assert report.checkpoint_cpu > 0
    assert asyncio.run(cycles.regular({0: partition}, 6.0 + report.checkpoint_cpu, {})).sizes == []
    assert len(asyncio.run(cycles.regular({0: partition}, 6.1 + 5 * report.checkpoint_cpu, {})).sizes) == BURST


def test_messages_are_small_enough() -> None:
    def letter(size: int) -> bytes:
        return dead_letter(source="s", reason="r", error="e", place="p", payload=bytes(size), at=1)

    assert [len(codec.decode("dead_letter", m)) for m in messages("dead_letter", [letter(0)] * (ROWS + 1))] == [ROWS, 1]
    found = messages("dead_letter", [letter(200_000)] * 9)
    assert max(map(len, found)) <= MESSAGE_BYTES
    assert sum(len(codec.decode("dead_letter", m)) for m in found) == 9
    assert len(messages("dead_letter", [letter(2 * MESSAGE_BYTES)])) == 1, "one record is sent as it is"


def test_large_states_are_checkpointed_a_few_at_a_time() -> None:
    outlet, partition = Outlet(), Partition(Toy(padding=BURST_BYTES // 3), Loaded(), 0, 0)
    partition.apply(some(9), 0.0)
    cycles = Cycles(outlet, 5.0)
    assert len(asyncio.run(cycles.regular({0: partition}, 6.0, {})).sizes) == 9, "how large they are is not known yet"
    partition.apply(some(9)._replace(offset=1), 10.0)
    assert len(asyncio.run(cycles.regular({0: partition}, 600.0, {})).sizes) == 2
