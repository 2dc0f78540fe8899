"""What feeds have beyond the contract: conditional GET, feeds of comments that posts name, and hubs."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from streams.connectors import public_addresses
from streams.connectors.making import make, settings_of
from streams.connectors.websub import is_signed, secret_of
from streams.http_answers import UnavailableError
from tests.connectors.feed_network import FeedNetwork
from tests.connectors.network import Network, running
from tests.connectors.plant import NAME, Plant, connected, until


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)
    monkeypatch.setenv("HUB_SECRET", "0123456789abcdef")


def posts_alone(network: FeedNetwork, **more: object) -> dict[str, Any]:
    """Acme's feed of posts, and the feeds of comments that it names."""
    stanza = network.stanza("acme")
    (posts,) = [it for it in stanza["feeds"] if it["holds"] == "posts"]
    return stanza | {"feeds": [posts | {"with_comments": True}]} | more


def during(network: FeedNetwork, stanza: Callable[[], dict[str, Any]], work: Callable[[Plant], Any]) -> Plant:
    plant = Plant()

    async def scenario() -> None:
        async with running(network), connected(plant, stanza()):
            await until(lambda: plant.cursor is not None)
            await work(plant)

    asyncio.run(scenario())
    return plant


def test_a_feed_that_has_not_changed_is_not_sent_again() -> None:
    network = FeedNetwork()

    async def work(plant: Plant) -> None:
        await until(lambda: network.not_modified > 6)
        network.say("ann", "hello", to=("acme",))
        await until(lambda: plant.events)

    during(network, lambda: network.stanza("acme"), work)


def test_comments_are_found_by_the_posts_that_they_are_under() -> None:
    network = FeedNetwork()

    async def work(plant: Plant) -> None:
        post = network.say("acme", "Spring sale")
        question = network.say("ann", "until when?", parent=post.key)
        network.say("acme", "Sunday", parent=question.key)
        await until(lambda: len(plant.kinds()) == 3)

    plant = during(network, lambda: posts_alone(network), work)
    assert plant.kinds() == network.truth("acme")
    assert "Hi" not in {it["text"] for it in plant.events}, "what was said before"


def test_what_is_answered_is_told_before_its_answers_of_the_same_second() -> None:
    network = FeedNetwork()

    async def work(plant: Plant) -> None:
        now = network.now()
        network.clock = lambda: now
        question = network.say("ann", "until when?", to=("acme",))
        network.say("ben", "Sunday", parent=question.key)
        held = network._held["acme", True]  # noqa: SLF001 - as if more had come while its pages were read
        held[question.key] = held.pop(question.key)
        await until(lambda: len(plant.kinds()) == 2)

    plant = during(network, lambda: network.stanza("acme"), work)
    assert plant.kinds() == network.truth("acme")


def test_nothing_in_our_own_network_is_asked_for_unless_the_settings_allow_it() -> None:
    network = FeedNetwork()

    async def scenario() -> int:
        async with running(network):
            stanza = posts_alone(network, private_addresses=False)
            connector, session = make("a", settings_of(stanza), {"password": lambda: network.token}, lambda _: None)
            try:
                with pytest.raises(UnavailableError, match="not public"):
                    await anext(aiter(connector.stream(None)))
            finally:
                await session.close()
            return len(network.requests)

    assert asyncio.run(scenario()) == 0


def test_what_a_feed_names_in_our_own_network_is_not_asked_for_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_addresses, "is_public", lambda address: address == "127.0.0.1")
    network = FeedNetwork(comments_at="http://169.254.169.254/latest/meta-data/")
    place = {"connector": NAME, "status": "not_public"}

    async def work(plant: Plant) -> None:
        network.say("acme", "one")
        await until(lambda: plant.events)
        await until(lambda: REGISTRY.get_sample_value("rapport_connector_requests_total", place))

    during(network, lambda: posts_alone(network, private_addresses=False), work)


def test_a_feed_of_comments_that_is_not_to_be_had_stops_nobody() -> None:
    network = FeedNetwork(comments_at="http://127.0.0.1:1/")

    async def work(plant: Plant) -> None:
        network.say("acme", "one")
        await until(lambda: plant.events)
        network.say("acme", "two")
        await until(lambda: len(plant.events) == 2)

    during(network, lambda: posts_alone(network), work)


def test_a_hub_is_asked_to_push_once_an_hour() -> None:
    network = FeedNetwork()
    callback = "https://listen.example/v1/webhooks/blog"

    def stanza() -> dict[str, Any]:
        network.hub = f"{network.url}/hub"
        return posts_alone(network, callback=callback, secret_env="HUB_SECRET")

    async def work(_: Plant) -> None:
        await until(lambda: network.asked_to_push)
        network.say("acme", "Spring sale")
        await asyncio.sleep(0.4)

    during(network, stanza, work)
    topic = f"{network.url}/acme/feed/"
    form, *others = network.asked_to_push
    assert all(it["hub.topic"] != [topic] for it in others)
    assert form == {
        "hub.mode": ["subscribe"],
        "hub.topic": [topic],
        "hub.callback": [callback],
        "hub.lease_seconds": ["864000"],
        "hub.secret": [secret_of("0123456789abcdef", topic)],
    }


def test_signatures_of_hubs() -> None:
    key = hmac.new(b"0123456789abcdef", b"https://a.example/", hashlib.sha256).hexdigest().encode()
    for method in ("sha1", "sha256", "sha384", "sha512"):
        given = f"{method}={hmac.new(key, b'body', method).hexdigest()}"
        assert is_signed(given, "0123456789abcdef", "https://a.example/", b"body")
        assert not is_signed(given, "0123456789abcdef", "https://b.example/", b"body")
        assert not is_signed(given, "0123456789abcdef", "https://a.example/", b"body ")
        assert not is_signed(given, "another secret", "https://a.example/", b"body")
    for wrong in ("", "sha256=", "md5=0", "sha256", "plain=body", "sha256=\u00e9"):
        assert not is_signed(wrong, "0123456789abcdef", "https://a.example/", b"body")


@pytest.mark.parametrize(
    "wrong",
    [
        {"authors": {"Ann": "blog:other"}},
        {"callback": "https://listen.example/"},
        {"secret_env": "HUB_SECRET"},
        {"feeds": []},
    ],
)
def test_a_mistake_in_the_settings_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValidationError, PydanticCustomError)):
        settings_of(FeedNetwork().stanza("acme") | wrong)
