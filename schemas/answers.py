"""What people answer to a message about alerts by its buttons and links: made by the notifier, understood by the page.

A link carries its own proof, for whoever opens it has no token: what it says, until when, and an HMAC-SHA256 of both (RFC 2104).
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

LABELS: Final[Mapping[str, str]] = {"acknowledge": "Acknowledge", "snooze": "Snooze 1 h"}
"""Each action that there is a button for."""
SNOOZE: Final = 3_600_000
"""How long, ms."""
SHORTEST_KEY: Final = 32
"""Characters: as many as 128 random bits have in hexadecimal."""
_PURPOSE: Final = b"rapport answer v1."
"""So that no signature with the same key for something else is one of these."""


class Answer(NamedTuple):
    """What somebody wants of an alert."""

    account: str
    alert_id: str
    """Empty: all of the account's that fire when it is said."""
    action: str
    """One of :data:`LABELS`."""

    def command(self, by: str, now: int) -> dict[str, Any]:
        """Return what the notifier is told (``schemas/notification_command``), said at ``now``, ms."""
        until = now + SNOOZE if self.action == "snooze" else 0
        return {"account": self.account, "alert_id": self.alert_id, "action": self.action, "until": until, "by": by}


class Signed(NamedTuple):
    """What a link says."""

    answer: Answer
    by: str
    """Who was written to."""
    expires: int
    """ms."""


def dumps(answer: Answer) -> str:
    """Return an answer as text, for a button."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def loads(text: str) -> Answer:
    """Return the answer that :func:`dumps` wrote. Raises :class:`ValueError`."""
    return _answer(json.loads(text))


def keys(secret: str) -> list[str]:
    """Return the keys of a secret: the first signs, each is believed, so that they can be changed. Raises :class:`ValueError`."""
    found = secret.split()
    if not found or min(map(len, found)) < SHORTEST_KEY:
        raise ValueError(f"a key that signs links has at least {SHORTEST_KEY} characters")
    return found


def sign(signed: Signed, key: str) -> str:
    """Return what a link carries."""
    body = _encoded(json.dumps([*signed.answer, signed.by, signed.expires], ensure_ascii=False).encode())
    return f"{body}.{_signature(body, key)}"


def read(text: str, keys: Sequence[str], now: int) -> Signed:
    """Return what a link carries at ``now``, ms. Raises :class:`ValueError`, which says what is wrong with it."""
    body, _, signature = text.partition(".")
    genuine = [hmac.compare_digest(_signature(body, key).encode(), signature.encode()) for key in keys]
    if not any(genuine):
        raise ValueError("this link was not made here, or is not whole")
    *answer, by, expires = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if now >= expires:
        raise ValueError("this link is too old")
    return Signed(_answer(answer), by, expires)


def _answer(values: Any) -> Answer:  # noqa: ANN401 - any JSON
    match values:
        case [str(account), str(alert_id), str(action)] if account and action in LABELS:
            return Answer(account, alert_id, action)
        case _:
            raise ValueError("this is no answer to an alert")


def _signature(body: str, key: str) -> str:
    return _encoded(hmac.new(key.encode(), _PURPOSE + body.encode(), hashlib.sha256).digest())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
