"""The catalogue of metrics: ``metrics.toml``, parsed. Whoever shows a number takes its words from here."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple


class Metric(NamedTuple):
    """One metric, as ``metrics.toml`` says it; that file explains the fields."""

    name: str
    label: str
    definition: str
    unit: str
    better: str
    section: str
    views: tuple[str, ...]
    counted: str = ""


@cache
def metrics() -> Mapping[str, Metric]:
    """Return every metric by name, in the order of the file."""
    text = (resources.files(__package__) / "metrics.toml").read_text("utf-8")
    return {
        name: Metric(name, **{**fields, "views": tuple(fields["views"])})
        for name, fields in tomllib.loads(text).items()
    }
