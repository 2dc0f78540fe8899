"""What the answer of somebody else's server means: done, try again and when, or never. For receivers and connectors alike."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

LONGEST_PAUSE: Final = 3600.0
"""Nobody may ask for a longer pause, seconds."""
_TRY_AGAIN: Final = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class UnavailableError(Exception):
    """It was not done, or nobody knows: try again."""

    def __init__(self, why: str, pause: float = 0.0) -> None:
        super().__init__(why)
        self.pause = pause
        """Seconds for which the server asks to be left alone."""


class RefusedError(Exception):
    """It will not be done however often it is asked for."""


def raise_if_unavailable(status: int, headers: Mapping[str, str]) -> None:
    """Raise :class:`UnavailableError` if another try may help after an answer of this status."""
    if status in _TRY_AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise UnavailableError(f"HTTP {status}", pause_of(headers.get("Retry-After", "")))


def pause_of(said: str) -> float:
    """Return what a Retry-After asks for, seconds: a number of them, or a date."""
    try:
        pause = float(said)
    except ValueError:
        try:
            pause = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(pause, 0.0), LONGEST_PAUSE)
