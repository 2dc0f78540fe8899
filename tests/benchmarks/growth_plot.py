"""Draws the figures of `make growth`: plain SVG, readable on light and dark, as docs/pipeline.svg is."""

from collections.abc import Sequence
from math import ceil, log10
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

WIDTH: Final = 440
"""Of a panel."""
HEIGHT: Final = 300
LEFT: Final = 56
RIGHT: Final = 16
TOP: Final = 44
BOTTOM: Final = 56
LEGEND: Final = 22
MOST_LINES: Final = 6
"""Of the grid."""
FONT: Final = 'font-family="system-ui, sans-serif" font-size="14" role="img" aria-labelledby="title"'
STYLE: Final = """\
    text { fill: #1f2328 } .small { font-size: 12px; fill: #59636e }
    path { fill: none; stroke-width: 2 } .grid { stroke: #d1d9e0; stroke-width: 1 }
    .a { stroke: #0969da } .b { stroke: #bc4c00 }
    .c { stroke: #0969da; stroke-dasharray: 6 4 } .d { stroke: #bc4c00; stroke-dasharray: 6 4 }
    circle { fill: #59636e }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #3d444d } circle { fill: #9198a1 }
      .a, .c { stroke: #4493f8 } .b, .d { stroke: #f0883e }
    }"""


class Line(NamedTuple):
    """One line of a panel."""

    name: str
    points: Sequence[tuple[float, float]]
    """How many, and microseconds."""


class Panel(NamedTuple):
    """One plot: by what, and its lines."""

    by: str
    lines: Sequence[Line]


def plot(panels: Sequence[Panel]) -> str:
    """Return the panels side by side, with one scale of microseconds and a legend below."""
    most = max(cost for panel in panels for line in panel.lines for _, cost in line.points)
    grid = _grid(most)
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
    classes = dict(zip(names, "abcd", strict=False))
    height = HEIGHT + LEGEND * ceil(len(names) / 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(panels)} {height}" {FONT}>',
        f'  <title id="title">CPU microseconds of an event by {escape(" and by ".join(it.by for it in panels))}</title>',
        f"  <style>\n{STYLE}\n  </style>",
    ]
    for index, panel in enumerate(panels):
        parts += [f'  <g transform="translate({index * WIDTH} 0)">', *_panel(panel, grid, classes), "  </g>"]
    for index, name in enumerate(names):
        x, y = LEFT + WIDTH * (index % 2), HEIGHT + LEGEND * (index // 2)
        parts.append(f'  <path class="{classes[name]}" d="M{x} {y}h32"/><text x="{x + 40}" y="{y + 5}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _grid(most: float) -> list[float]:
    """Return round distances from 0 to above ``most``."""
    magnitude = 10.0 ** int(log10(most / MOST_LINES))
    step = next(magnitude * it for it in (1, 2, 5, 10) if magnitude * it * MOST_LINES >= most)
    return [step * it for it in range(ceil(most / step) + 1)]


def _panel(panel: Panel, grid: Sequence[float], classes: dict[str, str]) -> list[str]:
    counts = sorted({count for line in panel.lines for count, _ in line.points})
    low, high = log10(counts[0]), log10(counts[-1])
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def across(count: float) -> float:
        return round(LEFT + wide * (0.05 + 0.9 * (log10(count) - low) / (high - low or 1)), 1)

    def up(cost: float) -> float:
        return round(TOP + tall * (1 - cost / grid[-1]), 1)

    found = [f'    <text x="{LEFT}" y="24">CPU µs an event</text>']
    for cost in grid:
        y = up(cost)
        found.append(f'    <path class="grid" d="M{LEFT} {y}h{wide}"/>')
        found.append(f'    <text class="small" text-anchor="end" x="{LEFT - 8}" y="{y + 4}">{cost:g}</text>')
    base = HEIGHT - BOTTOM
    found += [
        f'    <text class="small" text-anchor="middle" x="{across(it)}" y="{base + 18}">{it:,}</text>' for it in counts
    ]
    found.append(f'    <text text-anchor="middle" x="{LEFT + wide // 2}" y="{base + 38}">{escape(panel.by)}</text>')
    for line in panel.lines:
        places = [(across(count), up(cost)) for count, cost in line.points]
        found.append(f'    <path class="{classes[line.name]}" d="M{"L".join(f"{x} {y}" for x, y in places)}"/>')
        found += [f'    <circle cx="{x}" cy="{y}" r="3"/>' for x, y in places]
    return found
