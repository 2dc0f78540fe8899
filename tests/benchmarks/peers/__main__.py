"""`make peers`: the same small piece of work, done by Rapport and by its peers, on one core each."""

import os
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer
from confluent_kafka.admin import AdminClient, NewTopic
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from schemas.codec import Record
from streams.config import Settings
from tests import kafka_broker
from tests.benchmarks import load, parts
from tests.benchmarks.measuring import Measured
from tests.benchmarks.peers import results
from tests.benchmarks.peers.programs import PROGRAMS, Program, UnavailableError
from tests.benchmarks.peers.running import measure, on_other_cores
from tests.benchmarks.peers.work import Job
from tests.plants import PARTITIONS, own_settings
from tests.processes import ROOT

SIZES: Final = (300, 1)
"""Events in a message: what a publisher sends when there is much to send, and when there is little."""
RAPPORT: Final = "Rapport"
COMPILED: Final = "Rapport, compiled"
RAPPORT_NOTE: Final = (
    "its worker as it is, exact through crashes; does far more: panes, rolling windows, quantiles, turns as rows, alerts, "
    "late events and withdrawals"
)
NOTE: Final = (
    "Each is one process on one core, the broker elsewhere. Time begins when the first event has been processed; the wall's "
    "ends with the last, the processor's when all is stored as well (of Rapport itself both end with the last checkpoint). "
    "÷ Rapport compares events per CPU-second. State is made durable every five seconds. Counts are compared with those of "
    "a plain pass over the events."
)

console = Console()


class Line(NamedTuple):
    """A line of the table, but for its place in it."""

    measured: Measured
    right: bool | None
    """None: there are no counts."""


def main(
    events: Annotated[int, typer.Option(min=1000, help="How many; what is slow gets a tenth.")] = 200_000,
    accounts: Annotated[int, typer.Option(min=1, help="Brand accounts, all of them busy.")] = 20,
    batch: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Events in a message; several times: several sizes.", show_default="300, 1"),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Part of a name; several times: several.", show_default="all")
    ] = None,
) -> None:
    """Compare Rapport with its peers. Installs them in .peers, and takes about five minutes then."""
    table = Table(title=f"On one of {os.cpu_count()} cores", title_justify="left", box=SIMPLE_HEAD)
    for name in ("", "version", "batch", "events", "events/s", "events/CPU-s", "÷ Rapport", "counts"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    chosen = [it for it in PROGRAMS if only is None or any(part.lower() in it.name.lower() for part in only)]
    with ExitStack() as stack:
        # not the in-memory broker: it keeps too little, and the peers ask for more than it can do
        with console.status("Starting a broker"), on_other_cores():
            broker = stack.enter_context(kafka_broker.running())
        told = results.events(events, accounts)
        console.print(f"Broker: {broker.kind}. {events:,} events of {accounts} accounts.", highlight=False)
        for size in batch or SIZES:
            _compare(table, broker.brokers, told, size, chosen)
    console.print(table)
    for name, note in ((RAPPORT, RAPPORT_NOTE), *((program.name, program.note) for program in chosen)):
        console.print(f"{name}: {note}.", highlight=False)
    console.print(NOTE, highlight=False)


def _compare(table: Table, brokers: str, told: list[Record], size: int, chosen: list[Program]) -> None:
    """Add the lines of one size of messages."""
    rapport = 0.0

    def add(name: str, version: str, line: Line) -> None:
        nonlocal rapport
        count, wall, cpu = line.measured.count, line.measured.wall, line.measured.cpu
        rapport = rapport or count / cpu
        right = {None: "", True: "right", False: "WRONG"}[line.right]
        figures = (f"{count:,}", f"{count / wall:,.0f}", f"{count / cpu:,.0f}", f"{count / cpu / rapport:.2f}", right)
        console.print(f"  {name}, {size} in a message: {count / cpu:,.0f} per CPU-second {right}", highlight=False)
        table.add_row(name, version, str(size), *figures)

    for name, source in ((RAPPORT, ROOT), (COMPILED, parts.COMPILED))[: 1 + parts.compiled()]:
        with console.status(name):
            add(name, metadata.version("rapport"), _rapport(brokers, told, size, source))
    for program in chosen:
        if program.per_message and size > 1:
            continue
        try:
            with console.status(program.name):
                add(program.name, program.version, _peer(program, brokers, told[: len(told) // program.share], size))
        except UnavailableError as reason:
            console.print(f"  {program.name} is not here: {reason}", highlight=False)
            table.add_row(program.name, program.version, str(size), "not here")
    table.add_section()


def _rapport(brokers: str, told: list[Record], size: int, source: Path) -> Line:
    """Measure Rapport's worker with its whole fold; its code is in ``source``."""
    settings, messages = _plant(brokers, told, size)
    measured = parts.working(settings, messages, len(told), source)
    return Line(measured, results.summed(brokers, settings.topics.panes) == results.expected(told))


def _peer(program: Program, brokers: str, told: list[Record], size: int) -> Line:
    """Measure a program."""
    command = program.command(program.module)
    settings, messages = _plant(brokers, told, size)
    topics = settings.topics
    job = Job(
        f"{topics.prefix}-peer", brokers, topics.interactions.name, f"{topics.prefix}.updates", len(told), messages
    )
    measured = measure(command, job, settings)
    match program.results:
        case "":
            return Line(measured, None)
        case "updates":
            found = results.updated(brokers, job.results)
        case "rolling":
            found = results.rolled(brokers, topics.rolling)
    return Line(measured, found == results.expected(told))


def _plant(brokers: str, told: list[Record], size: int) -> tuple[Settings, int]:
    """Return the settings of a plant of its own, its topics made and its input sent, and how many messages that was."""
    settings = own_settings(brokers, "peers", ticks=False, log_level="INFO")
    admin = AdminClient({"bootstrap.servers": brokers})
    for created in admin.create_topics([NewTopic(f"{settings.topic_prefix}.updates", PARTITIONS)]).values():
        created.result()
    messages = load.messages(told, size)
    parts.produce(settings, messages)
    return settings, sum(map(len, messages))


if __name__ == "__main__":
    typer.run(main)
