"""Webhooks that are signed, from rapport.toml to what is taken: Interactions, foreign JSON, CloudEvents."""

import base64
import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook
from starlette.testclient import TestClient

from streams.connectors.base import Rejected
from streams.errors import BrokerError, SettingsError
from streams.listener.app import Served, build
from streams.listener.making import hooks_of
from streams.listener_settings import MappingSettings, WebhookConnector
from streams.signatures import standard_webhook
from tests.brands_file import load
from tests.processes import ROOT
from tests.unit.listener.test_app import BODIES, POST, Kafka, lines

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
FILE = """
[connectors.shop]
type = "webhook"
secret_file = "{secret}"
accounts = ["x:*"]

[connectors.desk]
type = "webhook"
secret_env = "DESK_SECRET"

[connectors.desk.mapping]
records = "data"
times = "milliseconds"
constants = {{ network = "desk", account = "desk:acme", kind = "mention", hashtags = ["desk"] }}

[connectors.desk.mapping.fields]
id = "number"
published_at = "at"

[connectors.timeline]
type = "mastodon"
"""
ENVELOPE = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "shop.mention"}


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{OLD}\n{SECRET}\n")
    monkeypatch.setenv("DESK_SECRET", SECRET)
    monkeypatch.setenv("PLAIN_SECRET", "not base64 but long enough")
    monkeypatch.delenv("NO_SECRET", raising=False)
    return file


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
def client(secret: Path, tmp_path: Path, kafka: Kafka) -> TestClient:
    return TestClient(build(Served(kafka, hooks=hooks_of(load(FILE.format(secret=secret), tmp_path), None))))


def push(client: TestClient, body: bytes, name: str = "shop", secret: str = SECRET, **headers: str) -> Any:  # noqa: ANN401
    at = str(int(time.time()))
    signed = {
        "webhook-id": "m1",
        "webhook-timestamp": at,
        "webhook-signature": standard_webhook(secret, "m1", at, body),
    }
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return client.post(f"/v1/webhooks/{name}", content=body, headers={**signed, **named})


def test_what_is_signed_is_taken(client: TestClient, kafka: Kafka) -> None:
    for signed in (SECRET, OLD):
        answer = push(client, lines(POST, {**POST, "account": "y:1"}), secret=signed)
        assert (answer.status_code, answer.json()["taken"]) == (200, ["x:1"])
        assert answer.json()["set_aside"][0]["reason"] == "forbidden"
    event, letter = kafka.has[:2]
    assert isinstance(event, dict)
    assert event["source"] == "shop"
    assert isinstance(letter, Rejected)
    assert letter.place == "webhook:shop#1"


def test_what_is_not_is_refused(client: TestClient, kafka: Kafka) -> None:
    body = lines(POST)
    assert push(client, body, secret="whsec_" + base64.b64encode(b"x" * 32).decode()).status_code == 401
    assert push(client, body, webhook_signature="").status_code == 401
    assert push(client, body, webhook_timestamp="1").status_code == 401
    assert client.post("/v1/webhooks/shop", content=body).status_code == 401
    assert client.post("/v1/interactions", content=body).status_code == 401, "webhooks alone let nobody in elsewhere"
    assert client.get("/v1/webhooks/shop?hub.challenge=7").status_code == 403
    assert push(client, body, name="timeline").status_code == 404, "a connector that asks by itself is none"
    assert kafka.has == []


@pytest.mark.parametrize(("late", "status"), [(290, 200), (-290, 200), (310, 401), (-310, 401)])
def test_what_was_signed_more_than_five_minutes_from_now_is_refused(client: TestClient, late: int, status: int) -> None:
    at, body = str(int(time.time()) - late), lines(POST)
    signed = {"webhook_timestamp": at, "webhook_signature": standard_webhook(SECRET, "m1", at, body)}
    assert push(client, body, **signed).status_code == status


def test_the_package_of_the_standard_may_sign(client: TestClient) -> None:
    now, body = datetime.now(UTC), lines(POST).decode()
    headers = {"webhook-id": "m2", "webhook-timestamp": str(int(now.timestamp()))}
    headers["webhook-signature"] = Webhook(SECRET).sign("m2", now, body)
    assert client.post("/v1/webhooks/shop", content=body, headers=headers).json()["taken"] == ["x:1"]


def test_it_is_answered_once_kafka_has_it_or_told_to_come_again_within_a_second(
    client: TestClient, kafka: Kafka
) -> None:
    for seconds, error, status in ((0.3, None, 200), (60.0, None, 503), (0.0, BrokerError("it is away", "wait"), 503)):
        kafka.seconds, kafka.error = seconds, error
        began = time.monotonic()
        answer = push(client, lines(POST))
        took = time.monotonic() - began
        assert (answer.status_code, answer.headers.get("Retry-After")) == (status, "2" if status == 503 else None)
        assert min(seconds, 1.0) <= took < 1.3


def test_a_body_of_any_size_is_not_read(client: TestClient, kafka: Kafka) -> None:
    assert push(client, b" " * 1_000_001).status_code == 413
    assert push(client, b" " * 1_000_000).status_code == 200
    assert client.post("/v1/webhooks/shop", content=iter([b" " * 100_000] * 11)).status_code == 413, "of no length"
    assert kafka.has == []


def test_a_secret_is_read_each_time_anew(client: TestClient, secret: Path) -> None:
    secret.write_text(OLD)
    assert push(client, lines(POST)).status_code == 401
    secret.unlink()
    answer = push(client, lines(POST))
    assert (answer.status_code, answer.headers["Retry-After"], str(secret) in answer.text) == (503, "2", False)


def test_foreign_json_is_read_by_the_mapping(client: TestClient, kafka: Kafka) -> None:
    answer = push(client, b'{"data": [{"number": 7, "at": 5}, {"at": 6}]}', "desk").json()
    assert answer["taken"] == ["desk:7"]
    assert answer["set_aside"] == [
        {"record": 0, "reason": "malformed_record", "error": "id is missing: there is nothing at number"}
    ]
    (event, letter) = kafka.has
    assert isinstance(event, dict)
    assert (event["account"], event["hashtags"], event["source"]) == ("desk:acme", ["desk"], "desk")
    assert isinstance(letter, Rejected)
    assert (letter.place, letter.payload) == ("webhook:desk#0.1", b'{"at":6}')
    assert push(client, b'{"data": []}', "desk").json() == {"taken": [], "set_aside": [], "passed_over": [0]}


# The shapes of https://github.com/cloudevents/spec: json-format.md, http-protocol-binding.md
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({**ENVELOPE, "data": POST}, {"content_type": "application/cloudevents+json; charset=UTF-8"}),
        (
            {**ENVELOPE, "data_base64": base64.b64encode(lines(POST)).decode()},
            {"content_type": "application/cloudevents+json"},
        ),
        ([{**ENVELOPE, "data": POST}], {"content_type": "application/cloudevents-batch+json"}),
        (
            POST,
            {
                "content_type": "application/json",
                "ce_specversion": "1.0",
                "ce_id": "e1",
                "ce_source": "/shop",
                "ce_type": "shop.mention",
            },
        ),
    ],
    ids=["structured", "base64", "batched", "binary"],
)
def test_cloud_events(client: TestClient, body: object, headers: dict[str, str]) -> None:
    assert push(client, lines(body), **headers).json() == {"taken": ["x:1"], "set_aside": [], "passed_over": []}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({**ENVELOPE, "specversion": "0.3", "data": POST}, {"content_type": "application/cloudevents+json"}),
        ({**ENVELOPE, "source": "", "data": POST}, {"content_type": "application/cloudevents+json"}),
        ({**ENVELOPE, "data_base64": "!"}, {"content_type": "application/cloudevents+json"}),
        (ENVELOPE, {"content_type": "application/cloudevents+json"}),
        (POST, {"content_type": "application/cloudevents+json"}),
        (POST, {"ce_specversion": "1.0", "ce_id": "e1", "ce_source": "/shop"}),
        (POST, {"ce_specversion": "2.0", "ce_id": "e1", "ce_source": "/shop", "ce_type": "t"}),
    ],
)
def test_an_envelope_that_is_none_is_set_aside_whole(
    client: TestClient, kafka: Kafka, body: object, headers: dict[str, str]
) -> None:
    answer = push(client, lines(body), **headers)
    assert (answer.status_code, answer.json()["taken"]) == (200, [])
    (letter,) = kafka.has
    assert isinstance(letter, Rejected)
    assert (letter.reason, letter.payload) == ("malformed_record", lines(body))


ENVELOPES = st.builds(lambda data: lines({**ENVELOPE, "data": data}), st.text() | st.just(POST))
TYPES = st.sampled_from(["application/cloudevents+json", "application/cloudevents-batch+json", "application/json"])


@given(BODIES | ENVELOPES, st.sampled_from(["shop", "desk"]), TYPES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_bytes_that_are_signed_are_taken_passed_over_or_set_aside(
    client: TestClient, kafka: Kafka, body: bytes, name: str, content_type: str
) -> None:
    kafka.has.clear()
    answer = push(client, body, name, content_type=content_type)
    assert answer.status_code == 200
    assert len(answer.json()["taken"]) + len(answer.json()["set_aside"]) == len(kafka.has)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('id = "number"', 'colour = "number"', "connectors.desk.mapping: id is neither"),
        ('id = "number"', 'id = "number"\ncolour = "x"', "connectors.desk.mapping: 'colour' is no field"),
        ('"milliseconds"', '"days"', "connectors.desk.mapping.times: Input should be"),
        ('secret_env = "DESK_SECRET"', "", "connectors.desk: give it secret_file or secret_env"),
        ('secret_env = "DESK_SECRET"', 'secret_env = "NO_SECRET"', "NO_SECRET is not set"),
        ('secret_env = "DESK_SECRET"', 'secret_env = "PLAIN_SECRET"', "the secret of connectors.desk is none"),
        ('accounts = ["x:*"]', "accounts = []", "connectors.shop.accounts"),
    ],
)
def test_a_mistake_in_the_file_is_said_with_its_line(
    secret: Path, tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    text = FILE.format(secret=secret)
    assert right in text
    with pytest.raises(SettingsError) as refused:
        hooks_of(load(text.replace(right, wrong, 1), tmp_path), tmp_path / "rapport.toml")
    assert said in str(refused.value)
    assert json.dumps(SECRET)[1:-1] not in str(refused.value)


def test_the_examples_of_the_docs_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Kafka, secret: Path
) -> None:
    page = (ROOT / "docs/connectors/webhook.md").read_text("utf-8")
    tables, bodies = (re.findall(rf"^```{it}\n(.*?)^```", page, re.MULTILINE | re.DOTALL) for it in ("toml", "json"))
    text = "\n".join(tables).replace("/run/secrets/listen/shop", str(secret))
    client = TestClient(build(Served(kafka, hooks=hooks_of(load(text, tmp_path), None), now=lambda: 1_772_445_700.0)))
    monkeypatch.setattr("time.time", lambda: 1_772_445_700.0)
    assert push(client, bodies[0].encode(), "desk").json()["taken"] == ["desk:4711"]
    (event,) = kafka.has
    assert isinstance(event, dict)
    assert (event["account"], event["kind"], event["contact_id"]) == ("desk:acme", "mention", "33")
    assert (event["conversation_id"], event["hashtags"]) == ("desk:77", ["late"])
    keys = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)))
    webhook = [name for name in WebhookConnector.model_fields if name != "type"]
    assert sorted(keys) == sorted([*webhook, *MappingSettings.model_fields])
