"""Spikes against a slow oracle: all events in a list, one look at every minute, no state, no code of the fold."""

import random
from itertools import pairwise
from math import sqrt
from statistics import median
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import Record
from streams.interactions import interaction, tick
from streams.metrics.counters import MENTIONS, PANE_COUNTERS, pack, unpack
from streams.metrics.model import Facts
from streams.metrics.panes import Panes
from streams.metrics.spikes import Spikes
from streams.metrics.targets import DAY, DEFAULT_TARGETS, HOUR, MINUTE, Targets
from tests.batch import Partition
from tests.told import told

ACCOUNT = "net:one"
WEEK = 7 * DAY
QUARTER = 15 * MINUTE
MONDAY = 1_789_948_800_000
"""2026-09-21 00:00 UTC, a Monday."""
NOON = MONDAY + 12 * HOUR
SERIES = ("mentions", "negative_mentions", "opt_outs")
SHORT = Targets(expiry=DAY // 2, lateness=HOUR)
"""What is a day old is forgotten."""


class Seen(NamedTuple):
    """One spike, as somebody sees it in the end."""

    series: str
    began_at: int
    state: str
    fired_at: int
    value: float
    baseline: float
    spread: float


# -- the oracle --------------------------------------------------------------------------------------------------------------


def counted(events: list[Record], series: str) -> list[int]:
    """Return when each event of a series was published, those taken back left out."""
    gone = {event["id"] for event in events if event["kind"] == "withdrawal"}
    known: dict[str, Record] = {}
    for event in events:
        if event["kind"] != "withdrawal" and event["id"] not in gone:
            known.setdefault(event["id"], event)
    wanted = "opt_out" if series == "opt_outs" else "mention"
    return [
        event["published_at"]
        for event in known.values()
        if event["kind"] == wanted and (series != "negative_mentions" or event["sentiment"] < -0.051)
    ]


def usual(events: list[Record], series: str, start: int) -> tuple[float, float] | None:
    """Return median and spread of what is usual in the 15 minutes from `start` on; None: not known yet."""
    times = counted(events, series)
    first = min(time for any_series in ("mentions", "opt_outs") for time in counted(events, any_series))
    counts: list[int] = []
    weeks = 0
    for week in range(1, 9):
        hour = start // QUARTER * QUARTER - QUARTER - week * WEEK
        if first // MINUTE * MINUTE > hour:
            break
        weeks += 1
        for quarter in range(hour, hour + HOUR, QUARTER):
            count = sum(quarter <= time < quarter + QUARTER for time in times)
            counts += [count] * round(1000 * 2 ** (-week / 4))  # as if it had been seen so often
    if weeks < 2:
        return None
    middle = median(counts)
    return middle, max(1.4826 * median([abs(count - middle) for count in counts]), sqrt(middle))


def spikes(events: list[Record], clock: int, sensitivity: float = 5.0) -> set[Seen]:
    """Return every spike that was seen up to `clock`, of events that came when they were published."""
    found = set()
    for series in SERIES:
        times = counted(events, series)
        above: dict[int, tuple[int, tuple[float, float]]] = {}
        for end in sorted({(time // MINUTE + later) * MINUTE for time in times for later in range(1, 16)}):
            value = sum(end - QUARTER <= time < end for time in times)
            if end > clock // MINUTE * MINUTE or value < 6:
                continue
            normal = usual(events, series, end - QUARTER)
            if normal and value >= 1.5 * normal[0] and value > normal[0] + sensitivity * normal[1]:
                above[end] = (value, normal)
        ends = sorted(above)
        starts = [end for before, end in pairwise([0, *ends]) if end - before > QUARTER]
        for number, start in enumerate(starts):
            own = [end for end in ends if end >= start and end not in starts[number + 1 :]]
            own = [end for end in own if not any(start < other <= end for other in starts)]
            value, normal = max((above[end] for end in own), key=lambda one: one[0])
            over = own[-1] + QUARTER <= clock // MINUTE * MINUTE
            state, at = ("resolved", own[-1]) if over else ("firing", start)
            found.add(Seen(series, start - QUARTER, state, at, value, *normal))
    return found


# -- worlds ------------------------------------------------------------------------------------------------------------------


def event(number: int, kind: str, at: int, **fields: Any) -> Record:  # noqa: ANN401 - as the fields are
    said = {"author_id": "ann", "contact_id": "ann", "conversation_id": "c", **fields}
    return interaction(
        **{"id": f"p{number}", "account": ACCOUNT, "kind": kind, "published_at": at, "received_at": at} | said
    )


@st.composite
def worlds(draw: st.DrawFn, weeks: int = 11) -> list[Record]:
    """Return some weeks of an account that hears most around noon on Mondays, in bursts, in the order of time."""
    bursts = draw(
        st.lists(
            st.tuples(
                st.integers(0, weeks),
                st.sampled_from([0, 0, 0, DAY, 3 * DAY + 5 * HOUR]),
                st.integers(-50, 50),
                st.integers(1, 9),
                st.sampled_from(["mention", "mention", "negative", "opt_out"]),
            ),
            min_size=1,
            max_size=30,
        )
    )
    regular = draw(st.integers(0, 7))
    bursts += [(week, 0, place, regular, "mention") for week in range(weeks) for place in (0, 15, 30) if regular]
    posts = [
        (NOON + week * WEEK + day + minute * MINUTE + 700 * again, kind)
        for week, day, minute, count, kind in bursts
        for again in range(count)
    ]
    return [
        event(number, "opt_out" if kind == "opt_out" else "mention", at, sentiment=-0.5 if kind == "negative" else 0.0)
        for number, (at, kind) in enumerate(sorted(posts))
    ]


def fold(events: list[Record], messages: random.Random, targets: Targets, *, restarts: bool = True) -> Partition:
    """Fold events in messages of random size, with ticks, checkpoints and restarts in between."""
    partition = Partition(targets)
    position = 0
    while position < len(events):
        size, moment, again = messages.choice([1, 2, 7, 40, 300]), messages.random(), messages.random()
        partition.message(events[position : position + size])
        position += size
        if position < len(events) and moment < 0.3:
            partition.message(
                [tick(min(partition.clock + messages.choice([MINUTE, HOUR]), events[position]["received_at"]))]
            )
        if restarts and again < 0.4:
            partition.restart()
    return partition


def alerts(partition: Partition) -> list[Record]:
    return [row for row in told(partition.facts).alerts if row["kind"] == "spike"]


def seen(partition: Partition) -> set[Seen]:
    """Return what stands: the last row of each spike."""
    latest = {row["alert_id"]: row for row in alerts(partition)}
    for row in latest.values():
        assert row["alert_id"] == f"spike:{row['subject']}:{row['due_at']}"
        assert (row["severity"], row["contact_id"]) == ("warning", "")
    names = ("subject", "due_at", "state", "fired_at", "value", "baseline", "spread")
    return {Seen(*(row[name] for name in names)) for row in latest.values()}


# -- properties --------------------------------------------------------------------------------------------------------------


@given(
    worlds(),
    st.randoms(use_true_random=False),
    st.sampled_from([DEFAULT_TARGETS, SHORT, Targets(sensitivity=2.0), SHORT._replace(sensitivity=0.5)]),
    st.sampled_from([0, MINUTE, 14 * MINUTE, 15 * MINUTE, 16 * MINUTE, 31 * MINUTE, 20 * DAY]),
)
@settings(max_examples=80, deadline=None)
def test_equals_the_oracle(events: list[Record], messages: random.Random, targets: Targets, later: int) -> None:
    partition = fold(events, messages, targets)
    partition.message([tick(partition.clock + later)])
    assert seen(partition) == spikes(events, partition.clock, targets.sensitivity)


@given(worlds(), st.integers(0, 10**9), st.sampled_from([DEFAULT_TARGETS, SHORT]))
@settings(max_examples=60, deadline=None)
def test_a_restart_changes_no_row(events: list[Record], seed: int, targets: Targets) -> None:
    kept = fold(events, random.Random(seed), targets, restarts=False)
    assert alerts(fold(events, random.Random(seed), targets)) == alerts(kept)


@given(worlds(weeks=5), st.randoms(use_true_random=False), st.data())
@settings(max_examples=100, deadline=None)
def test_what_is_usual_depends_on_the_set_of_events_alone(
    events: list[Record], messages: random.Random, data: st.DataObject
) -> None:
    """Late by any time within the bound, any number of times, some taken back; and wherever their panes are by now."""
    targets = data.draw(st.sampled_from([Targets(lateness=DAY), Targets(lateness=DAY, expiry=DAY)]))
    taken = messages.sample(events, len(events) // 4)
    events += [
        interaction(
            kind="withdrawal", **{name: post[name] for name in ("id", "account", "published_at", "received_at")}
        )
        for post in taken
    ]
    arrivals = [{**one, "received_at": one["published_at"] + messages.randrange(DAY)} for one in events * 2]
    arrivals.sort(key=lambda one: one["received_at"])
    for number, one in enumerate(arrivals):  # seen by its own time at the latest, as a partition's clock would have it
        one["received_at"] = max(one["received_at"], arrivals[number - 1]["received_at"] if number else 0)
    partition = fold(arrivals, messages, targets)
    partition.message([tick(partition.clock + data.draw(st.sampled_from([0, MINUTE, 3 * DAY, 20 * DAY])))])
    state = partition.states[ACCOUNT]
    state.panes.merge()
    if len(taken) == len({event["id"] for event in events}):
        return
    for series in SERIES:
        start = (partition.clock + data.draw(st.integers(-60, 60)) * MINUTE) // MINUTE * MINUTE
        for at in (start, NOON + 5 * WEEK, NOON + 6 * WEEK + 8 * MINUTE):
            if at >= partition.clock // MINUTE * MINUTE - HOUR:
                found = state.spikes.usual(state.panes, PANE_COUNTERS.index(series), at // MINUTE + 14)
                assert found == usual(events, series, at)


# -- by hand -----------------------------------------------------------------------------------------------------------------


def burst(first: int, count: int, at: int, kind: str = "mention", **fields: Any) -> list[Record]:  # noqa: ANN401
    """Return events ten seconds apart."""
    return [event(first + number, kind, at + 10_000 * number, **fields) for number in range(count)]


def history(weeks: int, counts: tuple[int, ...] = (5, 5, 5, 5, 6, 4)) -> list[Record]:
    """Return so many earlier weeks, with `counts` in the quarter hours from 11:30 on, on Mondays, before NOON + 8 weeks."""
    posts = [event(90_000, "mention", NOON + (8 - weeks) * WEEK - HOUR)]
    for week in range(8 - weeks, 8):
        for quarter, count in enumerate(counts):
            at = NOON + week * WEEK + (quarter - 2) * QUARTER
            posts += burst(week * 1000 + quarter * 100, count, at)
    return posts


NOW = NOON + 8 * WEEK


def outcome(posts: list[Record], until: int, targets: Targets = DEFAULT_TARGETS) -> set[Seen]:
    """Return the spikes from NOW on, with a tick each minute from then until `until`."""
    partition = Partition(targets)
    ticks = [tick(at) for at in (*range(NOW, until, MINUTE), until)]
    for one in sorted([*ticks, *posts], key=lambda one: one["received_at"]):
        partition.message([one])
    return {found for found in seen(partition) if found.fired_at > NOW}


def test_more_than_usual_and_until_when() -> None:
    """Eighteen within three minutes, where five are usual: the third brings it above 5 + 5 √5, and after 15 the first have gone."""
    crowd = burst(50_000, 18, NOW)
    firing = Seen("mentions", NOW - 12 * MINUTE, "firing", NOW + 3 * MINUTE, 18, 5, sqrt(5))
    assert outcome(history(4) + crowd, NOW + 3 * MINUTE - 1) == set()
    assert outcome(history(4) + crowd, NOW + 3 * MINUTE) == {firing}
    over = firing._replace(state="resolved", fired_at=NOW + 15 * MINUTE)
    assert outcome(history(4) + crowd, NOW + 30 * MINUTE - 1) == {firing}
    assert outcome(history(4) + crowd, NOW + 30 * MINUTE) == {over}


@pytest.mark.parametrize(("weeks", "count", "fires"), [(2, 17, True), (1, 17, False), (2, 16, False)])
def test_it_takes_two_weeks_and_enough(weeks: int, count: int, fires: bool) -> None:  # noqa: FBT001
    assert bool(outcome(history(weeks) + burst(50_000, count, NOW), NOW + 20 * MINUTE)) == fires


def test_without_a_history_nothing_is_unusual() -> None:
    assert outcome(burst(0, 50, NOW), NOW + 20 * MINUTE) == set()


def test_silence_is_a_history_but_five_are_no_crowd() -> None:
    """Nothing at all at this hour, for weeks: six are a spike, and five are not."""
    before = [event(0, "mention", NOW - 3 * WEEK)]
    assert outcome(before + burst(1, 5, NOW), NOW + 20 * MINUTE) == set()
    (found,) = outcome(before + burst(1, 6, NOW), NOW + 20 * MINUTE)
    assert (found.value, found.baseline, found.spread) == (6, 0, 0)


def test_a_series_that_is_always_the_same_does_not_make_one_more_a_spike() -> None:
    flat = history(8, (40,) * 6)
    assert outcome(flat + burst(50_000, 71, NOW), NOW + 20 * MINUTE) == set()  # within five spreads, such as chance has
    sensitive = Targets(sensitivity=0.001)
    assert outcome(flat + burst(50_000, 59, NOW), NOW + 20 * MINUTE, sensitive) == set()  # less than half as much again
    (found,) = outcome(flat + burst(50_000, 60, NOW), NOW + 20 * MINUTE, sensitive)
    assert (found.value, found.baseline, found.spread) == (60, 40, sqrt(40))
    assert outcome(flat + burst(50_000, 72, NOW), NOW + 20 * MINUTE) != set()


def test_off_is_off() -> None:
    assert outcome(history(4) + burst(50_000, 90, NOW), NOW + 20 * MINUTE, Targets(sensitivity=0)) == set()


def test_an_hour_that_always_begins_with_a_crowd_is_no_spike() -> None:
    """Where it grows loud at noon each Monday, the quarter hours on both sides of that are what it is compared with."""
    regular = history(8, (0, 0, 0, 30, 30, 30))
    assert outcome(regular + burst(50_000, 30, NOW + QUARTER), NOW + 31 * MINUTE) == set()


def test_opt_outs_are_a_series_and_repetitions_are_none() -> None:
    before = [event(0, "mention", NOW - 3 * WEEK)]
    gone = burst(1, 6, NOW, "opt_out")
    again = [{**post, "received_at": NOW + 2 * MINUTE} for post in gone[:5]]
    assert {found.series for found in outcome(before + gone, NOW + 20 * MINUTE)} == {"opt_outs"}
    assert outcome(before + gone[:5] + again, NOW + 20 * MINUTE) == set()


def test_what_is_taken_back_ends_it() -> None:
    """Although nothing is left in any window that would wake the account."""
    before = [event(0, "mention", NOW - 3 * WEEK)]
    crowd = burst(1, 6, NOW)
    gone = [
        interaction(
            kind="withdrawal",
            id=post["id"],
            account=ACCOUNT,
            published_at=NOW + 3 * MINUTE,
            received_at=NOW + 3 * MINUTE,
        )
        for post in crowd
    ]
    (found,) = outcome(before + crowd + gone, NOW + 40 * MINUTE)
    assert (found.state, found.value) == ("resolved", 6)


def test_an_account_that_slept_through_it_says_no_more_than_it_would_have() -> None:
    """A checkpoint from before the spike, and a claim from after it: what fell due in between has been said already."""
    posts = history(4) + burst(50_000, 18, NOW)
    awake = Partition()
    for post in posts:
        awake.message([post])
    state = awake.checkpoint()[ACCOUNT]
    for minute in range(1, 40):
        awake.message([tick(NOW + 2 * MINUTE + minute * MINUTE)])
    facts = Facts()
    awake.model.fold(state, [], awake.clock, awake.clock, awake.offset, facts)
    assert facts.alerts == []
    assert not state.spikes.firing
    assert awake.model.dumps(state) == awake.model.dumps(awake.states[ACCOUNT])
    assert {found.state for found in seen(awake)} == {"resolved"}


def test_chance_alone_seldom_raises_one() -> None:
    """Ten events in 15 minutes on average, and nothing ever happens: why the sensitivity is 5 and not 3 unless set."""
    weather = random.Random(9)
    now, days = 9 * 7 * 1440, 3
    counts = {minute: sum(weather.random() < 1 / 30 for _ in range(20)) for minute in range(now + days * 1440)}
    panes = Panes({minute: pack({MENTIONS: count}) for minute, count in counts.items() if count}, now, 0)
    raised = {}
    for sensitivity in (3.0, DEFAULT_TARGETS.sensitivity):
        spikes_of = Spikes()
        spikes_of.look(panes, now + days * 1440, sensitivity)
        raised[sensitivity] = len(spikes_of.changed)
    assert raised[3.0] >= 3
    assert raised[DEFAULT_TARGETS.sensitivity] <= 1


def test_a_quarter_hour_that_is_forgotten_in_two_halves_is_whole() -> None:
    quarter = NOON // QUARTER
    start = quarter * 15
    panes = Panes({start + minute: pack({MENTIONS: minute}) for minute in range(15)}, start + 1_000, 0)
    spikes_of = Spikes()
    counts = []
    for before in (start, start + 7, start + 8, start + 15):
        spikes_of.keep(panes, before, start + 1_000)
        panes.forget(before)
        counts.append(spikes_of.usual(panes, MENTIONS, start + 2 * 7 * 1440 + 29))
    assert spikes_of.since == start
    assert {quarter: unpack(packed) for quarter, packed in spikes_of.history.items()} == {
        quarter: {MENTIONS: sum(range(15))}
    }
    assert counts[0] is not None
    assert len({*counts}) == 1
