"""The tables of docs/metrics.md, from the catalogue of metrics: ``python -m tests.metrics_table`` writes them anew."""

import re
from collections.abc import Iterator
from pathlib import Path

from schemas.metrics import Metric, metrics
from streams.metrics.counters import WINDOW_COUNTERS

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"
MARKED = re.compile(r"(<!-- metrics: (\w+) -->\n).*?(<!-- /metrics -->)", re.DOTALL)
GAUGES = ("unanswered", "at_risk", "breached", "oldest_opened_at", "followers")
ROLLING = {"rolling", "rolling_equal_treatment"}
TABLES = {
    "panes": lambda metric: "panes" in metric.views,
    "windows": lambda metric: metric.name in WINDOW_COUNTERS,
    "gauges": lambda metric: metric.name in GAUGES,
    "derived": lambda metric: (
        not ROLLING.isdisjoint(metric.views) and not metric.counted and metric.name not in (*WINDOW_COUNTERS, *GAUGES)
    ),
    "others": lambda metric: ROLLING.isdisjoint(metric.views) and metric.section not in ("relationships", "value"),
    "relationships": lambda metric: metric.section == "relationships",
    "value": lambda metric: metric.section == "value",
}
"""What each marked table holds; every metric is in one."""


def table(name: str) -> str:
    """Return a table in Markdown."""
    held = [metric for metric in metrics().values() if TABLES[name](metric)]
    counted = name == "panes"
    head = ["metric", "is", "in the minute of" if counted else "", "unit", "good is"]
    lines = [_row(head, counted=counted), _row(["---"] * 5, counted=counted)]
    return "\n".join([*lines, *(_row(list(_cells(metric)), counted=counted) for metric in held)])


def page() -> str:
    """Return docs/metrics.md with its tables as they should be."""
    return MARKED.sub(lambda found: f"{found[1]}{table(found[2])}\n{found[3]}", PAGE.read_text("utf-8"))


def _cells(metric: Metric) -> Iterator[str]:
    yield f"`{metric.name}`"
    yield metric.definition
    yield metric.counted
    yield metric.unit
    yield metric.better


def _row(cells: list[str], *, counted: bool) -> str:
    return "| " + " | ".join(cell for number, cell in enumerate(cells) if counted or number != 2) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
