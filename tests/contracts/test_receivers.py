"""The contract of receivers, the same for each: against servers that speak as the real ones do, and misbehave."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.message import EmailMessage
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from streams.cli import app
from streams.errors import SettingsError
from streams.http_answers import RefusedError, UnavailableError
from streams.notifications.model import Alert, Listed, Notification
from streams.receivers.base import Receiver
from tests.receivers import RETRY_AFTER, SECRETS, Behaviour, Station, made, station

AT = 1_700_000_000_000
HAS_APPRISE = find_spec("apprise") is not None
KINDS = [
    "webhook",
    "slack",
    "teams",
    "pagerduty",
    "opsgenie",
    "alertmanager",
    "email",
    pytest.param(
        "apprise",
        marks=[
            pytest.mark.skipif(not HAS_APPRISE, reason="needs apprise: rapport[apprise]"),
            pytest.mark.filterwarnings("ignore:.*imghdr:DeprecationWarning"),  # it loads all that it knows
        ],
    ),
]
UNKEYED = ("slack", "teams", "apprise")
"""They know no key by which a repetition is one."""
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
        assert failed.value.pause == (RETRY_AFTER if trouble == "busy" and kind not in ("email", "apprise") else 0)
        await subject.send(NOTE)
        assert len(it.taken) == (2 if trouble == "resetting" else 1)
        assert len({key for key, _ in it.taken}) == 1
        await subject.send(NOTE._replace(episode=AT + 1))
        assert len({key for key, _ in it.taken}) == (
            1 if kind in (*UNKEYED, "alertmanager") else 2
        )  # whose key is of the alert

    with_station(kind, scenario)


def test_a_refusal_is_for_good(kind: str) -> None:
    async def scenario(it: Station, subject: Receiver) -> None:
        it.behaves = ["refusing"]
        with pytest.raises(UnavailableError if kind == "apprise" else RefusedError):  # it does not say why
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
                buttons = [(it["action_id"], it["value"]) for it in first["blocks"][2]["elements"]]
                assert buttons[0] == ("acknowledge", '["x:acme","unanswered:x:1","acknowledge"]')
                assert buttons[1] == ("snooze", '["x:acme","unanswered:x:1","snooze"]')
                assert [block["type"] for block in second["blocks"]] == ["header", "section", "context"]
            case "teams":
                card = first["attachments"][0]["content"]
                said = [block["inlines"][0]["text"] for block in card["body"]]
                assert said[0] == card["fallbackText"] == "[CRITICAL] x:acme: 1 alert firing, 1 new"
                assert "x:1 <b>&" in said[1]
            case "opsgenie":
                assert key == other == NOTE.incident
                assert (first[0], second[0]) == ("create", "close")
                assert first[1]["priority"] == "P1"
                assert "x:1 <b>&" in first[1]["description"]
            case "alertmanager":
                assert [(it["labels"]["alertname"], it["labels"]["severity"]) for it in first] == [
                    ("unanswered", "critical")
                ]
                hours = (datetime.fromisoformat(first[0]["endsAt"]).timestamp() - AT / 1000) / 3600
                assert hours == pytest.approx(4 + 300 / 3600 + 2)  # repeated, looked at, delivered
                assert first[0]["annotations"]["subject"] == "x:1 <b>&"
            case "apprise":
                assert (first["title"], first["type"]) == ("[CRITICAL] x:acme: 1 alert firing, 1 new", "failure")
                assert "x:1 <b>&" in first["message"]
                assert second["type"] == "success"
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
                assert first["Auto-Submitted"] == "auto-generated"
                assert "x:1 <b>&" in text.get_content()
                assert "x:1 &lt;b&gt;&amp;" in html.get_content()

    with_station(kind, scenario)


def test_the_command_says_whether_it_takes_a_test(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario(it: Station, _: Receiver) -> None:
        mail = f'host = "127.0.0.1"\nport = {it.port}\nsecurity = "none"\nfrom = "r@acme.test"\nto = ["o@acme.test"]'
        lines = {
            "webhook": f'url = "{it.url}"\nsecret_env = "SECRET"',
            "pagerduty": f'url = "{it.url}"\nrouting_key_env = "SECRET"',
            "opsgenie": f'url = "{it.url}"\napi_key_env = "SECRET"',
            "alertmanager": f'urls = ["{it.url}"]\nauthorization_env = "SECRET"',
            "email": mail,
        }
        secrets = {
            "webhook": " ".join(SECRETS),
            "apprise": it.url.replace("http:", "json:"),
            "pagerduty": "R" * 32,
            "opsgenie": "R" * 32,
            "alertmanager": f"Bearer {'R' * 32}",
        }
        said = lines.get(kind, 'url_env = "SECRET"')
        file = tmp_path / "rapport.toml"
        # of another receiver that cannot be made, a test of this one takes no notice
        file.write_text(f'[receivers.it]\ntype = "{kind}"\n{said}\n[receivers.other]\ntype = "slack"\nurl_env = "NO"\n')
        monkeypatch.setenv("SECRET", secrets.get(kind, it.url))
        monkeypatch.setenv("RAPPORT_ACCOUNTS_FILE", str(file))

        def run() -> Result:
            return CliRunner().invoke(app, ["notify", "test", "it"])

        done = await asyncio.to_thread(run)
        assert (done.exit_code, done.stdout) == (0, "it has taken it\n"), done.exception
        assert len(it.taken) == 1
        it.behaves = ["failing"]
        done = await asyncio.to_thread(run)
        assert isinstance(done.exception, SettingsError)
        assert "it has not taken it" in str(done.exception)

    with_station(kind, scenario)
    assert "5ecret" not in "".join(capfd.readouterr())
