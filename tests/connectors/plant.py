"""A plant that takes from connectors without Kafka: a carrier that acknowledges late, and a journal that outlives a crash."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from streams.config import secrets_of
from streams.connecting.running import Work
from streams.connecting.tables import Table
from streams.connectors.base import Rejected
from streams.connectors.live import Known
from streams.connectors.live_runner import Pace
from streams.connectors.making import settings_of
from streams.connectors.memory import CURSOR, Memory, Row
from tests.connectors.network import running

NAME = "fediverse"
PACE = Pace(first_wait=0.02, longest_wait=0.1, steady=30, keep=0.02, threshold=50, rest=0.2)


@dataclass
class Plant:
    """What Kafka has. What is only on its way is lost in a crash, all but a first part of it, as a producer's is."""

    events: list[dict[str, Any]] = field(default_factory=list)
    letters: list[Rejected] = field(default_factory=list)
    kept: dict[str, dict[str, str | Known]] = field(default_factory=dict)
    random: Random = field(default_factory=lambda: Random(1))
    acknowledges_after: float = 0.005
    takes: float = float("inf")
    """So many events more, and then none: publishing does not come to an end."""

    @asynccontextmanager
    async def carrier(self, name: str) -> AsyncIterator["Carrier"]:
        assert name
        carrier = Carrier(self)
        try:
            yield carrier
            await carrier.flush()
        except BaseException:
            carrier.crash()
            raise

    async def read(self, connector: str) -> Memory:
        found = dict(self.kept.get(connector, {}))
        cursor = found.pop(CURSOR, None)
        assert cursor is None or isinstance(cursor, str)
        return Memory(connector, self, cursor, {key: it for key, it in found.items() if isinstance(it, Known)})

    async def write(self, connector: str, rows: Sequence[Row]) -> None:
        """Keep them one by one: a crash may come in between."""
        kept = self.kept.setdefault(connector, {})
        for key, value in rows:
            await asyncio.sleep(0)
            if value is None:
                kept.pop(key, None)
            else:
                kept[key] = value

    @property
    def cursor(self) -> str | Known | None:
        return self.kept.get(NAME, {}).get(CURSOR)

    def work(self, pace: Pace) -> Work:
        return Work(self, self.carrier, pace=pace)

    # -- what a fold makes of it: a known id is a repetition --------------------------------------------------------------

    def kinds(self) -> dict[tuple[str, str], str]:
        """Return the kind of each post that stands, by account and id."""
        gone = {(it["account"], it["id"]) for it in self.events if it["kind"] == "withdrawal"}
        found: dict[tuple[str, str], str] = {}
        for event in self.events:
            if event["kind"] != "withdrawal":
                found.setdefault((event["account"], event["id"]), event["kind"])
        return {place: kind for place, kind in found.items() if place not in gone}

    def newest(self, post: str) -> dict[str, Any]:
        """Return how a post stands: the one that was received last."""
        return max((it for it in self.events if it["id"] == post), key=lambda it: (it["received_at"], it["revision"]))


class Carrier:
    """One producer."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._on_their_way: list[dict[str, Any] | Rejected] = []

    async def publish(self, event: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        self._plant.takes -= 1
        if self._plant.takes < 0:
            await asyncio.Event().wait()
        self._on_their_way.append(event)

    async def reject(self, rejected: Rejected, source: str | None = None) -> None:
        assert source
        self._on_their_way.append(rejected)

    async def tick(self, now: int) -> None:
        raise AssertionError(now)  # the worker has its own clock

    async def flush(self) -> None:
        there = len(self._on_their_way)
        await asyncio.sleep(self._plant.acknowledges_after)
        self._acknowledge(there)

    def crash(self) -> None:
        self._acknowledge(self._plant.random.randint(0, len(self._on_their_way)))
        self._on_their_way = []

    def _acknowledge(self, number: int) -> None:
        for it in self._on_their_way[:number]:
            if isinstance(it, Rejected):
                self._plant.letters.append(it)
            else:
                self._plant.events.append(it)
        del self._on_their_way[:number]


def table(stanza: dict[str, Any]) -> Table:
    settings = settings_of(stanza)
    return Table(settings, secrets_of(settings))


@asynccontextmanager
async def connected(
    plant: Plant, stanza: dict[str, Any], pace: Pace = PACE
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Run a connector until the end, then stop it in order. What is yielded kills it, as kill -9 does."""
    stop = asyncio.Event()
    task = asyncio.create_task(plant.work(pace).run(NAME, table(stanza), stop))

    async def kill() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    try:
        yield kill
    finally:
        stop.set()
        await asyncio.wait([task], timeout=5)
        assert task.done(), "it does not stop"
        if not task.cancelled():
            task.result()


async def found_after_a_long_round(network: Any) -> None:  # noqa: ANN401 - a network with ``is_slow``
    """Let people write while one round of a connector takes long, once ``is_slow`` is set: all is found with the next."""
    plant = Plant()
    async with running(network), connected(plant, network.stanza("acme")):
        await until(lambda: plant.cursor)
        network.say("ann", "hello", to=("acme",))
        await until(lambda: plant.events)
        network.is_slow = True
        await until(lambda: not network.is_slow)
        await until(lambda: plant.kinds() == network.truth("acme"))


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until something is so; looking takes no more than a tenth of the time."""
    async with asyncio.timeout(seconds):
        while True:
            began = time.monotonic()
            if condition():
                return
            await asyncio.sleep(max(0.005, 10 * (time.monotonic() - began)))
