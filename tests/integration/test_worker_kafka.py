"""The worker on a real broker, with a toy model: exact through kill -9 and SIGTERM, whatever the input holds."""

import time
from pathlib import Path

import pytest

from streams import kafka as streams_kafka
from tests.faults.trial import Load, Worker, everything, judge, settings_for, wait_until_covered
from tests.kafka_broker import Kafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_outputs_are_those_of_one_sequential_pass_through_kill_9_and_sigterm(kafka: Kafka, tmp_path: Path) -> None:
    settings = settings_for(kafka.brokers)
    load = Load(settings, rate=60, seed=1)
    load.start()
    worker = Worker(settings, tmp_path / "1.log")
    for number in (2, 3):
        time.sleep(6)
        worker.kill()
        worker = Worker(settings, tmp_path / f"{number}.log")
    time.sleep(9)
    load.enough.set()
    load.join()
    ends = {m.partition: m.offset for m in everything(settings, settings.topics.interactions.name)}
    wait_until_covered(settings, ends)
    assert worker.stop() == 0
    low = streams_kafka.covered(settings)
    verdict = judge(settings, low)
    assert verdict.faults() == {}
    assert verdict.rows["alert"] > 20
    assert verdict.letters >= load.poison > 10
    assert [line["accounts"] > 0 for line in worker.lines("Recovered")] == [True]

    again = Worker(settings, tmp_path / "4.log")
    wait_until_covered(settings, {number: offset + 1 for number, offset in low.items()})
    assert again.stop() == 0
    assert again.lines("Recovered")[0]["offsets"] == {str(number): offset for number, offset in low.items()}
    verdict_again = judge(settings, streams_kafka.covered(settings))
    assert verdict_again.faults() == {}
    assert verdict_again.letters == verdict.letters, "nothing is replayed"
