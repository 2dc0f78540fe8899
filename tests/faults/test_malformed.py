"""Malformed messages beside good ones: none is lost, none is counted, and the worker goes on."""

import random
from pathlib import Path

import pytest

from schemas import codec
from streams.intake import Message, open_message
from tests.faults.malformed import Sample, good, growth, run
from tests.faults.malformed_messages import LARGE_ONE_IN, malformed
from tests.kafka_broker import Kafka

COUNT = 4 * LARGE_ONE_IN
"""As many as bring every kind of large message once."""


def test_every_malformed_message_is_one_letter_and_nothing_else() -> None:
    rnd = random.Random(2)
    for number in range(COUNT):
        message = codec.encode("interaction", [good(number)])
        value, reason = malformed(rnd, number, message)
        opened = open_message(Message("interactions", 0, number, 1 << 60, value), 7)
        assert [letter["reason"] for letter in opened.letters] == [reason], value[:200]
        assert opened.letters[0]["payload"] == value
        assert len(opened.letters[0]["error"]) < 300
        assert (opened.events, opened.kinds, opened.clock) == ({}, {}, 7)


@pytest.mark.kafka
@pytest.mark.slow
def test_the_worker_sets_aside_what_is_malformed_and_counts_what_is_good(kafka: Kafka, tmp_path: Path) -> None:
    outcome = run(kafka.brokers, COUNT, seed=2, directory=tmp_path)
    assert outcome.faults == []
    assert outcome.reasons.total() == COUNT
    assert max(sample.resident for sample in outcome.samples) < 500


def test_a_run_whose_memory_grows_says_so() -> None:
    assert [*growth([Sample(second, 0, 100 + second % 7) for second in range(100)])] == []
    assert [*growth([Sample(second, 0, 100 + second) for second in range(100)])] == ["memory grew from 149 to 199 MiB"]
