"""Quix Streams: state in RocksDB with a changelog topic, an update for each event."""

from typing import Any

from quixstreams import Application, State

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


def _application(job: Job) -> Application:
    app = Application(
        broker_address=job.brokers,
        consumer_group=job.name,
        auto_offset_reset="earliest",
        commit_interval=CHECKPOINT_SECONDS,
    )
    interactions = app.topic(job.interactions, value_deserializer="bytes")
    results = app.topic(job.results, key_serializer="str", value_serializer="json")
    progress = Progress(job.events)

    def fold(event: Record, state: State) -> list[Any]:
        account, thread = event["account"], thread_of(event)
        totals = state.get(account, [0] * len(FIELDS))
        before = state.get(thread)
        after = count(event, totals, before)
        state.set(account, totals)
        if after is None and before is not None:
            state.delete(thread)
        elif after != before:
            state.set(thread, after)
        progress.advance()
        return [account, *totals]

    # Messages have no key, so that a partition is one key to Quix Streams; no repartitioning is needed.
    frame = app.dataframe(interactions)
    frame.apply(decode, expand=True).apply(fold, stateful=True).to_topic(results, key=lambda row: row[0])
    return app


if __name__ == "__main__":
    _application(Job.from_arguments()).run()
    say(STORED)
