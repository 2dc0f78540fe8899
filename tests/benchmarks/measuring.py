"""How it is measured: on one core, in a process of its own, by the wall's clock and by the processor's."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Measured:
    """What was done, and what it took."""

    count: int
    """Events, or rows."""
    wall: float
    """Seconds."""
    cpu: float
    """CPU-seconds; not a number where the machine does not tell."""


class Stopwatch:
    """A context manager that sums up the wall and CPU seconds of this process spent inside."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> Self:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.cpu += time.process_time() - self._cpu
        self.wall += time.perf_counter() - self._wall

    def measured(self, count: int) -> Measured:
        return Measured(count, self.wall, self.cpu)


def alone(function: Callable[..., Measured], *arguments: object) -> Measured:
    """Return what ``function`` measures in a new process, pinned to one core."""
    with ProcessPoolExecutor(1, get_context("spawn"), pin) as pool:
        return pool.submit(function, *arguments).result()


@contextmanager
def code_in(directory: Path) -> Iterator[None]:
    """Let the processes that :func:`alone` starts meanwhile run the code that is in ``directory``, such as the compiled one."""
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.path.remove(str(directory))


def pin(process: int = 0) -> None:
    """Keep a process, by default this one, on the last core that there is, where the machine can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(process, {max(os.sched_getaffinity(0))})


def cpu_of(process: int) -> float:
    """Return the CPU-seconds that another process has taken so far."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
