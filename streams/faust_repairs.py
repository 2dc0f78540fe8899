"""Where Faust 0.15.3 does not do what a stream that must be exact needs: each repair, and what goes wrong without it.

Measured in docs/architecture.md. All of it, and streams/checkpoint.py, reaches into Faust: raise its version with the fault tests.
"""

import asyncio
import logging
import os
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP, ConsumerMessage
from mode.utils.queues import ThrowableQueue

from streams.errors import EXIT_RESTART, EXIT_USAGE, RapportError, broker_refusal
from streams.telemetry import log

FAUST_LOG: Final = logging.getLogger("faust")
"""Where subclasses of Faust's services log: else each would log under the name of its module, which is ours."""
FETCH_WAIT_MS: Final = 50
"""How long a broker may wait for new messages before it answers a fetch."""
BATCH_BYTES: Final = 256_000
"""About what a batch holds: as much as the largest message that publishers gather…"""
BATCH_MESSAGES: Final = 100
"""…and no more messages than that, for a message takes more memory than its bytes, and hundreds of batches may wait."""
FINAL_SECONDS: Final = 9.0
"""The last checkpoint takes no longer: after that the process ends, and the next start replays."""
STOP_SECONDS: Final = 3.0
"""Faust's own stop takes no longer: everything is safe by then."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_log = log("worker")


def end_process(error: BaseException) -> None:
    """End the process at once, because of ``error``: with exit 2 if the user can mend it, else so that a restart does.

    Not by raising: Faust logs what an agent, a timer or a recovery raises and goes on, with a hole in its data.
    """
    error = broker_refusal(error) or error
    if isinstance(error, RapportError):
        _log.critical(str(error))
        os._exit(EXIT_USAGE)
    _log.critical("The worker cannot go on; a restart replays", error="".join(traceback.format_exception(error)))
    os._exit(EXIT_RESTART)


def ending(function: Callable[Arguments, Awaitable[Result]]) -> Callable[Arguments, Awaitable[Result]]:
    """Make an exception in ``function`` end the process, by :func:`end_process`."""

    @wraps(function)
    async def guarded(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        try:
            return await function(*arguments, **named)
        except Exception as error:
            end_process(error)
            raise

    return guarded


class _ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc] # Faust is not typed for us
    """Answers fetches soon: with the 1,500 ms that Faust sets, a drained partition's long poll starves the others."""

    logger = FAUST_LOG

    def _create_worker_consumer(self, transport: Any) -> Any:  # noqa: ANN401
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - there is no setting
        return consumer


class PromptConsumer(driver.Consumer):  # type: ignore[misc]
    """Faust's consumer with :class:`_ConsumerThread`."""

    logger = FAUST_LOG

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class Batch(ConsumerMessage):  # type: ignore[misc]
    """Messages of one partition that follow each other, as one of Faust's: it is known to Faust by the last of them."""

    __slots__ = ("records",)

    records: list[Any]
    """aiokafka's ConsumerRecords."""


class Consumer(PromptConsumer):
    """Passes on each partition's messages as a :class:`Batch`.

    A message takes Faust 50 µs, whatever it holds: an object with twenty fields, a queue, a turn of the loop, acknowledgement and
    sensors. So where there are many messages of one event, many of them become one to Faust.
    """

    async def _wait_next_records(self, timeout: float) -> tuple[Mapping[TP, list[list[Any]]] | None, Any]:  # noqa: ASYNC109 - Faust's
        records, active = await super()._wait_next_records(timeout)
        return records and {partition: list(_in_batches(own)) for partition, own in records.items()}, active

    def _to_message(self, tp: TP, record: list[Any]) -> Batch:
        last = record[-1]
        who, when = (tp.topic, tp.partition, last.offset), (last.timestamp / 1000, last.timestamp_type)
        nothing = ((), None, None, None, 0, 0)  # headers, key, value, checksum, sizes
        batch = Batch(*who, *when, *nothing, tp, generation_id=self.app.consumer_generation_id)
        batch.records = record
        return batch

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: what comes before the last of a batch is no gap."""

    def _new_offset(self, tp: TP) -> int | None:
        """Return what to commit: one agent takes the messages in their order, so all before the newest it has had are done with.

        Faust's own waits for ever for what comes between its last commit and where we resume.
        """
        acknowledged = self._acked[tp]
        if not acknowledged:
            return None
        newest = max(acknowledged)
        acknowledged.clear()
        self._acked_index[tp].clear()
        return int(newest) + 1


def _in_batches(records: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield a partition's records in order, some at a time."""
    batch: list[Any] = []
    size = 0
    for record in records:
        batch.append(record)
        size += record.serialized_value_size
        if size >= BATCH_BYTES or len(batch) == BATCH_MESSAGES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Producer(driver.Producer):  # type: ignore[misc]
    """Idempotent: the broker drops what a retry repeats, and keeps the order."""

    logger = FAUST_LOG

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's transport with the two above."""

    Consumer = Consumer
    Producer = Producer


class FairQueue(ThrowableQueue):  # type: ignore[misc]
    """Lets all partitions be fetched again when there is room.

    Faust lets one of them, whichever a set of callbacks gives first, and what that fetches fills the queue: where a worker was
    behind, the same partition was left out for minutes, 240 messages in the time of the others' 750.
    """

    def maybe_endorse_pressure_drop(self) -> None:
        """Resume the partitions that wait for room, before a message is taken."""
        waiting = self._pending_pressure_drop_callbacks
        if waiting and self.qsize() <= self.pressure_drop_size:
            for resume in waiting:
                resume()
            waiting.clear()


class App(faust.App):  # type: ignore[misc]
    """Faust's application without directories, for nothing is kept on disk, and with :class:`FairQueue`."""

    logger = FAUST_LOG

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> FairQueue:  # noqa: N802 - Faust's
        """Return the queue of a stream."""
        return FairQueue(maxsize=maxsize, flow_control=self.flow_control, clear_on_resume=clear_on_resume)

    def _create_directories(self) -> None:
        pass

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self)


class Worker(faust.Worker):  # type: ignore[misc]
    """Faust's worker, which leaves the log alone and checkpoints everything before it stops.

    Faust would set the root logger to DEBUG to turn a spinner: a record built for every message, 17 % of the time.
    """

    logger = FAUST_LOG

    def __init__(self, app: App, before_stop: Callable[[], Awaitable[None]], loop: asyncio.AbstractEventLoop) -> None:
        """``before_stop`` is awaited at SIGTERM or SIGINT, while all of Faust still runs."""
        super().__init__(app, loop=loop, override_logging=False, redirect_stdouts=False, quiet=True)
        self.spinner = None
        self._before_stop = before_stop

    async def _stop_on_signal(self, signal: Any) -> None:  # noqa: ANN401 - as Faust has it
        give_up = threading.Timer(FINAL_SECONDS, os._exit, (EXIT_RESTART,))  # the broker is away
        give_up.start()
        await self._before_stop()
        give_up.cancel()
        _end_within(STOP_SECONDS, 0)
        await super()._stop_on_signal(signal)

    def stop_and_shutdown(self) -> None:
        """Stop, also after a crash inside Faust, which no signal began."""
        if self._signal_stop_future is None:
            _end_within(STOP_SECONDS, EXIT_RESTART)
        super().stop_and_shutdown()


def _end_within(seconds: float, code: int) -> None:
    """End the process with ``code`` if it has not ended by then."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()
