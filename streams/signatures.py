"""Signatures of what is pushed from one service to another, over bodies as they are, by HMAC-SHA256 (RFC 2104). Pure.

Every check takes as long whatever of a signature is right, and knows several secrets, so that one can be changed for another.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

REPLAY_SECONDS: Final = 300
"""What was signed longer ago, or so much later than now, may be what somebody overheard."""
SHORTEST_KEY: Final = 16
"""Bytes."""
_PREFIX: Final = "whsec_"


def secrets_in(text: str) -> list[str]:
    """Return the secrets in a text, apart by white space. Raises :class:`ValueError`: with an empty one anybody could sign."""
    found = text.split()
    if not found or min(map(len, found)) < SHORTEST_KEY:
        raise ValueError(f"a secret has at least {SHORTEST_KEY} characters")
    return found


# -- Standard Webhooks 1.0 (https://www.standardwebhooks.com) -------------------------------------------------------------


def standard_webhook(secret: str, name: str, at: str, body: bytes) -> str:
    """Return the signature ``v1`` of a message: its ``webhook-id``, its ``webhook-timestamp`` and its body.

    ``secret``: ``whsec_`` and base64, or base64 alone. Raises :class:`ValueError` where it is neither, and never shows it.
    """
    signed = f"{name}.{at}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()}"


def key_of(secret: str) -> bytes:
    """Return the key of a secret of Standard Webhooks. Raises :class:`ValueError`."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a secret of the webhook is not base64") from None
    if not key:
        raise ValueError("a secret of the webhook is empty")
    return key


def is_standard_webhook(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Say whether one of ``secrets`` has signed a body; ``now``: s since 1970. Raises :class:`ValueError` as for signing."""
    name, at, given = (headers.get(f"webhook-{it}", "") for it in ("id", "timestamp", "signature"))
    made = [standard_webhook(secret, name, at, body) for secret in secrets]
    try:
        is_fresh = abs(now - int(at)) <= REPLAY_SECONDS
    except ValueError:
        return False
    return _any_same(made, given.split()) and is_fresh and bool(name)


# -- networks -------------------------------------------------------------------------------------------------------------


def meta(secret: str, body: bytes) -> str:
    """Return ``X-Hub-Signature-256`` of a body, by Meta's app secret."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def x(secret: str, body: bytes) -> str:
    """Return ``x-twitter-webhooks-signature`` of a body, and the answer to a ``crc_token``, by X's consumer secret."""
    return f"sha256={base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()}"


def is_one_of(given: str, made: Sequence[str]) -> bool:
    """Say whether a signature, or a secret, that came is one that it may be."""
    return _any_same(made, [given])


def _any_same(made: Sequence[str], given: Sequence[str]) -> bool:
    same = [hmac.compare_digest(one.encode(), other.encode()) for one in made for other in given]
    return any(same)
