"""The contract of connectors, the same for each: against servers that speak as the real ones do, and are as unhelpful."""

import asyncio
import base64
import logging
import os
import random
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from streams.connectors import session
from streams.connectors.live import Known
from streams.errors import Reason
from streams.http_answers import RefusedError
from streams.telemetry import hide_addresses
from tests.connectors.network import RETRY_AFTER, Network, Written, running
from tests.connectors.plant import NAME, PACE, Plant, connected, table, until

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("*_network.py"))
SEEDS = int(os.environ.get("RAPPORT_TEST_SEEDS", "1"))
POSTS = int(os.environ.get("RAPPORT_TEST_POSTS", "200"))
"""How often connectors are killed in other ways, and among how many posts: as many as there is time for."""
NETWORKS: dict[str, Callable[[], Network]] = {
    name: network
    for module in MODULES
    for name, network in import_module(f"tests.connectors.{module}").NETWORKS.items()
}
"""Every network that has a fake server here."""
STREAMED = [name for name, network in NETWORKS.items() if network().is_streamed]
EDITED = [name for name, network in NETWORKS.items() if network().shows_edits]
DELETED = [name for name, network in NETWORKS.items() if network().tells_deletions_of]
CHANGED = [name for name in EDITED if name in STREAMED or NETWORKS[name]().is_told_whole]
REMOTE = [name for name, network in NETWORKS.items() if network().is_remote]
ASKED = [name for name in REMOTE if name not in STREAMED]
HISTORIC = [name for name, network in NETWORKS.items() if network().has_history]


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    return NETWORKS[request.param]()


@pytest.fixture(params=STREAMED)
def streamed(request: pytest.FixtureRequest) -> Network:
    """A network that says what happens over a connection that stays open."""
    return NETWORKS[request.param]()


@pytest.fixture(params=EDITED)
def edited(request: pytest.FixtureRequest) -> Network:
    """A network that shows edits."""
    return NETWORKS[request.param]()


@pytest.fixture(params=DELETED)
def deleted(request: pytest.FixtureRequest) -> Network:
    """A network that shows what is deleted, if only of the account's own."""
    return NETWORKS[request.param]()


@pytest.fixture(params=HISTORIC)
def historic(request: pytest.FixtureRequest) -> Network:
    """A network that tells what was before."""
    return NETWORKS[request.param]()


@pytest.fixture(params=CHANGED)
def changed(request: pytest.FixtureRequest) -> Network:
    """One that shows edits as they happen, in the order in which they do."""
    return NETWORKS[request.param]()


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"connector": NAME, **labels}) or 0.0


async def ready(plant: Plant) -> None:
    """Wait until a connector has begun: what is said from now on it hears."""
    await until(lambda: plant.cursor is not None)


def test_what_people_write_arrives_as_what_it_is(network: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme", "help")):
            await ready(plant)
            question = network.say("ann", "Where is my <parcel> & co?", to=("acme",))
            answer = network.say("acme", "On its way", parent=question.key)
            parts = [question, answer]
            if network.lets("acme", parent=answer.key):
                parts.append(network.say("acme", "(2/2) tomorrow", parent=answer.key))
            if network.lets("ben@else.example", ("acme", "help")):
                network.say("ben@else.example", "Both of you!", to=("acme", "help"))
            if network.lets("acme"):
                network.say("acme", "Spring sale")
            network.say("ben@else.example", "And you?", to=("help",))
            await until(lambda: len(plant.kinds()) == len(network.truth("acme", "help")))
            assert plant.kinds() == network.truth("acme", "help")
            by_id = {it["id"]: it for it in plant.events}
            assert by_id[question.id]["text"].endswith("Where is my <parcel> & co?")
            assert by_id[answer.id]["parent_id"] == question.id
            assert by_id[answer.id]["contact_id"] == by_id[question.id]["author_id"] == by_id[question.id]["contact_id"]
            assert by_id[parts[-1].id]["contact_id"] == by_id[question.id]["author_id"], "part two of an answer, too"
            assert {by_id[it.id]["conversation_id"] for it in parts} == {question.root or question.id}
            for it in plant.events:
                assert abs(it["received_at"] - time.time() * 1000) < 10_000
                assert it["source"] == NAME
                assert it["published_at"] <= it["received_at"]

    asyncio.run(scenario())


def test_of_accounts_that_are_not_configured_nothing_comes(network: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            both = ("acme", "help")
            if not network.lets("ann", both):
                network.say("ann", "You!", to=("help",))
                both = ("acme",)
            last = network.say("ann", "Both of you!", to=both)
            await until(lambda: plant.events)
        assert plant.kinds() == network.truth("acme")
        assert [it["id"] for it in plant.events] == [last.id]

    asyncio.run(scenario())


def test_a_new_connector_begins_now(network: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        network.say("ann", "before", to=("acme",))
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            network.say("ann", "after", to=("acme",))
            await until(lambda: any("after" in it["text"] for it in plant.events))
        before = ["before"] if network.keeps_what_waits else []
        assert [it["text"].split()[-1] for it in plant.events] == [*before, "after"]

    asyncio.run(scenario())


def test_a_crash_right_after_the_first_start_loses_nothing(network: Network) -> None:
    async def scenario() -> None:
        plant = Plant(acknowledges_after=0.02)
        async with running(network):
            async with connected(plant, network.stanza("acme"), pace=replace(PACE, keep=60)) as kill:
                await ready(plant)
                network.say("ann", "heard", to=("acme",))
                await asyncio.sleep(0.2)
                await kill()
            network.say("ann", "not heard", to=("acme",))
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.kinds() == network.truth("acme"))

    asyncio.run(scenario())


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_kills_lose_nothing_and_a_repetition_has_its_id(network: Network, seed: int) -> None:
    assert not asyncio.run(lost_by_kills(network, POSTS, 8, random.Random(seed)))


async def lost_by_kills(
    network: Network, posts: int, kills: int, chance: random.Random
) -> set[tuple[tuple[str, str], str]]:
    """Let people write while the connector is killed again and again; return in what the plant and the truth differ."""
    plant = Plant(random=chance, acknowledges_after=0.02)
    written: list[str] = []
    moments = sorted(chance.sample(range(posts), kills))

    async def write(number: int) -> None:
        for _ in range(number):
            parent = chance.choice(written) if written and chance.random() < 0.5 else ""
            author = "acme" if chance.random() < 0.3 else f"person{chance.randrange(40)}"
            to = chance.choice([("acme",), ("acme", "help"), ()]) if author != "acme" and not parent else ()
            if not network.lets(author, to, parent):
                author, to, parent = f"person{chance.randrange(40)}", ("acme",), ""
            written.append(network.say(author, f"post {len(written)}", to, parent).key)
            if chance.random() < 80 / posts:
                await asyncio.sleep(chance.random() * 0.01)
            if number > 200 and len(written) % 50 == 0:
                await asyncio.sleep(0)

    async with running(network):
        async with connected(plant, network.stanza("acme", "help")):
            await ready(plant)
        for moment, following in zip([0, *moments], [*moments, posts], strict=True):
            async with connected(plant, network.stanza("acme", "help")) as kill:
                await write((following - moment) // 2)
                await asyncio.sleep(chance.random() * 0.1)
                await kill()
                await write(following - moment - (following - moment) // 2)  # while it is away
        async with connected(plant, network.stanza("acme", "help")):
            await until(lambda: network.truth("acme", "help").keys() <= plant.kinds().keys(), 900)
    return plant.kinds().items() ^ network.truth("acme", "help").items()


def test_history_is_walked_through_kills_from_a_date_on_by_its_own_clock(historic: Network) -> None:
    async def scenario() -> None:
        chance, day = random.Random(5), 86_400_000
        plant, stop = Plant(random=chance), asyncio.Event()
        written: list[Written] = []
        async with running(historic):
            for number in range(200):
                historic.mood.skew = (number - 200) * day // 20  # ten days until now
                author = "acme" if written and chance.random() < 0.3 else f"person{number % 20}"
                # of threads that began before, as of those before a connector, each knows what they answer and no more
                before = [it for it in written[:60] if number < 60 or (it.author == "acme") != (author == "acme")]
                others = [*before, *written[60:]] if author == "acme" or chance.random() < 0.5 else []
                parent = chance.choice(others).key if others else ""
                to = () if parent or author == "acme" else ("acme",)
                if not historic.lets(author, to, parent):
                    author, to, parent = f"person{number % 20}", ("acme",), ""
                written.append(historic.say(author, f"post {number}", to, parent))
            since = historic.now() - 7 * day
            wanted = {it.id for it in written[60:] if it.concerns}
            named = table(historic.stanza("acme"))
            for kill in range(5):
                plant.takes = chance.randrange(len(wanted) // 5)
                asked = len(historic.requests) + chance.randrange(1, 9) if kill % 2 else 1 << 60
                task = asyncio.create_task(plant.work(PACE).walk(NAME, named, since, stop))
                await until(partial(_is_stuck, plant, historic, asked))
                await asyncio.sleep(chance.random() * 0.03)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert len(plant.events) < len(wanted)
            plant.takes = float("inf")
            historic.mood.failing = 1 if historic.is_remote else 0
            assert await asyncio.wait_for(plant.work(PACE).walk(NAME, named, since, stop), 20)
            begun = len(plant.events)
            stop.clear()
            historic.mood.skew = 0
            after = historic.say("ann", "meanwhile", ("acme",))
            assert await asyncio.wait_for(plant.work(PACE).walk(NAME, named, since, stop), 20)
        assert [it["id"] for it in plant.events[begun:]] == [after.id], "it goes on where it was"
        truth = {place: kind for place, kind in historic.truth("acme").items() if place[1] in {*wanted, after.id}}
        assert plant.kinds() == truth
        latest = since
        for event in plant.events:
            assert since <= event["published_at"] <= event["received_at"] <= event["published_at"] + day // 20 * 2
            assert event["received_at"] > latest - day // 2, "no repetition is so old that the fold would count it"
            latest = max(latest, event["received_at"])

    asyncio.run(scenario())


def test_history_says_of_a_post_what_live_says(historic: Network) -> None:
    async def scenario() -> None:
        live, history, since = Plant(), Plant(), historic.now() - 60_000
        async with running(historic):
            async with connected(live, historic.stanza("acme", "help")):
                await ready(live)
                question = historic.say("ann", "Where is my <parcel> & co?", to=("acme",))
                answer = historic.say("acme", "On its way", parent=question.key)
                if historic.lets("acme", parent=answer.key):
                    historic.say("acme", "(2/2) tomorrow", parent=answer.key)
                if historic.lets("ann", parent=answer.key):
                    historic.say("ann", "Thank you", parent=answer.key)
                if historic.lets("ben@else.example", parent=question.key):
                    historic.say("ben@else.example", "Mine is late too", parent=question.key)
                if historic.lets("acme"):
                    historic.say("acme", "Spring sale")
                await until(lambda: live.kinds() == historic.truth("acme", "help"))
            stanza = table(historic.stanza("acme", "help"))
            assert await asyncio.wait_for(history.work(PACE).walk(NAME, stanza, since, asyncio.Event()), 20)
        assert _told(history) == _told(live)

    asyncio.run(scenario())


def _is_stuck(plant: Plant, network: Network, asked: int) -> bool:
    return plant.takes < 0 or len(network.requests) >= asked


def _told(plant: Plant) -> dict[tuple[str, str], dict[str, object]]:
    """Return what was published, without when it came, and what people have done with it since."""
    passing = {"received_at", "likes", "shares", "comments", "impressions"}
    return {
        (it["account"], it["id"]): {name: said for name, said in it.items() if name not in passing}
        for it in plant.events
    }


def test_an_edit_changes_the_text_and_nothing_else(edited: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(edited), connected(plant, edited.stanza("acme")):
            await ready(plant)
            post = edited.say("ann", "teh parcel", to=("acme",))
            await until(lambda: plant.events)
            edited.edit(post.key, "the parcel")
            await until(lambda: len(plant.events) == 2)
            first, second = plant.events
            assert (first["revision"], first["id"], first["published_at"]) == (0, second["id"], second["published_at"])
            assert second["revision"] > 0
            assert plant.newest(post.id)["text"].endswith("the parcel")

    asyncio.run(scenario())


def test_a_deletion_withdraws_a_post_even_after_a_restart(deleted: Network) -> None:
    async def scenario() -> None:
        plant, author = Plant(), deleted.tells_deletions_of
        async with running(deleted):
            stanza = deleted.stanza("acme", "help")
            async with connected(plant, stanza):
                await ready(plant)
                both = ("acme", "help") if deleted.lets(author, ("acme", "help")) else ("acme",)
                post = deleted.say(author, "never mind", to=() if author == "acme" else both)
                other = deleted.say("ann", "this stays", to=("acme",))
                await until(lambda: plant.kinds() == deleted.truth("acme", "help"))
            async with connected(plant, stanza):
                await until(lambda: deleted.streamed == 2 or not deleted.is_streamed)
                deleted.delete(post.key)
                deleted.delete("999")  # of somebody else's
                await until(lambda: len(plant.kinds()) == 1)
        assert [it[1] for it in plant.kinds()] == [other.id]
        withdrawn = [it["account"] for it in plant.events if it["kind"] == "withdrawal"]
        assert sorted(withdrawn) == sorted(account for account in stanza["accounts"] if account in post.concerns)

    asyncio.run(scenario())


def test_what_comes_twice_or_in_another_order_is_the_same(changed: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        changed.mood.repeating = changed.mood.shuffled = True
        async with running(changed), connected(plant, changed.stanza("acme", "help")):
            await ready(plant)
            await until(lambda: changed.connections or not changed.is_streamed)
            for number in range(20):
                post = changed.say("ann", f"question {number}", to=("acme",))
                changed.say("acme", "answer", parent=post.key)
            await until(lambda: plant.kinds() == changed.truth("acme"))
            older = changed.say("ann", "old text", to=("acme",))
            changed.edit(older.key, "new text")  # which comes first
            await until(lambda: older.id in {it["id"] for it in plant.events})
            author = changed.tells_deletions_of
            if author:
                gone = changed.say(author, "never mind", to=() if author == "acme" else ("acme",))
                changed.delete(gone.key)  # which comes first
            last = [changed.say("ann", "last", to=("acme",)), changed.say("ann", "of all", to=("acme",))]
            await until(lambda: {it.id for it in last} <= {post for _, post in plant.kinds()})
        assert not author or gone.id not in {post for _, post in plant.kinds()}
        assert plant.newest(older.id)["text"].endswith("new text")

    asyncio.run(scenario())


@pytest.mark.parametrize("skew", [-3_600_000, 3_600_000], ids=["behind", "ahead"])
def test_a_clock_that_is_wrong_loses_nothing(network: Network, skew: int) -> None:
    async def scenario() -> None:
        plant = Plant()
        network.mood.skew = skew
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            network.say("ann", "hello", to=("acme",))
            await until(lambda: plant.events)
        (event,) = plant.events
        assert event["published_at"] <= event["received_at"]
        assert abs(event["received_at"] - time.time() * 1000) < 10_000
        assert counted("rapport_connector_lag_seconds") == pytest.approx(-skew / 1000, abs=5)

    asyncio.run(scenario())


@pytest.mark.parametrize("network", REMOTE, indirect=True)
def test_too_many_requests_are_waited_for(network: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await ready(plant)
            network.say("ann", "hello", to=("acme",))
            network.mood.busy = 1
            asked, began = len(network.requests), time.monotonic()
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.events)
            if network.says_when:
                assert time.monotonic() - began >= RETRY_AFTER
                refused, again = (at for at, _ in network.requests[asked : asked + 2])
                assert again - refused >= RETRY_AFTER
            assert not network.mood.busy

    asyncio.run(scenario())


@pytest.mark.parametrize("network", REMOTE, indirect=True)
def test_a_server_that_fails_is_tried_again(network: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        network.mood.failing = 5
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            network.mood.slow = 0.05
            network.say("ann", "hello", to=("acme",))
            await until(lambda: plant.events)
        assert plant.kinds() == network.truth("acme")

    asyncio.run(scenario())


def test_a_connection_that_is_half_open_is_noticed_within_its_heartbeat(streamed: Network) -> None:
    async def scenario() -> float:
        plant = Plant()
        async with running(streamed), connected(plant, streamed.stanza("acme")):
            await ready(plant)
            await until(lambda: streamed.streamed == 1)
            await asyncio.sleep(0.3)
            assert streamed.streamed == 1, "signs of life keep it"
            streamed.mood.mute = True
            began = time.monotonic()
            streamed.say("ann", "is anybody there?", to=("acme",))
            await until(lambda: streamed.streamed > 1)
            noticed = time.monotonic() - began
            streamed.mood.mute = False
            await until(lambda: plant.events)
            return noticed

    assert asyncio.run(scenario()) < 0.5 + 0.5, "the heartbeat, and a pause before the next try"


@pytest.mark.parametrize("network", ASKED, indirect=True)
def test_an_answer_that_never_comes_is_not_waited_for(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that is only asked, a half-open connection is one that leaves a request without an answer."""
    monkeypatch.setattr(session, "CONNECT_SECONDS", 0.3)

    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            network.mood.mute = True
            network.say("ann", "is anybody there?", to=("acme",))
            asked = len(network.requests)
            await until(lambda: len(network.requests) >= asked + 2, 5)
            assert not plant.events
            network.mood.mute = False
            await until(lambda: plant.events)

    asyncio.run(scenario())


def test_streams_that_end_are_opened_again_and_nothing_is_missed(streamed: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(streamed), connected(plant, streamed.stanza("acme")):
            await ready(plant)
            for number in range(100):
                streamed.say("ann", f"post {number}", to=("acme",))
                if number % 10 == 0:
                    streamed.cut()
                await asyncio.sleep(0.005)
            await until(lambda: plant.kinds() == streamed.truth("acme"))

    asyncio.run(scenario())


def test_what_is_no_post_becomes_a_dead_letter(network: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            part = network.malform()
            network.say("ann", "good", to=("acme",))
            await until(lambda: plant.events and plant.letters)
        assert all(it.reason is Reason.MALFORMED_RECORD for it in plant.letters)
        assert all(part in it.payload for it in plant.letters)
        assert plant.kinds() == network.truth("acme")

    asyncio.run(scenario())


def test_a_post_that_is_not_unicode_becomes_a_dead_letter(network: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        network.escapes = True
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            network.say("ann", "half a character: \ud83d", to=("acme",))
            good = network.say("ann", "good", to=("acme",))
            await until(lambda: plant.events and (plant.letters or not network.has_half_characters))
            await until(lambda: plant.kinds().keys() >= {(network.stanza("acme")["accounts"][0], good.id)})
        if network.has_half_characters:
            assert {it.reason for it in plant.letters} == {Reason.INVALID_TEXT}
            assert [it["id"] for it in plant.events] == [good.id]
        else:
            assert plant.kinds() == network.truth("acme")
            assert not plant.letters

    asyncio.run(scenario())


def test_a_cursor_that_is_too_old_is_no_silent_loss(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    """Either all of it comes, or a gap is logged and counted."""

    async def scenario() -> None:
        plant = Plant()
        gaps = counted("rapport_connector_gaps_total")
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await ready(plant)
            for number in range(200):
                network.say("ann", f"post {number}", to=("acme",))
            network.forget()
            network.say("ann", "after all that", to=("acme",))
            async with connected(plant, network.stanza("acme")):
                await until(
                    lambda: plant.kinds() == network.truth("acme") or counted("rapport_connector_gaps_total") > gaps
                )
        is_counted = counted("rapport_connector_gaps_total") > gaps
        assert is_counted == bool(re.search(rf"\[(warning|error) *\] gap .*connector={NAME}", capsys.readouterr().out))

    asyncio.run(scenario())


@pytest.mark.parametrize("network", REMOTE, indirect=True)
def test_refused_credentials_stop_it(network: Network) -> None:
    plant = Plant()

    async def refused() -> None:
        async with connected(plant, network.stanza("acme")):
            await until(lambda: counted("rapport_connector_stopped", reason="refused") == 1)
            asked = len(network.requests)
            await asyncio.sleep(0.1)
            assert len(network.requests) == asked, "it does not ask again"

    async def scenario() -> None:
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await ready(plant)
                network.say("ann", "hello", to=("acme",))
                await until(lambda: plant.events)
            network.mood.refusing = True
            with pytest.raises(RefusedError):
                await refused()

    asyncio.run(scenario())


@pytest.mark.parametrize("network", REMOTE, indirect=True)
def test_a_network_that_fails_again_and_again_is_left_alone_and_then_asked_again(network: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        network.mood.failing = 3
        async with running(network), connected(plant, network.stanza("acme"), replace(PACE, threshold=3, rest=0.3)):
            await until(lambda: counted("rapport_connector_stopped", reason="left_alone"))
            await ready(plant)
            for reason in ("left_alone", "refused"):
                assert counted("rapport_connector_stopped", reason=reason) == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("network", REMOTE, indirect=True)
def test_no_secret_is_in_the_log(
    network: Network, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in what libraries say, nor in what Rapport says, which is on standard output here, nor in its error."""

    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            network.mood.failing = 3
            network.cut()
            await until(lambda: not network.mood.failing)
            network.malform()
            await until(lambda: plant.letters)
            network.mood.refusing = True
            network.cut()
            refused = counted("rapport_connector_failures_total", reason="refused")
            await until(lambda: counted("rapport_connector_failures_total", reason="refused") > refused)
        assert not any(it.encode() in letter.payload for it in forms(network) for letter in plant.letters)

    hide_addresses()
    caplog.set_level(logging.WARNING, "aiokafka")  # as telemetry has it
    with caplog.at_level(logging.DEBUG), pytest.raises(RefusedError) as refused:
        asyncio.run(scenario())
    assert network.requests
    captured = capsys.readouterr()
    assert "connection_lost" in captured.out
    said = "".join([caplog.text, *captured, repr(refused.value), *traceback.format_exception(refused.value)])
    assert not [it for it in forms(network) if it in said]


def forms(network: Network) -> set[str]:
    """Return what a network's secrets look like where they are sent: as they are, and within Base64 at any place."""
    found = set(network.secrets())
    for secret in network.secrets():
        for before, affected in ((0, 0), (1, 2), (2, 3)):
            found.add(base64.b64encode(bytes(before) + secret.encode()).decode()[affected:-4])
    return found


def test_two_of_the_same_name_do_no_harm(network: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await ready(plant)
            async with connected(plant, network.stanza("acme")) as kill, connected(plant, network.stanza("acme")):
                for number in range(50):
                    network.say("ann", f"post {number}", to=("acme",))
                    await asyncio.sleep(0.002)
                await kill()
                for number in range(50):
                    network.say("ann", f"more {number}", to=("acme",))
                await until(lambda: plant.kinds() == network.truth("acme"))

    asyncio.run(scenario())


def test_what_is_kept_is_enough_and_not_everything(network: Network) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            post = network.say("ann", "hello", to=("acme",))
            network.say("ann", "to nobody")
            await until(lambda: plant.events)
        kept = {key for key, it in plant.kept[NAME].items() if isinstance(it, Known)}
        assert kept == (set() if network.is_told_whole else {post.key})

    asyncio.run(scenario())
