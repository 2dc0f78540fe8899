"""What a report says, and how it is written."""

import csv
import os
import re
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from rich.console import Console

from sinks.clickhouse.campaigns import Campaign, name_campaigns
from sinks.clickhouse.queries import Period
from streams.errors import SettingsError
from streams.reporting import written
from streams.reporting.page import html
from streams.reporting.report import REACHED, SHOWN, Report, campaign_of, period_of, report
from tests.clickhouse_server import DAY, HOUR, MINUTE, NOON, at, embedded, put, record
from tests.processes import ROOT

PERIOD = Period(at(NOON), at(NOON + DAY))


def turns(client: Client, account: str, start: int, answered_in: list[int | None], **posted: Any) -> None:  # noqa: ANN401
    """Store a turn for each time to answer, all opened within the first two hours, their mentions, and their panes."""
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
        record(
            "interaction",
            id=row["turn_id"],
            account=account,
            published_at=row["opened_at"],
            author_id=f"u{n % 7}",
            **posted,
        )
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
    assert [large.other[name] for name in shown] == [100, 7, 100, 0.9, 1800, 1800, 0.9]
    assert (new.other, small.now["half_within"], small.now["ninety_within"]) == ({}, 1800, None)
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
    assert (
        written.in_words(sooner, written.words(PERIOD)) == "n:large answers later: half within 2 h 00 m, before 30 min"
    )
    assert written.in_words(hour, written.words(PERIOD)) == "n:large: Answered within 1 h, share down, 40%, before 90%"


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
    assert period_of(clickhouse, None, at(NOON), 1).other == Period(at(NOON - 2 * DAY), at(NOON - DAY))
    with pytest.raises(SettingsError, match="before it begins"):
        period_of(clickhouse, at(NOON), at(NOON), 7)


def in_summer(client: Client) -> None:
    """Store a campaign that is answered sooner than all else, and an account to which nobody speaks of it."""
    turns(client, "n:brand", NOON, [10 * MINUTE] * 55 + [None] * 5, hashtags=["Summer"], author_followers=100)
    turns(client, "n:brand", NOON + 2 * HOUR, [30 * MINUTE] * 20 + [3 * HOUR] * 30 + [None] * 10)
    turns(client, "n:other", NOON, [30 * MINUTE] * 9)


SUMMER = Campaign("summer", ["summer"], [], ["u1"], [], at(NOON - HOUR), at(NOON + 9 * DAY))


@pytest.fixture
def summer(clickhouse: Client) -> Report:
    in_summer(clickhouse)
    name_campaigns(clickhouse, [SUMMER])
    return report(clickhouse, campaign_of(clickhouse, "summer", None, None))


def test_a_campaign_is_compared_with_all_else_in_its_time(summer: Report) -> None:
    assert summer.period == Period(at(NOON - HOUR), at(NOON + 3 * HOUR), "summer")  # nothing was counted after that
    (row,) = summer.rows
    shown = ("mentions", "contacts", "turns", "response_rate", "half_within", "within_15m")
    assert [row.now[name] for name in shown] == [60, 7, 60, pytest.approx(55 / 60), 600, pytest.approx(55 / 60)]
    assert [row.other[name] for name in shown[:4]] == [60, 7, 60, pytest.approx(50 / 60)]
    reached = [row.now[name] for name in REACHED]
    assert reached == [60, 7, 700, 9, pytest.approx(9 / 60), 100]
    names = {change.metric.name for change in summer.changes}
    assert names >= {"half_within", "within_15m"}
    assert "mentions" not in names  # that it is smaller or larger than all else says nothing


def test_every_form_says_what_came_of_a_campaign(summer: Report) -> None:
    say = written.words(summer.period)
    said = [written.in_words(change, say) for change in summer.changes]
    assert any(re.fullmatch(r"n:brand answers sooner: half within 10 min, elsewhere .*", line) for line in said)
    assert "n:brand: Answered within 15 min, share higher, 92%, elsewhere 0%" in said
    lines = list(csv.DictReader(StringIO(written.table(summer))))
    assert len(lines) == len(SHOWN) + len(REACHED)
    assert {"metric": "reach", "value": "700", "elsewhere": ""}.items() <= lines[len(SHOWN) + 2].items()
    text = written.markdown(summer)
    assert text.startswith("# How well each account listened and answered in the campaign summer\n")
    assert "| n:brand | 60 | 7 | 700 | 9 | 15% | 100 |" in text
    assert "In brackets, all else in the same time." in text
    printed = Console(file=StringIO(), width=200)
    printed.print(written.terminal(summer))
    shown = printed.file.getvalue()  # type: ignore[attr-defined]
    assert "Where it differs most from all else in the same time" in shown
    assert re.search(r"Who spoke of it\s+account +posts +authors +reach +by curators +curators' share", shown)
    page = html(summer)
    assert "in the campaign summer" in page
    assert "<td>700</td>" in page
    assert page.count("</") == len(re.findall(r"<(?!/|!|meta|line|path)[a-z]", page))
    for form in (text, shown, page):
        assert "before" not in form


def test_a_campaign_may_be_asked_about_at_another_time(clickhouse: Client, summer: Report) -> None:
    assert summer.rows
    assert campaign_of(clickhouse, "summer", at(NOON), at(NOON + HOUR)) == Period(at(NOON), at(NOON + HOUR), "summer")
    with pytest.raises(SettingsError, match="knows no campaign winter \\(but summer\\)"):
        campaign_of(clickhouse, "winter", None, None)
    with pytest.raises(SettingsError, match="before it begins"):
        campaign_of(clickhouse, "summer", at(NOON + DAY), None)


def test_a_campaign_is_named_in_a_file_and_asked_about(tmp_path: Path) -> None:
    with embedded(tmp_path / "data" / "clickhouse") as client:
        in_summer(client)
    file = tmp_path / "rapport.toml"
    file.write_text('[campaigns.summer]\nhashtags = ["#SUMMER"]\nfrom = 2023-11-15\nto = 2023-12-01\n', "utf-8")

    def rapport(*command: str, **variables: str) -> str:
        whole = [sys.executable, "-m", "streams", *command, "--embedded", str(tmp_path / "data")]
        environment = {**os.environ, **variables}
        done = subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
        assert done.stderr == ""
        return done.stdout

    assert rapport("migrate", RAPPORT_ACCOUNTS_FILE=str(file)) == "nothing to do\n"
    assert "n:brand,mentions,messages,60,60," in rapport("report", "--campaign", "summer", "--format", "csv")
    rapport("migrate")  # without the file, it stays as it is
    assert "| n:brand | 60 | 7 | 700 |" in rapport("report", "--campaign", "summer", "--format", "markdown")


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
