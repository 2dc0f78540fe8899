"""What every fake network has: people who write, the truth of what they wrote, and all the ways to be unhelpful.

A network speaks its protocol on loopback in its real wire format. What it does wrong is asked of it by its :class:`Mood`.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

RETRY_AFTER = 1
OURS = ("acme", "help")
_LOG = logging.getLogger("tests.connectors.network")
_LOG.disabled = True  # what the client says has its token


@dataclass
class Mood:
    """How unhelpful it is."""

    busy: int = 0
    """So many requests are answered with 429 and Retry-After."""
    failing: int = 0
    """So many with 503."""
    refusing: bool = False
    """Credentials are refused."""
    mute: bool = False
    """Connections stay open, and nothing comes: signs of life neither, of one that is asked no answers."""
    repeating: bool = False
    """Every event of a stream comes twice."""
    shuffled: bool = False
    """Two events of a stream change places."""
    slow: float = 0.0
    """Seconds before an answer."""
    skew: int = 0
    """Its clock is ahead by this, ms."""


@dataclass(frozen=True)
class Written:
    """One post as it is in truth."""

    key: str
    id: str
    author: str
    text: str
    concerns: Mapping[str, str]
    """The kind that it is to each account."""
    parent: str = ""
    """Its parent's key."""
    root: str = ""
    """The id of its conversation, where that is none of these posts."""


@dataclass(frozen=True)
class Told:
    """What a network tells of a post. People are called as in the test, or by what stands in for them."""

    author: str
    contact: str
    conversation: str
    parent: str


def wall_clock() -> int:
    """Return the time, ms since 1970."""
    return time.time_ns() // 1_000_000


@dataclass
class Network:
    """A fake network. Accounts of ours are ``acme`` and ``help``; everybody else is the public."""

    mood: Mood = field(default_factory=Mood)
    port: int = 0
    posts: dict[str, Written] = field(default_factory=dict)
    """What is there in truth, by key."""
    requests: list[tuple[float, str]] = field(default_factory=list)
    """When each came, and the path that was asked for."""
    escapes: bool = False
    """It writes JSON in ASCII: only so can it have half a character."""
    clock: Callable[[], int] = wall_clock
    """Its own, but for the skew, ms."""
    connections: int = 0
    """Streams that are open."""
    streamed: int = 0
    """Streams that were opened."""

    token = "s3cr3t-t0ken"
    is_streamed = True
    """It says what happens over a connection that stays open; otherwise it is asked."""
    is_remote = True
    """It has limits, failures and credentials; otherwise it is on this machine."""
    is_told_whole = False
    """It tells Interactions: whom they are for is settled, and nothing of them has to be remembered."""
    keeps_what_waits = False
    """What waits there when a connector is new is new to it."""
    has_history = False
    """It tells what was before, from a date on."""
    shows_edits = True
    """At once, or when it is asked again."""
    tells_deletions_of = "ann"
    """Of whose posts: hers, who stands for everybody; of ``acme``'s alone; or "", of nobody's."""
    has_half_characters = True
    """Its texts may hold half a character, which is no Unicode."""
    says_when = True
    """To whom it says "too many" it says for how long, too."""
    bears = 2_000
    """So many posts may come while nobody looks: all of them are found afterwards."""
    retells_changes = False
    """Edits and deletions that nobody heard of are told again."""
    asks_by_our_clock = False
    """How far back it is asked for is reckoned from our time, not from that of the last post."""
    haste: ClassVar[Mapping[str, Any]] = {}
    """Settings with which 100,000 posts are read in minutes, though it is asked again and again for what was there before."""

    def truth(self, *accounts: str) -> dict[tuple[str, str], str]:
        """Return what each post is to those of the accounts that are configured."""
        named = self.stanza(*accounts)["accounts"]
        return {
            (account, it.id): it.concerns[account]
            for it in self.posts.values()
            for account in named
            if account in it.concerns
        }

    def told(self, post: Written) -> Told:
        """Return what is told of a post: whom an answer is to, and the first of its conversation."""
        above, first = self.posts.get(post.parent), post
        contact = self.contact(post) if post.author in OURS else post.author
        while first.parent:
            first = self.posts[first.parent]
        return Told(post.author, contact, first.root or first.id, above.id if above else "")

    def contact(self, post: Written) -> str:
        """Return whom an answer of an account's is to: who wrote what it stands below, past parts of the same answer."""
        above = self.posts.get(post.parent)
        while above is not None and above.author == post.author:
            above = self.posts.get(above.parent)
        return above.author if above else ""

    def lets(self, author: str, to: Collection[str] = (), parent: str = "") -> bool:  # noqa: ARG002 - of others
        """Say whether somebody can write so there. What every network lets: a post to one account, and its answer."""
        return True

    @property
    def unread(self) -> int:
        """How many posts it was not asked for yet, where that is not what nobody has heard of."""
        return 0

    def secrets(self) -> Collection[str]:
        """Return what must never be told: what it lets in by, and what it has given out for that."""
        return {self.token}

    # what each network does in its own way

    def stanza(self, *accounts: str) -> dict[str, Any]:
        """Return a ``[connectors.NAME]`` for it; ``accounts``: acme, help."""
        raise NotImplementedError

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        """Have somebody write, with the names of accounts that it addresses and the key of what it answers."""
        raise NotImplementedError

    def edit(self, key: str, text: str) -> None:
        raise NotImplementedError

    def delete(self, key: str) -> None:
        raise NotImplementedError

    def malform(self) -> bytes:
        """Say something that is no post; return what must be in the payload of the dead letter."""
        raise NotImplementedError

    def cut(self) -> None:
        """End all streams at once."""
        raise NotImplementedError

    def forget(self) -> None:
        """Forget what can be asked for: no cursor of before leads anywhere."""
        raise NotImplementedError

    async def serve(self, request: "Request", writer: asyncio.StreamWriter) -> None:
        """Answer a request."""
        raise NotImplementedError

    # what is the same for all, or for most

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak over one connection: HTTP, unless it is another protocol."""
        while True:
            raw = await reader.readuntil(b"\r\n\r\n")
            head = raw.decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            target = urlsplit(head[0].split()[1])
            self.requests.append((time.monotonic(), target.path))
            if self.mood.slow:
                await asyncio.sleep(self.mood.slow)
            if self.mood.mute and not self.is_streamed:
                await asyncio.Event().wait()
            method, query = head[0].split()[0], parse_qs(target.query)
            await self.serve(Request(target.path, query, headers, raw, reader, method, body), writer)

    async def pour(
        self, writer: asyncio.StreamWriter, events: "asyncio.Queue[bytes | None]", alive: bytes, seconds: float
    ) -> None:
        """Write a stream's events, whose head is written, chunk by chunk, and ``alive`` where none came for so long.

        None among the events cuts the connection.
        """
        self.connections += 1
        self.streamed += 1
        is_mute = False
        try:
            while True:
                try:
                    event = await asyncio.wait_for(events.get(), seconds)
                except TimeoutError:
                    event = alive
                if event is None:
                    writer.transport.abort()
                    raise ConnectionResetError
                is_mute = is_mute or self.mood.mute  # what a dead connection has swallowed does not come later
                if not is_mute:
                    writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                    await writer.drain()
        finally:
            self.connections -= 1

    async def pour_messages(
        self,
        request: "Request",
        writer: asyncio.StreamWriter,
        messages: "asyncio.Queue[bytes | None]",
        select: Callable[[ServerProtocol, Sequence[Subprotocol]], Subprotocol | None] | None = None,
    ) -> None:
        """Open the WebSocket that is asked for, and write a stream's messages to it; b"" is none.

        None among the messages cuts the connection.
        """
        protocol = ServerProtocol(select_subprotocol=select, logger=_LOG)
        protocol.receive_data(request.head)
        (handshake,) = protocol.events_received()
        protocol.send_response(protocol.accept(handshake))
        self.connections += 1
        self.streamed += 1
        hearing = asyncio.create_task(_hear(protocol, request, messages))
        try:
            writer.writelines(protocol.data_to_send())
            message: bytes | None = b""
            is_mute = False
            while message is not None and not protocol.close_expected():
                is_mute = is_mute or self.mood.mute  # what a dead connection has swallowed does not come later
                if message:
                    protocol.send_text(message)
                said = protocol.data_to_send()
                if not is_mute:
                    writer.writelines(said)
                    await writer.drain()
                message = await messages.get()
            if message is None:
                writer.transport.abort()
            else:
                writer.writelines(protocol.data_to_send())
                await writer.drain()
            raise ConnectionResetError
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
            self.connections -= 1

    def is_authorized(self, request: "Request") -> bool:
        return request.headers.get("authorization") == f"Bearer {self.token}"

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Answer over HTTP until the end."""
        open_now: set[asyncio.StreamWriter] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            open_now.add(writer)
            try:
                await self.talk(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                pass
            finally:
                open_now.discard(writer)
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for writer in open_now:
                writer.transport.abort()

    def concerns(self, author: str, to: Collection[str], parent: str) -> dict[str, str]:
        """Return what a post that is about to be written is to each of our accounts, by their full names."""
        above, found = self.posts.get(parent), {}
        for name, account in zip(OURS, self.stanza(*OURS)["accounts"], strict=True):
            if author == name:
                found[account] = self.own(author, parent)
            elif name in to or (above and above.author == name):
                found[account] = "mention"
            elif above and account in above.concerns and author not in OURS:
                found[account] = "peer"
        return found

    def own(self, author: str, parent: str) -> str:
        """Return what an account's own post is: a reply if it stands, however far, below somebody else's."""
        above = self.posts.get(parent)
        while above is not None:
            if above.author != author:
                return "reply"
            above = self.posts.get(above.parent)
        return "broadcast"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def now(self) -> int:
        return self.clock() + self.mood.skew

    def fault(self, request: "Request") -> tuple[str, dict[str, str]] | None:
        """Return the answer of a server in a bad mood."""
        mood = self.mood
        if mood.refusing or not self.is_authorized(request):
            return "401 Unauthorized", {}
        if mood.busy:
            mood.busy -= 1
            return "429 Too Many Requests", {"Retry-After": str(RETRY_AFTER)}
        if mood.failing:
            mood.failing -= 1
            return "503 Service Unavailable", {}
        return None


@dataclass
class Blog(Network):
    """A network of articles with comments below them, which have ``#`` in their ids."""

    is_streamed = False

    def told(self, post: Written) -> Told:
        """Return what is told of a post: below an article, a conversation begins with a comment."""
        told, first = super().told(post), post
        if "#" not in post.id:
            return told
        while first.parent and "#" in self.posts[first.parent].id:
            first = self.posts[first.parent]
        return replace(told, conversation=first.id, parent=told.parent or post.id.partition("#")[0])


@dataclass(frozen=True)
class Request:
    """One request."""

    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    head: bytes
    """As it came, …"""
    reader: asyncio.StreamReader
    """… and whence more comes of one that upgrades its connection."""
    method: str = "GET"
    body: bytes = b""

    @property
    def form(self) -> Mapping[str, list[str]]:
        """What was posted."""
        return parse_qs(self.body.decode("latin-1"))

    def one(self, name: str, otherwise: str = "") -> str:
        return self.query.get(name, [otherwise])[0]


async def _hear(protocol: ServerProtocol, request: Request, messages: "asyncio.Queue[bytes | None]") -> None:
    """Take in what the client says: pings, which the protocol answers, and that it closes."""
    with suppress(ConnectionError):
        while data := await request.reader.read(1 << 16):
            protocol.receive_data(data)
            messages.put_nowait(b"")
    messages.put_nowait(None)


@asynccontextmanager
async def running(network: Network) -> AsyncIterator[Network]:
    """Serve a network until the end."""
    async with network.served():
        yield network


async def answer(
    writer: asyncio.StreamWriter, body: bytes, status: str = "200 OK", headers: Mapping[str, str] | None = None
) -> None:
    """Send a whole answer."""
    lines = {"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)
    await writer.drain()
