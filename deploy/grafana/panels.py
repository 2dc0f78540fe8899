"""Panels as Grafana's dashboard model has them, their words and units from the catalogue of metrics."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from prometheus_client import REGISTRY

from schemas.metrics import Metric, metrics
from schemas.views import in_words
from streams import telemetry  # noqa: F401 - it names the metrics that the registry has

CLICKHOUSE: Final = {"type": "grafana-clickhouse-datasource", "uid": "clickhouse"}
PROMETHEUS: Final = {"type": "prometheus", "uid": "prometheus"}
WIDTH: Final = 24
BEFORE: Final = "_before"
"""Ends the name of a column that has a metric of an earlier period, for comparison."""
UNITS: Final = {"seconds": "s", "time": "dateTimeFromNow"}
LINES: Final = ("timeseries", "trend")
BEHIND: Final = {"color": {"mode": "fixed", "fixedColor": "#8e8e8e"}, "custom.lineWidth": 1}
"""How a line looks that only helps to read another."""
LABELS: Final = {
    "account": "Account",
    "contact_id": "Contact",
    "author_name": "Name",
    "opened_at": "Since",
    "due_at": "Target",
    "text": "Said",
    "url": "Post",
    "last_at": "Last",
    "last_text": "Said last",
    "last_url": "Post",
    "last_word": "Last word",
    "last_kind": "Last act",
    "follow_up_at": "Follow-up due",
    "lapses_at": "Lapsed",
    "messages": "Kind messages",
    "days": "On days",
    "evidence_text": "Newest of them",
    "evidence_url": "Post",
    "opted_out_at": "Left",
    "replies_to_contact": "Replies to them",
    "automated_to_contact": "Automated ones",
    "broadcasts": "Broadcasts",
    "month": "Month",
    "contacts": "Contacts",
    "conversations": "Conversations",
    "low": "95 % band, low",
    "high": "95 % band, high",
}
"""Columns that are no metrics, in the panels' words."""

Kind = Literal["stat", "timeseries", "trend", "table"]
Query = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """One panel: what it asks, and what of the answer is shown.

    ``asks`` has SQL for ClickHouse, or PromQL by the legend of its series. ``shows`` names the metrics that SQL answers with, the
    first of which gives the title where there is none, and ``names`` the other columns: of whom, or when. ``axis`` is the
    column along which the rows stand, if any.
    """

    kind: Kind
    asks: tuple[str, ...] | Mapping[str, str]
    shows: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    title: str = ""
    text: str = ""
    axis: str = ""
    unit: str = ""
    width: int = 8
    height: int = 8


def panel(spec: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    """Return a panel in Grafana's model, at a place of its grid."""
    targets, source = (_promql(spec.asks), PROMETHEUS) if isinstance(spec.asks, Mapping) else (_sql(spec), CLICKHOUSE)
    made = {
        "id": number,
        "type": spec.kind,
        "title": spec.title or metrics()[spec.shows[0]].label,
        "description": _description(spec),
        "datasource": source,
        "gridPos": {"x": x, "y": y, "w": spec.width, "h": spec.height},
        "targets": targets,
        "fieldConfig": {"defaults": _defaults(spec), "overrides": list(_overrides(spec))},
        "options": _options(spec),
    }
    if spec.kind == "timeseries":
        made["interval"] = "1m"  # panes and rolling rows are of minutes
    return made


def laid_out(specs: tuple[Panel, ...]) -> Iterator[dict[str, Any]]:
    """Return panels row after row, as many side by side as fit."""
    x = y = tallest = 0
    for number, spec in enumerate(specs, 1):
        if x + spec.width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        yield panel(spec, number, x, y)
        x, tallest = x + spec.width, max(tallest, spec.height)


def _sql(spec: Panel) -> list[Query]:
    form = 0 if spec.kind == "timeseries" else 1  # how the plugin shapes the answer: series over time, or a table
    return [
        {
            "refId": chr(ord("A") + number),
            "datasource": CLICKHOUSE,
            "editorType": "sql",
            "queryType": "timeseries" if form == 0 else "table",
            "format": form,
            "rawSql": sql,
        }
        for number, sql in enumerate(spec.asks)
    ]


def _promql(asks: Mapping[str, str]) -> list[Query]:
    return [
        {
            "refId": chr(ord("A") + number),
            "datasource": PROMETHEUS,
            "expr": expression,
            "legendFormat": legend,
            "range": True,
        }
        for number, (legend, expression) in enumerate(asks.items())
    ]


def _description(spec: Panel) -> str:
    """Return the tooltip: each metric as the catalogue has it; of the plant, as the process that counts it does."""
    if isinstance(spec.asks, Mapping):
        asked = " ".join(spec.asks.values())
        lines = [f"`{family.name}`: {family.documentation}" for family in REGISTRY.collect() if family.name in asked]
    else:
        lines = [in_words(metrics()[name]) for name in spec.shows]
    return "\n\n".join([*lines, *([spec.text] if spec.text else [])])


def _defaults(spec: Panel) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": spec.unit} if spec.unit else {}
    if spec.kind == "stat":
        found |= {"color": {"mode": "fixed", "fixedColor": "text"}, "noValue": "-"}
    if spec.kind in LINES:
        found |= {"custom": {"lineWidth": 2, "fillOpacity": 0, "showPoints": "never", "spanNulls": 300_000}}
        if spec.kind == "trend":
            found["custom"] |= {"lineInterpolation": "stepAfter"}
    return found


def _overrides(spec: Panel) -> Iterator[dict[str, Any]]:
    for name in spec.shows:
        metric = metrics()[name]
        properties = {"displayName": metric.label, **_measured(metric, spec.kind)}
        yield _by_name(name, properties | (_alarming(spec.kind) if name == "breached" else {}))
        if any(name + BEFORE in asked for asked in spec.asks):
            behind = BEHIND if spec.kind in LINES else {"color": BEHIND["color"]}
            yield _by_name(name + BEFORE, {**properties, "displayName": f"{metric.label}, before", **behind})
    for name in spec.names:
        properties = {"displayName": LABELS[name]}
        if name.endswith("_at"):
            properties["unit"] = "dateTimeFromNow"
        if name == "month":
            properties["unit"] = "time:YYYY-MM"
        if name in ("low", "high"):
            properties |= {"unit": "percentunit", **BEHIND}
        if name.endswith("url"):
            properties["links"] = [{"title": "Open the post", "url": "${__value.raw}", "targetBlank": True}]
        if name == "account":
            there = "/d/rapport-account?var-account=${__value.raw:percentencode}&${__url_time_range}"
            properties["links"] = [{"title": "This account", "url": there}]
        yield _by_name(name, properties)
    if spec.axis == "seconds":
        yield _by_name("seconds", {"displayName": "Waited", "unit": "s"})


def _measured(metric: Metric, kind: Kind) -> dict[str, Any]:
    """Return the unit of a metric: durations as people say them where they stand as words, with two parts: 3 hours, 12 minutes."""
    if metric.unit == "seconds" and kind in ("stat", "table"):
        return {"unit": "dtdurations", "decimals": 1}
    if metric.unit == "share":
        return {"unit": "percentunit", "decimals": 0}
    return {"unit": UNITS.get(metric.unit, "locale"), **({"decimals": 1} if metric.name == "tie_strength" else {})}


def _alarming(kind: Kind) -> dict[str, Any]:
    """Return what makes a number red: where it stands as one, only if it is not 0."""
    if kind in LINES:
        return {"color": {"mode": "fixed", "fixedColor": "red"}}
    steps = [{"color": "text", "value": None}, {"color": "red", "value": 1}]
    coloured = {"custom.cellOptions": {"type": "color-text"}} if kind == "table" else {}
    return {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}, **coloured}


def _by_name(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def _options(spec: Panel) -> dict[str, Any]:
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
    tooltip = {"mode": "multi", "sort": "none"}
    match spec.kind:
        case "stat":
            reduced = {"calcs": ["lastNotNull"], "fields": "/.*/", "values": False}
            return {"reduceOptions": reduced, "textMode": "value_and_name", "colorMode": "value", "graphMode": "none"}
        case "trend":
            return {"legend": legend, "tooltip": tooltip, "xField": spec.axis}
        case "timeseries":
            return {"legend": legend, "tooltip": tooltip}
        case _:
            return {"showHeader": True, "cellHeight": "sm"}
