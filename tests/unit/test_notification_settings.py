"""Routes, receivers and silences as rapport.toml has them: what is refused, who is told of what, and where secrets are."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams import notify
from streams.config import secrets_of
from streams.errors import SettingsError
from streams.notification_settings import Notifications
from streams.notifications.holding import Watched
from streams.notifications.model import Alert, Command
from tests.brands_file import load, mistake
from tests.clickhouse_server import HOUR

FILE = """\
[[calendars.support]]
time_zone = "Europe/Berlin"
hours = { mon = ["09:00-17:00"] }

[receivers.chat]
type = "slack"
url_env = "CHAT_URL"

[receivers.duty]
type = "pagerduty"
routing_key_file = "/nowhere/key"

[receivers.hook]
type = "webhook"
url = "https://hooks.acme.test/rapport"
secret_env = "HOOK"

[receivers.mail]
type = "email"
host = "mail.acme.test"
from = "rapport@acme.test"
to = ["ops@acme.test"]

[[routes]]
name = "chat"
receiver = "chat"
active_hours = "support"

[[routes]]
name = "duty"
receiver = "duty"
fallback = "mail"
severities = ["critical"]
networks = ["x"]
kinds = ["unanswered"]
group_wait_seconds = 0

[[silences]]
accounts = ["x:acme"]
from = 2026-06-01
to = 2026-06-02T12:00:00Z
by = "bea"
"""


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def alert(severity: str = "critical", kind: str = "unanswered") -> Alert:
    return Alert(
        "a", kind, severity, firing=True, subject="", contact_id="", escalation=1, due_at=0, fired_at=0, version=1
    )


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ('receiver = "chat"', 'receiver = "talk"', "there is no receivers.talk in the file: add one"),
        ('fallback = "mail"', 'fallback = "male"', "there is no receivers.male in the file"),
        ('active_hours = "support"', 'active_hours = "suport"', "there is no calendars.suport in the file"),
        ('name = "duty"', 'name = "chat"', "two are called chat: give each its own name"),
        ('url_env = "CHAT_URL"', "", "give it url_file or url_env"),
        ('url_env = "CHAT_URL"', 'url_env = "A"\nurl_file = "b"', "give it url_file or url_env"),
        ('url_env = "CHAT_URL"', 'url = "https://hooks.slack.com/x"', "there is no such key"),
        ('["critical"]', '["fatal"]', "routes.1.severities.0"),
        ('type = "email"', 'type = "fax"', "receivers.mail"),
        ('type = "email"', 'type = "email"\npage = "https://page.acme.test"', "links take both: page, and link_secret"),
        ('type = "email"', 'type = "email"\nlink_secret_env = "S"', "links take both: page, and link_secret"),
        (
            'url_env = "CHAT_URL"',
            'url_env = "A"\nsigning_secret_env = "A"\nsigning_secret_file = "b"',
            "signing_secret_env",
        ),
        ('type = "slack"', 'type = "teams"\nurl_file = "b"', "give it url_file or url_env"),
        ('type = "slack"\nurl_env = "CHAT_URL"', 'type = "opsgenie"', "give it api_key_file or api_key_env"),
        (
            'type = "slack"\nurl_env = "CHAT_URL"',
            'type = "alertmanager"\nurls = []',
            "receivers.chat.alertmanager.urls",
        ),
        ('type = "slack"\nurl_env = "CHAT_URL"', 'type = "apprise"', "give it url_file or url_env"),
        ("https://hooks", "hooks", "receivers.hook.webhook.url"),
        ("group_wait_seconds = 0", "group_wait_seconds = -1", "routes.1.group_wait_seconds"),
        ("to = 2026-06-02T12:00:00Z", "to = 2026-05-01", "it is over before it begins"),
        ('by = "bea"', "", "silences.0.by: it is missing"),
        ('["x:acme"]', '["acme"]', "silences.0.accounts.0: write network:account_id"),
        ('["unanswered"]', '["unanswerd"]', "routes.1.kinds.0: Input should be 'unanswered', 'slow', 'spike'"),
        ('["x"]', '"x"', 'routes.1.networks: write a list, as ["…"]'),
        ('type = "slack"\n', "", "receivers.chat: it does not say of which type it is"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_to_do(right: str, wrong: str, says: str, tmp_path: Path) -> None:
    said = mistake(FILE, right, wrong, tmp_path)
    assert says in said
    assert "rapport.toml, line " in said


def test_an_alert_goes_to_every_route_that_is_for_it(tmp_path: Path) -> None:
    notifications = load(FILE, tmp_path).notifications
    assert notifications.policies("x:acme#2").keys() == {"chat", "duty"}
    assert notifications.policies("mastodon:acme").keys() == {"chat"}
    duty = notifications.policies("x:acme")["duty"]
    assert (duty.group_wait, duty.group_interval, duty.repeat_interval) == (0, 300_000, 4 * 3_600_000)
    assert [duty.wants(it) for it in (alert(), alert("warning"), alert(kind="spike"))] == [True, False, False]


def test_outside_the_active_hours_it_is_quiet(tmp_path: Path) -> None:
    policies = load(FILE, tmp_path).notifications.policies("x:acme")
    monday = [at(f"2026-06-01T{time}") for time in ("06:59:59", "07:00:00", "14:59:59", "15:00:00")]  # Berlin: UTC+2
    assert [policies["chat"].is_quiet(now) for now in monday] == [True, False, False, True]
    assert policies["chat"].is_quiet(at("2026-06-02T10:00:00"))
    assert not policies["duty"].is_quiet(at("2026-06-02T10:00:00"))


def test_maintenance_is_of_the_accounts_that_it_names_and_ends(tmp_path: Path) -> None:
    notifications = load(FILE, tmp_path).notifications
    times = [at("2026-05-31T23:59:59"), at("2026-06-01"), at("2026-06-02T11:59:59"), at("2026-06-02T12:00:00")]
    own, other = (notifications.policies(account)["chat"] for account in ("x:acme", "x:other"))
    assert [own.is_silenced(alert(), now) for now in times] == [False, True, True, False]
    assert not any(other.is_silenced(alert(), now) for now in times)
    shown = [notifications.maintenance(Watched("x:acme", "a", "unanswered", "warning", "", 0), now) for now in times]
    assert shown == [None, *[Command("a", "silence", times[3], "bea", times[1])] * 2, None]
    assert notifications.maintenance(Watched("x:other", "a", "unanswered", "warning", "", 0), times[1]) is None


def test_secrets_are_read_each_time_and_a_missing_one_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    receivers = load(FILE.replace("/nowhere/key", str(key)), tmp_path).notifications.receivers
    chat, duty = secrets_of(receivers["chat"])["url"], secrets_of(receivers["duty"])["routing_key"]
    with pytest.raises(SettingsError, match="CHAT_URL is not set"):
        chat()
    with pytest.raises(SettingsError, match="cannot be read"):
        duty()
    monkeypatch.setenv("CHAT_URL", "https://hooks.slack.com/services/T/B/x")
    assert chat().endswith("/x")
    for secret in ("one", "two"):
        key.write_text(f"{secret}\n")
        assert duty() == secret
    assert {secret() for secret in secrets_of(receivers["mail"]).values()} == {""}
    assert not receivers["mail"].has("password")


def test_a_route_says_how_long_it_may_be_silent_of_what_goes_on(tmp_path: Path) -> None:
    notifications = load(FILE.replace("group_wait_seconds = 0", "acknowledge_hours = 9"), tmp_path).notifications
    assert notifications.longest_pause("duty") == (9 * 3600 + 300) * 1000
    assert notifications.longest_pause("chat") == (4 * 3600 + 300) * 1000
    assert notifications.longest_pause("test") == 0


def test_a_route_may_be_for_a_rule_that_is_in_the_file(tmp_path: Path) -> None:
    rule = '[[rules]]\nname = "launch"\nkeywords = ["#launch"]\n'
    text = rule + FILE.replace('name = "duty"', 'name = "duty"\nrules = ["launch"]')
    duty = load(text, tmp_path).notifications.policies("x:acme")["duty"]
    assert [duty.wants(alert()._replace(rule=rule)) for rule in ("launch", "other", "")] == [True, False, False]
    assert "there is no launch among the rules of the file" in mistake(text, rule, "", tmp_path)


def test_a_notifier_without_routes_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rapport.toml"
    file.write_text('[receivers.chat]\ntype = "slack"\nurl_env = "URL"\n')
    monkeypatch.setenv("RAPPORT_ACCOUNTS_FILE", str(file))
    with pytest.raises(SettingsError, match="no alert goes to anybody"):
        notify.run()


def test_an_acknowledgement_is_forgotten_by_the_first_route_that_tells_again() -> None:
    routes = [
        {"name": "chat", "receiver": "chat", "acknowledge_hours": 4},
        {"name": "calls", "receiver": "chat", "severities": ["critical"], "acknowledge_hours": 0.5},
        {"name": "other", "receiver": "chat", "accounts": ["x:other"], "acknowledge_hours": 0.1},
    ]
    chat = {"chat": {"type": "slack", "url_env": "URL"}}
    known = Notifications.model_validate({"receivers": chat, "routes": routes}, context={"receivers": chat})
    warning = Watched("x:acme", "a", "unanswered", "warning", "", 0)
    assert known.forgets(warning) == 4 * HOUR
    assert known.forgets(warning._replace(severity="critical")) == HOUR // 2
    assert Notifications().forgets(warning) == HOUR
