"""``[connectors.NAME]`` of both kinds in one file: each command takes its own."""

from pathlib import Path

import pytest

from streams.config import load_brands
from streams.connecting.tables import load_tables
from streams.errors import SettingsError
from streams.listener.making import hooks_of

FILE = """\
[connectors.masto]
type = "mastodon"
instance = "https://mastodon.example"
accounts = ["mastodon:acme@mastodon.example"]
token_env = "MASTO_TOKEN"

[connectors.crm]
type = "webhook"
secret_env = "CRM_SECRET"
accounts = ["x:*"]
"""


def test_each_command_passes_over_what_is_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    file = tmp_path / "rapport.toml"
    file.write_text(FILE)
    assert list(load_tables(file)) == ["masto"]
    assert [hook.name for hook in hooks_of(load_brands(file), file)] == ["crm"]


def test_a_type_that_nobody_knows_is_said(tmp_path: Path) -> None:
    file = tmp_path / "rapport.toml"
    file.write_text(FILE.replace('"mastodon"', '"pigeon"', 1))
    with pytest.raises(SettingsError, match="no such type of connector"):
        load_tables(file)
