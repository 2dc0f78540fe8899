"""What a process tells: metrics, health, readiness, and JSON lines without secrets."""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from streams import telemetry
from streams.config import load_settings
from streams.errors import SettingsError
from tests.processes import free_port


@pytest.fixture
def port() -> int:
    return free_port()


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def ready() -> list[bool]:
    return [False]


@pytest.fixture
def served(port: int, ready: list[bool]) -> Iterator[int]:
    server = telemetry.serve("127.0.0.1", port, lambda: ready[-1])
    assert server is not None
    yield port
    server.shutdown()
    server.server_close()


def test_health_and_readiness(served: int, ready: list[bool]) -> None:
    assert get(served, "/healthz") == (200, '{"alive": true}')
    assert get(served, "/readyz") == (503, '{"ready": false}')
    ready.append(True)
    assert get(served, "/readyz") == (200, '{"ready": true}')
    assert get(served, "/elsewhere")[0] == 404


def test_metrics(served: int) -> None:
    telemetry.DEAD_LETTERS.labels("test", "undecodable").inc(3)
    status, text = get(served, "/metrics")
    assert status == 200
    assert 'rapport_dead_letters_total{reason="undecodable",source="test"} 3.0' in text


def test_a_port_in_use_is_one_clear_line(served: int) -> None:
    with pytest.raises(
        SettingsError, match=f"127.0.0.1:{served} cannot be used .*: set RAPPORT_METRICS_PORT to a free"
    ):
        telemetry.serve("127.0.0.1", served, lambda: True)


def test_port_0_is_off() -> None:
    assert telemetry.serve("127.0.0.1", 0, lambda: True) is None


@pytest.fixture
def configured() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    telemetry.configure_logging("INFO")
    yield
    root.handlers[:], root.level = handlers, level


def test_a_line_is_json(configured: None, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    logging.getLogger().handlers[0].setStream(__import__("sys").stderr)  # the one that pytest watches
    telemetry.log("worker").info("Recovered", accounts=3)
    logging.getLogger("aiokafka").warning("leader %s is away", 1)
    logging.getLogger("aiokafka").info("nobody needs this")
    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert (ours["event"], ours["accounts"], ours["level"]) == ("Recovered", 3, "info")
    assert (theirs["event"], theirs["logger"]) == ("leader 1 is away", "aiokafka")


def test_secrets_do_not_show_when_settings_are_logged() -> None:
    settings = load_settings(sasl_password="s3cret", clickhouse="http://user:s3cret@host:8123/db")
    assert "s3cret" not in f"{settings} {settings!r} {settings.model_dump()}"
