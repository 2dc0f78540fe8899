"""`python -m tests.benchmarks.firehose`: what all posts of Bluesky cost a connector that keeps those of one account.

A Jetstream in another process, on another core, sends at a steady rate. The connector, its runner and the publisher are the real
ones; only Kafka's client acknowledges at once. The ceiling receives the same messages in the same way and forgets them.
"""

import asyncio
import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Process, get_context
from multiprocessing.connection import Connection
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from websockets.asyncio.server import ServerConnection, serve

from schemas.codec import Record
from streams.config import Settings
from streams.connectors.base import Rejected
from streams.connectors.bluesky import METHOD
from streams.connectors.live_runner import LiveRunner
from streams.connectors.making import make, settings_of
from streams.connectors.memory import Memory, Row
from streams.connectors.pacing import Budget
from streams.connectors.runner import Carrier
from streams.connectors.session import Session
from streams.connectors.understanding import understanding
from tests.benchmarks.ingest import without_kafka
from tests.benchmarks.measuring import Measured, Stopwatch, alone
from tests.connectors.bluesky_network import POSTS, cid, did, handle, iso, tid

CEILING: Final = "ceiling: receiving alone"
CONNECTOR: Final = "connector, runner, publisher"
ACCOUNT: Final = did("acme")
SHARE: Final = {"delete": 0.1, "reply": 0.5, "facet": 0.3, "embed": 0.4}
"""How many of the posts are or have what."""
TEXT: Final = (
    "so my dog did this again today 😀 je ne sais pas, 今日はとても良い天気です。 não é isso, что это такое? guten Abend! "
    * 4
)

console = Console()


class Load(NamedTuple):
    """What the network says."""

    rate: int
    """Events a second …"""
    seconds: int
    ours: float
    """… of which so many are to the account."""

    @property
    def count(self) -> int:
        return self.rate * self.seconds


# -- the network, in a process of its own ---------------------------------------------------------------------------------


def told(load: Load) -> list[bytes]:
    """Return the messages, the first and the last of which are to the account."""
    chance, began = random.Random(1), 1_770_000_000_000_000
    every = round(load.rate / load.ours)
    messages = []
    for seq in range(1, load.count + 1):
        is_ours = seq in (1, load.count) or seq % every == 0
        author, rkey = did(f"person{chance.randrange(100_000)}"), tid(seq)
        time = iso(began + seq * 1_000_000 // load.rate)
        commit: dict[str, Any] = {"rev": tid(seq), "operation": "create", "collection": POSTS, "rkey": rkey}
        if not is_ours and chance.random() < SHARE["delete"]:
            commit["operation"] = "delete"
        else:
            text = "last" if seq == load.count else TEXT[chance.randrange(100) :][: chance.randint(10, 290)]
            record = written(chance, text, time, to=ACCOUNT if is_ours else "")
            commit |= {"record": record, "cid": cid(record)}
        payload = {"$type": f"{METHOD}#commit", "did": author, "seq": seq, "time": time, "witnessedAt": time, **commit}
        frame = {"$type": "message", "payload": payload}
        messages.append(json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode())
    return messages


def written(chance: random.Random, text: str, time: str, to: str) -> Record:
    """Return the record of a post."""
    record: Record = {"$type": POSTS, "createdAt": time, "langs": ["en"], "text": f"@{handle('acme')} {text}"}
    named = [to] if to else [did(f"person{chance.randrange(100_000)}")] if chance.random() < SHARE["facet"] else []
    if named:
        features = [{"$type": "app.bsky.richtext.facet#mention", "did": it} for it in named]
        record["facets"] = [{"features": features, "index": {"byteStart": 0, "byteEnd": 13}}]
    if chance.random() < SHARE["reply"]:
        refs = [
            f"at://{did(f'person{chance.randrange(100_000)}')}/{POSTS}/{tid(chance.randrange(10**9))}" for _ in "ab"
        ]
        parent, root = ({"cid": cid({"of": it}), "uri": it} for it in refs)
        record["reply"] = {"parent": parent, "root": root}
    if chance.random() < SHARE["embed"]:
        blob = {"$type": "blob", "ref": {"$link": cid(record)}, "mimeType": "image/jpeg", "size": 812_345}
        image = {"alt": text, "aspectRatio": {"height": 1500, "width": 2000}, "image": blob}
        record["embed"] = {"$type": "app.bsky.embed.images", "images": [image]}
    return record


def tell(load: Load, ready: Connection) -> None:
    """Serve the messages to whoever connects, from the first, at their rate."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    messages = told(load)

    async def tell_one(socket: ServerConnection) -> None:
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        while sent < load.count:
            due = min(load.count, int((loop.time() - began) * load.rate) + 1)
            for message in messages[sent:due]:
                await socket.send(message, text=True)
            sent = due
            await asyncio.sleep(0.005)
        await socket.wait_closed()

    async def work() -> None:
        async with serve(tell_one, "127.0.0.1", 0, compression=None) as server:
            ready.send((server.sockets[0].getsockname()[1], sum(map(len, messages)) / load.count))
            await server.serve_forever()

    asyncio.run(work())


@contextmanager
def network(load: Load) -> Iterator[tuple[int, float]]:
    """Yield the port of a network, and how many bytes a message has on average."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process: Process = context.Process(target=tell, args=(load, theirs), daemon=True)  # type: ignore[assignment]
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


# -- those who are measured, each in a process of its own -----------------------------------------------------------------


def receiving(port: int, load: Load) -> Measured:
    """Measure the ceiling."""

    async def work() -> Measured:
        session, watch = Session("bench", Budget(10, 1), lambda _: None), Stopwatch()
        async with session.socket(f"ws://127.0.0.1:{port}/xrpc/{METHOD}", {}, 30.0) as messages:
            await anext(messages)
            with watch:
                for _ in range(load.count - 1):
                    await anext(messages)
        await session.close()
        return watch.measured(load.count - 1)

    return asyncio.run(work())


def connecting(port: int, load: Load) -> Measured:
    """Measure the connector with all behind it."""

    async def work() -> Measured:
        settings, stop = Settings(), asyncio.Event()
        understand = understanding(settings.language, settings.sentiment)
        memory = Memory("bench", _Journal(), None, {})
        table = {"type": "bluesky", "accounts": [f"bluesky:{ACCOUNT}"], "jetstream": f"ws://127.0.0.1:{port}"}
        connector, session = make("bench", settings_of(table), {}, memory.known)
        async with without_kafka() as publisher:
            carrier = _Watched(publisher, stop)
            await LiveRunner("bench", connector, (f"bluesky:{ACCOUNT}",), carrier, memory, understand).run(stop)
        await session.close()
        expected = 1 + load.count // round(load.rate / load.ours) + (load.count % round(load.rate / load.ours) != 0)
        assert carrier.published == expected, (carrier.published, expected)
        return carrier.watch.measured(load.count - 1)

    return asyncio.run(work())


class _Journal:
    async def write(self, connector: str, rows: list[Row]) -> None: ...


class _Watched:
    """A carrier that measures from the first post to the last."""

    def __init__(self, carrier: Carrier, stop: asyncio.Event) -> None:
        self._carrier, self._stop = carrier, stop
        self.watch, self.published = Stopwatch(), 0

    async def publish(self, event: Record) -> None:
        await self._carrier.publish(event)
        self.published += 1
        if self.published == 1:
            self.watch.__enter__()
        elif event["text"].endswith(" last"):
            self.watch.__exit__(None, None, None)
            self._stop.set()

    async def reject(self, rejected: Rejected, source: str | None = None) -> None:
        raise AssertionError(rejected, source)

    async def tick(self, now: int) -> None:
        await self._carrier.tick(now)

    async def flush(self) -> None:
        await self._carrier.flush()


# -- the command ----------------------------------------------------------------------------------------------------------


def main(
    rate: Annotated[int, typer.Option(min=10, help="Events a second.")] = 2_000,
    seconds: Annotated[int, typer.Option(min=1, help="How long each is measured.")] = 20,
    ours: Annotated[float, typer.Option(min=0.1, help="Events a second that are to the account.")] = 5.0,
) -> None:
    """Measure what a firehose costs its connector beside receiving alone, each on one core. Takes about a minute."""
    load = Load(rate, seconds, ours)
    table = Table(
        title=f"Bluesky at {rate:,} events a second, {ours:g} of them ours", title_justify="left", box=SIMPLE_HEAD
    )
    for name in ("", "events", "CPU-s", "s", "% of a core", "µs/event", "÷ ceiling"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    ceiling = 0.0
    with network(load) as (port, size):
        for name, function in {CEILING: receiving, CONNECTOR: connecting}.items():
            with console.status(name):
                found = alone(function, port, load)
            cost = found.cpu / found.count * 1e6
            ceiling = ceiling or cost
            share = f"{100 * found.cpu / found.wall:.1f}"
            figures = f"{found.cpu:.2f}", f"{found.wall:.1f}", share, f"{cost:.1f}", f"{cost / ceiling:.2f}"
            table.add_row(name, f"{found.count:,}", *figures)
    console.print(table)
    console.print(
        f"A message has {size:.0f} bytes on average; {100 * SHARE['delete']:.0f} % are deletions.", highlight=False
    )


if __name__ == "__main__":
    typer.run(main)
