"""Who may see what: tokens, kept only as hashes, each for some accounts.

A token is 256 random bits, so a fast hash is as good as a slow one: nobody guesses it (OWASP, Password Storage Cheat Sheet,
is about what people choose). A browser keeps its token in a cookie that no script and no other site can use.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

COOKIE: Final = "rapport"
PREFIX: Final = "rapport_"
"""So that a token that has leaked is found by those who search for such."""


@dataclass(frozen=True)
class Token:
    """Somebody who may see something."""

    name: str
    """Whose it is."""
    sha256: str
    """Of the token, in hexadecimal."""
    accounts: Sequence[str] = ("*",)
    """Which accounts; * stands for anything, as in x:*."""

    @cached_property
    def expression(self) -> str:
        """What those accounts match, as a regular expression that Python and ClickHouse understand alike."""
        return f"^(?:{'|'.join('.*'.join(map(re.escape, pattern.split('*'))) for pattern in self.accounts)})$"

    def allows(self, account: str) -> bool:
        """Say whether an account may be seen with it."""
        return re.match(self.expression, account) is not None


EVERYBODY: Final = Token("everybody", "")
"""Whoever comes, where no tokens are set: the page is for this machine then."""


def new_token() -> tuple[str, str]:
    """Return a new token and its hash."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, digest(token)


def digest(token: str) -> str:
    """Return the hash of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Gate:
    """Tells people by their tokens."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._by_hash: Mapping[str, Token] = {token.sha256.lower(): token for token in tokens}

    @property
    def is_open(self) -> bool:
        """Whether there are no tokens, and so nobody is kept out."""
        return not self._by_hash

    def known(self, token: str) -> Token | None:
        """Return whose token it is; None: nobody's."""
        found = self._by_hash.get(digest(token))
        # The look-up is of a hash: what it tells by its duration is of no use to who does not know the token.
        return found if found is not None and hmac.compare_digest(found.sha256.lower(), digest(token)) else None

    def who(self, connection: "HTTPConnection") -> Token | None:
        """Return who asks: by ``Authorization: Bearer``, or by the cookie; None: somebody unknown."""
        if self.is_open:
            return EVERYBODY
        scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else connection.cookies.get(COOKIE, "")
        return self.known(token) if token else None


class Rate:
    """A bucket of tokens for each who asks: so many at once, and so many a second."""

    def __init__(self, burst: float, per_second: float, now: Callable[[], float]) -> None:
        self._burst, self._per_second, self._now = burst, per_second, now
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, who: str) -> float:
        """Take one; return 0, or after how many seconds there is one."""
        now = self._now()
        left, at = self._left.get(who, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        if left < 1:
            return (1 - left) / self._per_second
        if len(self._left) > MOST_ASKING:
            self._left.clear()
        self._left[who] = left - 1, now
        return 0.0


MOST_ASKING: Final = 10_000
"""So many are remembered; beyond, all begin anew."""
