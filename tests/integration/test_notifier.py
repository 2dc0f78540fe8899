"""`rapport notify run`: who is told, how soon, and what a crash at any moment changes: nothing."""

import asyncio
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from schemas.codec import Record, decode
from streams import digest
from streams import kafka as kafka_reading
from streams.config import Brands, Settings
from streams.http_answers import RefusedError
from streams.notifications.group import Group
from streams.notifications.model import Notification
from streams.notifications.plant import ACCOUNT
from streams.notifier import store, watching
from tests.kafka_broker import Kafka, start_embedded
from tests.notifier_crashes import ACCOUNTS, crashes, judge, notifier, story, until
from tests.notifying import ENVIRONMENT, Alerts, alert, brands, settings, told
from tests.processes import ROOT, Process
from tests.receivers import Station, station

KILLS = int(os.environ.get("RAPPORT_TEST_KILLS", "4"))
"""How often a process is killed, or frozen in place of it."""


@pytest.fixture(scope="module")
def broker() -> Iterator[Kafka]:
    it = start_embedded()
    yield it
    it.stop()


async def dead_letters(its: Settings) -> list[Record]:
    found = []
    for partition in range(4):
        rows, _ = await kafka_reading.read_partition(its, its.topics.dead_letters.name, partition)
        found += [row for _, value in rows for row in decode("dead_letter", value or b"")]
    return found


def test_an_alert_is_told_within_a_second_and_its_end_is(broker: Kafka, tmp_path: Path) -> None:
    its = settings(broker.brokers, "soon")

    async def scenario(it: Station) -> list[float]:
        loop, delays = asyncio.get_running_loop(), []
        async with notifier(its, brands(tmp_path, it.url).notifications), Alerts(its) as alerts:
            for number in range(40):
                began = loop.time()
                await alerts.publish([alert(f"x:brand{number}", f"x:{number}", 1, 1)])
                await until(lambda number=number: len(it.taken) > number)
                delays.append(it.arrivals[-1] - began)
            await alerts.publish([alert("x:brand0", "x:0", 2, 1, firing=False)])
            await until(lambda: len(it.taken) == 41)
        assert it.taken[-1][1]["type"] == "alerts.resolved"
        return delays

    delays = run_with_station(scenario)
    print(f"median {statistics.median(delays) * 1000:.0f} ms, worst {max(delays) * 1000:.0f} ms")  # noqa: T201
    assert statistics.median(delays) < 0.5
    assert max(delays) < 1


def run_with_station(scenario: Callable[[Station], Any]) -> Any:  # noqa: ANN401 - whatever it returns
    async def run() -> Any:  # noqa: ANN401
        async with station("webhook") as it:
            return await scenario(it)

    return asyncio.run(run())


def test_a_storm_and_what_people_say_to_it(broker: Kafka, tmp_path: Path) -> None:
    its = settings(broker.brokers, "storm")

    async def scenario(it: Station) -> None:
        async with Alerts(its) as alerts:
            rows = [alert("x:acme", f"x:{number}", 1, number % 2) for number in range(10_000)]
            for start in range(0, len(rows), 1000):
                await alerts.publish_together(rows[start : start + 1000])
            async with notifier(its, brands(tmp_path, it.url, wait=1).notifications):
                await until(lambda: bool(it.taken))
                data = it.taken[0][1]["data"]
                assert (data["firing"], data["new"], len(data["alerts"])) == (10_000, 10_000, 100)
                await alerts.command("x:acme", action="acknowledge")
                await until(lambda: len(it.taken) == 2)
                assert it.taken[1][1]["type"] == "alerts.acknowledged"
                assert it.taken[1][1]["data"]["by"] == "bea"

    run_with_station(scenario)


BAD = """\
[receivers.bad]
type = "slack"
url_env = "NOWHERE"

[[routes]]
name = "bad"
receiver = "bad"
networks = ["y"]
group_wait_seconds = 0
"""


class Refusing:
    async def send(self, _: Notification) -> None:
        raise RefusedError("no")

    async def close(self) -> None:
        pass


def test_a_receiver_that_is_down_is_told_by_another_route(
    broker: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not take is a dead letter; who watches the plant sees that there is one more."""
    its = settings(broker.brokers, "down")
    monkeypatch.setattr(watching, "EVERY_SECONDS", 0.2)
    more = f"[plant]\n\n{BAD}"

    async def scenario(it: Station) -> None:
        notifications = brands(tmp_path, it.url, more=more).notifications
        async with Alerts(its) as alerts, notifier(its, notifications, bad=Refusing()):
            await asyncio.sleep(1)  # it has begun to watch
            await alerts.publish([alert("y:acme", "y:1", 1, 1)])
            await until(lambda: any(message["data"]["account"] == ACCOUNT for _, message in it.taken))
        (found,) = [message["data"] for _, message in it.taken if message["data"]["account"] == ACCOUNT]
        assert [(on["alert_id"], on["state"], on["value"]) for on in found["alerts"]] == [
            ("plant:dead_letters", "firing", 1)
        ]

    run_with_station(scenario)


def test_a_digest_that_is_published_again_and_again_is_told_once(broker: Kafka, tmp_path: Path) -> None:
    its = settings(broker.brokers, "digest")
    found = {"account": "x:acme", "due": 2, "lapsed": 1, "due_in_all": 2, "lapsed_in_all": 1, "strongest": ["ann"]}
    today = int(time.time()) // 86_400 * 86_400_000
    rows = digest.rows([found], Brands(), today + 10 * 3_600_000)

    async def scenario(it: Station) -> None:
        notifications = brands(tmp_path, it.url).notifications
        for _ in range(2):
            async with Alerts(its) as alerts, notifier(its, notifications):
                await digest.publish(its, rows * 2)
                await until(lambda: bool(it.taken))
                await digest.publish(its, rows)
                await alerts.publish([alert("x:acme", f"x:{len(it.taken)}", 1, 1)])
                await until(lambda: any("unanswered" in name for _, name, *_ in told(it.taken[1:])))
        assert [name for _, name, *_ in told(it.taken) if name.startswith("follow_up")] == [rows[0]["alert_id"]]

    run_with_station(scenario)


def test_who_is_refused_goes_to_the_fallback_or_becomes_a_dead_letter(broker: Kafka, tmp_path: Path) -> None:
    its = settings(broker.brokers, "refused")
    more = f"""\
{BAD}fallback = "hook"

[[routes]]
name = "worse"
receiver = "bad"
networks = ["y"]
group_wait_seconds = 0
"""

    async def scenario(it: Station) -> None:
        notifications = brands(tmp_path, it.url, more=more).notifications
        async with Alerts(its) as alerts, notifier(its, notifications, bad=Refusing()):
            await alerts.publish([alert("y:acme", "y:1", 1, 1)])
            await until(lambda: len(it.taken) == 2)
            assert sorted(message["data"]["route"] for _, message in it.taken) == ["all", "bad"]
            await alerts.publish([alert("x:acme", "x:1", 1, 1)])
            await until(lambda: len(it.taken) == 3)
        (letter,) = await dead_letters(its)
        assert (letter["source"], letter["reason"]) == ("notifier", "undelivered")
        assert letter["place"].startswith("y:acme/worse/")
        assert b'"alert_id":"unanswered:y:1"' in letter["payload"]

    run_with_station(scenario)


def test_the_commands(broker: Kafka, tmp_path: Path) -> None:
    its = settings(broker.brokers, "commands")

    async def rapport(*arguments: str, code: int = 0) -> str:
        environment = {
            **os.environ,
            **ENVIRONMENT,
            "RAPPORT_BROKERS": broker.brokers,
            "RAPPORT_TOPIC_PREFIX": "commands",
            "RAPPORT_ACCOUNTS_FILE": str(tmp_path / "rapport.toml"),
        }
        command = [sys.executable, "-m", "streams", "notify", *arguments]
        out = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=out, stderr=out)
        said, wrong = await process.communicate()
        assert process.returncode == code, wrong
        return (said + wrong).decode()

    async def scenario(it: Station) -> None:
        notifications = brands(tmp_path, it.url).notifications
        assert await rapport("test", "hook") == "hook has taken it\n"
        assert it.taken[0][1]["data"]["account"] == "rapport:test"
        it.behaves = ["refusing"]
        assert "hook has not taken it (HTTP 403): check" in await rapport("test", "hook", code=2)
        assert "there is no receiver hoook: name one" in await rapport("test", "hoook", code=2)
        async with Alerts(its) as alerts, notifier(its, notifications):
            await alerts.publish([alert("x:acme", "x:1", 1, 1)])
            await until(lambda: len(it.taken) == 2)
            said = await rapport("ack", "x:acme", "unanswered:x:1", "--by", "bea")
            assert said == "said: acknowledge unanswered:x:1 of x:acme\n"
            await until(lambda: len(it.taken) == 3)
            assert (it.taken[2][1]["type"], it.taken[2][1]["data"]["by"]) == ("alerts.acknowledged", "bea")
            await rapport("silence", "x:other", "--by", "bea", "--minutes", "5")
            await rapport("snooze", "x:acme", "unanswered:x:1", "--minutes", "5")
            await asyncio.sleep(0.5)
            await alerts.publish([alert("x:other", "x:2", 1, 1), alert("x:third", "x:3", 1, 1)])
            await until(lambda: len(it.taken) == 4)
            assert it.taken[3][1]["data"]["account"] == "x:third"

    run_with_station(scenario)


def test_what_cannot_be_read_is_set_aside(broker: Kafka, tmp_path: Path) -> None:
    its = settings(broker.brokers, "garbage")

    async def scenario(it: Station) -> None:
        async with (
            AIOKafkaProducer(bootstrap_servers=its.brokers) as producer,
            Alerts(its) as alerts,
            notifier(its, brands(tmp_path, it.url).notifications),
        ):
            for topic in (its.topics.alerts, its.topics.notification_commands):
                await producer.send_and_wait(topic.name, b"garbage", partition=0)
            await alerts.publish([alert(account, "x:1", 1, 1) for account in ACCOUNTS])
            await until(lambda: len(it.taken) == len(ACCOUNTS))
        letters = await dead_letters(its)
        assert {(letter["reason"], letter["payload"]) for letter in letters} == {("undecodable", b"garbage")}
        assert len(letters) == 2

    run_with_station(scenario)


def test_an_owner_notices_the_next_one_before_it_tells_anybody(broker: Kafka) -> None:
    its = settings(broker.brokers, "owners")
    kept = store.Stored(Group("x:acme", "all", silenced_until=7), store.Offsets(3, 4))

    async def scenario() -> None:
        async with AIOKafkaProducer(bootstrap_servers=its.brokers) as producer:
            first, second, third = (store.Store(its, producer, 1) for _ in range(3))
            assert await first.open() == {}
            await asyncio.gather(first.write(kept), first.write(kept))
            assert await second.open() == {("x:acme", "all"): kept}
            stray = store.Stored(Group("x:acme", "all", silenced_until=9), store.Offsets(9, 9))
            with pytest.raises(store.LostError):
                await first.write(stray)
            with pytest.raises(store.LostError):  # it cannot tell what was written
                await second.write(kept)
            assert await second.open() == {("x:acme", "all"): kept}, "of the newest owner, not the last that wrote"
            await second.write(kept)
            await second.forget(("x:acme", "all"))
            assert await third.open() == {}

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_crash_at_any_moment_tells_nobody_twice_and_loses_nothing(broker: Kafka, tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # for what is dead closes no connections
        assert pool.submit(crashes, broker.brokers, tmp_path).result() >= 50


@pytest.mark.kafka  # the broker in memory refuses to sync a group of two
@pytest.mark.slow
def test_two_notifiers_that_are_killed_and_frozen(kafka: Kafka, tmp_path: Path) -> None:
    its, chance = settings(kafka.brokers, "killed"), random.Random(5)
    rows = story(chance)

    async def scenario(it: Station) -> None:
        brands(tmp_path, it.url)
        environment = {
            **os.environ,
            **ENVIRONMENT,
            "RAPPORT_BROKERS": kafka.brokers,
            "RAPPORT_TOPIC_PREFIX": "killed",
            "RAPPORT_ACCOUNTS_FILE": str(tmp_path / "rapport.toml"),
        }
        async with Alerts(its) as alerts:
            await alerts.publish([])
            command = [sys.executable, "-m", "streams", "notify", "run"]
            await make_topics(its)
            both = [Process(command, tmp_path / f"{name}.log", environment, ROOT) for name in ("one", "two")]

            async def publish() -> None:
                for row in rows:
                    await alerts.publish([row])
                    await asyncio.sleep(KILLS / 8)

            publishing = asyncio.create_task(publish())
            try:
                await until(lambda: bool(it.taken))
                for turn in range(KILLS):
                    await asyncio.sleep(chance.uniform(0.5, 2))
                    victim = both[turn % 2]
                    if turn % 12 == 2:
                        victim.popen.send_signal(signal.SIGSTOP)
                        await asyncio.sleep(9)  # longer than its session
                        victim.popen.send_signal(signal.SIGCONT)
                    else:
                        victim.kill()
                        await asyncio.sleep(chance.uniform(0, 2))
                        victim.start()
                await publishing
                last = {(row["account"], row["alert_id"]): row for row in rows}.values()
                wanted = {(r["account"], r["alert_id"], r["escalation"]) for r in last if r["state"] == "firing"}
                await until(lambda: wanted <= {one[:3] for one in told(it.taken)}, 60)
                await asyncio.sleep(3)
            finally:
                codes = [process.stop() for process in both]
        assert codes == [0, 0]
        judge(rows, it.taken)

    run_with_station(scenario)


async def make_topics(its: Settings) -> None:
    await asyncio.to_thread(kafka_reading.apply_topics, its)
