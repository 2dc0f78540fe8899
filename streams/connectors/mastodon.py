"""Mastodon, and servers that speak its API: server-sent events, and what was missed by asking (docs/connectors/mastodon.md).

The stream has no cursor. So after each connection what came meanwhile is asked for: mentions by their notification, and the
account's own statuses, each behind the last that was seen. A server without such a stream is asked again and again
(:mod:`streams.connectors.mastodon_streams`).
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Protocol
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field

from streams.connectors.base import Rejected
from streams.connectors.live import ALIVE, ConnectorSettings, Deletion, Item, Post, Received
from streams.connectors.mastodon_statuses import full_name, post_of
from streams.connectors.mastodon_streams import MALFORMED_EVENT, Heard, Streaming, listen, told
from streams.connectors.pacing import Budget
from streams.connectors.session import Event, Headers, NotThereError, Session
from streams.connectors.values import MALFORMED
from streams.errors import Reason
from streams.http_answers import UnavailableError

PAGE: Final = 40
"""Statuses or notifications to ask for at once; more than 40 statuses no server gives."""


class MastodonSettings(ConnectorSettings):
    """``type = "mastodon"``."""

    type: Literal["mastodon"]
    instance: str = Field(pattern=r"^https?://[^\s/]+$", description="the server, https://…")
    token_file: Path | None = Field(None, description="a file with the access token of the account")
    token_env: str | None = Field(None, description="the same in a variable")
    requests_per_5_minutes: int = Field(300, ge=10, description="no more requests than this")
    heartbeat_seconds: float = Field(45, gt=0, le=600, description="a stream that is silent for so long is dead")
    poll_seconds: float = Field(30, gt=0, le=3600, description="how often a server without a stream is asked")
    needs = ("token",)


@dataclass(frozen=True)
class _Account:
    """Whose token it is."""

    id: str
    name: str
    """``user@host``."""
    host: str
    """Of those who have none in their name: the server's own people."""
    streaming: str
    """Where the stream is, ``https://…``."""


class Mastodon:
    """One account's view of its server."""

    network: ClassVar[str] = "mastodon"
    settings: ClassVar[type[ConnectorSettings]] = MastodonSettings

    def __init__(self, settings: MastodonSettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets

    @staticmethod
    def budget(settings: MastodonSettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(settings.requests_per_5_minutes, 300.0)

    async def check(self) -> str:
        """Return in words whose token it is."""
        return f"the token is of mastodon:{(await self._account()).name}"

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what the account sees; see :class:`streams.connectors.live.Connector`."""
        account = await self._account()
        reading = _Reading(self.get, self._session, account, self._settings.accounts)
        await reading.begin(cursor)
        yield reading.received(ALIVE)
        heard: Heard = asyncio.Queue(maxsize=1_000)
        # The stream first, then what was missed: nothing falls in between.
        streaming = Streaming(
            account.streaming, self._headers(), self._secrets["token"](), self._settings.heartbeat_seconds
        )
        listening = asyncio.create_task(listen(self._session, streaming, heard))
        try:
            first = await heard.get()
            is_polled = isinstance(first, NotThereError)
            if isinstance(first, Exception) and not is_polled:
                raise first
            while True:
                async for received in reading.missed():
                    yield received
                if not is_polled:
                    break
                yield reading.received(ALIVE)
                async for event in told(heard, reading.is_news, self._settings.poll_seconds):
                    yield await reading.heard(event)
            while True:
                next_one = await heard.get()
                if isinstance(next_one, Exception):
                    raise next_one
                yield await reading.heard(next_one)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield mentions and own statuses since then; see :class:`streams.connectors.live.Historic`."""
        reading = _Reading(self.get, self._session, await self._account(), self._settings.accounts)
        await (reading.begin(cursor) if cursor else reading.begin_at(since))
        yield reading.received(ALIVE)
        async for received in reading.missed():
            yield received

    async def get(self, path: str, **parameters: str | int | list[str]) -> Any:  # noqa: ANN401 - any JSON
        """Return what the server answers; raises as :meth:`Session.get`."""
        return await self._session.get(self._settings.instance + path, self._headers(), parameters)

    def _headers(self) -> Headers:
        return {"Authorization": f"Bearer {self._secrets['token']()}", "User-Agent": "Rapport"}

    async def _account(self) -> _Account:
        own = await self.get("/api/v1/accounts/verify_credentials")
        try:
            server = await self.get("/api/v2/instance")
            host, streaming = server["domain"], server.get("configuration", {}).get("urls", {}).get("streaming")
        except NotThereError:
            server = await self.get("/api/v1/instance")  # Pleroma's uri is an address
            host, streaming = server["uri"], server.get("urls", {}).get("streaming_api")
        host = urlsplit(host).netloc or host
        return _Account(str(own["id"]), full_name(own["acct"], host), host, self._streaming(streaming))

    def _streaming(self, address: str | None) -> str:
        """Return where the stream is. The token goes there: never without TLS where the server itself has it."""
        scheme = urlsplit(self._settings.instance).scheme
        host = urlsplit(address).netloc if address else ""
        return urlunsplit((scheme, host, "", "", "")) if host else self._settings.instance


class _Get(Protocol):
    def __call__(self, path: str, **parameters: str | int | list[str]) -> Awaitable[Any]: ...


class _Reading:
    """What one connection has read, up to its cursor."""

    def __init__(self, get: _Get, session: Session, account: _Account, accounts: Sequence[str]) -> None:
        self._get, self._session, self._account = get, session, account
        self._people = {account.name, *(it.partition(":")[2] for it in accounts)}
        self._mention = self._status = ""
        """The last notification that was seen, and the last of the account's own statuses."""

    async def begin(self, cursor: str | None) -> None:
        """Go on behind a cursor; None: behind what there is."""
        if cursor:
            at = json.loads(cursor)
            self._mention, self._status = at["mention"], at["status"]
            return
        self._mention = _newest(await self._get("/api/v1/notifications", limit=1))
        self._status = _newest(await self._get(f"/api/v1/accounts/{self._account.id}/statuses", limit=1))

    async def begin_at(self, since: int) -> None:
        """Go on behind what is older than ``since``, ms."""
        self._status = await self._older(f"/api/v1/accounts/{self._account.id}/statuses", since)
        self._mention = await self._older("/api/v1/notifications", since, **{"types[]": ["mention"]})

    async def _older(self, path: str, since: int, **parameters: str | int | list[str]) -> str:
        """Return the newest id of a list whose thing is older than ``since``, "0" if there is none: page by page, from now back."""
        while True:
            page = await self._get(path, limit=PAGE, **parameters)
            numbers = [_id(it) for it in page if _id(it)] if isinstance(page, list) else []
            if not numbers:
                return "0"
            older = [_id(it) for it in page if _id(it) and _is_older(it, since)]
            if older:
                return max(older, key=_age)
            parameters["max_id"] = min(numbers, key=_age)

    def received(self, item: Item) -> Received:
        """Return an item with the cursor behind it."""
        return Received(item, json.dumps({"mention": self._mention, "status": self._status}, separators=(",", ":")))

    async def missed(self) -> AsyncIterator[Received]:
        """Yield mentions and own statuses that came behind the cursor, in the order of their times: most parents are known then."""
        own = self._behind(f"/api/v1/accounts/{self._account.id}/statuses", self._status)
        mentions = self._behind("/api/v1/notifications", self._mention, **{"types[]": ["mention"]})
        async with aclosing(own), aclosing(mentions):
            heads = [await anext(own, None), await anext(mentions, None)]
            while any(heads):
                first = min((n for n in (0, 1) if heads[n]), key=lambda n: _time(heads[n]))
                number, thing = heads[first] or ("", None)
                is_other = first == 1 and not _is_mention(
                    thing
                )  # Pleroma of old tells all notifications, whatever is asked for
                item = (
                    ALIVE if is_other else await self._item(thing if first == 0 else _mentioned(thing), f"id {number}")
                )
                if first == 0:
                    self._status = _later(self._status, number)
                else:
                    self._mention = _later(self._mention, number)
                yield self.received(item)
                heads[first] = await anext((own, mentions)[first], None)

    async def heard(self, event: Event) -> Received:
        """Return what an event of the stream is."""
        item: Item = ALIVE
        match event.name:
            case "update" | "status.update":
                status = _decoded(event.data)
                item = await self._item(status, event.name)
                if event.name == "update" and isinstance(item, Post) and item.author_id == self._account.name:
                    self._status = _later(self._status, item.key)
            case "notification":
                notification = _decoded(event.data)
                if _is_mention(notification):
                    item = await self._item(_mentioned(notification), event.name)
                    if isinstance(item, Post) and isinstance(notification.get("id"), str):
                        self._mention = _later(self._mention, notification["id"])
            case "delete":
                key = event.data.decode("utf-8", "replace").strip().strip('"')
                item = Deletion(key, time.time_ns() // 1_000_000)
            case name if name == MALFORMED_EVENT:
                item = await self._item(event.data, "stream")
        return self.received(item)

    def is_news(self, event: Event) -> bool:
        """Say whether an event is of something that has to be asked for: a mention, or a status of the account."""
        said = _decoded(event.data)
        if event.name == "notification":
            return _is_mention(said)
        author = said.get("account") if event.name == "update" and isinstance(said, dict) else None
        return isinstance(author, dict) and author.get("id") == self._account.id

    async def _behind(
        self, path: str, behind: str, **parameters: str | int | list[str]
    ) -> AsyncGenerator[tuple[str, Any], None]:
        """Yield ids and things of a list that are newer than ``behind``, oldest first; what has no id as it comes."""
        while True:
            page = await self._get(path, min_id=behind, limit=PAGE, **parameters)
            if not isinstance(page, list):
                raise UnavailableError("its answer is no list")
            found = sorted(((_id(it), it) for it in page), key=lambda pair: _age(pair[0]))
            for number, thing in found:
                if not number or _age(number) > _age(behind):
                    yield number, thing
            if not found or _age(found[-1][0]) <= _age(behind):
                return
            behind = found[-1][0]

    async def _item(self, status: Any, place: str) -> Item:  # noqa: ANN401 - whatever came
        """Return the post of a status; a boost is none."""
        try:
            if status.get("reblog"):
                return ALIVE
            post = post_of(status, self._account.host)
        except MALFORMED as error:
            payload = status if isinstance(status, bytes) else json.dumps(status).encode()
            why = f"it is no status ({type(error).__name__}: {str(error)[:200]})"
            return Rejected(Reason.MALFORMED_RECORD, why, f"mastodon, {place}", payload)
        # of what the account only reads in its home timeline, most is not worth a request
        if not post.parent_key or self._people.isdisjoint((post.author_id, post.parent_author_id, *post.addressed)):
            return post
        if (parent := self._session.known(post.parent_key)) is not None:
            return _below(post, parent.id, parent.author_id, parent.conversation_id)
        return await self._with_ancestors(post)

    async def _with_ancestors(self, post: Post) -> Post:
        """Ask for what a post answers. Where that is gone, nobody knows."""
        with suppress(NotThereError, *MALFORMED):
            ancestors = (await self._get(f"/api/v1/statuses/{post.key}/context"))["ancestors"]
            above = [post_of(status, self._account.host) for status in ancestors]
            root, parent = above[0], above[-1]
            if parent.key == post.parent_key:
                author = parent.author_id
                if post.author_id in self._people:  # part two of an answer: to whom its thread is
                    author = next((it.author_id for it in reversed(above) if it.author_id != post.author_id), author)
                return _below(post, parent.id, author, root.id)
        return post


def _below(post: Post, parent_id: str, parent_author_id: str, conversation_id: str) -> Post:
    return post._replace(parent_id=parent_id, parent_author_id=parent_author_id, conversation_id=conversation_id)


def _decoded(data: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return the JSON of an event; the bytes themselves where they are none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data


def _is_mention(notification: Any) -> bool:  # noqa: ANN401 - whatever came
    """Say whether a notification is of a mention; what is no notification is set aside as one."""
    return not isinstance(notification, dict) or notification.get("type", "mention") == "mention"


def _mentioned(notification: Any) -> Any:  # noqa: ANN401 - whatever came
    """Return the status of a notification; the notification itself where it has none, which is then set aside."""
    return notification["status"] if isinstance(notification, dict) and "status" in notification else notification


# -- ids ------------------------------------------------------------------------------------------------------------------


def _age(number: str) -> tuple[int, str]:
    """Return what ids sort by: they grow in length, and are numbers or letters that sort as text (Mastodon's docs).

    So are the ULIDs of GoToSocial, and the flakes of Pleroma and Akkoma, in which A comes before a.
    """
    return len(number), number


def _later(one: str, other: str) -> str:
    return max(one, other, key=_age)


def _id(thing: Any) -> str:  # noqa: ANN401 - whatever came
    return str(thing["id"]) if isinstance(thing, dict) and "id" in thing else ""


def _newest(things: Any) -> str:  # noqa: ANN401 - any JSON
    return (isinstance(things, list) and things and _id(things[0])) or "0"


def _is_older(thing: Any, since: int) -> bool:  # noqa: ANN401 - whatever came
    with suppress(*MALFORMED):
        return datetime.fromisoformat(thing["created_at"]).timestamp() * 1000 < since
    return False


def _time(head: tuple[str, Any] | None) -> str:
    """Return when a status, or that of a notification, was written: as text, for all of a server's look alike."""
    status = _mentioned(head[1]) if head else None
    return str(status.get("created_at", "")) if isinstance(status, dict) else ""
