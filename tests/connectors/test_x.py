"""What only X has: rules and subscriptions in step, edits under new ids, quotes, opt-outs, and how long it is left alone."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from streams.connectors import x_reading
from streams.connectors.live import Known
from streams.connectors.making import make, settings_of
from streams.connectors.x import X, left_alone
from streams.connectors.x_activity import reader
from streams.connectors.x_standing import keep_rules, keep_subscriptions
from streams.http_answers import UnavailableError
from tests.connectors.network import Network, running
from tests.connectors.plant import NAME, PACE, Plant, connected, table, until
from tests.connectors.test_contract import counted
from tests.connectors.x_network import XNetwork, number_of
from tests.oracle import measure

ACME, HELP = number_of("acme"), number_of("help")


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)


def played(network: XNetwork, scene: Callable[[Plant], Awaitable[None]], **stanza: Any) -> Plant:  # noqa: ANN401
    """Return the plant after a scene that begins when the stream is open, with both accounts."""

    async def scenario() -> Plant:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme", "help") | stanza):
            await until(lambda: network.connections)
            await scene(plant)
        return plant

    return asyncio.run(scenario())


def asked(network: XNetwork, ask: Callable[[X], Awaitable[None]]) -> None:
    async def scenario() -> None:
        async with running(network):
            made = make(NAME, settings_of(network.stanza("acme")), {"token": lambda: Network.token}, lambda _: None)
            assert isinstance(made.connector, X)
            try:
                await ask(made.connector)
            finally:
                await made.session.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("history", ["timelines", "recent"])
def test_where_x_goes_back_no_further_a_history_has_a_gap(history: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> Plant:
        network, plant = XNetwork(history=history), Plant()
        network.mood.skew = -10 * 86_400_000
        network.say("ann", "too old", to=("acme",))
        network.mood.skew = 0
        for number in range(3):
            network.say("ann", f"post {number}", to=("acme",))
        network.goes_back = {"mentions": 3, "tweets": 3}
        since = time.time_ns() // 1_000_000 - 20 * 86_400_000
        async with running(network):
            assert await plant.work(PACE).walk(NAME, table(network.stanza("acme")), since, asyncio.Event())
        return plant

    monkeypatch.setattr(x_reading, "LIMITS", {"mentions": 3, "tweets": 3})
    gaps = counted("rapport_connector_gaps_total")
    assert len(asyncio.run(scenario()).events) == 3
    assert counted("rapport_connector_gaps_total") == gaps + 1


def test_subscriptions_and_rules_are_kept_in_step_and_those_of_others_stay() -> None:
    network = XNetwork()
    foreign = {"subscription_id": "9", "event_type": "post.create", "filter": {"user_id": "7"}, "tag": "theirs"}
    network.subscriptions["9"] = foreign
    network.rules["8"] = {"id": "8", "value": f"(@else OR to:{HELP} OR from:{HELP}) -is:retweet", "tag": "theirs"}

    async def step(x: X) -> None:
        for users in ([ACME, HELP], [ACME]):
            await keep_subscriptions(x, users, ["post.create", "post.delete"], "rapport/one")
            ours = [it for it in network.subscriptions.values() if it["tag"] == "rapport/one"]
            assert {(it["event_type"], it["filter"]["user_id"]) for it in ours} == {
                (event, user) for event in ("post.create", "post.delete") for user in users
            }
            await keep_rules(x, {user: {ACME: "acme", HELP: "help"}[user] for user in users}, "rapport/one")
            ours = [it for it in network.rules.values() if it["tag"] == "rapport/one"]
            assert len(ours) == len(users)
        sent = len(network.requests)
        await keep_subscriptions(x, [ACME], ["post.create", "post.delete"], "rapport/one")
        await keep_rules(x, {ACME: "acme"}, "rapport/one")
        assert len(network.requests) == sent + 2, "what is in step is only looked at"

    asked(network, step)
    assert network.subscriptions["9"] == foreign
    assert "8" in network.rules


def test_an_answer_to_a_later_version_is_to_the_same_post() -> None:
    network = XNetwork()

    async def scene(plant: Plant) -> None:
        post = network.say("ann", "teh parcel", to=("acme",))
        network.edit(post.key, "the parcel")
        reply = network.say("acme", "on its way", parent=post.key)
        assert network.tweets[reply.key]["referenced_tweets"][0]["id"] != post.key
        await until(lambda: reply.id in {it["id"] for it in plant.events})
        answer = plant.newest(reply.id)
        assert (answer["parent_id"], answer["contact_id"], answer["conversation_id"]) == (
            post.id,
            number_of("ann"),
            post.id,
        )

    played(network, scene)


@pytest.mark.parametrize("way", ["activity", "filtered"])
def test_a_quote_is_a_mention_and_a_repost_is_nothing(way: str) -> None:
    network = XNetwork(way=way)

    async def scene(plant: Plant) -> None:
        post = network.say("acme", "Spring sale")
        network.quote("ann", post.key, "retweeted")
        quote = network.quote("ann", post.key)
        network.quote("acme", post.key, "retweeted")
        last = network.say("ann", "last", to=("acme",))
        # of the filtered stream's rules none says who is quoted
        told = {f"x:{quote}": "mention"} if way == "activity" else {}
        await until(lambda: {last.id, *told} <= {it["id"] for it in plant.events})
        assert {it["id"]: it["kind"] for it in plant.events} == {post.id: "broadcast", last.id: "mention"} | told

    played(network, scene)


def test_pushed_and_taken_are_the_same_posts_and_count_once() -> None:
    network = XNetwork()

    async def scene(plant: Plant) -> None:
        question = network.say("ann", "Where is my <parcel>?", to=("acme", "help"))
        answer = network.say("acme", "On its way", parent=question.key)
        network.say("acme", "(2/2) tomorrow", parent=answer.key)
        thanks = network.say("ann", "thnaks", parent=answer.key)
        network.say("acme", "Spring sale")
        await until(lambda: plant.kinds() == network.truth("acme", "help"))
        network.edit(thanks.key, "thanks")
        await until(lambda: any(it["revision"] for it in plant.events))

    taken = played(network, scene).events
    now = max(it["received_at"] for it in taken)
    read = reader({f"x:{ACME}", f"x:{HELP}"}.__contains__)
    pushed = [event for line in network.said for event in read(line, "x", now) if isinstance(event, dict)]
    same = ("id", "account", "kind", "author_id", "conversation_id", "parent_id", "published_at", "text", "revision")
    assert {tuple(it[name] for name in same) for it in pushed} == {tuple(it[name] for name in same) for it in taken}
    for both in ([*pushed, *taken], [*taken, *pushed]):
        assert measure(both, now + 60_000) == measure(taken, now + 60_000)


def test_who_unfollows_opts_out_where_that_is_subscribed_to() -> None:
    network = XNetwork()

    async def scene(plant: Plant) -> None:
        network.unfollow("ann", "acme")
        await until(lambda: plant.events)
        (event,) = plant.events
        assert (event["kind"], event["account"], event["contact_id"]) == ("opt_out", f"x:{ACME}", number_of("ann"))
        assert event["source"] == NAME

    played(network, scene, events=["post.mention.create", "follow.unfollow"])


def test_part_two_of_an_answer_whose_first_part_is_not_known_is_asked_for() -> None:
    network = XNetwork()

    async def scene(plant: Plant) -> None:
        old = network.say("ann", "where is my parcel?", to=("acme",))
        first = network.say("acme", "(1/2) on its way", parent=old.key)
        await until(lambda: {old.id, first.id} <= {it["id"] for it in plant.events})
        plant.kept[NAME] = {key: it for key, it in plant.kept[NAME].items() if not isinstance(it, Known)}

    async def later(plant: Plant) -> None:
        first = next(it for it in network.posts.values() if it.author == "acme")
        second = network.say("acme", "(2/2) tomorrow", parent=first.key)
        await until(lambda: second.id in {it["id"] for it in plant.events})
        assert (plant.newest(second.id)["kind"], plant.newest(second.id)["contact_id"]) == ("reply", number_of("ann"))

    played(network, scene)
    played(network, later)


def test_an_account_that_x_does_not_show_is_said() -> None:
    network, gaps = XNetwork(), counted("rapport_connector_gaps_total")

    async def scene(plant: Plant) -> None:
        network.say("ann", "hello", to=("acme",))
        await until(lambda: plant.events)

    played(network, scene, accounts=[f"x:{ACME}", "x:77"])
    assert counted("rapport_connector_gaps_total") == gaps + 1


def test_a_stream_that_x_ends_is_opened_again_and_nothing_is_missed() -> None:
    network = XNetwork(way="filtered")
    problem = {
        "title": "operational-disconnect",
        "disconnect_type": "UpstreamOperationalDisconnect",
        "detail": "closed",
    }

    async def scene(plant: Plant) -> None:
        network.write("filtered", json.dumps({"errors": [problem]}).encode())
        await until(lambda: network.streamed == 2)
        network.say("ann", "hello", to=("acme",))
        await until(lambda: plant.kinds() == network.truth("acme", "help"))

    played(network, scene)


def test_x_is_left_alone_as_its_documentation_wants_it() -> None:
    assert [left_alone(number, 5.0, 0.0) for number in range(1, 10)] == [5, 10, 20, 40, 80, 160, 320, 320, 320]
    assert [left_alone(number, 5.0, 60.0) for number in range(1, 4)] == [60, 120, 240]
    assert left_alone(1, 5.0, 900.0) == 900, "until its window ends, if it says so"


def test_one_error_after_the_other_takes_longer_each_time() -> None:
    network = XNetwork()

    async def again(x: X) -> None:
        pauses = []
        network.mood.failing = 3
        for _ in range(3):
            with pytest.raises(UnavailableError, match="HTTP 503") as raised:
                await anext(x.stream(None))
            pauses.append(raised.value.pause)
        assert pauses == [0.01, 0.02, 0.04]

    asked(network, again)


def test_check_says_whom_the_token_sees() -> None:
    async def check(x: X) -> None:
        assert await x.check() == f"the token sees x:{ACME} (@acme)"

    asked(XNetwork(), check)
