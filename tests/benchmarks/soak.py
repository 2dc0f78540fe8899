"""The real processes under load for a long time: ``make soak MINUTES=30 RATE=5000``, ``make backpressure MINUTES=10 RATE=10000``.

Apache Kafka, workers, a sink, ClickHouse's engine behind HTTP, and a simulated public at a steady rate. What is looked for: memory
that grows, a lag that grows, lines in the log that nobody expects, and events that do not arrive. With ``--away``,
ClickHouse refuses every connection for some minutes, and all has to be there in the end.

A worker remembers messages for as long as they may still change something, days in event time. So here event time
runs fast, and little is agreed to be remembered: after :data:`STATE_SECONDS` the state has the size that it keeps, and whatever
grows then is a leak.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Final

import typer
from clickhouse_connect.driver.client import Client
from rich.console import Console

from sinks.clickhouse.connection import connect
from streams.config import Settings
from streams.connection import kafka_options
from streams.connectors.publisher import Publisher
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.metrics.targets import HOUR
from streams.progress import Progress
from tests import kafka_broker
from tests.benchmarks.parts import fastest
from tests.clickhouse_front import Front
from tests.clickhouse_server import make_tables
from tests.plants import PARTITIONS, Rapport, own_settings
from tests.processes import MEBIBYTE, Process, free_port

LEAST_ACCOUNTS: Final = 8
RATE_OF_ACCOUNT: Final = 250
"""Events a second; however fast event time runs, an account has some events in each of its minutes."""
EVENTS_OF_STORY: Final = 3.5
"""About so many events a simulated thread has."""
AGREED: Final = "[defaults]\nexpiry_days = 0.5\nlateness_hours = 1\n"
REMEMBERED_HOURS: Final = 49
"""With that: twice the expiry and the lateness, and up to a day more, for it is forgotten once a day."""
STATE_SECONDS: Final = 60.0
"""So many seconds on the clock are the hours above in event time: what a public says differs by the day, so a week of it must
have passed before memory is compared."""
SINK_SECONDS: Final = 1.0
SAMPLE_SECONDS: Final = 5.0
LINES: Final = 40
"""The table has about so many lines."""
SETTLED_SECONDS: Final = 300.0
"""Memory is compared with what it was then, or at half of a shorter run."""
GROWTH: Final = 1.1
SOME: Final = 6
"""So many samples are averaged to say what memory was at a time."""
WORKER_LAG: Final = 1_000
"""Messages; about ten seconds of them."""
SINK_LAG: Final = 3_000
AGE_SECONDS: Final = 30.0
"""The oldest change that is not checkpointed is not older, but for the first minute."""
AWAY_AFTER_SECONDS: Final = 120.0
AWAY_MIB: Final = 1_000
"""While ClickHouse is away, and while the sink catches up, no process may have more."""
EXPLAINED: Final[dict[str, str]] = {"clickhouse_unavailable": "ClickHouse was told to refuse"}
"""Log lines of level WARNING or above that have to be there when ClickHouse is away."""

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Plan:
    """What is run."""

    seconds: float
    rate: float
    """Events a second."""
    workers: int
    away: float
    """Seconds for which ClickHouse is away; 0: not at all."""

    @property
    def accounts(self) -> int:
        """Brand accounts that are simulated."""
        return max(LEAST_ACCOUNTS, round(self.rate / RATE_OF_ACCOUNT))


@dataclass
class Sample:
    """How it stood at a moment."""

    seconds: float
    events: int
    """Published."""
    worker: float
    """MiB, of the largest worker."""
    state: float
    """MiB, what all accounts' states are when encoded: what of the above has to grow when they do."""
    sink: float
    clickhouse: float
    worker_lag: int
    """Messages."""
    sink_lag: int
    age: float
    """Seconds, of the oldest change that is not checkpointed."""

    def line(self) -> str:
        return " ".join(f"{getattr(self, it.name):>10,.{int(it.name == 'state')}f}" for it in fields(self))


@dataclass
class Load:
    """A simulated public at a steady rate, whatever the pipeline does."""

    plan: Plan
    published: Counter[str] = field(default_factory=Counter)
    """By kind."""

    async def run(self, settings: Settings) -> None:
        """Publish for as long as planned, and say what time it is each second."""
        per_hour = self.plan.rate * STATE_SECONDS / REMEMBERED_HOURS
        options = SimulatorOptions(
            accounts=self.plan.accounts,
            start=1_700_000_000_000,
            stories_per_hour=per_hour / self.plan.accounts / EVENTS_OF_STORY,
            crises_per_week=0,
            lateness=HOUR,
            duplicates=0,  # so what arrives can be counted
            edits=0,
            deletions=0,
        )
        begun = told = time.monotonic()
        sent = 0
        async with Publisher(
            kafka_options(settings), settings.topics, source="simulator", max_bytes_in_flight=None
        ) as publisher:
            for event in simulate(options):
                await publisher.publish(event)
                self.published[event["kind"]] += 1
                sent += 1
                now = time.monotonic()
                if now - told >= 1:
                    await publisher.tick(event["received_at"])
                    told = now
                if now - begun >= self.plan.seconds:
                    break
                if (early := begun + sent / self.plan.rate - now) > 0:
                    await asyncio.sleep(early)
            await publisher.tick(event["received_at"])


@dataclass
class Plant:
    """Everything that runs, but for Kafka."""

    plan: Plan
    settings: Settings
    workers: list[Rapport]
    sink: Rapport
    front: Front
    begun: float = field(default_factory=time.monotonic)
    _states: tuple[float, float] = (0.0, 0.0)
    """Bytes and number of the states checkpointed until the last sample."""
    _state: float = 0.0

    def sample(self, events: int) -> Sample:
        workers, sink = [worker.metrics() for worker in self.workers], self.sink.metrics()
        size, count = (sum(it.get(f"rapport_state_bytes_{part}", 0) for it in workers) for part in ("sum", "count"))
        if count > self._states[1]:
            self._state = self.plan.accounts * (size - self._states[0]) / (count - self._states[1]) / MEBIBYTE
            self._states = size, count
        return Sample(
            seconds=time.monotonic() - self.begun,
            events=events,
            worker=max(worker.resident() for worker in self.workers),
            state=self._state,
            sink=self.sink.resident(),
            clickhouse=self.front.resident(),
            worker_lag=int(sum(worker.get("rapport_lag_messages", 0) for worker in workers)),
            sink_lag=int(sink.get("rapport_lag_messages", 0)),
            age=max(worker.get("rapport_checkpoint_age_seconds", 0) for worker in workers),
        )


async def watch(plant: Plant, load: Load) -> list[Sample]:
    """Run the load, then wait until everything is stored, with a sample every few seconds."""
    samples: list[Sample] = []

    async def work() -> None:
        await load.run(plant.settings)
        console.print(f"published {load.published.total():,} events; waiting until all is stored")
        async with Progress(plant.settings) as progress:
            await progress.folded(lambda _: None)
            await progress.stored(lambda _: None)

    working, every, due = asyncio.create_task(work()), load.plan.seconds / LINES, 0.0
    refusing = load.plan.away
    console.print(" ".join(f"{it.name.replace('_', ' '):>10}" for it in fields(Sample)))
    while not working.done():
        await asyncio.wait([working], timeout=SAMPLE_SECONDS)
        sample = await asyncio.to_thread(plant.sample, load.published.total())
        samples.append(sample)
        if sample.seconds >= due:
            console.print(sample.line())
            due = sample.seconds + every
        if refusing and sample.seconds >= AWAY_AFTER_SECONDS:
            console.print(f"ClickHouse refuses every connection for {refusing:.0f} s")
            await asyncio.to_thread(plant.front.misbehave, "refuse", refusing)
            refusing = 0.0
    await working
    return samples


# -- the verdict ----------------------------------------------------------------------------------------------------------


def memory_grew(samples: Sequence[Sample], plan: Plan) -> Iterator[str]:
    """Compare memory at the end of the load with what it was when the state had its size."""
    loaded = [sample for sample in samples if sample.seconds <= plan.seconds]
    settled = min(SETTLED_SECONDS, plan.seconds / 2)
    then, now = [sample for sample in loaded if sample.seconds >= settled][:SOME], loaded[-SOME:]
    for who in ("worker", "state", "sink"):
        before, after = (statistics.mean(getattr(sample, who) for sample in part) for part in (then, now))
        console.print(f"memory of the {who}: {before:.1f} MiB after {settled:.0f} s, {after:.1f} MiB at the end")
        if who != "state" and after > GROWTH * before:
            yield f"memory of the {who} grew by {100 * (after / before - 1):.0f} %"


def fell_behind(samples: Sequence[Sample], plan: Plan) -> Iterator[str]:
    """Say who was too far behind, the first minute and the end not looked at."""
    bounds = {"worker_lag": WORKER_LAG, "sink_lag": SINK_LAG, "age": AGE_SECONDS}
    looked_at = [sample for sample in samples if min(60.0, plan.seconds / 4) <= sample.seconds <= plan.seconds]
    for what, bound in bounds.items():
        worst = max(looked_at, key=lambda sample: float(getattr(sample, what)))
        console.print(f"most {what.replace('_', ' ')}: {getattr(worst, what):,.0f} after {worst.seconds:.0f} s")
        if getattr(worst, what) > bound:
            yield f"{what.replace('_', ' ')} was {getattr(worst, what):,.0f}, more than {bound:,.0f}"


def memory_unbounded(samples: Sequence[Sample], _: Plan) -> Iterator[str]:
    for who in ("worker", "sink"):
        most = max(float(getattr(sample, who)) for sample in samples)
        console.print(f"most memory of the {who}: {most:.0f} MiB")
        if most > AWAY_MIB:
            yield f"the {who} had {most:.0f} MiB, more than {AWAY_MIB}"


def missing(client: Client, published: Counter[str]) -> Iterator[str]:
    """Compare what is in ClickHouse with what was published."""
    asked = {
        "events": "SELECT uniqExact(cityHash64(id, kind)) FROM interactions_versions",
        "mentions": "SELECT sum(mentions) FROM panes",
        "replies": "SELECT sum(replies + automated_replies) FROM panes",
        "too late": "SELECT sum(too_late) FROM panes",
        "dead letters": "SELECT count() FROM dead_letters",
    }
    wanted = Counter(events=published.total(), mentions=published["mention"], replies=published["reply"])
    for what, question in asked.items():
        ((found,),) = client.query(question).result_rows
        console.print(f"{what}: {wanted[what]:,} published, {found:,} found in ClickHouse")
        if found != wanted[what]:
            yield f"{found:,} {what} of {wanted[what]:,}"


def unexplained(processes: Sequence[Process], explained: dict[str, str]) -> Iterator[str]:
    """Return the log lines that nobody expects."""
    for process in processes:
        counts = Counter(str(line["event"]) for line in process.lines("warning", "error", "critical"))
        for event, count in counts.items():
            if event in explained:
                console.print(f"{process.name} logged {event!r} {count} times: {explained[event]}")
            else:
                yield f"{process.name} logged {count} times: {event}"


# -- the command ----------------------------------------------------------------------------------------------------------


def run(plan: Plan, directory: Path, stack: ExitStack) -> list[str]:
    """Start everything, run the load, and return what is wrong."""
    with console.status("Starting Kafka, ClickHouse, worker and sink"):
        broker = stack.enter_context(kafka_broker.running())
        plant = _start(broker.brokers, plan, directory, stack)
    load = Load(plan)
    samples = asyncio.run(watch(plant, load))
    processes = [*plant.workers, plant.sink]
    codes = [(process.name, process.stop()) for process in processes]
    client = connect(plant.front.url)
    judges: list[Callable[[Sequence[Sample], Plan], Iterator[str]]] = (
        [memory_unbounded] if plan.away else [memory_grew, fell_behind]
    )
    wrong = [fault for judge in judges for fault in judge(samples, plan)]
    wrong += missing(client, load.published)
    wrong += unexplained(processes, EXPLAINED if plan.away else {})
    client.close()
    rate = load.published.total() / plan.seconds
    if rate < 0.95 * plan.rate:
        wrong.append(f"only {rate:,.0f} events/s could be published: this machine does not do more")
    return wrong + [f"the {command} ended with {code}" for command, code in codes if code != 0]


def _start(brokers: str, plan: Plan, directory: Path, stack: ExitStack) -> Plant:
    accounts_file = directory / "rapport.toml"
    accounts_file.write_text(AGREED)
    front = Front(directory / "clickhouse", free_port())
    stack.callback(front.kill)
    make_tables(front.url)
    # no ticks: event time is not ours; and a load of this kind is not inserted five times a second
    options = {"accounts_file": accounts_file, "ticks": False, "sink_seconds": SINK_SECONDS}
    settings = own_settings(brokers, "soak", clickhouse=front.url, **options)

    def start(command: str, number: int = 0) -> Rapport:
        (home := directory / f"{command}-{number}").mkdir()
        process = Rapport(command, settings, home, fastest())
        stack.callback(process.kill)
        return process

    return Plant(plan, settings, [start("worker", number) for number in range(plan.workers)], start("sink"), front)


def main(
    minutes: Annotated[
        float | None,
        typer.Option(min=0.5, help="How long events are published.", show_default="30; with --away, 3 more"),
    ] = None,
    rate: Annotated[float, typer.Option(min=10, help="Events a second.")] = 5_000.0,
    workers: Annotated[int, typer.Option(min=1, max=PARTITIONS, help="Worker processes.")] = 1,
    away: Annotated[
        float, typer.Option(min=0, help="Minutes for which ClickHouse is away, after the first two.")
    ] = 0.0,
) -> None:
    """Keep worker and sink at work, and say what grows and what is lost."""
    plan = Plan(60 * (minutes or (away + 3 if away else 30)), rate, workers, 60 * away)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, ExitStack() as stack:
        wrong = run(plan, Path(place), stack)
    console.print(
        "\n".join(wrong) or "Nothing grows, nothing is lost, and nothing is in the logs that is not explained."
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    typer.run(main)
