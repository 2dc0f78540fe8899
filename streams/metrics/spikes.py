"""When far more is said than is usual at this hour of the week (docs/metrics.md, "Spikes").

What is usual is a function of the panes: their counts by quarter hours, of which the panes that are held give the latest two
weeks and ``history`` the rest. A pane enters the history when it is forgotten and can no longer change, and whoever asks adds
both. So it makes no difference in which order events came, nor when their panes were forgotten.

Nothing here is done for an event: an account is looked at once a minute, and asks for its baseline only where enough happened.
"""

from math import sqrt
from typing import Final

from streams.metrics.counters import MENTIONS, NEGATIVE_MENTIONS, OPT_OUTS, Counts, add_all, pack, unpack
from streams.metrics.episodes import Episodes
from streams.metrics.panes import Panes

SERIES: Final = {MENTIONS: "mentions", NEGATIVE_MENTIONS: "negative_mentions", OPT_OUTS: "opt_outs"}
"""The counters that are looked at."""
LENGTH: Final = 15
"""Minutes that are looked at: those up to one that is over."""
AT_LEAST: Final = 6
"""Fewer events are no spike, however quiet it usually is."""
RATIO: Final = 1.5
"""Nor is less than this many times the usual, however steady that is."""
WEEKS: Final = 8
"""How far a baseline looks back."""
WARM_UP: Final = 2
"""Weeks that must have been seen before anything is called unusual."""
WEIGHTS: Final = [round(1000 * 0.5 ** (week / 4)) for week in range(WEEKS + 1)]
"""What a quarter hour so many weeks ago counts for, in thousandths: half of it every 4 weeks. So one odd week never moves the
median, and a change that stays has moved it after three. In whole numbers, which sum alike everywhere."""
NORMAL: Final = 1.4826
"""A standard deviation ÷ the median absolute deviation, of the normal distribution."""
_QUARTERS_A_WEEK: Final = 7 * 24 * 60 // LENGTH
_WINDOW: Final = 1
"""The rolling window that holds the 15 minutes and little more: with less than enough in it, there is nothing to look at."""

Usual = tuple[float, float]
"""The weighted median of 15 minutes, and their spread about it: the standard deviation of a normal distribution with the
same weighted median absolute deviation, but not less than a Poisson distribution's. Counts are never steadier than chance,
though a few weeks of them may look so."""


class Spikes(Episodes):
    """The spikes of one account by their counter, and what it needs to know them by."""

    __slots__ = ("_known", "history", "since")

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[int, bytes] = {}
        """Packed counts of quarter hours since 1970, from panes that are forgotten; without zeros."""
        self.since: int | None = None
        """The earliest minute that was ever counted in, once that is forgotten."""
        self._known: dict[int, tuple[int, int, Usual]] = {}
        """By counter: a quarter hour, how often panes had been revised, and what is usual then. It is the same for 15 minutes."""

    def look(self, panes: Panes, upto: int, sensitivity: float) -> None:
        """Look at every minute from the panes' own to the one before ``upto``, which are over; those that the clock skips as well.

        ``sensitivity``: so many spreads above the median is unusual; 0: nothing is.
        """
        panes.merge()
        now = panes.now
        if not self.firing:
            latest = panes.windows[_WINDOW].counters
            few = upto == now + 1 and latest[MENTIONS] < AT_LEAST and latest[OPT_OUTS] < AT_LEAST
            if few or not sensitivity or self._weeks(panes, _quarter(upto - 1)) < WARM_UP:
                return
        held = [(minute, panes.counts(minute)) for minute in panes.held_between(now - LENGTH, upto - 1)]
        for number in SERIES:
            counts = {minute: pane[number] for minute, pane in held if number in pane}
            near = {later for minute in counts for later in range(max(minute, now), min(minute + LENGTH, upto))}
            for minute in sorted(near) if sensitivity else []:
                value = sum([counts.get(earlier, 0) for earlier in range(minute - LENGTH + 1, minute + 1)])
                usual = self.usual(panes, number, minute) if value >= AT_LEAST else None
                if usual is not None and _is_above(value, usual, sensitivity):
                    self._note(number, minute, value, usual)
            self.end(number, upto)

    def usual(self, panes: Panes, number: int, minute: int) -> Usual | None:
        """Return what is usual in the 15 minutes up to ``minute``; None while too few weeks have been seen.

        It is that of the four quarter hours around them, an hour in all, in each of the weeks before.
        """
        quarter = _quarter(minute)
        known = self._known.get(number)
        if known is not None and known[0] == quarter and known[1] == panes.revised:
            return known[2]
        weeks = self._weeks(panes, quarter)
        if weeks < WARM_UP:
            return None
        samples: list[tuple[float, int]] = []
        for week in range(1, weeks + 1):
            earlier = quarter - week * _QUARTERS_A_WEEK
            samples += [(self._count(panes, number, earlier + place), WEIGHTS[week]) for place in range(4)]
        median = weighted_median(samples)
        deviation = weighted_median([(abs(count - median), weight) for count, weight in samples])
        usual = median, max(NORMAL * deviation, sqrt(median))
        self._known[number] = quarter, panes.revised, usual
        return usual

    def _weeks(self, panes: Panes, quarter: int) -> int:
        """Return how many weeks have been seen before the first of the quarter hours around a minute."""
        since = self.since if self.since is not None else panes.earliest()
        return 0 if since is None else min(WEEKS, (quarter - -(-since // LENGTH)) // _QUARTERS_A_WEEK)

    def keep(self, panes: Panes, before: int, now: int) -> None:
        """Keep what a baseline needs of the panes before a minute, which are about to be forgotten; drop what is too old for any.

        ``now``: no earlier minute will be looked at.
        """
        oldest = now // LENGTH - WEEKS * _QUARTERS_A_WEEK - 2
        for quarter in [quarter for quarter in self.history if quarter < oldest]:
            del self.history[quarter]
        minutes = [minute for minute in panes.minutes() if minute < before]
        if self.since is None and minutes:
            self.since = min(minutes)
        kept: dict[int, Counts] = {}
        for minute in minutes:
            quarter = minute // LENGTH
            if quarter >= oldest:
                pane = panes.counts(minute)
                add_all(kept.setdefault(quarter, {}), {number: pane[number] for number in SERIES if number in pane})
        for quarter, counts in kept.items():
            if counts:
                packed = self.history.get(quarter)
                self.history[quarter] = pack(counts if packed is None else add_all(unpack(packed), counts))

    def _count(self, panes: Panes, number: int, quarter: int) -> int:
        """Return what a quarter hour has counted; some of its minutes may be forgotten and others not."""
        packed = self.history.get(quarter)
        count = 0 if packed is None else unpack(packed).get(number, 0)
        for minute in range(max(quarter * LENGTH, panes.first), (quarter + 1) * LENGTH):
            count += panes.counts(minute).get(number, 0)
        return count

    def _note(self, number: int, minute: int, value: int, usual: Usual) -> None:
        """Note that the 15 minutes up to ``minute`` are above the usual."""
        spike = self.go_on(number, minute - LENGTH + 1, minute)
        if value > spike.value:
            self.worsen(spike, float(value), usual[0], usual[1])


def _quarter(minute: int) -> int:
    """Return the first of the four quarter hours around the 15 minutes up to a minute."""
    return (minute - LENGTH + 1) // LENGTH - 1


def _is_above(value: int, usual: Usual, sensitivity: float) -> bool:
    median, spread = usual
    return value >= RATIO * median and value > median + sensitivity * spread


def weighted_median(samples: list[tuple[float, int]]) -> float:
    """Return the value that half of the weight is below; the mean of two, where exactly half is."""
    total, below = sum([weight for _, weight in samples]), 0
    ordered = sorted(samples)
    for place, (value, weight) in enumerate(ordered):
        below += weight
        if 2 * below > total:
            return value
        if 2 * below == total:
            return (value + ordered[place + 1][0]) / 2
    raise ValueError("there is no median of nothing")
