"""Comments on a channel's videos, by the YouTube Data API (docs/connectors/youtube.md).

It has no list of what has changed. So the newest threads are asked for again and again and compared with what was seen; the replies
of a thread when their number has changed and they are more than come with it.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple

from pydantic import Field

from streams.connectors.base import Rejected
from streams.connectors.live import ALIVE, ConnectorSettings, Deletion, Gap, Item, Post, Received
from streams.connectors.memory import KEPT
from streams.connectors.pacing import Budget
from streams.connectors.session import NotThereError, Session
from streams.connectors.values import MALFORMED, milliseconds
from streams.connectors.walking import Walk
from streams.connectors.window import Change, Window, digest
from streams.errors import Reason
from streams.http_answers import LONGEST_PAUSE, RefusedError, UnavailableError

API: Final = "https://www.googleapis.com/youtube/v3"
PAGE: Final = 100
MOST_PAGES: Final = 20
"""Of threads, or of replies to one comment, that are asked for at once."""
_SPENT: Final = {"quotaExceeded", "dailyLimitExceeded"}
_TOO_FAST: Final = {"rateLimitExceeded", "userRateLimitExceeded"}
_HANDLE: Final = re.compile(r"@[\w.\-·]+")


class YouTubeSettings(ConnectorSettings):
    """``type = "youtube"``."""

    type: Literal["youtube"]
    key_file: Path | None = Field(None, description="a file with the API key")
    key_env: str | None = Field(None, description="the same in a variable")
    poll_seconds: float = Field(60, gt=0, le=86400, description="how often each channel is asked for")
    threads: int = Field(
        100, ge=1, le=2000, description="how many of each channel's newest threads are looked at; each 100 take a unit"
    )
    units_per_day: int = Field(10_000, ge=100, description="the quota of the project; no more is used")
    api: str = Field(API, pattern=r"^https?://\S*[^\s/]$", description="where the API is")
    needs = ("key",)


class _Comment(NamedTuple):
    """A comment of a thread: the one that began it, or a reply."""

    key: str
    """In the window: ``THREAD`` or ``THREAD/REPLY``."""
    order: int
    digest: str
    thing: Any
    """As the API has it; of a thread, the whole thread."""


@dataclass
class _Thread:
    """What is known of a thread in one look."""

    top: _Comment
    replies: list[_Comment]
    count: int
    is_whole: bool
    """All its replies are here."""


class YouTube:
    """The comments of one or several channels."""

    network: ClassVar[str] = "youtube"
    settings: ClassVar[type[ConnectorSettings]] = YouTubeSettings

    def __init__(self, settings: YouTubeSettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets

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
        reading = _Reading(self, self._settings, self._session, await self.handles())
        reading.begin(cursor)
        for channel in reading.channels - reading.windows.keys():
            await reading.start(channel)
        yield reading.received(ALIVE)
        while True:
            async for received in reading.look():
                yield received
            yield reading.received(ALIVE)
            await asyncio.sleep(self._settings.poll_seconds)

    async def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what was written below the videos since then; see :class:`streams.connectors.live.Historic`."""
        reading = _Reading(self, self._settings, self._session, await self.handles())
        async for received in Walk(reading.began, before=KEPT).history(since, cursor):
            yield received

    async def handles(self) -> dict[str, str]:
        """Return the accounts' channels by their handles, ``@…`` in small letters."""
        channels = ",".join(it.partition(":")[2] for it in self._settings.accounts)
        found = await self.ask("channels", part="snippet", id=channels, maxResults=50)
        return {str(it["snippet"].get("customUrl", "")).lower(): it["id"] for it in found.get("items", [])}

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
    handles: Mapping[str, str]
    windows: dict[str, Window] = field(default_factory=dict)
    """By channel."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many replies there were when those of a thread were looked at."""

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
            self.counts = kept["counts"]

    async def start(self, channel: str) -> None:
        """Take what is there of a channel as what was there before."""
        threads, *_ = await self._threads(channel, None)
        self.windows[channel] = Window()
        comments = [it for thread in threads for it in (thread.top, *thread.replies)]
        self.windows[channel].begin((it.key, it.order, it.digest) for it in comments)
        self.counts |= {thread.top.key: thread.count for thread in threads}

    def received(self, item: Item) -> Received:
        """Return an item with the cursor behind it."""
        windows = {channel: it.dumps() for channel, it in self.windows.items()}
        return Received(item, json.dumps({"windows": windows, "counts": self.counts}, separators=(",", ":")))

    async def look(self) -> AsyncIterator[Received]:
        """Yield what is new, edited or gone, in the order of its time."""
        counts: dict[str, int] = {}
        for channel, window in self.windows.items():
            threads, since, missed = await self._threads(channel, window)
            if missed:
                yield self.received(Gap("more new comments than are asked for at once"))
            for thread in threads:
                if thread.count != self.counts.get(thread.top.key, 0) and not thread.is_whole:
                    await self._complete(thread)
            now, changes = time.time_ns() // 1_000_000, []
            for thread in threads:
                for number, it in enumerate((thread.top, *thread.replies)):
                    if change := window.change(it.key, it.order, it.digest):
                        changes.append(((it.order, number), it, thread, change))
            for _, it, thread, change in sorted(changes, key=lambda it: it[0]):
                window.add(it.key, it.order, it.digest)
                yield self.received(self._item(it, thread, now if change is Change.EDITED else 0))
            for key in _gone(window, threads, since):
                window.forget(key)
                yield self.received(Deletion(key.rpartition("/")[2], now))
            counts |= {thread.top.key: thread.count for thread in threads}
        self.counts = counts

    async def began(self, since: int, _: int) -> AsyncIterator[Item]:
        """Yield the comments of all threads that began from ``since`` on, ms."""
        for channel in sorted(self.channels):
            async for threads, _more in self._pages(channel):
                for thread in threads:
                    if not thread.is_whole:
                        await self._complete(thread)
                    for comment in (thread.top, *thread.replies):
                        yield self._item(comment, thread, 0)
                if min((it.top.order for it in threads), default=since) < since:
                    break

    # -- asking -----------------------------------------------------------------------------------------------------------

    async def _pages(self, channel: str) -> AsyncIterator[tuple[list[_Thread], bool]]:
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
            yield [_thread(it) for it in answer.get("items", [])], bool(more)
            if not more:
                return

    async def _threads(self, channel: str, window: Window | None) -> tuple[list[_Thread], int | None, bool]:
        """Return a channel's newest threads, oldest first; from when on these are all; and whether some before them are missing.

        Without a window, the first page. None: the list may have moved while it was read.
        """
        found: dict[str, _Thread] = {}
        page = 0
        async for threads, has_more in self._pages(channel):
            found |= {it.top.key: it for it in threads if it.top.key not in found}
            orders = [it.top.order for it in threads]
            is_seen = window is None or any(window.knows(it.top.key) or it.top.order < window.horizon for it in threads)
            if not has_more or (is_seen and (window is None or len(found) >= self.settings.threads)):
                since = None if page else min(orders) + 1 if has_more else 0
                return list(reversed(found.values())), since, False
            page += 1
            if page == MOST_PAGES:
                break
        return list(reversed(found.values())), None, True

    async def _complete(self, thread: _Thread) -> None:
        """Ask for all replies of a thread."""
        found: list[_Comment] = []
        token = ""
        for _ in range(MOST_PAGES):
            more = {"pageToken": token} if token else {}
            try:
                answer = await self.api.ask(
                    "comments", part="snippet", parentId=thread.top.key, maxResults=PAGE, textFormat="plainText", **more
                )
            except NotThereError:  # it has gone meanwhile
                return
            found += [_reply(thread.top.key, it) for it in answer.get("items", [])]
            token = answer.get("nextPageToken", "")
            if not token:
                break
        thread.replies, thread.is_whole = sorted(found, key=lambda it: it.order), not token

    # -- posts ------------------------------------------------------------------------------------------------------------

    def _item(self, comment: _Comment, thread: _Thread, revision: int) -> Item:
        thing = comment.thing
        try:
            if comment is thread.top:
                post = self._post(thing["snippet"]["topLevelComment"], thread, revision)
                fields = {**post.fields, "comments": thread.count}
                return post._replace(addressed=(thing["snippet"]["channelId"], *post.addressed), fields=fields)
            return self._below(self._post(thing, thread, revision), comment, thread)
        except MALFORMED as error:
            why = f"not as YouTube has it ({type(error).__name__})"
            return Rejected(Reason.MALFORMED_RECORD, why, "youtube", json.dumps(thing).encode())

    def _post(self, comment: Any, thread: _Thread, revision: int) -> Post:  # noqa: ANN401 - whatever came
        said, text = comment["snippet"], comment["snippet"]["textDisplay"]
        named = (self.handles.get(it.lower()) for it in _HANDLE.findall(text))
        video = said.get("videoId") or thread.top.thing["snippet"].get("videoId")
        return Post(
            key=comment["id"],
            id=f"youtube:{comment['id']}",
            author_id=_author(said),
            published_at=milliseconds(said["publishedAt"]),
            text=text,
            addressed=tuple(it for it in named if it),
            conversation_id=f"youtube:{thread.top.key}",
            revision=revision,
            fields={
                "author_name": said["authorDisplayName"],
                "url": f"https://www.youtube.com/watch?v={video}&lc={comment['id']}" if video else "",
                "likes": int(said.get("likeCount", -1)),
            },
        )

    @staticmethod
    def _below(post: Post, comment: _Comment, thread: _Thread) -> Post:
        """Return a reply with what it answers: the last one before it by whom it names first, otherwise what began the thread."""
        named, above = _HANDLE.match(post.text), thread.top.thing["snippet"]["topLevelComment"]
        for other in thread.replies:
            if other is comment:
                break
            if named and other.thing["snippet"]["authorDisplayName"].lower() == named[0].lower():
                above = other.thing
        author = _author(above["snippet"])
        return post._replace(parent_key=above["id"], parent_id=f"youtube:{above['id']}", parent_author_id=author)


def _gone(window: Window, threads: list[_Thread], since: int | None) -> list[str]:
    """Return the keys of what was seen and is not there any more: threads with their replies, and replies of whole threads."""
    tops = {it.top.key for it in threads}
    gone_threads: set[str] = set()
    if since is not None:
        seen = window.gone(tops, since)
        gone_threads = {key for key in seen if "/" not in key}
    whole = {it.top.key: {reply.key for reply in it.replies} for it in threads if it.is_whole}
    found = list(gone_threads)
    for key in window.gone((), 0):
        thread, _, reply = key.partition("/")
        if reply and (thread in gone_threads or (thread in whole and key not in whole[thread])):
            found.append(key)
    return found


def _thread(thing: Any) -> _Thread:  # noqa: ANN401 - whatever came
    try:
        snippet, key = thing["snippet"], str(thing["id"])
        inline = [_reply(key, it) for it in thing.get("replies", {}).get("comments", [])]
        inline.sort(key=lambda it: it.order)
        count = int(snippet["totalReplyCount"])
        top = _Comment(key, *_seen(snippet["topLevelComment"]), thing)
        return _Thread(top, inline, count, is_whole=count == len(inline))
    except MALFORMED:
        return _Thread(_Comment(digest(thing), _NOW, digest(thing), thing), [], 0, is_whole=True)


_NOW: Final = 1 << 52
"""The order of what has no time: it is new."""


def _reply(thread: str, thing: Any) -> _Comment:  # noqa: ANN401
    try:
        return _Comment(f"{thread}/{thing['id']}", *_seen(thing), thing)
    except MALFORMED:
        return _Comment(f"{thread}/{digest(thing)}", _NOW, digest(thing), thing)


def _seen(comment: Any) -> tuple[int, str]:  # noqa: ANN401
    """Return order and digest of a comment."""
    said = comment["snippet"]
    at = min(milliseconds(said["publishedAt"]), time.time_ns() // 1_000_000)
    return at, digest(said["textDisplay"], said["authorDisplayName"])


def _author(said: Any) -> str:  # noqa: ANN401
    """Return whose comment it is: a channel; the name where that is gone."""
    return str((said.get("authorChannelId") or {}).get("value") or f"name:{said['authorDisplayName']}")


def _reasons(body: bytes) -> set[str]:
    """Return what the body of an error gives as its reasons."""
    try:
        error = json.loads(body)["error"]
        return {str(it.get("reason")) for it in (*error.get("errors", []), *error.get("details", []))}
    except MALFORMED:
        return set()
