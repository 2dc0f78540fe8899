"""As much of IMAP as reading a mailbox takes: RFC 3501, IDLE (RFC 2177), special-use mailboxes (RFC 6154). It changes nothing.

Neither what the server says nor what is said to it stands in an error: both may hold the password. Of what it refuses there is
the code (RFC 5530).
"""

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final, NamedTuple

from streams.http_answers import RefusedError, UnavailableError

LARGEST: Final = 131_072
"""So many bytes of a message are read: its text stands in front of what is attached."""
LONGEST_LINE: Final = 4_194_304
PAGE: Final = 50
"""Messages to ask for at once."""
_LITERAL: Final = re.compile(rb"\{(\d{1,12})\}$")
_CODE: Final = re.compile(rb"(?:OK|NO|BAD) \[([A-Z-]{1,40})")
_TEMPORARY: Final = ("UNAVAILABLE", "LIMIT", "INUSE", "ALERT", "SERVERBUG", "CONTACTADMIN")
"""Why a login may fail today."""
_LISTED: Final = re.compile(rb'^\* LIST \(([^)]*)\) (?:NIL|"(?:[^"\\]|\\.)*") (?:"((?:[^"\\]|\\.)*)"|(\S+))')
_FETCHED: Final = re.compile(rb'\bUID (\d+)\b|\bINTERNALDATE "([^"]{1,40})"')


class Response(NamedTuple):
    """One response, and the literals that stood in it: texts of so many bytes."""

    text: bytes
    literals: tuple[bytes, ...]


class State(NamedTuple):
    """A mailbox as it was found."""

    validity: int
    """UIDVALIDITY: where it changes, the numbers of messages mean others."""
    following: int
    """UIDNEXT: no message has a number as high."""


class Mail(NamedTuple):
    """The beginning of a message."""

    uid: int
    at: int
    """When it came into the mailbox, ms."""
    raw: bytes


class Imap:
    """One connection. ``patience``: after so many seconds without an answer it is dead."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> None:
        self._reader, self._writer, self._patience = reader, writer, patience
        self._tags = 0
        self.can: frozenset[bytes] = frozenset()
        """Capabilities, in capital letters."""

    async def log_in(self, user: str, password: str = "", token: str = "") -> None:
        """Log in by a password, or by OAuth's access token. Raises :class:`RefusedError` and :class:`UnavailableError`."""
        await self._capabilities()
        try:
            if token:  # https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
                proof = base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode())
                await self.command(b"AUTHENTICATE XOAUTH2", proof)
            elif b"AUTH=PLAIN" in self.can:
                proof = base64.b64encode(f"\0{user}\0{password}".encode())
                await self.command(b"AUTHENTICATE PLAIN", proof)
            else:
                await self.command(b"LOGIN %b %b" % (quoted(user.encode()), quoted(password.encode())))
        except NoError as error:
            if error.code in _TEMPORARY:
                raise UnavailableError(str(error)) from None
            raise RefusedError(str(error)) from None
        await self._capabilities()  # there may be others now

    async def _capabilities(self) -> None:
        for found in await self.command(b"CAPABILITY"):
            if found.text.upper().startswith(b"* CAPABILITY "):
                self.can = frozenset(found.text.upper().split()[2:])

    async def special(self, use: bytes) -> bytes | None:
        r"""Return the mailbox for a use, as ``\Sent``; None: the server does not say."""
        for found in await self.command(b'LIST "" "*"'):
            if (listed := _LISTED.match(found.text)) and use.lower() in listed[1].lower().split():
                name = listed[2] if listed[2] is not None else listed[3]
                return re.sub(rb"\\(.)", rb"\1", found.literals[0] if found.literals else name)
        return None

    async def examine(self, mailbox: bytes) -> State:
        """Open a mailbox to read it."""
        said = b"\n".join(it.text for it in await self.command(b"EXAMINE %b" % quoted(mailbox)))
        validity, following = (re.search(rb"\[%b (\d+)\]" % name, said) for name in (b"UIDVALIDITY", b"UIDNEXT"))
        if validity is None:
            raise UnavailableError("the mailbox has no UIDVALIDITY")
        return State(
            int(validity[1]), int(following[1]) if following else 1 + max(await self.search(b"ALL"), default=0)
        )

    async def search(self, wanted: bytes) -> list[int]:
        """Return the numbers of the messages that are so, ascending."""
        found = (it.text for it in await self.command(b"UID SEARCH %b" % wanted))
        return sorted(int(n) for it in found if it.upper().startswith(b"* SEARCH") for n in it.split()[2:])

    async def mails(self, uids: Sequence[int]) -> AsyncIterator[Mail]:
        """Yield messages in the order of their numbers; those that are gone are left out."""
        for first in range(0, len(uids), PAGE):
            some = b",".join(b"%d" % uid for uid in uids[first : first + PAGE])
            asked = b"UID FETCH %b (UID INTERNALDATE BODY.PEEK[]<0.%d>)" % (some, LARGEST)
            found = [mail for it in await self.command(asked) if (mail := _mail(it)) is not None]
            for mail in sorted(found, key=lambda it: it.uid):
                yield mail

    async def idle(self, woken: asyncio.Event, seconds: float) -> None:
        """Wait until there is something new, ``woken`` is set, or so long; set ``woken``."""
        if b"IDLE" not in self.can:
            await asyncio.wait([waiting := asyncio.create_task(woken.wait())], timeout=seconds)
            waiting.cancel()
            return
        tag = await self._send(b"IDLE")
        while not (said := await self._response()).text.startswith(b"+"):
            self._raise_if_refused(tag, said)
        tasks = [asyncio.create_task(self._news()), asyncio.create_task(woken.wait())]
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.set()
            for task in tasks:
                task.cancel()
            reading, _ = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(reading, Exception):
            raise reading
        self._writer.write(b"DONE\r\n")
        await self._finish(tag)

    async def _news(self) -> None:
        while not re.match(rb"\* \d+ EXISTS", (await self._response(forever=True)).text, re.IGNORECASE):
            pass

    async def command(self, command: bytes, answer: bytes = b"") -> list[Response]:
        """Return what a command is answered with; ``answer`` is given when the server asks for more.

        Raises :class:`NoError`, and :class:`UnavailableError` where the connection ends.
        """
        return await self._finish(await self._send(command), answer)

    async def _send(self, command: bytes) -> bytes:
        self._tags += 1
        tag = b"a%d" % self._tags
        self._writer.write(b"%b %b\r\n" % (tag, command))
        return tag

    async def _finish(self, tag: bytes, answer: bytes = b"") -> list[Response]:
        found: list[Response] = []
        while True:
            said = await self._response()
            if said.text.startswith(b"+"):
                self._writer.write(answer + b"\r\n")
                answer = b""  # asked again, it is refused, and wants no more than to hear that it was heard
            elif said.text.startswith(tag + b" "):
                self._raise_if_refused(tag, said)
                return found
            else:
                found.append(said)

    def _raise_if_refused(self, tag: bytes, said: Response) -> None:
        if said.text.startswith(tag + b" ") and not said.text[len(tag) + 1 :].upper().startswith(b"OK"):
            raise NoError(_code(said.text[len(tag) + 1 :]))

    async def _response(self, *, forever: bool = False) -> Response:
        """Return the next response; ``forever``: however long it takes."""
        parts, literals = [], []
        try:
            async with asyncio.timeout(None if forever else self._patience):
                while True:
                    line = (await self._reader.readuntil(b"\r\n")).removesuffix(b"\r\n")
                    parts.append(line)
                    if not (literal := _LITERAL.search(line)):
                        break
                    if int(literal[1]) > LONGEST_LINE:
                        raise UnavailableError(f"a text has more than {LONGEST_LINE} bytes")
                    literals.append(await self._reader.readexactly(int(literal[1])))
        except asyncio.IncompleteReadError:
            raise UnavailableError("the connection ended") from None
        except asyncio.LimitOverrunError:
            raise UnavailableError(f"a line has more than {LONGEST_LINE} bytes") from None
        said = Response(b" ".join(parts), tuple(literals))
        if said.text.upper().startswith(b"* BYE"):
            raise UnavailableError("the server ends the connection")
        return said


class NoError(UnavailableError):
    """The server will not do what it was asked to."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the server refuses it ({code or 'no code'})")
        self.code = code


@asynccontextmanager
async def connected(host: str, port: int, patience: float, *, with_tls: bool) -> AsyncIterator[Imap]:
    """Connect to a server, and end the connection in the end. Raises :class:`UnavailableError`, OSError and TimeoutError."""
    tls = ssl.create_default_context() if with_tls else None
    async with asyncio.timeout(patience):
        reader, writer = await asyncio.open_connection(host, port, ssl=tls, limit=LONGEST_LINE)
    try:
        imap = Imap(reader, writer, patience)
        await imap._response()  # noqa: SLF001 - its greeting
        yield imap
    finally:
        writer.transport.abort()


def quoted(text: bytes) -> bytes:
    """Return a text as a quoted string; it has no line ends."""
    return b'"%b"' % re.sub(rb'(["\\])', rb"\\\1", re.sub(rb"[\r\n\0]", b"", text))


def _code(text: bytes) -> str:
    found = _CODE.match(text)
    return found[1].decode() if found else ""


def _mail(said: Response) -> Mail | None:
    """Return the message of a response to FETCH; None: it is another response, or has no message."""
    if b" FETCH " not in said.text.upper():
        return None
    uid, at = 0, ""
    for number, date in _FETCHED.findall(said.text):
        uid, at = int(number) if number else uid, date.decode() if date else at
    if not uid or not at:
        return None
    try:
        moment = datetime.strptime(at.strip(), "%d-%b-%Y %H:%M:%S %z")
    except ValueError:  # it has come by now, and is not to stand in the way of what follows
        moment = datetime.now(UTC)
    return Mail(uid, round(moment.timestamp() * 1000), said.literals[0] if said.literals else b"")
