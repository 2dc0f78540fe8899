"""What is agreed for an account: how soon to answer, when it is at work, and how long an event may be late. All in milliseconds."""

from typing import Final, NamedTuple

from streams.metrics.calendars import Calendar

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class Targets(NamedTuple):
    """What the metrics of one account depend on; times in milliseconds."""

    target: int = HOUR
    """A turn is to be answered within this business time (the SLA)."""
    lateness: int = DAY
    """An event that comes later than this after it was published no longer changes turns and panes."""
    expiry: int = 7 * DAY
    """A turn that is unanswered for so long has expired; a thread silent for so long is over."""
    calendar: Calendar | None = None
    """When it is at work. None: around the clock, and nobody else has a calendar either."""


DEFAULT_TARGETS: Final = Targets()
