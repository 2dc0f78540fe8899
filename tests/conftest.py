"""Fixtures that more than one folder of tests uses."""

from collections.abc import Iterator

import pytest

from tests import kafka_broker
from tests.kafka_broker import Kafka

USED: list[str] = []


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Apache Kafka, for the whole session; tests keep apart by a topic prefix of their own."""
    broker = kafka_broker.start(tmp_path_factory.mktemp("kafka"))
    if broker is None:
        pytest.skip("no Apache Kafka: give RAPPORT_TEST_BROKERS, or have Docker, or Java with Maven")
    USED.append(f"Kafka: {broker.kind}")
    yield broker
    broker.stop()


@pytest.fixture
def embedded_kafka() -> Iterator[Kafka]:
    """Return the in-memory broker, new for each test: it has nothing to tidy."""
    broker = kafka_broker.start_embedded()
    USED.append(f"Kafka: {broker.kind}")
    yield broker
    broker.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which servers the tests ran on."""
    for line in sorted(set(USED)):
        terminalreporter.write_line(line)
