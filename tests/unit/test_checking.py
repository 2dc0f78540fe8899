"""What `rapport check` finds in rapport.toml: every table, and every secret that it names."""

from pathlib import Path

import pytest

from streams.checking import in_file
from streams.errors import SettingsError
from tests.brands_file import load

MASTODON = """
[connectors.fediverse]
type = "mastodon"
accounts = ["mastodon:acme@social.example"]
instance = "https://social.example"
token_file = "{folder}/mastodon"
"""
WEBHOOK = """
[connectors.shop]
type = "webhook"
secret_file = "{folder}/shop"
"""
RECEIVERS = """
[receivers.hook]
type = "webhook"
url = "https://ops.acme.example/"
secret_env = "HOOK"

[receivers.team]
type = "email"
host = "mail.acme.example"
from = "rapport@acme.example"
to = ["team@acme.example"]
page = "https://rapport.acme.example"
link_secret_env = "LINKS"
"""
FILES = {"mastodon": "t0ken", "shop": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
VARIABLES = {"HOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "LINKS": "0123456789abcdef" * 4}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, secret in FILES.items():
        (tmp_path / name).write_text(secret, "utf-8")
    for name, secret in VARIABLES.items():
        monkeypatch.setenv(name, secret)
    return write(tmp_path, MASTODON + WEBHOOK + RECEIVERS)


def write(folder: Path, text: str) -> Path:
    load(text := text.format(folder=folder), folder)  # it is right as far as the others see
    (folder / "rapport.toml").write_text(text, "utf-8")
    return folder / "rapport.toml"


def test_nothing_is_wrong(file: Path) -> None:
    assert in_file(file) == []
    assert in_file(None) == []


def test_every_secret_that_cannot_be_read_is_named_and_none_is_said(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FILES:
        (file.parent / name).unlink()
    for name in VARIABLES:
        monkeypatch.delenv(name)
    where = ["connectors.fediverse", "connectors.shop", "receivers.hook", "receivers.team"]
    problems = in_file(file)
    assert [problem.partition(":")[0] for problem in problems] == where
    for problem, said in zip(
        problems, ["mastodon cannot be read", "shop cannot be read", "HOOK", "LINKS"], strict=True
    ):
        assert said in problem


@pytest.mark.parametrize(
    ("name", "secret", "said"),
    [
        ("shop", "whsec_not base64 at all", "connectors.shop"),
        ("HOOK", "nonsense!", "receivers.hook: its secret is none (a secret of the webhook is not base64)"),
        ("LINKS", "short", "receivers.team: its secret is none (a key that signs links has at least"),
    ],
)
def test_a_secret_that_is_none_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str, secret: str, said: str
) -> None:
    if name in FILES:
        (file.parent / name).write_text(secret, "utf-8")
    else:
        monkeypatch.setenv(name, secret)
    (problem,) = in_file(file)
    assert said in problem
    assert secret not in problem


def test_of_several_tables_that_are_wrong_each_is_named_with_its_line(file: Path) -> None:
    text = (
        file.read_text("utf-8")
        .replace('instance = "https', 'instance = "ftp')
        .replace("[connectors.shop]", "[connectors.shop]\ncolour = 1")
    )
    file.write_text(text, "utf-8")
    assert [problem.split(": ")[:2] for problem in in_file(file)] == [
        [f"{file}, line 5", "connectors.fediverse.instance"],
        [f"{file}, line 9", "connectors.shop.colour"],
    ]


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "rapport.toml").write_text("[connectors", "utf-8")
    with pytest.raises(SettingsError, match="is not TOML"):
        in_file(tmp_path / "rapport.toml")


def test_what_hubs_sign_by_is_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = """
[connectors.blog]
type = "feed"
accounts = ["blog:acme"]
callback = "https://listen.acme.example/v1/webhooks/blog"
secret_env = "HUB"
feeds = [{{ address = "https://blog.acme.example/feed/", holds = "posts" }}]
"""
    monkeypatch.setenv("HUB", "short")
    (problem,) = in_file(write(tmp_path, feed))
    assert problem.startswith("the secret of connectors.blog is none")
