"""`rapport connectors …` with Kafka: what is published and kept, and what a change of rapport.toml does while it runs."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from typer.testing import CliRunner

from schemas.codec import decode
from streams import kafka
from streams.checking import in_file
from streams.cli import app
from streams.config import Settings
from streams.connecting import running as process
from streams.connecting.running import run_connectors
from streams.errors import SettingsError
from tests.connectors.fediverse_network import PleromaNetwork
from tests.connectors.mastodon_network import MastodonNetwork
from tests.connectors.network import running
from tests.kafka_broker import Kafka, start_embedded


@pytest.fixture(scope="module")
def broker() -> Iterator[Kafka]:
    it = start_embedded()
    yield it
    it.stop()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "RELOAD_SECONDS", 0.1)


class Plant:
    """A plant's settings, and its rapport.toml."""

    def __init__(self, broker: Kafka, directory: Path, prefix: str) -> None:
        self.file, self._token = directory / "rapport.toml", directory / "token"
        self.token(MastodonNetwork.token)
        self.settings = Settings(
            brokers=broker.brokers, topic_prefix=prefix, accounts_file=self.file, language="off", sentiment="off"
        )

    def token(self, token: str) -> None:
        self._token.write_text(token, "utf-8")

    def has(self, **stanzas: dict[str, Any]) -> None:
        """Write rapport.toml."""
        lines = []
        for name, stanza in stanzas.items():
            known = {key: it for key, it in stanza.items() if key != "token_env"} | {"token_file": str(self._token)}
            lines += [f"[connectors.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in known.items()), ""]
        self.file.write_text("\n".join(lines), "utf-8")

    async def events(self) -> list[dict[str, Any]]:
        """Return what is in Kafka."""
        found: list[dict[str, Any]] = []
        for partition in range(4):
            rows, _ = await kafka.read_partition(self.settings, self.settings.topics.interactions.name, partition)
            for _, value in rows:
                found += decode("interaction", value or b"")
        return found

    async def kinds(self) -> dict[tuple[str, str], str]:
        """Return the newest kind of each account and id: repetitions are one, a withdrawal comes last."""
        return {(event["account"], event["id"]): event["kind"] for event in await self.events()}

    async def until(self, expected: dict[tuple[str, str], str]) -> None:
        deadline = time.monotonic() + 15
        while (found := await self.kinds()) != expected and time.monotonic() < deadline:  # noqa: ASYNC110 - Kafka tells nobody
            await asyncio.sleep(0.05)
        assert found == expected


@asynccontextmanager
async def connectors(plant: Plant, *names: str) -> AsyncIterator[None]:
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run_connectors(plant.settings, names, stop, ready.set))
    try:
        await asyncio.wait([task, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 9)


async def streaming(network: MastodonNetwork, times: int = 1) -> None:
    async with asyncio.timeout(15):
        while network.streamed < times or not network.connections:  # noqa: ASYNC110 - it knows nothing of us
            await asyncio.sleep(0.01)


def test_what_happens_is_published_and_a_restart_goes_on_from_there(broker: Kafka, tmp_path: Path) -> None:
    async def scenario() -> None:
        network, plant = MastodonNetwork(), Plant(broker, tmp_path, "resume")
        async with running(network):
            plant.has(fediverse=network.stanza("acme", "help"))
            async with connectors(plant):
                await streaming(network)
                post = network.say("ann", "hello", to=("acme", "help"))
                network.say("acme", "hello yourself", parent=post.key)
                await plant.until(network.truth("acme", "help"))
            for number in range(100):
                network.say("ann", f"while it is away {number}", to=("acme",))
            async with connectors(plant, "fediverse"):
                await streaming(network, 2)
                network.delete(post.key)
                gone = {(account, post.id): "withdrawal" for account in network.stanza("acme", "help")["accounts"]}
                await plant.until(network.truth("acme", "help") | gone)

    asyncio.run(scenario())


def test_posts_get_their_language_and_sentiment_where_the_network_does_not_say(broker: Kafka, tmp_path: Path) -> None:
    async def scenario() -> None:
        network, plant = PleromaNetwork(), Plant(broker, tmp_path, "understood")
        own = {name: Settings.model_fields[name].default for name in ("language", "sentiment")}
        plant.settings = plant.settings.model_copy(update=own)
        async with running(network):
            plant.has(fediverse=network.stanza("acme"))
            async with connectors(plant):
                await streaming(network)
                network.say("ann", "this is terrible, nobody answers my questions. Awful!", to=("acme",))
                network.say("ben", "Ich warte seit Wochen auf eine Antwort von euch", to=("acme",))
                await plant.until(network.truth("acme"))
        events = [it for it in await plant.events() if it["kind"] == "mention"]
        assert {(it["author_id"].partition("@")[0], it["lang"], it["sentiment"] < 0) for it in events} >= {
            ("ann", "en", True)
        }
        assert {it["lang"] for it in events} == {"en", "de"}

    asyncio.run(scenario())


def test_an_account_a_connector_and_a_token_change_without_a_restart(
    broker: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        one, other, plant = MastodonNetwork(), MastodonNetwork(), Plant(broker, tmp_path, "reload")
        other.token = "an0ther-t0ken"
        async with running(one), running(other):
            plant.has(one=one.stanza("acme"))
            async with connectors(plant):
                await streaming(one)
                one.say("ann", "before", to=("acme", "help"))
                await plant.until(one.truth("acme"))
                plant.has(one=one.stanza("acme", "help"))
                await streaming(one, 2)
                later = one.say("ann", "after", to=("acme", "help"))
                known = one.truth("acme") | {it: kind for it, kind in one.truth("help").items() if it[1] == later.id}
                await plant.until(known)

                plant.has(one=one.stanza("acme", "help"), other=other.stanza("acme"))  # whose token is refused
                await asyncio.sleep(1)
                assert not other.streamed
                assert (asked := len(other.requests)) < 5, "it does not ask again and again"
                one.say("ann", "the others go on", to=("acme",))
                known |= one.truth("acme")
                await plant.until(known)
                assert len(other.requests) == asked
                assert (stopped("one"), stopped("other")) == (0, 1)
                said = capsys.readouterr().out
                assert re.findall(r"credentials_refused +connector=(\w+)", said) == ["other"]
                assert "an0ther-t0ken" not in said

                plant.file.write_text("[connectors.one]\ntype = 7\n", "utf-8")  # a mistake changes nothing
                await asyncio.sleep(0.5)
                one.say("ann", "still there", to=("acme",))
                known |= one.truth("acme")
                await plant.until(known)

                one.mood.refusing = True
                plant.token(other.token)
                plant.has(other=other.stanza("acme"))
                await streaming(other)
                other.say("cy", "a new token", to=("acme",))
                await plant.until(known | other.truth("acme"))
                async with asyncio.timeout(5):
                    while one.connections or stopped("one") is not None:  # noqa: ASYNC110 - as above
                        await asyncio.sleep(0.01)
                assert stopped("other") == 0

    asyncio.run(scenario())


def stopped(name: str) -> float | None:
    """Return what is told of a connector whose credentials were refused; None: nothing."""
    return REGISTRY.get_sample_value("rapport_connector_stopped", {"connector": name, "reason": "refused"})


def test_what_is_wrong_at_the_start_is_said(broker: Kafka, tmp_path: Path) -> None:
    plant = Plant(broker, tmp_path, "wrong")
    cases = [
        ("", "there is no connector"),
        (
            '[connectors.a]\ntype = "myspace"\n',
            "line 2: connectors.a.type: there is no such type of connector: give one of",
        ),
        ('[connectors.a]\ntype = "mastodon"\n', "connectors.a.accounts: it is missing"),
        (
            '[connectors.a]\ntype = "mastodon"\naccounts = ["x:1"]\ninstance = "https://a.example"\ntoken_env = "T"\n',
            "line 3: connectors.a.accounts: an account of this type begins with mastodon:",
        ),
        (
            '[connectors.a]\ntype = "mastodon"\naccounts = ["mastodon:a@b"]\ninstance = "https://a.example"\n',
            "give it token_file or token_env",
        ),
    ]
    for text, said in cases:
        plant.file.write_text(text, "utf-8")
        with pytest.raises(SettingsError) as refused:
            asyncio.run(run_connectors(plant.settings, [], asyncio.Event()))
        assert said in str(refused.value)


def test_the_commands(broker: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(broker, tmp_path, "commands")
    monkeypatch.setenv("RAPPORT_ACCOUNTS_FILE", str(plant.file))

    async def scenario() -> None:
        network = MastodonNetwork()
        async with running(network):
            plant.has(
                fediverse=network.stanza("acme"), away={**network.stanza("help"), "instance": "http://127.0.0.1:1"}
            )

            async def rapport(*arguments: str) -> tuple[int, str]:
                result = await asyncio.to_thread(CliRunner().invoke, app, ["connectors", *arguments])
                return result.exit_code, result.output

            code, said = await rapport("list")
            assert (code, said.splitlines()[0]) == (0, "fediverse: mastodon, mastodon:acme@social.example")
            assert await rapport("check", "fediverse") == (
                0,
                "fediverse: the token is of mastodon:acme@social.example\n",
            )
            code, said = await rapport("check")
            assert (code, said.splitlines()[1]) == (2, "away: the network cannot be reached (ConnectError)")
            unreachable = "connectors.away: the network cannot be reached (ConnectError): see docs/connectors"
            assert await asyncio.to_thread(in_file, plant.file) == []
            assert await asyncio.to_thread(in_file, plant.file, networks=True) == [unreachable]
            network.mood.refusing = True
            assert await asyncio.to_thread(in_file, plant.file, networks=True) == [
                "connectors.fediverse: the network refuses the credentials (HTTP 401): see docs/connectors",
                unreachable,
            ]
            code, said = await rapport("check", "fediverse", "nobody")
            assert (code, said) == (
                2,
                "fediverse: the network refuses the credentials (HTTP 401)\nnobody: there is no such connector in rapport.toml\n",
            )

    asyncio.run(scenario())
