"""Fixtures of the trials in the test suite."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import kafka_broker
from tests.conftest import USED
from tests.faults.trial import Options, Trial, begin, finish, let_happen
from tests.faults.verdict import Verdict
from tests.kafka_broker import Kafka

Cluster = Callable[[int], Kafka]
Outcome = Callable[[Kafka, Options], tuple[Trial, Verdict]]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Return how to start a cluster that may be broken, which the session's may not."""
    with ExitStack() as stack:

        def start(brokers: int) -> Kafka:
            kafka = kafka_broker.start_own(tmp_path / "kafka", brokers)
            if kafka is None:
                pytest.skip(kafka_broker.NOT_HERE)
            USED.append(f"Kafka: {kafka.kind}")
            stack.callback(kafka.stop)
            return kafka

        yield start


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    """Return how to let a trial happen to its end."""

    def of(kafka: Kafka, options: Options) -> tuple[Trial, Verdict]:
        trial = begin(kafka, tmp_path, options, print)
        try:
            let_happen(trial, options)
            return trial, finish(trial)
        finally:
            trial.plant.close()

    return of
