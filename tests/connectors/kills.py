"""``make kills``: kill -9 the real process of each connector again and again while people write, and hold all of it to the truth.

The network is a fake one in this process, on loopback; Kafka is Apache's. People write as fast as the connector takes it, at most
so much ahead of it as the network can tell again. Where others push, the sender sends again what was not answered with 2xx.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Annotated, Final
from uuid import uuid4

import typer
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from schemas import codec
from streams.config import Settings
from tests import kafka_broker
from tests.brands_file import written
from tests.connectors.crowd import Crowd, Heard
from tests.connectors.hub import HubNetwork
from tests.connectors.kafka_network import KafkaNetwork
from tests.connectors.kills_verdict import Verdict, judge
from tests.connectors.network import OURS, Network, running
from tests.connectors.pushing import PUSHED, Pushing
from tests.connectors.test_contract import NETWORKS
from tests.plants import PARTITIONS, READER, Rapport, own_settings, records

NAME: Final = "network"
"""Of the connector in rapport.toml."""
AWAY_SECONDS: Final = 1.0
"""A process that was killed is started again within this time, …"""
LIVES_SECONDS: Final = 1.0
"""… and one that is to be killed lives on for up to this, so that it dies at any moment of its work."""
PATIENCE_SECONDS: Final = 300.0
"""A connector may publish nothing new for so long."""
HEARTBEAT_SECONDS: Final = 5.0
"""On a busy machine half a second of silence, as the contract's suite has it, says nothing."""
QUIET_SECONDS: Final = 2.0
"""When nothing has come for so long, nothing is repeated any more."""
SAY_SECONDS: Final = 10.0

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)


@dataclass(frozen=True)
class Options:
    """What to try."""

    posts: int = 100_000
    kills: int = 20
    seed: int = 1


@dataclass
class Outcome:
    """What came of one connector's trial."""

    kills: int
    gaps: int
    """Said of what a network may not have told again; what is missing is missing all the same."""
    seconds: float
    verdict: Verdict


def networks(brokers: str) -> dict[str, Callable[[], Network]]:
    """Return all fake networks, those that push too. ``brokers``: of a cluster that remembers what is written to it."""
    topic = f"desk-{uuid4().hex[:8]}"
    return {
        **NETWORKS,
        "kafka": lambda: KafkaNetwork(brokers=brokers, topic=topic),
        **PUSHED,
        "feed-websub": HubNetwork,
    }


async def trial(
    network: Network, settings: Settings, options: Options, directory: Path, say: Callable[[str], None]
) -> Outcome:
    """Let people write while the connector's process is killed again and again; return what came of it."""
    began, chance, file = time.monotonic(), Random(options.seed), directory / "rapport.toml"
    settings = settings.model_copy(update={"accounts_file": file, "language": "off", "sentiment": "off"})
    crowd = Crowd(network, Random(chance.random()), options.posts)
    async with running(network):
        if isinstance(network, Pushing):
            command = f"listen --port {network.listens_at}"
            file.write_text(network.file(NAME, directory))
        else:
            command = "connectors run"
            table = network.stanza(*OURS)
            table |= {"heartbeat_seconds": HEARTBEAT_SECONDS} if "heartbeat_seconds" in table else {}
            file.write_text(written({f"connectors.{NAME}": {**table, **network.haste}}))
        commands = [command, network.companion] if isinstance(network, Pushing) and network.companion else [command]
        processes = [Rapport(it, settings, directory) for it in commands]
        work = _Trial(crowd, settings, processes[0], say)
        try:
            async with work.accompanied():
                await work.begin()
                killing = asyncio.create_task(work.kill_often(_moments(options, chance), chance))
                await work.let_write(_ahead(network, options))
                await killing
                await work.end()
            codes = [await asyncio.to_thread(it.stop) for it in processes]
        finally:
            for it in processes:
                it.kill()
        work.listen_on()
    verdict = judge(crowd, work.heard)
    found = [fault for it, code in zip(processes, codes, strict=True) for fault in _log_faults(it, network, code)]
    for fault in (*work.faults, *found, *_letters(settings)):
        verdict.blame("process", fault)
    gaps = sum(len(it.said("gap")) for it in processes)
    return Outcome(work.kills, gaps, time.monotonic() - began, verdict)


def _moments(options: Options, chance: Random) -> list[int]:
    """Return after how many posts it is killed."""
    return sorted(chance.sample(range(options.posts), options.kills))


def _ahead(network: Network, options: Options) -> int:
    """Return how many posts may be ahead of the connector: so few that there is work between two kills."""
    return max(10, min(network.bears, options.posts // options.kills // 2))


@dataclass
class _Trial:
    """One connector's trial, while it goes on."""

    crowd: Crowd
    settings: Settings
    process: Rapport
    say: Callable[[str], None]
    heard: list[Heard] = field(default_factory=list)
    kills: int = 0
    faults: list[str] = field(default_factory=list)
    _heard_at: float = field(default_factory=time.monotonic)
    _taken_at: float = 0.0
    """When anything came last, repetitions too."""
    _is_away: bool = False
    """It was killed, and is not started yet."""

    def __post_init__(self) -> None:
        topic = self.settings.topics.interactions.name
        self._consumer = Consumer({"bootstrap.servers": self.settings.brokers, **READER, "enable.partition.eof": False})
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])

    @asynccontextmanager
    async def accompanied(self) -> AsyncIterator[None]:
        """Hear what is published, and say now and then how far it is; push, if the network pushes."""
        network = self.crowd.network
        tasks = [asyncio.create_task(work) for work in (self._hear(), self._tell(), self._supervise())]
        if isinstance(network, Pushing):
            tasks += network.senders()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    self.faults.append(f"the trial itself failed: {outcome!r}")

    async def begin(self) -> None:
        """Wait until it has begun: what is written from now on it has to hear."""
        network = self.crowd.network
        if isinstance(network, Pushing):
            await self._until(lambda: network.is_awaited)
        else:
            await self._until(lambda: any(records(self.settings.brokers, self.settings.topics.connectors)))

    async def let_write(self, ahead: int) -> None:
        """Let all be written, never more than ``ahead`` posts before what is published."""
        crowd = self.crowd

        def is_far() -> bool:
            return len(crowd.owed) >= ahead or crowd.network.unread >= ahead

        for number in range(crowd.posts):
            if is_far():
                await self._until(lambda: not is_far())
                if self._is_stuck():
                    return
            crowd.write()
            if number % 20 == 0:
                await asyncio.sleep(0)

    async def kill_often(self, moments: Sequence[int], chance: Random) -> None:
        """Kill the process after so many posts each, and start it again."""
        for moment in moments:
            await self._until(lambda: len(self.crowd.keys) >= moment)  # noqa: B023 - awaited at once
            await asyncio.sleep(chance.random() * LIVES_SECONDS)
            self.process.kill()
            self.kills, self._is_away = self.kills + 1, True
            await asyncio.sleep(chance.random() * AWAY_SECONDS)
            self.process.start()
            self._is_away = False

    async def end(self) -> None:
        """Wait until nothing is owed any more, and nothing more comes."""
        network = self.crowd.network
        await self._until(lambda: not self.crowd.owed)
        if isinstance(network, Pushing):
            await self._until(lambda: network.has_sent)
            self.faults += network.wrong
        await self._until(self._is_up)
        self._taken_at = time.monotonic()
        await self._until(lambda: time.monotonic() - self._taken_at >= QUIET_SECONDS)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so, or nothing moves any more."""
        while not self._is_stuck() and not await asyncio.to_thread(condition):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)

    def _is_up(self) -> bool:
        """Say whether the process has begun again after the last kill."""
        measured = self.process.metrics()
        return bool(measured) and (isinstance(self.crowd.network, Pushing) or measured["rapport_connector_up"] > 0)

    def listen_on(self) -> None:
        """Hear what was published to the end, now that nothing more is."""
        while self._take(self._consumer.consume(5_000, 1.0)):
            pass
        self._consumer.close()

    async def _supervise(self) -> None:
        """Start the process again if it ends by itself, which it should not."""
        while True:
            await asyncio.sleep(0.2)
            if not self._is_away and (code := self.process.popen.poll()) is not None:
                self.faults.append(f"it has ended by itself with {code}: {self.process.lines()[-1:]}")
                self.process.start()

    async def _hear(self) -> None:
        while True:
            self._take(await asyncio.to_thread(self._consumer.consume, 500, 0.05))

    def _take(self, messages: Sequence[object]) -> bool:
        """Take what was read; say whether it was anything."""
        if messages:
            self._taken_at = time.monotonic()
        for message in messages:
            for event in codec.decode("interaction", message.value() or b""):  # type: ignore[attr-defined]
                heard = Heard(*(event[name] for name in Heard._fields))
                self.heard.append(heard)
                owed = len(self.crowd.owed)
                self.crowd.hear(heard)
                if len(self.crowd.owed) < owed:
                    self._heard_at = time.monotonic()
        return bool(messages)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(SAY_SECONDS)
            crowd = self.crowd
            self.say(
                f"{len(crowd.keys):,} posts, {len(self.heard):,} heard, {len(crowd.owed):,} owed, {self.kills} kills"
            )

    def _is_stuck(self) -> bool:
        return time.monotonic() - self._heard_at > PATIENCE_SECONDS


def _log_faults(process: Rapport, network: Network, code: int | None) -> list[str]:
    """Return what is wrong with how a process ended, and with what it said."""
    found = [f"asked to stop, it ended with {code}"] if code != 0 else []
    wrong = [line for line in process.lines("error", "critical") if not line["event"].startswith("Listening at")]
    found += [f"it said {line}" for line in wrong if line["event"] != "gap"]
    if network.token in process.log.read_text("utf-8", "replace"):
        found.append("a secret is in its log")
    return found


def _letters(settings: Settings) -> list[str]:
    return [
        f"dead letter: {it['reason']} {it['error']}" for it in records(settings.brokers, settings.topics.dead_letters)
    ]


def main(
    connector: Annotated[str, typer.Option(help="Their names, separated by commas; all unless given.")] = "",
    posts: Annotated[int, typer.Option(min=40, help="How many each network has.")] = 100_000,
    kills: Annotated[int, typer.Option(min=1, help="How often each connector's process is killed.")] = 20,
    seed: Annotated[int, typer.Option(help="Another seed, other posts and other moments.")] = 1,
) -> None:
    """Kill each connector again and again while people write; exit 1 if anything is not as it was written."""
    os.environ["NETWORK_TOKEN"] = Network.token
    options, outcomes, began = Options(posts, kills, seed), dict[str, Outcome](), time.monotonic()
    with kafka_broker.running() as kafka:
        every = networks(kafka.brokers)
        wanted = connector.split(",") if connector else list(every)
        if unknown := [name for name in wanted if name not in every]:
            console.print(f"there is no connector {unknown[0]}: name some of {', '.join(every)}")
            sys.exit(2)
        for name in wanted:

            def say(line: str, name: str = name) -> None:
                console.print(f"[dim]{time.monotonic() - began:7.0f} s[/]  {name}: {line}")

            with tempfile.TemporaryDirectory(prefix="rapport-kills-", ignore_cleanup_errors=True) as place:
                settings = own_settings(kafka.brokers, f"kills-{name}")
                outcome = outcomes[name] = _tried(every[name](), settings, options, Path(place), say)
            say(", ".join(f"{count} {column}" for column, count in _counts(options, outcome).items()))
            for kind, examples in outcome.verdict.examples.items():
                console.print(f"    [red]{kind}, {outcome.verdict.faults[kind]:,}[/]", *examples, sep="\n        ")
    console.print(_table(options, outcomes))
    sys.exit(any(outcome.verdict.faults for outcome in outcomes.values()))


def _tried(
    network: Network, settings: Settings, options: Options, directory: Path, say: Callable[[str], None]
) -> Outcome:
    """Return what came of a trial; that it failed itself, if it did: others follow."""
    try:
        return asyncio.run(trial(network, settings, options, directory, say))
    except Exception as error:  # noqa: BLE001 - whatever it is
        verdict = Verdict()
        verdict.blame("process", f"the trial itself failed: {error!r}")
        return Outcome(0, 0, 0.0, verdict)


def _counts(options: Options, outcome: Outcome) -> dict[str, str]:
    """Return what is told of a trial, by the names of columns."""
    verdict = outcome.verdict
    found = {"posts": options.posts, "kills": outcome.kills, "published": verdict.published}
    found |= {
        "duplicates": verdict.duplicates,
        "untold": verdict.untold,
        "gaps": outcome.gaps,
        "figures": verdict.figures,
    }
    found |= {kind: verdict.faults[kind] for kind in ("missing", "invented", "altered")}
    counts = {name: f"{number:,}" for name, number in found.items()}
    return {**counts, "seconds": f"{outcome.seconds:.0f}", "verdict": "wrong" if verdict.faults else "exact"}


def _table(options: Options, outcomes: Mapping[str, Outcome]) -> Table:
    table = Table("connector", box=SIMPLE_HEAD)
    rows = {name: _counts(options, outcome) for name, outcome in outcomes.items()}
    for column in next(iter(rows.values())):
        table.add_column(column, justify="left" if column == "verdict" else "right")
    for name, row in rows.items():
        table.add_row(name, *row.values())
    return table


if __name__ == "__main__":
    typer.run(main)
