"""The command line: help everywhere, and every mistake one line and exit 2."""

import re
import sys
from pathlib import Path

import pytest

from streams import terminal
from streams.cli import main
from streams.errors import SettingsError
from tests.processes import ROOT, free_port

COMMANDS = (
    "demo",
    "replay",
    "revenue",
    "worker",
    "sink",
    "notify",
    "notify run",
    "notify test",
    "notify ack",
    "notify snooze",
    "notify silence",
    "notify digest",
    "connectors",
    "connectors list",
    "connectors check",
    "connectors run",
    "connectors new",
    "backfill",
    "listen",
    "serve",
    "token",
    "topics",
    "topics apply",
    "topics check",
    "topics acls",
    "migrate",
    "sql",
    "report",
    "explain",
    "check",
)


@pytest.fixture
def rapport(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # noqa: ANN201 - a function
    for name in ("RAPPORT_BROKERS", "RAPPORT_CLICKHOUSE"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}" if "CLICK" in name else f"127.0.0.1:{free_port()}")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rapport", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return run


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(rapport, command: str) -> None:  # noqa: ANN001
    code, out, err = rapport(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert f"Usage: rapport {command}".rstrip() in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "No such command 'nonsense'.* --help"),
        (["replay"], "Missing .*: see `rapport replay --help`"),
        (["replay", "x.csv", "--format", "xml"], "'xml' is not one of .*: see `rapport replay --help`"),
        (["replay", "no.csv", "--format", "twcs", "--embedded", "/tmp/x"], "no.csv cannot be read .*: name a file"),
        (["replay", "x", "--format", "twcs", "--speed", "fast"], "--speed fast is no speed: give max, live, or"),
        (["replay", "x", "--format", "twcs", "--embedded", "d", "--brokers", "b"], "--embedded brings its own Kafka"),
        (["revenue", "no.csv", "--embedded", "d", "--brokers", "b"], "--embedded brings its own Kafka"),
        (["revenue", "no.csv"], "no.csv cannot be read .*: name a file"),
        (
            ["revenue", str(ROOT / "README.md")],
            "has no column id, .*: its first line must name id, account, contact_id",
        ),
        (["demo", "--seconds", "soon"], "Invalid value for '--seconds'.*: see `rapport demo --help`"),
        (["report", "--embedded", "/nonexistent"], "there is nothing in /nonexistent: fill it with"),
        (["sql", "SELECT 1", "--embedded", "/", "--clickhouse", "u"], "name two places: leave one out"),
        (["sql", "SELECT 1", "--clickhouse", "localhost:9000"], "the address of ClickHouse is not one"),
        (
            ["report", "--clickhouse", "http://u:p@h/d"],
            "a password in --clickhouse can be read by everybody .*: leave it",
        ),
        (["topics", "acls", "nobody", "--principal", "User:x"], "'nobody' is not one of 'connector', .*: see `rapport"),
        (["sql", "SELECT 1"], r"ClickHouse at http://127.0.0.1:\d+ cannot be used \(connection refused\): start it"),
        (["connectors", "check"], r"there is no connector: add \[connectors.NAME\] to rapport.toml"),
        (["backfill", "x", "--since", "2026-01-01"], "there is no connector x: none of rapport.toml has one"),
        (["topics", "check"], r"Kafka does not answer at 127.0.0.1:\d+: start it, or set RAPPORT_BROKERS"),
        (["worker"], r"Kafka does not answer at 127.0.0.1:\d+: start it, or set RAPPORT_BROKERS"),
        (["sink"], r"Kafka does not answer at 127.0.0.1:\d+: start it, or set RAPPORT_BROKERS"),
    ],
)
def test_a_mistake_is_one_line(rapport, arguments: list[str], says: str) -> None:  # noqa: ANN001
    code, out, err = rapport(*arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(f"rapport: .*{says}.*\n", err), err


def test_check_names_all_that_is_wrong(rapport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # noqa: ANN001
    brands = tmp_path / "rapport.toml"
    brands.write_text("[defaults]\n\n[accounts.'twitter:acme']\ntarget_minutes = -1\n")
    monkeypatch.setenv("RAPPORT_ACCOUNTS_FILE", str(brands))
    code, out, _ = rapport("check")
    assert code == 2
    problems = out.splitlines()
    assert len(problems) == 3
    assert problems[0].startswith(f"{brands}, line 4: accounts.twitter:acme.target_minutes")
    assert "Kafka" in problems[1]
    assert "ClickHouse" in problems[2]


def test_a_wrong_setting_is_named(rapport, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    monkeypatch.setenv("RAPPORT_PARTITIONS", "none")
    code, _, err = rapport("worker")
    assert code == 2
    assert err.startswith("rapport: RAPPORT_PARTITIONS is wrong")
    assert err.count("\n") == 1


def test_a_password_is_never_said(rapport, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    monkeypatch.setenv("RAPPORT_CLICKHOUSE", f"http://user:s3cret@127.0.0.1:{free_port()}/db")
    assert "s3cret" not in "".join(map(str, rapport("report")))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "·"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (42, "42 s"),
        (594, "10 min"),
        (3_599, "1 h 00 m"),
        (11_520, "3 h 12 m"),
        (104_400, "29 h"),
        (187_200, "2 d 04 h"),
        (283_600_000, "3,282 d"),
    ],
)
def test_durations_as_people_say_them(seconds: float | None, said: str) -> None:
    assert terminal.duration(seconds) == said


def test_speeds() -> None:
    assert (terminal.pace("max"), terminal.pace("live"), terminal.pace("60")) == ("max", "live", 60.0)
    for nonsense in ("0", "-1", "inf", "nan", "fast"):
        with pytest.raises(SettingsError):
            terminal.pace(nonsense)
