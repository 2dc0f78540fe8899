"""A Kafka to test with, whichever this machine has; see :func:`start`."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient

from tests.processes import ROOT, Process, free_ports, has_docker

JARS = ROOT / ".kafka" / "libs"
NOT_HERE = "no Apache Kafka: have Java with Maven, or, where no broker is broken, Docker or RAPPORT_TEST_BROKERS"
SMALL = """\
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=4
min.insync.replicas={in_sync}
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
"""
"""Of every broker that a test starts: few partitions, short waits."""
PROPERTIES = """\
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
"""
QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""A test's broker lives too short for the optimizing compiler to pay."""
JAVA = ["java", "-Xms256m", "-Xmx512m", *QUICK, "-cp", f"{JARS}/*"]
EMBEDDED = """\
import sys
from confluent_kafka import Producer
producer = Producer({"test.mock.num.brokers": 1})
print(",".join(f"{b.host}:{b.port}" for b in producer.list_topics().brokers.values()), flush=True)
sys.stdin.read()
"""


class Node(Process):
    """One broker of a cluster from Maven's jars."""

    def __init__(self, number: int, port: int, directory: Path, *options: str) -> None:
        """Start ``kafka.Kafka`` in ``directory``, where its ``server.properties`` are, and do not wait for it."""
        self.number, self.address = number, f"127.0.0.1:{port}"
        command = [*JAVA, *options, "kafka.Kafka", "server.properties"]
        super().__init__(command, directory / "kafka.log", directory=directory)

    def wait_until_it_answers(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        for _ in range(200):
            if self.popen.poll() is not None:
                raise RuntimeError(f"Kafka ended: {self.log.read_text(errors='replace')[-2000:]}")
            try:
                admin.list_topics(timeout=1)
            except Exception:  # noqa: BLE001 - not yet
                time.sleep(0.2)
            else:
                return
        raise RuntimeError("Kafka did not start within a minute")

    def crash(self, seconds: float) -> None:
        """Kill it, and start it again after so long."""
        self.kill()
        time.sleep(seconds)
        self.start()
        self.wait_until_it_answers()


@dataclass
class Kafka:
    """A cluster that runs."""

    brokers: str
    """Bootstrap servers."""
    kind: str
    """What it is, in words."""
    stop: Callable[[], None]
    nodes: Sequence[Node] = ()
    """Its brokers, if they are ours to kill."""


def start(directory: Path) -> Kafka | None:
    """Return Apache Kafka: the one at RAPPORT_TEST_BROKERS, or by Docker, or from Maven's jars; None: there is none."""
    if address := os.environ.get("RAPPORT_TEST_BROKERS"):
        return Kafka(address, f"given, {address}", lambda: None)
    return _from_docker() or start_own(directory)


@contextmanager
def running(start: Callable[[Path], Kafka | None] = start) -> Iterator[Kafka]:
    """Run what ``start`` starts in a temporary directory; if there is nothing to start, say so and end with exit 2."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        kafka = start(Path(directory))
        if kafka is None:
            sys.stderr.write(f"{NOT_HERE}\n")
            sys.exit(2)
        try:
            yield kafka
        finally:
            kafka.stop()


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
    if not has_docker():
        return None
    from testcontainers.kafka import KafkaContainer  # noqa: PLC0415 - slow to import, and only here

    container = KafkaContainer("apache/kafka:4.1.0").with_kraft()
    container.start()
    return Kafka(container.get_bootstrap_server(), "Docker, apache/kafka:4.1.0", container.stop)


def start_own(directory: Path, brokers: int = 1) -> Kafka | None:
    """Return a cluster from Maven's jars that may be broken at will, every topic on all of its brokers; None: no Java, or no jars.

    Of three brokers, two have to have what is acknowledged.
    """
    if not fetch_jars():
        return None
    free = iter(free_ports(2 * brokers))
    ports = {number: (next(free), next(free)) for number in range(1, brokers + 1)}
    voters = ",".join(f"{number}@127.0.0.1:{controller}" for number, (_, controller) in ports.items())
    homes = {number: directory / f"kafka-{number}" for number in ports}
    for number, (port, controller) in ports.items():
        homes[number].mkdir(parents=True)
        settings = {"number": number, "port": port, "controller": controller, "data": homes[number] / "data"}
        format_storage(homes[number], PROPERTIES.format(voters=voters, **settings), copies=brokers)
    nodes = [Node(number, port, homes[number]) for number, (port, _) in ports.items()]
    for node in nodes:
        node.wait_until_it_answers()

    def stop() -> None:
        for node in nodes:
            node.kill()
        shutil.rmtree(directory, ignore_errors=True)

    kind = "Apache Kafka from Maven's jars" + (f", {brokers} brokers" if brokers > 1 else "")
    return Kafka(",".join(node.address for node in nodes), kind, stop, nodes)


def format_storage(home: Path, properties: str, *options: str, copies: int = 1) -> None:
    """Write the ``server.properties`` of a broker, and prepare the directory for its data that they name."""
    small = SMALL.format(copies=copies, in_sync=copies // 2 + 1)
    (home / "server.properties").write_text(properties + small)
    form = [*JAVA, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", "server.properties"]
    subprocess.run([*form, *options], cwd=home, check=True, capture_output=True)


def fetch_jars() -> bool:
    """Say whether Kafka can run here; let Maven bring its jars, all or none. Of several processes that want them, one fetches."""
    if shutil.which("java") is None:
        return False
    if JARS.exists():
        return True
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
