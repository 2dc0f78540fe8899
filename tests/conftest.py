"""Fixtures that more than one folder of tests uses."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tests import kafka_broker
from tests.kafka_broker import Kafka

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # other tests run beside: how long an example takes says nothing

USED: list[str] = []


SHARED = pytest.StashKey[Kafka | None]()
"""The Kafka of all processes, in the one that starts the others."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Start one Kafka for all processes that run tests: a Kafka costs as much as many a test, and while it idles, too."""
    directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    config.add_cleanup(directory.cleanup)
    broker = config.stash[SHARED] = kafka_broker.start(Path(directory.name) / "kafka")
    if broker is not None:
        config.add_cleanup(broker.stop)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist has no type of it that is public
    """Tell a process that is about to start which Kafka there is."""
    broker = node.config.stash[SHARED]
    node.workerinput["kafka"] = broker and (broker.brokers, broker.kind)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Apache Kafka, for the whole session; tests keep apart by a topic prefix of their own."""
    if hasattr(request.config, "workerinput"):
        known = request.config.workerinput["kafka"]
        broker = known and Kafka(*known, stop=lambda: None)
    else:
        broker = kafka_broker.start(tmp_path_factory.mktemp("kafka"))
    if broker is None:
        pytest.skip(kafka_broker.NOT_HERE)
    USED.append(f"Kafka: {broker.kind}")
    yield broker
    broker.stop()


@pytest.fixture(autouse=True)
def _log_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the log as it was: what one test sets up, the next one does not write to."""
    configure, root = structlog.configure, logging.getLogger()
    handlers, level = root.handlers[:], root.level
    kept = {"cache_logger_on_first_use": False}  # a logger that was used would stay as it is
    monkeypatch.setattr(structlog, "configure", lambda **how: configure(**how | kept))
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def embedded_kafka() -> Iterator[Kafka]:
    """Return the in-memory broker, new for each test: it has nothing to tidy."""
    broker = kafka_broker.start_embedded()
    USED.append(f"Kafka: {broker.kind}")
    yield broker
    broker.stop()


APART = ("tests/connectors/test_contract.py", "tests/integration/test_notifier.py")
"""Files that take too long for one process, and whose tests have next to nothing in common."""


class Scheduling(LoadFileScheduling):
    """Hand out files, for the tests of a file share what their fixtures start; but of those in :data:`APART` each test."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("[")[0] if nodeid.startswith(APART) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:  # noqa: ANN401 - xdist's
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: files that run side by side (`make test`) are handed out in this order."""
    items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in ("kafka", "slow")])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what is to be said to the process that writes to the terminal, where there are several."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["used"] = USED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over what another process has to say; one that crashed says nothing."""
    USED.extend(getattr(node, "workeroutput", {}).get("used", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which servers the tests ran on."""
    for line in sorted(set(USED)):
        terminalreporter.write_line(line)
