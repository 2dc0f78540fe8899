"""A number explained, as it is printed."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from schemas.metrics import metrics
from sinks.clickhouse.explanation import Explanation, Part
from streams.errors import SettingsError
from streams.explaining import explained
from streams.terminal import moment

END = datetime(2026, 3, 3, 14, 21, tzinfo=UTC)


def part(name: str, value: float, again: float | None, **post: Any) -> Part:  # noqa: ANN401 - as the columns are
    shown = {"at": END, "contact": "ann", "status": "open", "seconds": None, "text": "", "url": "", "id": "n:1"} | post
    return Part(metrics()[name], value, again, [shown] if post else [])


def printed(value: float | None, over: list[Part], under: list[Part]) -> str:
    metric = metrics()["within_1h"] if under else over[0].metric
    written = Console(file=StringIO(), width=120)
    found = Explanation(metric, "net:acme", END - timedelta(days=1), END, value, over, under)
    written.print(explained(found), crop=False)
    assert isinstance(written.file, StringIO)
    return written.file.getvalue()


def test_a_rate_shows_its_parts_and_their_posts_once() -> None:
    hits = part("within_1h_hits", 2, 2, text="Where is\nit?", seconds=90.0, status="answered")
    text = printed(0.5, [hits], [hits, part("within_1h_misses", 2, 2, text="Hello?")])
    assert "Answered within 1 h, share: 50%" in text
    assert "net:acme, 2026-03-02 14:21 to 2026-03-03 14:21 UTC" in text
    assert "= 2 within_1h_hits ÷ (2 within_1h_hits + 2 within_1h_misses)" in text
    assert text.count("within_1h_hits 2; counted again from turns: 2") == 1
    assert "Where is it?" in text
    assert "they differ" not in text


def test_a_number_that_its_facts_do_not_bear_out_says_so() -> None:
    assert "they differ" in printed(3, [part("mentions", 3, 2)], [])
    assert "they differ" not in printed(600.0, [part("response_p50", 600.0, 605.0)], [])
    assert "they differ" in printed(600.0, [part("response_p50", 600.0, 660.0)], [])


def test_what_people_write_is_text() -> None:
    text = printed(1, [part("mentions", 1, 1, text="[bold]loud[/bold] [link=x]", contact="[red]x")], [])
    assert "[bold]loud[/bold] [link=x]" in text
    assert "[red]x" in text
    assert "\x1b" not in printed(
        1, [part("mentions", 1, 1, text="\x1b]2;mine\x07", contact="\x1b[2J", url="https://n/\x1b")], []
    )


def test_a_link_is_written_out_in_a_line_of_its_own() -> None:
    """Whatever it is printed to, and however narrow that is."""
    link = "https://net.example/" + "a" * 200
    posts = [
        part("mentions", 2, 2, text=text, url=url).posts[0] for text, url in (("One", link), ("Two", "javascript:x"))
    ]
    for terminal in (False, True):
        written = Console(file=StringIO(), width=60, force_terminal=terminal)
        two = Part(metrics()["mentions"], 2, 2, posts)
        found = Explanation(metrics()["mentions"], "net:acme", END - timedelta(days=1), END, 2, [two], [])
        written.print(explained(found), crop=False)
        lines = written.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert f"[1] {link}" in lines
        assert any("One [1]" in line for line in lines)
        assert not any("javascript" in line for line in lines)


def test_a_time_is_utc_unless_it_says_otherwise() -> None:
    assert moment("2026-03-03T14:21", "--at") == END
    assert moment("2026-03-03T15:21+01:00", "--at") == END
    with pytest.raises(SettingsError, match="--at yesterday is no time"):
        moment("yesterday", "--at")
