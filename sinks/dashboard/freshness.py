"""How true the page is, and how it says so."""

from dataclasses import dataclass
from typing import Final

from schemas.wording import duration

STALE_SECONDS: Final = 10
"""A look succeeds several times a second."""
BEHIND_SECONDS: Final = 120
"""Figures are a minute old at most, and some seconds on their way: those that are so old say that something is behind."""


@dataclass(frozen=True)
class Freshness:
    """How true the page is."""

    looked_at: float
    """When ClickHouse answered last, seconds since 1970; 0: never."""
    newest: float | None
    """When the newest event that is in ClickHouse was received; None: none in the last day."""
    measured: float | None = None
    """Up to when the newest figures are; None: none have come in the last hour."""


def stale(fresh: Freshness, now: float, *, still: bool = False) -> str:
    """Say in what way the page is not true any more; empty: it is. ``static/shared.js`` says the same.

    ``still``: nothing comes in, as where a replay has left its data, so no figure is too old.
    """
    if not fresh.looked_at:
        return "no answer from ClickHouse yet"
    if now - fresh.looked_at > STALE_SECONDS:
        return f"data {duration(now - fresh.looked_at)} old: ClickHouse does not answer"
    since = fresh.measured or fresh.newest
    if not still and since is not None and now - since > BEHIND_SECONDS:
        return f"figures {duration(now - since)} old: worker or sink is behind"
    return ""
