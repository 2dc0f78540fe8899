"""Acting on alerts by the page and its API, on the real engine: who may, what is handed on, and what everybody then sees."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient

from schemas.codec import Record
from sinks.dashboard.access import Group, Proxy, Token, new_token
from sinks.dashboard.alerts import Agreed, AlertChoice, Alerts, Firing
from sinks.dashboard.app import Served, build
from streams.errors import BrokerError
from streams.notifications.holding import Watched
from streams.notifications.model import Command
from tests.clickhouse_server import HOUR, MINUTE, embedded, put, record

NOW = round(time.time() * 1000)
ALERT = "unanswered:n:1"
SAID = {"account": "n:acme", "alert_id": ALERT}
HOSTS = ("testserver",)


def mention(account: str, post: str, text: str, **alert: object) -> dict[str, list[Record]]:
    """Return the rows of somebody who has waited for an hour, and the alert of it."""
    at, due_at = NOW - HOUR, NOW - 20 * MINUTE
    about = {
        "account": account,
        "alert_id": f"unanswered:{post}",
        "subject": post,
        "contact_id": "n:ann",
        "opened_at": at,
        "due_at": due_at,
    }
    written = {"account": account, "id": post, "author_id": "n:ann", "author_name": "Ann", "text": text}
    return {
        "interaction": [record("interaction", **written, published_at=at, received_at=at)],
        "turn": [record("turn", account=account, turn_id=post, contact_id="n:ann", opened_at=at, due_at=due_at)],
        "alert": [record("alert", **{**about, "fired_at": NOW - 25 * MINUTE, **alert})],
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Three people who wait for two brands, and a spike; one alert is over."""
    with embedded(tmp_path_factory.mktemp("world") / "clickhouse") as client:
        for rows in (
            mention("n:acme", "n:1", "Where is <i>my</i> order?"),
            mention("n:acme", "n:2", "Still waiting", severity="critical", escalation=1, fired_at=NOW - 20 * MINUTE),
            mention("m:other", "m:1", "Hello?"),
            mention("n:acme", "n:3", "Thanks", state="resolved"),
            {"alert": [record("alert", account="n:acme", alert_id="spike:mentions:1", kind="spike", subject="mentions",
                              due_at=NOW - HOUR, fired_at=NOW - HOUR, value=30.0, baseline=2.0, spread=2.0)]},
        ):  # fmt: skip
            for name, some in rows.items():
                put(client, name, some)
        yield client


@dataclass
class Notifier:
    """Hears what is said, and has it land in ClickHouse as a sink would."""

    client: Client
    heard: list[Mapping[str, Any]] = field(default_factory=list)
    away: bool = False

    async def tell(self, command: Mapping[str, Any]) -> None:
        if self.away:
            raise BrokerError("Kafka has not taken it", "say it again")
        self.heard.append(command)
        put(self.client, "notification_command", [{**command, "at": time.time_ns() // 1_000_000}])


@contextmanager
def looking(served: Served, address: str = "10.0.0.1") -> Iterator[TestClient]:
    """Serve a page to somebody at an address, once it has asked ClickHouse."""
    app, deadline = build(served), time.monotonic() + 10
    with TestClient(app, client=(address, 50_000)) as page:
        while not (app.state.inbox.fresh.looked_at and app.state.alerts.chosen(AlertChoice(lambda _: True))):
            assert time.monotonic() < deadline, "nobody looked"
            time.sleep(0.02)
        yield page


@contextmanager
def serving(client: Client, **served: Any) -> Iterator[tuple[TestClient, Notifier]]:  # noqa: ANN401 - as Served has them
    """Serve a page; whatever was said before is not known any more."""
    client.command("TRUNCATE TABLE notification_commands_versions")
    notifier = Notifier(client)
    with looking(Served(client, **{"hosts": HOSTS, "tell": notifier.tell, **served})) as page:
        yield page, notifier


@pytest.fixture(scope="module")
def tokens() -> dict[str, tuple[Token, dict[str, str]]]:
    """Of each role one that sees one brand, with the header that it is sent by."""
    found = {}
    for role in ("reader", "agent", "admin"):
        token, hashed = new_token()
        found[role] = Token(f"{role}'s", hashed, ("n:*",), role), {"Authorization": f"Bearer {token}"}  # type: ignore[arg-type]
    return found


def alerts(page: TestClient, **asked: str | int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.get("/api/v1/alerts", params=asked).json()["items"]
    return found


def held(page: TestClient, account: str = "n:acme", alert_id: str = ALERT) -> set[str]:
    """Return what the alerts and the inbox say of who has an alert; empty words: nobody."""
    listed = [*alerts(page, limit=10_000), *page.get("/api/v1/inbox", params={"limit": 10_000}).json()["items"]]
    found = [it["held"] for it in listed if (it["account"], it["alert_id"]) == (account, alert_id)]
    return {it["says"] if it else "" for it in found}


def soon(page: TestClient, wanted: str, **which: str) -> None:
    """Wait until both say what begins so, or that nobody has it."""
    deadline = time.monotonic() + 5
    while len(said := held(page, **which)) != 1 or not (said == {wanted} or (wanted and min(said).startswith(wanted))):
        assert time.monotonic() < deadline, said
        time.sleep(0.05)


# -- what fires -----------------------------------------------------------------------------------------------------------


def test_the_worst_stands_first_and_what_is_over_does_not(world: Client) -> None:
    with serving(world) as (page, _):
        found = [(it["account"], it["alert_id"]) for it in alerts(page)]
        assert found == [
            ("n:acme", "unanswered:n:2"),
            ("n:acme", "spike:mentions:1"),
            ("m:other", "unanswered:m:1"),
            ("n:acme", "unanswered:n:1"),
        ]
        assert (
            len(alerts(page, network="m"))
            == len(alerts(page, account="m:other"))
            == len(alerts(page, severity="critical"))
            == 1
        )
        assert [it["value"] for it in alerts(page, kind="spike")] == [30]
        assert page.get("/api/v1/alerts", params={"severity": "mild"}).status_code == 422
        paged, cursor = [], ""
        while True:
            answer = page.get("/api/v1/alerts", params={"limit": 1, "cursor": cursor})
            paged += [(it["account"], it["alert_id"]) for it in answer.json()["items"]]
            cursor = answer.json()["next"]
            if not cursor:
                break
        assert paged == found
        for nonsense in ("nonsense", "kgE=", "gaFh"):
            assert page.get("/api/v1/alerts", params={"cursor": nonsense}).status_code == 400
        again = page.get("/api/v1/alerts", params={"limit": 1}, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 200
        same = page.get("/api/v1/alerts", params={"limit": 1}, headers={"If-None-Match": again.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")


def test_the_page_of_alerts_says_what_fires(world: Client) -> None:
    with serving(world) as (page, _):
        shown = page.get("/alerts").text
        assert "4 alerts fire · 1 critical · 0 taken on" in shown
        assert '<span id="alerts-count">4</span>' in shown
        assert "Where is &lt;i&gt;my&lt;/i&gt; order?" in shown
        assert "30 mentions in 15 minutes, usually 2" in shown
        assert "critical, past the target" in shown
        assert shown.count("Snooze 1 h") == 4
        assert "Hello?" not in page.get("/alerts?account=n:acme").text


def test_the_page_of_alerts_asks_once_who_has_what(world: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    chosen = Alerts.chosen

    def counted(self: Alerts, choice: AlertChoice) -> list[Firing]:
        asked.append(choice)
        return chosen(self, choice)

    with serving(world) as (page, _):
        monkeypatch.setattr(Alerts, "chosen", counted)
        assert page.get("/alerts?account=n:acme").status_code == 200
        assert len(asked) == 1


# -- what is said ---------------------------------------------------------------------------------------------------------


def test_what_is_said_is_handed_on_and_seen_by_everybody(world: Client, tokens: dict[str, Any]) -> None:
    (agent, header), (admin, other) = tokens["agent"], tokens["admin"]
    with serving(world, tokens=(agent, admin)) as (page, notifier):
        page.headers.update(header)
        answer = page.post("/api/v1/alerts/acknowledge", json=SAID)
        assert answer.status_code == 202
        assert notifier.heard == [answer.json()] == [{**SAID, "action": "acknowledge", "until": 0, "by": "agent's"}]
        soon(page, "acknowledged by agent's")
        assert "acknowledged by agent&#39;s" in page.get("/").text
        assert '<span id="alerts-count">2</span>' in page.get("/").text
        assert held(page, alert_id="unanswered:n:2") == {""}
        page.headers.update(other)
        page.post("/api/v1/alerts/snooze", json={**SAID, "minutes": 90})
        soon(page, "snoozed until ")
        assert abs(notifier.heard[-1]["until"] - time.time() * 1000 - 90 * MINUTE) < MINUTE
        page.post("/api/v1/alerts/snooze", json={**SAID, "minutes": 0})
        soon(page, "")
        page.post("/api/v1/alerts/silence", json={"account": "n:acme"})
        soon(page, "silenced until ")
        soon(page, "silenced until ", alert_id="spike:mentions:1")
        assert notifier.heard[-1] == {**notifier.heard[-1], "alert_id": "", "action": "silence", "by": "admin's"}


def test_another_page_and_one_that_was_started_again_know_it_too(world: Client) -> None:
    with serving(world) as (page, notifier):
        page.post("/api/v1/alerts/acknowledge", json=SAID)
        assert notifier.heard[0]["by"] == ""
        with looking(Served(world, hosts=HOSTS)) as another:
            soon(another, "acknowledged")


def test_what_was_said_to_all_of_an_account_is_not_for_what_fires_later(world: Client) -> None:
    with serving(world) as (page, _):
        later = dict.fromkeys(("opened_at", "fired_at", "due_at"), NOW + HOUR)
        rows = mention("n:late", "n:9", "Later", **later)
        rows["alert"] += mention("n:late", "n:8", "Before")["alert"]
        put(world, "alert", rows["alert"])
        page.post("/api/v1/alerts/acknowledge", json={"account": "n:late"})
        time.sleep(1)
        soon(page, "acknowledged", account="n:late", alert_id="unanswered:n:8")
        assert held(page, "n:late", "unanswered:n:9") == {""}
        put(world, "alert", [{**row, "state": "resolved", "version": 2} for row in rows["alert"]])


def test_nobody_has_an_alert_that_began_anew_or_whose_acknowledgement_is_forgotten(world: Client) -> None:
    """As when the reply is withdrawn that ended it; an end that is delivered again ends nothing."""
    seen = {"account": "m:anew", "alert_id": "unanswered:n:7"}
    rows = mention("m:anew", "n:7", "Again")
    (first,) = rows["alert"]
    for name, some in rows.items():
        put(world, name, some)
    ended, anew = {**first, "state": "resolved", "version": 2}, {**first, "version": 3}
    with serving(world) as (page, _):
        for everything in (False, True):
            page.post("/api/v1/alerts/acknowledge", json={**seen, "alert_id": "" if everything else seen["alert_id"]})
            soon(page, "acknowledged", **seen)
            put(world, "alert", [ended])
            put(world, "alert", [anew])
            soon(page, "", **seen)
            ended, anew = {**ended, "version": ended["version"] + 2}, {**anew, "version": anew["version"] + 2}
        page.post("/api/v1/alerts/acknowledge", json=seen)
        soon(page, "acknowledged", **seen)
        put(world, "alert", [{**first, "state": "resolved", "version": 2}])
        world.command("OPTIMIZE TABLE alert_ends FINAL")
        time.sleep(1)
        soon(page, "acknowledged", **seen)
    world.command("TRUNCATE TABLE alert_ends")
    with serving(world, agreed=Agreed(lambda alert: HOUR if alert.severity == "warning" else 0)) as (page, _):
        for minutes, wanted in ((61, ""), (59, "acknowledged")):
            at = round(time.time() * 1000) - minutes * MINUTE
            put(world, "notification_command", [{**seen, "action": "acknowledge", "until": 0, "by": "", "at": at}])
            time.sleep(1)
            soon(page, wanted, **seen)
    put(world, "alert", [{**first, "state": "resolved", "version": 99}])
    put(world, "turn", [{**rows["turn"][0], "status": "answered", "version": 2}])


def test_planned_maintenance_is_shown_with_its_author_and_its_end(world: Client) -> None:
    def planned(alert: Watched, _: int) -> Command | None:
        return Command(alert.alert_id, "silence", NOW + HOUR, "bea", NOW) if alert.kind == "spike" else None

    with serving(world, agreed=Agreed(maintenance=planned)) as (page, _):
        (said,) = held(page, alert_id="spike:mentions:1")
        assert re.fullmatch(r"silenced until [\d :-]+ by bea", said)
        assert held(page) == {""}
        assert said in page.get("/alerts").text
        page.post("/api/v1/alerts/silence", json={"account": "n:acme", "minutes": 600})
        soon(page, "silenced until ")
        assert held(page, alert_id="spike:mentions:1") == held(page), "the one that ends last"


def test_a_form_needs_no_script_and_shows_what_came_of_it(world: Client) -> None:
    with serving(world) as (page, notifier):
        for back in ("/alerts", "/"):
            answer = page.post("/alerts/acknowledge", data={**SAID, "back": back, "minutes": 0}, follow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (303, back)
            assert "acknowledged" in page.get(back).text
        answer = page.post(
            "/alerts/silence",
            data={"account": "n:acme", "minutes": "5", "back": "/alerts?account=n:acme"},
            follow_redirects=False,
        )
        assert (answer.status_code, notifier.heard[-1]["action"]) == (303, "silence")
        for back in ("//evil.example", "https://evil.example", "/\\evil.example", "/logout"):
            assert (
                page.post("/alerts/acknowledge", data={**SAID, "back": back}, follow_redirects=False).status_code == 422
            )


# -- who may --------------------------------------------------------------------------------------------------------------


def test_a_role_may_what_it_may_and_no_more(world: Client, tokens: dict[str, Any]) -> None:
    wanted = {"reader": (403, 403, 403), "agent": (202, 202, 403), "admin": (202, 202, 202)}
    with serving(world, tokens=[token for token, _ in tokens.values()]) as (page, notifier):
        for role, (_, header) in tokens.items():
            body = {"acknowledge": SAID, "snooze": SAID, "silence": {"account": "n:acme"}}
            came = [
                page.post(f"/api/v1/alerts/{action}", json=it, headers=header).status_code
                for action, it in body.items()
            ]
            assert tuple(came) == wanted[role]
            forms = [
                page.post(f"/alerts/{action}", data=SAID, headers=header, follow_redirects=False).status_code
                for action in body
            ]
            assert tuple(forms) == tuple(303 if it == 202 else it for it in wanted[role])
            shown = page.get("/alerts?account=n:acme", headers=header).text
            assert ("Take back" in shown, ">Silence<" in shown) == (role != "reader", role == "admin")
        assert len(notifier.heard) == 10
        refused = page.post("/api/v1/alerts/silence", json={"account": "n:acme"}, headers=tokens["agent"][1])
        assert refused.json()["error"] == "to silence takes the role admin, and this token has agent"


def test_an_account_that_may_not_be_seen_is_not_there(world: Client, tokens: dict[str, Any]) -> None:
    token, header = tokens["admin"]
    with serving(world, tokens=(token,)) as (page, notifier):
        page.headers.update(header)
        assert {it["account"] for it in alerts(page)} == {"n:acme"}
        for action in ("acknowledge", "snooze", "silence"):
            assert (
                page.post(
                    f"/api/v1/alerts/{action}", json={"account": "m:other", "alert_id": "unanswered:m:1"}
                ).status_code
                == 404
            )
        assert page.post("/alerts/acknowledge", data={"account": "m:other"}).status_code == 404
        assert notifier.heard == []


def test_nobody_acts_without_a_token_or_from_another_site(world: Client, tokens: dict[str, Any]) -> None:
    token, header = tokens["admin"]
    with serving(world, tokens=(token,)) as (page, notifier):
        assert page.post("/api/v1/alerts/acknowledge", json=SAID).status_code == 401
        assert page.post("/alerts/acknowledge", data=SAID, follow_redirects=False).headers["location"] == "/login"
        for origin in ("https://evil.example", "null"):
            for path, body in (("/api/v1/alerts/acknowledge", {"json": SAID}), ("/alerts/acknowledge", {"data": SAID})):
                assert page.post(path, headers={**header, "Origin": origin}, **body).status_code == 403
        assert notifier.heard == []


def test_what_makes_no_sense_is_refused(world: Client) -> None:
    with serving(world) as (page, notifier):
        for path, body in (
            ("acknowledge", {}),
            ("acknowledge", {"account": ""}),
            ("snooze", {**SAID, "minutes": -1}),
            ("snooze", {**SAID, "minutes": 1e9}),
            ("snooze", {**SAID, "minutes": "long"}),
            ("silence", {"account": "n:acme", "minutes": None}),
        ):
            assert page.post(f"/api/v1/alerts/{path}", json=body).status_code == 422
        assert page.post("/alerts/forget", data=SAID).status_code == 422
        assert notifier.heard == []


def test_without_kafka_the_page_is_for_looking_only_and_says_so(world: Client) -> None:
    with serving(world, tell=None) as (page, _):
        answer = page.post("/api/v1/alerts/acknowledge", json=SAID)
        assert (answer.status_code, "RAPPORT_BROKERS" in answer.json()["error"]) == (501, True)
        shown = page.get("/alerts").text
        assert "Nobody can be told: `rapport serve` does not know Kafka" in shown
        assert "Acknowledge" not in shown + page.get("/").text
        assert 'data-can=""' in page.get("/").text


def test_kafka_that_is_away_is_said(world: Client) -> None:
    with serving(world) as (page, notifier):
        notifier.away = True
        answer = page.post("/api/v1/alerts/acknowledge", json=SAID)
        assert (answer.status_code, answer.json()["error"]) == (503, "Kafka has not taken it: say it again")
        assert page.post("/alerts/acknowledge", data=SAID).status_code == 503


def test_a_proxy_says_who_acts_and_nobody_else_can(world: Client) -> None:
    proxy = Proxy(
        [ip_network("10.0.0.0/8")], "X-Forwarded-User", "X-Forwarded-Groups", (Group("support", "agent", ("n:*",)),)
    )
    header = {"X-Forwarded-User": "ann", "X-Forwarded-Groups": "support"}
    with serving(world, proxy=proxy) as (page, notifier):
        assert page.post("/api/v1/alerts/acknowledge", json=SAID).status_code == 401
        assert page.post("/api/v1/alerts/acknowledge", json=SAID, headers=header).status_code == 202
        assert page.post("/api/v1/alerts/silence", json={"account": "n:acme"}, headers=header).status_code == 403
        assert [it["by"] for it in notifier.heard] == ["ann"]
        assert "Log out" not in page.get("/", headers=header).text
    with TestClient(
        build(Served(world, hosts=HOSTS, tell=notifier.tell, proxy=proxy)), client=("192.0.2.7", 1)
    ) as stranger:
        assert stranger.get("/api/v1/alerts", headers=header).status_code == 401
        assert stranger.post("/api/v1/alerts/acknowledge", json=SAID, headers=header).status_code == 401
        assert len(notifier.heard) == 1
