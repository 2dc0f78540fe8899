"""Exact state on Faust: the owned partitions, recovered at every rebalance and checkpointed by versions.

Faust gives the consumer group, the agent and the sends. Its own table recovery, its commit and its transactions lose or
double events (docs/architecture.md), so none of them decides anything here: the table below is only the changelog's name and the
moment of recovery. The rules are in streams/partition.py (what is safe) and streams/cycle.py (in which order it becomes so).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from time import monotonic, thread_time
from typing import Any, Final, Generic

import faust
from faust.types import TP

from schemas import codec
from schemas.topics import LARGEST_CHECKPOINT
from streams import telemetry
from streams.config import Settings
from streams.cycle import Cycles, Report
from streams.errors import BrokerError, RapportError
from streams.faust_repairs import FAUST_LOG, Batch, ending
from streams.intake import Message
from streams.interactions import tick
from streams.kafka import read_checkpoints
from streams.metrics.model import Model, State
from streams.partition import Partition

ACKNOWLEDGE_SECONDS: Final = 60.0
"""A send that is not acknowledged within this time has failed."""
STEP_SECONDS: Final = 0.005
"""How long folding goes on before anything else has its turn."""
MOST_UNSENT: Final = 50_000
"""Facts and dead letters of all partitions, some 15 MB. With more of them folding waits until they are sent: where Kafka is slower
than it, they would fill the memory."""
LARGE_STATE: Final = LARGEST_CHECKPOINT // 2
"""Half of what a record of the checkpoint topic may hold, in bytes: somebody should look at the account."""
LARGE_STATE_SECONDS: Final = 60.0
_PRODUCER_BUFFER: Final = 1 << 20
"""Messages Faust may have waiting: a burst of checkpoints must not block the input."""

_log = telemetry.log("worker")


class _Changelog(faust.Table):  # type: ignore[misc] # Faust is not typed for us
    """Faust's table, of which only the topic and the calls at a rebalance are used."""

    logger = FAUST_LOG

    def __init__(self, app: faust.App, checkpoints: "Checkpoints[Any]", partitions: int) -> None:
        super().__init__(app, name="accounts", key_type=bytes, value_type=bytes, partitions=partitions)
        self._checkpoints = checkpoints
        self._ends: Mapping[TP, int] = {}
        self.on_recover(checkpoints.recover)
        app.tables.add(self)

    @ending
    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Give everything up: what was not yet sent will be made again by whoever owns it next."""
        self._checkpoints.give_up()
        mine = [partition for partition in assigned if partition.topic == self.changelog_topic_name]
        self._ends = await self.app.consumer.highwaters(*mine)
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    def persisted_offset(self, tp: TP) -> int:
        """Say that everything is loaded already: Faust's recovery has nothing to do."""
        return (self._ends.get(tp) or 0) - 1

    def apply_changelog_batch(self, batch: object) -> None:
        """Do nothing: the topic is read by :func:`streams.kafka.read_checkpoints`."""


class Checkpoints(Generic[State]):
    """The partitions this worker owns; also the cycles' outlet into Kafka (:class:`streams.cycle.Outlet`)."""

    def __init__(
        self, app: faust.App, settings: Settings, model: Model[State], topics: Mapping[str, faust.Topic]
    ) -> None:
        """``topics``: Faust's, by record type; those of interactions, of every kind of fact, and of dead letters."""
        self._app, self._settings, self._model, self._topics = app, settings, model, topics
        self._input: str = settings.topics.interactions.name
        self.owned: dict[int, Partition[State]] = {}
        """Empty while recovering."""
        self._rebalances = 0
        self._taken_over = 0.0
        self._table = _Changelog(app, self, settings.partitions)
        self._cycles: Cycles[State] = Cycles(self, settings.checkpoint_seconds)
        self._one_at_a_time = asyncio.Lock()
        self._closing = False
        self._folding = 0.0
        self._letters: deque[tuple[float, int]] = deque()
        self._warned: dict[str, float] = {}

    # -- input ------------------------------------------------------------------------------------------------------------

    async def fold(self, batch: Batch) -> None:
        """Fold messages of the input, unless their partition is not ours (any more).

        Gives way now and then: where all of 10,000 accounts fall due, heartbeats and acknowledgements must not wait.
        """
        number, owner = batch.partition, self.owned.get(batch.partition)
        if owner is None:
            return
        messages, more = map(_opened, batch.records), True
        while more and not self._closing and self.owned.get(number) is owner:
            if sum(it.unsent() for it in self.owned.values()) < MOST_UNSENT:
                more = self._step(owner, messages)
                await asyncio.sleep(0)
            else:
                await self.cycle()

    def _step(self, owner: Partition[State], messages: Iterator[Message]) -> bool:
        """Fold for about :data:`STEP_SECONDS`, and note what time it took; say whether there is more."""
        started, cpu = monotonic(), thread_time() if self._cycles.measuring else 0.0
        more, now = True, started
        while more and now < started + STEP_SECONDS:
            if not owner.go_on():  # done with the one before
                message = next(messages, None)
                if message is None:
                    more = False
                else:
                    owner.begin(message, now)
            now = monotonic()
        if self._cycles.measuring:
            self._cycles.folding_cpu += thread_time() - cpu
        self._folding += now - started
        return more

    async def tick(self, now: int) -> None:
        """Tell every partition that is owned what time it is, in ms."""
        if not self._closing:
            value = codec.encode("interaction", [tick(now)])
            await self.acknowledged([self.send("interaction", number, value) for number in self.owned])

    # -- output -----------------------------------------------------------------------------------------------------------

    async def cycle(self) -> None:
        """Send what there is and checkpoint what is due."""
        async with self._one_at_a_time:
            if self._closing:
                return
            started, behind = monotonic(), self._behind()
            report = await self._cycles.regular(self.owned, started, behind)
            telemetry.CYCLE_SECONDS.observe(monotonic() - started)
            self._tell(report, behind)
            self._stop_if_everything_is_set_aside(report)

    @ending
    async def finish(self) -> None:
        """Fold no more, send everything and checkpoint everything: the next start replays nothing."""
        self._closing = True
        async with self._one_at_a_time:
            report = await self._cycles.final(self.owned, monotonic())
            self._tell(report, {})
            _log.info("Checkpointed before stopping", accounts=len(report.sizes), offsets=self._offsets())

    def send(self, record: str, partition: int, value: bytes) -> Awaitable[Any]:
        """Send a message to the topic of its record type."""
        return self._topics[record].send_soon(partition=partition, value=value)  # type: ignore[no-any-return]

    def write(self, partition: int, key: bytes, value: bytes | None) -> Awaitable[Any]:
        """Send a record to the checkpoint topic."""
        return self._table.send_changelog(partition, key, value, "raw", "raw")  # type: ignore[no-any-return]

    async def acknowledged(self, sends: Sequence[Awaitable[Any]]) -> None:
        """Return when Kafka has acknowledged all ``sends``."""
        if sends:
            await asyncio.wait_for(asyncio.gather(*sends), ACKNOWLEDGE_SECONDS)

    # -- recovery ---------------------------------------------------------------------------------------------------------

    def give_up(self) -> None:
        """Forget everything: the group rebalances."""
        self.owned = {}
        self._rebalances += 1

    @ending
    async def recover(self) -> None:
        """Take over what was assigned: nothing that was known before counts. Faust calls this before it fetches."""
        consumer, started, rebalances = self._app.consumer, monotonic(), self._rebalances
        consumer.stop_flow()
        self._app.flow_control.suspend()  # nothing may be fetched before the seek (Faust's issue 596)
        consumer.perform_seek = self._seek
        self._app.producer.buffer.max_messages = _PRODUCER_BUFFER
        mine = [partition for partition in consumer.assignment() if partition.topic == self._input]
        firsts, ends = await consumer.earliest_offsets(*mine), await consumer.highwaters(*mine)
        loaded = await read_checkpoints(self._settings, [partition.partition for partition in mine])
        owned = {}
        for partition in mine:
            first, end = firsts[partition] or 0, ends[partition] or 0
            owner = Partition(self._model, loaded[partition.partition], first, self._settings.generation)
            _refuse_what_is_gone(f"{partition.topic}/{partition.partition}", owner.last + 1, first, end)
            owned[partition.partition] = owner
        if rebalances != self._rebalances:
            return  # the group has rebalanced meanwhile, and another recovery has begun
        self.owned, self._taken_over = owned, monotonic()
        telemetry.RECOVERY_SECONDS.set(monotonic() - started)
        for gauge in (telemetry.ACCOUNTS, telemetry.OFFSET, telemetry.CLOCK, telemetry.LAG):
            gauge.clear()  # of partitions that are another's now
        accounts = sum(len(owner.offsets) for owner in owned.values())
        _log.info("Recovered", seconds=round(monotonic() - started, 2), accounts=accounts, offsets=self._offsets())

    @ending
    async def _seek(self) -> None:
        """Go to where each partition stands; in place of Faust's own, which trusts its commit."""
        consumer = self._app.consumer
        await consumer.seek_wait(
            {
                partition: self.owned[partition.partition].last + 1
                for partition in consumer.assignment()
                if partition.topic == self._input and partition.partition in self.owned
            }
        )

    @property
    def ready(self) -> bool:
        """Whether partitions are owned and recovered."""
        return bool(self.owned) and not self._closing

    # -- telemetry --------------------------------------------------------------------------------------------------------

    def _offsets(self) -> dict[int, int]:
        return {number: owner.last for number, owner in sorted(self.owned.items())}

    def _behind(self) -> dict[int, int]:
        """Return how many messages each partition is behind the end of its topic, as far as the last fetch told."""
        behind = {}
        for number, owner in self.owned.items():
            try:
                end = self._app.consumer.highwater(TP(self._input, number))
            except Exception:  # noqa: BLE001, S112 - it is being taken away this moment
                continue
            if end is not None:
                behind[number] = max(0, end - owner.last - 1)
        return behind

    def _tell(self, report: Report, behind: Mapping[int, int]) -> None:
        now = monotonic()
        for record, rows in report.facts.items():
            telemetry.FACTS.labels(self._topics[record].get_topic_name()).inc(rows)
        for reason, letters in report.letters.items():
            telemetry.DEAD_LETTERS.labels("worker", reason).inc(letters)
        telemetry.FOLD_SECONDS.inc(self._folding)
        self._folding = 0.0
        if report.sizes:
            telemetry.CHECKPOINT_SECONDS.inc(max(0.0, report.checkpoint_cpu))
            telemetry.CHECKPOINT_RECORDS.inc(len(report.sizes))
        for account, size in report.sizes:
            telemetry.STATE_BYTES.observe(size)
            if size > LARGE_STATE and now - self._warned.get(account, -LARGE_STATE_SECONDS) >= LARGE_STATE_SECONDS:
                self._warned[account] = now
                _log.warning(
                    "An account's state nears what a checkpoint may hold",
                    account=account,
                    bytes=size,
                    most=LARGEST_CHECKPOINT,
                )
        telemetry.CHECKPOINT_AGE.set(max((o.age(now, self._taken_over) for o in self.owned.values()), default=0.0))
        for number, owner in self.owned.items():
            for kind, events in owner.kinds.items():
                telemetry.EVENTS.labels(kind).inc(events)
            telemetry.MESSAGES.inc(owner.folded)
            owner.kinds.clear()
            owner.folded = 0
            telemetry.ACCOUNTS.labels(number).set(len(owner.offsets))
            telemetry.OFFSET.labels(number).set(owner.last)
            telemetry.CLOCK.labels(number).set(owner.clock / 1000)
        for number, messages in behind.items():
            telemetry.LAG.labels(self._input, number).set(messages)

    def _stop_if_everything_is_set_aside(self, report: Report) -> None:
        """Raise :class:`RapportError` above the setting: it is not this event or that which is wrong, it is all of them."""
        now, most = monotonic(), self._settings.dead_letters_per_minute
        if report.letters:
            self._letters.append((now, report.letters.total()))
        while self._letters and self._letters[0][0] < now - 60:
            self._letters.popleft()
        if sum(letters for _, letters in self._letters) > most:
            reason = max(report.letters, key=lambda reason: report.letters[reason], default="")
            raise RapportError(
                f"more than {most} dead letters within a minute, of late: {reason}",
                f"see {self._settings.topics.dead_letters.name}, mend what sends them or raise RAPPORT_DEAD_LETTERS_PER_MINUTE",
            )


def _opened(record: Any) -> Message:  # noqa: ANN401 - aiokafka's
    """Return a message of the input; one without a value is none that can be decoded."""
    return Message(record.topic, record.partition, record.offset, record.timestamp, record.value or b"")


def _refuse_what_is_gone(place: str, wanted: int, first: int, end: int) -> None:
    """Raise :class:`BrokerError` if the input no longer has what comes after the checkpoint: a seek would go astray."""
    if first <= wanted <= end:
        return
    what = f"offset {wanted} comes after the checkpoint, but the topic has {first} to {end}"
    raise BrokerError(
        f"{place}: {what}", "raise RAPPORT_GENERATION by one to keep the accounts and go on with what the topic has"
    )
