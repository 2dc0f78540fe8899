"""What single receivers make of a notification, beyond what they have in common (tests/contracts/test_receivers.py)."""

import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import answers
from streams.errors import SettingsError
from streams.http_answers import RefusedError, UnavailableError
from streams.notification_settings import AlertmanagerSettings, AppriseSettings, EmailSettings, Notifications
from streams.notifications.group import Group, delivered, obey, take, wake
from streams.notifications.model import UNTOLD, Alert, Command, Listed, Notification, Policy
from streams.receivers import alertmanager, email, opsgenie, pagerduty, slack, teams
from streams.receivers.email import LINKS_EXPIRE
from streams.receivers.making import receiver
from streams.receivers.wording import alert_meant, bullets
from tests.receivers import station

AT = 1_700_000_000_000
MINUTE, HOUR = 60_000, 3_600_000


def alert(name: str, severity: str = "critical") -> Alert:
    return Alert(
        f"unanswered:{name}",
        "unanswered",
        severity,
        firing=True,
        subject=name,
        contact_id="ann",
        escalation=int(severity == "critical"),
        due_at=AT,
        fired_at=AT,
        version=1,
    )


def note(*listed: Listed, **other: Any) -> Notification:  # noqa: ANN401 - of a notification
    firing = sum(on.change != "resolved" for on in listed)
    made = Notification("x:acme", "all", AT, 1, "firing", AT, firing, firing, len(listed) - firing, listed=listed)
    return made._replace(**other)


ONE = note(Listed(alert("x:1"), "new"))


# -- what answers are about -----------------------------------------------------------------------------------------------


def test_an_answer_is_about_the_one_alert_that_fires_or_about_all() -> None:
    over = Listed(alert("x:2"), "resolved")
    assert alert_meant(ONE) == "unanswered:x:1"
    assert alert_meant(note(Listed(alert("x:1"), "new"), over)) == "unanswered:x:1"
    assert alert_meant(note(Listed(alert("x:1"), "new"), Listed(alert("x:2"), "ongoing"))) == ""
    assert alert_meant(ONE._replace(firing=7)) == ""


@given(st.lists(st.text(max_size=40), max_size=30), st.integers(10, 400))
def test_bullets_fit_and_leave_out_only_what_does_not(lines: list[str], longest: int) -> None:
    text = bullets(lines, longest)
    assert len(text) <= longest
    whole = "\n".join(f"• {line}" for line in lines)
    assert text == whole or (text.endswith("• …") and len(whole) + len("\n• …") >= longest - 1)


# -- Slack, Teams ---------------------------------------------------------------------------------------------------------


def test_slack_has_buttons_only_when_they_can_be_answered_and_something_fires() -> None:
    def blocks(notification: Notification, *, buttons: bool) -> list[str]:
        return [block["type"] for block in slack.message(notification, buttons=buttons)["blocks"]]

    assert "actions" in blocks(ONE, buttons=True)
    assert "actions" not in blocks(ONE, buttons=False)
    assert "actions" not in blocks(ONE._replace(status="acknowledged"), buttons=True)


def test_a_button_whose_alert_has_a_name_too_long_is_about_all() -> None:
    long = note(Listed(alert("x" * 3000), "new"))
    (actions,) = (block for block in slack.message(long, buttons=True)["blocks"] if block["type"] == "actions")
    assert [answers.loads(it["value"]).alert_id for it in actions["elements"]] == ["", ""]


def test_a_card_of_the_largest_characters_is_not_too_large_for_teams() -> None:
    big = note(*(Listed(alert("🦉" * 900), "new") for _ in range(100)))
    assert len(json.dumps(teams.message(big), ensure_ascii=False).encode()) < 28 * 1024


# -- Opsgenie -------------------------------------------------------------------------------------------------------------


def test_an_alert_that_is_open_in_opsgenie_gets_its_new_priority_and_loses_an_acknowledgement_that_is_over() -> None:
    worse = note(Listed(alert("x:1"), "escalated"), number=2)
    assert [(method, path.split("/")[-1]) for method, path, _ in opsgenie.requests(worse)] == [
        ("POST", ""),
        ("PUT", "priority?identifierType=alias"),
    ]
    again = note(Listed(alert("x:1", "warning"), "again"), number=3)._replace(renews=True, renewals=1)
    assert opsgenie.requests(again)[1][2] == {"priority": "P3"}
    assert opsgenie.requests(again)[2][1] == f"/{again.incident}/unacknowledge?identifierType=alias"
    taken_on = ONE._replace(status="acknowledged", by="b" * 200, number=2)
    assert opsgenie.requests(taken_on)[0][2]["user"] == "b" * 100


# -- Alertmanager ---------------------------------------------------------------------------------------------------------


@dataclass
class Provider:
    """Alertmanager's memory of alerts: provider/mem.Alerts.Put and types.Alert.Merge, in their own words."""

    alerts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def put(self, posted: Iterable[dict[str, Any]], now: int) -> None:
        for it in posted:
            labels, ends = json.dumps(it["labels"], sort_keys=True), ms(it["endsAt"])
            starts = ms(it["startsAt"]) if "startsAt" in it else ends
            assert starts <= ends
            if labels in self.alerts:
                old_starts, old_ends = self.alerts[labels]
                if old_starts < ends < old_ends or old_starts < starts < old_ends:
                    starts = min(starts, old_starts)
                    if ends <= now and old_ends > ends and old_ends <= now:
                        ends = old_ends
                    if ends > now:
                        ends = max(ends, old_ends)
            self.alerts[labels] = starts, ends

    def firing(self, now: int) -> set[tuple[str, str]]:
        firing = (json.loads(labels) for labels, (_, ends) in self.alerts.items() if ends > now)
        return {(labels["alert_id"], labels["severity"]) for labels in firing}


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fire", "worse", "over", "acknowledge", "snooze", "wait", "wait"]),
        st.integers(0, 3),
        st.sampled_from([1, MINUTE, 10 * MINUTE, HOUR, 5 * HOUR]),
    ),
    max_size=60,
)


POLICY = Policy(30_000, 5 * MINUTE, 4 * HOUR, HOUR, 3, 30 * MINUTE)


def lives(steps: list[tuple[str, int, int]], tell: Callable[[Notification, int], None]) -> Iterator[tuple[Group, int]]:
    """Let a group live through what happens, as the notifier wakes it; yield it and the time after each look."""
    now, version = AT, 0
    group, escalations = Group("x:acme", "all"), dict.fromkeys("0123", -1)
    for what, number, later in steps:
        name, end = str(number), now + later
        while min(group.due_at(), end) < end:
            now = max(now, group.due_at())
            group = wake(group, now, POLICY)
            if group.pending is not None:
                tell(group.pending, now)
                group = delivered(group, now)
            yield group, now
        now, version = end, version + 1
        if what in ("acknowledge", "snooze"):
            until = 0 if what == "acknowledge" else now + HOUR
            group = obey(group, Command(f"unanswered:{name}", what, until, "bea", now), now, POLICY)
        elif what != "wait":
            escalations[name] = {"fire": 0, "worse": escalations[name] + 1, "over": -1}[what]
            severity = "critical" if escalations[name] > 0 else "warning"
            row = alert(name, severity)._replace(
                firing=escalations[name] >= 0, escalation=max(0, escalations[name]), fired_at=now, version=version
            )
            group = take(group, [row], now, POLICY)


@settings(max_examples=300)
@given(STEPS)
def test_what_fires_in_alertmanager_is_what_was_told_that_it_fires(steps: list[tuple[str, int, int]]) -> None:
    silent, provider = 4 * HOUR + 5 * MINUTE, Provider()

    def tell(it: Notification, now: int) -> None:
        provider.put(alertmanager.alerts(it, it.at + silent + 1), now)

    for group, now in lives(steps, tell):
        told = {
            entry.alert.alert_id: ("warning", "critical")[min(entry.told, 1)]
            for entry in group.entries.values()
            if entry.told != UNTOLD
        }
        heard = {it for it in told.items() if not group.entries[it[0]].hold and group.entries[it[0]].alert.firing}
        assert heard <= provider.firing(now) <= set(told.items())


def test_one_member_of_a_cluster_is_enough_and_without_any_it_is_tried_again() -> None:
    async def run() -> None:
        async with station("alertmanager") as one, station("alertmanager") as other:
            known = {"type": "alertmanager", "urls": [one.url, other.url], "authorization_env": "S"}
            secrets = {"authorization": lambda: f"Bearer {'R' * 32}"}
            subject = receiver(AlertmanagerSettings.model_validate(known), secrets, Notifications())
            await subject.send(ONE)
            assert [len(it.taken) for it in (one, other)] == [1, 1]
            one.behaves = ["failing"]
            await subject.send(ONE)
            assert [len(it.taken) for it in (one, other)] == [1, 2]
            one.behaves, other.behaves = ["refusing"], ["failing"]
            with pytest.raises(UnavailableError):
                await subject.send(ONE)
            one.behaves, other.behaves = ["refusing"], ["refusing"]
            with pytest.raises(RefusedError):
                await subject.send(ONE)
            await subject.close()

    asyncio.run(run())


# -- PagerDuty ------------------------------------------------------------------------------------------------------------


class Incidents:
    """What PagerDuty makes of events: an incident that is open takes a trigger in and stays as it is."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        self.opened = 0

    def take(self, it: Notification) -> None:
        for event in pagerduty.events(it):
            key, action = event["dedup_key"], event["event_action"]
            if action == "trigger" and key not in self.open:
                self.opened += 1
                self.open[key] = "triggered"
            elif action == "acknowledge" and key in self.open:
                self.open[key] = "acknowledged"
            elif action == "resolve":
                self.open.pop(key, None)


@settings(max_examples=300)
@given(STEPS)
def test_an_incident_stays_acknowledged_only_as_long_as_somebody_has_all_that_fires(
    steps: list[tuple[str, int, int]],
) -> None:
    incidents = Incidents()
    told: list[Notification] = []

    def tell(it: Notification, _: int) -> None:
        incidents.take(it)
        after = dict(incidents.open), incidents.opened
        incidents.take(it)
        assert (incidents.open, incidents.opened) == after, "what is sent again wakes nobody"
        told.append(it)

    for group, _ in lives(steps, tell):
        heard = [entry for entry in group.entries.values() if entry.told != UNTOLD]
        assert len(incidents.open) == bool(heard), "one incident, while anything fires that was told"
        if any(entry.fires() and not entry.hold for entry in heard):
            assert set(incidents.open.values()) == {"triggered"}
        if told and told[-1].status == "acknowledged":
            assert set(incidents.open.values()) <= {"acknowledged"}


def test_an_acknowledgement_that_is_forgotten_is_another_incident() -> None:
    later = ONE._replace(number=3, renewals=2, renews=True)
    said = [(it["event_action"], it["dedup_key"]) for it in pagerduty.events(later)]
    assert said == [("resolve", f"{ONE.incident}-1"), ("trigger", f"{ONE.incident}-2")]
    over = later._replace(status="resolved", renews=False)
    assert [(it["event_action"], it["dedup_key"]) for it in pagerduty.events(over)] == [
        ("resolve", f"{ONE.incident}-2")
    ]


# -- Apprise --------------------------------------------------------------------------------------------------------------


def test_without_apprise_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    wanted = AppriseSettings.model_validate({"type": "apprise", "url_env": "S"})
    with pytest.raises(SettingsError, match=r"apprise is not installed.*rapport\[apprise\]"):
        receiver(wanted, {"url": str}, Notifications())


# -- e-mail ---------------------------------------------------------------------------------------------------------------

KEY = "k" * 32
LINKS = email.links(ONE, "https://page.acme.test/", "ops@acme.test", KEY)


def html(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def test_a_link_says_what_it_does_for_seven_days_and_is_the_same_each_time() -> None:
    assert email.links(ONE, "https://page.acme.test/", "ops@acme.test", KEY) == LINKS
    address = LINKS["Acknowledge"]
    assert address.startswith("https://page.acme.test/callbacks/mail?say=")
    said = answers.read(address.partition("say=")[2], [KEY], AT + LINKS_EXPIRE - 1)
    assert said.answer == answers.Answer("x:acme", "unanswered:x:1", "acknowledge")
    assert said.by == "ops@acme.test"


def test_the_mail_has_its_links_as_text_and_as_buttons_and_fetches_nothing() -> None:
    mail = email.message(ONE, "rapport@acme.test", ("ops@acme.test",), LINKS)
    text = mail.get_body(("plain",))
    assert text is not None
    for label, address in LINKS.items():
        assert f"{label}: {address}\n" in text.get_content()
    page = html(mail)
    assert re.findall('<a href="([^"]+)"', page) == list(LINKS.values())
    assert not re.search(r"<(img|link|script|style)|url\(|src=", page)
    assert 'name="viewport"' in page


def test_no_program_answers_the_mail() -> None:
    mail = email.message(ONE, "rapport@acme.test", ("ops@acme.test",))
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-generated", "OOF, AutoReply")


@pytest.mark.parametrize(("secret", "status"), [("short", "firing"), ("short", "resolved"), ("", "firing")])
def test_a_weak_key_is_refused_by_a_test_of_the_receiver_too(secret: str, status: str) -> None:
    given = {"host": "mail.test", "from": "r@acme.test", "to": ["o@acme.test"], "link_secret_env": "S"}
    wanted = EmailSettings.model_validate({"type": "email", "page": "https://page.acme.test", **given})
    subject = receiver(wanted, {"password": str, "link_secret": lambda: secret}, Notifications())
    with pytest.raises(SettingsError, match=r"at least 32 characters.*openssl"):
        asyncio.run(subject.send(ONE._replace(status=status)))
