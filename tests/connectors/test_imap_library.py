"""The fake IMAP server against Python's imaplib and aioimaplib, which others wrote for real ones; and what ours does with it."""

import asyncio
import imaplib
from importlib.util import find_spec

import pytest
from pydantic import ValidationError

from streams.connectors.imap_protocol import LARGEST, connected
from streams.http_answers import RefusedError, UnavailableError
from tests.connectors.imap_network import USER, ImapNetwork
from tests.connectors.network import Network, running
from tests.connectors.plant import Plant, table, until
from tests.connectors.plant import connected as plugged
from tests.connectors.reviews_network import GoogleNetwork
from tests.unit.connectors.test_mail_reports import REPORT


def served(network: ImapNetwork, scenario: object) -> None:
    async def run() -> None:
        async with running(network):
            await scenario()  # type: ignore[operator]

    asyncio.run(run())


def test_imaplib_understands_the_server() -> None:
    network = ImapNetwork()

    def work() -> None:
        with imaplib.IMAP4("127.0.0.1", network.port) as client:
            assert client.login(USER, network.token)[0] == "OK"
            assert client.list()[1][-1] == rb'(\HasNoChildren \Sent) "/" "Sent Items"'
            assert client.select("INBOX", readonly=True) == ("OK", [b"2"])
            assert client.untagged_responses["UIDVALIDITY"] == [b"3857529045"]
            assert client.uid("SEARCH", "UID 4002:*") == ("OK", [b"4002"])
            kind, found = client.uid("FETCH", "4001:4002", "(UID INTERNALDATE BODY.PEEK[]<0.60>)")
            assert kind == "OK"
            pairs = [it for it in found if isinstance(it, tuple)]
            assert [len(raw) for _, raw in pairs] == [60, 60]
            assert b"UID 4001" in pairs[0][0]
            assert pairs[0][1].startswith(b"From: Ann <ann@people.example>")
            assert imaplib.Internaldate2tuple(pairs[0][0]) is not None
        with imaplib.IMAP4("127.0.0.1", network.port) as client:
            client.authenticate("PLAIN", lambda _: f"\0{USER}\0{network.token}".encode())
            assert client.state == "AUTH"
        with (
            pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"),
            imaplib.IMAP4("127.0.0.1", network.port) as it,
        ):
            it.login(USER, "guess")

    async def scenario() -> None:
        for text in ("one", "two"):
            network.say("ann", text, to=("acme",))
        await asyncio.to_thread(work)

    served(network, scenario)


@pytest.mark.skipif(find_spec("aioimaplib") is None, reason="needs aioimaplib: pip install aioimaplib")
def test_aioimaplib_understands_the_server() -> None:
    from aioimaplib import aioimaplib  # noqa: PLC0415 - only where it is

    network = ImapNetwork()

    async def scenario() -> None:
        network.say("ann", "one", to=("acme",))
        client = aioimaplib.IMAP4("127.0.0.1", network.port, timeout=5)
        await client.wait_hello_from_server()
        assert (await client.login(USER, network.token)).result == "OK"
        assert client.has_capability("IDLE")
        await client.select("INBOX")
        fetched = await client.uid("fetch", "4001", "(UID BODY.PEEK[])")
        assert bytes(fetched.lines[1]).endswith(b"\r\none")
        idle = await client.idle_start(timeout=5)
        network.say("ann", "two", to=("acme",))
        assert await client.wait_server_push() == [b"2 EXISTS"]
        client.idle_done()
        await asyncio.wait_for(idle, 5)
        await client.logout()

    served(network, scenario)


def test_a_long_mail_is_read_as_far_as_its_text_may_be() -> None:
    network = ImapNetwork()

    async def scenario() -> None:
        network.put("INBOX", b"From: ann@people.example\r\n\r\n" + b"x" * 3 * LARGEST)
        async with connected("127.0.0.1", network.port, 5, with_tls=False) as imap:
            await imap.log_in(USER, network.token)
            state = await imap.examine(b"INBOX")
            found = [mail async for mail in imap.mails(await imap.search(b"ALL"))]
        assert (state.validity, state.following, len(found[0].raw)) == (network.validity, 4_002, LARGEST)

    served(network, scenario)


def test_a_report_of_spam_is_an_opt_out_and_no_mention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)
    network, plant = ImapNetwork(), Plant()

    async def scenario() -> None:
        async with plugged(plant, network.stanza("acme")):
            await until(lambda: plant.cursor is not None)
            network.put("INBOX", REPORT)
            last = network.say("ann", "last", to=("acme",))
            await until(lambda: last.id in {it["id"] for it in plant.events})

    served(network, scenario)
    assert [it["kind"] for it in plant.events] == ["opt_out", "mention"]
    assert plant.events[0]["contact_id"] == "ann@people.example"
    assert not plant.letters


@pytest.mark.parametrize("has_plain", [True, False])
def test_a_wrong_password_is_refused_and_not_said(has_plain: bool) -> None:  # noqa: FBT001 - a parameter of the test
    network = ImapNetwork(has_plain=has_plain)

    async def scenario() -> None:
        async with connected("127.0.0.1", network.port, 5, with_tls=False) as imap:
            with pytest.raises(RefusedError, match=r"AUTHENTICATIONFAILED") as refused:
                await imap.log_in(USER, "s3cr3t")
            assert "s3cr3t" not in str(refused.value)

    served(network, scenario)


def test_a_mailbox_is_let_into_by_oauth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)
    google, network, plant = GoogleNetwork(), ImapNetwork(), Plant()

    async def scenario() -> None:
        async with running(google):
            network.tokens = google.tokens
            stanza = {name: it for name, it in network.stanza("acme").items() if name != "password_env"} | {
                "refresh_token_env": "NETWORK_TOKEN",
                "client_secret_env": "NETWORK_TOKEN",
                "client_id": "rapport.apps.example",
                "token_url": f"{google.url}/token",
            }
            async with plugged(plant, stanza):
                await until(lambda: plant.cursor is not None)
                network.say("ann", "hello", to=("acme",))
                await until(lambda: plant.events)
            assert google.asked_for_tokens == 1
            async with connected("127.0.0.1", network.port, 5, with_tls=False) as imap:
                with pytest.raises(RefusedError, match="AUTHENTICATIONFAILED"):
                    await imap.log_in(USER, token="guess")

    served(network, scenario)


@pytest.mark.parametrize(
    ("left_out", "said"),
    [("password_env", "give it password_file"), ("server", "Field required")],
)
def test_how_to_log_in_has_to_be_said(left_out: str, said: str) -> None:
    stanza = ImapNetwork(port=1).stanza("acme")
    del stanza[left_out]
    with pytest.raises(ValidationError, match=said):
        table(stanza)
    both = ImapNetwork(port=1).stanza("acme") | {"refresh_token_env": "A"}
    with pytest.raises(ValidationError, match="one of them"):
        table(both)
    del both["password_env"]
    with pytest.raises(ValidationError, match="token_url and client_id"):
        table(both)


def test_a_line_without_an_end_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.connectors.imap_protocol.LONGEST_LINE", 10_000)

    async def scenario() -> None:
        async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"* OK " + b"x" * 50_000)
            ended.append(writer)

        ended: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(endless, "127.0.0.1", 0)
        with pytest.raises(UnavailableError, match="a line has more than"):
            async with connected("127.0.0.1", server.sockets[0].getsockname()[1], 5, with_tls=False):
                pass
        ended[0].transport.abort()
        server.close()

    asyncio.run(scenario())
