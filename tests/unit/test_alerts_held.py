"""Who has an alert: what people said last, as the notifier has it. Compared with the notifier's own group."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as some

from sinks.dashboard.alerts import Key, Said, held, said_by
from streams.notifications.group import Group, obey, take, wake
from streams.notifications.model import Alert, Command, Policy
from tests.clickhouse_server import record

NOON = 1_700_049_600_000
MINUTE = 60_000
POLICY = Policy(0, MINUTE, 60 * MINUTE, 10_000 * MINUTE)


def said(action: str, at: int, until: int = 0, by: str = "ann", alert_id: str = "a") -> dict[Key, Said]:
    return {("n:acme", alert_id, action == "silence" and not alert_id): Said(action, until, by, at)}


def state(what: dict[Key, Said], now: int = NOON, began: int = NOON - 10 * MINUTE) -> str:
    found = held("n:acme", "a", began, what, now)
    return found.says if found else ""


def test_it_says_who_and_until_when() -> None:
    assert state({}) == ""
    assert state(said("acknowledge", NOON - MINUTE)) == "acknowledged by ann"
    assert state(said("acknowledge", NOON - MINUTE, by="")) == "acknowledged"
    assert state(said("snooze", NOON - MINUTE, NOON + 80 * MINUTE)) == "snoozed until 13:20 by ann"
    assert state(said("snooze", NOON - MINUTE, NOON + 24 * 60 * MINUTE)) == "snoozed until 2023-11-16 12:00 by ann"
    assert state(said("silence", NOON - MINUTE, NOON + 80 * MINUTE, alert_id="")) == "silenced until 13:20 by ann"


def test_what_is_over_holds_nothing() -> None:
    assert state(said("snooze", NOON - MINUTE, NOON)) == ""
    assert state(said("acknowledge", NOON - MINUTE, NOON)) == ""
    assert state(said("silence", NOON - MINUTE, NOON, alert_id="")) == ""


def test_what_was_said_to_all_is_for_those_that_fired() -> None:
    everything = said("acknowledge", NOON - MINUTE, alert_id="")
    assert state(everything, began=NOON - MINUTE) == "acknowledged by ann"
    assert state(everything, began=NOON - MINUTE + 1) == ""


def test_the_newest_stands() -> None:
    own = said("snooze", NOON - 2 * MINUTE, NOON + MINUTE, by="bea")
    later = said("acknowledge", NOON - MINUTE, alert_id="")
    assert state(own | later) == "acknowledged by ann"
    assert (
        state(own | {key: it._replace(at=NOON - 3 * MINUTE) for key, it in later.items()})
        == "snoozed until 12:01 by bea"
    )
    rows = [
        record("notification_command", alert_id="a", action="snooze", at=_time(at), until=_time(NOON), by=str(at))
        for at in (2, 3, 1)
    ]
    assert [it.by for it in said_by(rows).values()] == ["3"]


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


COMMANDS = some.lists(
    some.tuples(
        some.sampled_from(["acknowledge", "snooze", "silence"]),
        some.sampled_from(["a", "", "other"]),
        some.integers(-5, 5),
    ),
    max_size=6,
)


@given(COMMANDS, some.integers(0, 6))
def test_it_holds_when_the_notifier_tells_nobody(commands: list[tuple[str, str, int]], after: int) -> None:
    """One alert fires from the beginning; commands come a minute apart; the notifier's group is what knows."""
    alert = Alert(
        "a",
        "unanswered",
        "warning",
        firing=True,
        subject="s",
        contact_id="",
        escalation=0,
        due_at=NOON,
        fired_at=NOON,
        version=1,
    )
    group, rows, now = take(Group("n:acme", "r"), [alert], NOON, POLICY), [], NOON
    for action, alert_id, minutes in commands:
        now += MINUTE
        until = 0 if action == "acknowledge" else now + minutes * MINUTE
        group = obey(group, Command(alert_id, action, until, "ann"), now, POLICY)
        rows.append(
            record(
                "notification_command",
                alert_id=alert_id,
                action=action,
                at=_time(now),
                until=_time(until),
                account="n:acme",
            )
        )
    now += after * MINUTE
    told = wake(replace(group, next_look=now), now, POLICY).pending
    assert (held("n:acme", "a", NOON, said_by(rows), now) is None) == (told is not None)
