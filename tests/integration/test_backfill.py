"""`rapport backfill` into a plant that runs already: what both have seen is the same, and nobody is told of what is over."""

import asyncio
import random
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from rich.console import Console

from schemas.codec import Record
from streams import embedded
from streams.backfilling import Lane, backfill, lane_of, requested
from streams.config import load_settings
from streams.embedded import Embedded
from streams.errors import SettingsError
from streams.metrics.counters import PANE_COUNTERS
from streams.metrics.targets import DAY, HOUR, MINUTE
from tests.clickhouse_server import rows
from tests.connectors.mastodon_network import MastodonNetwork
from tests.connectors.network import running
from tests.connectors.plant import NAME, PACE, Plant, table, until
from tests.integration.test_clickhouse_relationships import shown
from tests.oracle import measure

DAYS = 6
LIVE = 4
"""Of these days, the plant has run for the last two."""


def write(network: MastodonNetwork, midnight: int, chance: random.Random) -> None:
    """Have people write for some days: what is said of a thing is said within a day."""
    moments = []
    for day in range(DAYS):
        for story in range(12):
            at = midnight + (day - DAYS) * DAY + HOUR + chance.randrange(15 * HOUR)
            moments.append((at, day, story, 0))
            moments += [
                (at + chance.randrange(1, 6 * HOUR), day, story, step) for step in range(1, chance.randrange(1, 4))
            ]
    last: dict[tuple[int, int], Any] = {}
    for at, day, story, step in sorted(moments):
        network.mood.skew = at - time.time_ns() // 1_000_000
        before = last.get((day, story))
        by_us = step and chance.random() < 0.6
        author = "acme" if by_us else f"person{story % 7}"
        last[day, story] = network.say(
            author, f"{day} {story} {step}", () if before else ("acme",), before.key if before else ""
        )
    network.mood.skew = 0


async def told(network: MastodonNetwork, since: int) -> list[Record]:
    """Return the events of the history, by a plant without Kafka."""
    plant = Plant()
    assert await plant.work(PACE).walk(NAME, table(network.stanza("acme")), since, asyncio.Event())
    return plant.events


def brands(network: MastodonNetwork, directory: Path) -> Path:
    lines = [
        f"{key} = {value if isinstance(value, int | float) else repr(value)}"
        for key, value in network.stanza("acme").items()
    ]
    file = directory / "rapport.toml"
    file.write_text("\n".join([f"[connectors.{NAME}]", *lines]))
    return file


def check(client: Client, truth: dict[str, Any]) -> None:
    """Compare turns and panes in ClickHouse with the oracle."""
    (account,) = truth
    found = {}
    for (_, name), row in shown(client, "turns", "account", "turn_id").items():
        contact, conversation = row.pop("contact_id"), row.pop("conversation_id")
        found[name] = row | {"id": name, "contact": contact, "conversation": conversation}
    assert found == truth[account]["turns"]
    panes = shown(client, f"(SELECT account, minute, {', '.join(PANE_COUNTERS)} FROM panes)", "account", "minute")
    nonzero = {minute: {name: count for name, count in row.items() if count} for (_, minute), row in panes.items()}
    assert {minute: row for minute, row in nonzero.items() if row} == {
        minute * MINUTE: pane for minute, pane in truth[account]["panes"].items()
    }


@pytest.mark.slow
def test_a_backfill_that_is_killed_and_overlaps_with_live(  # noqa: PLR0915 - one story
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", MastodonNetwork.token)

    async def scenario() -> None:  # noqa: PLR0915 - as above
        network = MastodonNetwork()
        midnight = time.time_ns() // 1_000_000 // DAY * DAY
        write(network, midnight, random.Random(3))
        since, live_since = midnight - DAYS * DAY, midnight - (DAYS - LIVE) * DAY
        async with running(network):
            settings = load_settings(accounts_file=brands(network, tmp_path), language="off", sentiment="off")
            events = await told(network, since)
            whole = len(network.requests)
            live = [event for event in events if event["published_at"] >= live_since]
            assert 20 < len(live) < len(events) - 40
            async with Embedded(tmp_path / "data", settings, "live") as plant:
                plant.client.command("SYSTEM STOP MERGES turns_versions")  # all versions are looked at below

                async def say(*said: Record) -> int:
                    """Let live hear something, and say what time it is."""
                    for event in said:
                        await plant.publisher.publish(event)
                    clock = time.time_ns() // 1_000_000
                    await plant.publisher.tick(clock)
                    await plant.settle()
                    return clock

                async def walk() -> None:
                    await backfill(request, plant.settings, plant.client, Console(quiet=True), asyncio.Event())

                clock = await say(*live)
                check(plant.client, measure(live, clock))
                alerts = rows(plant.client, "SELECT account, subject FROM alerts")
                days = since // DAY
                request = requested(NAME, _date(days), plant.settings)
                asked = len(network.requests)
                network.mood.slow = 0.5
                killed = asyncio.create_task(walk())
                await until(lambda: len(network.requests) >= asked + whole * 3 // 4, 60)
                with monkeypatch.context() as patched:
                    patched.setattr(embedded, "_stop", _kill)
                    killed.cancel()
                    await asyncio.gather(killed, return_exceptions=True)
                network.mood.slow = 0
                asked = len(network.requests)
                await walk()
                assert len(network.requests) - asked < whole * 3 // 4, "it does not begin anew"
                check(plant.client, measure(events, clock))
                both = """
                    SELECT count() AS keys, countIf(lowest < 0 AND highest >= 0) AS both, countIf(highest < 0) AS old FROM
                    (SELECT min(version) AS lowest, max(version) AS highest FROM turns_versions GROUP BY account, turn_id)"""
                (counted,) = rows(plant.client, both)
                assert counted["both"] > 10
                assert counted["old"] > 20
                assert counted["keys"] == len(next(iter(measure(events, clock).values()))["turns"])
                assert rows(plant.client, "SELECT account, subject FROM alerts") == alerts
                assert not rows(plant.client, "SELECT 1 FROM rolling_versions WHERE version < 0")

                # what live hears of a turn that both have said stands
                waiting = next(
                    event for event in live if event["kind"] == "mention" and event["id"] in _open(plant.client)
                )
                key = waiting["id"].rsplit("/", 1)[1]
                network.say("acme", "sorry, here", parent=key)
                (reply,) = [event for event in await told(network, midnight) if event["kind"] == "reply"]
                clock = await say(reply)
                check(plant.client, measure([*events, reply], clock))

    asyncio.run(scenario())


def _date(days: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _open(client: Client) -> set[str]:
    return {row["turn_id"] for row in rows(client, "SELECT turn_id FROM turns WHERE status = 'open' AND messages = 1")}


def test_a_lane_is_the_same_for_the_same_date_and_one_that_began_earlier_stands(tmp_path: Path) -> None:
    settings = load_settings(accounts_file=brands(MastodonNetwork(port=80), tmp_path))
    early, late = (lane_of(settings, requested(NAME, _date(days), settings)) for days in (20_000, 20_001))
    assert (late.topic_prefix, late.generation) == ("rapport-backfill-fediverse-20241005", -20_002)
    assert 0 > early.generation > late.generation
    assert not early.ticks
    assert {topic.record for topic in Lane(early.topic_prefix).facts} == {"interaction", "turn", "pane", "dead_letter"}
    request = requested(NAME, _date(20_000), settings)
    for name, said in (("x" * 60, "too long"), ("Müller", "cannot be a prefix")):
        with pytest.raises(SettingsError, match=said):
            lane_of(settings, request._replace(connector=name))


def test_what_cannot_be_walked_is_refused_at_once(tmp_path: Path) -> None:
    file = brands(MastodonNetwork(port=80), tmp_path)
    file.write_text(file.read_text() + "\n[connectors.files]\ntype = 'folder'\npath = '/x'\nformat = 'jsonl'\n")
    settings = load_settings(accounts_file=file)
    for name, days, said in (
        ("nobody", 1, "there is no connector nobody: name one that has one: fediverse"),
        ("files", 1, "connector files has no history"),
        (NAME, 100_000, "no day to begin with"),
    ):
        with pytest.raises(SettingsError, match=said):
            requested(name, _date(days), settings)
    with pytest.raises(SettingsError, match=r"there is no connector nobody: none of rapport\.toml has one"):
        requested("nobody", _date(1), load_settings(accounts_file=None))
