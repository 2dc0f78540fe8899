"""Receivers that tests can ask for: servers on loopback that speak as the real ones do, and misbehave when told."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from functools import partial
from typing import Any, Literal

from standardwebhooks import Webhook as Verifier

from streams.notification_settings import (
    AlertmanagerSettings,
    AppriseSettings,
    EmailSettings,
    Notifications,
    OpsgenieSettings,
    PagerDutySettings,
    RouteSettings,
    SlackSettings,
    TeamsSettings,
    WebhookSettings,
)
from streams.receivers.base import Receiver
from streams.receivers.making import receiver

Behaviour = Literal["well", "slow", "failing", "busy", "refusing", "resetting"]
"""``resetting``: the message is taken, and the connection ends without an answer."""
RETRY_AFTER = 2
SECRETS = [f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2)]


@dataclass
class Station:
    """One receiver, and what it took: the key by which it knows each message, and the message."""

    kind: str
    behaves: list[Behaviour] = field(default_factory=list)
    """One for each request; well, when there are no more."""
    taken: list[tuple[str, Any]] = field(default_factory=list)
    requests: int = 0
    port: int = 0
    arrivals: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/T0/B0/5ecret"

    def next_behaviour(self) -> Behaviour:
        self.requests += 1
        self.arrivals.append(asyncio.get_running_loop().time())
        return self.behaves.pop(0) if self.behaves else "well"


@asynccontextmanager
async def station(kind: str) -> AsyncIterator[Station]:
    it = Station(kind)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await (_mail(it, reader, writer) if kind == "email" else _http(it, reader, writer))
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()


ROUTES = Notifications.model_construct(
    routes=[RouteSettings.model_construct(name="on-call", repeat_interval_hours=4, acknowledge_hours=1)]
)


def made(it: Station, timeout_seconds: float = 0.5) -> Receiver:  # noqa: PLR0911 - one for each
    """Return the receiver that sends to a station."""
    common: dict[str, Any] = {"type": it.kind, "timeout_seconds": timeout_seconds}

    def build(settings: Any, **secrets: str) -> Receiver:  # noqa: ANN401 - of any receiver
        return receiver(settings, {name: partial(str, secret) for name, secret in secrets.items()}, ROUTES)

    match it.kind:
        case "webhook":
            return build(WebhookSettings(url=it.url, secret_env="S", **common), secret="\n".join(SECRETS))
        case "slack":
            return build(SlackSettings(url_env="S", signing_secret_env="S", **common), url=it.url)
        case "teams":
            return build(TeamsSettings(url_env="S", **common), url=it.url)
        case "pagerduty":
            return build(PagerDutySettings(url=it.url, routing_key_env="S", **common), routing_key="R" * 32)
        case "opsgenie":
            return build(OpsgenieSettings(url=it.url, api_key_env="S", **common), api_key="R" * 32)
        case "alertmanager":
            known = {"urls": [it.url], "authorization_env": "S"}
            return build(AlertmanagerSettings(**known, **common), authorization=f"Bearer {'R' * 32}")
        case "apprise":
            return build(AppriseSettings(url_env="S", **common), url=it.url.replace("http:", "json:"))
        case _:
            server = {"host": "127.0.0.1", "port": it.port, "security": "none", "username": "ann", "password_env": "S"}
            addresses = {"from": "rapport@acme.test", "to": ["ops@acme.test", "bob@acme.test"]}
            links = {"page": "https://page.acme.test/", "link_secret_env": "S"}
            secrets = {"password": "R" * 32, "link_secret": f"{'K' * 32} {'L' * 32}"}
            return build(EmailSettings(**server, **addresses, **links, **common), **secrets)


# -- HTTP -----------------------------------------------------------------------------------------------------------------


async def _http(it: Station, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        headers[":method"], headers[":path"] = head[0].split()[:2]
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        behaves = it.next_behaviour()
        method = "PUT" if it.kind == "opsgenie" and "/priority?" in headers[":path"] else "POST"
        fault = "" if headers[":method"] == method else "405 Method Not Allowed"
        fault = fault or ("" if headers.get("content-type") == "application/json" else "415 Unsupported Media Type")
        key, message = "", None
        if not fault:
            try:
                key, message = READERS[it.kind](headers, body)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it
                fault, message = "400 Bad Request", repr(error)
        if behaves == "slow":
            await asyncio.sleep(2)
        answer = {"failing": "500 Internal Server Error", "busy": "429 Too Many Requests", "refusing": "403 Forbidden"}
        status = fault or answer.get(behaves, "202 Accepted" if it.kind in ACCEPT else "200 OK")
        if status.startswith("2") and behaves != "slow":
            it.taken.append((key, message))
        if behaves == "resetting":
            writer.transport.abort()
            return
        said = json.dumps({"status": "success", "dedup_key": key}) if it.kind == "pagerduty" else "ok"
        extra = f"Retry-After: {RETRY_AFTER}\r\n" if behaves == "busy" else ""
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(said)}\r\n{extra}\r\n{said}".encode())
        await writer.drain()


def _webhook(headers: Mapping[str, str], body: bytes) -> tuple[str, Any]:
    for secret in SECRETS:  # whichever of the two somebody has
        found = Verifier(secret).verify(body, dict(headers))
    return headers["webhook-id"], found


def _slack(_: Mapping[str, str], body: bytes) -> tuple[str, Any]:
    message = json.loads(body)
    assert message["text"]
    assert len(message["blocks"]) <= 50
    for block in message["blocks"]:
        match block["type"]:
            case "header":
                assert block["text"]["type"] == "plain_text"
                assert 1 <= len(block["text"]["text"]) <= 150
            case "section":
                assert block["text"]["type"] == "mrkdwn"
                assert 1 <= len(block["text"]["text"]) <= 3000
            case "context":
                assert 1 <= len(block["elements"]) <= 10
            case "actions":
                assert 1 <= len(block["elements"]) <= 25
                assert len({button["action_id"] for button in block["elements"]}) == len(block["elements"])
                for button in block["elements"]:
                    assert button["type"] == "button"
                    assert button["text"]["type"] == "plain_text"
                    assert len(button["text"]["text"]) <= 75
                    assert len(button["value"]) <= 2000
            case other:
                raise AssertionError(other)
    return "", message


def _pagerduty(_: Mapping[str, str], body: bytes) -> tuple[str, Any]:
    event = json.loads(body)
    assert event["routing_key"] == "R" * 32
    assert event["event_action"] in ("trigger", "acknowledge", "resolve")
    assert len(event["dedup_key"]) <= 255
    assert len(event["payload"]["summary"]) <= 1024
    assert event["payload"]["severity"] in ("critical", "error", "warning", "info")
    assert event["payload"]["source"]
    return event["dedup_key"], event


def _teams(_: Mapping[str, str], body: bytes) -> tuple[str, Any]:
    assert len(body) <= 28 * 1024
    message = json.loads(body)
    assert message["type"] == "message"
    (attachment,) = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    for block in card["body"]:
        assert block["type"] == "RichTextBlock"
        for run in block["inlines"]:
            assert run["type"] == "TextRun"
            assert run["text"]
            assert run.get("color", "default") in ("default", "dark", "light", "accent", "good", "warning", "attention")
            assert run.get("size", "default") in ("default", "small", "medium", "large", "extraLarge")
    return "", message


def _opsgenie(headers: Mapping[str, str], body: bytes) -> tuple[str, Any]:
    """The alias, and what was asked: an action with its body."""
    assert headers["authorization"] == f"GenieKey {'R' * 32}"
    asked, path = json.loads(body), headers[":path"].removeprefix("/services/T0/B0/5ecret")
    assert len(asked.get("source", "")) <= 100
    assert len(asked.get("user", "")) <= 100
    if not path:
        assert 1 <= len(asked["message"]) <= 130
        assert 1 <= len(asked["alias"]) <= 512
        assert len(asked["description"]) <= 15_000
        assert len(asked["entity"]) <= 512
        assert asked["priority"] in ("P1", "P2", "P3", "P4", "P5")
        assert len(asked["tags"]) <= 20
        assert all(len(tag) <= 50 for tag in asked["tags"])
        assert all(isinstance(value, str) for value in asked["details"].values())
        return asked["alias"], ("create", asked)
    path, _, query = path.partition("?")
    assert query == "identifierType=alias"
    _, alias, action = path.split("/")
    assert action in ("acknowledge", "unacknowledge", "close", "priority")
    assert ("priority" in asked) == (action == "priority")
    return alias, (action, asked)


def _alertmanager(headers: Mapping[str, str], body: bytes) -> tuple[str, Any]:
    """The labels of what was posted, and that."""
    assert headers[":path"] == "/services/T0/B0/5ecret/api/v2/alerts"
    assert headers["authorization"] == f"Bearer {'R' * 32}"
    posted = json.loads(body)
    for alert in posted:
        assert alert["labels"]["alertname"]
        for texts in (alert["labels"], alert["annotations"]):
            assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) for name in texts)
            assert all(isinstance(text, str) for text in texts.values())
        ends = datetime.fromisoformat(alert["endsAt"])
        assert datetime.fromisoformat(alert.get("startsAt", alert["endsAt"])) <= ends
    known = [sorted(alert["labels"].items()) for alert in posted]
    assert len(known) == len({str(labels) for labels in known})
    return json.dumps(known), posted


def _apprise(_: Mapping[str, str], body: bytes) -> tuple[str, Any]:
    """What Apprise posts for an address ``json://``."""
    message = json.loads(body)
    assert message["message"]
    assert message["title"]
    assert message["type"] in ("info", "success", "warning", "failure")
    return "", message


READERS = {
    "webhook": _webhook,
    "slack": _slack,
    "teams": _teams,
    "pagerduty": _pagerduty,
    "opsgenie": _opsgenie,
    "alertmanager": _alertmanager,
    "apprise": _apprise,
}
ACCEPT = ("teams", "pagerduty", "opsgenie")
"""They answer 202."""


# -- SMTP -----------------------------------------------------------------------------------------------------------------


async def _mail(it: Station, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: C901 - a case for each command
    def say(line: str) -> None:
        writer.write(f"{line}\r\n".encode())

    say("220 mail.test ESMTP")
    behaves: Behaviour = "well"
    while line := (await reader.readline()).decode().strip():
        match line.split()[0].upper():
            case "EHLO":
                say("250-mail.test\r\n250-AUTH PLAIN\r\n250 SIZE 1000000")
            case "AUTH":
                right = base64.b64decode(line.split()[2]) == b"\0ann\0" + b"R" * 32
                say("235 2.7.0 Accepted" if right else "535 5.7.8 Bad credentials")
            case "MAIL" | "RCPT":
                say("250 2.1.0 OK")
            case "DATA":
                behaves = it.next_behaviour()
                say("354 End data with <CR><LF>.<CR><LF>")
                data = (await reader.readuntil(b"\r\n.\r\n"))[:-5].replace(b"\r\n..", b"\r\n.")
                if behaves == "slow":
                    await asyncio.sleep(2)
                if behaves in ("well", "resetting"):
                    mail = message_from_bytes(data, policy=policy.default)
                    it.taken.append((mail["Message-ID"], mail))
                if behaves == "resetting":
                    writer.transport.abort()
                    return
                answers = {"failing": "451 4.3.0 Try later", "busy": "421 4.7.0 Too many", "refusing": "554 5.7.1 No"}
                say(answers.get(behaves, "250 2.0.0 Queued"))
            case "QUIT":
                say("221 2.0.0 Bye")
                await writer.drain()
                return
            case _:
                say("500 5.5.1 What?")
        await writer.drain()
