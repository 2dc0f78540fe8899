"""A post from a mail: who wrote it to whom, what it answers, and its text without what it quotes. Pure.

RFC 5322 (mails and their threads), RFC 2045 ff. (MIME), RFC 3834 (mail that no person wrote).
"""

import hashlib
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from html.parser import HTMLParser
from typing import Final

from streams.connectors.live import Post

LONGEST_TEXT: Final = 20_000
"""Characters of a mail that are kept."""
MOST_PARTS: Final = 200
_MACHINES: Final = ("bulk", "junk", "auto_reply")
_ID: Final = re.compile(r"<([^<>\s]{1,900})>")
_ATTRIBUTION: Final = re.compile(
    r"^(?:On|Am|Le|El|Il|Op|Em|Den)\b.{0,300}\b(?:wrote|schrieb|écrit|escribió|scritto|schreef|escreveu|skrev).{0,80}:\s*$"
)
"""Says whom the lines below quote; of one line or two."""
_BELOW_IS_QUOTED: Final = re.compile(
    r"^(?:-{3,} ?(?:Original Message|Forwarded message|Ursprüngliche Nachricht|Message d'origine|Mensaje original).{0,20}"
    r"|_{20,})$",
    re.IGNORECASE,
)
_LINKS: Final = re.compile(r"https?://[^\s<>\"']{1,2000}")


def is_by_a_machine(mail: Message, lists: frozenset[str]) -> bool:
    """Say whether nobody waits for an answer to a mail: RFC 3834, and mailing lists other than ``lists``."""
    automatic = _header(mail, "Auto-Submitted").partition(";")[0].strip().lower()
    listed = _ID.search(_header(mail, "List-Id"))
    is_list = "List-Id" in mail or "List-Unsubscribe" in mail
    return (
        automatic not in ("", "no")
        or _header(mail, "Precedence").strip().lower() in _MACHINES
        or _header(mail, "Return-Path").strip() == "<>"
        or (is_list and (listed is None or listed[1].lower() not in lists))
    )


def post_of(raw: bytes, at: int, accounts: tuple[str, ...], *, is_own: bool, lists: frozenset[str]) -> Post | None:
    """Return the post of a mail that came ``at``, ms; None: no person wrote it to us.

    ``accounts``: our addresses, the first that of the mailbox. ``is_own``: it was sent from there. Raises one of :data:`MALFORMED`.
    """
    mail = message_from_bytes(raw)
    ((name, address), *_) = _people(mail, "From")
    by_machine = is_by_a_machine(mail, lists)
    if by_machine and not is_own:
        return None
    to = [address.lower() for header in ("To", "Cc") for _, address in _people(mail, header)]
    author = address.lower()
    if is_own and author not in accounts:
        author = accounts[0]
    known = _ID.search(_header(mail, "Message-ID"))
    key = known[1] if known else f"{hashlib.sha256(raw).hexdigest()[:32]}@without-id"
    above = _ID.findall(_header(mail, "References"))
    parent = next(iter(_ID.findall(_header(mail, "In-Reply-To"))), above[-1] if above else "")
    contact = next((one for one in to if one not in accounts), "")
    text, subject = _text_of(mail), _words(_header(mail, "Subject"))
    return Post(
        key=key,
        id=f"email:{key}",
        author_id=author,
        published_at=at,
        text="\n\n".join(part for part in ("" if parent else subject, text) if part)[:LONGEST_TEXT],
        # in the mailbox, and named nowhere: by a blind copy, or another name of it
        addressed=() if is_own else tuple(one for one in dict.fromkeys(to) if one in accounts) or accounts[:1],
        parent_id=f"email:{parent}" if parent else "",
        parent_author_id=contact if is_own and parent else "",
        parent_key=parent,
        conversation_id=f"email:{(*above, parent)[0]}" if parent else "",
        fields={
            "author_name": _words(name),
            "automated": by_machine,
            "links": list(dict.fromkeys(_LINKS.findall(text))),
        },
    )


# -- headers --------------------------------------------------------------------------------------------------------------


def _header(mail: Message, name: str) -> str:
    return str(mail.get(name, ""))


def _people(mail: Message, header: str) -> list[tuple[str, str]]:
    """Return names and addresses of a header. Raises :class:`ValueError` if nobody has written a mail."""
    found = [
        (name, address) for name, address in getaddresses(list(map(str, mail.get_all(header, [])))) if "@" in address
    ]
    if not found and header == "From":
        raise ValueError("nobody has written it")
    return found


def _words(text: str) -> str:
    """Return a header's text as it was meant (RFC 2047)."""
    try:
        return " ".join(str(make_header(decode_header(text))).split())
    except (HeaderParseError, LookupError, ValueError):
        return " ".join(text.split())


# -- text -----------------------------------------------------------------------------------------------------------------


def _text_of(mail: Message) -> str:
    """Return what a mail says: of plain text if it has that, otherwise of HTML; without what it quotes, and its signature."""
    found = {"text/plain": "", "text/html": ""}
    for part in _parts(mail):
        kind = part.get_content_type()
        if kind in found and not found[kind] and part.get_content_disposition() != "attachment":
            found[kind] = _decoded(part)
    return unquoted(found["text/plain"] or _plain(found["text/html"]))


def _parts(mail: Message) -> Iterator[Message]:
    for number, part in enumerate(mail.walk()):
        if number == MOST_PARTS:
            return
        if not part.is_multipart():
            yield part


def _decoded(part: Message) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        raise TypeError("a part is no text")
    try:
        return data.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # a character set that nobody knows
        return data.decode("utf-8", "replace")


def unquoted(text: str) -> str:
    """Return a mail's own words."""
    kept: list[str] = []
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines):
        if line == "-- " or _BELOW_IS_QUOTED.match(line.strip()):
            break
        both = " ".join(part.strip() for part in lines[number : number + 2])
        if line.startswith(">") or _ATTRIBUTION.match(line.strip()):
            continue
        if _ATTRIBUTION.match(both) and not _ATTRIBUTION.match(both.removeprefix(line.strip()).strip()):
            lines[number + 1] = ">"
            continue
        kept.append(line.rstrip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


class _Words(HTMLParser):
    """The words of HTML that are no quotation."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - as the parser calls it
        """Begin an element."""
        if tag in ("script", "style", "head", "title", "blockquote"):
            self._silent.append(tag)
        elif tag in ("br", "p", "div", "tr", "li"):
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        if tag in self._silent:
            while self._silent.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Take text."""
        if not self._silent:
            self.words.append(re.sub(r"\s+", " ", data))


def _plain(html: str) -> str:
    parser = _Words()
    parser.feed(html)
    parser.close()
    return "\n".join(line.strip() for line in "".join(parser.words).split("\n"))
