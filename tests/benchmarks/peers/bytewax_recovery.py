"""Bytewax with recovery: state in snapshots on disk, an update for each event."""

import json
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from tests.benchmarks.peers.work import (
    CHECKPOINT_SECONDS,
    FIELDS,
    STORED,
    Job,
    Progress,
    Record,
    count,
    decode,
    say,
    thread_of,
)

Account = tuple[list[int], dict[str, int]]
"""The counts, and when the open turn of each thread was opened."""


def _flow(job: Job) -> Dataflow:
    brokers = job.brokers.split(",")
    progress = Progress(job.events, end=lambda: None)  # the topic ends, and with it the flow

    def fold(account: Account | None, event: Record) -> tuple[Account, list[int]]:
        counts, opened = account or ([0] * len(FIELDS), {})
        thread = thread_of(event)
        after = count(event, counts, opened.pop(thread, None))
        if after is not None:
            opened[thread] = after
        progress.advance()
        return (counts, opened), counts.copy()

    def update(row: tuple[str, list[int]]) -> KafkaSinkMessage:
        account, counts = row
        return KafkaSinkMessage(account.encode(), json.dumps([account, *counts]).encode())

    # By default a batch is 1,000 messages; 1,000 events at a time are faster (docs/performance.md).
    batch = max(1, 1_000 * job.messages // job.events)
    flow = Dataflow("peer")
    source = KafkaSource(brokers, [job.interactions], tail=False, batch_size=batch)
    messages = op.input("interactions", flow, source)
    events = op.flat_map("decode", messages, lambda message: decode(message.value))
    by_account = op.key_on("account", events, lambda event: event["account"])
    counted = op.stateful_map("fold", by_account, fold)
    op.output("results", op.map("update", counted, update), KafkaSink(brokers, job.results))
    return flow


if __name__ == "__main__":
    recovery = Path("recovery")
    recovery.mkdir()
    init_db_dir(recovery, 1)
    cli_main(
        _flow(Job.from_arguments()),
        epoch_interval=timedelta(seconds=CHECKPOINT_SECONDS),
        recovery_config=RecoveryConfig(str(recovery)),
    )
    say(STORED)
