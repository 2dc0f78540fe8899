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
    options = ("--events", "2000", "--batch", "300", "--only", "rapport")
    command = [sys.executable, "-m", "tests.benchmarks.peers", *options]
    environment = os.environ | {"RAPPORT_TEST_BROKERS": kafka.brokers, "COLUMNS": "150"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("Rapport", "Rapport, this work only"):
        line = rf"^ *{name} .* 300 +2,000 +[\d,]+ +[\d,]+ +[\d.]+ +right"
        assert re.search(line, done.stdout, re.MULTILINE), done.stdout
