"""GoToSocial, Pleroma and Akkoma: what they have that Mastodon has not. The contract runs over the first two."""

import asyncio
from collections.abc import Callable

import pytest

from streams.connecting.login import login
from streams.errors import Reason
from tests.connectors.fediverse_network import AkkomaNetwork, GoToSocialNetwork, PleromaNetwork
from tests.connectors.mastodon_network import MastodonNetwork
from tests.connectors.network import running
from tests.connectors.plant import Plant, connected, table, until


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", MastodonNetwork.token)


@pytest.mark.parametrize("server", [GoToSocialNetwork, PleromaNetwork, AkkomaNetwork])
def test_its_ids_its_notifications_and_its_name_are_understood(server: Callable[[], MastodonNetwork]) -> None:
    network, plant = server(), Plant()

    async def scenario() -> None:
        async with running(network):
            own = table(network.stanza("acme"))
            assert await login("it", own) == ("the token is of mastodon:acme@social.example", True)
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.cursor is not None)
                for number in range(100):  # more than a page, of which some servers fill half with what is no mention
                    post = network.say("ann@else.example", f"question {number}", to=("acme",))
                    network.say("acme", "answer", parent=post.key)
                await until(lambda: plant.kinds() == network.truth("acme"))

    asyncio.run(scenario())
    assert not plant.letters
    by_id = {it["id"]: it for it in plant.events}
    assert len(by_id) == 200
    assert {it["contact_id"] for it in by_id.values()} == {"ann@else.example"}
    said = {it["text"].partition(" ")[2] for it in by_id.values()}
    assert said == {"answer", *(f"question {number}" for number in range(100))}


def test_what_its_stream_tells_is_asked_for_at_once() -> None:
    network, plant = GoToSocialNetwork(), Plant()

    async def scenario() -> None:
        async with running(network), connected(plant, network.stanza("acme") | {"poll_seconds": 3600}):
            await until(lambda: network.connections)
            post = network.say("ann", "hello", to=("acme",))
            network.say("acme", "hello yourself", parent=post.key)
            network.say("ann", "to nobody")
            await until(lambda: plant.kinds() == network.truth("acme"))
            network.streams[0].put_nowait(b"no event")
            await until(lambda: plant.letters)

    asyncio.run(scenario())
    (letter,) = plant.letters
    assert (letter.reason, letter.payload) == (Reason.MALFORMED_RECORD, b"no event")


def test_one_that_opens_no_stream_is_asked() -> None:
    network, plant = GoToSocialNetwork(), Plant()
    network.opens_sockets = False

    async def scenario() -> None:
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor is not None)
            for number in range(3):
                network.say("ann", f"question {number}", to=("acme",))
                await until(lambda: plant.kinds() == network.truth("acme"))

    asyncio.run(scenario())
    paths = [path for _, path in network.requests]
    assert (paths.count("/api/v1/streaming/user"), paths.count("/api/v1/streaming")) == (1, 1), "it is tried once"
    assert not network.streamed
