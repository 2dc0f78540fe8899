"""The composition root, without a broker."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from streams.app import build_app
from streams.config import load_settings
from streams.connection import kafka_options
from streams.errors import SettingsError
from tests.toy import Toy


def test_the_app_is_the_catalogues_and_touches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(brokers="one:1,two:2", topic_prefix="brand")
    app = build_app(settings, Toy())
    assert app.conf.id == settings.topics.worker_group
    assert [table.changelog_topic_name for table in app.tables.values()] == [settings.topics.checkpoints.name]
    assert [str(url) for url in app.conf.broker] == ["kafka://one:1", "kafka://two:2"]
    assert len(app.agents) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_faust_and_the_other_clients_speak_alike(protocol: str) -> None:
    settings = load_settings(
        security_protocol=protocol, sasl_mechanism="SCRAM-SHA-512", sasl_username="u", sasl_password="p"
    )
    options = kafka_options(settings)
    conf = build_app(settings, Toy()).conf
    credentials = conf.broker_credentials
    assert options["metadata_max_age_ms"] == conf.consumer_metadata_max_age_ms == conf.producer_metadata_max_age_ms
    assert options["security_protocol"] == protocol
    assert (options["ssl_context"] is not None) == ("SSL" in protocol)
    assert (credentials is None) == (protocol == "PLAINTEXT")
    if credentials is not None:
        assert credentials.protocol.value == protocol
    if protocol.startswith("SASL"):
        assert (options["sasl_mechanism"], options["sasl_plain_password"]) == ("SCRAM-SHA-512", "p")
        assert (credentials.mechanism.value, credentials.password) == ("SCRAM-SHA-512", "p")


def test_a_wrong_certificate_file_is_said() -> None:
    with pytest.raises(SettingsError, match="RAPPORT_SSL_CA_FILE"):
        kafka_options(load_settings(security_protocol="SSL", ssl_ca_file=Path("/nowhere")))


def test_all_partitions_are_fetched_again_when_there_is_room() -> None:
    asyncio.run(_fill_and_drain())


async def _fill_and_drain() -> None:
    queue, resumed = build_app(load_settings(), Toy()).FlowControlQueue(maxsize=10), list[int]()
    resume = [partial(resumed.append, partition) for partition in range(4)]
    for message in range(12):
        queue.put_nowait_enhanced(message, on_pressure_high=lambda: None, on_pressure_drop=resume[message % 4])
    while queue.qsize() > 4:
        assert resumed == []
        queue.get_nowait()
    queue.get_nowait()
    assert sorted(resumed) == [0, 1, 2, 3]
