"""What strangers name is asked for at public addresses only, however it is named."""

import asyncio
import ipaddress
from collections.abc import Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors.pacing import Budget
from streams.connectors.public_addresses import NotPublicError, PublicTransport, is_public, resolve
from streams.connectors.session import MOST_REDIRECTS, Session
from streams.http_answers import UnavailableError

PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "no address",
    "",
]
PUBLIC = [
    "93.184.216.34",
    "8.8.8.8",
    "2606:2800:220:1:248:1893:25c8:1946",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_for_everybody(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_for_everybody(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_of_ipv4_stays_what_it_is_in_every_dress(address: ipaddress.IPv4Address) -> None:
    number, wanted = int(address), is_public(str(address))
    assert is_public(str(ipaddress.IPv6Address((0xFFFF << 32) | number))) == wanted
    assert is_public(str(ipaddress.IPv6Address((0x64FF9B << 96) | number))) == wanted
    assert wanted or not is_public(str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80))))


class Wire(httpx.AsyncBaseTransport):
    """What is asked for behind the guard; ``broken``: addresses to which nothing connects."""

    def __init__(self, *broken: str) -> None:
        self.asked: list[httpx.Request] = []
        self._broken = broken

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.host in self._broken:
            raise httpx.ConnectError("nobody is there")
        return httpx.Response(200, content=b"here")


def ask(url: str, addresses: Sequence[str], *broken: str) -> list[httpx.Request]:
    wire = Wire(*broken)

    async def name(host: str, port: int) -> Sequence[str]:
        assert host
        assert port
        return addresses

    async def scenario() -> None:
        async with httpx.AsyncClient(transport=PublicTransport(wire, name)) as client:
            assert (await client.get(url)).content == b"here"

    asyncio.run(scenario())
    return wire.asked


def test_what_was_looked_at_is_what_is_connected_to() -> None:
    (asked,) = ask("https://blog.example/feed/?a=1", ["93.184.216.34"])
    assert str(asked.url) == "https://93.184.216.34/feed/?a=1"
    assert asked.headers["Host"] == "blog.example"
    assert asked.extensions["sni_hostname"] == "blog.example"
    assert "timeout" in asked.extensions


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    asked = ask("http://blog.example:8080/", PUBLIC[:3], "93.184.216.34")
    assert [it.url.host for it in asked] == PUBLIC[:2]


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("http://blog.example/", ["10.0.0.1"]),
        ("http://blog.example/", ["93.184.216.34", "127.0.0.1"]),
        ("http://blog.example/", []),
        ("http://name:word@blog.example/", ["93.184.216.34"]),
    ],
)
def test_nothing_is_sent_where_one_of_them_is_private(url: str, addresses: list[str]) -> None:
    with pytest.raises(NotPublicError):
        ask(url, addresses)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "2130706433", "127.1", "[::ffff:127.0.0.1]"]
)
def test_no_way_of_writing_this_machine_gets_through(host: str) -> None:
    async def scenario() -> None:
        async with httpx.AsyncClient(transport=PublicTransport(Wire(), resolve)) as client:
            await client.get(f"http://{host}/")

    with pytest.raises((NotPublicError, httpx.ConnectError, httpx.InvalidURL)):
        asyncio.run(scenario())


def test_a_session_looks_at_every_place_that_it_is_led_to() -> None:
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head)
        path = head.split()[1]
        to = {"/out": "http://localhost:1/", "/round": "/round", "/file": "file:///etc/passwd", "/on": "/end"}.get(path)
        status, where = ("302 Found", f"Location: {to}\r\n") if to else ("200 OK", "")
        writer.write(f"HTTP/1.1 {status}\r\n{where}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        session = Session("a", Budget(1000, 1), lambda _: None)
        home = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            own = {"Authorization": "Basic c2VjcmV0"}
            assert (await session.fetch(f"{home}/on", own)).status == 200
            assert all("Basic c2VjcmV0" in head for head in asked)
            for path in ("/out", "/file"):
                with pytest.raises(NotPublicError):
                    await session.fetch(home + path, own)
            asked.clear()
            with pytest.raises(UnavailableError, match="without end"):
                await session.fetch(f"{home}/round", own)
            assert len(asked) == MOST_REDIRECTS + 1
            asked.clear()
            for ask_for in (
                session.fetch(home, {}, is_foreign=True),
                session.submit(home, {}, {"a": "b"}, is_foreign=True),
            ):
                with pytest.raises(NotPublicError):
                    await ask_for
            with pytest.raises(NotPublicError):
                await session.fetch("http://a:b/", {}, is_foreign=True)
            assert asked == []
        finally:
            await session.close()
            server.close()

    asyncio.run(scenario())
