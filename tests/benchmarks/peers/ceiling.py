"""The ceiling: aiokafka, fastavro and dictionaries. It keeps nothing and sends nothing."""

from collections import defaultdict

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.benchmarks.load import PARTITIONS
from tests.benchmarks.peers.work import FIELDS, STORED, Job, Progress, count, decode, say, thread_of


async def _run(job: Job) -> None:
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * len(FIELDS))
    opened: dict[str, int | None] = {}
    progress = Progress(job.events, end=lambda: None)
    async with AIOKafkaConsumer(
        bootstrap_servers=job.brokers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=10_000_000,
    ) as consumer:
        consumer.assign([TopicPartition(job.interactions, number) for number in range(PARTITIONS)])
        messages = job.messages
        while messages:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                messages -= len(records)
                for record in records:
                    for event in decode(record.value):
                        thread = thread_of(event)
                        opened[thread] = count(event, counts[event["account"]], opened.get(thread))
                        progress.advance()
    say(STORED)


if __name__ == "__main__":
    uvloop.run(_run(Job.from_arguments()))
