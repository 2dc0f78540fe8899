"""The notifier's process: what it does in which order, so that a crash at any moment tells nobody twice and loses nothing.

==============================  ========================================================================================
it stops between                then
==============================  ========================================================================================
taking alerts in and writing    their offsets are not committed: they are read again
writing and committing          they are read again, and passed over: the group's record says what is in it
making a notification and       its group has not changed in the topic: it is made again
writing it
writing it and sending          the next owner finds it pending and sends it
sending and writing that        the next owner sends it again: the same content under the same key, so the receiver has it
it is sent                      once
==============================  ========================================================================================

A notification is written before it is sent because more alerts may come in between: made again it would have the same key and say
something else.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError

from schemas.codec import DecodeError, Record, decode, encode
from schemas.topics import LARGEST_GROUP
from streams.config import Settings
from streams.connection import kafka_options
from streams.errors import BrokerError, Reason
from streams.notification_settings import Notifications
from streams.notifications.group import delivered, fall_back
from streams.notifications.model import NEVER, Policy
from streams.notifier.delivery import Delivery, UndeliveredError
from streams.notifier.owned import Owned
from streams.notifier.store import GroupKey, LostError, Offsets, Store, Stored
from streams.notifier.watching import watch
from streams.receivers.base import Receiver, compact
from streams.receivers.webhook import payload
from streams.telemetry import DEAD_LETTERS, LAG, NOTIFICATION_GROUPS, log

CYCLE_SECONDS: Final = 0.2
"""How often groups that have changed are written, and offsets committed."""
FAREWELL_SECONDS: Final = 3.0
"""What is being sent has so long when the process is asked to stop, or to hand its partitions over."""
STORM: Final = 10_000
"""So many messages are taken in before anybody is told: what comes at once is told together."""
SWEEP_SECONDS: Final = 60.0
"""How often groups that are over are forgotten."""
SOURCE: Final = "notifier"

logger = log(SOURCE)


async def run_notifier(
    settings: Settings,
    notifications: Notifications,
    receivers: Mapping[str, Receiver],
    stop: asyncio.Event,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Tell ``receivers`` about alerts until ``stop`` is set; ``on_ready`` is called at each assignment, once it is read.

    Raises :class:`BrokerError` if Kafka cannot be reached at the start, and aiokafka's ``KafkaError`` if it fails later for good.
    """
    options, topics = kafka_options(settings), settings.topics
    consumer = AIOKafkaConsumer(
        **options,
        group_id=topics.notifier_group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=[RangePartitionAssignor],  # alerts and commands of a partition go together
        session_timeout_ms=6_000,
        heartbeat_interval_ms=2_000,
        fetch_max_wait_ms=100,  # the in-memory broker answers no sooner, whatever comes
    )
    producer = AIOKafkaProducer(**options, enable_idempotence=True, max_request_size=LARGEST_GROUP, linger_ms=0)
    notifier = _Notifier(settings, _Clients(consumer, producer), notifications, Delivery(notifications, receivers))
    watching: asyncio.Task[None] | None = None
    consumer.subscribe([topics.alerts.name, topics.notification_commands.name], listener=notifier)
    try:
        try:
            await producer.start()
            await consumer.start()
        except KafkaConnectionError as error:
            raise BrokerError(f"Kafka cannot be reached ({error})", "start it, or set RAPPORT_BROKERS") from None
        if notifications.plant is not None:
            watching = asyncio.create_task(watch(settings, notifications.plant.limits(), producer, notifier.owns))
        await notifier.run(stop, on_ready)
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        await notifier.release()
        await asyncio.gather(consumer.stop(), producer.stop(), return_exceptions=True)


class _Clients(NamedTuple):
    consumer: Any  # aiokafka has no types
    producer: Any


class _Notifier(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, settings: Settings, clients: _Clients, notifications: Notifications, delivery: Delivery) -> None:
        self._settings, self._topics = settings, settings.topics
        self._consumer, self._producer = clients
        self._notifications, self._delivery = notifications, delivery
        self._policies: dict[str, dict[str, Policy]] = {}
        self._owned: dict[int, Owned] = {}
        self._behind: dict[TopicPartition, int] = {}
        """Where each input ended when it was assigned, as long as it has not been read so far: until then nobody is told."""
        self._sending: dict[asyncio.Task[None], GroupKey] = {}
        self._assigned = asyncio.Event()
        """Something was assigned that has not been read yet, or has to be read anew."""
        self._revocations = 0
        self._ours = False

    # -- what is assigned -------------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._ours = False
        self._revocations += 1
        for partition in revoked:
            with suppress(KeyError):
                LAG.remove(partition.topic, str(partition.partition))
        if self._sending:  # Slack would show it twice
            await asyncio.wait(self._sending, timeout=FAREWELL_SECONDS)
        await self.release()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        logger.info("assigned", partitions=len(assigned))
        self._assigned.set()

    async def release(self) -> None:
        """Let go of all groups. What is being sent may be taken: whoever owns the group next sends it again."""
        tasks, self._sending = list(self._sending), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for number in self._owned:
            with suppress(KeyError):
                NOTIFICATION_GROUPS.remove(str(number))
        self._owned = {}

    def owns(self, number: int) -> bool:
        """Say whether a partition is ours and read."""
        return self._ours and number in self._owned

    async def _recover(self) -> None:
        """Read what is known of the partitions that are ours now, and go on behind what was committed."""
        await self.release()
        self._assigned.clear()
        self._ours, revocations = False, self._revocations
        inputs = list(self._consumer.assignment())
        ends = await self._consumer.end_offsets(inputs) if inputs else {}
        firsts = await self._consumer.beginning_offsets(inputs) if inputs else {}
        for where in inputs:
            committed = await self._consumer.committed(where)
            if revocations != self._revocations:
                return
            within = committed is not None and firsts[where] <= committed <= ends[where]
            self._consumer.seek(where, committed if within else firsts[where])
        numbers = sorted({it.partition for it in inputs if it.topic == self._topics.alerts.name})
        opened = await asyncio.gather(*(self._open(number, ends) for number in numbers))
        if revocations != self._revocations:
            return
        self._owned, self._behind, self._ours = {it.number: it for it in opened}, dict(ends), True
        for it in opened:
            for name, group in it.groups.items():
                if group.pending is not None:
                    self._start_sending(it, name, is_written=True)

    async def _open(self, number: int, ends: Mapping[TopicPartition, int]) -> Owned:
        store = Store(self._settings, self._producer, number)
        stored = await store.open()
        alerts, commands = (
            ends[TopicPartition(topic.name, number)]
            for topic in (self._topics.alerts, self._topics.notification_commands)
        )
        for name, it in stored.items():  # a topic that was made anew begins again at 0
            offsets = Offsets(
                it.offsets.alerts if it.offsets.alerts < alerts else -1,
                it.offsets.commands if it.offsets.commands < commands else -1,
            )
            stored[name] = Stored(it.group, offsets)
        return Owned(number, store, stored, self._policies_of)

    def _policies_of(self, account: str) -> dict[str, Policy]:
        if account not in self._policies:
            self._policies[account] = self._notifications.policies(account)
        return self._policies[account]

    # -- what goes on -----------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        cycle = sweep = time.monotonic()
        while not stop.is_set():
            try:
                if self._assigned.is_set():
                    await self._recover()
                    if self._ours:
                        on_ready()
                await self._poll()
                self._look_around()
                if self._ours and time.monotonic() - cycle >= CYCLE_SECONDS:
                    await self._keep()
                    cycle = time.monotonic()
                if self._ours and time.monotonic() - sweep >= SWEEP_SECONDS:
                    await self._sweep()
                    sweep = time.monotonic()
            except LostError:
                logger.warning("lost", why="another notifier writes to a partition of ours: it is read anew")
                self._assigned.set()
        if self._sending:
            await asyncio.wait(self._sending, timeout=FAREWELL_SECONDS)
        if self._ours:
            with suppress(LostError):
                await self._keep()

    async def _poll(self) -> None:
        """Take in what comes until a group is due."""
        now = _now()
        due = min((it.next_due() for it in self._owned.values()), default=NEVER) if not self._behind else NEVER
        wait = min(max(due - now, 1), round(CYCLE_SECONDS * 1000))
        polled = await self._consumer.getmany(timeout_ms=wait, max_records=STORM)
        if not self._ours or self._assigned.is_set():
            return  # it is read again
        for where, records in polled.items():
            messages = [(record.offset, await self._rows(where, record)) for record in records]
            if (owned := self._owned.get(where.partition)) is not None:
                is_alerts = where.topic == self._topics.alerts.name
                (owned.take_alerts if is_alerts else owned.take_commands)(messages, _now())
        for where in [*self._behind]:
            if await self._consumer.position(where) >= self._behind[where]:
                del self._behind[where]

    async def _rows(self, where: TopicPartition, record: Any) -> list[Record]:  # noqa: ANN401 - aiokafka's
        """Return what a message holds; nothing of one that cannot be read, which is set aside."""
        name = "alert" if where.topic == self._topics.alerts.name else "notification_command"
        try:
            return decode(name, record.value or b"")
        except DecodeError as error:
            place = f"{where.topic}/{where.partition}/{record.offset}"
            await self._set_aside(Reason(error.reason), str(error), place, record.value or b"")
            return []

    def _look_around(self) -> None:
        """Start to send what is due, and raise what went wrong in sending."""
        for task in [task for task in self._sending if task.done()]:
            del self._sending[task]
            task.result()
        if self._behind or not self._ours:
            return
        for owned in self._owned.values():
            for name in owned.wake(_now()):
                self._start_sending(owned, name, is_written=False)

    async def _keep(self) -> None:
        """Write the groups that have changed; then commit what is in them."""
        for owned in list(self._owned.values()):
            taken = owned.offsets
            await asyncio.gather(*(owned.write(name) for name in sorted(owned.dirty)))
            NOTIFICATION_GROUPS.labels(str(owned.number)).set(len(owned.groups))
            await self._commit(owned, taken)

    async def _commit(self, owned: Owned, taken: Offsets) -> None:
        """Commit what was taken in of a partition before its groups were written."""
        both = {self._topics.alerts.name: taken.alerts, self._topics.notification_commands.name: taken.commands}
        offsets = {TopicPartition(topic, owned.number): it + 1 for topic, it in both.items() if it >= 0}
        if not self._ours or offsets == owned.committed:
            return
        with suppress(CommitFailedError, IllegalStateError):  # a rebalance is on its way: they are read again
            await self._consumer.commit(offsets)
            owned.committed = offsets
        for where, offset in offsets.items():
            if self._ours:
                behind = (self._consumer.highwater(where) or offset) - offset
                LAG.labels(where.topic, str(where.partition)).set(max(0, behind))

    async def _sweep(self) -> None:
        for owned in list(self._owned.values()):
            for name in owned.over(_now()):
                await owned.store.forget(name)
                owned.drop(name)

    # -- sending ----------------------------------------------------------------------------------------------------------

    def _start_sending(self, owned: Owned, name: GroupKey, *, is_written: bool) -> None:
        self._sending[asyncio.create_task(self._send(owned, name, is_written=is_written))] = name

    async def _send(self, owned: Owned, name: GroupKey, *, is_written: bool) -> None:
        """Write the pending notification of a group, send it, and write that it is sent."""

        async def fell_back() -> None:
            owned.put(fall_back(owned.groups[name]))
            await owned.write(name)

        if not is_written:
            await owned.write(name)
        pending = owned.groups[name].pending
        if pending is None:
            return
        try:
            await self._delivery.deliver(pending, fell_back)
        except UndeliveredError as error:
            place = f"{name[0]}/{name[1]}/{pending.episode}/{pending.number}"
            await self._set_aside(Reason.UNDELIVERED, str(error), place, compact(payload(pending)))
        owned.put(delivered(owned.groups[name], _now()))
        await owned.write(name)

    async def _set_aside(self, reason: Reason, error: str, place: str, value: bytes) -> None:
        logger.error("set_aside", place=place, reason=str(reason), error=error)
        DEAD_LETTERS.labels(SOURCE, str(reason)).inc()
        row = {
            "source": SOURCE,
            "reason": str(reason),
            "error": error,
            "place": place,
            "payload": value,
            "at": _now(),
        }
        await self._producer.send_and_wait(
            self._topics.dead_letters.name, encode("dead_letter", [row]), key=SOURCE.encode()
        )


def _now() -> int:
    return time.time_ns() // 1_000_000
