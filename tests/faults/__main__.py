"""``make faults``: break a whole plant by seed, and say whether every number is right."""

import logging
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests import kafka_broker
from tests.faults.trial import Options, Trial, begin, finish, let_happen
from tests.faults.verdict import Verdict

PROGRESS_SECONDS = 10.0

console = Console(highlight=False)


def main(
    seed: Annotated[int, typer.Option(help="Another seed, another public and other faults.")] = 1,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long things happen.")] = 2.0,
    events: Annotated[int, typer.Option(min=100, help="About how many events are published.")] = 10_000,
    brokers: Annotated[int, typer.Option(min=1, max=5, help="Brokers of the cluster.")] = 1,
    without: Annotated[str, typer.Option(help="A rule of tests/faults/rules.py that the workers leave out.")] = "",
) -> None:
    """Break a whole plant by seed, and say whether every number is right."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    directory, began = Path(tempfile.mkdtemp(prefix="rapport-faults-")), time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:7.1f} s[/]  {line}", soft_wrap=True)

    options = Options(seed=seed, minutes=minutes, events=events, without=without)
    console.print(
        f"seed {seed}, {minutes:g} minutes, about {events:,} events, brokers: {brokers}, logs in {directory}",
        soft_wrap=True,
    )
    with kafka_broker.running(lambda home: kafka_broker.start_own(home, brokers)) as cluster:
        say("Kafka is there")
        trial = begin(cluster, directory, options, say)
        over = threading.Event()
        threading.Thread(target=_progress, args=(trial, over, say), daemon=True).start()
        try:
            let_happen(trial, options)
            verdict = finish(trial)
        finally:
            over.set()
            trial.plant.close()
    _show(trial, verdict)
    raise typer.Exit(bool(verdict.faults))


def _progress(trial: Trial, over: threading.Event, say: object) -> None:
    """Say now and then how far it is."""
    while not over.wait(PROGRESS_SECONDS):
        plant, load = trial.plant, trial.load
        say(  # type: ignore[operator]
            f"[dim]{load.published:,} events, {load.bad} bad messages, {len(plant.workers)} workers, "
            f"{len(plant.sinks)} sinks, {trial.done.total()} faults[/]"
        )


def _show(trial: Trial, verdict: Verdict) -> None:
    """Print what was done, what was judged and what was found."""
    table = Table("what happened", "times", title_justify="left")
    for name, times in sorted(trial.done.items()):
        table.add_row(name.replace("_", " "), str(times))
    table.add_row("faults in all", str(trial.done.total()), style="bold")
    console.print(table)
    table = Table("what was judged", "number")
    for name, number in verdict.counts.items():
        table.add_row(name, f"{number:,}")
    console.print(table)
    console.print(f"processes that ended by themselves: {dict(trial.plant.exits) or 'none'}")
    for kind, number in verdict.faults.items():
        console.print(f"[red]{kind}: {number:,}[/]")
        for example in verdict.examples[kind]:
            console.print(f"    {example}", soft_wrap=True)
    console.print("[bold green]VERDICT exact[/]" if not verdict.faults else "[bold red]VERDICT wrong[/]")


if __name__ == "__main__":
    sys.exit(typer.run(main))
