"""A cluster whose leaders die; and that the verdict is no formality. A file of its own, so that it runs beside test_faults.py."""

import pytest

from tests.faults.actions import ONLY_IN_CLUSTERS
from tests.faults.conftest import Cluster, Outcome
from tests.faults.trial import Options
from tests.kafka_broker import Kafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_leaders_of_three_brokers_die(cluster: Cluster, outcome: Outcome) -> None:
    only = {*(action.__name__ for action in ONLY_IN_CLUSTERS), "kill_worker"}
    trial, verdict = outcome(cluster(3), Options(seed=2, minutes=0.5, events=2_000, pause=2, only=only))
    assert verdict.faults == {}, dict(verdict.examples)
    assert trial.done.keys() == only


def test_without_a_rule_the_verdict_finds_something(kafka: Kafka, outcome: Outcome) -> None:
    rule = "a claim does not pass the oldest change"  # what comes between is lost whenever a worker is killed while it is at work

    def is_found(seed: int) -> bool:
        options = Options(seed=seed, minutes=0.4, events=4_000, pause=3, only={"kill_worker"}, without=rule)
        _, verdict = outcome(kafka, options)
        return any(verdict.faults[f"{record}: untrue"] for record in ("turn", "pane", "rolling"))

    assert any(
        is_found(seed) for seed in (3, 4, 5)
    )  # a busy machine may have time for one kill, and that at an idle moment
