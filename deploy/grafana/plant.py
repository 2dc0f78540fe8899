"""The dashboard of the plant: docs/operations.md has every metric, docs/runbooks.md what to do."""

from typing import Final

from deploy.grafana.panels import Panel

PLANT: Final = (
    Panel(
        "stat",
        {"{{job}}": "sum by (job) (up)"},
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
        {"{{job}} {{instance}}": "max by (job, instance) (process_resident_memory_bytes)"},
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
    Panel(
        "timeseries",
        {
            "up, {{connector}}": "max by (connector) (rapport_connector_up)",
            "{{reason}}, {{connector}}": "max by (connector, reason) (rapport_connector_stopped) > 0",
        },
        title="Connectors",
        text="1 while something comes from the network; below, why its network is not asked.",
    ),
    Panel(
        "timeseries",
        {
            "brought in, {{connector}} {{kind}}": (
                'sum by (connector, kind) (rate(rapport_connector_items_total{kind!~"unattributed|repeated"}[$__rate_interval]))'
            ),
            "pushed, {{source}}": "sum by (source) (rate(rapport_received_records_total[$__rate_interval]))",
        },
        title="What comes in, a second",
        text="What networks said of the accounts, and what others pushed.",
        unit="cps",
    ),
    Panel(
        "timeseries",
        {
            "late, {{connector}}": "max by (connector) (rapport_connector_lag_seconds)",
            "acknowledged, p95, {{source}}": (
                "histogram_quantile(0.95, sum by (le, source) (rate(rapport_acknowledgement_seconds_bucket[$__rate_interval])))"
            ),
        },
        title="How late posts come, how soon pushes are acknowledged",
        text="A lag stays what it was when nothing more is said. Acknowledgements that take a second are refused.",
        unit="s",
    ),
    Panel(
        "timeseries",
        {
            "failed, {{connector}} {{reason}}": (
                "sum by (connector, reason) (increase(rapport_connector_failures_total[$__rate_interval]))"
            ),
            "gap, {{connector}}": "sum by (connector) (increase(rapport_connector_gaps_total[$__rate_interval]))",
            "refused, {{source}} {{reason}}": (
                "sum by (source, reason) (increase(rapport_refused_requests_total[$__rate_interval]))"
            ),
        },
        title="Connections that failed, pushes that were refused",
    ),
)
