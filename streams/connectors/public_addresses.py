"""Requests to addresses that strangers name, as feeds do: to public hosts only, so that nobody has us ask what only we can reach.

(OWASP, "Server-Side Request Forgery Prevention".) A name is resolved here, all that it stands for is looked at, and what was looked
at is what is connected to: a name that means something else a moment later does not get through.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import httpx

from streams.http_answers import UnavailableError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host, with a port. Raises :class:`OSError`."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_TRANSLATED: Final = (_NAT64, ipaddress.IPv6Network("::/96"))
"""IPv6 addresses whose last 32 bits are one of IPv4."""


class NotPublicError(UnavailableError):
    """An address is not for everybody: loopback, private, link-local, or of no host."""

    def __init__(self) -> None:
        super().__init__("it leads to an address that is not public")


def is_public(text: str) -> bool:
    """Say whether an IP address is one that everybody can reach, and so is each that it stands for."""
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    inner: list[Address | None] = []
    if isinstance(address, ipaddress.IPv6Address):
        inner += [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if any(address in network for network in _TRANSLATED):
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    mapped = [it for it in inner if it is not None]
    is_only_a_form = isinstance(address, ipaddress.IPv6Address) and bool(address.ipv4_mapped or address in _NAT64)
    return all(_is_global(it) for it in (mapped if is_only_a_form else [address, *mapped]))


def _is_global(address: Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host. Raises :class:`OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(it[4][0]) for it in found))


class PublicTransport(httpx.AsyncBaseTransport):
    """Sends requests to public addresses only, one after the other until one can be connected to."""

    def __init__(self, inner: httpx.AsyncBaseTransport | None = None, resolve: Resolve = resolve) -> None:
        # A connection is kept for its address, and must not serve another name that leads there: its certificate was not looked at.
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=0)
        self._inner = inner or httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        self._resolve = resolve

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises :class:`NotPublicError`, and what httpx raises of connections."""
        url = request.url
        if url.scheme not in ("http", "https") or not url.host or url.userinfo:
            raise NotPublicError
        try:
            addresses = await self._resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
        except (OSError, UnicodeError):
            raise httpx.ConnectError("the name of its host is not known") from None
        if not addresses or not all(map(is_public, addresses)):
            raise NotPublicError
        failed: httpx.TransportError = httpx.ConnectError("no address")
        for address in addresses:
            # the header Host is there already; the certificate has to be that of the name
            extensions = {**request.extensions, "sni_hostname": url.host}
            sent = httpx.Request(
                request.method, url.copy_with(host=address), headers=request.headers, stream=request.stream
            )
            sent.extensions = extensions
            try:
                return await self._inner.handle_async_request(sent)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:  # nothing of it was sent
                failed = error
        raise failed

    async def aclose(self) -> None:
        """Close its connections."""
        await self._inner.aclose()
