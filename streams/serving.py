"""``rapport serve``: the live page and its API, over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import KafkaError

from schemas.answers import keys
from sinks.dashboard.access import Group, Proxy, Token
from streams.config import Brands, Settings, secrets_of
from streams.errors import BrokerError, SettingsError, broker_refusal
from streams.notification_commands import Commands

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from starlette.types import ASGIApp

    from sinks.dashboard.acting import Tell
    from sinks.dashboard.callbacks import Proofs

OWN_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
"""Of this machine. A page without tokens answers to no other name, so that no other site can point its own name here."""
STOP_SECONDS: Final = 3


def tokens_of(brands: Brands) -> list[Token]:
    """Return who may see the page."""
    return [token for token in _all_tokens(brands) if token.role != "sender"]


def senders_of(brands: Brands) -> list[Token]:
    """Return who may push interactions."""
    return [token for token in _all_tokens(brands) if token.role == "sender"]


def _all_tokens(brands: Brands) -> list[Token]:
    return [Token(token.name, token.sha256, token.accounts, token.role) for token in brands.tokens]


def proxy_of(brands: Brands) -> Proxy | None:
    """Return whose word is taken for who somebody is; None: nobody's."""
    if (proxy := brands.proxy) is None:
        return None
    groups = [Group(group.name, group.role, group.accounts) for group in proxy.groups]
    return Proxy([ip_network(it) for it in proxy.addresses], proxy.user_header, proxy.groups_header, groups)


def is_guarded(brands: Brands) -> bool:
    """Say whether the page asks who somebody is."""
    return bool(tokens_of(brands)) or brands.proxy is not None


def proofs_of(brands: Brands) -> "Proofs":
    """Return what answers to messages are believed by. Raises :class:`SettingsError` if a secret is missing or too short."""
    from sinks.dashboard.callbacks import Proofs  # noqa: PLC0415 - as below

    def all_of(name: str) -> list[str]:
        receivers = [it for it in brands.receivers.values() if it.has(name)]
        return [secrets_of(it)[name]() for it in receivers]

    def links() -> list[str]:
        try:
            return [key for secret in all_of("link_secret") for key in keys(secret)]
        except ValueError as error:
            raise SettingsError(str(error), "make one with openssl rand -hex 32") from None

    proofs = Proofs(lambda: all_of("signing_secret"), links)
    proofs.slack(), proofs.links()  # what is wrong with them is said at the start
    return proofs


def listen(host: str, port: int, *, guarded: bool = False) -> socket.socket:
    """Return a socket to serve the page on, as :func:`bound` does. ``guarded``: for others too."""
    if not guarded and not is_own(host):
        raise SettingsError(
            f"without tokens the page is for this machine alone, and {host} is for others as well",
            "make one with `rapport token NAME`, put it into rapport.toml, and set RAPPORT_ACCOUNTS_FILE",
        )
    return bound(host, port)


def bound(host: str, port: int) -> socket.socket:
    """Return a socket to serve on; port 0: any that is free. Raises :class:`SettingsError`."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} cannot be listened on ({error.strerror or error})", "give another --port or --host"
        ) from None


def is_own(host: str) -> bool:
    """Say whether an address can be reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(listening: socket.socket) -> str:
    """Return where a browser finds the page."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(  # noqa: PLR0913 - what is served, where, and until when
    client: "Client",
    listening: socket.socket,
    brands: Brands,
    stop: asyncio.Event,
    kafka: Settings | None = None,
    *,
    still: bool = False,
) -> None:
    """Serve the page until ``stop`` is set; whoever watches is sent away then.

    ``kafka``: where a notifier finds what people say to alerts; without it they can say nothing. ``still``: nothing comes in.
    """
    from sinks.dashboard.alerts import Agreed  # noqa: PLC0415 - a worker has no use for a page, and starts often
    from sinks.dashboard.app import Served, build  # noqa: PLC0415 - as above

    tokens, proxy, hosts = tokens_of(brands), proxy_of(brands), ("*",) if is_guarded(brands) else OWN_NAMES
    async with _telling(kafka) as tell:
        calendars = {name: hours.shifts for name, hours in brands.business_hours.items()}
        told, proofs = brands.notifications, proofs_of(brands)
        agreed = Agreed(told.forgets, told.maintenance)
        page = build(Served(client, tokens, hosts, tell, proxy, proofs, calendars, still, agreed))
        # with a proxy of its own, the address from which a request comes would be what its sender says
        async with until_stopped(page, listening, stop, proxy_headers=proxy is None):
            await page.state.inbox.close()


@asynccontextmanager
async def until_stopped(
    application: "ASGIApp", listening: socket.socket, stop: asyncio.Event, *, proxy_headers: bool = True
) -> AsyncIterator[None]:
    """Serve an application until ``stop`` is set, or the server ends; go on then, and answer what is under way at the end.

    ``proxy_headers``: a proxy on this machine says who it asks for.
    """
    import uvicorn  # noqa: PLC0415 - nor for a web server

    class Server(uvicorn.Server):
        """A server that leaves signals to whoever runs it."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        application,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=proxy_headers,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def _telling(kafka: Settings | None) -> AsyncIterator["Tell | None"]:
    """Yield what takes a command to the notifier, over one connection for as long as the page is served."""
    if kafka is None:
        yield None
        return
    async with Commands(kafka) as commands:

        async def tell(command: Mapping[str, Any]) -> None:
            try:
                await commands.tell(command)
            except (KafkaError, TimeoutError) as error:
                wrong = f"Kafka has not taken it ({type(error).__name__})"
                raise broker_refusal(error) or BrokerError(wrong, "say it again once Kafka answers") from None

        yield tell
