"""Who may see and do what: tokens, kept only as hashes, each for some accounts; and people whom a proxy has logged in.

A token is 256 random bits, so a fast hash is as good as a slow one: nobody guesses it (OWASP, Password Storage Cheat Sheet,
is about what people choose). A browser keeps its token in a cookie that no script and no other site can use.
"""

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

COOKIE: Final = "rapport"
PREFIX: Final = "rapport_"
"""So that a token that has leaked is found by those who search for such."""

Role = Literal["reader", "agent", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""Each may do what those before it may."""
TokenRole = Literal[Role, "sender"]
"""A sender sees nothing: it may push interactions to ``rapport listen``."""
Action = Literal["acknowledge", "snooze", "silence"]
NEEDED: Final[Mapping[Action, Role]] = {"acknowledge": "agent", "snooze": "agent", "silence": "admin"}
"""What role an action takes."""
ANY_GROUP: Final = "*"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Token:
    """Somebody who may see something, and perhaps do something."""

    name: str
    """Whose it is; alerts say so of what they have done."""
    sha256: str
    """Of the token, in hexadecimal; empty: they are known otherwise."""
    accounts: Sequence[str] = ("*",)
    """Which accounts; * stands for anything, as in x:*."""
    role: TokenRole = "reader"

    @cached_property
    def expression(self) -> str:
        """What those accounts match, as a regular expression that Python and ClickHouse understand alike."""
        return f"^(?:{'|'.join('.*'.join(map(re.escape, pattern.split('*'))) for pattern in self.accounts)})$"

    def allows(self, account: str) -> bool:
        """Say whether an account may be seen with it."""
        return re.match(self.expression, account) is not None

    def may(self, action: Action) -> bool:
        """Say whether something may be done with it to its accounts."""
        return self.role in ROLES[ROLES.index(NEEDED[action]) :]


EVERYBODY: Final = Token("", "", role="admin")
"""Whoever comes, where nobody is told from another: the page is for this machine then."""


@dataclass(frozen=True)
class Group:
    """What people of one group may."""

    name: str
    """As the proxy says it; * for anybody it has let in."""
    role: Role = "reader"
    accounts: Sequence[str] = ("*",)


@dataclass(frozen=True)
class Proxy:
    """A proxy that has people log in, by OpenID Connect for instance, and says in headers who they are."""

    addresses: Sequence[Network]
    """From where it asks. What anybody else writes into these headers is not read."""
    user_header: str
    groups_header: str
    groups: Sequence[Group]
    """The first that somebody is in counts."""

    def is_behind(self, connection: "HTTPConnection") -> bool:
        """Say whether a request comes from it."""
        try:
            address = ipaddress.ip_address(connection.client.host if connection.client else "")
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self.addresses)

    def who(self, connection: "HTTPConnection") -> Token | None:
        """Return whom it has logged in; None: nobody, or nobody of a group that may see anything.

        A user who is named twice is nobody: one of the two headers came through it from outside.
        """
        users, said = (connection.headers.getlist(name) for name in (self.user_header, self.groups_header))
        if len(users) != 1 or not users[0].strip():
            return None
        theirs = {ANY_GROUP, *(name.strip() for names in said for name in names.split(","))}
        group = next((group for group in self.groups if group.name in theirs), None)
        return None if group is None else Token(users[0].strip(), "", group.accounts, group.role)


def new_token() -> tuple[str, str]:
    """Return a new token and its hash."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, digest(token)


def digest(token: str) -> str:
    """Return the hash of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def bearer(connection: "HTTPConnection") -> str:
    """Return the token of ``Authorization: Bearer``; empty: there is none."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class Gate:
    """Tells people by their tokens, or by what a proxy says of them."""

    def __init__(self, tokens: Sequence[Token], proxy: Proxy | None = None) -> None:
        self._by_hash: Mapping[str, Token] = {token.sha256.lower(): token for token in tokens}
        self._proxy = proxy

    @property
    def is_open(self) -> bool:
        """Whether there are neither tokens nor a proxy, and so nobody is kept out."""
        return not self._by_hash and self._proxy is None

    def is_behind_proxy(self, connection: "HTTPConnection") -> bool:
        """Say whether a request comes from the proxy that is trusted."""
        return self._proxy is not None and self._proxy.is_behind(connection)

    def known(self, token: str) -> Token | None:
        """Return whose token it is; None: nobody's."""
        found = self._by_hash.get(digest(token))
        # The look-up is of a hash: what it tells by its duration is of no use to who does not know the token.
        return found if found is not None and hmac.compare_digest(found.sha256.lower(), digest(token)) else None

    def who(self, connection: "HTTPConnection") -> Token | None:
        """Return who asks: as the proxy says, by ``Authorization: Bearer``, or by the cookie; None: somebody unknown."""
        if self.is_open:
            return EVERYBODY
        if self._proxy is not None and self._proxy.is_behind(connection):
            person = self._proxy.who(connection)
            if person is not None:
                return person
        token = bearer(connection) or connection.cookies.get(COOKIE, "")
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
