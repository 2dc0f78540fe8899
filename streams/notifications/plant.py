"""What is wrong with the plant itself, from how far its topics and those who read them are. Pure.

A reader is late by the age of the oldest message that it has not taken in. Nobody has to look at messages to know it: the message
was there already when an earlier reading had the topic end behind it.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

ACCOUNT: Final = "rapport:plant"
"""In place of a brand account, in alerts about the plant."""
HISTORY: Final = 3_600_000
"""Readings are kept for so long, ms: something older is at least that old."""
REST: Final = 120_000
"""Trouble is over when there was none for so long, ms."""
LETTERS_WITHIN: Final = 300_000
"""Dead letters are counted over so long, ms."""

Place = tuple[str, int]
"""Topic and partition."""


class Reading(NamedTuple):
    """How far the plant is."""

    at: int
    """Of a clock that nobody puts back, ms."""
    input: Mapping[Place, int]
    """Where the partitions of the input end."""
    letters: int
    """Where the dead letters end."""
    readers: Mapping[str, Mapping[Place, tuple[int, int]]]
    """By reader, of each partition that it has ever committed: what it has taken in, and the end."""


class Limits(NamedTuple):
    """What is no trouble yet; 0: nothing is. Times in ms."""

    behind: int
    silent: int
    letters: int


class Trouble(NamedTuple):
    """Something that is wrong."""

    subject: str
    """``worker_behind``, ``sink_behind``, ``silent`` or ``dead_letters``."""
    severity: str
    since: int
    """Of the readings' clock."""
    value: float
    """Seconds, or letters; and how many are none."""
    limit: float


def subjects(readers: Sequence[str]) -> list[str]:
    """Return what may be wrong."""
    return [*(f"{reader}_behind" for reader in readers), "silent", "dead_letters"]


def troubles(readings: Sequence[Reading], limits: Limits) -> list[Trouble]:
    """Return what is wrong as of the last reading; the first is the oldest."""
    now, found = readings[-1], []
    for reader in now.readers:
        since = min((_unread_since(readings, reader, place) for place in now.readers[reader]), default=now.at)
        if limits.behind and now.at - since > limits.behind:
            found.append(_late(f"{reader}_behind", since, now.at, limits.behind))
    since = next(reading.at for reading in readings if reading.input == now.input)
    if limits.silent and now.at - since > limits.silent:
        found.append(_late("silent", since, now.at, limits.silent))
    before = next(reading for reading in readings if now.at - reading.at <= LETTERS_WITHIN)
    letters = now.letters - before.letters
    if limits.letters and letters >= limits.letters:
        found.append(Trouble("dead_letters", "warning", before.at, letters, limits.letters))
    return found


def _late(subject: str, since: int, now: int, limit: int) -> Trouble:
    return Trouble(subject, "critical", since, (now - since) / 1000, limit / 1000)


def _unread_since(readings: Sequence[Reading], reader: str, place: Place) -> int:
    """Return when the oldest message was there at the latest that a reader has not taken in; now, if it has taken in all."""
    taken, _ = readings[-1].readers[reader][place]
    for reading in readings:
        _, end = reading.readers.get(reader, {}).get(place, (0, 0))
        if end > taken:
            return reading.at
    return readings[-1].at


class Watch:
    """What was found of the plant since somebody began to watch it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._readings: list[Reading] = []
        self._firing: dict[str, Trouble] = {}
        """As it began, or as it was found by whoever began to watch."""
        self._seen: dict[str, int] = {}
        """When there was trouble last; at first, when the watch began."""
        self._over: set[str] = set()
        """What was said to be over, and nothing since."""

    def take(self, reading: Reading) -> list[tuple[Trouble, bool]]:
        """Return what fires since this reading, and what fires no more (False).

        Who begins to watch does not know what fired before: so what is well after the first rest is said to be over, once.
        """
        self._readings = [it for it in self._readings if reading.at - it.at <= HISTORY] + [reading]
        found = {it.subject: it for it in troubles(self._readings, self._limits)}
        changed = []
        for subject in subjects(list(reading.readers)):
            trouble = found.get(subject)
            if trouble is not None:
                self._seen[subject] = reading.at
                self._over.discard(subject)
                if subject not in self._firing:
                    self._firing[subject] = trouble
                    changed.append((trouble, True))
            elif reading.at - self._seen.setdefault(subject, reading.at) >= REST and subject not in self._over:
                self._over.add(subject)
                unknown = Trouble(subject, "warning", reading.at, 0, 0)
                changed.append((self._firing.pop(subject, unknown), False))
        return changed
