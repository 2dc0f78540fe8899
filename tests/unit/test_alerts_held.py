"""Who has an alert: what people said last, as the notifier has it. Compared with the notifier's own group."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as some

from schemas.codec import Record
from sinks.dashboard.alerts import Agreed, Key, held, said_by
from streams.notifications.group import Group, delivered, obey, take, wake
from streams.notifications.holding import ENDED, Watched
from streams.notifications.model import Alert, Command, Policy
from tests.clickhouse_server import record

NOON = 1_700_049_600_000
MINUTE = 60_000
TIMEOUT = 8 * MINUTE
POLICY = Policy(0, MINUTE, 10_000 * MINUTE, TIMEOUT)


def said(action: str, at: int, until: int = 0, by: str = "ann", alert_id: str = "a") -> dict[Key, Command]:
    return {("n:acme", alert_id, action == "silence" and not alert_id): Command(alert_id, action, until, by, at)}


def state(what: dict[Key, Command], now: int = NOON, began: int = NOON - 10 * MINUTE) -> str:
    found = held(Watched("n:acme", "a", "unanswered", "warning", "", began), what, now, Agreed(lambda _: TIMEOUT))
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


def test_an_acknowledgement_is_forgotten_when_the_route_tells_again() -> None:
    assert state(said("acknowledge", NOON - TIMEOUT + 1)) == "acknowledged by ann"
    assert state(said("acknowledge", NOON - TIMEOUT)) == ""


def test_nobody_has_what_ended_and_began_anew() -> None:
    assert state(said("acknowledge", NOON - 2 * MINUTE)) == "acknowledged by ann"
    assert state(said("acknowledge", NOON - 2 * MINUTE) | said(ENDED, NOON - MINUTE)) == ""
    everything = said("acknowledge", NOON - 2 * MINUTE, alert_id="")
    assert state(everything) == "acknowledged by ann"
    assert state(everything | said(ENDED, NOON - MINUTE)) == ""
    assert state(everything | said(ENDED, NOON - 3 * MINUTE)) == "acknowledged by ann"


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


HAPPENS = some.lists(
    some.tuples(
        some.sampled_from(["acknowledge", "snooze", "silence", "ends", "begins anew"]),
        some.sampled_from(["a", "", "other"]),
        some.integers(-5, 5),
    ),
    max_size=8,
)


@given(HAPPENS, some.integers(0, 12))
def test_it_holds_when_the_notifier_tells_nobody(happens: list[tuple[str, str, int]], after: int) -> None:
    """One alert fires, ends, begins anew; what happens comes a minute apart; the notifier's group is what knows."""
    first = Alert("a", "unanswered", "warning", firing=True, subject="s", contact_id="", escalation=0, due_at=NOON,
                  fired_at=NOON, version=1)  # fmt: skip
    group, rows, now, began, version = take(Group("n:acme", "r"), [first], NOON, POLICY), [], NOON, NOON, 1
    fires = True
    for what, alert_id, minutes in happens:
        now += MINUTE
        if what in ("ends", "begins anew"):
            if fires == (what == "begins anew"):
                continue
            fires, version = not fires, version + 1
            began = now if fires else began
            group = take(group, [first._replace(firing=fires, version=version)], now, POLICY)
            if not fires:
                rows.append(_row("a", ENDED, now))
            continue
        if not fires and alert_id == "a":
            continue  # nobody is offered that; to the notifier it is nothing, and the page does not know when it began anew
        until = 0 if what == "acknowledge" else now + minutes * MINUTE
        group = obey(group, Command(alert_id, what, until, "ann", now), now, POLICY)
        rows.append(_row(alert_id, what, now, until))
    if not fires:
        return
    now += after * MINUTE
    told = wake(replace(group, next_look=now), now, POLICY).pending
    alert = Watched("n:acme", "a", "unanswered", "warning", "", began)
    assert (held(alert, said_by(rows), now, Agreed(lambda _: TIMEOUT)) is None) == (told is not None)


def test_the_notifier_and_the_page_forget_an_acknowledgement_at_the_same_moment() -> None:
    """However late the notifier hears of it."""
    alert = Alert("a", "unanswered", "warning", firing=True, subject="s", contact_id="", escalation=0, due_at=NOON,
                  fired_at=NOON, version=1)  # fmt: skip
    group = delivered(wake(take(Group("n:acme", "r"), [alert], NOON, POLICY), NOON, POLICY), NOON)
    group = obey(group, Command("a", "acknowledge", 0, "ann", NOON), NOON + 5 * MINUTE, POLICY)
    assert group.entries["a"].held_until == NOON + TIMEOUT


def _row(alert_id: str, action: str, at: int, until: int = 0) -> Record:
    times = {"at": _time(at), "until": _time(until)}
    return record("notification_command", account="n:acme", alert_id=alert_id, action=action, **times)
