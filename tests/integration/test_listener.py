"""What is pushed, from the POST to the messages in the topic; and Kafka that is away, and comes back."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from schemas.codec import decode
from sinks.dashboard.access import new_token
from streams import serving
from streams.config import Brands, Settings, load_brands
from streams.connectors.publisher import Publisher
from streams.errors import BrokerError, SettingsError
from streams.interactions import interaction
from streams.listener import courier
from streams.listener import running as running_listener
from streams.listener.courier import Courier
from streams.listener.running import is_guarded, listen, run_listener
from streams.page_settings import PageToken
from streams.serving import address
from tests.memory_broker import Broker, messages

TOKEN, HASH = new_token()
SHOP = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BRANDS = Brands(tokens=(PageToken(name="collector", sha256=HASH, role="sender"),))


@pytest.fixture
def broker() -> Iterator[Broker]:
    it = Broker()
    yield it
    it.die()


def settings_of(broker: Broker) -> Settings:
    return Settings(brokers=broker.connection["bootstrap_servers"], topic_prefix="tests", partitions=4)


def post(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    text = "@AcmeHelp this is terrible, nobody answers my questions. Awful!"
    return {
        "id": f"x:{number}",
        "account": f"x:{number % 5}",
        "kind": "mention",
        "published_at": 1,
        "text": text,
    } | fields


async def push(client: httpx.AsyncClient, body: bytes) -> httpx.Response:
    """Push until it is taken, as whoever is told to come again does."""
    while True:
        answer = await client.post("/v1/interactions", content=body, headers={"Authorization": f"Bearer {TOKEN}"})
        if answer.status_code != 503:
            return answer
        await asyncio.sleep(0.2)


def test_from_the_post_to_the_topic(broker: Broker) -> None:
    async def story() -> tuple[list[dict[str, Any]], dict[int, list[bytes]], dict[int, list[bytes]]]:
        settings, stop, listening = settings_of(broker), asyncio.Event(), listen("127.0.0.1", 0, guarded=True)
        running = asyncio.create_task(run_listener(settings, BRANDS, (), listening, stop))
        async with httpx.AsyncClient(base_url=address(listening)) as client:
            assert (await push(client, json.dumps(post(0)).encode())).json()["taken"] == ["x:0"]
            bodies = [json.dumps([post(n), post(n, colour=1)]).encode() for n in range(1, 60)]
            answers = await asyncio.gather(*(push(client, body) for body in bodies))
            assert (await client.post("/v1/interactions", content=b"")).status_code == 401
        # what is under way when it is asked to stop is answered
        async with httpx.AsyncClient(base_url=address(listening)) as client:
            last = asyncio.create_task(push(client, json.dumps(post(60)).encode()))
            await asyncio.sleep(0.02)
            stop.set()
            assert (await last).json()["taken"] == ["x:60"]
        await running
        topics = settings.topics
        found = await messages(broker, topics.interactions.name), await messages(broker, topics.dead_letters.name)
        return [answer.json() for answer in answers], *found

    answers, batches, letters = asyncio.run(asyncio.wait_for(story(), 60))
    assert {answer["set_aside"][0]["reason"] for answer in answers} == {"malformed_record"}
    events = [event for them in batches.values() for batch in them for event in decode("interaction", batch)]
    assert sorted(event["id"] for event in events) == sorted(f"x:{n}" for n in range(61))
    assert {(event["source"], event["lang"], event["sentiment"] < 0) for event in events} == {("http", "en", True)}
    assert sum(map(len, batches.values())) < 40, "those that come together go in few messages"
    letter = [it for them in letters.values() for batch in them for it in decode("dead_letter", batch)]
    assert {(it["source"], it["place"]) for it in letter} == {("http", "http:collector#1")}
    assert len(letter) == 59


def test_who_may_push_changes_without_a_restart(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_listener, "RELOAD_SECONDS", 0.05)
    monkeypatch.setenv("SHOP_SECRET", SHOP)
    file, collector = tmp_path / "rapport.toml", f'[[tokens]]\nname = "c"\nsha256 = "{HASH}"\nrole = "sender"\n'
    shop = '[connectors.shop]\ntype = "webhook"\nsecret_env = "SHOP_SECRET"\naccounts = {accounts}\n'

    async def story() -> None:
        settings, stop, listening = settings_of(broker), asyncio.Event(), listen("127.0.0.1", 0, guarded=True)
        settings = settings.model_copy(update={"accounts_file": file})
        file.write_text(collector)
        # as if it listened for others, who must never find it open
        monkeypatch.setattr(serving, "is_own", lambda _: False)
        running = asyncio.create_task(run_listener(settings, load_brands(file), (), listening, stop))
        async with httpx.AsyncClient(base_url=address(listening)) as client:

            async def shop_pushes(account: str) -> Any:  # noqa: ANN401
                body, now = json.dumps(post(1, account=account)), datetime.now(UTC)
                signed = {"webhook-id": "m", "webhook-timestamp": str(int(now.timestamp()))}
                signed["webhook-signature"] = Webhook(SHOP).sign("m", now, body)
                answer = await client.post("/v1/webhooks/shop", content=body, headers=signed)
                return answer.json().get("taken", answer.status_code)

            async def until(account: str, said: object) -> None:
                async with asyncio.timeout(10):
                    while await shop_pushes(account) != said:  # noqa: ASYNC110 - it looks at the file when it likes
                        await asyncio.sleep(0.05)

            assert (await push(client, json.dumps(post(0)).encode())).json()["taken"] == ["x:0"]
            assert await shop_pushes("x:a") == 404
            file.write_text(collector + shop.format(accounts=["x:a"]))
            await until("x:a", ["x:1"])
            assert await shop_pushes("x:b") == []
            file.write_text(collector + shop.format(accounts=["x:a", "x:b"]))
            await until("x:b", ["x:1"])
            for mistake in (collector + shop.format(accounts=7), "", "[connectors"):
                file.write_text(mistake)
                await asyncio.sleep(0.2)
                assert await shop_pushes("x:b") == ["x:1"], "what is wrong changes nothing, nor does it open the door"
            file.write_text(shop.format(accounts=["x:a"]))
            await until("x:b", [])
            assert (await push(client, b"{}")).status_code == 401
        stop.set()
        await running

    asyncio.run(asyncio.wait_for(story(), 60))


def test_kafka_that_goes_away_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "RETRY_SECONDS", 0.1)
    brokers = [Broker()]

    async def story() -> list[str]:
        settings = settings_of(brokers[0])

        def make() -> Publisher:
            return Publisher(
                brokers[-1].connection, settings.topics, source="test", max_bytes_in_flight=None, timeout=1.0
            )

        async with Courier(make) as it:

            async def deliver(number: int) -> None:
                event = interaction(**post(number), received_at=1)
                while True:
                    with suppress(BrokerError):
                        return await it.deliver("test", [event], 100)
                    await asyncio.sleep(0.05)

            with pytest.raises(BrokerError, match="Kafka is away"):
                await it.deliver("test", [], 0)
            await deliver(1)
            assert it.is_connected
            brokers[0].die()
            with pytest.raises(BrokerError):
                await asyncio.wait_for(it.deliver("test", [interaction(**post(2), received_at=1)], 100), 30)
            brokers.append(Broker())
            await deliver(3)
        found = await messages(brokers[-1], settings.topics.interactions.name)
        return [event["id"] for them in found.values() for batch in them for event in decode("interaction", batch)]

    assert asyncio.run(asyncio.wait_for(story(), 60)) == ["x:3"]
    brokers[-1].die()


def test_more_than_can_wait_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Courier):
        async def _deliver(self, *_: Any) -> None:  # noqa: ANN401
            await asyncio.sleep(60)

    async def story() -> None:
        monkeypatch.setattr(courier, "MOST_PENDING", 100)
        it = Slow(lambda: pytest.fail("nobody asks"))
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(it.deliver("test", [], 50), 0.05)
        with pytest.raises(BrokerError, match="too much waits"):
            await it.deliver("test", [], 50)
        await it.__aexit__(None, None, None)

    asyncio.run(story())


def test_nobody_may_push_to_it_from_elsewhere_without_a_token() -> None:
    assert not is_guarded(Brands(tokens=(PageToken(name="ann", sha256=HASH),)), ())
    assert is_guarded(BRANDS, ())
    with pytest.raises(SettingsError, match="rapport token NAME --role sender"):
        listen("0.0.0.0", 0, guarded=False)
    listen("127.0.0.1", 0, guarded=False).close()
    listen("0.0.0.0", 0, guarded=True).close()
