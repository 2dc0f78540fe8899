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
    rule = "untouched accounts are in the heap"  # then an account of which nothing is heard after a kill falls silent
    options = Options(seed=3, minutes=0.2, events=600, pause=3, only={"kill_worker"}, without=rule)
    _, verdict = outcome(kafka, options)
    assert verdict.faults["rolling: no row at all"]
