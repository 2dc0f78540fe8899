"""What is agreed for an account: how soon to answer, when it is at work, and how long an event may be late. All in milliseconds."""

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from schemas.codec import Record
from streams.metrics.calendars import Calendar

MINUTE: Final = 60_000
_HOST: Final = re.compile(r"^(?:(?:[a-z][a-z0-9+.-]*:)?//)?(?:[^/?#@]*@)?([^/?#:]*).*$", re.DOTALL)
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class Rule(NamedTuple):
    """A target for some of an account's mentions; times in milliseconds."""

    name: str
    target: int
    """What it opens is to be answered within this business time."""
    fits: Callable[[Record], bool]
    """Whether it is for a mention (an Interaction)."""


class Targets(NamedTuple):
    """What the metrics of one account depend on; times in milliseconds."""

    target: int = HOUR
    """A turn is to be answered within this business time (the SLA), unless a rule is for its first message."""
    lateness: int = DAY
    """An event that comes later than this after it was published no longer changes turns and panes."""
    expiry: int = 7 * DAY
    """A turn that is unanswered for so long has expired; a thread silent for so long is over."""
    calendar: Calendar | None = None
    """When it is at work. None: around the clock, and nobody else has a calendar either."""
    rules: Sequence[Rule] = ()
    """Targets of their own for some mentions; the first rule that fits counts."""
    sensitivity: float = 5.0
    """So many spreads above the usual is a spike; 0: nothing is."""
    slow_p90: int = 0
    """An hour is slow if nine in ten of its answers came within more than this, around the clock; 0: none is."""
    slow_sla: float = 0.0
    """An hour is slow if a smaller share of its turns met the SLA; 0: none is."""
    domains: Sequence[str] = ()
    """What belongs to the brand, in lower case: a link to one of these or below it is a link to itself."""

    def rule_of(self, mention: Record) -> str:
        """Return the name of the rule that is for a mention; empty if none is."""
        for rule in self.rules:
            if rule.fits(mention):
                return rule.name
        return ""

    def are_own(self, links: Sequence[str]) -> bool:
        """Say whether one of the links leads to a domain of the brand."""
        hosts = [_HOST.sub(r"\1", link.lower()) for link in links]
        return any(host == domain or host.endswith("." + domain) for host in hosts for domain in self.domains)

    def target_of(self, name: str) -> int:
        """Return the target of a rule, ms; the account's own for "" and for a rule that is agreed no longer."""
        for rule in self.rules:
            if rule.name == name:
                return rule.target
        return self.target


DEFAULT_TARGETS: Final = Targets()
