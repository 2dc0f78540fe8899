"""That somebody took a mail of ours for spam: what a mailbox provider tells whoever has signed up for it. Pure.

RFC 5965 (the report: for people, for machines, and the mail, or its headers), RFC 6650 (what it is used for).
"""

import hashlib
from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses

from schemas.codec import Record
from streams.interactions import opt_out

_MAIL = ("message/rfc822", "text/rfc822-headers")


def opt_out_of(raw: bytes, at: int, accounts: tuple[str, ...]) -> Record | None:
    """Return the opt-out that a mail which came ``at``, ms, reports; None: it is no such report, or says not whose.

    ``accounts``: our addresses; the report is about the one that wrote, or else about the first.
    """
    report = message_from_bytes(raw)
    if report.get_content_type() != "multipart/report" or str(report.get_param("report-type")) != "feedback-report":
        return None
    parts = {part.get_content_type(): part for part in reversed(list(report.walk()))}
    said = _inner(parts.get("message/feedback-report"))
    mail = next((_inner(parts[kind]) for kind in _MAIL if kind in parts), Message())
    contact = _address(said, "Original-Rcpt-To") or _address(mail, "To")
    if str(said.get("Feedback-Type", "")).strip().lower() != "abuse" or not contact or contact in accounts:
        return None
    writer = _address(mail, "From")
    account = writer if writer in accounts else accounts[0]
    # a provider that tells again tells of the same mail and the same person
    about = str(mail.get("Message-ID", "")).strip() or hashlib.sha256(raw).hexdigest()
    own_id = f"email:{hashlib.sha256(f'{about} {contact}'.encode('utf-8', 'replace')).hexdigest()[:32]}/spam"
    return opt_out(own_id, f"email:{account}", contact, at, text="spam report")


def _inner(part: Message | None) -> Message:
    """Return what looks like a mail in a part: Python's parser knows it as one where the part is a ``message``."""
    if part is None:
        return Message()
    inner = part.get_payload()
    if isinstance(inner, list) and inner and isinstance(inner[0], Message):
        return inner[0]
    payload = part.get_payload(decode=True)
    return message_from_bytes(payload if isinstance(payload, bytes) else b"")


def _address(mail: Message, header: str) -> str:
    """Return the first address of a header, in small letters; "" where there is none, or it was made unreadable."""
    found = getaddresses([str(it) for it in mail.get_all(header, [])])
    return next((address.lower() for _, address in found if "@" in address and "redacted" not in address.lower()), "")
