"""Campaigns as `rapport.toml` has them, and what is refused."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.errors import SettingsError
from tests.brands_file import load, mistake

FILE = """\
[campaigns.summer]
hashtags = ["#Summer", "acmeSummer"]
links = ["https://acme.example/summer"]
curators = ["cara"]
accounts = ["x:17919972"]
from = 2026-06-01
to = 2026-09-01T12:00:00+02:00
"""


def test_a_campaign_is_read(tmp_path: Path) -> None:
    (summer,) = load(FILE, tmp_path).campaigns.values()
    assert summer.bare_hashtags == ["Summer", "acmeSummer"]
    assert (summer.links, summer.curators, summer.accounts) == (
        ("https://acme.example/summer",),
        ("cara",),
        ("x:17919972",),
    )
    assert summer.since == datetime(2026, 6, 1, tzinfo=UTC)
    assert summer.until == datetime(2026, 9, 1, 10, tzinfo=UTC)
    local = load(FILE.replace("2026-06-01", "2026-06-01T08:30:00"), tmp_path).campaigns["summer"]
    assert local.since == datetime(2026, 6, 1, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "instead", "where", "said"),
    [
        ("curators", "curator", "line 4: campaigns.summer.curator", "no such key"),
        ('"#Summer"', '"sum mer"', "line 2: campaigns.summer.hashtags.0", "one word"),
        ('"https://acme.example/summer"', '"acme.example"', "line 3: campaigns.summer.links.0", "begins with"),
        ('"x:17919972"', '"acme"', "line 5: campaigns.summer.accounts.0", "network:account_id"),
        ('"cara"', '" "', "line 4: campaigns.summer.curators.0", "author_id"),
        ("from = 2026-06-01", "", "line 1: campaigns.summer.from", "it is missing"),
        ("2026-06-01", '"2026-06-01"', "line 6: campaigns.summer.from", "without quotes"),
        ("2026-06-01", "2026-09-01T10:00:00Z", "line 7: campaigns.summer.to", "before it begins"),
        ("[campaigns.summer]", "[campaigns.'so mmer']", "line 1: campaigns.so mmer", "should match"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(line: str, instead: str, where: str, said: str, tmp_path: Path) -> None:
    told = mistake(FILE, line, instead, tmp_path)
    assert where in told
    assert said in told


def test_something_must_tell_its_posts(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"line 1: campaigns\.summer: .*give it hashtags or links"):
        load('[campaigns.summer]\ncurators = ["cara"]\nfrom = 2026-06-01\nto = 2026-07-01\n', tmp_path)
