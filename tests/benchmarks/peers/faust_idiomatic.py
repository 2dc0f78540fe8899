"""Faust as its documentation shows it: an agent, tables with defaults, and a send for each event."""

import sys

import faust

from tests.benchmarks.load import PARTITIONS
from tests.benchmarks.peers.work import FIELDS, STORED, Job, Progress, count, decode, say, thread_of


def _application(job: Job) -> faust.App:
    app = faust.App(
        job.name,
        broker=f"kafka://{job.brokers}",
        consumer_auto_offset_reset="earliest",
        topic_partitions=PARTITIONS,
        web_enabled=False,
    )
    interactions = app.topic(job.interactions, value_type=bytes, value_serializer="raw")
    results = app.topic(job.results, value_serializer="json")
    counts = app.Table("counts", default=lambda: [0] * len(FIELDS))
    opened = app.Table("opened")
    progress = Progress(job.events)

    @app.agent(interactions)
    async def fold(messages: faust.Stream) -> None:
        async for message in messages:
            for event in decode(message):
                account, thread = event["account"], thread_of(event)
                totals = counts[account]
                before = opened.get(thread)
                after = count(event, totals, before)
                counts[account] = totals
                if after is None and before is not None:
                    del opened[thread]
                elif after != before:
                    opened[thread] = after
                await results.send(key=account, value=[account, *totals])
                progress.advance()

    return app


if __name__ == "__main__":
    application = _application(Job.from_arguments())
    sys.argv[1:] = ["worker", "-l", "info"]  # below INFO, Faust's spinner makes a log record of every message
    try:
        application.main()
    finally:
        say(STORED)
