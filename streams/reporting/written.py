"""A report as text: for the terminal, as Markdown and as CSV."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.metrics import metrics
from streams.reporting.report import SHOWN, Change, Figures, Report, Row
from streams.terminal import figure

HEADINGS: Final = {
    "response_rate": "answered",
    "half_within": "half within",
    "ninety_within": "90 % within",
    "within_15m": "in 15 min",
    "within_1h": "in 1 h",
    "sla": "in target",
    "reply_share": "reply share",
}
"""Short labels, for columns."""


def heading(name: str) -> str:
    """Return what stands above a metric's column."""
    return HEADINGS.get(name, name)


def said(figures: Figures, name: str) -> str:
    """Say one of an account's figures."""
    return figure(figures[name], metrics()[name].unit)


def in_words(change: Change) -> str:
    """Say a change in a sentence."""
    now, before = figure(change.now, change.metric.unit), figure(change.before, change.metric.unit)
    if change.metric.unit == "seconds":
        words = "sooner" if change.deviations < 0 else "later"
        return f"{change.account} answers {words}: half within {now}, before {before}"
    direction = "more" if change.deviations > 0 else "fewer"
    if change.metric.unit == "share":
        direction = "up" if change.deviations > 0 else "down"
    return f"{change.account}: {change.metric.label} {direction}, {now}, before {before}"


def terminal(report: Report) -> Group:
    """Return what to print."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("account", no_wrap=True, overflow="ellipsis")
    for name in SHOWN:
        table.add_column(heading(name), justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(row.account, *(said(row.now, name) for name in SHOWN))
    lines: list[RenderableType] = [
        Text(f"How well each account listened and answered, {report.period}", style="bold"),
        table,
    ]
    if not report.rows:
        lines[1:] = [Text("Nothing was measured then.")]
    if report.changes:
        lines.append(Text(f"What changed most since the time before ({report.period.before})", style="bold"))
        lines += [Text(f"{_mark(change)} {in_words(change)}", style=_colour(change)) for change in report.changes]
    return Group(*lines)


def _mark(change: Change) -> str:
    return "▲" if change.deviations > 0 else "▼"


def _colour(change: Change) -> str:
    return {True: "green", False: "red", None: ""}[change.good]


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: Report) -> Iterator[str]:
    yield f"# How well each account listened and answered\n\n{report.period}\n"
    if report.changes:
        yield f"**What changed most** since the time before, {report.period.before}:\n"
        yield from (f"- {_mark(change)} {_escaped(in_words(change))}" for change in report.changes)
        yield ""
    yield "| account | " + " | ".join(heading(name) for name in SHOWN) + " |"
    yield "|---" + "|--:" * len(SHOWN) + "|"
    for row in report.rows:
        yield f"| {_escaped(row.account)} | " + " | ".join(_with_before(row, name) for name in SHOWN) + " |"
    yield "\nIn brackets, the time before. What each figure is:\n"
    yield from (f"- {heading(name)}: {metrics()[name].definition}" for name in SHOWN)


def _with_before(row: Row, name: str) -> str:
    now = said(row.now, name)
    return f"{now} ({said(row.before, name)})" if row.before else now


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\`*_[]|<>#" else character for character in text)


def table(report: Report) -> str:
    """Return the report as CSV: one line per account and metric, numbers as they are."""
    written = StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(("account", "metric", "unit", "value", "before", "from", "to"))
    start, end = report.period.start.isoformat(), report.period.end.isoformat()
    for row in report.rows:
        for name in SHOWN:
            before = row.before.get(name)
            lines.writerow((row.account, name, metrics()[name].unit, row.now[name], before, start, end))
    return written.getvalue()
