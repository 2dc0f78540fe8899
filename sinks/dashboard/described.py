"""What OpenAPI says of the API's answers: the words of the catalogue for every figure in them.

Answers are encoded by hand, so FastAPI does not know what is in them; these schemas are beside them for whoever reads
``/api/v1/openapi.json``.
"""

from collections.abc import Iterable
from typing import Any, Final

from schemas.metrics import Metric, metrics
from schemas.views import in_words
from sinks.clickhouse.explanation import EXPLAINED_VIEWS


def listed(chosen: Iterable[Metric]) -> str:
    """Return metrics in words, as a Markdown list."""
    return "\n".join(f"- `{metric.name}`: {in_words(metric)}" for metric in chosen)


def of(*views: str) -> list[Metric]:
    """Return the metrics that views have."""
    return [metric for metric in metrics().values() if {*views} & {*metric.views}]


EXPLAINED: Final = of(*EXPLAINED_VIEWS)
"""The metrics that ``/explain`` tells of."""
COURSE: Final = [
    metrics()[name]
    for name in (
        *("unanswered", "breached", "half_within", "ninety_within", "within_15m", "within_1h"),
        *("mentions", "replies", "reply_share"),
    )
]
"""Those of ``course.sql``."""


def rows(key: str, shown: Iterable[Metric], *, paged: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that answers with rows of metrics under ``key``; ``paged``: it says where it goes on."""
    row = {"type": "object", "properties": {metric.name: _schema(metric) for metric in shown}}
    following = (
        {"next": {"type": "string", "description": "the `cursor` of the next page; empty: there is none"}}
        if paged
        else {}
    )
    answer = {"type": "object", "properties": {key: {"type": "array", "items": row}, **following}}
    return {200: {"description": "Rows with these figures", "content": {"application/json": {"schema": answer}}}}


def _schema(metric: Metric) -> dict[str, Any]:
    """Return the JSON schema of a metric's values; null where there is nothing to divide by, or to measure."""
    kind = (
        {"type": ["string", "null"], "format": "date-time"} if metric.unit == "time" else {"type": ["number", "null"]}
    )
    return {"title": metric.label, "description": in_words(metric), **kind}
