"""A report as one HTML page that can be mailed: no scripts, nothing to fetch, pictures drawn into it."""

from collections.abc import Iterator, Sequence
from html import escape
from math import log
from typing import Final

from schemas.metrics import metrics
from streams.reporting.report import REACHED, SHOWN, Change, Curve, Report, Row
from streams.reporting.written import heading, in_words, said, words

WIDTH: Final = 320
HEIGHT: Final = 120
SHORTEST: Final = 60.0
"""Seconds at the left of a picture; the axis is logarithmic, since a minute matters in an hour and not in a week."""
LONGEST: Final = 7 * 86_400.0
MARKS: Final = ((60, "1 min"), (900, "15 min"), (3_600, "1 h"), (21_600, "6 h"), (86_400, "1 d"), (604_800, "7 d"))
STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 82rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem } p, li { max-width: 48rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .5rem; text-align: right; vertical-align: top; border-bottom: 1px solid #ddd; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
small, .other { color: #777; font-size: .85em; display: block }
.good { color: #067a46 } .bad { color: #b3261e }
.curves { display: flex; flex-wrap: wrap; gap: 1.5rem } figure { margin: 0 }
svg text { font-size: 9px; fill: #777 }
"""


def html(report: Report) -> str:
    """Return the page."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    say, period = words(report.period), escape(str(report.period))
    yield f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(say.title)}, {period}</title>'
    yield f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(say.title)}</h1>"
    yield f"<p>{period}; compared with {say.other}, {escape(str(report.period.other))}.</p>"
    if report.changes:
        yield f"<h2>{say.most}</h2>\n<ul>"
        yield from (f"<li{_class(change)}>{escape(in_words(change, say))}</li>" for change in report.changes)
        yield "</ul>"
    yield "<h2>Accounts</h2>"
    yield from _table(report, SHOWN)
    yield f"<p><small>Small figures: {say.other}.</small></p>"
    if report.period.campaign:
        yield "<h2>Who spoke of it</h2>"
        yield from _table(report, REACHED)
    drawn = [row for row in report.rows if row.curve]
    if drawn:
        yield "<h2>How long people wait</h2>"
        yield "<p>The share of all who wrote that has no answer yet after so long, those never answered included."
        yield f'Grey: {say.other}. The lower, the better.</p>\n<div class="curves">'
        yield from (f"<figure><figcaption>{escape(row.account)}</figcaption>{_picture(row)}</figure>" for row in drawn)
        yield "</div>"
    yield "<h2>What each figure is</h2>\n<ul>"
    explained = (*SHOWN, *(REACHED if report.period.campaign else ()))
    yield from (f"<li>{escape(heading(name))}: {_definition(name)}</li>" for name in explained)
    yield "</ul>\n</body>\n</html>"


def _table(report: Report, names: Sequence[str]) -> Iterator[str]:
    yield "<table>\n<tr><th>account</th>"
    yield ("".join(f'<th title="{_definition(name)}">{escape(heading(name))}</th>' for name in names) + "</tr>")
    for row in report.rows:
        yield f"<tr><td>{escape(row.account)}</td>{''.join(_cell(row, name) for name in names)}</tr>"
    yield "</table>"


def _definition(name: str) -> str:
    return escape(metrics()[name].definition.replace("`", ""))


def _class(change: Change) -> str:
    return "" if change.good is None else f' class="{"good" if change.good else "bad"}"'


def _cell(row: Row, name: str) -> str:
    other = f'<span class="other">{escape(said(row.other, name))}</span>' if name in row.other else ""
    return f"<td>{escape(said(row.now, name))}{other}</td>"


def _picture(row: Row) -> str:
    lines = "".join(
        f'<line x1="{_across(seconds):.1f}" x2="{_across(seconds):.1f}" y1="0" y2="{HEIGHT}" stroke="#eee"/>'
        f'<text x="{_across(seconds):.1f}" y="{HEIGHT + 12}" text-anchor="middle">{text}</text>'
        for seconds, text in MARKS
    )
    half = f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT / 2}" y2="{HEIGHT / 2}" stroke="#ddd" stroke-dasharray="3"/>'
    levels = "".join(
        f'<text x="-4" y="{HEIGHT * (1 - level) + 3}" text-anchor="end">{level:.0%}</text>' for level in (0, 0.5, 1)
    )
    box = f'viewBox="-34 -6 {WIDTH + 54} {HEIGHT + 24}" width="{WIDTH + 54}" role="img" aria-label="time to answer"'
    return f"<svg {box}>{lines}{half}{levels}{_path(row.curve_other, '#bbb')}{_path(row.curve, '#1a5fb4')}</svg>"


def _path(curve: Curve, colour: str) -> str:
    """Draw a curve as the steps that it is."""
    height, steps = 0.0, ["M0,0"]
    for seconds, share in curve:
        steps.append(f"H{_across(seconds):.1f}")
        height = HEIGHT * (1 - share)
        steps.append(f"V{height:.1f}")
    return f'<path d="{"".join(steps)}" fill="none" stroke="{colour}" stroke-width="1.5"/>' if curve else ""


def _across(seconds: float) -> float:
    inside = min(max(seconds, SHORTEST), LONGEST)
    return WIDTH * log(inside / SHORTEST) / log(LONGEST / SHORTEST)
