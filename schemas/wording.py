"""Numbers as people say them, wherever one is shown: in the terminal, in a report, on the page, in a message."""

from datetime import datetime
from typing import Final

NOTHING: Final = "·"


def duration(seconds: float | None) -> str:
    """Say a time span as people do: 9.9 s, 14 min, 3 h 12 m, 29 h, 2 d 04 h."""
    if seconds is None:
        return NOTHING
    if seconds < 99.5:  # noqa: PLR2004 - up to 99 s are said in seconds
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - and few of them more finely
    minutes = round(seconds / 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 10:  # noqa: PLR2004 - from there on minutes do not matter
        return f"{hours} h {minutes:02} m"
    if hours < 48:  # noqa: PLR2004 - two days
        return f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours:02} h" if days < 10 else f"{days:,} d"  # noqa: PLR2004 - the same again


def share(value: float | None) -> str:
    """Say a share as percent."""
    return NOTHING if value is None else f"{value:.0%}"


def figure(value: object, unit: str) -> str:
    """Say the value of a metric with its unit, as ``schemas/metrics.toml`` has it."""
    if value is None:
        return NOTHING
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if not isinstance(value, int | float):
        return str(value)
    if unit == "share":
        return share(value)
    if unit == "seconds":
        return duration(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def measured(kind: str, subject: str, value: float, baseline: float) -> str:
    """Return what an alert with a value has found, and what it is measured by."""
    words = subject.replace("_", " ")
    match kind, subject:
        case "slow", "sla":
            return f"{value:.0%} of an hour's turns answered in time, agreed {baseline:.0%}"
        case "slow", _:
            return f"one of ten answers of an hour took over {value / 60:.0f} min, agreed {baseline / 60:.0f} min"
        case "plant", "dead_letters":
            return f"{value:.0f} {words} within 5 minutes, limit {baseline:.0f}"
        case "plant", _:
            return f"{words}: {value:.0f} s, limit {baseline:.0f} s"
        case _:
            return f"{value:.0f} {words} in 15 minutes, usually {baseline:.0f}"
