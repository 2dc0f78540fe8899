"""What people see in the terminal: tables, summaries, and times as people say them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from clickhouse_connect.driver.exceptions import Error
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from schemas.wording import NOTHING, duration, share
from streams.connectors.revenue import RevenueCounts
from streams.connectors.runner import Pace, Summary
from streams.errors import ClickHouseError, Reason, SettingsError

if TYPE_CHECKING:
    from collections import Counter

    from clickhouse_connect.driver.client import Client

WIDE: Final = 110
"""Columns of a terminal that is wide enough for everything."""


def pace(speed: str) -> Pace:
    """Return what ``--speed`` means. Raises :class:`SettingsError`."""
    if speed in ("max", "live"):
        return "max" if speed == "max" else "live"
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise SettingsError(f"--speed {speed} is no speed", "give max, live, or simulated seconds a second such as 60")
    return factor


def moment(text: str, option: str) -> datetime:
    """Return the time that an option gives, UTC unless it says otherwise. Raises :class:`SettingsError`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{option} {text} is no time", "give one such as 2026-03-02 or 2026-03-02T14:30") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def report_table(rows: Sequence[Mapping[str, Any]], width: int) -> Table:
    """Return the report, one line per account, from the rows of ``sinks.clickhouse.queries.report``.

    A terminal of fewer than :data:`WIDE` columns is not shown all of them.
    """
    table = Table(
        title="How well each account listens and answers", title_justify="left", header_style="bold", box=SIMPLE_HEAD
    )
    table.padding, table.pad_edge = 0, False
    table.add_column("account", no_wrap=True, overflow="ellipsis")
    columns: list[tuple[str, Callable[[Mapping[str, Any]], str]]] = [
        ("mentions", lambda row: f"{row['mentions']:,}"),
        ("answered", lambda row: share(row["answered"] / row["turns"] if row["turns"] else None)),
        ("open", lambda row: f"{row['open']:,}" if row["open"] else NOTHING),
        ("oldest", lambda row: duration(row["oldest_seconds"])),
        ("half in", lambda row: duration(row["response_p50"])),
        ("90 % in", lambda row: duration(row["response_p90"])),
        ("in 1 h", lambda row: share(row["within_1h"])),
    ]
    if width >= WIDE:
        columns.insert(1, ("contacts", lambda row: f"{row['contacts']:,}"))
        columns.insert(2, ("turns", lambda row: f"{row['turns']:,}"))
        columns.append(("replies", lambda row: f"{row['replies']:,}"))
        columns.append(("reply share", lambda row: share(row["reply_share"])))
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for row in rows:
        table.add_row(row["account"], *(show(row) for _, show in columns))
    table.caption = (
        "half in, 90 % in: of the answered turns; open: waiting now" if rows else "Nothing has been measured yet."
    )
    table.caption_justify = "left"
    return table


def outcome(client: "Client", accounts: Sequence[str]) -> dict[str, int]:
    """Return how many turns the accounts have, by status."""
    found = client.query(
        "SELECT status, count() FROM turns WHERE account IN {accounts:Array(String)} GROUP BY status",
        parameters={"accounts": list(accounts)},
    )
    by_status = {str(status): int(count) for status, count in found.result_rows}
    return {
        "turns": sum(by_status.values()),
        **{name: by_status.get(name, 0) for name in ("answered", "expired", "open")},
    }


def summary(run: Summary, came_of_it: Mapping[str, int]) -> Group:
    """Return what a replay read and what came of it."""
    counts = run.counts
    lines: list[tuple[str, int, str]] = [
        ("records read", counts.records, ""),
        _set_aside(counts.rejected),
        ("unattributed", counts.unattributed, ""),
        ("mentions", counts.mentions, ""),
        ("replies", counts.replies, ""),
        ("broadcasts", counts.broadcasts, ""),
        ("turns", came_of_it["turns"], ""),
        ("answered", came_of_it["answered"], ""),
        ("expired", came_of_it["expired"], "unanswered for too long" if came_of_it["expired"] else ""),
        ("open", came_of_it["open"], ""),
    ]
    if counts.others:
        lines.insert(6, ("other events", counts.others, ""))
    rate = run.events / run.seconds if run.seconds else 0.0
    published = f"{run.events:,} events published in {run.seconds:.1f} s, {rate:,.0f} events/s"
    return Group(_numbers(lines), Text(published))


def revenue_summary(counts: RevenueCounts, buyers: int, known: int) -> Table:
    """Return what was read of a file of revenue; ``buyers``: contacts with revenue, of this file or another."""
    strangers = "" if known or not buyers else "do the contact ids of the file stand in interactions?"
    return _numbers(
        [
            ("records read", counts.records, ""),
            _set_aside(counts.rejected),
            (
                "repeated",
                counts.repeated,
                "an order of the file stands as its last line has it" if counts.repeated else "",
            ),
            ("published", counts.published, ""),
            ("buyers", buyers, "contacts with revenue, of all files"),
            ("known", known, strangers or "of them, contacts who have talked with the account"),
        ]
    )


def _set_aside(rejected: "Counter[Reason]") -> tuple[str, int, str]:
    reasons = ", ".join(f"{count:,} {reason.value}" for reason, count in rejected.most_common())
    return "set aside", sum(rejected.values()), reasons


def _numbers(lines: Sequence[tuple[str, int, str]]) -> Table:
    """Return lines of a name, a number and a note."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column(style="dim")
    for name, number, note in lines:
        grid.add_row(name, f"{number:,}", note)
    return grid


def answer(client: "Client", query: str, output_format: str) -> str:
    """Return ClickHouse's answer to a query in one of its formats. Raises :class:`ClickHouseError`."""
    try:
        return client.raw_query(query, fmt=output_format).decode("utf-8", "replace")
    except Error as error:
        reason = " ".join(str(error).split())
        raise ClickHouseError(
            f"ClickHouse refuses the query ({reason[:300]})", "mend it; `SHOW TABLES` lists what there is"
        ) from None


@contextmanager
def bars(console: Console) -> Iterator[Progress]:
    """Show how far a command is, on a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        yield shown


def remaining(shown: Progress) -> Callable[[str, int], None]:
    """Return a function that shows how many messages remain to be folded, then to be stored."""
    tasks = {}

    def show(what: str, rest: int) -> None:
        if what not in tasks:
            tasks[what] = (shown.add_task(what, total=max(rest, 1)), max(rest, 1))
        task, total = tasks[what]
        shown.update(task, completed=max(0, total - rest))

    return show
