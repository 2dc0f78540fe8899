"""``rapport explain``: a number with its definition, what it is made of, and the posts behind it, as people read it.

Links are written out, each in an unbroken line of its own: not every terminal can hide one behind words, and no pipe can.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.wording import duration, figure
from sinks.clickhouse.explanation import Explanation, Part

CLOSE: Final = 0.011
"""Quantiles of the stream come from histograms of 1 % relative error: the facts may differ by so much."""


def explained(explanation: Explanation) -> Group:
    """Return what to print, with ``crop=False``."""
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
    links: list[str] = []
    for post in part.posts:
        said_there = _shown(post["text"]) or post["id"]
        if post["url"].startswith(("https://", "http://")):
            links.append(_shown(post["url"]))
            said_there += f" [{len(links)}]"
        became = duration(post["seconds"])
        cells = (f"{post['at']:%m-%d %H:%M}", _shown(post["contact"]), post["status"], became, said_there)
        table.add_row(*map(Text, cells))
    yield table
    for number, link in enumerate(links, 1):
        yield Text(f"[{number}] {link}", no_wrap=True, overflow="ignore")
    if links:
        yield Text()


def _shown(text: str) -> str:
    """Return what somebody wrote, in one line and without what would steer a terminal."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def _agree(part: Part) -> bool:
    if part.metric.unit != "seconds" or part.value is None or part.again is None:
        return part.value == part.again
    return abs(part.value - part.again) <= CLOSE * part.again
