"""What a list does not show any more although it has all of its place: it is gone once the network says so of it itself.

Lists move while they are read, leave out what somebody hides, and may be a little behind. So what is remembered and not listed is
asked for by itself, so many at once; what is there nonetheless is not asked for again.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Final

from streams.connectors.live import Deletion, Known
from streams.connectors.session import NotThereError, Session
from streams.connectors.values import Recent
from streams.http_answers import RefusedError

MOST_ASKED: Final = 20
"""Things that are asked for by themselves at once; the others the next time."""
_REMEMBERED: Final = 20_000
"""Things that are in no list and there nonetheless."""

_GONE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)

Missing = Callable[[str, Known], bool]
"""Says whether a post, by its key, would be in what was listed, and is not."""


class Absence:
    """What one connection finds to be gone."""

    def __init__(
        self, session: Session, ask: Callable[[str, Known], Awaitable[object]], *, takes_below: bool = True
    ) -> None:
        """``ask``: asks for a post, by its key; raises :class:`NotThereError`, with the status 404 or 410 if it is gone.

        ``takes_below``: what begins a conversation takes all of it away.
        """
        self._session, self._ask, self._takes_below = session, ask, takes_below
        self.is_unfinished = False
        """The last time, more was missing than is asked for at once."""
        self._there: Recent[str, None] = Recent(_REMEMBERED)

    async def gone(self, since: int, is_missing: Missing) -> AsyncIterator[Deletion]:
        """Yield what is gone of all that is remembered and was published from ``since`` on, ms: answers before what they answer.

        Raises as ``ask`` does, but for what is refused: of that nobody knows whether it is there.
        """
        remembered = dict(self._session.remembered(since))
        asked, gone = 0, set[str]()
        self.is_unfinished = False
        for key, known in remembered.items():
            if key in gone or key in self._there or not is_missing(key, known):
                continue
            if asked == MOST_ASKED:
                self.is_unfinished = True
                return
            asked += 1
            if await self._is_there(key, known):
                self._there[key] = None
                continue
            below = remembered.items() if self._takes_below else ()
            # if this ends before what began it, that is asked for again
            for it in (*(it for it, other in below if other.conversation_id == known.id and it != key), key):
                if it not in gone:
                    gone.add(it)
                    yield Deletion(it, time.time_ns() // 1_000_000)

    async def _is_there(self, key: str, known: Known) -> bool:
        try:
            await self._ask(key, known)
        except NotThereError as error:
            return error.status not in _GONE
        except RefusedError:
            return True
        return True
