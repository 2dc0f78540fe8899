"""Where the page may be served, to whom, and how it ends."""

import asyncio
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from sinks.dashboard.access import Gate
from streams.cli import app
from streams.config import Brands, Settings
from streams.errors import SettingsError
from streams.serving import STOP_SECONDS, address, is_own, listen, proofs_of, serve, tokens_of
from tests.brands_file import load
from tests.clickhouse_server import embedded, put, record
from tests.processes import ROOT, Process, free_ports


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_without_tokens_the_page_is_for_its_own_machine(host: str) -> None:
    assert not is_own(host)
    with pytest.raises(SettingsError, match="make one with `rapport token NAME`"):
        listen(host, 0)


def test_with_tokens_it_may_be_for_others() -> None:
    with listen("0.0.0.0", 0, guarded=True) as listening:
        assert address(listening).startswith("http://0.0.0.0:")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_served_without(host: str) -> None:
    assert is_own(host)
    with listen(host, 0) as listening:
        port = listening.getsockname()[1]
        assert address(listening) == f"http://127.0.0.1:{port}"
        with pytest.raises(SettingsError, match=rf"127.0.0.1:{port} cannot be listened on \(.+\): give another --port"):
            listen("127.0.0.1", port)


def test_the_lines_for_the_file_let_in_whoever_has_the_token(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["token", 'ann "a"', "--accounts", "x:*, y:1"]).output
    token = said.splitlines()[0].rpartition(" ")[2]
    tokens = tokens_of(load(said.partition("For rapport.toml:\n\n")[2], tmp_path))
    found = Gate(tokens).known(token)
    assert found is not None
    assert (found.name, found.accounts, len(tokens)) == ('ann "a"', ("x:*", "y:1"), 1)
    assert Gate(tokens).known(token[:-1]) is None


def test_it_answers_until_it_is_stopped_also_while_somebody_watches(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        stop, listening = asyncio.Event(), listen("127.0.0.1", 0)
        where, port = address(listening), listening.getsockname()
        with embedded(tmp_path / "clickhouse") as client:
            serving = asyncio.create_task(serve(client, listening, Brands(), stop))
            async with httpx.AsyncClient() as browser:
                assert (await browser.get(f"{where}/api/v1/catalogue")).status_code == 200
                async with browser.stream("GET", f"{where}/api/v1/inbox/events") as watched:
                    assert watched.headers["content-type"].startswith("text/event-stream")
                    stop.set()
                    said = [line async for line in watched.aiter_lines()]
                    assert said[0] == "retry: 1000"
                    async with asyncio.timeout(STOP_SECONDS):
                        await serving
        with pytest.raises(OSError, match="refused"), socket.create_connection(port, timeout=1):
            pass

    asyncio.run(story())
    assert [it.message for it in caplog.records if it.levelname in ("WARNING", "ERROR")] == []


def test_whoever_comes_back_is_told_what_they_missed_and_no_more(tmp_path: Path) -> None:
    """As a browser does whose connection broke: it sends the id of the last event that came."""

    async def heard(browser: httpx.AsyncClient, where: str, last: str = "") -> tuple[str, str, dict[str, Any]]:
        """Return the first event that says something: its id, its name, and what it says."""
        headers = {"Last-Event-ID": last} if last else {}
        async with browser.stream("GET", f"{where}/api/v1/inbox/events", headers=headers) as watched:
            said: dict[str, str] = {}
            async for line in watched.aiter_lines():
                name, _, value = line.partition(": ")
                said[name] = value
                if not line and said.get("event") in ("all", "change"):
                    return said["id"], said["event"], json.loads(said["data"])
        raise AssertionError("the page went away")

    async def story() -> None:
        stop, listening = asyncio.Event(), listen("127.0.0.1", 0)
        where = address(listening)
        with embedded(tmp_path / "clickhouse") as client:
            serving = asyncio.create_task(serve(client, listening, Brands(), stop))
            async with httpx.AsyncClient() as browser, asyncio.timeout(30):
                first, name, _ = await heard(browser, where)
                assert name == "all"
                at = round(time.time() * 1000)
                await asyncio.to_thread(put, client, "turn", [record("turn", opened_at=at, due_at=at + 1)])
                _, name, change = await heard(browser, where, first)
                assert (name, [turn["turn_id"] for turn in change["put"]], change["gone"]) == ("change", ["n:1"], [])
                _, name, everything = await heard(browser, where, "another-7")
                assert (name, len(everything["items"])) == ("all", 1)
            stop.set()
            await serving

    asyncio.run(story())


def test_it_says_that_it_lives_beside_the_page(tmp_path: Path) -> None:
    port, page = free_ports(2)
    environment = {**os.environ, "RAPPORT_METRICS_PORT": str(port), "RAPPORT_METRICS_HOST": "127.0.0.1"}
    command = [sys.executable, "-m", "streams", "serve", "--port", str(page), "--embedded", str(tmp_path)]
    process = Process(command, tmp_path / "log", environment, ROOT)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        said = (tmp_path / "log").read_text()
        assert f"The page is at http://127.0.0.1:{page}; Ctrl-C ends it." in said, (
            "of this machine, unless told otherwise"
        )
        assert "process_resident_memory_bytes" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert process.stop() == 0
    finally:
        process.kill()


def test_without_kafka_what_is_said_is_refused_and_the_page_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        stop, listening = asyncio.Event(), listen("127.0.0.1", 0)
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            kafka = Settings(brokers=f"127.0.0.1:{nobody.getsockname()[1]}")
        with embedded(tmp_path / "clickhouse") as client:
            serving = asyncio.create_task(serve(client, listening, Brands(), stop, kafka))
            async with httpx.AsyncClient(base_url=address(listening)) as browser:
                for _ in range(2):
                    answer = await browser.post("/api/v1/alerts/acknowledge", json={"account": "n:a"}, timeout=15)
                    assert answer.status_code == 503
                    assert "Kafka has not taken it (" in answer.json()["error"]
                assert (await browser.get("/alerts")).status_code == 200
            stop.set()
            await serving

    asyncio.run(story())


ANSWERED = """
[receivers.chat]
type = "slack"
url_env = "ONLY_THE_NOTIFIER_HAS_IT"
signing_secret_env = "SIGNING"

[receivers.silent]
type = "slack"
url_env = "ONLY_THE_NOTIFIER_HAS_IT"

[receivers.mail]
type = "email"
host = "mail.acme.test"
from = "rapport@acme.test"
to = ["ops@acme.test"]
page = "https://page.acme.test"
link_secret_file = "{file}"
"""


def test_answers_are_believed_by_the_secrets_of_the_receivers_and_those_are_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "links"
    brands = load(ANSWERED.format(file=file), tmp_path)
    with pytest.raises(SettingsError, match="SIGNING is not set"):
        proofs_of(brands)
    monkeypatch.setenv("SIGNING", "secret")
    with pytest.raises(SettingsError, match="cannot be read"):
        proofs_of(brands)
    file.write_text("short")
    with pytest.raises(SettingsError, match="at least 32"):
        proofs_of(brands)
    file.write_text("a" * 32)
    proofs = proofs_of(brands)
    assert (proofs.slack(), proofs.links()) == (["secret"], ["a" * 32])
    file.write_text(f"{'b' * 32}\n{'a' * 32}\n")
    assert proofs.links() == ["b" * 32, "a" * 32]
    nobody = proofs_of(Brands())
    assert (nobody.slack(), nobody.links()) == ([], [])
