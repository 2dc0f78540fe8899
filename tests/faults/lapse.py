"""Time that passes faster than ours: minutes of a trial are hours of the simulated public."""

import time
from typing import NamedTuple, Self


class Lapse(NamedTuple):
    """Simulated time as a function of the wall clock."""

    began: float
    """Wall clock, seconds, at which …"""
    start: int
    """… it was this in the simulation, ms."""
    factor: float
    """Simulated seconds in a second."""

    def at(self, wall: float) -> int:
        """Return what time it is in the simulation, ms, at a time of the wall clock, seconds."""
        return self.start + round((wall - self.began) * 1000 * self.factor)

    def now(self) -> int:
        return self.at(time.time())

    def encode(self) -> str:
        return " ".join(map(repr, self))

    @classmethod
    def decode(cls, text: str) -> Self:
        began, start, factor = text.split()
        return cls(float(began), int(start), float(factor))
