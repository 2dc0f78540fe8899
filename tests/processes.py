"""A process that a test starts, and what one sees of it from outside: memory and log."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
MEBIBYTE = 1 << 20
STOP_SECONDS = 15.0
"""A process that is asked to stop has to end within this time, whatever else is the matter; else within ten seconds."""


class Process:
    """A process that can be killed, frozen and started again, its output added to a log."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path = ROOT,
    ) -> None:
        self.name, self.log = log.stem, log
        self._command, self._environment, self._directory = command, environment, directory
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                self._command, cwd=self._directory, env=self._environment, stdout=out, stderr=out
            )

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> int | None:
        """Ask it to stop and return its exit code; None: it had to be killed."""
        self.popen.terminate()
        return self.wait()

    def wait(self, seconds: float = STOP_SECONDS) -> int | None:
        """Return the exit code of a process that ends; None: it had to be killed."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def freeze(self, seconds: float) -> None:
        """Let it stand still, and wake as if nothing had happened."""
        self.popen.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.popen.send_signal(signal.SIGCONT)

    def resident(self) -> float:
        """Return how much memory it has, in MiB; raises if it has ended."""
        if self.popen.poll() is not None:
            raise RuntimeError(f"a process has ended with {self.popen.returncode}: {self.popen.args}")
        pages = int(Path(f"/proc/{self.popen.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE

    def lines(self, *levels: str) -> list[dict[str, Any]]:
        """Return what it logged, or what of that has one of these levels; what is not JSON is ``error``."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"level": "error", "event": line})
        return [line for line in found if not levels or line["level"] in levels]

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of its log that say ``event``."""
        return [line for line in self.lines() if line["event"] == event]


def has_docker() -> bool:
    return (
        shutil.which("docker") is not None
        and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    )


def free_ports(number: int) -> list[int]:
    """Return ports that are free, all different."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [listener.getsockname()[1] for listener in listeners]


def free_port() -> int:
    return free_ports(1)[0]


def kept_port() -> int:
    """Return a free port that the system gives to nobody of its own accord: what is killed finds it free again."""
    for port in random.sample(range(20_000, 32_768), 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise RuntimeError("no port is free")
