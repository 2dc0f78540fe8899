"""What is Stack Exchange's own: backoff and quota, pages that move, threads from before, and whom a comment is to."""

import asyncio
import time
from itertools import pairwise

import pytest

from streams.connectors.making import make, settings_of
from tests.connectors.network import Network, running
from tests.connectors.plant import Plant, connected, until
from tests.connectors.stackexchange_network import SITE, StackExchangeNetwork

ACME = f"stackexchange:acme@{SITE}"


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)


async def check(network: StackExchangeNetwork) -> str:
    made = make("so", settings_of(network.stanza("acme")), {"key": lambda: network.token}, lambda _: None)
    try:
        return await made.connector.check()
    finally:
        await made.session.close()


def test_backoff_is_waited_for() -> None:
    async def scenario() -> None:
        network = StackExchangeNetwork(backoff=1)
        async with running(network), connected(Plant(), network.stanza("acme")):
            await asyncio.sleep(2.5)
        assert 2 <= len(network.requests) <= 3
        assert all(later - earlier >= 0.95 for (earlier, _), (later, _) in pairwise(network.requests))

    asyncio.run(scenario())


def test_a_quota_that_is_used_up_is_left_alone_and_the_check_says_so() -> None:
    async def scenario() -> None:
        network = StackExchangeNetwork(quota=0)
        async with running(network):
            assert await check(network) == "the key has 0 of 10000 requests of today left"
            async with connected(Plant(), network.stanza("acme")):
                await asyncio.sleep(0.5)
        assert len(network.requests) == 2

    asyncio.run(scenario())


def test_what_moves_from_page_to_page_is_not_missed() -> None:
    """Whatever something happens to moves to the end of its list, and all behind it one place up."""

    async def scenario() -> None:
        network, plant = StackExchangeNetwork(), Plant()
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.cursor)
            for number in range(350):
                network.mood.skew = number * 100  # a second has some ten of them
                network.say("ann", f"question {number}", to=("acme",))
            network.mood.slow = 0.05
            async with connected(plant, network.stanza("acme")):
                before = len(network.requests)
                for at in range(0, 100, 5):
                    list(network.raw.values())[at]["last_activity_date"] = network.now() // 1000 + 50
                    await asyncio.sleep(0.01)
                network.mood.slow = 0
                await until(lambda: plant.kinds() == network.truth("acme"))
                assert len(network.requests) - before < 100
        assert len({it["id"] for it in plant.events}) == len(plant.events) == 350

    asyncio.run(scenario())


def test_threads_from_before_the_first_start() -> None:
    async def scenario() -> None:
        network, plant = StackExchangeNetwork(), Plant()
        question = network.say("ann", "old question", to=("acme",))
        answer = network.say("acme", "old answer", parent=question.key)
        remark = network.say("ben", "an old comment", parent=answer.key)
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor)
            thanks = network.say("ann", "it does not help", parent=answer.key)
            to_ben = network.say("acme", "as I said", parent=remark.key)
            late = network.say("cy", "another answer", parent=question.key)
            again = network.say("acme", "a second answer", parent=question.key)
            network.edit(question.key, "old question, changed")  # nobody has asked for it before: it stays out
            await until(lambda: len(plant.events) == 3)
            await asyncio.sleep(0.2)
        found = {it["id"]: it for it in plant.events}
        assert set(found) == {thanks.id, to_ben.id, again.id}
        assert late.id not in found, "to a question that nobody knows as one for us"
        person = {
            name: network.raw[key]["owner"]["user_id"] for name, key in (("ann", question.key), ("ben", remark.key))
        }
        assert (found[thanks.id]["kind"], found[thanks.id]["parent_id"]) == ("mention", answer.id)
        assert (found[to_ben.id]["kind"], found[to_ben.id]["parent_id"]) == ("reply", remark.id)
        assert found[to_ben.id]["contact_id"] == f"{person['ben']}@{SITE}"
        assert (found[again.id]["kind"], found[again.id]["contact_id"]) == ("reply", f"{person['ann']}@{SITE}")
        assert {it["conversation_id"] for it in plant.events} == {question.id}

    asyncio.run(scenario())


def test_a_poll_costs_three_requests() -> None:
    async def scenario() -> None:
        network, plant = StackExchangeNetwork(), Plant()
        async with running(network):
            async with connected(plant, network.stanza("acme") | {"poll_seconds": 600}):
                await until(lambda: plant.cursor)
            question = network.say("ann", "hello", to=("acme",))
            answer = network.say("acme", "hello", parent=question.key)
            network.say("ann", "thanks", parent=answer.key)
            before, began = len(network.requests), time.monotonic()
            async with connected(plant, network.stanza("acme") | {"poll_seconds": 600}):
                await until(lambda: len(plant.events) == 3)
            assert [path for _, path in network.requests[before:]] == [
                "/2.3/comments",
                "/2.3/answers",
                "/2.3/questions",
            ]
            assert time.monotonic() - began < 5

    asyncio.run(scenario())
