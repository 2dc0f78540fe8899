"""X, by API v2: its Activity API's stream, its filtered stream, or asking again and again (docs/connectors/x.md).

Neither stream has a cursor. So after each connection what came meanwhile is asked for: mentions of each account and its own
posts, each behind the last that was seen. Where the plan has no stream, that is all there is.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from streams.connectors.live import ALIVE, ConnectorSettings, Gap, Received
from streams.connectors.pacing import Budget
from streams.connectors.session import Headers, NotThereError, Parameters, Session, lines
from streams.connectors.walking import DAY, FOREVER, Walk
from streams.connectors.x_reading import EndedError, Reading
from streams.connectors.x_standing import RULES, SUBSCRIPTIONS, keep_rules, keep_subscriptions, rules
from streams.http_answers import RefusedError, UnavailableError
from streams.tables import Texts

EVENTS: Final = ("post.create", "post.delete", "post.mention.create", "post.reply.create", "post.quote.create")
PEOPLE: Final = 100
"""Users that may be asked for at once."""
RECENT: Final = 7 * DAY - 600_000
"""ms that recent search goes back, less some minutes in which it is asked."""
_DOUBLINGS: Final = 6
"""From 5 s to 320, as X's documentation has it …"""
_AFTER_LIMIT: Final = 12
"""… but after 429 from 60 s on (https://docs.x.com/x-api/fundamentals/consuming-streaming-data)."""
_STREAMS: Final = {"activity": "/2/activity/stream", "filtered": "/2/tweets/search/stream"}
_WHOLE: Final[Parameters] = {
    "tweet.fields": "author_id,conversation_id,created_at,edit_history_tweet_ids,entities,in_reply_to_user_id,lang,"
    "note_tweet,public_metrics,referenced_tweets",
    "expansions": "author_id,referenced_tweets.id",
    "user.fields": "public_metrics,username",
}
"""What is asked for of a post."""


class XSettings(ConnectorSettings):
    """``type = "x"``."""

    type: Literal["x"]
    accounts: tuple[Annotated[str, Field(pattern=r"^x:\d{1,19}$")], ...] = Field(
        min_length=1, description="the brand accounts, x:USER_ID"
    )
    token_file: Path | None = Field(None, description="a file with the app's bearer token")
    token_env: str | None = Field(None, description="the same in a variable")
    way: Literal["activity", "filtered", "poll"] = Field(
        "activity", description="activity and filtered are streams, of which an app has one; poll asks again and again"
    )
    events: Texts = Field(EVENTS, description="of activity: what is subscribed to for each account")
    history: Literal["timelines", "recent", "all"] = Field(
        "timelines", description="of a backfill: what is asked, the timelines, recent search or the full archive"
    )
    backfill_minutes: int = Field(0, ge=0, le=5, description="what a stream tells again after a disconnection")
    poll_seconds: float = Field(60, gt=0, le=3600, description="of poll: how often it asks")
    heartbeat_seconds: float = Field(45, gt=0, le=600, description="a stream that is silent for so long is dead")
    retry_seconds: float = Field(5, gt=0, le=60, description="the first wait after an HTTP error; it doubles")
    requests_per_15_minutes: int = Field(450, ge=10, description="no more requests than this")
    address: str = Field("https://api.x.com", pattern=r"^https?://[^\s/]+$", description="where the API is")
    needs = ("token",)


class X:
    """What one app sees of its accounts."""

    network: ClassVar[str] = "x"
    settings: ClassVar[type[ConnectorSettings]] = XSettings

    def __init__(self, settings: XSettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets
        self._ids = [account.partition(":")[2] for account in settings.accounts]
        self._failures = 0
        """Answers in a row that were errors."""

    @staticmethod
    def budget(settings: XSettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(settings.requests_per_15_minutes, 900.0)

    async def check(self) -> str:
        """Return in words whom the token sees; and ask for what its way needs."""
        try:
            people = await self._people()
            if self._settings.way != "poll":
                await self.get({"activity": SUBSCRIPTIONS, "filtered": RULES}[self._settings.way])
        except NotThereError as error:
            raise UnavailableError(str(error)) from None
        seen = [f"x:{number} (@{people[number]})" if number in people else f"not x:{number}" for number in self._ids]
        return f"the token sees {', '.join(seen)}"

    def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what happens to the accounts; see :class:`streams.connectors.live.Connector`."""
        return self._explained(self._received(cursor), f'way = "{self._settings.way}"')

    def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what X tells of since then; see :class:`streams.connectors.live.Historic`."""
        return self._explained(self._walked(since, cursor), f'history = "{self._settings.history}"')

    async def _explained(self, received: AsyncIterator[Received], how: str) -> AsyncIterator[Received]:
        try:
            async with aclosing(received) as items:  # type: ignore[type-var]
                async for it in items:
                    yield it
        except EndedError:
            raise
        except UnavailableError as error:
            raise UnavailableError(str(error), self._wait(error.pause)) from None
        except NotThereError as error:
            raise UnavailableError(str(error), self._wait(0.0)) from None
        except RefusedError as error:
            raise RefusedError(f"{error}, {how}") from None

    async def get(self, path: str, parameters: Parameters | None = None) -> Any:  # noqa: ANN401 - any JSON
        """Return what X answers; raises as :meth:`Session.get`."""
        return await self._session.get(self._settings.address + path, self._headers(), parameters)

    async def posts(self, path: str, parameters: Parameters) -> Any:  # noqa: ANN401 - any JSON
        """Return a page of posts with all that is wanted of them."""
        return await self.get(path, {**_WHOLE, **parameters})

    async def send(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        """Return what X answers to a body; raises as :meth:`Session.get`."""
        return await self._session.send(method, self._settings.address + path, self._headers(), body)

    async def _received(self, cursor: str | None) -> AsyncIterator[Received]:
        people = await self._people()
        reading = Reading(self.posts, self._session.known, self._ids)
        await reading.begin(cursor)
        yield reading.received(ALIVE)
        if unseen := [f"x:{number}" for number in self._ids if number not in people]:
            yield reading.received(Gap(f"X does not show {', '.join(unseen)}"))
        tag = f"rapport/{self._session.name}"
        if self._settings.way == "activity":
            await keep_subscriptions(self, self._ids, self._settings.events, tag)
        elif self._settings.way == "filtered":
            await keep_rules(self, people, tag)
        ways = self._polled(reading) if self._settings.way == "poll" else self._streamed(reading, cursor)
        async with aclosing(ways) as received:  # type: ignore[type-var]
            async for it in received:
                yield it

    async def _walked(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        reading, how = Reading(self.posts, self._session.known, self._ids), self._settings.history
        path = f"/2/tweets/search/{how}"
        searches = {} if how == "timelines" else dict.fromkeys(rules(await self._people()), path)
        oldest = time.time_ns() // 1_000_000 - RECENT if how == "recent" else 0
        if (int(cursor) if cursor else since) < oldest:
            yield Received(Gap("X's recent search goes back seven days"), str(oldest))
            cursor = str(oldest)
        read = partial(reading.between, searches=searches)
        walk = Walk(read, span=DAY if searches else FOREVER, placed=reading.placed)
        async for received in walk.history(since, cursor):
            yield received

    async def _polled(self, reading: Reading) -> AsyncIterator[Received]:
        while True:
            async for received in reading.missed():
                yield received
            yield reading.received(ALIVE)
            self._failures = 0
            await asyncio.sleep(self._settings.poll_seconds)

    async def _streamed(self, reading: Reading, cursor: str | None) -> AsyncIterator[Received]:
        heard: asyncio.Queue[bytes | Exception] = asyncio.Queue(maxsize=1_000)
        # The stream first, then what was missed: nothing falls in between.
        path = _STREAMS[self._settings.way]
        listening = asyncio.create_task(self._listen(path, heard, is_again=cursor is not None))
        try:
            if isinstance(first := await heard.get(), Exception):
                raise first
            self._failures = 0
            async for received in reading.missed():
                yield received
            while True:
                line = await heard.get()
                if isinstance(line, Exception):
                    raise line
                async for received in reading.heard(line):
                    yield received
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, path: str, heard: asyncio.Queue[bytes | Exception], *, is_again: bool) -> None:
        """Put the stream's lines into a queue, an empty one first, and at last why it ended."""
        settings = self._settings
        parameters = {} if settings.way == "activity" else dict(_WHOLE)
        if is_again and settings.backfill_minutes:
            parameters["backfill_minutes"] = settings.backfill_minutes
        try:
            address = settings.address + path
            async with self._session.stream(address, self._headers(), settings.heartbeat_seconds, parameters) as answer:
                await heard.put(b"")
                async for line in lines(answer.aiter_bytes()):
                    await heard.put(line)
            raise EndedError("the stream ended")  # noqa: TRY301 - said to the reader as all else
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader raises it
            await heard.put(error)

    async def _people(self) -> dict[str, str]:
        """Return the names of the accounts by their ids; those that X does not show are left out."""
        found: dict[str, str] = {}
        for first in range(0, len(self._ids), PEOPLE):
            page = await self.get("/2/users", {"ids": ",".join(self._ids[first : first + PEOPLE])})
            found |= {it["id"]: it["username"] for it in page.get("data") or ()}
        return found

    def _headers(self) -> Headers:
        return {"Authorization": f"Bearer {self._secrets['token']()}", "User-Agent": "Rapport"}

    def _wait(self, pause: float) -> float:
        self._failures += 1
        return left_alone(self._failures, self._settings.retry_seconds, pause)


def left_alone(failures: int, first: float, pause: float) -> float:
    """Return how long to leave X alone after so many errors in a row, seconds.

    ``first``: after the first of them; ``pause``: how long X asks for, which it does after 429 alone.
    """
    first *= _AFTER_LIMIT if pause else 1
    return max(pause, first * 2.0 ** min(failures - 1, _DOUBLINGS))
