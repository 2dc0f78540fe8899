"""TLS, logins, rights and secrets, on a Kafka that trusts nobody."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from schemas.access import Grant, Role, grants
from sinks.clickhouse.connection import connect
from streams import config, kafka
from streams.config import Settings, load_settings
from streams.connection import kafka_options
from streams.connectors.base import Rejected
from streams.connectors.publisher import Publisher
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.errors import EXIT_USAGE, BrokerError, Reason
from streams.progress import Progress
from tests import secure_kafka
from tests.clickhouse_server import make_tables, record
from tests.processes import Process
from tests.secure_kafka import TOKEN_SECONDS, SecureKafka

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    # asyncio.run does not wait until the TLS connections that aiokafka has closed are gone
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PREFIX = "secure"
PASSWORDS = {role.value: f"{role.value}-5ecret%&" for role in Role}
CLIENT = "User:CN=rapport-client"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A broker on which every role has its rights and nothing more, and which has the topics."""
    found = secure_kafka.start(tmp_path_factory.mktemp("secure"), PASSWORDS)
    if found is None:
        pytest.skip("no Apache Kafka of our own: it takes Java with Maven, and openssl")
    try:
        for role in Role:
            found.grant(f"User:{role.value}", *grants(role, load_settings(topic_prefix=PREFIX).topics))
        kafka.apply_topics(settings_of(found, Role.ADMINISTRATOR))
        yield found
    finally:
        found.stop()


def settings_of(broker: SecureKafka, role: Role, **others: Any) -> Settings:  # noqa: ANN401
    ours = {
        "brokers": broker.login,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": role.value,
        "sasl_password": PASSWORDS[role.value],
        "ssl_ca_file": broker.directory / "authority.pem",
        "topic_prefix": PREFIX,
        "partitions": 2,
        "checkpoint_seconds": 0.5,
        "log_level": "DEBUG",
    }
    return load_settings(**{**ours, **others})


def tokens_of(broker: SecureKafka, role: Role, **others: Any) -> Settings:  # noqa: ANN401
    ways = {
        "brokers": broker.tokens,
        "sasl_mechanism": "OAUTHBEARER",
        "oauth_token_url": broker.token_url,
        "oauth_scope": "kafka",
    }
    return settings_of(broker, role, **{**ways, **others})


@contextmanager
def process(command: str, settings: Settings, log: Path, *secrets: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `rapport`, its output in ``log``. The settings in ``secrets`` are handed over as files, not as variables."""
    environment = config.environment(settings)
    for name in secrets:
        file = log.with_suffix(f".{name}")
        file.write_text(environment.pop(f"RAPPORT_{name.upper()}") + "\n")
        environment[f"RAPPORT_{name.upper()}_FILE"] = str(file)
    running = Process([sys.executable, "-m", "streams", *command.split()], log, environment)
    try:
        yield running.popen
    finally:
        running.stop()


def ended(command: str, settings: Settings, log: Path) -> tuple[int, list[str]]:
    """Run `rapport` until it ends by itself; return its exit code and what it said."""
    with process(command, settings, log) as running:
        return running.wait(60), log.read_text().splitlines()


def assert_no_secret(text: str) -> None:
    assert [word for word in (*PASSWORDS.values(), "5ecret", "Bearer", "eyJ") if word in text] == []


async def publish(settings: Settings, seed: int) -> list[dict[str, Any]]:
    events = list(simulate(SimulatorOptions(accounts=5, events=200, seed=seed)))
    async with Publisher(kafka_options(settings), settings.topics, source="test", max_bytes_in_flight=100_000) as it:
        for event in events:
            await it.publish(event)
    return events


async def folded(settings: Settings) -> None:
    async with Progress(settings) as readers:
        await readers.folded(lambda _: None)


async def stored(settings: Settings) -> None:
    await folded(settings)
    async with Progress(settings) as readers:
        await readers.stored(lambda _: None)


async def bought(settings: Settings) -> None:
    """Do in Kafka what ``rapport revenue`` does."""
    topics = settings.topics.revenue, settings.topics.dead_letters
    await asyncio.to_thread(kafka.require_access, settings, (settings.topics.interactions, *topics))
    async with Publisher(kafka_options(settings), settings.topics, source="test", max_bytes_in_flight=None) as it:
        await it.publish_revenue([record("revenue")])
        await it.reject(Rejected(Reason.EMPTY_ID, "id is empty", "orders.csv:2", b""))
    async with Progress(settings) as readers:
        await readers.stored(lambda _: None, topics)


def test_a_plant_runs_with_exactly_these_rights_and_says_no_secret(broker: SecureKafka, tmp_path: Path) -> None:
    target = f"chdb:{tmp_path / 'rows'}"
    make_tables(target)
    worker, sink = tmp_path / "worker.log", tmp_path / "sink.log"
    as_sink = settings_of(broker, Role.SINK, sasl_mechanism="SCRAM-SHA-256", clickhouse=target)
    with (
        process("worker", settings_of(broker, Role.WORKER), worker, "sasl_password") as working,
        process("sink", as_sink, sink, "sasl_password") as sinking,
    ):
        arguments = [Path(f"/proc/{it.pid}/cmdline").read_text() for it in (working, sinking)]
        events = asyncio.run(publish(settings_of(broker, Role.CONNECTOR, sasl_mechanism="PLAIN"), 1))
        asyncio.run(stored(settings_of(broker, Role.REPLAY)))
        asyncio.run(bought(settings_of(broker, Role.REVENUE)))
    assert (working.returncode, sinking.returncode) == (0, 0), worker.read_text() + sink.read_text()
    client = connect(target)
    kept = client.query("SELECT count() FROM interactions_versions").result_rows[0][0]
    turns = client.query("SELECT count() FROM turns").result_rows[0][0]
    orders = client.query("SELECT count() FROM revenue").result_rows[0][0]
    client.close()
    assert kept == len({(event["account"], event["published_at"], event["id"], event["kind"]) for event in events})
    assert turns > 0
    assert orders == 1
    (recovered,) = [json.loads(line) for line in worker.read_text().splitlines() if '"Recovered"' in line]
    assert recovered["seconds"] < 15, "closing a TLS connection takes half a minute under uvloop, if one waits for it"
    assert_no_secret("".join((*arguments, worker.read_text(), sink.read_text())))


def test_tokens_are_renewed_when_they_expire(broker: SecureKafka, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with process("worker", tokens_of(broker, Role.WORKER), log) as working:
        asyncio.run(publish(tokens_of(broker, Role.CONNECTOR), 2))
        asyncio.run(folded(tokens_of(broker, Role.REPLAY)))
        first = broker.token_server.given
        time.sleep(TOKEN_SECONDS + 1)
        asyncio.run(publish(tokens_of(broker, Role.CONNECTOR), 3))
        asyncio.run(folded(tokens_of(broker, Role.REPLAY)))
        assert working.poll() is None
    assert working.returncode == 0, log.read_text()
    assert broker.token_server.given > first + 2, "the worker's too, not only ours"
    assert_no_secret(log.read_text())


def test_a_token_in_a_file_is_as_good(broker: SecureKafka, tmp_path: Path) -> None:
    file = tmp_path / "token"
    settings = tokens_of(broker, Role.ADMINISTRATOR, oauth_token_file=file, oauth_token_url=None)
    file.write_text(broker.token_server.token("administrator") + "\n")
    assert kafka.check_topics(settings) == []
    file.write_text(broker.token_server.token("nobody"))
    assert len(kafka.check_topics(settings)) == len(settings.topics.all), "read again"
    file.write_text("no.token.eyJ")
    with pytest.raises(BrokerError, match="refuses the token") as refused:
        kafka.check_topics(settings)
    assert_no_secret(str(refused.value))


def test_a_certificate_is_a_login(broker: SecureKafka) -> None:
    broker.grant(CLIENT, *grants(Role.ADMINISTRATOR, load_settings(topic_prefix=PREFIX).topics))
    ours = {"brokers": broker.mutual, "security_protocol": "SSL"}
    certificate = {
        "ssl_certificate_file": broker.directory / "client.pem",
        "ssl_key_file": broker.directory / "client.key",
    }
    assert kafka.check_topics(settings_of(broker, Role.ADMINISTRATOR, **ours, **certificate)) == []
    with pytest.raises(BrokerError):
        kafka.check_topics(settings_of(broker, Role.ADMINISTRATOR, **ours))


@pytest.mark.parametrize("role", [Role.WORKER, Role.SINK])
def test_a_wrong_password_is_one_line_without_it(broker: SecureKafka, tmp_path: Path, role: Role) -> None:
    settings = settings_of(broker, role, sasl_password="wr0ng-5ecret", log_level="INFO")
    code, lines = ended(role.value, settings, tmp_path / "log")
    assert code == EXIT_USAGE
    (line,) = lines
    assert line.startswith("rapport: Kafka refuses the login (")
    assert "RAPPORT_SASL_USERNAME" in line
    assert_no_secret(line)


def test_certificate_and_host_name_are_checked(broker: SecureKafka) -> None:
    with pytest.raises(BrokerError, match=r"no TLS with Kafka .*unable to get local issuer certificate"):
        kafka.check_topics(settings_of(broker, Role.ADMINISTRATOR, ssl_ca_file=broker.directory / "stranger.pem"))
    address = f"127.0.0.1:{broker.login.rpartition(':')[2]}"  # where it is, but not whom the certificate names
    with pytest.raises(BrokerError, match=r"no TLS with Kafka .*IP address mismatch"):
        kafka.check_topics(settings_of(broker, Role.ADMINISTRATOR, brokers=address))


def test_a_wrong_client_secret_is_said_without_it(broker: SecureKafka) -> None:
    with pytest.raises(BrokerError, match=r"gives no token \(HTTP 401\): check RAPPORT_OAUTH_TOKEN_URL") as refused:
        kafka.check_topics(tokens_of(broker, Role.ADMINISTRATOR, sasl_password="wr0ng-5ecret"))
    assert_no_secret(str(refused.value))


@contextmanager
def without(broker: SecureKafka, role: Role, grant: Grant) -> Iterator[None]:
    assert grant in grants(role, load_settings(topic_prefix=PREFIX).topics)
    broker.revoke(f"User:{role.value}", grant)
    try:
        yield
    finally:
        broker.grant(f"User:{role.value}", grant)


@pytest.mark.parametrize(
    ("role", "grant"),
    [
        (Role.WORKER, Grant("Read", "group", "secure-worker")),
        (Role.WORKER, Grant("Read", "topic", "secure.interactions")),
        (Role.WORKER, Grant("Write", "topic", "secure-worker-accounts-changelog")),
        (Role.WORKER, Grant("Write", "topic", "secure.panes")),
        (Role.SINK, Grant("Read", "group", "secure-sink")),
        (Role.SINK, Grant("Read", "topic", "secure.dead-letters")),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, Grant) else it.value,
)
def test_a_right_that_is_missing_is_named(broker: SecureKafka, tmp_path: Path, role: Role, grant: Grant) -> None:
    target = f"chdb:{tmp_path / 'rows'}"
    make_tables(target)
    settings = settings_of(broker, role, clickhouse=target, log_level="INFO")
    with without(broker, role, grant):
        code, lines = ended(role.value, settings, tmp_path / "log")
    assert code == EXIT_USAGE, lines
    assert grant.name in lines[-1]
    assert "rapport topics acls" in lines[-1]


def test_a_publisher_names_the_topic_that_it_may_not_write_to(broker: SecureKafka) -> None:
    settings = settings_of(broker, Role.CONNECTOR)
    with (
        without(broker, Role.CONNECTOR, Grant("Write", "topic", "secure.interactions")),
        pytest.raises(BrokerError, match=r"Kafka denies this user the topic secure\.interactions: grant"),
    ):
        asyncio.run(publish(settings, 4))


def test_nobody_else_gets_anything(broker: SecureKafka) -> None:
    """The sink's rights do not do for a connector, nor a connector's for an administrator."""
    with pytest.raises(BrokerError, match=r"secure\.interactions"):
        asyncio.run(publish(settings_of(broker, Role.SINK), 5))
    with pytest.raises(BrokerError, match="Kafka denies this user the topic"):
        kafka.check_topics(settings_of(broker, Role.CONNECTOR))
