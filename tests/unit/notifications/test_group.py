"""One group of alerts by hand: what is told, when, and what is not."""

import pytest

from streams.notifications.group import LISTED, REMEMBERED, Group, delivered, fall_back, obey, take, wake
from streams.notifications.model import NEVER, Alert, Command, Listed, Notification, Policy
from streams.receivers.wording import line, lines, title
from tests.clickhouse_server import record

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 1_700_000_000_000
POLICY = Policy(30 * SECOND, 5 * MINUTE, 4 * HOUR, HOUR)
SEVERITIES = ("warning", "critical", "critical", "critical")


class Driven:
    """A group, a clock, and what was told."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy, self.group, self.now, self.told = policy, Group("x:acme", "slack"), START, list[Notification]()
        self.version = 0

    def alert(self, name: str, escalation: int = 0, *, firing: bool = True, fired_at: int | None = None) -> Alert:
        self.version += 1
        at = self.now if fired_at is None else fired_at
        return Alert(name, "unanswered", SEVERITIES[escalation], firing, name, "ann", escalation, at, at, self.version)

    def fire(self, name: str, escalation: int = 0, **how: int) -> None:
        self.group = take(self.group, [self.alert(name, escalation, **how)], self.now, self.policy)

    def resolve(self, name: str) -> None:
        self.group = take(self.group, [self.alert(name, firing=False)], self.now, self.policy)

    def command(self, action: str, name: str = "", until: int = 0) -> None:
        self.group = obey(self.group, Command(name, action, until, "bea", self.now), self.now, self.policy)

    def run(self, until: int) -> list[Notification]:
        """Let the time pass up to so many ms after the start; return what was told meanwhile."""
        found = []
        while (due := max(self.group.due_at(), self.now)) <= START + until:
            self.now = due
            self.group = wake(self.group, self.now, self.policy)
            if self.group.pending is not None:
                found.append(self.group.pending)
                self.group = delivered(self.group, self.now)
        self.now = START + until
        self.told += found
        return found


def said(notifications: list[Notification]) -> list[tuple[int, str, list[tuple[str, str]]]]:
    return [(it.at - START, it.status, [(on.alert.alert_id, on.change) for on in it.listed]) for it in notifications]


def test_a_group_waits_and_is_then_told_every_interval() -> None:
    it = Driven()
    it.fire("a")
    it.run(10 * SECOND)
    it.fire("b")
    assert said(it.run(MINUTE)) == [(30 * SECOND, "firing", [("a", "new"), ("b", "new")])]
    it.fire("c")
    assert said(it.run(10 * MINUTE)) == [
        (5 * MINUTE + 30_000, "firing", [("c", "new"), ("a", "ongoing"), ("b", "ongoing")])
    ]


def test_what_does_not_change_is_told_again_after_the_repeat_interval() -> None:
    it = Driven()
    it.fire("a")
    assert [at for at, _, _ in said(it.run(9 * HOUR))] == [30_000, 30_000 + 4 * HOUR, 30_000 + 8 * HOUR]


def test_an_alert_that_has_waited_elsewhere_is_told_at_once() -> None:
    it = Driven()
    it.fire("a", fired_at=START - MINUTE)
    assert [at for at, _, _ in said(it.run(MINUTE))] == [0]


def test_what_is_over_before_anybody_was_told_is_not_told() -> None:
    it = Driven()
    it.fire("a")
    it.resolve("a")
    assert it.run(HOUR) == []
    assert it.group.next_look == NEVER
    assert not it.group.entries


def test_the_end_is_told_once_and_ends_the_episode() -> None:
    it = Driven()
    it.fire("a")
    it.fire("b")
    it.run(MINUTE)
    it.resolve("a")
    it.run(6 * MINUTE)
    it.resolve("b")
    it.run(20 * MINUTE)
    it.fire("c")
    it.run(HOUR)
    assert said(it.told) == [
        (30_000, "firing", [("a", "new"), ("b", "new")]),
        (330_000, "firing", [("a", "resolved"), ("b", "ongoing")]),
        (630_000, "resolved", [("b", "resolved")]),
        (20 * MINUTE + 30_000, "firing", [("c", "new")]),
    ]
    assert [one.number for one in it.told] == [1, 2, 3, 1]
    assert [one.episode - START for one in it.told] == [0, 0, 0, 20 * MINUTE]
    assert len({one.incident for one in it.told}) == 2
    assert len({one.key for one in it.told}) == 4


def test_a_critical_hides_its_own_warning() -> None:
    it = Driven()
    it.fire("a")
    it.fire("a", 1)
    (first,) = it.run(MINUTE)
    assert [(on.alert.severity, on.change) for on in first.listed] == [("critical", "new")]
    it.fire("a", 2)
    assert said(it.run(7 * MINUTE)) == [(330_000, "firing", [("a", "escalated")])]


def test_a_critical_that_ends_and_begins_anew_as_a_warning_between_two_looks_is_told() -> None:
    it = Driven()
    it.fire("a", 1)
    it.run(MINUTE)
    it.resolve("a")
    it.fire("a", 0)
    assert said(it.run(6 * MINUTE)) == [(5 * MINUTE + 30_000, "firing", [("a", "again")])]
    it.fire("a", 1)
    assert said(it.run(11 * MINUTE)) == [(10 * MINUTE + 30_000, "firing", [("a", "escalated")])]


def test_a_route_of_warnings_is_told_the_end_of_what_became_critical_and_nothing_before() -> None:
    it = Driven(POLICY._replace(wants=lambda alert: alert.severity == "warning"))
    it.fire("a")
    it.run(MINUTE)
    it.fire("a", 1)
    assert it.run(9 * HOUR) == []
    it.resolve("a")
    assert [status for _, status, _ in said(it.run(10 * HOUR))] == ["resolved"]


def test_an_acknowledgement_is_told_and_when_it_is_forgotten_the_alert_fires_again() -> None:
    it = Driven()
    it.fire("a")
    it.run(MINUTE)
    it.command("acknowledge", "a")
    it.fire("a", 2)
    it.run(3 * HOUR)
    assert said(it.told[1:2]) == [(MINUTE, "acknowledged", [("a", "acknowledged")])]
    assert said(it.told[2:]) == [(65 * MINUTE + 30_000, "firing", [("a", "again")])]
    assert it.told[1].by == "bea"
    assert HOUR + MINUTE <= it.told[2].at - START <= HOUR + 6 * MINUTE
    it.resolve("a")
    assert [status for _, status, _ in said(it.run(4 * HOUR))] == ["resolved"]


def test_the_end_of_what_was_acknowledged_is_told() -> None:
    it = Driven()
    it.fire("a")
    it.run(MINUTE)
    it.command("acknowledge", "a")
    it.resolve("a")
    assert [status for _, status, _ in said(it.run(HOUR))] == ["resolved"]


def test_what_was_acknowledged_and_begins_anew_before_anybody_hears_of_its_end_is_told() -> None:
    it = Driven()
    it.fire("a")
    it.run(MINUTE)
    it.command("acknowledge", "a")
    it.run(2 * MINUTE)
    it.resolve("a")
    it.fire("a")
    assert said(it.run(6 * MINUTE)) == [(5 * MINUTE + 30_000, "firing", [("a", "again")])]


def test_an_acknowledgement_says_how_bad_it_is_by_now() -> None:
    it = Driven()
    it.fire("a")
    it.run(MINUTE)
    it.fire("a", 1)
    it.command("acknowledge", "a")
    it.run(2 * MINUTE)
    assert (it.told[1].status, it.told[1].listed[0].alert.severity) == ("acknowledged", "critical")
    it.resolve("a")
    it.fire("a", 1)
    assert said(it.run(6 * MINUTE)) == [(5 * MINUTE + 30_000, "firing", [("a", "again")])]


def test_a_group_is_acknowledged_only_when_all_of_it_is() -> None:
    it = Driven()
    it.fire("a")
    it.fire("b")
    it.run(MINUTE)
    it.command("acknowledge", "a")
    assert it.run(2 * MINUTE) == []
    it.command("acknowledge")
    assert said(it.run(3 * MINUTE)) == [(2 * MINUTE, "acknowledged", [("a", "acknowledged"), ("b", "acknowledged")])]


def test_a_snooze_is_not_told_and_ends() -> None:
    it = Driven()
    it.fire("a")
    it.run(MINUTE)
    it.command("snooze", "a", START + 2 * HOUR)
    assert said(it.run(2 * HOUR - 1)) == []
    assert [what for _, _, what in said(it.run(3 * HOUR))] == [[("a", "again")]]


def test_a_silence_of_the_account_holds_for_what_comes_and_ends() -> None:
    it = Driven()
    it.command("silence", until=START + HOUR)
    it.fire("a")
    it.fire("b")
    it.run(10 * MINUTE)
    it.resolve("b")
    assert it.run(HOUR - 1) == []
    assert [what for _, _, what in said(it.run(2 * HOUR))] == [[("a", "new")]]


def test_in_quiet_hours_nothing_is_told_and_afterwards_what_still_fires_or_ended() -> None:
    it = Driven(POLICY._replace(is_quiet=lambda now: START + MINUTE <= now < START + 8 * HOUR))
    it.fire("a")
    it.run(MINUTE)
    it.fire("b")
    it.fire("c")
    it.run(HOUR)
    it.resolve("a")
    it.resolve("b")
    it.run(9 * HOUR)
    assert [(status, what) for _, status, what in said(it.told)] == [
        ("firing", [("a", "new")]),
        ("firing", [("c", "new"), ("a", "resolved")]),
    ]
    assert it.told[1].at >= START + 8 * HOUR


def test_maintenance_of_some_alerts_leaves_others() -> None:
    it = Driven(POLICY._replace(is_silenced=lambda alert, now: alert.alert_id == "a" and now < START + HOUR))
    it.fire("a")
    it.fire("b")
    assert [what for _, _, what in said(it.run(2 * HOUR))] == [[("b", "new")], [("a", "new"), ("b", "ongoing")]]


def test_ten_thousand_alerts_are_one_notification() -> None:
    it = Driven()
    storm = [it.alert(f"a{number}", number % 2) for number in range(10_000)]
    it.group = take(it.group, storm, it.now, POLICY)
    (one,) = it.run(4 * MINUTE)
    assert (one.firing, one.new, len(one.listed)) == (10_000, 10_000, LISTED)
    assert all(on.alert.severity == "critical" for on in one.listed)
    it.group = take(it.group, [it.alert(f"a{number}", firing=False) for number in range(10_000)], it.now, POLICY)
    (last,) = it.run(HOUR)
    assert (last.status, last.resolved, it.group.entries) == ("resolved", 10_000, {})


def test_an_alert_that_flaps_stays_open_until_it_has_rested() -> None:
    it = Driven(Policy(0, MINUTE, 24 * HOUR, HOUR, flap_count=3, flap_window=30 * MINUTE))
    for number in range(20):
        it.run(2 * number * MINUTE)
        it.fire("a")
        it.run((2 * number + 1) * MINUTE)
        it.resolve("a")
    it.run(2 * HOUR)
    assert [status for _, status, _ in said(it.told)] == [
        "firing",
        "resolved",
        "firing",
        "resolved",
        "firing",
        "resolved",
    ]
    assert it.told[-1].at - START >= 38 * MINUTE
    assert it.group.next_look == NEVER


def test_without_the_end_told_what_fires_again_is_told_again() -> None:
    it = Driven(Policy(0, MINUTE, HOUR, HOUR, flap_count=9, flap_window=HOUR, send_resolved=False))
    for number in range(3):
        it.run(4 * number * MINUTE)
        it.fire("a")
        it.run((4 * number + 2) * MINUTE)
        it.resolve("a")
    it.run(HOUR)
    assert [status for _, status, _ in said(it.told)] == ["firing"] * 3


def test_nothing_else_is_made_while_a_notification_is_on_its_way() -> None:
    it = Driven()
    it.fire("a")
    it.now += MINUTE
    waiting = wake(it.group, it.now, POLICY)
    assert waiting.pending is not None
    it.group = waiting
    it.fire("b")
    it.command("acknowledge", "a")
    assert it.group.due_at() == NEVER
    assert wake(it.group, it.now + HOUR, POLICY).pending == waiting.pending
    it.group = delivered(fall_back(it.group), it.now)
    it.now = START
    assert next(what for _, _, what in said(it.run(HOUR))) == [("b", "new")]


def test_rows_that_come_again_change_nothing_even_when_their_alert_is_forgotten() -> None:
    it = Driven()
    rows = [it.alert("a"), it.alert("a", 1)]
    last = it.alert("a", firing=False)
    it.group = take(it.group, rows, it.now, POLICY)
    it.run(MINUTE)
    it.group = take(it.group, [last], it.now, POLICY)
    it.run(HOUR)
    before = len(it.told)
    it.group = take(it.group, rows, it.now, POLICY)
    assert it.run(2 * HOUR) == [], "their end comes later than the next look"
    it.group = take(it.group, [last], it.now, POLICY)
    assert before == 2
    assert not it.group.is_over(START + HOUR)
    assert it.group.is_over(it.now + REMEMBERED + 1)


def test_a_spike_says_how_far_above_the_usual_it_is() -> None:
    found = {"kind": "spike", "subject": "negative_mentions", "due_at": 0, "value": 41.0, "baseline": 6.5}
    row = record("alert", alert_id="spike:negative_mentions:1", **found)
    said = line(Listed(Alert.of(row), "new"))
    assert said == ("warning: 41 negative mentions in 15 minutes, usually 6, since 1970-01-01T00:00:00.000Z (new)")


def spike(it: Driven, *, firing: bool = True, subject: str = "mentions") -> None:
    it.version += 1
    spike = Alert(f"spike:{subject}", "spike", "warning", firing, subject, "", 0, START, it.now, it.version)
    it.group = take(it.group, [spike._replace(opened_at=START, value=40.0, baseline=5.0)], it.now, it.policy)


def wait(it: Driven, names: list[str], escalation: int = 0, opened_at: int = START) -> None:
    rows = [it.alert(name, escalation)._replace(opened_at=opened_at) for name in names]
    it.group = take(it.group, rows, it.now, it.policy)


def test_a_spike_counts_the_warnings_that_it_causes_and_tells_no_single_one_while_it_lasts() -> None:
    it = Driven()
    spike(it)
    assert said(it.run(MINUTE)) == [(30_000, "firing", [("spike:mentions", "new")])]
    wait(it, [f"a{number}" for number in range(37)])
    (grown,) = it.run(10 * MINUTE)
    assert said([grown]) == [(5 * MINUTE + 30_000, "firing", [("spike:mentions", "ongoing")])]
    assert (grown.firing, grown.new, grown.caused) == (1, 0, 37)
    assert title(grown) == "[WARNING] x:acme: 1 alert firing, 0 new, 37 caused by a spike"
    assert lines(grown)[-1] == "and 37 unanswered, warned of since the spike began"
    wait(it, [f"b{number}" for number in range(36)])
    assert it.run(20 * MINUTE) == [], "not twice as many"
    wait(it, ["c"])
    assert [one.caused for one in it.run(HOUR)] == [74]
    it.resolve("a0")
    spike(it, firing=False)
    (over,) = it.run(2 * HOUR)
    assert (over.status, over.firing, over.new, over.resolved, over.caused) == ("firing", 73, 73, 1, 0)


def test_a_critical_is_told_although_a_spike_explains_it() -> None:
    it = Driven()
    spike(it)
    it.run(MINUTE)
    wait(it, ["a", "b"])
    it.run(6 * MINUTE)
    wait(it, ["a"], escalation=1)
    (told,) = it.run(HOUR)
    assert said([told]) == [(10 * MINUTE + 30_000, "firing", [("a", "new"), ("spike:mentions", "ongoing")])]
    assert told.caused == 1


def test_a_spike_has_not_caused_what_began_before_it_nor_what_was_told() -> None:
    it = Driven()
    wait(it, ["told"])
    it.run(MINUTE)
    spike(it)
    wait(it, ["earlier"], opened_at=START - 1)
    (told,) = it.run(HOUR)
    assert sorted(said([told])[0][2]) == [("earlier", "new"), ("spike:mentions", "new"), ("told", "ongoing")]
    assert told.caused == 0


def test_opt_outs_let_nobody_wait() -> None:
    it = Driven()
    spike(it, subject="opt_outs")
    wait(it, ["a"])
    assert [it.caused for it in it.run(MINUTE)] == [0]


def test_a_spike_that_nobody_is_to_hear_of_hides_nothing() -> None:
    it = Driven(POLICY._replace(is_silenced=lambda alert, _: alert.kind == "spike"))
    spike(it)
    wait(it, ["a"])
    assert [(what, one.caused) for one in it.run(MINUTE) for what in said([one])] == [
        ((30_000, "firing", [("a", "new")]), 0)
    ]


def test_a_spike_is_acknowledged_with_all_that_it_causes() -> None:
    it = Driven()
    spike(it)
    it.run(MINUTE)
    wait(it, ["a"])
    it.command("acknowledge", "spike:mentions")
    (told,) = it.run(30 * MINUTE)
    assert (told.status, said([told])[0][2]) == ("acknowledged", [("spike:mentions", "acknowledged")])
    spike(it, firing=False)
    assert said(it.run(HOUR))[0][2] == [("a", "new"), ("spike:mentions", "resolved")]


@pytest.mark.parametrize("send_resolved", [True, False])
def test_the_next_spike_counts_anew(send_resolved: bool) -> None:  # noqa: FBT001
    it = Driven(POLICY._replace(send_resolved=send_resolved))
    for number in (1, 2):
        spike(it)
        it.run(number * HOUR)
        wait(it, ["a", "b", "c"][number - 1 :])
        assert [one.caused for one in it.run(number * HOUR + 10 * MINUTE)] == [4 - number]
        for name in "abc":
            it.resolve(name)
        spike(it, firing=False)
        assert [one.status for one in it.run(number * HOUR + 20 * MINUTE)] == ["resolved"] * send_resolved


def test_slow_hours_say_how_slow() -> None:
    found = {"kind": "slow", "due_at": 0, "alert_id": "slow:1"}
    p90 = record("alert", subject="response_p90", value=1234.0, baseline=600.0, **found)
    share = record("alert", subject="sla", value=0.71, baseline=0.9, **found)
    assert [line(Listed(Alert.of(row), "new")) for row in (p90, share)] == [
        "warning: one of ten answers of an hour took over 21 min, agreed 10 min, since 1970-01-01T00:00:00.000Z (new)",
        "warning: 71% of an hour's turns answered in time, agreed 90%, since 1970-01-01T00:00:00.000Z (new)",
    ]


def digest(it: Driven, day: int = 20_000) -> None:
    row = Alert(f"follow_up:{day}", "follow_up", "info", True, "two are due", "ann", 0, it.now, it.now, day)  # noqa: FBT003
    it.group = take(it.group, [row], it.now, it.policy)


def test_a_digest_is_told_once_however_often_it_comes() -> None:
    it = Driven()
    for hour in range(20):
        it.run(hour * HOUR)
        digest(it)
    it.run(23 * HOUR)
    assert said(it.told) == [(30_000, "firing", [("follow_up:20000", "new")])]
    assert not it.group.is_over(it.now + 3 * HOUR)
    it.run(24 * HOUR)
    digest(it, 20_001)
    it.run(30 * HOUR)
    assert [on.alert.alert_id for one in it.told for on in one.listed] == ["follow_up:20000", "follow_up:20001"]
    assert it.group.is_over(it.now + 60 * HOUR)
    assert line(it.told[0].listed[0]) == "two are due"
    assert title(it.told[0]) == "[INFO] x:acme: 1 alert firing, 1 new"


def test_a_digest_hides_no_alert_with_a_lower_version() -> None:
    it = Driven()
    digest(it)
    it.run(72 * HOUR)
    it.fire("a")
    assert [on.alert.alert_id for one in it.run(73 * HOUR) for on in one.listed] == ["a"]


def test_a_digest_waits_for_the_morning() -> None:
    it = Driven(POLICY._replace(is_quiet=lambda now: now < START + 8 * HOUR))
    digest(it)
    assert it.run(8 * HOUR - 1) == []
    assert [one.status for one in it.run(30 * HOUR)] == ["firing"]
