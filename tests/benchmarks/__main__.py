"""`make bench`: how fast each part of the pipeline is, on one core, beside the ceiling of reading the input and counting it."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests import kafka_broker
from tests.benchmarks import load, parts
from tests.benchmarks.measuring import Measured, alone
from tests.plants import own_settings

SIZES: Final = (300, 1)
"""Events in a message: what a publisher sends when there is much to send, and when there is little."""
SMALL_SHARE: Final = 10
"""A tenth of the events is enough, and slow enough, where each is a message."""
EMBEDDED_BYTES: Final = 3 << 20
"""Of each partition; the in-memory broker forgets what is older than about 5 MB."""
CEILING: Final = "ceiling"
FOLD: Final = "decode + fold"
FOLD_ALONE: Final = "fold alone"
WORKER: Final = "worker"
COMPILED: Final = "worker, compiled"
WRITER: Final = "writer"
SINK: Final = "whole sink"
IN_EVENTS: Final = (CEILING, FOLD, FOLD_ALONE, WORKER, COMPILED)
NOTE: Final = (
    "batch: events in a message. rows: events, for the writer facts, for the sink both. ceiling: aiokafka and fastavro read "
    "and decode the worker's input, a dictionary counts it; ÷ ceiling compares rows per CPU-second, for the wall's clock also "
    "counts waiting for the broker. Whatever else runs on the machine, a virtual one's neighbours above all, can take half of any "
    "figure away for a while: run it again before you believe a difference of less than a fifth."
)

console = Console()


def main(
    events: Annotated[
        int, typer.Option(min=100, help="Events in messages of 300; a tenth of it one a message.")
    ] = 200_000,
    accounts: Annotated[int, typer.Option(min=1, help="Brand accounts, all of them busy.")] = 20,
    stories_per_hour: Annotated[
        float, typer.Option(min=0.1, help="Threads that begin per account and hour: few make more facts an event.")
    ] = 600.0,
    batch: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Events in a message; several times: several sizes.", show_default="300, 1"),
    ] = None,
    embedded: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--embedded", help="Use the in-memory broker although there is Kafka.")
    ] = False,
) -> None:
    """Measure fold, worker and sink beside their ceiling, each on one core. Takes about two minutes."""
    table = Table(title=f"Rapport on one of {os.cpu_count()} cores", title_justify="left", box=SIMPLE_HEAD)
    for name in ("", "batch", "rows", "rows/s", "rows/CPU-s", "µs/row", "÷ ceiling"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)

    def start(directory: Path) -> kafka_broker.Kafka:
        return (None if embedded else kafka_broker.start(directory)) or kafka_broker.start_embedded()

    with ExitStack() as stack:
        with console.status("Starting a broker"):
            broker = stack.enter_context(kafka_broker.running(start))
        with console.status(f"Simulating {events:,} events of {accounts} accounts"):
            simulated = load.events(events, accounts, stories_per_hour)
            if "in-memory" in broker.kind:
                simulated = list(load.fitting(simulated, EMBEDDED_BYTES))
        console.print(f"Broker: {broker.kind}. {len(simulated):,} events of {accounts} accounts.", highlight=False)
        for size in batch or SIZES:
            _measure(table, broker.brokers, simulated[: len(simulated) // (1 if size > 1 else SMALL_SHARE)], size)
    console.print(table)
    console.print(NOTE, highlight=False)
    if not parts.compiled():
        console.print(
            "The pure modules are not compiled; `make compiled` does that, given a C compiler.", highlight=False
        )


def _measure(table: Table, brokers: str, events: list[load.Record], size: int) -> None:
    """Add the lines of one size of messages."""
    settings = own_settings(brokers, "bench", ticks=False, log_level="INFO")
    messages = load.messages(events, size)
    count = sum(map(len, messages))
    parts.produce(settings, messages)
    ceiling = 0.0

    def line(part: str, measure: Callable[[], Measured]) -> Measured:
        nonlocal ceiling
        with console.status(f"{part}, {size} in a message"):
            found = measure()
        ceiling = ceiling or found.count / found.cpu
        rates = (found.count / found.wall, found.count / found.cpu)
        share = f"{rates[1] / ceiling:.2f}" if part in IN_EVENTS else ""
        figures = (f"{found.count:,}", *(f"{rate:,.0f}" for rate in rates), f"{1e6 / rates[1]:.1f}", share)
        console.print(f"  {part}, {size} in a message: {rates[1]:,.0f} per CPU-second", highlight=False)
        table.add_row(part, str(size), *figures)
        return found

    line(CEILING, lambda: alone(parts.consuming, settings, count))
    line(FOLD, lambda: alone(parts.folding, messages, size))
    line(FOLD_ALONE, lambda: alone(parts.folding_alone, messages))
    line(WORKER, lambda: parts.working(settings, count, len(events)))
    if parts.compiled():
        # the first worker's checkpoints are not to be taken over
        again = own_settings(brokers, "bench", ticks=False, log_level="INFO")
        parts.produce(again, messages)
        line(COMPILED, lambda: parts.working(again, count, len(events), parts.COMPILED))
    facts = line(WRITER, lambda: alone(parts.writing, settings)).count
    line(SINK, lambda: alone(parts.storing, settings, facts + len(events)))
    table.add_section()


if __name__ == "__main__":
    typer.run(main)
