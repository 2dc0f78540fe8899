"""Reviews, for networks that are asked for lists of them, the newest first: a review is a mention, the brand's reply its reply.

Such a list says neither what has changed nor who has answered since. So all that is not older than some days is read each time:
what is known already is left out, and what is known and not there any more is gone. After an outage it is read back to when it was
read last, and those days more.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from streams.connectors.absence import Absence
from streams.connectors.base import Rejected
from streams.connectors.live import ALIVE, Deletion, Item, Known, Post, Received
from streams.connectors.memory import KEPT
from streams.connectors.session import Session
from streams.connectors.values import MALFORMED
from streams.connectors.walking import DAY, Walk
from streams.errors import Reason

MOST_REJECTED: Final = 10_000
_MIDDLE, _STEPS = 3, 2.0


class Review(NamedTuple):
    """A review, and what was replied to it."""

    listed_at: int
    """By which the list is in order, ms."""
    posts: tuple[Post, ...]


class Source(Protocol):
    """A network's lists."""

    def pages(self, unit: str) -> AsyncIterator[list[Any]]:
        """Yield the pages of a list, the newest first; ``unit``: of which account, without its network."""

    def read(self, raw: Any, unit: str) -> Review:  # noqa: ANN401 - whatever came
        """Return what a review says. Raises one of :data:`MALFORMED`."""

    async def one(self, key: str, unit: str) -> object:
        """Ask for one review; raises as :meth:`streams.connectors.session.Session.get`."""


@dataclass
class Reading:
    """The lists of some accounts, and how far they are read."""

    source: Source
    session: Session
    units: Sequence[str]
    days: float
    """So far back they are read each time, at most as long as posts are remembered."""
    poll_seconds: float
    places: dict[str, "_Place"] = field(default_factory=dict)
    _rejected: dict[str, None] = field(default_factory=dict)
    """Digests of what was set aside: it stands in the list the next time, too."""

    def __post_init__(self) -> None:
        """Ask for reviews that are missing."""
        self._absence = Absence(self.session, lambda key, known: self.source.one(key, _unit(known)))

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield reviews and replies for ever; see :class:`streams.connectors.live.Connector`."""
        self.places = {unit: _Place(*at) for unit, at in json.loads(cursor or "{}").items() if unit in self.units}
        for unit in self.units:
            if unit not in self.places:  # what is there was there before
                self.places[unit] = _begun([it async for it in self._back(unit, self._since(unit))])
        while True:
            yield Received(ALIVE, self._cursor())
            for unit in self.units:
                place, now = self.places[unit], _now()
                since = self._since(unit)
                listed = [it async for it in self._back(unit, since)]
                for item in self._news(listed, place, now):
                    yield Received(item, self._cursor())
                async for item in self._gone(listed, unit, since):
                    yield Received(item, self._cursor())
                self.places[unit] = place._replace(read_at=now)
            yield Received(ALIVE, self._cursor())
            await asyncio.sleep(self.poll_seconds)

    def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield reviews and replies since then; see :class:`streams.connectors.live.Historic`."""
        return Walk(self._began, before=KEPT).history(since, cursor)

    async def _began(self, since: int, _: int) -> AsyncIterator[Item]:
        for unit in self.units:
            async for it in self._back(unit, since):
                for item in (it,) if isinstance(it, Rejected) else it.posts:
                    yield item

    def _since(self, unit: str) -> int:
        """Return how far back a list matters, ms."""
        place = self.places.get(unit)
        return (place.read_at if place else _now()) - round(self.days * DAY)

    async def _back(self, unit: str, since: float) -> AsyncIterator[Review | Rejected]:
        """Yield a list back to ``since``, ms."""
        async for page in self.source.pages(unit):
            oldest = 0
            for raw in page:
                try:
                    review = self.source.read(raw, unit)
                except MALFORMED as error:
                    yield _malformed(raw, unit, error)
                    continue
                oldest = review.listed_at
                yield review
            if 0 < oldest < since:
                break

    def _news(self, listed: list[Review | Rejected], place: "_Place", now: int) -> Iterator[Item]:
        """Yield what is not known, in the order of its times: a review before its reply."""
        for rejected in (it for it in listed if isinstance(it, Rejected)):
            digest = hashlib.sha256(rejected.payload).hexdigest()
            if digest not in self._rejected:
                self._rejected[digest] = None
                if len(self._rejected) > MOST_REJECTED:
                    del self._rejected[next(iter(self._rejected))]
                yield rejected
        for post in sorted(_posts(listed), key=lambda it: (it.published_at, bool(it.parent_key))):
            known = self.session.known(post.key)
            is_forgotten = post.published_at < min(now - KEPT, place.read_at - DAY)  # it was read when it was new
            if place.is_behind(post) and not is_forgotten and (known is None or known.revision < post.revision):
                yield post

    async def _gone(self, listed: list[Review | Rejected], unit: str, since: int) -> AsyncIterator[Deletion]:
        """Yield what was known and is not listed: replies to reviews that are, and reviews, with what was replied."""
        there = {post.key for post in _posts(listed)}
        reviews = {post.id for post in _posts(listed) if not post.parent_key}
        for key, known in self.session.remembered(since):
            if key not in there and known.id != known.conversation_id and known.conversation_id in reviews:
                yield Deletion(key, _now())

        def is_missing(key: str, known: Known) -> bool:
            return key not in there and known.id == known.conversation_id and _unit(known) == unit

        async for deletion in self._absence.gone(since, is_missing):
            yield deletion

    def _cursor(self) -> str:
        return json.dumps(self.places, separators=(",", ":"))


class _Place(NamedTuple):
    """How far a list is read."""

    begun: int
    """What is as old or older was there before, ms, by the network's clock, which may be wrong …"""
    there: Sequence[str]
    """… and of what is exactly as old, these keys."""
    read_at: int
    """When it was last read whole, ms, by ours."""

    def is_behind(self, post: Post) -> bool:
        return post.published_at > self.begun or (post.published_at == self.begun and post.key not in self.there)


def _begun(listed: list[Review | Rejected]) -> _Place:
    posts = _posts(listed)
    latest = max((it.published_at for it in posts), default=0)
    return _Place(latest, [it.key for it in posts if it.published_at == latest], _now())


def _unit(known: Known) -> str:
    """Return of which account a review is, without its network."""
    return known.accounts[0].partition(":")[2]


def _now() -> int:
    return time.time_ns() // 1_000_000


def _posts(listed: list[Review | Rejected]) -> list[Post]:
    return [post for it in listed if isinstance(it, Review) for post in it.posts]


def _malformed(raw: Any, unit: str, error: Exception) -> Rejected:  # noqa: ANN401 - whatever came
    why = f"it is no review ({type(error).__name__}: {str(error)[:200]})"
    return Rejected(Reason.MALFORMED_RECORD, why, f"reviews of {unit}", json.dumps(raw).encode())


# -- what reviews have in common ------------------------------------------------------------------------------------------


def reply_key(review: str, known: Callable[[str], Known | None]) -> str:
    """Return the key of what is replied to a review; where a reply is gone, which stays withdrawn, of the one in its place."""
    number, key = 1, f"{review}/reply"
    while (before := known(key)) is not None and before.is_gone:
        number += 1
        key = f"{review}/reply-{number}"
    return key


def sentiment(stars: int, text: str) -> float:
    """Return how a review without words is meant: its stars are all that its author says, 1 as bad as can be, 5 good.

    0, not known, where there are words: those are read. Raises :class:`ValueError`.
    """
    if not 1 <= stars <= 5:  # noqa: PLR2004 - so many there are
        raise ValueError(f"{stars} stars")
    return 0.0 if text else (stars - _MIDDLE) / _STEPS
