"""What YouTube has beyond the contract: its quota, and threads with more replies than come with them."""

import asyncio
import time

import pytest

from streams.connectors import window
from streams.connectors.making import make, settings_of
from streams.connectors.youtube import YouTube
from streams.http_answers import RefusedError, UnavailableError
from tests.connectors.network import Network, running
from tests.connectors.plant import NAME, PACE, Plant, connected, table, until
from tests.connectors.youtube_network import YouTubeNetwork


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)


def test_never_more_than_the_quota_in_a_day() -> None:
    settings = settings_of(YouTubeNetwork().stanza("acme") | {"units_per_day": 10_000})
    budget, now, asked = YouTube.budget(settings), 0.0, 0
    while now < 86_400:
        now += budget.take(now)
        asked += 1
    assert 9_900 <= asked <= 10_001


def test_a_quota_that_is_used_up_is_waited_for_and_a_wrong_key_is_not() -> None:
    async def scenario() -> None:
        network = YouTubeNetwork()
        async with running(network):
            for key, error in ((network.token, UnavailableError), ("wrong", RefusedError)):
                network.quota = 0
                connector, session = make(
                    "a", settings_of(network.stanza("acme")), {"key": lambda key=key: key}, lambda _: None
                )
                with pytest.raises(error) as caught:
                    await connector.check()
                assert getattr(caught.value, "pause", 3600.0) == 3600.0
                await session.close()

    asyncio.run(scenario())


def test_all_replies_of_a_long_thread_come_and_go() -> None:
    async def scenario() -> None:
        network, plant = YouTubeNetwork(), Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor is not None)
            question = network.say("ann", "who else?", to=("acme",))
            replies = [network.say(f"person{number}", "me", parent=question.key) for number in range(130)]
            network.say("acme", "all of you", parent=replies[7].key)
            await until(lambda: len(plant.kinds()) == 132)
            assert plant.kinds() == network.truth("acme")
            (own,) = [it for it in plant.events if it["author_id"] == "UCacme"]
            assert (own["kind"], own["contact_id"], own["parent_id"]) == ("reply", "UCperson7", replies[7].id)
            network.delete(replies[3].key)
            await until(lambda: len(plant.kinds()) == 131)
            network.delete(question.key)
            await until(lambda: not plant.kinds())

    asyncio.run(scenario())


def test_what_has_not_changed_costs_a_unit_a_look() -> None:
    async def scenario() -> None:
        network, plant = YouTubeNetwork(), Plant()
        async with running(network):
            question = network.say("ann", "who else?", to=("acme",))
            for number in range(30):
                network.say(f"person{number}", "me", parent=question.key)
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.cursor is not None)
                began = time.monotonic()
                await until(lambda: sum(path.endswith("commentThreads") for _, path in network.requests) > 5)
                assert time.monotonic() - began > 0.3
        assert {path for _, path in network.requests} == {"/youtube/v3/channels", "/youtube/v3/commentThreads"}
        assert not plant.events

    asyncio.run(scenario())


def test_what_happens_in_older_threads_is_found_later_and_costs_a_unit_for_each_hundred(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "MOST_KEPT", 50)

    async def scenario() -> None:
        network, plant = YouTubeNetwork(), Plant()
        network.mood.skew = -60_000
        before = [network.say("ann", f"long ago {number}", to=("acme",)) for number in range(100)]
        for number in range(9):
            network.say(f"person{number}", "me", parent=before[0].key)
        network.mood.skew, old = 0, set(network.posts)
        truth = lambda: {it: kind for it, kind in network.truth("acme").items() if it[1].partition(":")[2] not in old}  # noqa: E731
        async with running(network):
            stanza = network.stanza("acme") | {"recheck_seconds": 86_400}
            async with connected(plant, stanza):
                await until(lambda: plant.cursor is not None)
                mine = [network.say("ben", f"mine {number}", to=("acme",)) for number in range(150)]
                await until(lambda: plant.kinds() == truth())
                late = [network.say("cy", "mine too", parent=mine[0].key) for _ in range(7)]
                late.append(network.say("acme", "at last", parent=before[0].key))
                for number in range(60):  # so that all those are older than what was seen last
                    network.say("dee", f"new {number}", to=("acme",))
                await until(lambda: len(plant.kinds()) == 210)
            assert not {it.id for it in late} & {it for _, it in plant.kinds()}
            async with connected(plant, stanza | {"recheck_seconds": 0.3}):
                await until(lambda: plant.kinds() == truth())
                network.edit(mine[1].key, "better said")
                await until(lambda: plant.newest(mine[1].id)["text"] == "better said")
                for gone in (late[0], mine[2]):
                    network.delete(gone.key)
                    del network.posts[gone.key]
                await until(lambda: plant.kinds() == truth())
                asked, spent = len(network.requests), network.spent
                await until(lambda: network.spent >= spent + 2 * 4 + 2)
            paths = [path for _, path in network.requests[asked:]]
            assert set(paths) == {"/youtube/v3/commentThreads"}, "what has not changed is not asked for again"

    asyncio.run(scenario())


def test_a_history_has_answers_in_older_threads_and_reads_nothing_again_for_a_request_that_fails() -> None:
    async def scenario() -> None:
        network, plant, since = YouTubeNetwork(), Plant(), time.time_ns() // 1_000_000 - 60_000
        network.mood.skew = -10 * 86_400_000
        old = network.say("ann", "long ago", to=("acme",))
        for number in range(250):
            network.mood.skew = 0 if number >= 150 else network.mood.skew + 60_000
            network.say("ann", f"comment {number}", to=("acme",))
        answer = network.say("acme", "at last", parent=old.key)
        network.mood.failing = 3
        async with running(network):
            named = table(network.stanza("acme"))
            assert await plant.work(PACE).walk(NAME, named, since, asyncio.Event())
        assert len(plant.events) == 101
        (own,) = [it for it in plant.events if it["kind"] == "reply"]
        assert (own["id"], own["contact_id"]) == (answer.id, "UCann")
        assert len(network.requests) == 3 + 1 + 3, "the failures, the channel and the pages"

    asyncio.run(scenario())
