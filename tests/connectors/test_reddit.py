"""What is Reddit's own: tokens, lists that end, the inbox, and limits that are told before they are met."""

import asyncio
from itertools import pairwise

import pytest
from prometheus_client import REGISTRY

from streams.connectors.making import make, settings_of
from streams.http_answers import RefusedError
from tests.connectors.network import Network, Request, running
from tests.connectors.plant import NAME, Plant, connected, found_after_a_long_round, until
from tests.connectors.reddit_network import RedditNetwork

APP = {"refresh_token_env": None}
"""Without a user's token."""


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)


async def check(network: RedditNetwork, refresh_token: str, **changed: object) -> str:
    secrets = {"client_secret": lambda: network.token, "refresh_token": lambda: refresh_token}
    made = make("reddit", settings_of(network.stanza("acme") | changed), secrets, lambda _: None)
    try:
        return await made.connector.check()
    finally:
        await made.session.close()


def test_the_token_is_a_users_or_the_apps() -> None:
    async def scenario() -> None:
        async with running(RedditNetwork()) as network:
            assert isinstance(network, RedditNetwork)
            assert await check(network, network.token) == "the token is of reddit:acme"
            assert await check(network, "", **APP) == "the app is known, and reads what anybody may read"
            assert network.grants == ["refresh_token", "client_credentials"]
            with pytest.raises(RefusedError, match="HTTP 400"):
                await check(network, "an old one")

    asyncio.run(scenario())


def test_a_token_that_ends_before_its_time_is_renewed() -> None:
    async def scenario() -> None:
        network, plant = RedditNetwork(), Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor)
            network.tokens.clear()
            network.say("ann", "hello", to=("acme",))
            await until(lambda: plant.events)
        assert network.grants == ["refresh_token"] * 2

    asyncio.run(scenario())


def test_without_a_users_token_the_inbox_is_not_asked_for() -> None:
    async def scenario() -> None:
        network, plant = RedditNetwork(), Plant()
        async with running(network), connected(plant, network.stanza("acme") | APP):
            await until(lambda: plant.cursor)
            network.say("ann", "hello", to=("acme",))
            await until(lambda: plant.events)
        assert "/message/inbox" not in {path for _, path in network.requests}

    asyncio.run(scenario())


def test_what_is_said_to_the_account_elsewhere_comes_by_its_inbox_and_what_it_says_by_its_overview() -> None:
    async def scenario() -> None:
        network, plant = RedditNetwork(), Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor)
            topic = network.say("ann", "which phone?", subreddit="elsewhere")
            question = network.say("ann", "what do you say?", to=("acme",), parent=topic.key, subreddit="elsewhere")
            reply = network.say("acme", "ours", parent=question.key, subreddit="elsewhere")
            unasked = network.say("acme", "and this one", parent=topic.key, subreddit="elsewhere")
            await until(lambda: len(plant.events) == 3)
        found = {it["id"]: it for it in plant.events}
        assert {post: (it["kind"], it["contact_id"]) for post, it in found.items()} == {
            question.id: ("mention", "ann"),
            reply.id: ("reply", "ann"),
            unasked.id: ("reply", "ann"),
        }
        assert {it["conversation_id"] for it in plant.events} == {topic.id}

    asyncio.run(scenario())


def test_submissions_in_an_own_subreddit_are_for_the_account_and_its_people_write_for_it() -> None:
    async def scenario() -> None:
        network, plant = RedditNetwork(), Plant()
        own = {"own_subreddits": {"Acme": "reddit:acme"}, "people": {"Zoe": "reddit:acme"}}
        async with running(network), connected(plant, network.stanza("acme") | own):
            await until(lambda: plant.cursor)
            # the fake's list of a subreddit is by its name as it is asked for
            question = network.say("ann", "it is broken", subreddit="Acme")
            network.say("Zoe", "which one?", parent=question.key, subreddit="Acme")
            network.say("ben", "mine, too", parent=question.key, subreddit="Acme")
            await until(lambda: len(plant.events) == 3)
        assert [(it["kind"], it["contact_id"], it["author_name"]) for it in plant.events] == [
            ("mention", "ann", "ann"),
            ("reply", "ann", "Zoe"),
            ("peer", "ben", "ben"),
        ]

    asyncio.run(scenario())


def test_a_list_that_ends_before_the_cursor_is_a_gap() -> None:
    def gaps() -> float:
        return REGISTRY.get_sample_value("rapport_connector_gaps_total", {"connector": NAME}) or 0.0

    async def scenario() -> None:
        network, plant = RedditNetwork(), Plant()
        before = gaps()
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.cursor)
                network.say("ann", "hello", to=("acme",))
                await until(lambda: plant.events)
            network.mood.skew = 3_600_000
            for number in range(1_100):
                network.say("ann", f"post {number}", to=("acme",))
            async with connected(plant, network.stanza("acme")):
                await until(lambda: len(plant.events) == 1_001)
                assert gaps() == before + 1
        assert plant.kinds().items() <= network.truth("acme").items()

    asyncio.run(scenario())


class Slowly(RedditNetwork):
    """Minutes go by between one list and the next, and people go on writing."""

    is_slow = False

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        is_last = request.path.endswith("/new")
        if self.is_slow and is_last:
            self.is_slow = False
            news = self.say("acme", "news")
            for number in range(150):  # more than a page
                self.say("ben", f"question {number}", parent=news.key)
            self.mood.skew += 300_000
            self.say("ann", "hello", to=("acme",))
            for number in range(150):
                self.say("ben", f"more {number}", parent=news.key)
        await super().serve(request, writer)


def test_what_is_written_while_other_lists_are_read_is_found_with_the_next() -> None:
    asyncio.run(found_after_a_long_round(Slowly()))


def test_when_nothing_remains_nothing_is_asked_for_until_the_window_ends() -> None:
    async def scenario() -> None:
        network = RedditNetwork(remaining=0.0)
        async with running(network), connected(Plant(), network.stanza("acme")):
            await asyncio.sleep(2.5)
        times = [at for at, path in network.requests if path != "/api/v1/access_token"]
        assert len(times) == 3
        assert all(later - earlier >= 0.95 for earlier, later in pairwise(times))

    asyncio.run(scenario())
