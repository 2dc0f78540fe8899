"""How often a network is asked: pauses after failures, a budget of requests, and when to leave it alone. No clock: times come in.

All times are seconds of one monotonic clock.
"""

from dataclasses import dataclass
from typing import Final, Literal


def full_jitter(failures: int, first: float, longest: float, chance: float) -> float:
    """Return how long to wait after so many failures in a row (1 or more): anything up to a bound that doubles each time.

    Full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015): those that failed together do not come back together.
    ``chance``: uniform in [0, 1).
    """
    bound = longest if failures > _DOUBLINGS else min(longest, first * 2.0 ** (failures - 1))
    return chance * bound


_DOUBLINGS: Final = 60
"""After so many the bound has been the longest for long, and a float would overflow in the end."""


class Budget:
    """A token bucket: ``requests`` in ``seconds``, all at once or one after the other."""

    def __init__(self, requests: int, seconds: float) -> None:
        self._capacity, self._rate = float(requests), requests / seconds
        self._tokens, self._at = float(requests), 0.0
        self._paused_until = 0.0

    def part(self, share: float) -> "Budget":
        """Return a budget that is a share of this one, more than 0 and at most 1."""
        return Budget(max(1, int(self._capacity * share)), self._capacity / self._rate)

    def take(self, now: float) -> float:
        """Take one, in advance if there is none; return how long to wait before it may be used."""
        self._tokens = min(self._capacity, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = max(self._at, now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate, self._paused_until - now)

    def pause(self, now: float, seconds: float) -> None:
        """Let nobody ask for so long, as the network wants it."""
        self._paused_until = max(self._paused_until, now + seconds)


@dataclass
class Breaker:
    """Leaves a network alone that fails again and again: open for ``rest`` seconds, then one try, which decides.

    (Nygard, "Release It!", 2007.)
    """

    threshold: int = 6
    rest: float = 300.0
    failures: int = 0
    """In a row."""
    opened_at: float | None = None

    def failed(self, now: float) -> bool:
        """Take in a failure; say whether it has opened with it."""
        self.failures += 1
        was_closed = self.opened_at is None
        if self.failures >= self.threshold:
            self.opened_at = now
            return was_closed
        return False

    def succeeded(self) -> None:
        """Close it."""
        self.failures, self.opened_at = 0, None

    def wait(self, now: float) -> float:
        """Return for how long it stays open."""
        return 0.0 if self.opened_at is None else max(0.0, self.opened_at + self.rest - now)

    @property
    def state(self) -> Literal["closed", "open"]:
        """How it is; an open one lets a try through when :meth:`wait` is over."""
        return "closed" if self.opened_at is None else "open"
