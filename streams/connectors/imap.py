"""E-mail: what comes into a mailbox, and what is sent from it, by IMAP (docs/connectors/imap.md).

Both mailboxes are read over a connection each, so that either says at once when something is new (IDLE). How far each is read
is the number of its last message, which means something as long as the mailbox has the same UIDVALIDITY.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from streams.connectors import mails
from streams.connectors.base import Rejected
from streams.connectors.imap_protocol import Imap, Mail, connected
from streams.connectors.live import ALIVE, ConnectorSettings, Item, Received
from streams.connectors.mail_reports import opt_out_of
from streams.connectors.oauth import Tokens
from streams.connectors.pacing import Budget
from streams.connectors.session import Headers, Session
from streams.connectors.values import MALFORMED
from streams.connectors.walking import DAY
from streams.errors import Reason

_PORTS: Final = {"imaps": 993, "imap": 143}


Address = Annotated[str, Field(pattern=r"^email:[^\s@A-Z]+@[^\s@A-Z]+$")]


class ImapSettings(ConnectorSettings):
    """``type = "imap"``."""

    type: Literal["imap"]
    accounts: tuple[Address, ...] = Field(min_length=1, description="email:address, that of the mailbox first")
    server: str = Field(pattern=r"^imaps?://[^\s/@]+$", description="imaps://host, or imap:// without TLS")
    user: str = Field(min_length=1, description="whose mailbox it is, as the server calls them")
    password_file: Path | None = Field(None, description="a file with the password")
    password_env: str | None = Field(None, description="the same in a variable")
    refresh_token_file: Path | None = Field(
        None, description="instead of a password: a file with OAuth's refresh token"
    )
    refresh_token_env: str | None = Field(None, description="the same in a variable")
    token_url: str = Field("", pattern=r"^(https?://\S+)?$", description="where access tokens come from")
    client_id: str = Field("", description="of the OAuth client")
    client_secret_file: Path | None = Field(None, description="a file with its secret, if it has one")
    client_secret_env: str | None = Field(None, description="the same in a variable")
    inbox: str = Field("INBOX", min_length=1, description="the mailbox into which mail comes, as the server calls it")
    sent: str = Field("", description="that of mail which was sent; without it, the one that the server says")
    lists: tuple[str, ...] = Field((), description="List-Ids of mailing lists by which mail to the brand comes")
    poll_seconds: float = Field(30, gt=0, le=1500, description="how often it is looked at, whatever the server says")
    heartbeat_seconds: float = Field(20, gt=0, le=600, description="a server that does not answer for so long is dead")
    may_have = ("password", "refresh_token", "client_secret")

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        if self.has("password") == self.has("refresh_token"):
            raise PydanticCustomError("login", "give it password_file or password_env, or a refresh token: one of them")
        if self.has("refresh_token") and not (self.token_url and self.client_id):
            raise PydanticCustomError("login", "with a refresh token, give it token_url and client_id too")
        return self


class Mailbox:
    """The mail of one user."""

    network: ClassVar[str] = "email"
    settings: ClassVar[type[ConnectorSettings]] = ImapSettings

    def __init__(self, settings: ImapSettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets
        self._accounts = tuple(it.partition(":")[2] for it in settings.accounts)
        self._lists = frozenset(it.strip("<>").lower() for it in settings.lists)

        self._tokens = Tokens(session, self._grant) if settings.has("refresh_token") else None

    @staticmethod
    def budget(_: ImapSettings) -> Budget:
        """Return how much may be asked for over HTTP: access tokens are."""
        return Budget(10, 60.0)

    async def check(self) -> str:
        """Return in words whose mailboxes these are."""
        async with AsyncExitStack() as stack:
            imap = await self._logged_in(stack)
            sent = await self._sent(imap)
            await imap.examine(self._settings.inbox.encode())
            await imap.examine(sent)
        how = "says at once what is new" if b"IDLE" in imap.can else "has no IDLE and is asked"
        return f"the mailbox of {self._settings.user}, sent mail in {sent.decode('utf-8', 'replace')}; the server {how}"

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what comes and what is sent; see :class:`streams.connectors.live.Connector`."""
        async with AsyncExitStack() as stack:
            boxes = await self._opened(stack, cursor)
            yield Received(ALIVE, _cursor(boxes))
            while True:
                async for received in self._missed(boxes):
                    yield received
                await _idle(boxes, self._settings.poll_seconds)

    async def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what came and was sent since then; see :class:`streams.connectors.live.Historic`."""
        async with AsyncExitStack() as stack:
            boxes = await self._opened(stack, cursor)
            for box in boxes if cursor is None else ():
                await box.begin_at(since)
            yield Received(ALIVE, _cursor(boxes))
            async for received in self._missed(boxes):
                yield received

    async def _opened(self, stack: AsyncExitStack, cursor: str | None) -> "list[_Box]":
        """Return both mailboxes behind a cursor; None: behind what there is."""
        at = json.loads(cursor) if cursor else {}
        boxes = [_Box("inbox", await self._logged_in(stack)), _Box("sent", await self._logged_in(stack))]
        names = self._settings.inbox.encode(), await self._sent(boxes[1].imap)
        for box, name in zip(boxes, names, strict=True):
            await box.open(name, at.get(box.use))
        return boxes

    async def _missed(self, boxes: "list[_Box]") -> AsyncIterator[Received]:
        """Yield what both have behind their cursors."""
        async for box, mail in _in_order(boxes):
            item = self._item(mail, is_own=box.use == "sent")
            box.passed(mail)
            yield Received(item, _cursor(boxes))
        yield Received(ALIVE, _cursor(boxes))

    async def _logged_in(self, stack: AsyncExitStack) -> Imap:
        address = urlsplit(self._settings.server)
        port, patience = address.port or _PORTS[address.scheme], self._settings.heartbeat_seconds
        with_tls = address.scheme == "imaps"
        imap = await stack.enter_async_context(connected(address.hostname or "", port, patience, with_tls=with_tls))
        if self._tokens is None:
            await imap.log_in(self._settings.user, self._secrets["password"]())
        else:
            await imap.log_in(self._settings.user, token=await self._tokens.token())
        return imap

    def _grant(self) -> tuple[str, Headers, Mapping[str, str]]:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._settings.client_id,
            "refresh_token": self._secrets["refresh_token"](),
            **({"client_secret": self._secrets["client_secret"]()} if self._settings.has("client_secret") else {}),
        }
        return self._settings.token_url, {"User-Agent": "Rapport"}, form

    async def _sent(self, imap: Imap) -> bytes:
        return self._settings.sent.encode() or await imap.special(rb"\Sent") or b"Sent"

    def _item(self, mail: Mail, *, is_own: bool) -> Item:
        """Return the post of a mail; what is known of its parent is known better."""
        try:
            if not is_own and (opt_out := opt_out_of(mail.raw, mail.at, self._accounts)) is not None:
                return opt_out
            post = mails.post_of(mail.raw, mail.at, self._accounts, is_own=is_own, lists=self._lists)
        except MALFORMED as error:
            why = f"it is no mail ({type(error).__name__}: {str(error)[:200]})"
            return Rejected(Reason.MALFORMED_RECORD, why, f"imap, message {mail.uid}", mail.raw)
        if post is None:
            return ALIVE
        if (parent := self._session.known(post.parent_key)) is not None:
            return post._replace(parent_author_id=parent.author_id, conversation_id=parent.conversation_id)
        return post


@dataclass
class _Box:
    """A mailbox, and how far it is read."""

    use: str
    imap: Imap
    name: bytes = field(default=b"", init=False)
    validity: int = field(default=0, init=False)
    last: int = field(default=0, init=False)
    """The number of the last message that was read."""
    at: int = field(default=0, init=False)
    """When the latest of them came, ms."""
    _lost: list[int] | None = field(default=None, init=False)
    """The cursor of when its numbers meant other messages: what came lately is read again, and until then it stands."""

    async def open(self, name: bytes, cursor: Any) -> None:  # noqa: ANN401 - its part of a cursor, or None
        """Open it behind a cursor; None: behind what there is."""
        self.name, state = name, await self.imap.examine(name)
        self.validity = state.validity
        if cursor is None:
            self.last, self.at = state.following - 1, time.time_ns() // 1_000_000
        else:
            before, self.last, self.at = cursor
            self._lost = cursor if before != state.validity else None

    async def begin_at(self, since: int) -> None:
        """Go on behind what is older than ``since``, ms, as far as its numbers grow with time."""
        found = await self._since(since)
        self.last, self.at = min(found, default=self.last + 1) - 1, since

    async def _since(self, at: int) -> list[int]:
        """Return what has come since then, and on the day before: its days are those of the server's clock."""
        day = datetime.fromtimestamp(max(at - DAY, 0) / 1000, UTC)
        return await self.imap.search(b"SINCE " + day.strftime("%d-%b-%Y").encode())

    @property
    def cursor(self) -> list[int]:
        """Behind what was read."""
        return self._lost or [self.validity, self.last, self.at]

    def passed(self, mail: Mail) -> None:
        """Leave a message behind."""
        self.last, self.at = max(self.last, mail.uid), max(self.at, mail.at)

    async def missed(self) -> AsyncGenerator[Mail, None]:
        """Yield what has come since, in the order in which it came."""
        if self._lost:
            found = await self._since(self._lost[2])
            self.last = 0
        else:
            found = await self.imap.search(b"UID %d:*" % (self.last + 1))  # the last message is always among them
        async for mail in self.imap.mails([uid for uid in found if uid > self.last]):
            yield mail
        self._lost = None


async def _in_order(boxes: list[_Box]) -> AsyncIterator[tuple[_Box, Mail]]:
    """Yield what both have, in the order of its times: most parents are known then."""
    async with AsyncExitStack() as stack:
        heads = [(box, await stack.enter_async_context(aclosing(box.missed()))) for box in boxes]
        mails_now = [await anext(mail, None) for _, mail in heads]
        while any(mails_now):
            first = min((n for n, mail in enumerate(mails_now) if mail), key=lambda n: mails_now[n].at)  # type: ignore[union-attr]
            mail = mails_now[first]
            assert mail is not None  # noqa: S101 - as was just seen
            yield boxes[first], mail
            mails_now[first] = await anext(heads[first][1], None)


def _cursor(boxes: list[_Box]) -> str:
    return json.dumps({box.use: box.cursor for box in boxes}, separators=(",", ":"))


async def _idle(boxes: list[_Box], seconds: float) -> None:
    """Wait until either has something new, or so long."""
    woken = asyncio.Event()
    tasks = [asyncio.create_task(box.imap.idle(woken, seconds)) for box in boxes]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
