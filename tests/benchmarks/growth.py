"""`make growth`: what an event costs beside few accounts and beside many, with few turns that wait and with a million.

The fold of one worker in one process, messages in and encoded facts out. All accounts are alike (:mod:`tests.benchmarks.copies`),
and the same minute is told to as many of them each time: to a thousand partitions of ten accounts, or to one of ten thousand.
So events per account, per minute and per message are the same, and so is what comes of them: only among how many accounts the
next event falls differs. A partition that has been told stays, as a worker's does: else few accounts would be told in memory
that has just been let go, and is still in the processor's cache. Each line is a process of its own.
"""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from schemas import rows
from streams.app import GARBAGE_THRESHOLDS
from streams.cycle import by_record, messages
from streams.intake import Message
from streams.metrics.targets import MINUTE
from streams.partition import Partition
from tests.benchmarks import copies
from tests.benchmarks.growth_plot import Line, Panel, plot
from tests.benchmarks.measuring import Measured, Stopwatch, alone, code_in
from tests.benchmarks.parts import COMPILED, compiled
from tests.processes import ROOT

ACCOUNTS: Final = (10, 1_000, 10_000, 100_000)
MOST_APART: Final = 10_000
"""With more accounts, events are not told one by one: it would take many minutes."""
WAITING: Final = (10_000, 100_000, 1_000_000)
BESIDE: Final = 10
"""Turns that wait in each account while the number of accounts grows."""
AMONG: Final = 1_000
"""Accounts among whom the waiting turns are shared while their number grows."""
TOGETHER: Final = copies.EVENTS_A_MINUTE
"""Events of an account that stand in one message: all of its minute, or …"""
APART: Final = 1
"""… one, so that each event is told for itself: the rows that a worker says at most once a second are said for each."""

NOTE: Final = (
    "in a message: events of one account in a message of 300. rows: facts. µs: of the CPU, folding and encoding facts; the "
    "checkpoints, which take at most a fifth of the core, are not counted."
)

console = Console()


@dataclass(frozen=True)
class Case:
    """What is measured in one process."""

    accounts: int
    """Of a partition."""
    waiting: int
    """Turns that wait in each account."""
    together: int
    """Events of an account in a message."""
    copies: int
    """Accounts in all: as many partitions as they fill are measured, one after the other."""
    minutes: int = 1


@dataclass(frozen=True)
class Cost:
    """What it took."""

    measured: Measured
    rows: int
    """Facts that came of it."""

    @property
    def microseconds(self) -> float:
        """Of one event."""
        return 1e6 * self.measured.cpu / self.measured.count


# -- in a process of its own ----------------------------------------------------------------------------------------------


def cost(case: Case, is_compiled: bool) -> Cost:  # noqa: FBT001 - it comes from another process
    """Fold the same minute of all accounts, partition by partition, and count only that."""
    assert rows.__file__.endswith(".so") is is_compiled, f"the code is from {rows.__file__}"
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    watch, facts, events = Stopwatch(), 0, 0
    told: list[_Worker] = []
    for start in range(0, case.copies, case.accounts):
        numbers = range(start, start + case.accounts)
        worker = _Worker(copies.partition(numbers, case.waiting))
        worker.fold(copies.tick_at(0), 0)  # it is the first of the minute: everybody wakes, and is loaded
        facts -= worker.facts
        for minute in range(case.minutes):
            for at, message in copies.messages(numbers, case.together, minute):
                with watch:
                    worker.fold(message, at)
            with watch:
                worker.fold(copies.tick_at((minute + 1) * MINUTE), (minute + 1) * MINUTE)
        facts += worker.facts
        events += worker.partition.kinds.total() - 1 - case.minutes
        told.append(worker)
    assert events == case.copies * case.minutes * copies.EVENTS_A_MINUTE
    return Cost(watch.measured(events), facts)


class _Worker:
    """A partition that keeps up: what comes of each message is encoded at once, whatever would be sent."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.facts = 0

    def fold(self, message: bytes, at: int) -> None:
        """Take in a message ``at`` ms of the minute."""
        now = at / 1000
        offset = self.partition.last + 1
        self.partition.apply(Message("rapport.interactions", 0, offset, 1 << 60, message), now)
        for record, facts in by_record(self.partition.snapshot(now, None, backlog=False).facts):
            self.facts += len(facts)
            messages(record, facts)


# -- the command ----------------------------------------------------------------------------------------------------------


def main(
    accounts: Annotated[
        list[int] | None, typer.Option(min=10, help="Accounts, each time.", show_default="10, 1000, 10000, 100000")
    ] = None,
    waiting: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Turns that wait, each time.", show_default="10000, 100000, 1000000"),
    ] = None,
    account_minutes: Annotated[
        int, typer.Option(min=10, help="Minutes of accounts that are folded for each figure, 30 events each.")
    ] = 10_000,
    svg: Annotated[Path | None, typer.Option(help="Draw the figures here.")] = None,
    interpreted: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--interpreted", help="Not the compiled code as well, although it is there.")
    ] = False,
) -> None:
    """Measure what an event costs, by accounts and by turns that wait. Takes about six minutes."""
    builds = (False, True) if compiled() and not interpreted else (False,)
    by_accounts = [
        (count, Case(count, BESIDE, together, max(count, account_minutes - account_minutes % count)))
        for together in (TOGETHER, APART)
        for count in accounts or ACCOUNTS
        if count * together >= copies.MESSAGE_EVENTS and (together == TOGETHER or count <= MOST_APART)
    ]
    among = min(AMONG, account_minutes)
    by_waiting = [
        (it, Case(among, max(1, it // among), TOGETHER, among, account_minutes // among)) for it in waiting or WAITING
    ]
    panels = [
        Panel("accounts", list(_measure("accounts", by_accounts, builds))),
        Panel(f"turns that wait, in {among:,} accounts", list(_measure("waiting", by_waiting, builds))),
    ]
    if not compiled():
        console.print(
            "The pure modules are not compiled; `make compiled` does that, given a C compiler.", highlight=False
        )
    if svg is not None:
        svg.write_text(plot(panels))
        console.print(f"Drawn: {svg}", highlight=False)


def _measure(what: str, cases: Sequence[tuple[int, Case]], builds: Sequence[bool]) -> Iterator[Line]:
    """Print a table of the cases, and yield a line of the plot for each way to send and each build."""
    table = Table(title=f"An event's cost by {what}", title_justify="left", box=SIMPLE_HEAD)
    for name in (what, "in a message", "build", "events", "rows/event", "µs/event", "÷ fewest"):
        table.add_column(name, justify="right", no_wrap=True)
    for together in sorted({case.together for _, case in cases}, reverse=True):
        for build in builds:
            points: list[tuple[int, float]] = []
            for count, case in cases:
                if case.together != together:
                    continue
                with console.status(f"{count:,} {what}"), code_in(COMPILED if build else ROOT):
                    found = alone(cost, case, build)
                points.append((count, found.microseconds))
                events = found.measured.count
                figures = (
                    f"{found.rows / events:.2f}",
                    f"{found.microseconds:.1f}",
                    f"{points[-1][1] / points[0][1]:.2f}",
                )
                table.add_row(f"{count:,}", str(together), _name(build), f"{events:,}", *figures)
                console.print(f"  {count:,} {what}, {_name(build)}: {figures[1]} µs", highlight=False)
            yield Line(_label(together, build), points)
        table.add_section()
    console.print(table)
    console.print(NOTE, highlight=False)


def _name(build: bool) -> str:  # noqa: FBT001 - it is the whole question
    return "compiled" if build else "interpreted"


def _label(together: int, build: bool) -> str:  # noqa: FBT001
    return f"{_name(build)}, {together} in a message"


if __name__ == "__main__":
    typer.run(main)
