"""The webhooks of Meta, Telegram, Trustpilot and X: their handshakes, their signatures, and that nobody else is believed."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from streams import signatures
from streams.errors import SettingsError
from streams.listener.app import Served, build
from streams.listener.making import hooks_of
from streams.listener_settings import MetaConnector, XConnector
from tests.brands_file import load
from tests.processes import ROOT
from tests.unit.connectors.test_meta import COMMENT
from tests.unit.connectors.test_reviews import REVIEW
from tests.unit.connectors.test_x_activity import POST, US
from tests.unit.listener.test_app import Kafka

SECRET, TOKEN = "0123456789abcdef0123456789abcdef", "what-we-told-meta"
FILE = """
[connectors.social]
type = "meta-webhook"
app_secret_env = "META_SECRET"
verify_token_env = "META_TOKEN"
accounts = ["facebook:20", "instagram:30"]

[connectors.bot]
type = "telegram-webhook"
secret_token_env = "TELEGRAM_SECRET"
accounts = ["telegram:acme_bot"]

[connectors.stars]
type = "trustpilot-webhook"
secret_env = "X_SECRET"
accounts = ["trustpilot:46d6a890ffa235a75b00021d"]

[connectors.x]
type = "x-webhook"
consumer_secret_env = "X_SECRET"
accounts = ["x:1111"]
"""
PAGE = json.dumps(
    {"object": "page", "entry": [{"id": "20", "time": 1, "changes": [{"field": "feed", "value": COMMENT}]}]}
).encode()
EVENT = json.dumps(
    {"data": {"event_uuid": "1", "filter": {"user_id": US}, "event_type": "post.mention.create", "payload": POST}}
).encode()


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Kafka) -> TestClient:
    for name, secret in (
        ("META_SECRET", f"{'old' * 8} {SECRET}"),
        ("META_TOKEN", TOKEN),
        ("X_SECRET", SECRET),
        ("TELEGRAM_SECRET", SECRET),
    ):
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("SHORT_TOKEN", "abc")
    return TestClient(build(Served(kafka, hooks=hooks_of(load(FILE, tmp_path), None))))


def test_signatures_as_others_document_them() -> None:
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries has a header of the same name and form
    made = signatures.meta("It's a Secret to Everybody", b"Hello, World!")
    assert made == "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    # RFC 4231, test case 2
    digest = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    assert signatures.x("Jefe", b"what do ya want for nothing?") == f"sha256={base64.b64encode(digest).decode()}"


def test_meta_is_answered_if_it_knows_the_token(client: TestClient) -> None:
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": TOKEN}
    answer = client.get("/v1/webhooks/social", params=asked)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for wrong in ({"hub.verify_token": "guess"}, {"hub.mode": "unsubscribe"}, {"hub.verify_token": ""}):
        assert client.get("/v1/webhooks/social", params={**asked, **wrong}).status_code == 403
    assert client.get("/v1/webhooks/social").status_code == 403


def test_x_is_answered_as_its_documentation_does(client: TestClient) -> None:
    answer = client.get("/v1/webhooks/x", params={"crc_token": "abc", "nonce": "1"})
    expected = base64.b64encode(hmac.new(SECRET.encode(), msg=b"abc", digestmod=hashlib.sha256).digest()).decode()
    assert answer.json() == {"response_token": f"sha256={expected}"}
    assert client.get("/v1/webhooks/x").status_code == 403


def test_a_challenge_of_x_signs_no_event(client: TestClient, kafka: Kafka) -> None:
    """By the same secret and in the same form: whoever asks with an event as the token would have its signature."""
    for event in (EVENT.decode(), "[]", '"a"', " 1", "x" * 257):
        assert client.get("/v1/webhooks/x", params={"crc_token": event}).status_code == 403
    signed = client.get("/v1/webhooks/x", params={"crc_token": "123"}).json()["response_token"]
    headers = {"x-twitter-webhooks-signature": signed}
    assert client.post("/v1/webhooks/x", content=b"123", headers=headers).status_code == 401
    assert kafka.has == []


@pytest.mark.parametrize(("name", "body", "taken"), [("social", PAGE, "facebook:20_7"), ("x", EVENT, "x:2080")])
def test_what_the_network_has_signed_is_taken_and_nothing_else(
    client: TestClient, kafka: Kafka, name: str, body: bytes, taken: str
) -> None:
    sign = signatures.meta if name == "social" else signatures.x
    header = "X-Hub-Signature-256" if name == "social" else "x-twitter-webhooks-signature"

    def push(signature: str, content: bytes = body) -> Any:  # noqa: ANN401
        return client.post(f"/v1/webhooks/{name}", content=content, headers={header: signature})

    for wrong in (sign("another secret of that length", body), "", "sha256=", "sha1=" + sign(SECRET, body)[7:]):
        assert push(wrong).status_code == 401
    assert push(sign(SECRET, body), body + b" ").status_code == 401, "the body as it came is signed, not what it means"
    assert kafka.has == []
    assert push(sign(SECRET, body)).json() == {"taken": [taken], "set_aside": [], "passed_over": []}
    (event,) = kafka.has
    assert isinstance(event, dict)
    assert event["source"] == name


def test_telegram_shows_its_secret_and_nobody_else_is_believed(client: TestClient, kafka: Kafka) -> None:
    chat = {"id": 7, "type": "private", "first_name": "Ann"}
    message = {"message_id": 1, "date": 1, "chat": chat, "from": {"id": 7, "first_name": "Ann"}, "text": "hello"}
    update = {"update_id": 1, "message": message}

    def push(secret: str) -> Any:  # noqa: ANN401
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {}
        return client.post("/v1/webhooks/bot", json=update, headers=headers)

    for wrong in ("", "guess", SECRET[:-1], SECRET + "0"):
        assert push(wrong).status_code == 401
    assert client.get("/v1/webhooks/bot").status_code == 403
    assert kafka.has == []
    assert push(SECRET).json()["taken"] == ["telegram:acme_bot/7/1"]


def test_trustpilot_knows_the_address_and_nobody_else_is_believed(client: TestClient, kafka: Kafka) -> None:
    body = json.dumps({"events": [{"eventName": "service-review-created", "version": "1", "eventData": REVIEW}]})

    def push(address: str) -> Any:  # noqa: ANN401
        return client.post(f"/v1/webhooks/stars{address}", content=body)

    for wrong in ("", "?secret=", "?secret=guess", f"?secret={SECRET}0", f"?secret=guess&secret2={SECRET}"):
        assert push(wrong).status_code == 401
    assert kafka.has == []
    assert push(f"?secret={SECRET}").json()["taken"] == ["trustpilot:53bffd360000640002975387"]


def test_secrets_and_signatures_are_compared_in_constant_time(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by ``hmac.compare_digest``, as often and with the same on the other side whatever of it is right."""
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def spy(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return compare(one, other)

    def verify(token: str) -> Any:  # noqa: ANN401
        asked = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": token}
        return client.get("/v1/webhooks/social", params=asked)

    def signed(name: str, header: str, body: bytes) -> Callable[[str], Any]:
        return lambda given: client.post(f"/v1/webhooks/{name}", content=body, headers={header: given})

    monkeypatch.setattr(hmac, "compare_digest", spy)
    for right, ask in (
        (TOKEN, verify),
        (signatures.meta(SECRET, PAGE), signed("social", "X-Hub-Signature-256", PAGE)),
        (signatures.x(SECRET, EVENT), signed("x", "x-twitter-webhooks-signature", EVENT)),
        (SECRET, signed("bot", "X-Telegram-Bot-Api-Secret-Token", b"[]")),
        (SECRET, lambda given: client.post(f"/v1/webhooks/stars?secret={given}", content=b"[]")),
    ):
        seen = []
        for given in (right, "0" + right[1:], right[:-1] + "!", right[:9], "guess"):
            compared.clear()
            assert (ask(given).status_code == 200) is (given == right)
            seen.append(tuple(compared))
        assert len(set(seen)) == 1
        assert seen[0]


def test_what_no_account_of_ours_is_in_is_taken_note_of_and_no_more(client: TestClient, kafka: Kafka) -> None:
    body = PAGE.replace(b'"20"', b'"99"')
    headers = {"X-Hub-Signature-256": signatures.meta(SECRET, body)}
    assert client.post("/v1/webhooks/social", content=body, headers=headers).json()["passed_over"] == [0]
    assert kafka.has == []


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('verify_token_env = "META_TOKEN"', "", "give it verify_token_file or verify_token_env"),
        ('accounts = ["x:1111"]', "", "connectors.x.accounts: it is missing"),
        ('"x:1111"', '"x:*"', "connectors.x.accounts.0"),
        ('"META_TOKEN"', '"SHORT_TOKEN"', "the secret of connectors.social is none"),
    ],
)
def test_a_mistake_in_the_file_is_said(client: TestClient, tmp_path: Path, right: str, wrong: str, said: str) -> None:
    assert client is not None, "the secrets are there"
    with pytest.raises(SettingsError, match=said.replace(".", r"\.")):
        hooks_of(load(FILE.replace(right, wrong, 1), tmp_path), tmp_path / "rapport.toml")


@pytest.mark.parametrize(("page", "settings"), [("meta", MetaConnector), ("x", XConnector)])
def test_what_the_docs_say_is_valid_and_whole(page: str, settings: type[BaseModel], tmp_path: Path) -> None:
    text = (ROOT / f"docs/connectors/{page}.md").read_text("utf-8")
    text = text.partition("## Here, pushed")[2].partition("\n## ")[0]
    (tables,) = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    file = tmp_path / "secret"
    file.write_text(SECRET)
    (hook,) = hooks_of(load(re.sub(r"/run/secrets/[\w/-]+", str(file), tables), tmp_path), None)
    assert hook.name in ("social", "x-pushed")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text, re.MULTILINE)
    keys = re.findall(r"`(\w+)`", "".join(rows))
    assert sorted(keys) == sorted(name for name in settings.model_fields if name != "type")
