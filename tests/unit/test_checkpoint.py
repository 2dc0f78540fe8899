"""What a worker keeps in memory while Kafka is slower than it folds."""

import asyncio
from collections.abc import Awaitable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from schemas import codec
from streams import checkpoint
from streams.checkpoint import Checkpoints
from streams.config import load_settings
from streams.envelope import Loaded
from streams.faust_repairs import App
from streams.interactions import interaction
from streams.partition import Partition
from tests.toy import Account, Toy

MESSAGES, EVENTS = 40, 30
MOST = 200
OF_A_MESSAGE = 4 * EVENTS
"""Facts of the toy model, of each kind one for an event at most."""


class Slow(Checkpoints[Account]):
    """Notes how much there is to be sent whenever some of it is; it is acknowledged after a while."""

    def __init__(self) -> None:
        topics: Any = {
            name: SimpleNamespace(get_topic_name=lambda: "out") for name in ("turn", "pane", "rolling", "alert")
        }
        super().__init__(App("worker", broker="kafka://nowhere", store="memory://"), load_settings(), Toy(), topics)
        self.unsent: list[int] = []

    async def cycle(self) -> None:
        self.unsent.append(sum(it.unsent() for it in self.owned.values()))
        await super().cycle()

    def _behind(self) -> dict[int, int]:
        return {}  # or Faust would make a consumer, with a loop that nobody closes

    def send(self, record: str, partition: int, value: bytes) -> Any:  # noqa: ANN401 - nothing to await
        assert (record in self._topics, partition, bool(value)) == (True, 0, True)

    async def acknowledged(self, sends: Sequence[Awaitable[Any]]) -> None:
        await asyncio.sleep(0.001 * len(sends))


def test_folding_waits_while_much_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "MOST_UNSENT", MOST)
    monkeypatch.setattr(checkpoint, "STEP_SECONDS", 1e-9)  # one message
    worker, partition = Slow(), Partition(Toy(), Loaded(), 0, 0)
    worker.owned[0] = partition
    asyncio.run(worker.fold(batch()))
    assert partition.last == MESSAGES - 1
    assert min(worker.unsent) >= MOST
    assert max(worker.unsent) <= MOST + OF_A_MESSAGE
    assert len(worker.unsent) >= MESSAGES * EVENTS // (MOST + OF_A_MESSAGE)


def batch() -> Any:  # noqa: ANN401 - aiokafka's records as one message of Faust's
    """Return messages, each of which says something to every account."""
    fields = {"kind": "mention", "published_at": 1000, "received_at": 1000}
    names = range(EVENTS)
    values = [
        codec.encode("interaction", [interaction(id=f"{number}.{it}", account=f"{it}", **fields) for it in names])
        for number in range(MESSAGES)
    ]
    of_topic = {"topic": "in", "partition": 0, "timestamp": 2000}
    records = [SimpleNamespace(**of_topic, offset=offset, value=value) for offset, value in enumerate(values)]
    return SimpleNamespace(partition=0, records=records)
