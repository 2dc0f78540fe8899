"""A Faust agent that does nothing, Faust put right as for Rapport's worker: what Faust costs for each message."""

import asyncio
import gc
from pathlib import Path

import faust
import uvloop

from streams.app import GARBAGE_THRESHOLDS
from streams.faust_repairs import App, PromptConsumer, Transport, Worker
from streams.telemetry import configure_logging
from tests.benchmarks.load import PARTITIONS
from tests.benchmarks.peers.work import STORED, Job, Progress, say


class _Transport(Transport):
    """Each message by itself, as Faust has it."""

    Consumer = PromptConsumer


class _App(App):
    def _new_transport(self) -> Transport:
        return _Transport(self.conf.broker_consumer, self)


def _application(job: Job) -> App:
    app = _App(
        job.name,
        broker=f"kafka://{job.brokers}",
        datadir=Path("/nonexistent"),  # nothing is kept on disk
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=PARTITIONS,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        broker_commit_interval=0.5,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=10_000_000,
        stream_buffer_maxsize=512,
    )
    interactions = app.topic(
        job.interactions, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    progress = Progress(job.messages)

    @app.agent(interactions)  # type: ignore[untyped-decorator]
    async def fold(messages: faust.Stream) -> None:
        async for _ in messages.events():
            progress.advance()

    return app


async def _stored() -> None:
    say(STORED)


if __name__ == "__main__":
    configure_logging()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    Worker(_application(Job.from_arguments()), _stored, loop).execute_from_commandline()
