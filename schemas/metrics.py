"""The catalogue of metrics: ``metrics.toml``, parsed. Whoever shows a number takes its words from here."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Metric:
    """One metric, as ``metrics.toml`` says it; that file explains the fields."""

    name: str
    label: str
    definition: str
    unit: str
    better: str
    section: str
    views: tuple[str, ...]
    counted: str = ""
    facts: str = ""
    when: str = ""
    where: str = ""
    value: str = "count()"
    over: tuple[str, ...] = ()
    under: tuple[str, ...] = ()


@cache
def metrics() -> Mapping[str, Metric]:
    """Return every metric by name, in the order of the file."""
    text = (resources.files(__package__) / "metrics.toml").read_text("utf-8")
    found = {}
    for name, fields in tomllib.loads(text).items():
        for key in ("views", "over", "under"):
            fields[key] = tuple(fields.get(key, ()))
        found[name] = Metric(name, **fields)
    return found
