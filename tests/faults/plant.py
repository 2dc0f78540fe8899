"""A whole plant of real processes on one machine: workers, sinks and ClickHouse, and a supervisor as any plant has one."""

import signal
import sys
import threading
from collections import Counter
from pathlib import Path

from streams import config
from streams.config import Settings
from tests.clickhouse_front import Front
from tests.clickhouse_server import make_tables
from tests.faults.lapse import Lapse
from tests.kafka_broker import Kafka
from tests.processes import Process

WORKER = (sys.executable, "-m", "tests.faults.worker")
SINK = (sys.executable, "-m", "streams", "sink")
RESTART_SECONDS = 1.0
"""The supervisor waits so long before it starts again what has ended."""


class Plant:
    """Everything that runs. The supervisor starts again what ends by itself."""

    def __init__(self, broker: Kafka, settings: Settings, lapse: Lapse, directory: Path) -> None:
        self.broker, self.settings, self.lapse, self.directory = broker, settings, lapse, directory
        self.without = ""
        """A rule of the checkpoint protocol that the workers leave out."""
        self.exits: Counter[tuple[str, int | None]] = Counter()
        """How processes ended that nobody killed, by kind and exit code."""
        self.workers: list[Process] = []
        self.sinks: list[Process] = []
        self.lock = threading.RLock()
        """Held while the lists change."""
        self._count = 0
        self._over = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self.front = Front(directory / "clickhouse", _port(settings))
        make_tables(self.front.url)

    def start(self) -> None:
        self.workers.append(self.worker())
        self.sinks.append(self.sink())
        self._supervisor.start()

    def worker(self, *, step: float = 0.0, **changes: object) -> Process:
        """Start a worker, its wall clock wrong by ``step`` seconds."""
        self._count += 1
        environment = config.environment(self.settings.model_copy(update=changes))
        environment |= {"FAULTS_LAPSE": self.lapse.encode(), "FAULTS_STEP": str(step), "FAULTS_WITHOUT": self.without}
        return Process(WORKER, self.directory / f"worker-{self._count}.log", environment)

    def sink(self) -> Process:
        self._count += 1
        return Process(SINK, self.directory / f"sink-{self._count}.log", config.environment(self.settings))

    def _supervise(self) -> None:
        while not self._over.wait(RESTART_SECONDS):
            with self.lock:
                for processes, start in ((self.workers, self.worker), (self.sinks, self.sink)):
                    for index, process in enumerate(processes):
                        if (code := process.popen.poll()) is not None:
                            self.note(process, code)
                            processes[index] = start()

    def note(self, process: Process, code: int | None) -> None:
        """Note how a process ended, unless it was killed."""
        if code != -signal.SIGKILL:
            self.exits[process.name.partition("-")[0], code] += 1

    def stop(self, processes: list[Process]) -> list[int | None]:
        """Ask all of them to stop, and return how they ended."""
        with self.lock:
            stopped, processes[:] = processes[:], []
        for process in stopped:
            process.popen.terminate()
        return [process.wait() for process in stopped]

    def close(self) -> None:
        """End everything at once."""
        self._over.set()
        if self._supervisor.ident is not None:
            self._supervisor.join()
        for process in self.workers + self.sinks:
            process.kill()
        self.front.kill()


def _port(settings: Settings) -> int:
    return int(settings.clickhouse.get_secret_value().rpartition(":")[2].partition("/")[0])
