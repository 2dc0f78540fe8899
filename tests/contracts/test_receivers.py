"""The contract of receivers, the same for each: against servers that speak as the real ones do, and misbehave."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import Any

import pytest

from streams.notification_settings import EmailSettings, PagerDutySettings, SlackSettings, WebhookSettings
from streams.notifications.model import Alert, Listed, Notification
from streams.receivers.base import Receiver, RefusedError, UnavailableError
from streams.receivers.making import receiver
from tests.receivers import RETRY_AFTER, SECRETS, Behaviour, Station, station

AT = 1_700_000_000_000
KINDS = ["webhook", "slack", "pagerduty", "email"]
ALERT = Alert(
    "unanswered:x:1",
    "unanswered",
    "critical",
    firing=True,
    subject="x:1 <b>&",
    contact_id="ann",
    escalation=1,
    due_at=AT,
    fired_at=AT,
    version=7,
)
NOTE = Notification("x:acme", "on-call", AT, 1, "firing", AT, 1, 1, 0, listed=(Listed(ALERT, "new"),))
STORM = NOTE._replace(
    firing=10_000, listed=tuple(Listed(ALERT._replace(alert_id=f"{n}", subject="s" * 500), "new") for n in range(100))
)


def made(it: Station) -> Receiver:
    common: dict[str, Any] = {"type": it.kind, "timeout_seconds": 0.5}
    match it.kind:
        case "webhook":
            return receiver(WebhookSettings(url=it.url, secret_env="S", **common), lambda: "\n".join(SECRETS))
        case "slack":
            return receiver(SlackSettings(url_env="S", **common), lambda: it.url)
        case "pagerduty":
            return receiver(PagerDutySettings(url=it.url, routing_key_env="S", **common), lambda: "R" * 32)
        case _:
            server = {"host": "127.0.0.1", "port": it.port, "security": "none", "username": "ann", "password_env": "S"}
            addresses = {"from": "rapport@acme.test", "to": ["ops@acme.test", "bob@acme.test"]}
            return receiver(EmailSettings(**server, **addresses, **common), lambda: "R" * 32)


def with_station(kind: str, scenario: Callable[[Station, Receiver], Awaitable[None]]) -> None:
    async def run() -> None:
        async with station(kind) as it:
            subject = made(it)
            try:
                await scenario(it, subject)
            finally:
                await subject.close()

    asyncio.run(run())


pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("note", [NOTE, STORM, NOTE._replace(status="resolved"), NOTE._replace(status="acknowledged")])
def test_what_is_sent_is_taken_once(kind: str, note: Notification) -> None:
    async def scenario(it: Station, subject: Receiver) -> None:
        await subject.send(note)
        assert (it.requests, len(it.taken)) == (1, 1)

    with_station(kind, scenario)


@pytest.mark.parametrize("trouble", ["slow", "failing", "busy", "resetting"])
def test_trouble_that_may_pass_is_told_from_a_refusal_and_the_next_try_has_the_same_key(
    kind: str, trouble: Behaviour
) -> None:
    async def scenario(it: Station, subject: Receiver) -> None:
        it.behaves = [trouble]
        with pytest.raises(UnavailableError) as failed:
            await subject.send(NOTE)
        assert failed.value.pause == (RETRY_AFTER if trouble == "busy" and kind != "email" else 0)
        await subject.send(NOTE)
        assert len(it.taken) == (2 if trouble == "resetting" else 1)
        assert len({key for key, _ in it.taken}) == 1
        await subject.send(NOTE._replace(episode=AT + 1))
        assert len({key for key, _ in it.taken}) == (1 if kind == "slack" else 2)

    with_station(kind, scenario)


def test_a_refusal_is_for_good(kind: str) -> None:
    async def scenario(it: Station, subject: Receiver) -> None:
        it.behaves = ["refusing"]
        with pytest.raises(RefusedError):
            await subject.send(NOTE)
        assert not it.taken

    with_station(kind, scenario)


def test_nobody_there(kind: str) -> None:
    async def scenario(it: Station, _: Receiver) -> None:
        it.port = 9
        nobody = made(it)
        with pytest.raises(UnavailableError):
            await nobody.send(NOTE)
        await nobody.close()

    with_station(kind, scenario)


def test_no_secret_is_in_a_log_or_an_error(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(it: Station, subject: Receiver) -> None:
        it.behaves = ["refusing", "resetting", "failing"]
        for _ in range(3):
            with pytest.raises((RefusedError, UnavailableError)) as failed:
                await subject.send(NOTE)
            assert "5ecret" not in repr(failed.value)
            assert failed.value.__cause__ is None

    with caplog.at_level(logging.WARNING):
        with_station(kind, scenario)
    for secret in ("5ecret", "R" * 32, *SECRETS):
        assert secret not in caplog.text


def test_what_it_says(kind: str) -> None:
    async def scenario(it: Station, subject: Receiver) -> None:
        await subject.send(NOTE)
        await subject.send(NOTE._replace(status="resolved", number=2, firing=0, new=0, resolved=1))
        (key, first), (other, second) = it.taken
        match kind:
            case "webhook":
                assert (key, other) == (f"msg_{NOTE.key}", f"msg_{NOTE._replace(number=2).key}")
                assert first["type"] == "alerts.firing"
                assert first["data"]["alerts"][0]["alert_id"] == ALERT.alert_id
            case "slack":
                assert first["text"] == "[CRITICAL] x:acme: 1 alert firing, 1 new"
                assert "x:1 &lt;b&gt;&amp;" in first["blocks"][1]["text"]["text"]
            case "pagerduty":
                assert key == other == NOTE.incident
                assert (first["event_action"], second["event_action"]) == ("trigger", "resolve")
            case _:
                assert isinstance(first, EmailMessage)
                assert first["Message-ID"] == f"<{NOTE.key}@acme.test>"
                assert second["In-Reply-To"] == first["Message-ID"]
                text, html = first.get_body(("plain",)), first.get_body(("html",))
                assert text is not None
                assert html is not None
                assert "x:1 <b>&" in text.get_content()
                assert "x:1 &lt;b&gt;&amp;" in html.get_content()

    with_station(kind, scenario)
