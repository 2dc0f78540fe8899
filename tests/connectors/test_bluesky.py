"""What Bluesky has beyond the contract: threads that nobody remembers, people who leave or block, and two kinds of cursors."""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus

import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from streams.connectors import bluesky_history
from streams.connectors.making import make, settings_of
from streams.connectors.pacing import Budget
from streams.connectors.session import LARGEST_EVENT, NotThereError, Session
from streams.http_answers import RefusedError, UnavailableError
from tests.connectors.bluesky_network import LONG, NETWORKS, POSTS, BlueskyNetwork, cid, did, iso, tid
from tests.connectors.network import Network, running
from tests.connectors.plant import NAME, PACE, Plant, connected, table, until


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> BlueskyNetwork:
    return NETWORKS[request.param]()


def gaps() -> float:
    return REGISTRY.get_sample_value("rapport_connector_gaps_total", {"connector": NAME}) or 0.0


async def ready(plant: Plant) -> None:
    await until(lambda: plant.cursor is not None)


def test_somebody_who_leaves_takes_all_their_posts_along(network: BlueskyNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme", "help")):
            await ready(plant)
            for number in range(3):
                network.say("ann", f"question {number}", to=("acme", "help"))
            stays = network.say("ben", "hello", to=("acme",))
            network.leave("ben", "deactivated")
            network.leave("ann")
            await until(lambda: {it for _, it in plant.kinds()} == {stays.id})

    asyncio.run(scenario())


def test_history_has_deep_threads_and_quotes_however_short_a_login_is(
    network: BlueskyNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(bluesky_history, "DEPTH", 3)
        network.jwt_lasts = 3
        plant, since = Plant(), time.time_ns() // 1_000_000 - 1000
        last = network.say("ann", "question", to=("acme",))
        for number in range(10):
            last = network.say("acme" if number == 4 else f"person{number}", f"{number}", parent=last.key)
        quote = network.quote("ben", network.say("acme", "Spring sale").key)
        async with running(network):
            named = table(network.stanza("acme"))
            assert await plant.work(PACE).walk(NAME, named, since, asyncio.Event())
        account = network.stanza("acme")["accounts"][0]
        assert plant.kinds() == {**network.truth("acme"), (account, f"bluesky:{quote}"): "mention"}

    asyncio.run(scenario())


def test_a_search_that_wants_a_login_says_so() -> None:
    async def scenario() -> None:
        network = BlueskyNetwork()
        async with running(network):
            stanza = network.stanza("acme") | {"identifier": "", "app_password_env": None}
            with pytest.raises(RefusedError):
                await Plant().work(PACE).walk(NAME, table(stanza), 1, asyncio.Event())

    asyncio.run(scenario())


def test_a_block_is_an_opt_out(network: BlueskyNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            network.block("ann", "somebody")
            network.block("ann", "acme")
            await until(lambda: plant.events)
        (event,) = plant.events
        assert (event["kind"], event["account"]) == ("opt_out", f"bluesky:{did('acme')}")
        assert (event["author_id"], event["contact_id"]) == (did("ann"), did("ann"))
        assert event["id"].startswith(f"bluesky:at://{did('ann')}/app.bsky.graph.block/")

    asyncio.run(scenario())


@pytest.mark.parametrize("root", ["ann", "acme"])
def test_part_two_of_an_answer_from_before_is_an_answer_too(network: BlueskyNetwork, root: str) -> None:
    async def scenario() -> None:
        plant = Plant()
        first = network.say(root, "first")
        question = network.say("ben", "question", to=("acme",), parent=first.key)
        answer = network.say("acme", "answer", parent=question.key)
        alone = network.say("acme", "sale (1/2)")
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            network.say("acme", "part two", parent=answer.key)
            network.say("acme", "sale (2/2)", parent=alone.key)
            await until(lambda: len(plant.events) == 2)
        assert [(it["kind"], it["contact_id"]) for it in plant.events] == [("reply", did("ben")), ("broadcast", "")]
        assert {it["conversation_id"] for it in plant.events} == {first.id, alone.id}

    asyncio.run(scenario())


def test_without_the_appview_an_answer_is_to_whom_its_thread_is_by(network: BlueskyNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        question = network.say("ann", "question", to=("acme",))
        answer = network.say("acme", "answer", parent=question.key)
        async with running(network), connected(plant, network.stanza("acme") | {"appview": "http://127.0.0.1:1"}):
            await ready(plant)
            network.say("acme", "part two", parent=answer.key)
            await until(lambda: plant.events)
        assert [(it["kind"], it["contact_id"]) for it in plant.events] == [("reply", did("ann"))]

    asyncio.run(scenario())


def test_a_quote_is_a_mention(network: BlueskyNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            quoted = {"uri": f"at://{did('acme')}/{POSTS}/{tid(1)}", "cid": cid({})}
            for kind, record in (("record", quoted), ("recordWithMedia", {"$type": "…", "record": quoted})):
                embed = {"$type": f"app.bsky.embed.{kind}", "record": record}
                post = {"$type": POSTS, "createdAt": iso(network.now() * 1000), "text": kind, "embed": embed}
                network.commit(did("ann"), "create", POSTS, tid(2 + len(kind)), post)
            await until(lambda: len(plant.events) == 2)
        assert {it["kind"] for it in plant.events} == {"mention"}

    asyncio.run(scenario())


def test_what_strangers_write_wrongly_is_nobodys_dead_letter(network: BlueskyNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            wrong: list[object] = [7, None, {}, {"text": 7}, {"text": "", "facets": [{}]}, {"text": "", "reply": []}]
            for number, record in enumerate(
                [*wrong, {"text": "", "embed": {"record": 7}}, {"text": "", "reply": {"a": 1}}]
            ):
                network.commit(did("ann"), "create", POSTS, tid(number), record)  # type: ignore[arg-type]
            network.commit(did("ann"), "rename", POSTS, tid(99))
            network.happen("sync", did("ann"), {"sync": {}})
            network.happen("identity", did("ann"), {"identity": {"did": did("ann"), "handle": "ann.example"}})
            network.say("ann", "good", to=("acme",))
            await until(lambda: plant.events)
        assert not plant.letters

    asyncio.run(scenario())


def test_what_is_not_kept_any_more_is_a_gap_and_the_rest_comes(network: BlueskyNetwork) -> None:
    async def scenario() -> None:
        plant, before = Plant(), gaps()
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await ready(plant)
            lost = network.say("ann", "lost", to=("acme",))
            network.forget()
            kept = network.say("ann", "kept", to=("acme",))
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.events)
        assert [it["id"] for it in plant.events] == [kept.id]
        assert lost.id != kept.id
        assert gaps() == before + 1

    asyncio.run(scenario())


def rebuilt(network: BlueskyNetwork) -> None:
    """Have the archive begin anew, with other numbers."""
    del network.events[: len(network.events) * 3 // 4]


def older(network: BlueskyNetwork) -> None:
    """Have the server speak the first version."""
    network.version = 1


@pytest.mark.parametrize("change", [rebuilt, older])
def test_where_numbers_say_nothing_it_goes_by_time(change: Callable[[BlueskyNetwork], None]) -> None:
    async def scenario() -> None:
        network, plant, before = BlueskyNetwork(), Plant(), gaps()
        for _ in range(100):
            network.chat()
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await ready(plant)
            change(network)
            missed = [network.say("ann", f"post {number}", to=("acme",)) for number in range(10)]
            async with connected(plant, network.stanza("acme")):
                await until(lambda: len(plant.events) == 10)
            assert {it["id"] for it in plant.events} == {it.id for it in missed}
        assert gaps() == before

    asyncio.run(scenario())


def test_where_nothing_happens_it_begins_by_its_own_clock(network: BlueskyNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        network.is_chatting = False
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await ready(plant)
            network.say("ann", "while it is away", to=("acme",))
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.events)

    asyncio.run(scenario())


def test_a_post_is_as_old_as_it_says_where_that_can_be(network: BlueskyNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await ready(plant)
            now = network.now()
            for number, created in enumerate([now - 60_000, now + 60_000, now - LONG]):
                facets = [{"features": [{"$type": "app.bsky.richtext.facet#mention", "did": did("acme")}]}]
                record = {"createdAt": iso(created * 1000), "text": "hello", "facets": facets}
                network.commit(did("ann"), "create", POSTS, tid(number), record)
            await until(lambda: len(plant.events) == 3)
        ages = [round((now - it["published_at"]) / 1000) for it in plant.events]
        assert ages == [60, 0, 0]

    asyncio.run(scenario())


def test_a_wrong_version_is_said(network: BlueskyNetwork, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme") | {"version": 3 - network.version}):
            await until(lambda: len(network.requests) > 1)

    asyncio.run(scenario())
    assert f"HTTP 404: is there a Jetstream of version {3 - network.version}?" in capsys.readouterr().out


def test_an_account_is_a_did() -> None:
    with pytest.raises(ValueError, match=r"resolveHandle\?handle=acme.example tells"):
        settings_of({"type": "bluesky", "accounts": ["bluesky:acme.example"]})


def test_check_says_who_the_accounts_are(network: BlueskyNetwork) -> None:
    async def scenario() -> str:
        async with running(network):
            settings = settings_of(network.stanza("acme"))
            secrets = dict.fromkeys(("token", "app_password"), lambda: network.token)
            connector, session = make("x", settings, secrets, lambda _: None)
            try:
                return await connector.check()
            finally:
                await session.close()

    assert asyncio.run(scenario()) == f"bluesky:{did('acme')} is @acme.example"


def test_a_socket_goes_nowhere_else_and_takes_no_more_than_it_should() -> None:
    async def too_much(socket: ServerConnection) -> None:
        await socket.send(bytes(LARGEST_EVENT + 1))

    def elsewhere(_: ServerConnection, request: Request) -> Response | None:
        if request.path == "/elsewhere":
            return Response(HTTPStatus.FOUND, "Found", Headers({"Location": "/", "Content-Length": "0"}))
        return None

    async def scenario() -> None:
        session = Session("x", Budget(10, 1), lambda _: None)
        async with serve(too_much, "127.0.0.1", 0, process_request=elsewhere) as server:
            address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(UnavailableError, match="ConnectionClosedError"):
                async with session.socket(address, {}, 5.0) as messages:
                    await anext(messages)
            with pytest.raises(NotThereError, match="HTTP 302"):
                async with session.socket(f"{address}/elsewhere", {}, 5.0):
                    pass
        await session.close()

    asyncio.run(scenario())
