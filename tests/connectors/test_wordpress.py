"""What WordPress has beyond the contract: moderation, and comments by logged-in and other people."""

import asyncio

import pytest

from streams.connectors.making import make, settings_of
from tests.connectors.network import Network, running
from tests.connectors.plant import Plant, connected, until
from tests.connectors.wordpress_network import WordPressNetwork


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)


def test_a_comment_that_is_approved_later_comes_then_and_one_that_is_gone_goes() -> None:
    async def scenario() -> None:
        network, plant = WordPressNetwork(), Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor is not None)
            held = network.say("ann", "buy my pills?", to=("acme",))
            network.held.add(int(held.key))
            network.say("ben", "hello", to=("acme",))
            await until(lambda: len(plant.kinds()) == 1)
            network.held.clear()
            await until(lambda: len(plant.kinds()) == 2)
            network.held.add(int(held.key))  # it was no good after all
            await until(lambda: len(plant.kinds()) == 1)
        assert [it["text"] for it in plant.events if it["kind"] == "withdrawal"] == [""]

    asyncio.run(scenario())


def test_an_answer_to_what_is_not_known_is_asked_for_up_to_its_root() -> None:
    async def scenario() -> None:
        network, plant = WordPressNetwork(), Plant()
        async with running(network):
            question = network.say("ann", "before", to=("acme",))
            more = network.say("ben", "me too", parent=question.key)
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.cursor is not None)
                network.say("acme", "on its way", parent=more.key)
                await until(lambda: plant.events)
        (event,) = plant.events
        assert (event["kind"], event["contact_id"], event["parent_id"]) == ("reply", "name:Ben", more.id)
        assert event["conversation_id"] == question.id

    asyncio.run(scenario())


def test_nobody_becomes_the_account_by_its_name_and_check_says_the_numbers() -> None:
    async def scenario() -> None:
        network, plant = WordPressNetwork(), Plant()
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.cursor is not None)
                said = network.say("Acme", "I am the brand", to=("acme",))
                network.comments[int(said.key)]["author_name"] = "acme"
                await until(lambda: plant.events)
            assert (plant.events[0]["kind"], plant.events[0]["author_id"]) == ("mention", "name:acme")
            connector, session = make(
                "a", settings_of(network.stanza("acme")), {"password": lambda: network.token}, lambda _: None
            )
            assert await connector.check() == "1 comments; users who write: 2 acme, 3 help, 4 guest"
            await session.close()

    asyncio.run(scenario())
