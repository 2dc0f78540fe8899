"""A report as text: for the terminal, as Markdown and as CSV."""

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Final, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.metrics import metrics
from schemas.wording import figure
from sinks.clickhouse.queries import Period
from streams.reporting.report import REACHED, SHOWN, Change, Figures, Report, Row

HEADINGS: Final = {
    "response_rate": "answered",
    "half_within": "half within",
    "ninety_within": "90 % within",
    "within_15m": "in 15 min",
    "within_1h": "in 1 h",
    "sla": "in target",
    "reply_share": "reply share",
    "curator_posts": "by curators",
    "curator_share": "curators' share",
    "curator_reach": "curators' reach",
}
"""Short labels, for columns."""


class Words(NamedTuple):
    """How a report speaks of what its figures are compared with."""

    title: str
    other: str
    """What that is."""
    most: str
    """Above the changes."""
    there: str
    """Before a figure of it."""
    rises: str
    falls: str


def words(period: Period) -> Words:
    """Return how a report of a period speaks."""
    title = "How well each account listened and answered"
    if not period.campaign:
        return Words(title, "the time before", "What changed most since the time before", "before", "up", "down")
    title = f"{title} in the campaign {period.campaign}"
    most = "Where it differs most from all else in the same time"
    return Words(title, "all else in the same time", most, "elsewhere", "higher", "lower")


def heading(name: str) -> str:
    """Return what stands above a metric's column."""
    return HEADINGS.get(name, name)


def said(figures: Figures, name: str) -> str:
    """Say one of an account's figures."""
    return figure(figures.get(name), metrics()[name].unit)


def in_words(change: Change, say: Words) -> str:
    """Say a change in a sentence."""
    now, other = figure(change.now, change.metric.unit), figure(change.other, change.metric.unit)
    if change.metric.unit == "seconds":
        direction = "sooner" if change.deviations < 0 else "later"
        return f"{change.account} answers {direction}: half within {now}, {say.there} {other}"
    rises, falls = (say.rises, say.falls) if change.metric.unit == "share" else ("more", "fewer")
    direction = rises if change.deviations > 0 else falls
    return f"{change.account}: {change.metric.label} {direction}, {now}, {say.there} {other}"


def terminal(report: Report) -> Group:
    """Return what to print."""
    say = words(report.period)
    lines: list[RenderableType] = [Text(f"{say.title}, {report.period}", style="bold"), _columns(report, SHOWN)]
    if not report.rows:
        lines[1:] = [Text("Nothing was measured then.")]
    elif report.period.campaign:
        lines += [Text("Who spoke of it", style="bold"), _columns(report, REACHED)]
    if report.changes:
        lines.append(Text(f"{say.most} ({report.period.other})", style="bold"))
        lines += [Text(f"{_mark(change)} {in_words(change, say)}", style=_colour(change)) for change in report.changes]
    return Group(*lines)


def _columns(report: Report, names: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("account", no_wrap=True, overflow="ellipsis")
    for name in names:
        table.add_column(heading(name), justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(row.account, *(said(row.now, name) for name in names))
    return table


def _mark(change: Change) -> str:
    return "▲" if change.deviations > 0 else "▼"


def _colour(change: Change) -> str:
    return {True: "green", False: "red", None: ""}[change.good]


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: Report) -> Iterator[str]:
    say = words(report.period)
    yield f"# {_escaped(say.title)}\n\n{report.period}\n"
    if report.changes:
        yield f"**{say.most}**, {report.period.other}:\n"
        yield from (f"- {_mark(change)} {_escaped(in_words(change, say))}" for change in report.changes)
        yield ""
    yield from _table(report, SHOWN)
    yield f"\nIn brackets, {say.other}. What each figure is:\n"
    yield from (f"- {heading(name)}: {metrics()[name].definition}" for name in SHOWN)
    if report.period.campaign:
        yield "\n## Who spoke of it\n"
        yield from _table(report, REACHED)
        yield ""
        yield from (f"- {heading(name)}: {metrics()[name].definition}" for name in REACHED)


def _table(report: Report, names: Sequence[str]) -> Iterator[str]:
    yield "| account | " + " | ".join(heading(name) for name in names) + " |"
    yield "|---" + "|--:" * len(names) + "|"
    for row in report.rows:
        yield f"| {_escaped(row.account)} | " + " | ".join(_with_other(row, name) for name in names) + " |"


def _with_other(row: Row, name: str) -> str:
    now = said(row.now, name)
    return f"{now} ({said(row.other, name)})" if name in row.other else now


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\`*_[]|<>#" else character for character in text)


def table(report: Report) -> str:
    """Return the report as CSV: one line per account and metric, numbers as they are."""
    written = StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(("account", "metric", "unit", "value", words(report.period).there, "from", "to"))
    start, end = report.period.start.isoformat(), report.period.end.isoformat()
    for row in report.rows:
        for name in (*SHOWN, *(REACHED if report.period.campaign else ())):
            now, other = row.now.get(name), row.other.get(name)
            lines.writerow((row.account, name, metrics()[name].unit, now, other, start, end))
    return written.getvalue()
