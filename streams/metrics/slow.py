"""When an hour's answers come later than was agreed (docs/metrics.md, "Slow hours").

The hour up to each minute is looked at once that minute is over. It costs two comparisons as long as too little has happened in it.
"""

from itertools import pairwise
from typing import Final

from streams.metrics.counters import RESPONSE_SAMPLES, SLA_MET, SLA_MISSED, Tally
from streams.metrics.episodes import Episodes
from streams.metrics.histogram import quantiles
from streams.metrics.panes import WINDOWS, Panes

RESPONSE_P90: Final = 0
SLA: Final = 1
FIGURES: Final = {RESPONSE_P90: "response_p90", SLA: "sla"}
"""What is looked at, as it is called among the metrics."""
AT_LEAST: Final = 20
"""Turns: with fewer of them in the hour, one or two late answers would make it slow."""
_WINDOW: Final = 1
_HOUR: Final = WINDOWS[_WINDOW][1]


class Slow(Episodes):
    """The slow hours of one account, by figure."""

    __slots__ = ()

    def look(self, panes: Panes, upto: int, response_p90: int, sla: float) -> None:
        """Look at every minute from the panes' own to the one before ``upto``, which are over; those that the clock skips as well.

        ``response_p90``: ms above which the hour's is slow; ``sla``: a smaller share of SLA met is slow. 0: nothing is.
        """
        if not self.firing and not response_p90 and not sla:
            return
        panes.merge()
        now, hour = panes.now, panes.windows[_WINDOW]
        if upto > now + 1:
            hour = self._skip(panes, upto, response_p90, sla)
            now = upto - 1
        self._judge(hour, now, now, response_p90, sla)
        for number in FIGURES:
            self.end(number, upto)

    def _skip(self, panes: Panes, upto: int, response_p90: int, sla: float) -> Tally:
        """Look at the minutes before the last one that is over, and return the hour up to that."""
        now, hour = panes.now, panes.windows[_WINDOW].copy()
        held = panes.held_between(now - _HOUR, upto - 1)
        turns = {now, *held, *[minute + _HOUR for minute in held], upto - 1}
        turning = sorted([minute for minute in turns if now <= minute < upto])
        for minute, following in pairwise(turning):
            self._judge(hour, minute, following - 1, response_p90, sla)
            for changed, sign in ((following - _HOUR, -1), (following, 1)):
                hour.add(panes.counts(changed), sign)
        return hour

    def _judge(self, hour: Tally, minute: int, last: int, response_p90: int, sla: float) -> None:
        """Note whether the hour up to a minute is slow; up to the minute ``last`` it stays the same."""
        counters = hour.counters
        if response_p90 and counters[RESPONSE_SAMPLES] >= AT_LEAST:
            (value,) = quantiles(hour.response_times(), (0.9,))
            if value is not None and value * 1000 > response_p90:
                self._note(RESPONSE_P90, minute, last, value, response_p90 / 1000)
        met = counters[SLA_MET]
        decided = met + counters[SLA_MISSED]
        if sla and decided >= AT_LEAST and met < sla * decided:
            self._note(SLA, minute, last, met / decided, sla)

    def _note(self, number: int, minute: int, last: int, value: float, agreed: float) -> None:
        slow = self.go_on(number, minute, minute)
        slow.last = last
        if slow.first == minute or (value > slow.value if number == RESPONSE_P90 else value < slow.value):
            self.worsen(slow, value, agreed, 0.0)
