"""What a report says, and how it is written."""

import csv
import re
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from rich.console import Console

from streams.errors import SettingsError
from streams.reporting import written
from streams.reporting.page import html
from streams.reporting.report import SHOWN, Period, Report, period_of, report
from tests.clickhouse_server import DAY, HOUR, MINUTE, NOON, put, record
from tests.integration.test_clickhouse_views import at
from tests.processes import ROOT

PERIOD = Period(at(NOON), at(NOON + DAY))


def turns(client: Client, account: str, start: int, answered_in: list[int | None]) -> None:
    """Store a turn for each time to answer, all opened within the first two hours, and the panes that count their mentions."""
    opened = [(start + number * MINUTE, lasts) for number, lasts in enumerate(answered_in)]
    rows = [
        record(
            "turn",
            account=account,
            turn_id=f"{account}{opened_at}",
            opened_at=opened_at,
            due_at=opened_at + HOUR,
            **(
                {"status": "expired"}
                if lasts is None
                else {"status": "answered", "answered_at": opened_at + lasts, "response_seconds": lasts / 1000}
            ),
        )
        for opened_at, lasts in opened
    ]
    put(client, "turn", rows)
    put(client, "pane", [record("pane", account=account, minute=opened_at, mentions=1) for opened_at, _ in opened])
    mentions = [
        record("interaction", id=row["turn_id"], account=account, published_at=row["opened_at"], author_id=f"u{n % 7}")
        for n, row in enumerate(rows)
    ]
    put(client, "interaction", mentions)


@pytest.fixture
def found(clickhouse: Client) -> Report:
    """A large account that has become slower, a small one in which hardly anything happens, one that is new."""
    turns(clickhouse, "n:large", NOON, [30 * MINUTE] * 40 + [2 * HOUR] * 50 + [None] * 10)
    turns(clickhouse, "n:large", NOON - DAY, [30 * MINUTE] * 90 + [None] * 10)
    turns(clickhouse, "n:sm<a>ll_|", NOON, [30 * MINUTE, None])
    turns(clickhouse, "n:sm<a>ll_|", NOON - DAY, [30 * MINUTE])
    turns(clickhouse, "n:new", NOON, [30 * MINUTE] * 3)
    return report(clickhouse, PERIOD)


def test_the_figures_are_of_the_period_and_of_the_one_before(found: Report) -> None:
    large, new, small = found.rows
    assert [row.account for row in found.rows] == ["n:large", "n:new", "n:sm<a>ll_|"]
    shown = ("mentions", "contacts", "turns", "response_rate", "half_within", "ninety_within", "within_1h")
    assert [large.now[name] for name in shown] == [100, 7, 100, 0.9, 7200, 7200, 0.4]
    assert [large.before[name] for name in shown] == [100, 7, 100, 0.9, 1800, 1800, 0.9]
    assert (new.before, small.now["half_within"], small.now["ninety_within"]) == ({}, 1800, None)
    assert large.curve[0] == (1800.0, pytest.approx(0.6))


def test_what_changed_most_is_what_chance_would_least_do(found: Report) -> None:
    assert {change.account for change in found.changes} == {"n:large"}
    names = [change.metric.name for change in found.changes]
    assert set(names) == {"half_within", "within_1h", "sla"}
    assert [abs(change.deviations) for change in found.changes] == sorted(
        (abs(change.deviations) for change in found.changes), reverse=True
    )
    sooner = next(change for change in found.changes if change.metric.name == "half_within")
    hour = next(change for change in found.changes if change.metric.name == "within_1h")
    assert sooner.deviations > 2
    assert hour.deviations == pytest.approx((0.4 - 0.9) / (0.65 * 0.35 * 2 / 100) ** 0.5)
    assert not sooner.good
    assert not hour.good
    assert written.in_words(sooner) == "n:large answers later: half within 2 h 00 m, before 30 min"
    assert written.in_words(hour) == "n:large: Answered within 1 h, share down, 40%, before 90%"


@pytest.mark.parametrize(("others", "said"), [(0, {"n:0"}), (20, set())])
def test_among_many_accounts_a_change_has_to_be_larger(clickhouse: Client, others: int, said: set[str]) -> None:
    """26 of 50 within an hour, and 40 before, are 3 deviations: rare for one account, and common among twenty."""
    for number in range(1 + others):
        for start, soon in ((NOON, 40 if number else 26), (NOON - DAY, 40)):
            turns(clickhouse, f"n:{number}", start, [30 * MINUTE] * soon + [2 * HOUR] * (50 - soon))
    assert {change.account for change in report(clickhouse, PERIOD).changes} == said


def test_every_form_has_every_figure(found: Report) -> None:
    lines = list(csv.DictReader(StringIO(written.table(found))))
    assert len(lines) == len(found.rows) * len(SHOWN)
    assert {"account": "n:large", "metric": "within_1h", "value": "0.4", "before": "0.9"}.items() <= lines[8].items()
    text = written.markdown(found)
    assert "| n:sm\\<a\\>ll\\_\\| | 2 (1) |" in text
    assert "40% (90%)" in text
    printed = Console(file=StringIO(), width=200)
    printed.print(written.terminal(found))
    assert "▼ n:large: Answered within 1 h, share down" in printed.file.getvalue()  # type: ignore[attr-defined]


def test_the_page_needs_nothing_else_and_what_people_write_stays_text(found: Report) -> None:
    page = html(found)
    assert "n:sm&lt;a&gt;ll_|" in page
    assert "<a>" not in page
    assert not re.search(r"<script|src=|href=|url\(|@import", page)
    assert page.count("<svg") == 3
    assert page.count("<path") == 5  # the new account has no time before
    assert page.count("</") == len(re.findall(r"<(?!/|!|meta|line|path)[a-z]", page))  # what is opened is closed


def test_a_period_is_the_last_days_of_what_there_is(clickhouse: Client, found: Report) -> None:
    assert found.rows
    end = at(NOON + 100 * MINUTE)
    assert period_of(clickhouse, None, None, 7) == Period(end - timedelta(days=7), end)
    assert period_of(clickhouse, at(NOON), None, 7) == Period(at(NOON), end)
    assert period_of(clickhouse, None, at(NOON), 1).before == Period(at(NOON - 2 * DAY), at(NOON - DAY))
    with pytest.raises(SettingsError, match="before it begins"):
        period_of(clickhouse, at(NOON), at(NOON), 7)


@pytest.mark.parametrize("command", [["report"], ["explain", "net:acme", "mentions"]])
def test_where_there_are_no_tables_one_line_says_so(command: list[str], tmp_path: Path) -> None:
    rapport = [sys.executable, "-m", "streams", *command, "--embedded", str(tmp_path)]
    done = subprocess.run(rapport, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        r"rapport: ClickHouse refuses .*: where tables are missing, run `rapport migrate`\n", done.stderr
    )


def test_nothing_is_said_of_nothing(clickhouse: Client) -> None:
    empty = report(clickhouse, PERIOD)
    printed = Console(file=StringIO(), width=100)
    printed.print(written.terminal(empty))
    assert "Nothing was measured then." in printed.file.getvalue()  # type: ignore[attr-defined]
    assert "<svg" not in html(empty)
