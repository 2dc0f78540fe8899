"""The whole product through all that may happen to it, and every number in ClickHouse is right. For longer: `make faults`."""

import pytest

from tests.faults.actions import LANES
from tests.faults.conftest import Cluster, Outcome
from tests.faults.trial import Options

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.mark.parametrize("lanes", [("workers", "brokers"), ("stores",)], ids=" and ".join)
def test_everything_happens_once(cluster: Cluster, outcome: Outcome, lanes: tuple[str, ...]) -> None:
    actions = {action.__name__ for lane in lanes for action in LANES[lane]}
    options = Options(seed=1, minutes=1.0, events=5_000, pause=1, once=True, only=actions)
    trial, verdict = outcome(cluster(1), options)
    assert verdict.faults == {}, dict(verdict.examples)
    assert trial.done.keys() == actions
    assert verdict.counts["turn rows sent"] > 1_000
    assert verdict.counts["letters in ClickHouse"] > 100
