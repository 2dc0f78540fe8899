"""The views for dashboards and BI tools, with words for their rows and columns: ``views.toml``, the catalogue, the schemas."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from schemas.metrics import Metric, metrics
from schemas.versions import newest

RECORDS: Final = {
    "interactions": "interaction",
    "turns": "turn",
    "turns_by_time": "turn",
    "panes": "pane",
    "panes_by_time": "pane",
    "rolling": "rolling",
    "rolling_equal_treatment": "rolling",
    "alerts": "alert",
    "dead_letters": "dead_letter",
    "revenue": "revenue",
    "notification_commands": "notification_command",
}
"""The views that show a record, or some of its fields: its schema says what they are."""


@dataclass(frozen=True)
class View:
    """One view: what one row is, what it is asked with, and words for its columns."""

    name: str
    row: str
    parameters: tuple[str, ...]
    columns: Mapping[str, str]
    """What they are, of those of which it is written down."""

    @property
    def comment(self) -> str:
        """What ClickHouse keeps with it."""
        named = ", ".join(f"{name} = …" for name in self.parameters)
        return f"One row is {self.row}." + (f" Ask it as {self.name}({named})." if named else "")


@cache
def views() -> Mapping[str, View]:
    """Return every view by name, in the order of the file."""
    told = tomllib.loads((resources.files(__package__) / "views.toml").read_text("utf-8"))
    return {
        name: View(
            name, row, tuple(told["parameters"].get(name, ())), {**told["columns"], **_fields(name), **_metrics(name)}
        )
        for name, row in told["views"].items()
    }


def in_words(metric: Metric) -> str:
    """Return a metric's label, definition and unit, and which way is good, in a line."""
    good = f"; {metric.better} is good" if metric.better else ""
    return f"{metric.label}: {metric.definition} ({metric.unit}{good})"


def _metrics(view: str) -> dict[str, str]:
    return {metric.name: in_words(metric) for metric in metrics().values() if view in metric.views}


def _fields(view: str) -> dict[str, str]:
    if view not in RECORDS:
        return {}
    return {field["name"]: field["doc"] for field in newest(RECORDS[view]).record["fields"] if "doc" in field}
