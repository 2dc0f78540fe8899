"""How many replies say what others say as well: those of a window whose template was used three times or more in it.

Each reply counts in its minute; besides, the latest two uses of a template count one less and the third latest two more. So the
last of them alone come to nothing, two as well, and three or more to themselves: in every window that ends now, as a sum of panes.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Final

from streams.metrics.counters import TEMPLATED_REPLIES, add_one
from streams.metrics.panes import WINDOWS, Panes

_BESIDES: Final = (-1, -1, 2)
"""What the latest uses count besides, the latest first."""
_LONGEST: Final = WINDOWS[-1][1]


class Templates:
    """When each template was used."""

    def __init__(self) -> None:
        self.minutes: dict[int, list[int]] = {}
        """The minutes of its uses, in order."""

    def count(self, panes: Panes, template: int, minute: int, sign: int) -> None:
        """Count a use in a minute, or with sign -1 one that is withdrawn."""
        minutes = self.minutes.setdefault(template, [])
        before = minutes[: -len(_BESIDES) - 1 : -1]
        if sign > 0:
            insort(minutes, minute)
        elif minute in minutes:
            minutes.remove(minute)
        add_one(panes.at(minute), TEMPLATED_REPLIES, sign)
        after = minutes[: -len(_BESIDES) - 1 : -1]
        if before != after:
            _count(panes, before, -1)
            _count(panes, after, 1)
        if not minutes:
            del self.minutes[template]
        elif minutes[0] < minutes[-1] - _LONGEST:  # no window holds it any more
            del minutes[: bisect_left(minutes, minutes[-1] - _LONGEST)]

    def forget(self, minute: int) -> None:
        """Drop the templates that nobody has used since a minute."""
        for template in [template for template, minutes in self.minutes.items() if minutes[-1] < minute]:
            del self.minutes[template]


def _count(panes: Panes, latest: Sequence[int], sign: int) -> None:
    for minute, amount in zip(latest, _BESIDES, strict=False):
        add_one(panes.at(minute), TEMPLATED_REPLIES, sign * amount)
