"""Import from a topic, beyond the contract: several records in a message, what is no event, gaps, and wrong settings."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka.structs import TopicPartition
from confluent_kafka import Producer
from pydantic import ValidationError

from streams.connectors.kafka_topic import _positions
from streams.connectors.live import Gap
from streams.connectors.making import settings_of
from tests.connectors.kafka_network import KafkaNetwork
from tests.connectors.network import Network, running
from tests.connectors.plant import Plant, connected, until
from tests.connectors.test_contract import counted, ready

TOPIC = "others"


def stanza(address: str, **others: object) -> dict[str, Any]:
    return {"type": "kafka", "brokers": address, "topic": TOPIC, "heartbeat_seconds": 0.5, **others}


def mention(number: int, **others: object) -> dict[str, Any]:
    return {"id": f"desk:{number}", "account": "desk:acme", "kind": "mention", "published_at": 1, **others}


def test_several_records_in_a_message_and_what_is_no_event() -> None:
    async def scenario() -> None:
        producer = Producer({"test.mock.num.brokers": 1, "log_level": 0, "linger.ms": 0})
        (member,) = producer.list_topics(TOPIC).brokers.values()
        plant = Plant()
        fields = {name: name for name in ("id", "account", "kind", "published_at")}
        mapped = {"records": "events", "times": "milliseconds", "fields": fields}
        async with connected(plant, stanza(f"127.0.0.1:{member.port}", mapping=mapped)):
            await ready(plant)
            events = [mention(1), {"id": 2}, mention(3, kind="tick"), mention(4)]
            for value in (
                json.dumps({"events": events}),
                None,
                json.dumps({"events": []}),
                json.dumps({"events": [mention(5)]}),
            ):
                producer.produce(TOPIC, value, partition=1)
                producer.flush()
            await until(lambda: len(plant.events) == 3)
            await until(lambda: json.loads(str(plant.cursor)) == {"0": 0, "1": 4, "2": 0, "3": 0})
        assert [it["id"] for it in plant.events] == ["desk:1", "desk:4", "desk:5"]
        assert [it.place for it in plant.letters] == [f"{TOPIC}/1/0.1"]

    asyncio.run(scenario())


def test_what_the_broker_has_forgotten_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)

    async def scenario() -> None:
        plant, network = Plant(), KafkaNetwork()
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await ready(plant)
            network.say("ann", "lost", to=("acme",))
            network.forget()
            gaps = counted("rapport_connector_gaps_total")
            after = network.say("ann", "after", to=("acme",))
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.events)
        assert [it["id"] for it in plant.events] == [after.id]
        assert counted("rapport_connector_gaps_total") == gaps + 4, "of each partition"

    asyncio.run(scenario())


def test_where_a_partition_is_read_from() -> None:
    places = [TopicPartition("t", number) for number in range(4)]
    firsts, ends = dict(zip(places, (0, 5, 0, 7), strict=True)), dict(zip(places, (9, 9, 3, 9), strict=True))
    assert _positions(firsts, ends, None) == ({0: 9, 1: 9, 2: 3, 3: 9}, [])
    found, gaps = _positions(firsts, ends, {0: 4, 1: 2, 2: 8})
    assert found == {0: 4, 1: 5, 2: 0, 3: 7}, "a new partition from its beginning, one made anew too"
    assert gaps == [Gap("t/1 has no offsets 2 to 4 any more"), Gap("t/2 has no offset 8: it was made anew")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mapping": {"fields": {"id": "id"}}}, "account is neither among the fields nor the constants"),
        ({"security_protocol": "SASL_SSL", "username": "me"}, "password_file"),
        ({"security_protocol": "SASL_SSL", "password_env": "X"}, "username"),
        ({"password_file": "a", "password_env": "X"}, "password_file or password_env"),
        ({"topic": ""}, "topic"),
        ({"group": "x"}, "group"),
    ],
)
def test_settings_that_are_wrong_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings_of(stanza("localhost:9092", **wrong))
