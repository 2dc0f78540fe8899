"""An IMAP server with a mailbox and its sent mail: RFC 3501 as far as clients need it to read, IDLE, and LIST with special uses."""

import asyncio
import base64
import re
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, NamedTuple

from tests.connectors.network import Network, Written

ADDRESSES = {"acme": "support@acme.example", "help": "help@acme.example"}
USER = "support"


class Message(NamedTuple):
    """A message in a mailbox."""

    uid: int
    at: datetime
    raw: bytes


@dataclass
class ImapNetwork(Network):
    """The mailbox of ``acme``. ``has_idle=False``: a server that is asked."""

    shows_edits = False
    tells_deletions_of = ""
    has_half_characters = False
    says_when = False

    has_idle: bool = True
    has_plain: bool = True
    """It takes AUTHENTICATE PLAIN, not only LOGIN."""
    tokens: set[str] = field(default_factory=set)
    """Access tokens with which it lets in by XOAUTH2."""
    validity: int = 3_857_529_045
    boxes: dict[str, list[Message]] = field(default_factory=lambda: {"INBOX": [], "Sent Items": []})
    accepted: int = 0
    _open: dict[asyncio.StreamWriter, list[str]] = field(default_factory=dict)
    """Connections, each with the mailbox in which it is idle, if it is."""
    _recipients: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.is_streamed = self.has_history = self.has_idle  # without it, the history is the same

    def stanza(self, *accounts: str) -> dict[str, Any]:
        return {
            "type": "imap",
            "accounts": [f"email:{ADDRESSES[name]}" for name in accounts],
            "server": f"imap://127.0.0.1:{self.port}",
            "user": USER,
            "password_env": "NETWORK_TOKEN",
            "poll_seconds": 0.2,
            "heartbeat_seconds": 0.5,
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        key, above = f"{len(self.posts) + 1}.{author.partition('@')[0]}@mail.example", self.posts.get(parent)
        others = dict.fromkeys([*to, *([above.author] if above and above.author != author else [])])
        addressed = [address(name) for name in others] or [self._recipients.get(parent, "undisclosed@people.example")]
        self._recipients[key] = addressed[0]
        lines = [
            f"From: {author.title()} <{address(author)}>",
            f"To: {', '.join(addressed)}",
            f"Date: {format_datetime(self._moment())}",
            f"Message-ID: <{key}>",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: 8bit",
            f"Subject: {'Re: ' if above else ''}A question",
        ]
        body = text
        if above:
            lines += [f"In-Reply-To: <{parent}>", f"References: {' '.join(f'<{it}>' for it in self._thread(parent))}"]
            body += f"\r\n\r\nOn Tue, 3 Mar 2026 at 10:00, {above.author} wrote:\r\n> {above.text}\r\n"
        raw = "\r\n".join([*lines, "", body]).encode("utf-8", "surrogatepass")
        is_seen = "acme" in (author, *others)  # one mailbox has what is to it and from it
        concerns = self.concerns(author, others, parent) if is_seen else {}
        self.posts[key] = Written(key, f"email:{key}", author, text, concerns, parent)
        if is_seen:
            self.put("Sent Items" if author == "acme" else "INBOX", raw)
        return self.posts[key]

    def _thread(self, key: str) -> list[str]:
        found = [key]
        while self.posts[found[0]].parent:
            found.insert(0, self.posts[found[0]].parent)
        return found

    def put(self, box: str, raw: bytes) -> None:
        messages = self.boxes[box]
        messages.append(Message(messages[-1].uid + 1 if messages else 4_001, self._moment(), raw))
        for writer, idle in self._open.items():
            if box in idle:
                writer.write(b"* %d EXISTS\r\n" % len(messages))

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.now() // 1000, UTC)

    def malform(self) -> bytes:
        self.put("INBOX", b"Subject: hello\r\n\r\nfrom nobody\r\n")
        return b"from nobody"

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def forget(self) -> None:
        """Give all messages other numbers, as a mailbox has them that was made anew."""
        self.validity += 1
        for name, messages in self.boxes.items():
            self.boxes[name] = [Message(n + 1, it.at, it.raw) for n, it in enumerate(messages)]

    # -- what it answers --------------------------------------------------------------------------------------------------

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append((time.monotonic(), ""))
        self.accepted += 1
        self.streamed = (self.accepted + 1) // 2  # a connection for each mailbox
        self._open[writer] = []
        try:
            await _Conversation(self, reader, writer, self._open[writer]).run()
        finally:
            del self._open[writer]


class _Conversation:
    """One connection."""

    def __init__(
        self, network: ImapNetwork, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: list[str]
    ) -> None:
        self._network, self._reader, self._writer, self._idle = network, reader, writer, idle
        self._box = ""
        self._is_in = self._is_mute = False

    def _say(self, *lines: bytes) -> None:
        # what a dead connection has swallowed does not come later
        self._is_mute = self._is_mute or self._network.mood.mute
        if not self._is_mute:
            self._writer.write(b"".join(line + b"\r\n" for line in lines))

    async def run(self) -> None:
        mood = self._network.mood
        if mood.failing:
            mood.failing -= 1
            self._say(b"* BYE [UNAVAILABLE] try again later")
            return
        self._say(b"* OK IMAP4rev1 ready")
        while True:
            line = (await self._reader.readuntil(b"\r\n")).removesuffix(b"\r\n")
            if mood.slow:
                await asyncio.sleep(mood.slow)
            tag, _, command = line.partition(b" ")
            if self._is_in and mood.refusing:
                self._say(b"* BYE the password has changed")
                return
            if self._is_in and mood.busy:
                mood.busy -= 1
                self._say(tag + b" NO [LIMIT] too many commands")
                continue
            said = await self._answer(tag, command)
            self._say(*said)
            await self._writer.drain()
            if command.upper() == b"LOGOUT":
                return

    async def _answer(self, tag: bytes, command: bytes) -> list[bytes]:  # noqa: PLR0911 - one a command
        name, _, rest = command.partition(b" ")
        match name.upper().decode():
            case "CAPABILITY":
                can = b"IMAP4rev1" + b" AUTH=PLAIN" * self._network.has_plain + b" IDLE" * self._network.has_idle
                return [b"* CAPABILITY " + can, tag + b" OK done"]
            case "LOGIN" | "AUTHENTICATE":
                return [tag + (b" OK in" if await self._lets_in(name.upper(), rest) else _REFUSED)]
            case "NOOP" | "LOGOUT":
                return [*([b"* BYE bye"] if name.upper() == b"LOGOUT" else []), tag + b" OK done"]
            case _ if not self._is_in:
                return [tag + b" BAD log in first"]
            case "LIST":
                return [rb'* LIST (\HasNoChildren) "/" "INBOX"', rb'* LIST (\HasNoChildren \Sent) "/" "Sent Items"',
                        tag + b" OK done"]  # fmt: skip
            case "SELECT" | "EXAMINE":
                return self._open(tag, rest.decode().strip('"'))
            case "UID" | "SEARCH" | "FETCH":
                what, _, rest = rest.partition(b" ") if name.upper() == b"UID" else (name, b"", rest)
                found = self._search(rest) if what.upper() == b"SEARCH" else list(self._fetch(rest))
                return [*found, tag + b" OK done"]
            case "IDLE" if self._network.has_idle:
                self._say(b"+ idling")
                self._idle.append(self._box)
                if self._network.mood.mute or self._is_mute:
                    self._idle.clear()
                assert (await self._reader.readuntil(b"\r\n")).upper() == b"DONE\r\n"
                self._idle.clear()
                return [tag + b" OK done"]
        return [tag + b" BAD unknown"]

    async def _lets_in(self, how: bytes, rest: bytes) -> bool:
        if how == b"LOGIN":
            given = re.fullmatch(rb'"?([^" ]+)"? "?([^" ]+)"?', rest)
            pair = given.groups() if given else ()
        else:
            proof = rest.partition(b" ")[2]
            if not proof:
                self._say(b"+ ")
                proof = (await self._reader.readuntil(b"\r\n")).strip()
            if rest.upper().startswith(b"XOAUTH2"):
                return await self._knows_token(base64.b64decode(proof))
            pair = tuple(base64.b64decode(proof).split(b"\0")[1:])
        right = (USER.encode(), self._network.token.encode())
        self._is_in = pair == right and not self._network.mood.refusing
        return self._is_in

    async def _knows_token(self, proof: bytes) -> bool:
        user, _, rest = proof.partition(b"\x01auth=Bearer ")
        token = rest.removesuffix(b"\x01\x01").decode()
        self._is_in = user == f"user={USER}".encode() and token in self._network.tokens
        if not self._is_in:
            self._say(b"+ " + base64.b64encode(b'{"status":"400","schemes":"bearer"}'))
            assert await self._reader.readuntil(b"\r\n") == b"\r\n"
        return self._is_in

    def _open(self, tag: bytes, box: str) -> list[bytes]:
        if box not in self._network.boxes:
            return [tag + b" NO [NONEXISTENT] there is no such mailbox"]
        self._box = box
        messages = self._messages
        return [
            rb"* FLAGS (\Answered \Seen)",
            b"* %d EXISTS" % len(messages),
            b"* 0 RECENT",
            b"* OK [UIDVALIDITY %d] valid" % self._network.validity,
            b"* OK [UIDNEXT %d] next" % (messages[-1].uid + 1 if messages else 4_001),
            tag + b" OK [READ-ONLY] open",
        ]

    @property
    def _messages(self) -> list[Message]:
        return self._network.boxes[self._box]

    def _search(self, wanted: bytes) -> list[bytes]:
        if since := re.fullmatch(rb"SINCE (\S+)", wanted):
            day = datetime.strptime(since[1].decode(), "%d-%b-%Y").replace(tzinfo=UTC)
            found = [it for it in self._messages if it.at >= day]
        elif numbers := re.fullmatch(rb"UID (\S+)", wanted):
            found = self._among(numbers[1])
        else:
            found = self._messages
        return [b" ".join([b"* SEARCH", *(b"%d" % it.uid for it in found)])]

    def _among(self, numbers: bytes) -> list[Message]:
        messages, found = self._messages, dict[int, Message]()
        for one in numbers.split(b","):
            ends = [(messages[-1].uid if messages else 0) if end == b"*" else int(end) for end in one.split(b":")]
            first, behind = self._place(min(ends)), self._place(max(ends) + 1)
            found |= {it.uid: it for it in messages[first:behind]}
        return [found[uid] for uid in sorted(found)]

    def _place(self, uid: int) -> int:
        return bisect_left(self._messages, uid, key=lambda it: it.uid)

    def _fetch(self, rest: bytes) -> Iterator[bytes]:
        numbers, _, items = rest.partition(b" ")
        part = re.search(rb"BODY(?:\.PEEK)?\[\](?:<(\d+)\.(\d+)>)?", items)
        for message in self._among(numbers):
            said = b'UID %d INTERNALDATE "%b"' % (message.uid, message.at.strftime("%d-%b-%Y %H:%M:%S +0000").encode())
            if part:
                first, size = int(part[1] or 0), int(part[2] or len(message.raw))
                raw, place = message.raw[first : first + size], b"<%d>" % first if part[1] else b""
                said += b" BODY[]%b {%d}\r\n%b" % (place, len(raw), raw)
            yield b"* %d FETCH (%b)" % (self._place(message.uid) + 1, said)


_REFUSED = b" NO [AUTHENTICATIONFAILED] who is that?"


def address(name: str) -> str:
    return ADDRESSES.get(name) or (name if "@" in name else f"{name}@people.example")


NETWORKS = {"imap": ImapNetwork, "imap-polled": lambda: ImapNetwork(has_idle=False, has_plain=False)}
