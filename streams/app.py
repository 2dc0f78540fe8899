"""The composition root of the worker: settings and a model in, a running process out."""

import asyncio
import gc
from pathlib import Path

import faust

from schemas.topics import LARGEST_CHECKPOINT, MEBIBYTE
from streams import kafka, pipeline, telemetry
from streams.checkpoint import Checkpoints
from streams.config import Settings
from streams.connection import METADATA_AGE_MS, faust_credentials, kafka_options
from streams.errors import EXIT_RESTART, broker_refusal
from streams.faust_repairs import App, Worker
from streams.metrics.model import Model, State

GARBAGE_THRESHOLDS = (10_000, 1_000_000, 1_000_000)
"""Only young objects are looked at. Python's own (700, 10, 10) look for cycles among millions of long-lived messages all the time:
about a tenth of the worker's. Nothing of an account's state is in a cycle; what is (tracebacks, tasks) is few and dies young."""


def build_app(settings: Settings, model: Model[State]) -> faust.App:
    """Return the processor as a Faust application, its agents and timers defined, not started."""
    return _build(settings, model)[0]


def run_worker(settings: Settings, model: Model[State]) -> None:
    """Run the processor until SIGTERM or SIGINT, then checkpoint everything and return.

    Raises :class:`streams.errors.BrokerError` if Kafka or a topic is not there. Ends the PROCESS with exit 75 when only a
    restart and its replay can make things right, with exit 2 when the user has to mend something.
    """
    telemetry.configure_logging(settings.log_level)
    topics = settings.topics
    kafka.require_access(settings, (*topics.measured, topics.checkpoints), topics.worker_group)
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    loop = _new_loop()
    asyncio.set_event_loop(loop)
    app, checkpoints = _build(settings, model)
    telemetry.serve(settings.metrics_host, settings.metrics_port, lambda: checkpoints.ready)
    worker = Worker(app, checkpoints.finish, loop)
    try:
        worker.execute_from_commandline()
    except SystemExit as end:  # Faust's way to return
        if end.code:  # it has crashed, and has logged why
            if refusal := broker_refusal(worker.crash_reason):
                raise refusal from None
            raise SystemExit(EXIT_RESTART) from end


def _build(settings: Settings, model: Model[State]) -> tuple[App, Checkpoints[State]]:
    app = App(
        settings.topics.worker_group,
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers],
        broker_credentials=faust_credentials(kafka_options(settings)),
        datadir=Path("/nonexistent"),  # nothing is kept on disk
        store="memory://",
        web_enabled=False,
        # -- topics are made by `rapport topics apply`, never by Faust
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        table_standby_replicas=0,
        # -- a crashed worker's partitions move within seconds, and a restart waits for nothing
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.0,
        broker_request_timeout=15.0,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        consumer_metadata_max_age_ms=METADATA_AGE_MS,
        producer_metadata_max_age_ms=METADATA_AGE_MS,
        # -- nothing is resumed by Faust's commit, but those who publish much wait for it
        broker_commit_interval=0.5,
        # -- throughput: acknowledged by all replicas, gathered for a moment
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=10_000_000,
        stream_buffer_maxsize=512,  # messages of up to 256 KB
        producer_acks=-1,
        producer_linger=0.02,
        producer_max_batch_size=MEBIBYTE,
        producer_max_request_size=LARGEST_CHECKPOINT,
    )
    return app, pipeline.define(app, settings, model)


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return the loop to run on: uvloop's where there is one: Faust takes less time per message; its threads too."""
    try:
        import uvloop  # noqa: PLC0415 - not everywhere
    except ImportError:
        return asyncio.new_event_loop()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    return asyncio.new_event_loop()
