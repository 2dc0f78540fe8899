"""The benchmarks run: every line is there, whatever the figures."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.kafka_broker import Kafka
from tests.processes import ROOT


def run(module: str, *options: str, **environment: str) -> str:
    command = [sys.executable, "-m", module, *options]
    environment = os.environ | {"COLUMNS": "150"} | environment
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.slow
def test_every_part_is_measured() -> None:
    said = run("tests.benchmarks", "--events", "2000", "--batch", "300", "--embedded")
    assert "Broker: librdkafka's in-memory broker. 2,000 events of 20 accounts." in said
    for part in ("ceiling", "decode + fold", "fold alone", "worker", "writer", "whole sink"):
        assert re.search(rf"^ *{re.escape(part)} +300 +[\d,]+ +[\d,]+ +[\d,]+ ", said, re.MULTILINE)


@pytest.mark.kafka
@pytest.mark.slow
def test_peers_are_compared(kafka: Kafka) -> None:
    options = ("--events", "2000", "--batch", "300", "--only", "rapport")
    said = run("tests.benchmarks.peers", *options, RAPPORT_TEST_BROKERS=kafka.brokers)
    for name in ("Rapport", "Rapport, this work only"):
        line = rf"^ *{name} .* 300 +2,000 +[\d,]+ +[\d,]+ +[\d.]+ +right"
        assert re.search(line, said, re.MULTILINE), said


def test_growth_is_measured_and_drawn(tmp_path: Path) -> None:
    drawn = tmp_path / "growth.svg"
    sizes = ("--accounts", "10", "--accounts", "20", "--waiting", "20", "--waiting", "200", "--account-minutes", "20")
    said = run("tests.benchmarks.growth", *sizes, "--interpreted", "--svg", str(drawn))
    for count, events in (("10", "600"), ("20", "600"), ("200", "600")):
        assert re.search(rf"^ *{count} +30 +interpreted +{events} +[\d.]+ +[\d.]+ +[\d.]+", said, re.MULTILINE), said
    texts = [text.text for text in ET.parse(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert {"accounts", "turns that wait, in 20 accounts", "interpreted, 30 in a message"} <= set(texts)


def test_ingest_is_measured() -> None:
    said = run("tests.benchmarks.ingest", "--events", "500", "--interpreted")
    for name in ("ceiling: encoding alone", "publisher", "twcs file", "jsonl file", "simulator"):
        assert re.search(rf"^ *{name} +interpreted +\d+ +[\d,]+ +[\d.]+ +[\d.]+", said, re.MULTILINE), said


@pytest.mark.slow
def test_the_firehose_is_measured() -> None:
    said = run("tests.benchmarks.firehose", "--rate", "500", "--seconds", "1")
    for name in ("ceiling: receiving alone", "connector, runner, publisher"):
        assert re.search(rf"^ *{name} +499 +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+", said, re.MULTILINE), said


def test_queries_are_measured() -> None:
    said = run("tests.benchmarks.queries", "--events", "20000", "--times", "1")
    for name in ("rapport report, 28 days", "rapport explain, 24 h", "account_activity, 28 days", "cohorts, all"):
        assert re.search(rf"^ *{name} +[\d.]+ +[\d.]+", said, re.MULTILINE), said


@pytest.mark.kafka
@pytest.mark.slow
def test_latency_is_measured(kafka: Kafka) -> None:
    said = run("tests.benchmarks.latency", "--rate", "50", "--seconds", "7", RAPPORT_TEST_BROKERS=kafka.brokers)
    for stage in ("publisher", "worker", "to the sink", "insert", "in all"):
        assert re.search(rf"^ *turn +{stage} +\d+( +[\d,]+){{4}}", said, re.MULTILINE), said


@pytest.mark.kafka
@pytest.mark.slow
def test_recovery_is_measured(kafka: Kafka) -> None:
    sizes = ("--accounts", "40", "--waiting", "5", "--events", "600", "--interpreted")
    said = run("tests.benchmarks.recovery", *sizes, RAPPORT_TEST_BROKERS=kafka.brokers)
    for waiting in ("40", "200"):
        assert re.search(rf"^ *interpreted +40 +{waiting} +\d+ +[\d.]+ +\d+", said, re.MULTILINE), said
