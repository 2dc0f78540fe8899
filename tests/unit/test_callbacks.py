"""Answers to messages as they come to the page: who is believed, what is done, and that a look at a link does nothing."""

import asyncio
import hashlib
import hmac
import html
import json
import re
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from schemas.answers import Answer, Signed, sign
from sinks.dashboard import app, callbacks
from sinks.dashboard.access import Token
from sinks.dashboard.app import Served, build
from sinks.dashboard.bodies import LARGEST_BODY
from sinks.dashboard.callbacks import REPLAY_SECONDS, Proofs, is_from_slack, pressed
from sinks.dashboard.doors import BURST
from streams.errors import BrokerError, SettingsError

SECRET, KEY = "8f742231b10e8888abcd99yyyzzz85a5", "k" * 32
ORIGIN = {"Origin": "https://elsewhere.test"}
"""Whoever answers comes from another site, or from none."""


class Notifier:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.seconds = 0.0

    async def tell(self, command: Mapping[str, Any]) -> None:
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        self.told.append(dict(command))


@pytest.fixture
def notifier() -> Notifier:
    return Notifier()


@pytest.fixture
def page(notifier: Notifier) -> TestClient:
    """A page that asks everybody for a token; ClickHouse is of no use here."""
    proofs = Proofs(lambda: ["another app's", SECRET], lambda: ["an older key of some length, retired", KEY])
    served = Served(MagicMock(), [Token("ann", "0" * 64)], tell=notifier.tell, proofs=proofs)
    return TestClient(build(served), follow_redirects=False)


def button(action: str = "acknowledge", alert: str = "unanswered:x:1", **other: Any) -> bytes:  # noqa: ANN401 - of the payload
    """What Slack posts (https://docs.slack.dev/reference/interaction-payloads/block_actions-payload)."""
    value = json.dumps(["x:acme", alert, action])
    payload = {
        "type": "block_actions",
        "user": {"id": "U0", "username": "bea", "name": "bea", "team_id": "T0"},
        "api_app_id": "A0",
        "token": "old",
        "container": {"type": "message", "message_ts": "1.0", "channel_id": "C0", "is_ephemeral": False},
        "trigger_id": "1.1.a",
        "team": {"id": "T0", "domain": "acme"},
        "response_url": "https://hooks.slack.com/actions/T0/1/a",
        "actions": [{"action_id": action, "block_id": "b", "value": value, "type": "button", "action_ts": "1.0"}],
        **other,
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def signed(body: bytes, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    said = str(round(time.time() if at is None else at))
    signature = hmac.new(secret.encode(), f"v0:{said}:".encode() + body, hashlib.sha256).hexdigest()
    return {
        "X-Slack-Request-Timestamp": said,
        "X-Slack-Signature": f"v0={signature}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def link(action: str = "acknowledge", alert: str = "unanswered:x:1", lasts: float = 60, key: str = KEY) -> str:
    expires = round((time.time() + lasts) * 1000)
    return sign(Signed(Answer("x:acme", alert, action), "ops@acme.test", expires), key)


# -- Slack ----------------------------------------------------------------------------------------------------------------


def test_the_example_of_slacks_own_documentation_is_believed() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
        b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
        b"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert is_from_slack([SECRET], "1531420618", body, signature, 1531420618.0)
    assert not is_from_slack([SECRET], "1531420618", body, signature, 1531420618.0 + REPLAY_SECONDS + 1)
    assert not is_from_slack([SECRET], "1531420619", body, signature, 1531420618.0)
    assert not is_from_slack([SECRET], "1531420618", body + b" ", signature, 1531420618.0)
    assert not is_from_slack([], "1531420618", body, signature, 1531420618.0)


@given(st.text(), st.binary(), st.text())
def test_nothing_that_somebody_makes_up_is_believed(at: str, body: bytes, signature: str) -> None:
    assert not is_from_slack([SECRET], at, body, signature, 0.0)


def test_whoever_presses_a_button_acknowledges(page: TestClient, notifier: Notifier) -> None:
    body = button()
    answer = page.post("/callbacks/slack", content=body, headers=signed(body) | ORIGIN)
    assert (answer.status_code, answer.content) == (200, b"")
    assert notifier.told == [
        {"account": "x:acme", "alert_id": "unanswered:x:1", "action": "acknowledge", "until": 0, "by": "bea"}
    ]


def test_a_snooze_is_for_an_hour_from_now(page: TestClient, notifier: Notifier) -> None:
    body = button("snooze", alert="")
    page.post("/callbacks/slack", content=body, headers=signed(body))
    (command,) = notifier.told
    assert command["until"] / 1000 == pytest.approx(time.time() + 3600, abs=30)
    assert command["alert_id"] == ""


@pytest.mark.parametrize(
    ("headers", "body"),
    [  # made when the test runs: what was signed when it was collected may be too old by then for another reason
        (dict, button()),
        (lambda: signed(button(), secret="other"), button()),
        (lambda: signed(button(), at=time.time() - 400), button()),
        (lambda: signed(button(), at=time.time() + 400), button()),
        (lambda: signed(button()), button("snooze")),
        (lambda: signed(button()) | {"X-Slack-Request-Timestamp": "soon"}, button()),
        (lambda: signed(button()) | {"X-Slack-Signature": "v0="}, button()),
        (lambda: {name: value.replace("v0=", "v1=") for name, value in signed(button()).items()}, button()),
    ],
)
def test_what_slack_has_not_signed_just_so_and_now_does_nothing(
    page: TestClient, notifier: Notifier, headers: Callable[[], dict[str, str]], body: bytes
) -> None:
    assert page.post("/callbacks/slack", content=body, headers=headers()).status_code == 401
    assert notifier.told == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"payload=1", 400),
        (b"payload={", 400),
        (b"\xff=\xff", 400),
        (button(actions=[{"action_id": "snooze", "value": "x"}]), 400),
        (button(user=None), 400),
        (button(actions=[{"action_id": "another app's", "value": "x"}]), 200),
        (urlencode({"payload": json.dumps({"type": "view_closed"})}).encode(), 200),
    ],
)
def test_what_is_no_button_of_ours_does_nothing(page: TestClient, notifier: Notifier, body: bytes, status: int) -> None:
    assert page.post("/callbacks/slack", content=body, headers=signed(body)).status_code == status
    assert notifier.told == []


def test_a_user_without_a_name_is_known_by_the_other() -> None:
    assert pressed(button(user={"id": "U0", "username": "bea"}))[1] == "bea"


def test_a_large_body_is_not_read_to_its_end(page: TestClient, notifier: Notifier) -> None:
    body = b"a" * (LARGEST_BODY + 1)
    assert page.post("/callbacks/slack", content=body, headers=signed(body)).status_code == 413
    assert page.post("/callbacks/mail", content=body).status_code == 413
    assert notifier.told == []


def test_slack_is_told_in_time_that_nothing_came_of_it(
    page: TestClient, notifier: Notifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = button()
    notifier.error = BrokerError("Kafka has not taken it", "say it again")
    assert page.post("/callbacks/slack", content=body, headers=signed(body)).status_code == 503
    monkeypatch.setattr(callbacks, "ANSWER_SECONDS", 0.05)
    notifier.error, notifier.seconds = None, 5
    began = time.monotonic()
    assert page.post("/callbacks/slack", content=body, headers=signed(body)).status_code == 503
    assert time.monotonic() - began < 3
    assert notifier.told == []


# -- links ----------------------------------------------------------------------------------------------------------------


def test_a_look_at_a_link_changes_nothing_and_its_button_does(page: TestClient, notifier: Notifier) -> None:
    text = link()
    shown = page.get("/callbacks/mail", params={"say": text})
    assert shown.status_code == 200
    assert "unanswered:x:1 of x:acme" in shown.text
    assert page.head("/callbacks/mail", params={"say": text}).status_code == 405
    assert notifier.told == []
    (form,) = re.findall(r'<form method="post" action="(.+?)".*?name="say" value="(.+?)"', shown.text, re.DOTALL)
    done = page.post(form[0], data={"say": html.unescape(form[1])}, headers={"Origin": "null"})
    assert done.status_code == 200
    assert "Done" in done.text
    assert notifier.told == [
        {"account": "x:acme", "alert_id": "unanswered:x:1", "action": "acknowledge", "until": 0, "by": "ops@acme.test"}
    ]


def test_a_link_about_all_says_so(page: TestClient) -> None:
    assert "every alert that fires now of x:acme" in page.get(f"/callbacks/mail?say={link(alert='')}").text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (link(lasts=-1), "too old"),
        (link(key="o" * 32), "not made here"),
        (link()[:-1], "not made here"),
        (f"{link('snooze').partition('.')[0]}.{link().partition('.')[2]}", "not made here"),
        ("", "not made here"),
    ],
)
def test_a_link_that_is_old_or_forged_is_refused(page: TestClient, notifier: Notifier, text: str, says: str) -> None:
    for answer in (page.get("/callbacks/mail", params={"say": text}), page.post("/callbacks/mail", data={"say": text})):
        assert answer.status_code == 400
        assert says in answer.text
    assert notifier.told == []


def test_what_stands_in_a_link_is_text(page: TestClient) -> None:
    shown = page.get("/callbacks/mail", params={"say": link(alert="<script>alert(1)</script>")})
    assert "<script>alert" not in shown.text


# -- both -----------------------------------------------------------------------------------------------------------------


def test_without_a_notifier_or_a_secret_nothing_is_said() -> None:
    body = button()

    def missing() -> list[str]:
        raise SettingsError("/run/secrets/slack cannot be read", "name a file that has the secret")

    for proofs, tell, status in (
        (Proofs(lambda: [SECRET]), None, 501),
        (Proofs(), Notifier().tell, 401),
        (Proofs(missing), Notifier().tell, 503),
    ):
        page = TestClient(build(Served(MagicMock(), tell=tell, proofs=proofs)))
        assert page.post("/callbacks/slack", content=body, headers=signed(body)).status_code == status


def test_who_asks_too_often_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "time", SimpleNamespace(monotonic=lambda: 0.0))  # however slow this machine is
    notifier = Notifier()
    page = TestClient(build(Served(MagicMock(), tell=notifier.tell, proofs=Proofs(lambda: [SECRET]))))
    statuses = [page.post("/callbacks/slack", content=b"a").status_code for _ in range(BURST + 1)]
    assert statuses == [401] * BURST + [429]
    assert notifier.told == []


def test_all_else_still_takes_a_token_and_comes_from_here(page: TestClient) -> None:
    assert page.get("/callbacks").status_code in (303, 404)
    assert page.get("/overview").status_code == 303
    assert page.post("/logout", headers=ORIGIN).status_code == 403
