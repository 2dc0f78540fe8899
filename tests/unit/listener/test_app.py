"""Interactions that are pushed under a token: what is taken, what is set aside, and that nobody is answered too early."""

import asyncio
import json
import time
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from starlette.testclient import TestClient

from sinks.dashboard.access import Token, new_token
from sinks.dashboard.bodies import LARGEST_BODY
from streams.connectors.base import Item, Rejected
from streams.connectors.pushed import MOST_RECORDS, records
from streams.errors import BrokerError, Reason
from streams.listener import app
from streams.listener.app import Served, build

TOKEN, HASH = new_token()
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
POST = {"id": "x:1", "account": "x:acme", "kind": "mention", "published_at": "2026-03-02T10:00:00Z"}


class Kafka:
    """A carrier that acknowledges at once, late, never, or fails."""

    def __init__(self) -> None:
        self.has: list[Item] = []
        self.seconds = 0.0
        self.error: Exception | None = None

    async def deliver(self, source: str, items: Sequence[Item], size: int) -> None:
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        self.has += items
        assert source
        assert size >= 0


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


def client(kafka: Kafka, **served: Any) -> TestClient:  # noqa: ANN401 - of Served
    tokens = served.pop("tokens", [Token("collector", HASH, ("x:*",), "sender")])
    return TestClient(build(Served(kafka, tokens, **served)), headers=AUTHORIZED)


def lines(*events: object) -> bytes:
    return b"\n".join(json.dumps(event).encode() for event in events)


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    "body", [json.dumps(POST).encode(), json.dumps(POST, indent=2).encode(), json.dumps([POST]).encode(), lines(POST)]
)
def test_one_an_array_or_lines(kafka: Kafka, body: bytes) -> None:
    answer = client(kafka, now=lambda: 1_772_445_601.5).post("/v1/interactions", content=body)
    assert (answer.status_code, answer.json()) == (200, {"taken": ["x:1"], "set_aside": [], "passed_over": []})
    (event,) = kafka.has
    assert isinstance(event, dict)
    assert (event["published_at"], event["received_at"]) == (1_772_445_600_000, 1_772_445_601_500)
    assert (event["account"], event["source"], event["likes"]) == ("x:acme", "http", -1)


def test_a_large_body(kafka: Kafka) -> None:
    events = [{**POST, "id": f"x:{number}", "text": "a" * 200} for number in range(MOST_RECORDS)]
    assert client(kafka).post("/v1/interactions", content=lines(*events)).json()["taken"] == [it["id"] for it in events]


def test_what_a_collector_says_of_when_it_saw_a_post_and_who_it_is_stands(kafka: Kafka) -> None:
    client(kafka).post("/v1/interactions", content=lines({**POST, "received_at": 1_772_445_600_007, "source": "ours"}))
    (event,) = kafka.has
    assert isinstance(event, dict)
    assert (event["received_at"], event["source"]) == (1_772_445_600_007, "ours")


def test_a_bad_one_is_set_aside_and_the_others_are_taken(kafka: Kafka) -> None:
    before = count("rapport_received_records_total", source="http")
    bad = [
        {**POST, "colour": "red"},
        {**POST, "account": "y:other"},
        {**POST, "kind": "tick", "received_at": 1},
        {**POST, "published_at": "2199-01-01"},
        7,
        {**POST, "text": "\ud800"},
    ]
    body = lines(POST, *bad, {**POST, "id": "x:2"}) + b"\n\xff{\n"
    answer = client(kafka).post("/v1/interactions", content=body).json()
    assert answer["taken"] == ["x:1", "x:2"]
    assert [(it["record"], it["reason"]) for it in answer["set_aside"]] == [
        (1, "malformed_record"),
        (2, "forbidden"),
        (3, "unknown_kind"),
        (4, "future_time"),
        (5, "malformed_record"),
        (6, "invalid_text"),
        (8, "invalid_text"),
    ]
    letters = [item for item in kafka.has if isinstance(item, Rejected)]
    assert letters[0] == Rejected(
        Reason.MALFORMED_RECORD, "'colour' is no field of an Interaction", "http:collector#1", lines(bad[0])
    )
    assert letters[-1].payload == b"\xff{"
    assert count("rapport_received_records_total", source="http") == before + 9


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": f"rapport={TOKEN}", "Authorization": ""},
    ],
)
def test_without_a_token_nothing_is_taken(kafka: Kafka, headers: dict[str, str]) -> None:
    before = count("rapport_refused_requests_total", source="http", reason="token")
    answer = client(kafka).post("/v1/interactions", content=lines(POST), headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"], kafka.has) == (401, "Bearer", [])
    assert count("rapport_refused_requests_total", source="http", reason="token") == before + 1


def test_no_tokens_do_not_mean_that_everybody_may(kafka: Kafka) -> None:
    assert client(kafka, tokens=[]).post("/v1/interactions", content=lines(POST)).status_code == 401


def test_on_its_own_machine_it_may_be_open_but_not_for_other_sites(kafka: Kafka) -> None:
    own = client(kafka, tokens=[], is_open=True, hosts=("localhost",))
    for headers in ({"Host": "evil.test"}, {"Host": "localhost", "Origin": "http://evil.test"}):
        assert own.post("/v1/interactions", content=lines(POST), headers=headers).status_code in (400, 403)
    assert kafka.has == []
    assert own.post("/v1/interactions", content=lines(POST), headers={"Host": "localhost:8090"}).status_code == 200


@pytest.mark.parametrize(
    ("seconds", "error"),
    [(2.0, None), (60.0, None), (0.0, BrokerError("Kafka is away", "start it")), (0.3, TimeoutError())],
)
def test_what_kafka_has_not_acknowledged_is_to_be_sent_again(
    kafka: Kafka, seconds: float, error: Exception | None
) -> None:
    kafka.seconds, kafka.error = seconds, error
    began = time.monotonic()
    answer = client(kafka).post("/v1/interactions", content=lines(POST))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert time.monotonic() - began < 1.3


def test_nobody_is_answered_before_kafka_has_it(kafka: Kafka) -> None:
    kafka.seconds = 0.4
    began = time.monotonic()
    assert client(kafka).post("/v1/interactions", content=lines(POST)).status_code == 200
    assert time.monotonic() - began >= 0.4
    assert kafka.has


def test_a_body_of_any_size_is_not_read(kafka: Kafka) -> None:
    answer = client(kafka).post("/v1/interactions", content=b"a" * (LARGEST_BODY + 1))
    assert (answer.status_code, answer.json()) == (413, {"error": "more than 1,000,000 bytes"})
    answer = client(kafka).post("/v1/interactions", content=b"0\n" * (MOST_RECORDS + 1))
    assert (answer.status_code, answer.json()) == (413, {"error": "1,001 records, more than 1,000"})
    assert client(kafka).post("/v1/interactions", content=b"0\n" * MOST_RECORDS).status_code == 200


def test_a_body_that_is_compressed_is_refused(kafka: Kafka) -> None:
    assert client(kafka).post("/v1/interactions", content=b"x", headers={"Content-Encoding": "gzip"}).status_code == 415


def test_a_body_that_does_not_come_is_not_waited_for(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.1)

    async def story() -> list[Any]:
        said: list[Any] = []

        async def never() -> Any:  # noqa: ANN401
            await asyncio.sleep(60)

        async def send(message: Any) -> None:  # noqa: ANN401
            said.append(message)

        headers = [(b"authorization", AUTHORIZED["Authorization"].encode()), (b"host", b"a")]
        scope = {"type": "http", "method": "POST", "path": "/v1/interactions", "query_string": b"", "headers": headers}
        await build(Served(kafka, [Token("it", HASH, role="sender")]))(scope, never, send)
        return said

    assert asyncio.run(asyncio.wait_for(story(), 5))[0]["status"] == 408


def test_who_asks_too_often_waits(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BURST", 3)
    monkeypatch.setattr(app, "PER_SECOND", 0.1)
    it = client(kafka)
    answers = [it.post("/v1/interactions", content=lines(POST)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[3].headers["Retry-After"]) >= 10


def test_it_says_that_it_lives(kafka: Kafka) -> None:
    assert client(kafka).get("/healthz").json() == {"alive": True}
    assert client(kafka).get("/v1/interactions").status_code == 405
    assert client(kafka).post("/v1/webhooks/none", content=b"").status_code == 404


def test_what_nobody_foresaw_is_not_answered_with_200(kafka: Kafka) -> None:
    def understand(item: Item) -> Item:
        raise RuntimeError(repr(item))

    it = TestClient(build(Served(kafka, is_open=True, understand=understand)), raise_server_exceptions=False)
    assert it.post("/v1/interactions", content=lines(POST)).status_code == 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(list(POST)), inner),
)
BODIES = (
    st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.lists(JSON | st.fixed_dictionaries({}, optional={name: JSON | st.just(it) for name, it in POST.items()})).map(
        lambda values: lines(*values)
    )
)


@given(BODIES)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_taken_or_set_aside_and_none_vanish(body: bytes) -> None:
    kafka = Kafka()
    answer = client(kafka).post("/v1/interactions", content=body)
    assert answer.status_code == 200
    said = answer.json()
    assert len(said["taken"]) + len(said["set_aside"]) == len(kafka.has) == len(records(body))
    if not said["taken"] and not body.removeprefix(BOM_UTF8).lstrip().startswith(b"["):
        kept = b"".join(item.payload for item in kafka.has if isinstance(item, Rejected))
        assert b"".join(kept.split()) == b"".join(body.removeprefix(BOM_UTF8).split())
