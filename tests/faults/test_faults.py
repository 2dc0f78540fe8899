"""The whole product through all that may happen to it, and every number in ClickHouse is right. For longer: `make faults`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import kafka_broker
from tests.conftest import USED
from tests.faults.actions import LANES, ONLY_IN_CLUSTERS
from tests.faults.trial import Options, Trial, begin, finish, let_happen
from tests.kafka_broker import Kafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

Cluster = Callable[[int], Kafka]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Return how to start a cluster that may be broken, which the session's may not."""
    with ExitStack() as stack:

        def start(brokers: int) -> Kafka:
            kafka = kafka_broker.start_own(tmp_path / "kafka", brokers)
            if kafka is None:
                pytest.skip("no Apache Kafka that may be killed: have Java with Maven")
            USED.append(f"Kafka: {kafka.kind}")
            stack.callback(kafka.stop)
            return kafka

        yield start


@contextmanager
def trial(kafka: Kafka, directory: Path, options: Options) -> Iterator[Trial]:
    begun = begin(kafka, directory, options, print)
    try:
        yield begun
    finally:
        begun.plant.close()


@pytest.mark.parametrize("lanes", [("workers", "brokers"), ("stores",)], ids=" and ".join)
def test_everything_happens_once(cluster: Cluster, tmp_path: Path, lanes: tuple[str, ...]) -> None:
    actions = {action.__name__ for lane in lanes for action in LANES[lane]}
    options = Options(seed=1, minutes=1.0, events=2_000, pause=1.5, once=True, only=actions)
    with trial(cluster(1), tmp_path, options) as begun:
        let_happen(begun, options)
        verdict = finish(begun)
    assert verdict.faults == {}, dict(verdict.examples)
    assert begun.done.keys() == actions
    assert verdict.counts["turn rows sent"] > 1_000
    assert verdict.counts["letters in ClickHouse"] > 100


def test_leaders_of_three_brokers_die(cluster: Cluster, tmp_path: Path) -> None:
    only = [action.__name__ for action in ONLY_IN_CLUSTERS]
    options = Options(seed=2, minutes=0.5, events=2_000, pause=2, only={*only, "kill_worker"})
    with trial(cluster(3), tmp_path, options) as begun:
        let_happen(begun, options)
        verdict = finish(begun)
    assert verdict.faults == {}, dict(verdict.examples)
    assert begun.done.keys() == {*only, "kill_worker"}


def test_without_a_rule_the_verdict_finds_something(kafka: Kafka, tmp_path: Path) -> None:
    rule = "what a checkpoint has already is skipped"
    options = Options(seed=3, minutes=0.3, events=2_000, pause=5, only={"kill_worker"}, without=rule)
    with trial(kafka, tmp_path, options) as begun:
        let_happen(begun, options)
        verdict = finish(begun)
    assert verdict.faults["turn: untrue"] + verdict.faults["pane: untrue"] + verdict.faults["rolling: untrue"] > 0
