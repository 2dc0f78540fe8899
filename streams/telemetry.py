"""What every process tells about itself: metrics, log lines and health. One list of metric names, all of them here."""

import json
import logging
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest

from streams.errors import SettingsError

# -- ingest ---------------------------------------------------------------------------------------------------------------
PUBLISHED_EVENTS: Final = Counter("rapport_published_events", "Events acknowledged by Kafka", ["source"])
PUBLISHED_BATCHES: Final = Counter("rapport_published_batches", "Messages acknowledged by Kafka", ["source"])
DEAD_LETTERS: Final = Counter("rapport_dead_letters", "Input set aside", ["source", "reason"])
RECEIVED: Final = Counter("rapport_received_records", "Records pushed and acknowledged by Kafka", ["source"])
REFUSED: Final = Counter("rapport_refused_requests", "Requests refused to whoever pushes", ["source", "reason"])
ACKNOWLEDGEMENT_SECONDS: Final = Histogram(
    "rapport_acknowledgement_seconds",
    "Wall time from a body read until Kafka had acknowledged all of it",
    ["source"],
    buckets=[0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 0.75, 1],
)
# -- connectors -----------------------------------------------------------------------------------------------------------
CONNECTOR_ITEMS: Final = Counter(
    "rapport_connector_items", "What a network said, by what it was to the accounts", ["connector", "kind"]
)
CONNECTOR_UP: Final = Gauge("rapport_connector_up", "1 while something comes from the network", ["connector"])
CONNECTOR_STOPPED: Final = Gauge(
    "rapport_connector_stopped",
    "1 while the network is not asked, by why: refused, left_alone",
    ["connector", "reason"],
)
CONNECTOR_HEARD: Final = Gauge(
    "rapport_connector_heard_seconds", "When something last came from the network, Unix seconds", ["connector"]
)
CONNECTOR_LAG: Final = Gauge(
    "rapport_connector_lag_seconds", "Age of the last post when it came; below 0: clocks disagree", ["connector"]
)
CONNECTOR_FAILURES: Final = Counter("rapport_connector_failures", "Connections that failed", ["connector", "reason"])
CONNECTOR_GAPS: Final = Counter("rapport_connector_gaps", "Times of which the network tells no more", ["connector"])
CONNECTOR_REQUESTS: Final = Counter("rapport_connector_requests", "Requests, by their answer", ["connector", "status"])


def connector_stopped(connector: str, reason: str | None) -> None:
    """Tell why a connector's network is not asked; None: it is."""
    for each in ("refused", "left_alone"):
        CONNECTOR_STOPPED.labels(connector, each).set(each == reason)


def connector_gone(connector: str) -> None:
    """Tell no more how a connector is: nobody wants it to run."""
    for gauge in (CONNECTOR_UP, CONNECTOR_HEARD, CONNECTOR_LAG):
        gauge.remove(connector)
    for reason in ("refused", "left_alone"):
        CONNECTOR_STOPPED.remove(connector, reason)


# -- worker ---------------------------------------------------------------------------------------------------------------
EVENTS: Final = Counter("rapport_events", "Events folded, by kind", ["kind"])
MESSAGES: Final = Counter("rapport_messages", "Messages of the input read")
FACTS: Final = Counter("rapport_facts", "Records sent, by topic", ["topic"])
FOLD_SECONDS: Final = Counter("rapport_fold_seconds", "Time spent decoding and folding")
CHECKPOINT_SECONDS: Final = Counter("rapport_checkpoint_cpu_seconds", "CPU time of encoding and sending checkpoints")
CHECKPOINT_RECORDS: Final = Counter("rapport_checkpoint_records", "Account states written")
CHECKPOINT_AGE: Final = Gauge("rapport_checkpoint_age_seconds", "Age of the oldest change that is not checkpointed")
CYCLE_SECONDS: Final = Histogram("rapport_cycle_seconds", "Wall time of one cycle of outputs and checkpoints")
STATE_BYTES: Final = Histogram(
    "rapport_state_bytes",
    "Encoded size of an account's state",
    buckets=[100, 1_000, 10_000, 100_000, 1_000_000, 8 << 20, 32 << 20, 64 << 20],
)
ACCOUNTS: Final = Gauge("rapport_accounts", "Accounts in memory, by partition", ["partition"])
OFFSET: Final = Gauge("rapport_offset", "Last input offset folded, by partition", ["partition"])
LAG: Final = Gauge("rapport_lag_messages", "Messages behind the end of the topic", ["topic", "partition"])
RECOVERY_SECONDS: Final = Gauge("rapport_recovery_seconds", "Wall time of the last recovery")
CLOCK: Final = Gauge("rapport_clock_seconds", "Event time that the partition has reached, Unix seconds", ["partition"])
# -- sink -----------------------------------------------------------------------------------------------------------------
SINK_ROWS: Final = Counter("rapport_sink_rows", "Rows acknowledged by ClickHouse", ["table"])
SINK_INSERTS: Final = Counter("rapport_sink_inserts", "Inserts acknowledged by ClickHouse", ["table"])
SINK_RETRIES: Final = Counter("rapport_sink_retries", "Inserts tried again", ["table"])
SINK_SECONDS: Final = Histogram("rapport_sink_insert_seconds", "Wall time of one insert", ["table"])
# -- notifier -------------------------------------------------------------------------------------------------------------
NOTIFICATIONS: Final = Counter("rapport_notifications", "Notifications taken by a receiver", ["receiver", "status"])
NOTIFICATION_FAILURES: Final = Counter("rapport_notification_failures", "Tries that failed", ["receiver"])
NOTIFICATION_SECONDS: Final = Histogram(
    "rapport_notification_seconds",
    "Wall time from when a notification was due until it was taken",
    ["receiver"],
    buckets=[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600],
)
NOTIFICATIONS_PENDING: Final = Gauge("rapport_notifications_pending", "Notifications on their way", ["receiver"])
NOTIFICATION_GROUPS: Final = Gauge(
    "rapport_notification_groups", "Groups of alerts in memory, by partition", ["partition"]
)


for _telling in ("httpx", "httpcore"):
    logging.getLogger(_telling).setLevel(logging.WARNING)  # their lines have addresses, which may be secrets


def configure_logging(level: str = "INFO") -> None:
    """Log JSON lines to standard error, the standard library's loggers included.

    The root logger is owned here: Faust would set it to DEBUG and build a record for every message.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("aiokafka", "faust", "mode"):
        logging.getLogger(chatty).setLevel(max(logging.getLevelNamesMapping()[level], logging.WARNING))
    logging.getLogger("mode.timers").setLevel(logging.ERROR)  # a timer that comes late is what a busy fold looks like
    for repeating in ("clickhouse_connect", "urllib3"):
        logging.getLogger(repeating).setLevel(logging.CRITICAL)  # they raise what they log


def hide_addresses() -> None:
    """Keep out of the log what HTTP clients are asked for: their lines have addresses, which may be secrets."""
    for telling in ("httpx", "httpcore"):
        logging.getLogger(telling).setLevel(logging.WARNING)


def log(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of one part of Rapport."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def serve(host: str, port: int, ready: Callable[[], bool]) -> ThreadingHTTPServer | None:
    """Answer ``/metrics``, ``/healthz`` and ``/readyz`` in a thread; port 0: do nothing and return None.

    ``/healthz`` is 200 while the process lives; ``/readyz`` is 503 until ``ready()``, as while recovering.
    Raises :class:`SettingsError` if the port is taken.
    """
    if not port:
        return None

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._answer(200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
                case "/healthz":
                    self._answer(200, b'{"alive": true}')
                case "/readyz":
                    is_ready = ready()
                    self._answer(200 if is_ready else 503, json.dumps({"ready": is_ready}).encode())
                case _:
                    self._answer(404, b'{"error": "there are /metrics, /healthz and /readyz"}')

        def _answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Scrapes are not worth a line."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} cannot be used for metrics ({error.strerror})", "set RAPPORT_METRICS_PORT to a free port"
        ) from None
    Thread(target=server.serve_forever, name="telemetry", daemon=True).start()
    return server
