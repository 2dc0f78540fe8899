"""The whole plant on one machine with nothing installed but Python packages: for trying, developing and tests.

The broker is the in-memory one inside librdkafka and ClickHouse is chDB, the same engine in this process. The worker runs
in a process of its own, as it would elsewhere. What is in ClickHouse stays in the directory; what is in the broker is gone at
the end, so every run is a new generation: where two runs measure the same minute or turn, the later one stands.
"""

import asyncio
import ctypes
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from schemas.topics import Catalogue
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.sink import Plan, run_sink
from streams import config
from streams.config import Settings
from streams.connection import kafka_options
from streams.connectors.publisher import Publisher
from streams.envelope import GENERATION_BITS
from streams.errors import EXIT_USAGE, BrokerError, SettingsError
from streams.progress import Progress

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

PARTITIONS: Final = 4
"""What the in-memory broker gives every topic."""
CHECKPOINT_SECONDS: Final = 0.5
BYTES_IN_FLIGHT: Final = 1 << 20
"""The in-memory broker forgets what is older than about 5 MB a partition: nothing may run ahead of its readers."""
LARGEST_PAYLOAD: Final = 2 << 20
"""It takes a larger message and keeps nothing of it."""
RESTARTS: Final = 3
STOP_SECONDS: Final = 12.0


class Embedded:
    """Broker, worker, sink and ClickHouse in one place: an async context manager over a directory."""

    client: "Client"
    settings: Settings

    def __init__(self, directory: Path, settings: Settings, source: str) -> None:
        self._directory = directory
        self._given = settings
        self._source = source
        self._failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.client = connect(target(self._directory))
            stack.callback(self.client.close)
            migrate(self.client)
            self._broker, address = _broker(self._given.topics.all)
            self.settings = self._given.model_copy(
                update={
                    "brokers": address,
                    "security_protocol": "PLAINTEXT",
                    "partitions": PARTITIONS,
                    "generation": _next_generation(self.client),
                    "checkpoint_seconds": CHECKPOINT_SECONDS,
                    "log_level": "WARNING",
                    "ticks": False,  # whoever publishes says what time it is
                }
            )
            self._processes = await stack.enter_async_context(
                Processes(self.settings, self.client, self.settings.topics)
            )
            self.publisher = await stack.enter_async_context(
                Publisher(
                    kafka_options(self.settings),
                    self.settings.topics,
                    source=self._source,
                    deterministic=True,
                    max_bytes_in_flight=BYTES_IN_FLIGHT,
                    largest_payload=LARGEST_PAYLOAD,
                )
            )
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def settle(self, on_rest: Callable[[str, int], None] = lambda _what, _rest: None) -> None:
        """Wait until every fact of what was published is in ClickHouse."""
        await self.publisher.flush()
        async with Progress(self.settings) as progress:
            await self.watched(progress.folded(lambda rest: on_rest("folding", rest)))
            await self.watched(progress.stored(lambda rest: on_rest("storing", rest), self.settings.topics.facts))

    async def watched(self, work: Any) -> Any:  # noqa: ANN401 - any awaitable
        """Await ``work``, unless worker or sink fail first; raises what they failed with."""
        return await self._processes.watched(work)


class Processes:
    """A worker, in a process of its own, and a sink: an async context manager. ``topics``: of whose facts the sink takes care."""

    def __init__(self, settings: Settings, client: "Client", topics: Catalogue) -> None:
        self._settings, self._client = settings, client
        self._plan = Plan(topics, settings.sink_rows, settings.sink_seconds)

    async def __aenter__(self) -> Self:
        self._stop = asyncio.Event()
        self._sink = asyncio.create_task(run_sink(kafka_options(self._settings), self._client, self._plan, self._stop))
        self._worker = asyncio.create_task(_keep_working(self._settings))
        self._both = asyncio.ensure_future(_first_failure(self._sink, self._worker))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._worker.cancel()
        self._stop.set()
        await asyncio.gather(self._worker, self._sink, self._both, return_exceptions=True)

    async def watched(self, work: Any) -> Any:  # noqa: ANN401 - any awaitable
        """Await ``work``, unless worker or sink fail first; raises what they failed with."""
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait([task, self._both], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        if task in done:
            return task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self._both.result()
        raise BrokerError("the worker has ended", "start again")


async def _keep_working(settings: Settings) -> None:
    """Run the worker, and run it again as often as a supervisor would."""
    for _ in range(RESTARTS + 1):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "streams", "worker", env=config.environment(settings), preexec_fn=_ends_with_us
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await _stop(process)
            raise
        if code == EXIT_USAGE:
            raise BrokerError("the worker cannot run", "its log says why")
    raise BrokerError(f"the worker ended {RESTARTS + 1} times, last with {code}", "its log says why")


def _ends_with_us() -> None:
    """Let the process that begins be asked to stop when we are killed, where the system can (Linux's PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def target(directory: Path) -> str:
    """Return the address of the ClickHouse data in an embedded plant's directory."""
    if directory.exists() and not directory.is_dir():
        raise SettingsError(f"{directory} is not a directory", "name one, or one that does not exist yet")
    return f"chdb:{directory / 'clickhouse'}"


def _broker(topics: Any) -> tuple[Any, str]:  # noqa: ANN401 - the extra may be absent
    """Start the in-memory broker; it lives as long as what is returned first. Also its address."""
    try:
        from confluent_kafka import Producer  # noqa: PLC0415 - an extra
    except ImportError:
        raise SettingsError("the embedded broker is not installed", "pip install 'rapport[embedded]'") from None
    broker = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    for topic in topics:
        broker.list_topics(topic.name, timeout=10)  # makes it
    (member,) = broker.list_topics(timeout=10).brokers.values()
    return broker, f"{member.host}:{member.port}"


def _next_generation(client: "Client") -> int:
    """Return the generation after the newest one in ClickHouse."""
    question = "SELECT max(version), count() FROM {table:Identifier}"
    tables = (f"{name}_versions" for name in ("turns", "panes", "rolling", "alerts"))
    found = [client.query(question, {"table": table}).result_rows[0] for table in tables]
    newest = [version for version, rows in found if rows]
    return max(0, (max(newest) >> GENERATION_BITS) + 1) if newest else 0  # those of a backfill are below 0


async def _first_failure(*tasks: "asyncio.Task[None]") -> None:
    """Return when the first task ends, raising what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        if not task.cancelled():
            task.result()


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End the worker as an operator would; kill it if it does not."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
