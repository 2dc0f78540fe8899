"""A Kafka to test with, whichever this machine has; see :func:`start`."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient

ROOT = Path(__file__).parent.parent
JARS = ROOT / ".kafka" / "libs"
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
"""
QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""A test's broker lives too short for the optimizing compiler to pay."""
EMBEDDED = """\
import sys
from confluent_kafka import Producer
producer = Producer({"test.mock.num.brokers": 1})
print(",".join(f"{b.host}:{b.port}" for b in producer.list_topics().brokers.values()), flush=True)
sys.stdin.read()
"""


@dataclass
class Kafka:
    """A broker that runs."""

    brokers: str
    """Bootstrap servers."""
    kind: str
    """What it is, in words."""
    stop: Callable[[], None]
    crash: Callable[[float], None] | None = None
    """Kill it and start it again after so many seconds; None: it is not ours to kill."""


def start(directory: Path) -> Kafka | None:
    """Return Apache Kafka: the one at RAPPORT_TEST_BROKERS, or by Docker, or from Maven's jars; None: there is none."""
    if address := os.environ.get("RAPPORT_TEST_BROKERS"):
        return Kafka(address, f"given, {address}", lambda: None)
    return _from_docker() or _from_maven(directory)


def start_embedded() -> Kafka:
    """Return the in-memory broker inside librdkafka, in a process of its own. It has four partitions for any topic."""
    process = subprocess.Popen(
        [sys.executable, "-c", EMBEDDED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    brokers = process.stdout.readline().strip()

    def stop() -> None:
        process.communicate("")

    return Kafka(brokers, "librdkafka's in-memory broker", stop)


def _from_docker() -> Kafka | None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        return None
    from testcontainers.kafka import KafkaContainer  # noqa: PLC0415 - slow to import, and only here

    container = KafkaContainer("apache/kafka:4.1.0").with_kraft()
    container.start()
    return Kafka(container.get_bootstrap_server(), "Docker, apache/kafka:4.1.0", container.stop)


def _from_maven(directory: Path) -> Kafka | None:
    if shutil.which("java") is None:
        return None
    if not JARS.exists() and not _fetch_jars():
        return None
    port, controller = free_port(), free_port()
    properties = directory / "server.properties"
    properties.write_text(PROPERTIES.format(port=port, controller=controller, data=directory / "data"))
    java = ["java", "-Xms256m", "-Xmx512m", *QUICK, "-cp", f"{JARS}/*"]
    cluster = "MkU3OEVBNTcwNTJENDM2Qk"
    subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", properties, "--standalone"],
        check=True,
        capture_output=True,
    )
    brokers, log = f"127.0.0.1:{port}", directory / "kafka.log"

    def run() -> subprocess.Popen[bytes]:
        with log.open("ab") as out:
            process = subprocess.Popen([*java, "kafka.Kafka", properties], cwd=directory, stdout=out, stderr=out)
        _wait(brokers, process, log)
        return process

    processes = [run()]

    def kill() -> None:
        process = processes.pop()
        process.kill()
        process.wait()

    def crash(seconds: float) -> None:
        kill()
        time.sleep(seconds)
        processes.append(run())

    def stop() -> None:
        kill()
        shutil.rmtree(directory, ignore_errors=True)

    return Kafka(brokers, "Apache Kafka from Maven's jars", stop, crash)


def _fetch_jars() -> bool:
    """Let Maven bring Kafka's jars, all of them or none; of several processes that want them, one fetches."""
    if shutil.which("mvn") is None:
        return False
    JARS.parent.mkdir(exist_ok=True)
    with (JARS.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if JARS.exists():
            return True
        part, pom = JARS.with_suffix(".part"), ROOT / "deploy" / "kafka" / "pom.xml"
        shutil.rmtree(part, ignore_errors=True)
        fetch = ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={part}"]
        if subprocess.run(fetch, capture_output=True, check=False).returncode:
            return False
        part.rename(JARS)
        return True


def _wait(brokers: str, process: subprocess.Popen[bytes], log: Path) -> None:
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"Kafka ended: {log.read_text(errors='replace')[-2000:]}")
        try:
            admin.list_topics(timeout=1)
        except Exception:  # noqa: BLE001 - not yet
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("Kafka did not start within a minute")


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
