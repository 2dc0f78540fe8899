"""Targets of their own, as rapport.toml has them: what is refused, and which mentions they are for."""

from pathlib import Path

import pytest

from streams.interactions import interaction
from tests.brands_file import load, mistake

FILE = """\
[defaults]
target_minutes = 60

[[rules]]
name = "vip"
contacts = ["7"]
contacts_file = "vip.txt"
target_minutes = 5

[[rules]]
name = "billing"
networks = ["x"]
languages = ["de", "en"]
keywords = ["refund", "#scam", "double  charge", "größe"]
target_minutes = 15

[[rules]]
name = "acme"
accounts = ["mastodon:acme"]
target_minutes = 120
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where rapport.toml is, with a list of contacts beside it, and a file that is none."""
    (tmp_path / "vip.txt").write_text("8\n\n  9 \n", "utf-8")
    (tmp_path / "latin.txt").write_bytes(b"\xff")
    return tmp_path


@pytest.mark.parametrize(
    ("right", "wrong", "line", "says"),
    [
        ('name = "acme"', 'name = "vip"', 4, "rules: two are called vip: give each its own name"),
        ('accounts = ["mastodon:acme"]\n', "", 17, "rules.2: it is for every mention: name accounts or networks or"),
        ('accounts = ["mastodon:acme"]', "accounts = []", 17, "rules.2: it is for every mention"),
        ('["7"]\ncontacts_file = "vip.txt"', '[]\ncontacts_file = "no.txt"', 7, "no.txt cannot be read (No such file or"),
        ('"vip.txt"', '"latin.txt"', 7, "latin.txt cannot be read (not UTF-8): name a file that has a contact's id"),
        ('["7"]', "[7]", 6, "rules.0.contacts.0: Input should be a valid string"),
        ('"de"', '"DE"', 13, "rules.1.languages.0"),
        ('"refund"', '""', 14, "rules.1.keywords.0"),
        ('keywords = ["', 'campaigns = ["sumer"]\nkeywords = ["', 14, "there is no sumer among the campaigns of the file"),
        ("target_minutes = 15", "target_minutes = 0", 15, "rules.1.target_minutes: Input should be greater than 0"),
        ('name = "billing"', 'name = "bil ling"', 11, "rules.1.name"),
        ("networks", "network", 12, "rules.1.network: there is no such key"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_what_to_do(
    right: str, wrong: str, line: int, says: str, folder: Path
) -> None:
    said = mistake(FILE, right, wrong, folder)
    assert says in said
    assert f"rapport.toml, line {line}: " in said


@pytest.mark.parametrize(
    ("account", "author", "lang", "text", "rule", "minutes"),
    [
        ("x:acme", "7", "en", "", "vip", 5),
        ("x:acme", "9", "en", "a refund, please", "vip", 5),
        ("x:acme", "1", "en", "a REFUND, please", "billing", 15),
        ("x:acme", "1", "fr", "a refund, please", "", 60),
        ("x:acme", "1", "", "a refund, please", "", 60),
        ("x:acme", "1", "de", "nonrefundable", "", 60),
        ("x:acme", "1", "de", "what a #SCAM!", "billing", 15),
        ("x:acme", "1", "de", "what a scam!", "", 60),
        ("x:acme", "1", "en", "a double\ncharge", "billing", 15),
        ("x:acme#3", "1", "de", "Welche GRÖSSE? Die Größe", "billing", 15),
        ("mastodon:acme", "1", "de", "a refund", "acme", 120),
        ("mastodon:other", "1", "de", "a refund", "", 60),
    ],
)
def test_the_first_that_fits_counts(  # noqa: PLR0913, PLR0917 - what a mention is made of
    account: str, author: str, lang: str, text: str, rule: str, minutes: int, folder: Path
) -> None:
    targets = load(FILE, folder).targets(account)
    mention = interaction(kind="mention", account=account, author_id=author, lang=lang, text=text)
    assert targets.rule_of(mention) == rule
    assert targets.target_of(rule) == minutes * 60_000


def test_a_rule_that_is_gone_leaves_the_target_of_the_account(folder: Path) -> None:
    assert load(FILE, folder).targets("x:acme").target_of("summer") == 60 * 60_000


CAMPAIGN = """
[[rules]]
name = "launch"
campaigns = ["summer"]

[campaigns.summer]
hashtags = ["summer"]
links = ["https://acme.example/summer"]
accounts = ["x:acme"]
from = 2026-06-01
to = 2026-07-01
"""
JUNE = 1_780_272_000_000
"""2026-06-01 00:00 UTC."""


@pytest.mark.parametrize(
    ("account", "at", "text", "is_of"),
    [
        ("x:acme", JUNE, "so good #Summer!", True),
        ("x:acme#2", JUNE, "see https://ACME.example/summer?a=1", True),
        ("x:acme", JUNE, "summer", False),
        ("x:acme", JUNE, "#summertime", False),
        ("x:acme", JUNE, "https://acme.example/", False),
        ("x:acme", JUNE - 1, "#summer", False),
        ("x:acme", JUNE + 30 * 86_400_000 - 1, "#summer", True),
        ("x:acme", JUNE + 30 * 86_400_000, "#summer", False),
        ("x:other", JUNE, "#summer", False),
    ],
)
def test_a_rule_may_be_for_what_a_campaign_is_named_in(
    account: str,
    at: int,
    text: str,
    is_of: bool,  # noqa: FBT001
    folder: Path,
) -> None:
    targets = load("[defaults]\ntarget_minutes = 40\n" + CAMPAIGN, folder).targets(account)
    mention = interaction(kind="mention", account=account, author_id="ann", text=text, published_at=at)
    assert targets.rule_of(mention) == ("launch" if is_of else "")
    assert targets.target_of("launch") == 40 * 60_000, "without a target of its own, that of the account"
