"""The benchmarks run: every line is there, whatever the figures."""

import os
import re
import subprocess
import sys

import pytest

from tests.kafka_broker import ROOT, Kafka


@pytest.mark.slow
def test_every_part_is_measured() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--events", "2000", "--batch", "300", "--embedded"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Broker: librdkafka's in-memory broker. 2,000 events of 20 accounts." in done.stdout
    for part in ("ceiling", "decode + fold", "fold alone", "worker", "writer", "whole sink"):
        assert re.search(rf"^ *{re.escape(part)} +300 +[\d,]+ +[\d,]+ +[\d,]+ ", done.stdout, re.MULTILINE)


@pytest.mark.kafka
@pytest.mark.slow
def test_peers_are_compared(kafka: Kafka) -> None:
    only = [argument for name in ("ceiling", "only") for argument in ("--only", name)]
    command = [sys.executable, "-m", "tests.benchmarks.peers", "--events", "2000", "--batch", "300", *only]
    environment = os.environ | {"RAPPORT_TEST_BROKERS": kafka.brokers, "COLUMNS": "150"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for name, counts in (("Rapport", "right"), ("ceiling", ""), ("Rapport, this work only", "right")):
        line = rf"^ *{re.escape(name)} .* 300 +2,000 +[\d,]+ +[\d,]+ +[\d.]+ +{counts} *$"
        assert re.search(line, done.stdout, re.MULTILINE), done.stdout
