"""`rapport connectors new` writes a connector that passes the contract as it stands, and the linters."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.connecting.template import write
from streams.errors import SettingsError
from tests.processes import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of Rapport as the contract of connectors needs."""
    for folder in ("streams", "schemas", "sinks", "tests/connectors", "docs/connectors"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_new_connector_passes_the_contract(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    result = CliRunner().invoke(app, ["connectors", "new", "chatter"])
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "streams/connectors/chatter.py",
        "tests/connectors/chatter_network.py",
        "docs/connectors/chatter.md",
        "streams/connectors/making.py",
        "next: pytest tests/connectors -k chatter",
    ]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)

    suite = run("pytest", "tests/connectors/test_contract.py", "-k", "chatter", "-p", "no:cacheprovider")
    assert suite.returncode == 0, suite.stdout
    assert "skipped" not in suite.stdout
    for tool in (["ruff", "check"], ["ruff", "format", "--check"]):
        found = run(*tool, "--no-cache", "streams/connectors", "tests/connectors/chatter_network.py")
        assert found.returncode == 0, found.stdout


def test_nothing_is_written_over(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = (checkout / "streams/connectors/mastodon.py").read_bytes()
    for name, root, said in (
        ("mastodon", checkout, "is there already"),
        ("My Net", checkout, "is no name"),
        ("chatter", tmp_path_factory.mktemp("elsewhere"), "is no checkout"),
    ):
        with pytest.raises(SettingsError, match=said):
            write(name, root)
    assert (checkout / "streams/connectors/mastodon.py").read_bytes() == before
