"""The dashboard of the plant: docs/operations.md has every metric, docs/runbooks.md what to do."""

from typing import Final

from deploy.grafana.panels import Panel

PLANT: Final = (
    Panel(
        "stat",
        {"{{job}}": 'sum by (job) (up{job=~"worker|sink"})'},
        title="Processes that answer",
        text="As many as were started. A worker more than there are partitions is idle, and that is in order.",
        height=5,
    ),
    Panel(
        "stat",
        {
            "owned": 'count(count by (partition) (rapport_offset{job="worker"}))',
            "of": 'count(count by (partition) (rapport_lag_messages{job="sink", topic=~".+[.]interactions"}))',
        },
        title="Partitions that a worker has recovered",
        height=5,
    ),
    Panel(
        "stat",
        {"oldest partition": "time() - min(rapport_clock_seconds)"},
        title="How old the newest measurement is",
        text="What is older than some seconds is stale: ticks do not come, or the worker is behind.",
        unit="s",
        height=5,
    ),
    Panel(
        "timeseries",
        {"{{alertname}} {{instance}}": 'ALERTS{alertstate="firing"}'},
        title="Alerts that fire",
        text="Each has a section in docs/runbooks.md that says what to look at, and what to do.",
    ),
    Panel(
        "timeseries",
        {"{{job}} {{topic}}": "sum by (job, topic) (rapport_lag_messages)"},
        title="Messages behind",
        text="Workers in the input, sinks in the facts.",
    ),
    Panel(
        "timeseries",
        {"{{kind}}": "sum by (kind) (rate(rapport_events_total[$__rate_interval]))"},
        title="Events a second",
        unit="cps",
    ),
    Panel(
        "timeseries",
        {"{{instance}}": 'rapport_checkpoint_age_seconds{job="worker"}'},
        title="Age of the oldest change without a checkpoint",
        text="A restart replays so much.",
        unit="s",
    ),
    Panel(
        "timeseries",
        {
            "fold {{instance}}": "rate(rapport_fold_seconds_total[$__rate_interval])",
            "checkpoints {{instance}}": "rate(rapport_checkpoint_cpu_seconds_total[$__rate_interval])",
        },
        title="How much of a core a worker uses",
        text="Near 1: add a worker.",
        unit="percentunit",
    ),
    Panel(
        "timeseries",
        {"{{instance}}": 'process_resident_memory_bytes{job=~"worker|sink"}'},
        title="Memory",
        unit="bytes",
    ),
    Panel(
        "timeseries",
        {
            "sent, {{topic}}": "sum by (topic) (rate(rapport_facts_total[$__rate_interval]))",
            "stored, {{table}}": "sum by (table) (rate(rapport_sink_rows_total[$__rate_interval]))",
        },
        title="Rows a second, sent and stored",
        unit="cps",
    ),
    Panel(
        "timeseries",
        {
            "{{table}}": "histogram_quantile(0.95, sum by (le, table) (rate(rapport_sink_insert_seconds_bucket[$__rate_interval])))"
        },
        title="Time of an insert, p95",
        unit="s",
    ),
    Panel(
        "timeseries",
        {
            "retried, {{table}}": "sum by (table) (increase(rapport_sink_retries_total[$__rate_interval]))",
            "set aside, {{source}} {{reason}}": "sum by (source, reason) (increase(rapport_dead_letters_total[$__rate_interval]))",
        },
        title="Inserts tried again, input set aside",
    ),
)
