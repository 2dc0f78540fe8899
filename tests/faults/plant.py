"""A whole plant of real processes on one machine: workers, sinks and ClickHouse, and a supervisor as any plant has one."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrate import migrate
from streams import config, kafka
from streams.config import Settings
from tests.clickhouse_front import Front
from tests.faults.lapse import Lapse
from tests.kafka_broker import ROOT, Kafka

WORKER = (sys.executable, "-m", "tests.faults.worker")
SINK = (sys.executable, "-m", "streams", "sink")
STOP_SECONDS = 15.0
"""A process that is asked to stop has to end within this time, whatever else is the matter; else within ten seconds."""
RESTART_SECONDS = 1.0
"""The supervisor waits so long before it starts again what has ended."""


class Process:
    """A process of the plant."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(command, cwd=ROOT, env={**environment}, stdout=out, stderr=out)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def stop(self, seconds: float = STOP_SECONDS) -> int | None:
        """Ask it to stop and return its exit code; None: it had to be killed."""
        self.popen.terminate()
        return self.wait(seconds)

    def wait(self, seconds: float = STOP_SECONDS) -> int | None:
        """Return the exit code of a process that ends; None: it had to be killed."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def said(self, event: str) -> bool:
        """Say whether it has logged something."""
        return f'"event": "{event}"' in self.log.read_text(errors="replace")

    def freeze(self, seconds: float) -> None:
        """Let it stand still, and wake as if nothing had happened."""
        self.popen.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.popen.send_signal(signal.SIGCONT)


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
        kafka.apply_topics(settings)
        self.front = Front(directory / "clickhouse", _port(settings))
        client = connect(self.front.url)
        migrate(client)
        client.close()

    def start(self) -> None:
        self.workers.append(self.worker())
        self.sinks.append(self.sink())
        self._supervisor.start()

    def worker(self, *, step: float = 0.0, **changes: object) -> Process:
        """Start a worker, its wall clock wrong by ``step`` seconds."""
        self._count += 1
        environment = config.environment(self.settings.model_copy(update=changes))
        environment |= {"FAULTS_LAPSE": self.lapse.encode(), "FAULTS_STEP": str(step), "FAULTS_WITHOUT": self.without}
        name = f"worker-{self._count}"
        return Process(name, WORKER, environment, self.directory / f"{name}.log")

    def sink(self) -> Process:
        self._count += 1
        name = f"sink-{self._count}"
        return Process(name, SINK, config.environment(self.settings), self.directory / f"{name}.log")

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
