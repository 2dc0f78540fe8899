"""WebSub (https://www.w3.org/TR/websub/): a hub is asked to push a feed, says so to our callback, signing what it pushes. Pure."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

LEASE_SECONDS: Final = 10 * 86_400
"""For so long a subscription is asked for. A hub may give less …"""
RENEWED_AFTER: Final = 3_600_000
"""… and tells only the callback, as it does whether it has found that there: so it is asked anew each hour, ms."""
_METHODS: Final = ("sha1", "sha256", "sha384", "sha512")
"""Hubs of old sign by SHA-1, which is no weakness in an HMAC."""


def secret_of(secret: str, topic: str) -> str:
    """Return the secret of one subscription: what is signed for one feed is believed of no other."""
    return hmac.new(secret.encode(), topic.encode(), hashlib.sha256).hexdigest()


def subscription(topic: str, callback: str, secret: str) -> Mapping[str, str]:
    """Return the form by which a hub is asked to push a feed."""
    return {
        "hub.mode": "subscribe",
        "hub.topic": topic,
        "hub.callback": callback,
        "hub.lease_seconds": str(LEASE_SECONDS),
        "hub.secret": secret_of(secret, topic),
    }


def is_signed(given: str, secret: str, topic: str, body: bytes) -> bool:
    """Say whether ``X-Hub-Signature`` is of a body as it came, for one feed; takes as long whatever of it is right."""
    method, _, _ = given.partition("=")
    if method not in _METHODS:
        return False
    made = hmac.new(secret_of(secret, topic).encode(), body, method).hexdigest()
    return hmac.compare_digest(f"{method}={made}".encode(), given.encode())
