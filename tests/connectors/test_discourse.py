"""What is Discourse's own: how its versions page, what it hides, who writes for whom, and what it costs."""

import asyncio

import pytest

from streams.connectors.making import make, settings_of
from streams.http_answers import RefusedError
from tests.connectors.discourse_network import GENERATIONS, DiscourseNetwork, Generation
from tests.connectors.network import Network, running
from tests.connectors.plant import NAME, PACE, Plant, connected, table, until

KEY = {"user_api_key_env": None, "api_key_env": "NETWORK_TOKEN", "api_username": "reader"}


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)


def test_the_check_says_whose_key_it_is() -> None:
    async def scenario(keys: dict[str, str | None]) -> str:
        async with running(DiscourseNetwork()) as network:
            settings = settings_of(network.stanza("acme") | keys)
            secrets = {"user_api_key": lambda: network.token, "api_key": lambda: network.token}
            made = make("forum", settings, secrets, lambda _: None)
            try:
                return (await made.connector.check()).rpartition("@")[0]
            finally:
                await made.session.close()

    assert asyncio.run(scenario({})) == asyncio.run(scenario(KEY)) == "the key is of discourse:acme"
    with pytest.raises(RefusedError):
        asyncio.run(scenario({"user_api_key_env": None}))


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_first_post_of_a_history_is_found_by_halving_however_numbers_are_counted(generation: Generation) -> None:
    async def scenario() -> tuple[list[str], int]:
        network, plant = DiscourseNetwork(generation=generation), Plant()
        async with running(network):
            for number in range(400):
                network.mood.skew = (number - 400) * 1_000_000
                network.say("ann", f"post {number}", to=("acme",))
            network.private |= {*range(20, 180), *range(190, 300)}
            since = network.now() - 99_500_000  # between two posts: their clock ends a million ms behind
            assert await plant.work(PACE).walk(NAME, table(network.stanza("acme")), since, asyncio.Event())
        return [it["text"] for it in plant.events], [path for _, path in network.requests].count("/posts.json")

    texts, asked = asyncio.run(scenario())
    assert [int(it.split()[-1]) for it in texts] == list(range(300, 400))
    assert asked < 16


@pytest.mark.parametrize("generation", GENERATIONS)
def test_what_fills_many_pages_is_walked_forwards_however_they_are_counted(generation: Generation) -> None:
    async def scenario() -> None:
        network, plant = DiscourseNetwork(generation=generation), Plant()
        network.say("ann", "before", to=("acme",))
        async with running(network):
            async with connected(plant, network.stanza("acme") | KEY):
                await until(lambda: plant.cursor)
            written = [network.say("ann", f"post {number}", to=("acme",)) for number in range(330)]
            network.private |= set(range(60, 180))  # what we may not read has numbers, too
            async with connected(plant, network.stanza("acme") | KEY):
                await until(lambda: len(plant.events) >= 210)
                asked = [path for _, path in network.requests].count("/posts.json")
        there = [it.id for it in written if int(it.key) not in network.private]
        assert [it["id"] for it in plant.events] == there, "each once, oldest first"
        assert asked < 20

    asyncio.run(scenario())


def test_what_is_only_hidden_or_moved_is_not_withdrawn_and_what_is_deleted_far_back_is() -> None:
    async def scenario() -> None:
        network, plant = DiscourseNetwork(), Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor)
            moved, gone, regretted = (network.say("ann", text, to=("acme",)) for text in ("moved", "gone", "regretted"))
            for number in range(100):
                network.say("ben", f"post {number}")
            await until(lambda: len(plant.events) == 3)
            network.private.add(int(moved.key))
            network.raw[int(regretted.key)] |= {"user_deleted": True, "cooked": "<p>(post deleted by author)</p>"}
            await asyncio.sleep(0.3)
            network.delete(gone.key)
            await until(lambda: len(plant.kinds()) == 1)
        assert [it for _, it in plant.kinds()] == [moved.id]
        withdrawn = [it["id"] for it in plant.events if it["kind"] == "withdrawal"]
        assert sorted(withdrawn) == sorted([gone.id, regretted.id]), "each once"

    asyncio.run(scenario())


def test_what_was_there_before_the_first_start_stays_out_after_a_restart() -> None:
    async def scenario() -> None:
        network, plant = DiscourseNetwork(), Plant()
        network.say("ann", "before", to=("acme",))
        async with running(network):
            for _ in range(2):
                async with connected(plant, network.stanza("acme")):
                    await until(lambda: plant.cursor)
                    await asyncio.sleep(0.3)
        assert not plant.events

    asyncio.run(scenario())


def test_people_write_for_an_account_and_topics_of_a_category_are_for_it() -> None:
    async def scenario() -> None:
        network, plant = DiscourseNetwork(), Plant()
        async with running(network):
            (acme,) = network.stanza("acme")["accounts"]
            stanza = network.stanza("acme") | {"people": {"Zoe": acme}, "categories": {"5": acme}}
            async with connected(plant, stanza):
                await until(lambda: plant.cursor)
                topic = network.say("ann", "It is broken")
                network.raw[int(topic.key)] |= {"category_id": 5}
                network.say("zoe", "Which one?", parent=topic.key)
                network.say("ben", "Mine, too", parent=topic.key)
                await until(lambda: len(plant.events) == 3)
        assert [(it["kind"], it["account"], it["contact_id"]) for it in plant.events] == [
            ("mention", acme, f"ann@{network.forum}"),
            ("reply", acme, f"ann@{network.forum}"),
            ("peer", acme, f"ben@{network.forum}"),
        ]
        assert plant.events[1]["author_name"] == "Zoe"

    asyncio.run(scenario())


def test_where_a_post_stands_is_known_from_the_lists() -> None:
    async def scenario() -> list[str]:
        network, plant = DiscourseNetwork(), Plant()
        async with running(network), connected(plant, network.stanza("acme") | {"recheck_seconds": 3600}):
            await until(lambda: plant.cursor)
            first = network.say("ann", "hello", to=("acme",))
            for number in range(30):
                network.say("ben", f"me too {number}", parent=first.key)
            await until(lambda: len(plant.events) == 31)
            await asyncio.sleep(0.3)
        return [path for _, path in network.requests]

    assert set(asyncio.run(scenario())) == {"/posts.json"}
