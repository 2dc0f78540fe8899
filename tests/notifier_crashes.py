"""Notifiers that crash at any moment of their work, and whether everybody was told all the same, and once."""

import asyncio
import random
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from schemas.codec import Record
from streams.config import Settings
from streams.notification_settings import Notifications
from streams.notifications.model import Notification
from streams.notifier import running, store
from streams.notifier.running import run_notifier
from streams.receivers.base import Receiver
from streams.receivers.making import receiver
from tests.notifying import PARTITIONS, Alerts, alert, brands, settings, told
from tests.receivers import SECRETS, made, station

ACCOUNTS = [f"x:acme{number}" for number in range(5)]
SEEDS = 26
"""So many plants live, all at a time: most of it is waiting."""
PATIENCE = 10.0
"""A station may take so long, s: of a machine that is busy, a shorter limit would make pauses of up to a minute."""


def receivers(notifications: Notifications) -> dict[str, Receiver]:
    secrets = defaultdict(lambda: partial("\n".join, SECRETS))
    return {name: receiver(it, secrets, notifications) for name, it in notifications.receivers.items()}


async def supervised(
    its: Settings,
    notifications: Notifications,
    known: dict[str, Receiver],
    stop: asyncio.Event,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Run a notifier as whoever keeps processes alive does: what Kafka turned away starts again.

    librdkafka's in-memory broker refuses the sync of a group whose last member has died and is not yet missed.
    """
    while True:
        try:
            return await run_notifier(its, notifications, known, stop, on_ready)
        except KafkaError:
            await asyncio.sleep(1)


@asynccontextmanager
async def notifier(its: Settings, notifications: Notifications, **others: Receiver) -> AsyncIterator[None]:
    stop, ready = asyncio.Event(), asyncio.Event()
    known = receivers(notifications) | others
    task = asyncio.create_task(supervised(its, notifications, known, stop, ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        stop.set()
        await task
        for it in known.values():
            await it.close()


async def until(done: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110 - servers and processes set no event
            await asyncio.sleep(0.02)


class Crash(BaseException):
    """The process is gone: it does nothing any more."""


class Fate:
    """Kills an incarnation of the notifier at one of the moments when it writes or sends, before that or after it."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left, self.after, self.dead = at, after, False

    async def survive(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it is
        if self.dead:
            raise Crash
        self.left -= 1
        if self.left == 0 and not self.after:
            self.dead = True
            raise Crash
        done = await work()
        if self.dead or self.left == 0:
            self.dead = True
            raise Crash
        return done


class Assigned(AIOKafkaConsumer):  # type: ignore[misc] # aiokafka has no types
    """Has all partitions from the start, and commits as a member would, but is in no group.

    For whoever joins a group of librdkafka's in-memory broker waits there a second less than a session, whether the last member
    left or died. And if the broker is kept from running for that second, it forgets whoever waits: then nobody answers, and
    aiokafka asks again after 40 s.
    """

    def subscribe(self, topics: Sequence[str], listener: ConsumerRebalanceListener) -> None:
        places = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        self.assign(places)
        listener.on_partitions_assigned(places)


class Mortal:
    def __init__(self, inner: Receiver, fate: Fate) -> None:
        self._inner, self._fate = inner, fate

    async def send(self, notification: Notification) -> None:
        await self._fate.survive(lambda: self._inner.send(notification))

    async def close(self) -> None:
        await self._inner.close()


class MortalStore(store.Store):
    fates: dict[str, Fate] = {}  # noqa: RUF012 - one for each plant

    async def _append(self, key: bytes, value: bytes | None) -> None:
        fate = self.fates[self._settings.topic_prefix]
        await fate.survive(lambda: super(MortalStore, self)._append(key, value))


def story(chance: random.Random) -> list[Record]:
    """Return the life of some alerts in the order in which the worker tells of it."""
    rows = []
    open_: dict[str, tuple[str, int]] = {}
    for version in range(1, 41):
        subject = chance.choice(sorted(open_)) if open_ and chance.random() < 0.5 else f"x:{version}"
        account, escalation = open_.get(subject, (chance.choice(ACCOUNTS), -1))
        if escalation >= 0 and chance.random() < 0.4:
            del open_[subject]
            rows.append(alert(account, subject, version, escalation, firing=False))
        elif escalation < 3:
            open_[subject] = (account, escalation + 1)
            rows.append(alert(account, subject, version, escalation + 1))
    return rows


def judge(rows: list[Record], taken: list[tuple[str, Any]]) -> None:
    """Everything was told once, and nothing is missing."""
    said = Counter(told(taken))
    assert [it for it, times in said.items() if times > 1] == [], "told twice"
    last = {(row["account"], row["alert_id"]): row for row in rows}
    published = {(row["account"], row["alert_id"], row["escalation"]) for row in rows}
    for account, name, escalation, change in said:
        assert change in ("new", "escalated", "resolved")
        assert (account, name, escalation) in published
    for (account, name), row in last.items():
        raised = [it for it in said if it[:2] == (account, name) and it[3] != "resolved"]
        over = [it for it in said if it[:2] == (account, name) and it[3] == "resolved"]
        if row["state"] == "firing":
            assert max((it[2] for it in raised), default=-1) == row["escalation"], "lost"
            assert not over
        else:
            assert len(over) == bool(raised), "its end is told to whoever was told of it"


def judge_incidents(rows: list[Record], taken: list[tuple[str, Any]]) -> None:
    """An incident is open for each account of which something fires, and for no other: as PagerDuty keeps them by ``dedup_key``."""
    incidents = {key: (event["payload"]["source"], event["event_action"]) for key, event in taken}
    open_ = Counter(account for account, action in incidents.values() if action != "resolve")
    last = {(row["account"], row["alert_id"]): row for row in rows}.values()
    assert open_ == Counter({row["account"] for row in last if row["state"] == "firing"})


def judge_mails(rows: list[Record], taken: list[tuple[str, Any]]) -> None:
    """Each alert was told as new in one mail, and its end in another: mails with one ``Message-ID`` are one, and say the same."""
    mails: dict[str, str] = {}
    for name, mail in taken:
        said = mail["Subject"] + mail.get_body(("plain",)).get_content() + mail.get_body(("html",)).get_content()
        assert mails.setdefault(name, said) == said, "one Message-ID, two contents"
    text = "\n".join(said.replace("\r\n", "\n").partition("\n-- \n")[0] for said in mails.values())
    new = Counter(re.findall(r"^\w+: ann waits for an answer to (\S+), due \S+ \(new\)$", text, re.MULTILINE))
    over = Counter(re.findall(r"^resolved: (\S+), \S+$", text, re.MULTILINE))
    last = {row["subject"]: row for row in rows}
    assert {*new.values(), *over.values()} <= {1}, "told twice"
    assert over.keys() <= new.keys()
    assert over.keys() == {subject for subject in new if last[subject]["state"] == "resolved"}
    assert {subject for subject, row in last.items() if row["state"] == "firing"} <= new.keys(), "lost"
    critical = {subject for subject in new if last[subject]["state"] == "firing" and last[subject]["escalation"] > 0}
    assert critical <= {*re.findall(r"^critical: ann waits for an answer to (\S+), ", text, re.MULTILINE)}, "lost"


JUDGES = {"webhook": judge, "pagerduty": judge_incidents, "email": judge_mails}
"""By kind of receiver: what each knows a repetition by."""


async def live_through(seed: int, brokers: str, directory: Path) -> int:
    chance, kind = random.Random(seed), [*JUDGES][seed % len(JUDGES)]
    its, rows = settings(brokers, f"crash{seed}"), story(chance)
    directory.mkdir()  # noqa: ASYNC240 - for a moment
    async with station(kind) as it, Alerts(its) as alerts:
        it.behaves = chance.choices(["well", "failing", "resetting"], [8, 1, 1], k=100)
        notifications = brands(directory, it.url, wait=chance.choice([0, 0.3])).notifications

        async def publish() -> None:
            for row in rows:
                await alerts.publish([row])
                await asyncio.sleep(chance.random() * 0.2)

        publishing, crashes = asyncio.create_task(publish()), 0
        for _ in range(chance.randint(2, 4)):
            fate = MortalStore.fates[its.topic_prefix] = Fate(chance.randint(1, 25), after=chance.random() < 0.5)
            mortal = {"hook": Mortal(made(it, PATIENCE), fate)}
            try:
                async with asyncio.timeout(chance.uniform(4, 8)):  # else it dies wherever it is then
                    await supervised(its, notifications, mortal, asyncio.Event())
            except (Crash, TimeoutError):
                crashes += 1
            fate.dead = True
            for one in mortal.values():
                await one.close()
        await publishing
        MortalStore.fates[its.topic_prefix] = Fate(1 << 30, after=True)
        async with notifier(its, notifications, hook=made(it, PATIENCE)):
            with suppress(TimeoutError):  # then it is said what is wrong
                await until(lambda: is_right(kind, rows, it.taken), 60)
            await asyncio.sleep(2.5)  # two intervals more, for what is over, and for what would be told twice
    JUDGES[kind](rows, it.taken)
    return crashes


def is_right(kind: str, rows: list[Record], taken: list[tuple[str, Any]]) -> bool:
    try:
        JUDGES[kind](rows, taken)
    except AssertionError:
        return False
    return True


def crashes(brokers: str, directory: Path) -> int:
    """Live through as many seeds as there are, and return how often a notifier crashed; raises AssertionError if that was seen."""
    running.Store = MortalStore  # type: ignore[misc]
    running.AIOKafkaConsumer = Assigned  # type: ignore[misc]

    async def run() -> int:
        lives = [asyncio.create_task(live_through(n, brokers, directory / f"{n}")) for n in range(SEEDS)]
        await asyncio.wait(
            lives
        )  # for all: if one failed, clients of Kafka that are cancelled beneath others may never end
        return sum(life.result() for life in lives)

    return asyncio.run(run())
