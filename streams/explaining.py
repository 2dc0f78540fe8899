"""``rapport explain``: a number with its definition, what it is made of, and the posts behind it, as people read it."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from schemas.wording import duration, figure
from sinks.clickhouse.explanation import Explanation, Part

CLOSE: Final = 0.011
"""Quantiles of the stream come from histograms of 1 % relative error: the facts may differ by so much."""


def explained(explanation: Explanation) -> Group:
    """Return what to print."""
    return Group(*_parts(explanation))


def _parts(explanation: Explanation) -> Iterator[RenderableType]:
    metric = explanation.metric
    start, end = (f"{time:%Y-%m-%d %H:%M}" for time in (explanation.start, explanation.end))
    yield Text.assemble((f"{metric.label}: {figure(explanation.value, metric.unit)}", "bold"))
    yield Text(f"{explanation.account}, {start} to {end} UTC")
    yield Text(f"{metric.name}: {metric.definition}\n".replace("`", ""))
    if explanation.under:
        yield Text(f"= {_sum(explanation.over)} ÷ {_sum(explanation.under)}\n")
    shown: set[str] = set()
    for part in (*explanation.over, *explanation.under):
        if part.metric.name not in shown:
            shown.add(part.metric.name)
            yield from _part(part)


def _sum(parts: Sequence[Part]) -> str:
    texts = [f"{figure(part.value, part.metric.unit)} {part.metric.name}" for part in parts]
    return texts[0] if len(texts) == 1 else f"({' + '.join(texts)})"


def _part(part: Part) -> Iterator[RenderableType]:
    """Show one count: what the facts make of it, and the newest of them."""
    said = f"{part.metric.name} {figure(part.value, part.metric.unit)}"
    if part.again is not None:
        said += f"; counted again from {part.metric.facts}: {figure(part.again, part.metric.unit)}"
        said += "" if _agree(part) else "  ← they differ: what came since has changed it, or the sink is behind"
    yield Text(said)
    if not part.posts:
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("time", "who", "what became of it", "after", "what was said"):
        table.add_column(name, no_wrap=name != "what was said", overflow="ellipsis")
    for post in part.posts:
        text = " ".join(post["text"].split()) or post["id"]
        said_there = f"[link={post['url']}]{escape(text)}[/link]" if post["url"].startswith("http") else escape(text)
        table.add_row(
            f"{post['at']:%m-%d %H:%M}", escape(post["contact"]), post["status"], duration(post["seconds"]), said_there
        )
    yield table


def _agree(part: Part) -> bool:
    if part.metric.unit != "seconds" or part.value is None or part.again is None:
        return part.value == part.again
    return abs(part.value - part.again) <= CLOSE * part.again
