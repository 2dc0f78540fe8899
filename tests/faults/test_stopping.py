"""A process that is asked to stop ends soon, whatever else is the matter, and leaves nothing to be done again if it can."""

import time
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from streams import config
from streams.errors import EXIT_RESTART
from tests.clickhouse_server import make_tables
from tests.faults.plant import SINK
from tests.faults.trial import Options, begin, finish
from tests.kafka_broker import Kafka, start_embedded
from tests.plants import own_settings
from tests.processes import Process


@pytest.mark.kafka
@pytest.mark.slow
def test_a_worker_leaves_nothing_to_be_done_again(kafka: Kafka, tmp_path: Path) -> None:
    options = Options(seed=4, minutes=0.2, events=2_000)
    trial = begin(kafka, tmp_path, options, print)
    plant = trial.plant
    try:
        admin, group = AdminClient({"bootstrap.servers": kafka.brokers}), plant.settings.topics.worker_group
        time.sleep(6)
        with plant.lock:  # before the supervisor starts another
            asked = time.monotonic()
            assert plant.workers[0].stop() == 0
            assert time.monotonic() - asked < 10
            state = admin.describe_consumer_groups([group])[group].result(10).state
            assert state == ConsumerGroupState.EMPTY, "it has left the group"
        verdict = finish(trial)
    finally:
        plant.close()
    assert verdict.faults == {}, dict(verdict.examples)
    assert plant.exits["worker", 0] == 1
    assert verdict.counts["rows sent again"] == 0, "nothing is replayed"


@pytest.mark.slow
def test_a_sink_does_not_wait_for_a_kafka_that_is_gone(tmp_path: Path) -> None:
    broker = start_embedded()
    target = f"chdb:{tmp_path / 'clickhouse'}"
    make_tables(target)
    settings = own_settings(broker.brokers, "gone", clickhouse=target)
    sink = Process(SINK, tmp_path / "log", config.environment(settings))
    while not sink.said("assigned"):
        assert sink.popen.poll() is None, sink.log.read_text()
        time.sleep(0.1)
    broker.stop()
    time.sleep(2)  # it has noticed
    assert sink.stop() in (0, EXIT_RESTART)
