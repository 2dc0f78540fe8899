"""How a program is measured: pinned to one core, and watched from the first event it has processed to the last."""

import os
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Final

from streams import config
from streams.config import Settings
from tests.benchmarks.measuring import Measured, cpu_of, pin
from tests.benchmarks.peers.work import FIRST, LAST, STORED, Job
from tests.processes import ROOT

PATIENCE_SECONDS: Final = 600.0
RAPPORT_STORED: Final = "Checkpointed before stopping"
"""What Rapport's worker says in its log."""


def measure(command: list[str], job: Job, settings: Settings) -> Measured:
    """Run a program and return what it took.

    The wall's clock stops when the last event has been processed, the processor's when all is stored as well: how long a
    program takes to stop is no part of its speed, but what it has put off is. Nothing before the first event counts.
    """
    environment = config.environment(settings)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (environment.get("PYTHONPATH"), str(ROOT))))
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [*command, *map(str, job)],
            cwd=directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=pin,  # noqa: PLW1509 - before it has threads, of which the JVM makes some at once
        )
        watchdog = Timer(PATIENCE_SECONDS, process.kill)
        watchdog.start()
        try:
            wall, cpu = _watch(process)
        finally:
            watchdog.cancel()
            process.kill()
            process.communicate()
    return Measured(job.events, wall, cpu)


def _watch(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Return the seconds and CPU-seconds of a program's work, by what it says; each program is one process."""
    moments: dict[str, tuple[float, float]] = {}
    said: deque[str] = deque(maxlen=30)
    for line in process.stdout or ():
        for event in (FIRST, LAST, STORED, RAPPORT_STORED):
            if event in line:
                moments[event] = time.perf_counter(), cpu_of(process.pid)
        if STORED in moments or RAPPORT_STORED in moments:
            first, stored = moments[FIRST], moments.get(STORED) or moments[RAPPORT_STORED]
            return moments[LAST][0] - first[0], stored[1] - first[1]
        said.append(line)
    raise RuntimeError("the program ended early:\n" + "".join(said))


@contextmanager
def on_other_cores() -> Iterator[None]:
    """Start what is started here on the cores that are not measured on, where there are several."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores - {max(cores)} or cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
