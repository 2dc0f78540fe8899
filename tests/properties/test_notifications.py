"""Groups of alerts against Alertmanager's own rules, and what holds whatever happens."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streams.notifications import kept
from streams.notifications.group import Group, delivered, obey, take, wake
from streams.notifications.model import NEVER, UNTOLD, Alert, Command, Notification, Policy
from tests.alertmanager import Alertmanager

START = 1_700_000_000_000
STEP = 1_000


class Event(NamedTuple):
    """Something that comes to the group in a step of the clock."""

    step: int
    name: str
    what: str


changes = st.sampled_from(["fires", "worse", "resolved"])
acts = st.sampled_from(["fires", "worse", "resolved", "acknowledge", "snooze", "silence"])


WAITED = {"a": 0, "b": 5, "c": 20, "d": 1, "e": 2, "f": 3, "spike": 10, "spike 2": 4}
"""So many steps before its first row an alert has begun."""


def events(what: st.SearchStrategy[str], names: Sequence[str] = "abc") -> st.SearchStrategy[list[Event]]:
    one = st.builds(Event, st.integers(0, 60), st.sampled_from(names), what)
    return st.lists(one, max_size=25).map(sorted)


@st.composite
def crowds(draw: st.DrawFn, what: st.SearchStrategy[str]) -> list[Event]:
    """Return what comes around spikes that last, most of it warnings."""
    spikes = draw(st.lists(st.tuples(st.integers(5, 40), st.integers(1, 30)), min_size=1, max_size=3))
    found = [Event(draw(st.integers(0, 50)), name, "fires") for name in "abcdef" for _ in range(2)]
    for number, (step, length) in enumerate(spikes):
        name = "spike 2" if number == 1 else "spike"
        found += [Event(step, name, "fires"), Event(step + length, name, "resolved")]
    return sorted(found + draw(events(what, tuple(WAITED))))


policies = st.tuples(st.integers(0, 8_000), st.integers(1_000, 9_000), st.integers(1_000, 30_000)).map(
    lambda times: Policy(*times, acknowledge_timeout=7_000)
)


class Run:
    """A group that lives through events, each second one step, its notifications taken after ``slow`` steps."""

    def __init__(self, policy: Policy, slow: int = 0) -> None:
        self.policy, self.slow = policy, slow
        self.group = Group("x:acme", "slack")
        self.told: list[tuple[int, Notification, Group]] = []
        self.escalations: dict[str, int] = {}
        self.began: dict[str, int] = {}
        self.rows: list[Alert] = []
        self.version = 0

    def row(self, event: Event) -> Alert | None:
        """Return what the worker would say: it resolves only what fires, and makes worse only what does."""
        fires, now = event.name in self.escalations, START + event.step * STEP
        if (event.what == "fires") == fires:
            return None
        kind = "spike" if event.name.startswith("spike") else "unanswered"
        escalation = 0 if kind == "spike" else self.escalations.get(event.name, -1) + 1
        if event.what == "resolved":
            escalation = self.escalations.pop(event.name)
        else:
            escalation = self.escalations[event.name] = min(escalation, 3)
        self.version += 1
        severity = "critical" if escalation else "warning"
        firing = event.what != "resolved"
        subject = {"spike": "mentions", "spike 2": "negative_mentions"}.get(event.name, "")
        if event.what == "fires":
            self.began[event.name] = now - WAITED[event.name] * STEP
        row = Alert(event.name, kind, severity, firing, subject, "", escalation, now, now, self.version)
        return row._replace(opened_at=self.began[event.name])

    def live(self, happens: list[Event], until: int, again: bool = False) -> None:  # noqa: FBT001, FBT002
        for step in range(until):
            now = START + step * STEP
            for event in happens:
                if event.step == step:
                    self.take(event, now, again=again)
            pending = self.group.pending
            if pending is not None and now - pending.at >= self.slow * STEP:
                self.group = delivered(self.group, now)
            self.group = kept.loads(kept.dumps(wake(self.group, now, self.policy)))
            if self.group.pending is not None and self.group.pending is not pending and self.group.pending.at == now:
                self.told.append((step, self.group.pending, self.group))
                if not self.slow:
                    self.group = delivered(self.group, now)

    def take(self, event: Event, now: int, *, again: bool) -> None:
        if event.what in ("acknowledge", "snooze", "silence"):
            name = "" if event.what == "silence" else event.name
            command = Command(name, event.what, now + 5_000, "bea", now)
            self.group = obey(self.group, command, now, self.policy)
        elif row := self.row(event):
            self.rows.append(row)
            self.group = take(self.group, [row, *self.rows[:-1]] if again else [row], now, self.policy)


@given(events(changes) | crowds(changes), policies)
def test_what_is_told_and_when_is_as_alertmanager_has_it(happens: list[Event], policy: Policy) -> None:
    run, theirs = Run(policy), Alertmanager(policy.group_wait, policy.group_interval, policy.repeat_interval)
    shadow = Run(policy)
    for step in range(200):
        now = START + step * STEP
        for event in happens:
            if event.step == step and (row := shadow.row(event)):
                theirs.began[row.alert_id] = row.opened_at
                theirs.insert(row.alert_id, row.escalation, firing=row.firing, starts_at=now, now=now)
        theirs.tick(now)
    run.live(happens, 200)
    ours = []
    for step, it, _ in run.told:
        firing = frozenset((on.alert.alert_id, on.alert.escalation) for on in it.listed if on.change != "resolved")
        resolved = frozenset(on.alert.alert_id for on in it.listed if on.change == "resolved")
        ours.append((START + step * STEP, firing, resolved, it.caused))
    assert ours == theirs.sent


@given(events(acts) | crowds(acts), policies, st.integers(0, 4), st.sampled_from([0, 2]))
def test_whatever_happens(happens: list[Event], policy: Policy, slow: int, flaps: int) -> None:
    policy = policy._replace(flap_count=flaps, flap_window=20_000)
    run = Run(policy, slow)
    run.live(happens, 400)
    told = [it for _, it, _ in run.told]
    assert len({it.key for it in told}) == len(told)
    for earlier, later in pairwise(told):
        assert later.at - earlier.at >= slow * STEP, "one at a time"
        if earlier.episode == later.episode:
            assert later.number == earlier.number + 1
        else:
            assert (later.number, later.episode > earlier.episode) == (1, True)
    looks = [it for it in told if it.status != "acknowledged"]
    for earlier, later in pairwise(looks):
        if earlier.episode == later.episode:
            assert later.at - earlier.at >= policy.group_interval, "never sooner"
    entries = run.group.entries
    assert {name for name, entry in entries.items() if entry.alert.firing} == run.escalations.keys()
    spikes = [run.began[name] for name in run.escalations if name.startswith("spike")]
    caused = set()
    for name, escalation in run.escalations.items():
        if escalation == 0 and entries[name].told == UNTOLD and any(run.began[name] >= began for began in spikes):
            caused.add(name)
        else:
            assert entries[name].told == escalation, "in the end everybody knows of all that fires"
    assert not caused or told[-1].caused > len(caused) // 2, "and about how many a spike has caused"
    if not run.escalations:
        assert run.group.next_look == NEVER
        assert all(entry.told == UNTOLD for entry in entries.values()), "and that what is over is over"
        assert not told or told[-1].status == "resolved"


@given(events(acts), policies)
def test_rows_that_come_again_change_nothing(happens: list[Event], policy: Policy) -> None:
    once, often = Run(policy), Run(policy)
    once.live(happens, 200)
    often.live(happens, 200, again=True)
    assert often.told == once.told


@given(events(acts), policies, st.integers(0, 199))
def test_after_a_crash_the_same_is_sent_under_the_same_key(happens: list[Event], policy: Policy, at: int) -> None:
    run = Run(policy, slow=1)
    run.live(happens, at)
    again: Any = kept.loads(kept.dumps(run.group))
    assert again == run.group
    assert again.pending is None or again.pending.key == run.group.pending.key
