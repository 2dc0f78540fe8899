"""What only Meta has: pushed and asked for are the same, many pages, errors and limits in bodies and headers."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError

from streams.connectors.making import make, settings_of
from streams.connectors.meta import reader
from streams.connectors.meta_graph import judge
from streams.http_answers import RefusedError, UnavailableError
from tests.connectors.meta_network import NETWORKS, MetaNetwork, number_of
from tests.connectors.network import Network, Request, running
from tests.connectors.plant import Plant, connected, found_after_a_long_round, until
from tests.oracle import measure


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> MetaNetwork:
    found = NETWORKS[request.param]()
    assert isinstance(found, MetaNetwork)
    return found


def played(network: MetaNetwork, *, days: int = 30) -> list[dict[str, Any]]:
    """Return what is published of a conversation below a post of the account."""

    async def scenario() -> list[dict[str, Any]]:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme") | {"days": days}):
            await until(lambda: plant.cursor is not None)
            question = network.say("ann", "Where is my parcel?", to=("acme",))
            answer = network.say("acme", "On its way", parent=question.key)
            network.say("acme", "(2/2) tomorrow", parent=answer.key)
            network.say("ben", "Mine came", parent=question.key)
            network.say("ann", "Thanks", parent=answer.key)
            network.say("acme", "All parcels are on their way", parent=f"{question.root}")
            await until(lambda: plant.kinds() == network.truth("acme"))
        return plant.events

    network.things |= {f"{network.kind}:{it.id}": it for it in network._posts["acme"]}  # noqa: SLF001 - it was always there
    return asyncio.run(scenario())


def test_pushed_and_asked_for_are_the_same_posts(network: MetaNetwork) -> None:
    asked = played(network)
    ours, now = f"{network.kind}:{number_of('acme')}", max(it["received_at"] for it in asked)
    pushed: list[dict[str, Any]] = []
    for body in network.pushed():
        (event,) = reader({ours}.__contains__)(body, "meta", now)
        assert isinstance(event, dict), event
        pushed.append(event)
    assert len(pushed) == 6
    same = ("id", "account", "kind", "author_id", "author_name", "conversation_id", "parent_id", "published_at", "text")
    told = {it["id"]: {name: it[name] for name in same} for it in asked}
    assert {it["id"]: {name: it[name] for name in same} for it in pushed} == told
    # whom an answer is for, only the poll knows
    contacts = {it["id"]: it["contact_id"] for it in pushed if it["kind"] == "mention"}
    assert contacts.items() <= {it["id"]: it["contact_id"] for it in asked}.items()


@pytest.mark.parametrize("first", ["pushed", "asked"])
def test_both_together_count_each_post_once(network: MetaNetwork, first: str) -> None:
    asked = played(network)
    ours, now = f"{network.kind}:{number_of('acme')}", max(it["received_at"] for it in asked)
    pushed = [event for body in network.pushed() for event in reader({ours}.__contains__)(body, "meta", now)]
    assert all(isinstance(it, dict) for it in pushed)
    both = [*pushed, *asked] if first == "pushed" else [*asked, *pushed]
    assert measure(both, now + 60_000) == measure(asked, now + 60_000)
    (figures,) = measure(asked, now + 60_000).values()
    assert [it["answered_at"] is None for it in figures["turns"].values()].count(False) == 1, "one is answered"


def test_pages_are_turned_and_old_comments_are_not_asked_for_again(network: MetaNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.cursor is not None)
            question = network.say("ann", "question", to=("acme",))
            for number in range(130):
                network.say("ann", f"more {number}", to=("acme",))
                network.say("ben", f"below {number}", parent=question.key)
            for number in range(60):
                network.say("acme", f"news {number}")
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.kinds() == network.truth("acme"))
                quiet = len(network.requests)
                await asyncio.sleep(0.5)
                assert len(network.requests) - quiet < 60, "four rounds or so, each a few requests"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("code", "error"), [(190, RefusedError), (10, RefusedError), (200, RefusedError), (2, UnavailableError)]
)
def test_what_an_error_means_is_in_its_body(code: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"error {code} of Meta"):
        judge(400, {}, json.dumps({"error": {"code": code, "message": "a secret"}}).encode())


def test_limits_are_kept_as_the_headers_have_them() -> None:
    busy = {
        "type": "pages",
        "call_count": 100,
        "total_cputime": 25,
        "total_time": 25,
        "estimated_time_to_regain_access": 19,
    }
    business = {
        "X-Business-Use-Case-Usage": json.dumps({"1": [{**busy, "estimated_time_to_regain_access": 0}], "2": [busy]})
    }
    for code in (4, 17, 32, 613, 80_001):
        body = json.dumps({"error": {"code": code}}).encode()
        assert judge(400, {}, body) == 60
        assert judge(403, business, body) == 19 * 60
    assert judge(200, business, b"") == 19 * 60
    assert judge(200, {"X-App-Usage": '{"call_count": 28, "total_time": 25, "total_cputime": 25}'}, b"") == 0
    assert judge(200, {"X-App-Usage": '{"call_count": 28, "total_time": 95, "total_cputime": 25}'}, b"") == 60
    for nonsense in ("[", "[]", "7", '{"call_count": "many"}'):
        assert judge(200, {"X-App-Usage": nonsense}, b"") == 0
    assert judge(404, {}, b"<html>") == 0


def test_check_says_whose_accounts_the_token_sees(network: MetaNetwork) -> None:
    async def scenario(accounts: list[str]) -> str:
        async with running(network):
            settings = settings_of(network.stanza("acme") | {"accounts": accounts})
            secret = lambda: Network.token  # noqa: E731 - as rapport.toml would have it
            made = make("meta", settings, {"token": secret, "app_secret": secret}, lambda _: None)
            try:
                return await made.connector.check()
            finally:
                await made.session.close()

    ours = f"{network.kind}:{number_of('acme')}"
    assert asyncio.run(scenario([ours])) == f"the token sees {ours} (acme)"
    with pytest.raises(UnavailableError, match=f"^{network.kind}:7 is not there"):
        asyncio.run(scenario([ours, f"{network.kind}:7"]))
    network.mood.refusing = True
    with pytest.raises(RefusedError, match="error 190"):
        asyncio.run(scenario([ours]))


def test_what_needs_two_tokens_is_two_connectors() -> None:
    stanza = MetaNetwork().stanza("acme")
    with pytest.raises(ValidationError, match="tokens of its own"):
        settings_of(stanza | {"accounts": ["facebook:1", "threads:2"]})
    assert settings_of(stanza | {"accounts": ["facebook:1", "instagram:2"]}).type == "meta"


def test_comments_that_are_gone_are_withdrawn_and_what_is_only_hidden_is_not(network: MetaNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor is not None)
            sale = network.say("acme", "Spring sale")
            comments = [network.say(f"person{it}", "When?", parent=sale.key) for it in range(80)]
            other = [network.say("ann", text, to=("acme",)) for text in ("never mind", "this stays")]
            await until(lambda: plant.kinds() == network.truth("acme"))
            network.delete(other[0].key)
            hidden = network.things[comments[-1].key]
            assert hidden.root
            hidden.root.below.remove(hidden)
            await until(lambda: other[0].id not in {it for _, it in plant.kinds()})
            await until(lambda: asked(network, hidden.id))
            again = len(network.requests)
            await until(lambda: len(network.requests) > again + 8)
            assert asked(network, hidden.id) == 1
            assert len(plant.kinds()) == 82
            network.delete(sale.key)
            kept = {other[1].id, *(it.id for it in comments if network.kind == "threads")}
            await until(lambda: {it for _, it in plant.kinds()} == kept)
        withdrawn = [it["id"] for it in plant.events if it["kind"] == "withdrawal"]
        assert len(withdrawn) == len(set(withdrawn)) == 83 - len(kept)

    asyncio.run(scenario())


def asked(network: MetaNetwork, number: str) -> int:
    return sum(path == f"/v25.0/{number}" for _, path in network.requests)


class Slowly(MetaNetwork):
    """Half an hour goes by between one list and the next, once, and people go on writing."""

    is_slow = False

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if self.is_slow and request.path.endswith("/tagged"):
            self.is_slow = False
            self.say("ann", "below a post, the comments on which have been read", to=("acme",))
            self.mood.skew += 1_800_000
            self.say("ben", "elsewhere", to=("acme", "help"))
        await super().serve(request, writer)


def test_what_is_said_during_a_long_round_is_found_with_the_next() -> None:
    asyncio.run(found_after_a_long_round(Slowly()))
