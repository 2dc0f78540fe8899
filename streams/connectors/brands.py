"""The simulated brands: how busy each is, and whether and when it answers."""

import math
from dataclasses import dataclass
from random import Random
from typing import Final

from streams.connectors import phrases
from streams.connectors.truth import Story
from streams.metrics.targets import DAY, HOUR, MINUTE

SECOND: Final = 1000

THURSDAY: Final = 3
"""The first of January 1970."""
_BY_HOUR: Final = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 13, 14, 14, 13, 13, 13, 14, 15, 15, 14, 12, 8, 4)
_BY_DAY: Final = (11, 10, 10, 10, 11, 8, 7)
_MEAN: Final = sum(_BY_HOUR) * sum(_BY_DAY) / (24 * 7)
WEEK: Final = tuple(by_day * by_hour / _MEAN for by_day in _BY_DAY for by_hour in _BY_HOUR)
"""How busy each hour of the week is, from Monday 00:00 UTC; 1 is the mean."""


@dataclass(slots=True)
class Brand:
    """One brand account and how it behaves."""

    account: str
    network: str
    name: str
    rate: float
    """Stories per ms, the mean over the week."""
    answers: float
    """Share of its turns that it answers; 0: a silent brand."""
    median: float
    """Median time to answer, ms; times are log-normal."""
    spread: float
    """Standard deviation of the logarithm of the time to answer."""
    opens: int
    """Hour (UTC) at which its people come, Monday to Friday; they answer until ``closes``. 0 to 24: always there."""
    closes: int
    acknowledges: bool
    """A machine says 'thanks for your message' at once."""
    public: int
    """How many contacts it has."""
    broadcast: Story | None = None
    """Its latest."""

    def answer_time(self, at: int, random: Random) -> int | None:
        """Return when the brand answers what was written ``at``; None: never."""
        if random.random() >= self.answers:
            return None
        answered_at = at + 30 * SECOND + int(random.lognormvariate(math.log(self.median), self.spread))
        if self.opens == 0:
            return answered_at
        day, time_of_day = divmod(answered_at, DAY)
        if (day + THURSDAY) % 7 < 5 and self.opens * HOUR <= time_of_day < self.closes * HOUR:  # noqa: PLR2004
            return answered_at
        day += time_of_day >= self.opens * HOUR
        while (day + THURSDAY) % 7 >= 5:  # noqa: PLR2004 - Saturday and Sunday
            day += 1
        return day * DAY + self.opens * HOUR + int(random.random() * HOUR)


def make_brand(index: int, stories_per_hour: float, random: Random) -> Brand:
    """Make up a brand: every fifth is silent, every second keeps office hours, every third has a machine answer."""
    network = phrases.NETWORKS[index % len(phrases.NETWORKS)]
    name = phrases.BRANDS[index % len(phrases.BRANDS)]
    if index >= len(phrases.BRANDS):
        name += str(index)
    weight = random.lognormvariate(0, 0.7) / math.exp(0.245)  # mean 1
    in_office = index % 2 == 1
    return Brand(
        account=f"{network}:{name}",
        network=network,
        name=name,
        rate=stories_per_hour * weight / HOUR,
        answers=0.0 if index % 5 == 4 else 0.6 + 0.38 * random.random(),  # noqa: PLR2004 - the fifth
        median=random.uniform(5, 30) * MINUTE if index % 3 else random.uniform(1, 4) * HOUR,
        spread=random.uniform(0.6, 1.3),
        opens=8 if in_office else 0,
        closes=18 if in_office else 24,
        acknowledges=index % 3 == 2,  # noqa: PLR2004 - the third
        public=1 + int(20_000 * weight),
    )
