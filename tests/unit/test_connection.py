"""How clients connect, without a server to connect to: settings that do not fit, secrets in files, rights as the docs have them."""

import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest

from schemas.access import Role, commands, grants
from schemas.topics import Catalogue
from sinks.clickhouse.connection import connect
from streams import config
from streams.config import load_settings
from streams.connection import kafka_options
from streams.errors import ClickHouseError, SettingsError
from tests.access_table import access_table
from tests.processes import ROOT
from tests.secure_kafka import make_certificates

TOKENS = {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    try:
        make_certificates(directory)
    except FileNotFoundError:
        pytest.skip("there is no openssl")
    return directory


# -- Kafka ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"security_protocol": "SASL_SSL"}, "PLAIN needs a user: set RAPPORT_SASL_USERNAME"),
        (TOKENS, "OAUTHBEARER needs tokens: set RAPPORT_OAUTH_TOKEN_URL with .*, or RAPPORT_OAUTH_TOKEN_FILE"),
        ({**TOKENS, "oauth_token_url": "https://id/token"}, "OAUTHBEARER needs tokens"),
        ({"security_protocol": "SSL", "ssl_certificate_file": "/no"}, "RAPPORT_SSL_CERTIFICATE_FILE"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_connects(given: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        kafka_options(load_settings(**given))


@pytest.mark.parametrize("url", ["http://id.example/token", "http://localhost.example/token", "ftp://localhost/", "id"])
def test_a_client_secret_is_not_sent_in_the_clear(url: str) -> None:
    with pytest.raises(SettingsError, match="RAPPORT_OAUTH_TOKEN_URL is wrong"):
        load_settings(oauth_token_url=url)


def test_certificate_and_host_name_are_always_checked(certificates: Path) -> None:
    context = kafka_options(
        load_settings(
            security_protocol="SSL",
            ssl_ca_file=certificates / "authority.pem",
            ssl_certificate_file=certificates / "client.pem",
            ssl_key_file=certificates / "client.key",
        )
    )["ssl_context"]
    assert (context.check_hostname, context.verify_mode.name) == (True, "CERT_REQUIRED")
    assert len(context.get_ca_certs()) == 1, "ours, and not everybody's"


def test_an_encrypted_key_takes_its_password_and_never_asks_for_it(certificates: Path) -> None:
    encrypt = ["openssl", "rsa", "-aes256", "-in", "client.key", "-out", "locked.key", "-passout", "pass:l0cked"]
    subprocess.run(encrypt, cwd=certificates, check=True, capture_output=True)
    ours = {
        "security_protocol": "SSL",
        "ssl_certificate_file": certificates / "client.pem",
        "ssl_key_file": certificates / "locked.key",
    }
    kafka_options(load_settings(**ours, ssl_key_password="l0cked"))
    for wrong in ("", "another"):
        with pytest.raises(SettingsError, match="RAPPORT_SSL_KEY_FILE"):
            kafka_options(load_settings(**ours, ssl_key_password=wrong))


# -- secrets --------------------------------------------------------------------------------------------------------------


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number, (variable, name) in enumerate(config.SECRETS.items()):
        (tmp_path / name).write_text(f" 5ecret {number}\n")
        monkeypatch.setenv(variable, str(tmp_path / name))
    settings = load_settings()
    found = [getattr(settings, name).get_secret_value() for name in config.SECRETS.values()]
    assert found == [f" 5ecret {number}" for number in range(4)]
    assert "5ecret" not in repr(settings)
    assert not config.environment(settings).keys() & config.SECRETS.keys(), "a child is given one of the two"


def test_a_secret_stands_in_one_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAPPORT_SASL_PASSWORD_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"RAPPORT_SASL_PASSWORD_FILE cannot be read \(No such file"):
        load_settings()
    monkeypatch.setenv("RAPPORT_SASL_PASSWORD", "5ecret")
    with pytest.raises(SettingsError, match="are both set: leave one out") as refused:
        load_settings()
    assert "5ecret" not in str(refused.value)


# -- rights ---------------------------------------------------------------------------------------------------------------


def test_the_docs_have_the_rights_as_they_are() -> None:
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    between = re.search(r"<!-- access -->\n(.*?)<!-- /access -->", text, re.DOTALL)
    assert between is not None
    assert between[1].strip() == access_table(), "put what `python -m tests.access_table` prints between the marks"


def test_every_topic_is_somebodys() -> None:
    topics = Catalogue("other")
    for topic in topics.all:
        for operation in ("Read", "Write"):
            holders = {role for role in Role for it in grants(role, topics) if it[::2] == (operation, topic.name)}
            assert holders & {Role.CONNECTOR, Role.WORKER, Role.SINK, Role.REVENUE, Role.NOTIFIER}, (
                f"nobody may {operation} {topic.name}"
            )


def test_the_commands_grant_just_what_is_listed() -> None:
    topics = Catalogue("other")
    for role in Role:
        granted = set()
        for line in commands(role, topics, "User:CN=Ann O'Hara"):
            words = shlex.split(line)
            assert words[:5] == ["kafka-acls.sh", "$@", "--add", "--allow-principal", "User:CN=Ann O'Hara"]
            assert words[5] == "--operation"
            granted |= {(words[6], kind[2:], name) for kind, name in zip(words[7::2], words[8::2], strict=True)}
        assert granted == {tuple(grant) for grant in grants(role, topics)}


# -- ClickHouse -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def refusing(certificates: Path) -> Iterator[HTTPServer]:
    """An https server on which every login is wrong, and which repeats the password in its answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.server.asked.append(dict(self.headers))  # type: ignore[attr-defined]
            body = b"Code: 516. DB::Exception: rapport: Authentication failed: wr0ng-5ecret. (AUTHENTICATION_FAILED)"
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-ClickHouse-Exception-Code", "516")
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []  # type: ignore[attr-defined]
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("host", "authority", "says"),
    [
        ("localhost", "authority.pem", "Authentication failed"),
        ("localhost", "stranger.pem", "certificate verify failed"),
        ("localhost", None, "certificate verify failed"),
        ("127.0.0.1", "authority.pem", "certificate verify failed"),
    ],
)
def test_clickhouse_is_believed_by_its_certificate(
    refusing: HTTPServer, certificates: Path, host: str, authority: str | None, says: str
) -> None:
    address = f"https://rapport@{host}:{refusing.server_address[1]}/rapport"
    with pytest.raises(ClickHouseError, match=says) as refused:
        connect(address, "wr0ng-5ecret", None if authority is None else certificates / authority)
    assert "5ecret" not in str(refused.value)
    assert bool(refusing.asked) == (says == "Authentication failed"), "nothing is asked of whom one does not know"  # type: ignore[attr-defined]
