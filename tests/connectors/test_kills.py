"""Kill -9 of the real process, for a moment: of a connector that streams, and of the listener. For longer: `make kills`."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from streams import kafka as topics
from streams.config import Settings
from tests.connectors.crowd import Crowd, Heard
from tests.connectors.kills import Options, networks, trial
from tests.connectors.kills_verdict import judge, wanted_of
from tests.connectors.mastodon_network import MastodonNetwork
from tests.connectors.network import OURS, Network
from tests.kafka_broker import Kafka


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mastodon", "telegram-webhook"])
def test_a_process_that_is_killed_again_and_again_loses_nothing(
    name: str, embedded_kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", Network.token)
    settings = Settings(brokers=embedded_kafka.brokers, topic_prefix="kills", partitions=4)

    async def scenario() -> None:
        for topic in ("interactions", "connectors", "dead_letters"):  # to ask for one is to make it
            await topics.read_partition(settings, getattr(settings.topics, topic).name, 0)
        outcome = await trial(networks("")[name](), settings, Options(posts=300, kills=5), tmp_path, print)
        assert outcome.verdict.faults == {}, dict(outcome.verdict.examples)
        assert outcome.kills == 5
        assert outcome.verdict.published > 200
        assert outcome.verdict.figures > 1_000

    asyncio.run(scenario())


def spoiled(heard: list[Heard], spoil: Callable[[list[Heard], int], None], of: Callable[[Heard], bool]) -> list[Heard]:
    found = heard.copy()
    spoil(found, next(number for number, it in enumerate(found) if of(it)))
    return found


def test_the_verdict_finds_what_is_lost_repeated_altered_or_invented() -> None:
    crowd = Crowd(MastodonNetwork(), Random(1), 400)
    for _ in range(400):
        crowd.write()
    accounts = crowd.network.stanza(*OURS)["accounts"]
    heard = [
        Heard(
            *(it[name] for name in Heard._fields if name not in ("text", "revision", "source")),
            text=crowd.texts[it["id"]],
            revision=0,
            source="",
        )
        for it in wanted_of(crowd).values()
    ]
    assert len(heard) > 300
    assert judge(crowd, heard).faults == {}
    assert judge(crowd, [*heard, *heard]).duplicates == len(heard)

    def kinds(spoil: Callable[[list[Heard], int], None], kind: str = "reply") -> set[str]:
        return set(judge(crowd, spoiled(heard, spoil, lambda it: it.kind == kind and bool(it.contact_id))).faults)

    def change(**fields: object) -> Callable[[list[Heard], int], None]:
        return lambda events, at: events.__setitem__(at, events[at]._replace(**fields))  # type: ignore[arg-type]

    assert kinds(lambda events, at: events.__delitem__(at)) >= {"missing"}
    assert kinds(lambda events, at: events.__delitem__(at), "mention") >= {"missing", "figures"}
    assert kinds(change(id="mastodon:?")) >= {"missing", "invented"}
    assert kinds(change(account=accounts[1])) >= {"missing", "invented"}
    assert kinds(change(kind="withdrawal"), "mention") >= {"missing", "invented"}
    assert kinds(change(kind="broadcast"), "mention") >= {"altered", "figures"}
    for field, wrong in {"contact_id": "", "author_id": "somebody else", "parent_id": "", "text": "what?"}.items():
        assert kinds(change(**{field: wrong})) >= {"altered"}
    for field, wrong in {"conversation_id": "mastodon:?", "published_at": 1}.items():
        assert kinds(change(**{field: wrong}), "mention") >= {"altered", "figures"}
