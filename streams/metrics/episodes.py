"""What goes on for a while, and is told when it begins, grows worse and is over: after a rest, so that it does not flap."""

from typing import Final

from mypy_extensions import mypyc_attr

from streams.metrics.threads import Row

REST: Final = 15
"""Minutes without it that end it."""


@mypyc_attr(acyclic=True)
class Episode:
    """One time that it goes on. Times are minutes since 1970."""

    __slots__ = ("baseline", "ended", "first", "last", "number", "spread", "value")

    def __init__(self, number: int, first: int, last: int) -> None:
        self.number = number
        """What of it."""
        self.first = first
        self.last = last
        """The last minute of it so far."""
        self.ended = False
        self.value = 0.0
        """The worst so far; and what it is measured by."""
        self.baseline = 0.0
        self.spread = 0.0

    def row(self) -> Row:
        """Return what is kept of one that has not ended."""
        return (self.number, self.first, self.last, self.value, self.baseline, self.spread)

    @staticmethod
    def from_row(row: Row) -> "Episode":
        """Return the episode of a row."""
        episode = Episode(row[0], row[1], row[2])
        episode.value, episode.baseline, episode.spread = row[3], row[4], row[5]
        return episode


class Episodes:
    """Those of one account."""

    __slots__ = ("changed", "firing")

    def __init__(self) -> None:
        self.firing: dict[int, Episode] = {}
        """By number."""
        self.changed: dict[tuple[int, int], Episode] = {}
        """By number and first minute, what has not been said: each once, as it stands in the end."""

    def rows(self) -> list[Row]:
        """Return what is kept."""
        return [episode.row() for episode in self.firing.values()]

    def hold(self, rows: list[Row]) -> None:
        """Take in what was kept."""
        for row in rows:
            episode = Episode.from_row(row)
            self.firing[episode.number] = episode

    def go_on(self, number: int, first: int, minute: int) -> Episode:
        """Return the episode that a minute is in; a new one begins with the minute ``first``."""
        self.end(number, minute)
        episode = self.firing.get(number)
        if episode is None:
            episode = self.firing[number] = self.changed[number, first] = Episode(number, first, minute)
        episode.last = minute
        return episode

    def worsen(self, episode: Episode, value: float, baseline: float, spread: float) -> None:
        """Note the worst so far."""
        episode.value, episode.baseline, episode.spread = value, baseline, spread
        self.changed[episode.number, episode.first] = episode

    def end(self, number: int, upto: int) -> None:
        """End the episode if for a whole rest, all of it over before the minute ``upto``, it did not go on."""
        episode = self.firing.get(number)
        if episode is not None and episode.last + REST < upto:
            episode.ended = True
            del self.firing[number]
            self.changed[number, episode.first] = episode
