"""What hubs push: who is believed, and what is taken of it."""

import hashlib
import hmac
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from streams.connectors.websub import secret_of
from streams.errors import SettingsError
from streams.listener.app import Served, build
from streams.listener.making import hooks_of
from tests.brands_file import load
from tests.unit.listener.test_app import Kafka

SECRET = "0123456789abcdef0123456789abcdef"
POSTS, COMMENTS = "https://blog.example/feed/", "https://blog.example/comments/feed/"
FILE = f"""
[connectors.blog]
type = "feed"
accounts = ["blog:acme"]
authors = {{ "Acme Team" = "blog:acme" }}
callback = "https://listen.example/v1/webhooks/blog"
secret_env = "HUB_SECRET"
feeds = [{{ address = "{POSTS}", holds = "posts" }}, {{ address = "{COMMENTS}", holds = "comments" }}]
"""


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Kafka) -> TestClient:
    monkeypatch.setenv("HUB_SECRET", f"{SECRET} an-older-secret-of-that-kind")
    return TestClient(build(Served(kafka, hooks=hooks_of(load(FILE, tmp_path), None))))


def feed(*items: tuple[str, str, int]) -> bytes:
    """A feed of RSS with items by guid and name, published so many seconds ago."""
    said = "".join(
        f"<item><title>{guid}</title><guid isPermaLink='false'>{guid}</guid><link>https://blog.example/p/#{guid}</link>"
        f"<dc:creator>{name}</dc:creator><pubDate>{format_datetime(datetime.fromtimestamp(time.time() - ago, UTC))}</pubDate>"
        f"<description>says {guid}</description></item>"
        for guid, name, ago in items
    )
    return f'<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>{said}</channel></rss>'.encode()


def signed(topic: str, body: bytes, secret: str = SECRET, method: str = "sha256") -> dict[str, str]:
    made = hmac.new(secret_of(secret, topic).encode(), body, getattr(hashlib, method)).hexdigest()
    return {"X-Hub-Signature": f"{method}={made}", "Content-Type": "application/rss+xml"}


def test_a_hub_is_answered_about_feeds_of_ours(client: TestClient) -> None:
    asked = {"hub.mode": "subscribe", "hub.topic": POSTS, "hub.challenge": "c-1<b>", "hub.lease_seconds": "864000"}
    answer = client.get("/v1/webhooks/blog", params=asked)
    assert (answer.status_code, answer.text) == (200, "c-1<b>")
    assert answer.headers["Content-Type"].startswith("text/plain")
    for wrong in (
        {"hub.topic": "https://other.example/"},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": "denied"},
        {"hub.challenge": ""},
    ):
        assert client.get("/v1/webhooks/blog", params=asked | wrong).status_code == 403


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha512"])
def test_what_is_signed_for_a_feed_is_taken_as_what_it_is(client: TestClient, kafka: Kafka, method: str) -> None:
    body = feed(("1", "Zoé", 5), ("0", "Zoé", 100_000))
    answer = client.post("/v1/webhooks/blog", content=body, headers=signed(POSTS, body, method=method))
    assert answer.json() == {"taken": ["blog:1"], "set_aside": [], "passed_over": [1]}, (
        "what is old is for the connector"
    )
    (event,) = kafka.has
    assert isinstance(event, dict)
    assert (event["kind"], event["account"], event["author_id"], event["text"]) == (
        "broadcast",
        "blog:acme",
        "acme",
        "1\n\nsays 1",
    )


def test_comments_are_mentions_and_answers(client: TestClient, kafka: Kafka) -> None:
    body = feed(("q", "Ann", 20), ("a", "Acme Team", 10))
    client.post("/v1/webhooks/blog", content=body, headers=signed(COMMENTS, body))
    found = {it["id"]: (it["kind"], it["contact_id"], it["parent_id"]) for it in kafka.has if isinstance(it, dict)}
    assert found == {"blog:q": ("mention", "name:Ann", ""), "blog:a": ("reply", "name:Ann", "blog:q")}


def threads(*comments: tuple[str, str, str]) -> bytes:
    """A feed of Atom as WordPress has it: comments by number and name, and what they answer; "": the post."""
    at = datetime.fromtimestamp(time.time() - 5, UTC)
    said = "".join(
        f"<entry><title>Comment</title><id>urn:{number}</id><author><name>{name}</name></author>"
        f"<link rel='alternate' href='https://blog.example/p/#comment-{number}'/>"
        f"<published>{at:%Y-%m-%dT%H:%M:%SZ}</published><content>says {number}</content>"
        f"<thr:in-reply-to ref='urn:{answers or 'p'}' href='https://blog.example/p/{answers and f'#comment-{answers}'}'/></entry>"
        for number, name, answers in comments
    )
    return (
        "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:thr='http://purl.org/syndication/thread/1.0'>"
        f"<title>Comments</title>{said}</feed>"
    ).encode()


def test_of_threads_only_what_begins_there_is_taken(client: TestClient, kafka: Kafka) -> None:
    body = threads(
        ("1", "Ann", ""),
        ("2", "Acme Team", "1"),
        ("3", "Ann", "2"),
        ("4", "Acme Team", "2"),  # part two of an answer: to whom, the connector knows
        ("5", "Acme Team", ""),  # whose post it is, too
        ("6", "Ann", "0"),  # and what it answers
        ("7", "Acme Team", "6"),
    )
    answer = client.post("/v1/webhooks/blog", content=body, headers=signed(COMMENTS, body))
    assert answer.json()["taken"] == ["blog:urn:1", "blog:urn:2", "blog:urn:3"]
    found = [(it["kind"], it["contact_id"], it["parent_id"]) for it in kafka.has if isinstance(it, dict)]
    assert found == [
        ("mention", "name:Ann", "blog:urn:p"),
        ("reply", "name:Ann", "blog:urn:1"),
        ("mention", "name:Ann", "blog:urn:2"),
    ]
    assert {it["conversation_id"] for it in kafka.has if isinstance(it, dict)} == {"blog:urn:1"}


def test_an_answer_that_does_not_say_to_whom_is_for_the_connector(client: TestClient, kafka: Kafka) -> None:
    body = feed(("a", "Acme Team", 10))
    answer = client.post("/v1/webhooks/blog", content=body, headers=signed(COMMENTS, body))
    assert (answer.json()["passed_over"], kafka.has) == ([0], [])


def test_nobody_else_is_believed(client: TestClient, kafka: Kafka) -> None:
    body = feed(("1", "Zoé", 5))
    right = signed(POSTS, body)
    for headers in (
        {},
        signed("https://other.example/", body),
        signed(POSTS, body, "another secret"),
        {"X-Hub-Signature": "sha256="},
    ):
        assert client.post("/v1/webhooks/blog", content=body, headers=headers).status_code == 401
    assert client.post("/v1/webhooks/blog", content=body + b" ", headers=right).status_code == 401
    assert kafka.has == []
    older = signed(POSTS, body, "an-older-secret-of-that-kind")
    assert client.post("/v1/webhooks/blog", content=body, headers=older).status_code == 200


def test_what_is_no_feed_is_set_aside(client: TestClient) -> None:
    body = b"<html>sorry"
    answer = client.post("/v1/webhooks/blog", content=body, headers=signed(POSTS, body))
    assert [it["reason"] for it in answer.json()["set_aside"]] == ["malformed_record"]


def test_a_feed_without_a_callback_is_no_webhook_and_a_short_secret_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line for line in FILE.splitlines() if not line.startswith(("callback", "secret"))]
    assert hooks_of(load("\n".join(lines), tmp_path), None) == []
    monkeypatch.setenv("HUB_SECRET", "short")
    with pytest.raises(SettingsError, match=r"the secret of connectors\.blog is none"):
        hooks_of(load(FILE, tmp_path), tmp_path / "rapport.toml")
