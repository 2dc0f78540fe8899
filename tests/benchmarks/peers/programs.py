"""The programs that are compared, and how each is made ready: the peers in environments of their own."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

from tests.benchmarks.peers.work import SCHEMA
from tests.processes import ROOT

HERE: Final = Path(__file__).parent
ENVIRONMENTS: Final = ROOT / ".peers"
SLOW_SHARE: Final = 10


class UnavailableError(Exception):
    """A peer cannot be had on this machine; says why."""


@dataclass(frozen=True)
class Program:
    """One program: what it is and how to run it."""

    name: str
    version: str
    note: str
    """What it does more or less than the others."""
    command: Callable[[str], list[str]]
    """Makes it ready and returns how to start it, but for the arguments of :class:`tests.benchmarks.peers.work.Job`. Is
    told its module's name; raises :class:`UnavailableError`."""
    module: str
    results: Literal["updates", "rolling", ""] = "updates"
    """Where its counts are: last updates, or Rapport's rolling rows; empty: it counts nothing."""
    share: int = 1
    """Gets one of so many events, because it is slow."""
    per_message: bool = False
    """Only tells something where each message is one event."""


def _ours(module: str) -> list[str]:
    return [sys.executable, "-m", f"tests.benchmarks.peers.{module}"]


def _installed(module: str) -> list[str]:
    """Install the peer's requirements, all as wheels, unless they are."""
    requirements = HERE / f"{module}.txt"
    environment = ENVIRONMENTS / module
    python, done = environment / "bin" / "python", environment / requirements.name
    if not done.exists() or done.read_text() != requirements.read_text():
        _prepare([sys.executable, "-m", "venv", "--clear", environment])
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
        _prepare([*install, "--requirement", requirements])
        shutil.copy(requirements, done)
    return [str(python), "-m", f"tests.benchmarks.peers.{module}"]


def _java(module: str) -> list[str]:
    """Fetch the jars that the peer's pom.xml names, and compile it, unless that has been done."""
    source, pom = HERE / module / "Peer.java", HERE / module / "pom.xml"
    environment = ENVIRONMENTS / module
    classpath, done = f"{environment}:{environment}/libs/*", environment / pom.name
    if any(shutil.which(tool) is None for tool in ("javac", "mvn")):
        raise UnavailableError("needs a JDK and Maven")
    if not done.exists() or done.read_text() != pom.read_text():
        shutil.rmtree(environment, ignore_errors=True)
        libraries = f"-DoutputDirectory={environment}/libs"
        _prepare(["mvn", "--quiet", "--batch-mode", "--file", pom, "dependency:copy-dependencies", libraries])
        shutil.copy(pom, done)
    _prepare(["javac", "-d", environment, "-cp", classpath, source])
    return ["java", "-cp", classpath, "Peer", str(SCHEMA)]


def _prepare(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise UnavailableError(f"{Path(command[0]).name} failed: {said[-1]}")


def _pinned(file: str, package: str) -> str:
    """Return the version of a package that a peer's requirements, or its pom.xml, name."""
    found = re.search(rf"\b{package}(?:==|</artifactId>\s*<version>)([\w.]+)", (HERE / file).read_text())
    assert found is not None, f"{file} does not pin {package}"
    return found[1]


PROGRAMS: Final = (
    Program(
        "ceiling",
        f"aiokafka {version('aiokafka')}",
        "aiokafka, fastavro and dictionaries; keeps nothing, sends nothing",
        _ours,
        "ceiling",
        results="",
    ),
    Program(
        "Rapport, this work only",
        version("rapport"),
        "its protocol and decoder with this work as its model; an account's counts go out when settled, not for each event",
        _ours,
        "rapport_small",
        results="rolling",
    ),
    Program(
        "Kafka Streams",
        _pinned("kafka_streams/pom.xml", "kafka-streams"),
        "RocksDB and changelog topics, at least once; an update for each event",
        _java,
        "kafka_streams",
    ),
    Program(
        "Bytewax",
        _pinned("bytewax_recovery.txt", "bytewax"),
        "recovery on: snapshots on local disk, updates at least once; an update for each event",
        _installed,
        "bytewax_recovery",
    ),
    Program(
        "Quix Streams",
        _pinned("quix_streams.txt", "quixstreams"),
        "RocksDB and changelog topics, at least once; an update for each event",
        _installed,
        "quix_streams",
    ),
    Program(
        "Faust, idiomatic",
        version("faust-streaming"),
        "tables with changelog topics, at least once; a table write and an update for each event",
        _ours,
        "faust_idiomatic",
        share=SLOW_SHARE,
    ),
    Program(
        "Faust, empty agent",
        version("faust-streaming"),
        "reads messages and does nothing, not even decode: what Faust costs for each message",
        _ours,
        "faust_empty",
        results="",
        per_message=True,
    ),
)
