"""Comments on a channel's videos, by the YouTube Data API (docs/connectors/youtube.md).

It has no list of what has changed. So the newest threads are asked for again and again and compared with what was seen, and older
ones now and then; the replies of a thread when their number has changed and they are more than come with it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple

from pydantic import Field

from streams.connectors.absence import Absence, Missing
from streams.connectors.live import ALIVE, ConnectorSettings, Gap, Item, Known, Received
from streams.connectors.memory import KEPT
from streams.connectors.pacing import Budget
from streams.connectors.session import NotThereError, Session
from streams.connectors.values import MALFORMED, Recent
from streams.connectors.walking import DAY, Walk
from streams.connectors.window import Change, Window
from streams.connectors.youtube_comments import NOW, Comment, Comments, Thread, reply_of, thread_of
from streams.http_answers import LONGEST_PAUSE, RefusedError, UnavailableError

API: Final = "https://www.googleapis.com/youtube/v3"
PAGE: Final = 100
MOST_PAGES: Final = 20
"""Of threads that are asked for to find what was seen before, or of replies to one comment."""
REMEMBERED: Final = 20_000
"""Comments that came late and concern nobody, as far as this process knows."""
_SPENT: Final = {"quotaExceeded", "dailyLimitExceeded"}
_TOO_FAST: Final = {"rateLimitExceeded", "userRateLimitExceeded"}


class YouTubeSettings(ConnectorSettings):
    """``type = "youtube"``."""

    type: Literal["youtube"]
    key_file: Path | None = Field(None, description="a file with the API key")
    key_env: str | None = Field(None, description="the same in a variable")
    poll_seconds: float = Field(60, gt=0, le=86400, description="how often each channel is asked for")
    threads: int = Field(
        100, ge=1, le=2000, description="how many of each channel's newest threads are looked at; each 100 take a unit"
    )
    recheck_threads: int = Field(
        2000, ge=0, le=20_000, description="so many of each channel's newest threads are looked through for replies …"
    )
    recheck_seconds: float = Field(3600, gt=0, le=86_400, description="… so often; each 100 take a unit")
    units_per_day: int = Field(10_000, ge=100, description="the quota of the project; no more is used")
    api: str = Field(API, pattern=r"^https?://\S*[^\s/]$", description="where the API is")
    needs = ("key",)


class YouTube:
    """The comments of one or several channels."""

    network: ClassVar[str] = "youtube"
    settings: ClassVar[type[ConnectorSettings]] = YouTubeSettings

    def __init__(self, settings: YouTubeSettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets
        self.absence = Absence(session, self._one)

    @staticmethod
    def budget(settings: YouTubeSettings) -> Budget:
        """Return how much may be asked for: a tenth of the quota at once, and the rest over the day."""
        return Budget(settings.units_per_day // 10, 86_400 / 9)

    async def check(self) -> str:
        """Return in words what the channels are."""
        handles = await self.handles()
        return f"the channels of {', '.join(sorted(handles)) or 'nobody'}"

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what is new below the videos; see :class:`streams.connectors.live.Connector`."""
        reading = _Reading(self, self._settings, self._session, Comments(await self.handles()))
        reading.begin(cursor)
        for channel in sorted(reading.channels - reading.windows.keys()):
            await reading.start(channel)
        yield reading.received(ALIVE)
        while True:
            async for received in reading.look():
                yield received
            yield reading.received(ALIVE)
            await asyncio.sleep(self._settings.poll_seconds)

    async def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what was written below the videos since then; see :class:`streams.connectors.live.Historic`."""
        reading = _Reading(self, self._settings, self._session, Comments(await self.handles()))
        async for received in Walk(reading.began, before=KEPT).history(since, cursor):
            yield received

    async def handles(self) -> dict[str, str]:
        """Return the accounts' channels by their handles, ``@…`` in small letters."""
        channels = ",".join(it.partition(":")[2] for it in self._settings.accounts)
        found = await self.ask("channels", part="snippet", id=channels, maxResults=50)
        return {str(it["snippet"].get("customUrl", "")).lower(): it["id"] for it in found.get("items", [])}

    async def _one(self, key: str, _: Known) -> None:
        """Ask for one comment. Raises :class:`NotThereError` if it is gone."""
        if not (await self.ask("comments", part="id", id=key)).get("items"):
            raise NotThereError("no comment", HTTPStatus.NOT_FOUND)

    async def ask(self, method: str, **parameters: str | int) -> Any:  # noqa: ANN401 - any JSON
        """Return what a method of the API answers, for one unit. Raises as :meth:`Session.get`."""
        # in an address, the key would be in the logs of whoever keeps addresses
        headers = {"X-Goog-Api-Key": self._secrets["key"](), "User-Agent": "Rapport"}
        answer = await self._session.fetch(f"{self._settings.api}/{method}", headers, parameters)
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            reasons = _reasons(answer.body)
            if reasons & _SPENT:
                raise UnavailableError("the quota of the day is used up", LONGEST_PAUSE)
            if reasons & _TOO_FAST:
                raise UnavailableError("too many requests", 60.0)
            if "API_KEY_INVALID" in reasons:
                raise RefusedError("the key is not valid")
        found = answer.json()
        if not isinstance(found, dict):
            raise UnavailableError("its answer is no object")
        return found


@dataclass
class _Reading:
    """What one connection has read."""

    api: YouTube
    settings: YouTubeSettings
    session: Session
    comments: Comments
    windows: dict[str, Window] = field(default_factory=dict)
    """By channel."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many replies there were when those of a thread were looked at, where not all of them come with it."""
    begun: dict[str, int] = field(default_factory=dict)
    """By channel: what is as old or older was there before, ms."""
    rechecked_at: int = 0
    """When older threads were looked through, ms."""
    _passed: Recent[str, None] = field(default_factory=lambda: Recent(REMEMBERED))

    @property
    def channels(self) -> set[str]:
        """The accounts', without their network."""
        return {it.partition(":")[2] for it in self.settings.accounts}

    def begin(self, cursor: str | None) -> None:
        """Go on behind a cursor."""
        if cursor:
            kept = json.loads(cursor)
            windows = kept["windows"].items()
            self.windows = {channel: Window.loads(it) for channel, it in windows if channel in self.channels}
            self.counts, self.rechecked_at = kept["counts"], kept["rechecked_at"]
            self.begun = {channel: kept["begun"][channel] for channel in self.windows}

    async def start(self, channel: str) -> None:
        """Take what is there of a channel as what was there before."""
        look = await self._threads(channel, None, self.settings.recheck_threads)
        window = self.windows[channel] = Window()
        comments = [it for thread in look.threads for it in thread.comments]
        window.begin((it.key, it.order, it.digest) for it in comments if it.order < NOW)
        for it in comments:
            if it.order == NOW:
                window.add(it.key, it.order, it.digest)
        self.begun[channel] = window.horizon
        self.counts |= {it.top.key: it.count for it in look.threads if not it.is_whole}
        self.rechecked_at = self.rechecked_at or time.time_ns() // 1_000_000

    def received(self, item: Item) -> Received:
        """Return an item with the cursor behind it."""
        windows = {channel: it.dumps() for channel, it in self.windows.items()}
        kept = {"windows": windows, "counts": self.counts, "begun": self.begun, "rechecked_at": self.rechecked_at}
        return Received(item, json.dumps(kept, separators=(",", ":")))

    async def look(self) -> AsyncIterator[Received]:
        """Yield what is new, edited or gone, in the order of its time."""
        now, least = time.time_ns() // 1_000_000, self.settings.threads
        is_recheck = now >= self.rechecked_at + self.settings.recheck_seconds * 1000
        if is_recheck:
            least = max(least, self.settings.recheck_threads)
        looks: dict[str, _Look] = {}
        counts = {} if is_recheck else dict(self.counts)
        for channel in self.windows:
            look = looks[f"youtube:{channel}"] = await self._threads(channel, self.windows[channel], least)
            if look.missed:
                yield self.received(Gap("more new comments than are asked for at once"))
            for thread in look.threads:
                counts.pop(thread.top.key, None)
                if not thread.is_whole:
                    counts[thread.top.key] = thread.count
                    if thread.count != self.counts.get(thread.top.key, 0):
                        await self._complete(thread)
            for item in self._news(channel, look.threads):
                yield self.received(item)
        async for deletion in self.api.absence.gone(0, _missing(looks)):
            yield self.received(deletion)
        self.counts, self.rechecked_at = counts, now if is_recheck else self.rechecked_at

    def _news(self, channel: str, threads: Sequence[Thread]) -> Iterator[Item]:
        """Yield what is new or edited in a channel."""
        window, now = self.windows[channel], time.time_ns() // 1_000_000
        changes = []
        for thread in threads:
            for number, it in enumerate(thread.comments):
                if change := window.change(it.key, it.order, it.digest) or self._late(channel, it, now):
                    changes.append(((it.order, number), it, thread, change))
        for _, it, thread, change in sorted(changes, key=lambda it: it[0]):
            window.add(it.key, it.order, it.digest)
            self._passed[it.key] = None
            yield self.comments.item(it, thread, now if change is Change.EDITED else 0)

    def _late(self, channel: str, comment: Comment, now: int) -> Change | None:
        """Say what a comment is that is older than what was seen last: a reply that was found late, or an edit."""
        if self.windows[channel].knows(comment.key):
            return None
        if known := self.session.known(comment.key.rpartition("/")[2]):
            return Change.EDITED if not known.is_gone and known.digest != comment.digest else None
        is_new = comment.order > max(self.begun[channel], now - KEPT + DAY)  # before that, it would be known no more
        return Change.NEW if is_new and comment.key not in self._passed else None

    async def began(self, since: int, _: int) -> AsyncIterator[Item]:
        """Yield the comments of all threads that began from ``since`` on, ms."""
        for channel in sorted(self.channels):
            async for threads, _more in self._pages(channel):
                for thread in threads:
                    if not thread.is_whole:
                        await self._complete(thread)
                    for comment in thread.comments:
                        yield self.comments.item(comment, thread, 0)
                if min((it.top.order for it in threads), default=since) < since:
                    break

    # -- asking -----------------------------------------------------------------------------------------------------------

    async def _pages(self, channel: str) -> AsyncIterator[tuple[list[Thread], bool]]:
        """Yield a channel's threads, page by page and the newest first, and whether there are more."""
        more: dict[str, str] = {}
        while True:
            answer = await self.api.ask(
                "commentThreads",
                part="snippet,replies",
                allThreadsRelatedToChannelId=channel,
                order="time",
                maxResults=PAGE,
                textFormat="plainText",
                **more,
            )
            more = {"pageToken": token} if (token := answer.get("nextPageToken")) else {}
            yield [thread_of(it) for it in answer.get("items", [])], bool(more)
            if not more:
                return

    async def _threads(self, channel: str, window: Window | None, least: int) -> "_Look":
        """Return a channel's newest threads, at least so many and all that began after what was seen in a window before."""
        found: dict[str, Thread] = {}
        page, is_seen = 0, window is None
        async for threads, has_more in self._pages(channel):
            found |= {it.top.key: it for it in threads if it.top.key not in found}
            page += 1
            is_seen = is_seen or any(_is_seen(it.top, window) for it in threads if window)
            is_enough = page * PAGE >= least
            if not has_more or (is_seen and is_enough):
                since = min(it.top.order for it in threads) + 1 if has_more else 0
                return _Look(list(reversed(found.values())), since)
            if is_enough and page >= MOST_PAGES:
                break
        return _Look(list(reversed(found.values())), NOW, missed=True)

    async def _complete(self, thread: Thread) -> None:
        """Ask for all replies of a thread."""
        found: list[Comment] = []
        token = ""
        for _ in range(MOST_PAGES):
            more = {"pageToken": token} if token else {}
            try:
                answer = await self.api.ask(
                    "comments", part="snippet", parentId=thread.top.key, maxResults=PAGE, textFormat="plainText", **more
                )
            except NotThereError:  # it has gone meanwhile
                return
            found += [reply_of(thread.top.key, it) for it in answer.get("items", [])]
            token = answer.get("nextPageToken", "")
            if not token:
                break
        thread.replies, thread.is_whole = sorted(found, key=lambda it: it.order), not token


class _Look(NamedTuple):
    """What a channel has now."""

    threads: Sequence[Thread]
    """Oldest first."""
    since: int
    """All that began from then on are among them, ms."""
    missed: bool = False
    """So are not all that began after what was seen before."""


def _missing(looks: Mapping[str, _Look]) -> Missing:
    """Return what says of a comment whether it would be in one of the looks, which are by account, and is not."""
    threads = {it.top.key: it for look in looks.values() for it in look.threads}
    replies = {it.key for thread in threads.values() for it in thread.replies}

    def is_missing(key: str, known: Known) -> bool:
        top = known.conversation_id.partition(":")[2]
        if key != top:
            return top in threads and threads[top].is_whole and f"{top}/{key}" not in replies
        return key not in threads and all(known.published_at >= looks[it].since for it in known.accounts if it in looks)

    return is_missing


def _is_seen(comment: Comment, window: Window) -> bool:
    return window.knows(comment.key) or comment.order < window.horizon


def _reasons(body: bytes) -> set[str]:
    """Return what the body of an error gives as its reasons."""
    try:
        error = json.loads(body)["error"]
        return {str(it.get("reason")) for it in (*error.get("errors", []), *error.get("details", []))}
    except MALFORMED:
        return set()
