"""Slow hours against a slow oracle: turns in a list, one look at every minute, no state, no code of the fold."""

import random
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.codec import Record
from streams.interactions import tick
from streams.metrics.model import Facts
from streams.metrics.targets import DAY, DEFAULT_TARGETS, HOUR, MINUTE, Targets
from tests.batch import Partition
from tests.oracle import measure
from tests.properties.test_spikes import ACCOUNT, NOON, event, fold
from tests.told import told

AGREED = Targets(slow_p90=7 * MINUTE, slow_sla=0.75, target=30 * MINUTE)


class Seen(NamedTuple):
    """Hours that were slow one after the other, as somebody sees them in the end."""

    figure: str
    began_at: int
    state: str
    fired_at: int
    value: float
    agreed: float


# -- the oracle --------------------------------------------------------------------------------------------------------------


def p90(seconds: list[float]) -> float:
    """Return it as a spreadsheet does, between the two nearest."""
    place = 0.9 * (len(seconds) - 1)
    low, high = sorted(seconds)[int(place)], sorted(seconds)[min(int(place) + 1, len(seconds) - 1)]
    return low + (high - low) * (place - int(place))


def figures(turns: list[dict[str, Any]], end: int, targets: Targets) -> dict[str, float]:
    """Return what is too slow in the hour before `end`, and how slow."""
    found = {}
    within = lambda at: end - HOUR <= at < end  # noqa: E731 - a definition
    times = [turn["response_seconds"] for turn in turns if turn["answered_at"] and within(turn["answered_at"])]
    if len(times) >= 20 and targets.slow_p90:
        assume(abs(p90(times) * 1000 / targets.slow_p90 - 1) > 0.02)  # the fold is exact to 1 %
        if p90(times) * 1000 > targets.slow_p90:
            found["response_p90"] = p90(times)
    in_time = [bool(turn["answered_at"]) and turn["answered_at"] <= turn["due_at"] for turn in turns]
    met = sum(good and within(turn["answered_at"]) for turn, good in zip(turns, in_time, strict=True))
    missed = sum(not good and within(turn["due_at"]) for turn, good in zip(turns, in_time, strict=True))
    if met + missed >= 20 and met / (met + missed) < targets.slow_sla:
        found["sla"] = met / (met + missed)
    return found


def slow(events: list[Record], clock: int, targets: Targets) -> list[Seen]:
    """Return every slow time up to `clock`, of events that came when they were published."""
    turns = [*measure(events, clock, target=targets.target)[ACCOUNT]["turns"].values()]
    last = clock // MINUTE * MINUTE
    looks = {
        end: figures(turns, end, targets)
        for end in range(NOON // MINUTE * MINUTE, min(last, NOON + 10 * HOUR) + 1, MINUTE)
    }
    found = []
    for figure, agreed in (("response_p90", targets.slow_p90 / 1000), ("sla", targets.slow_sla)):
        ends = [end for end in looks if figure in looks[end]]
        starts = [end for end in ends if not any(end - 15 * MINUTE <= other < end for other in ends)]
        for start, following in pairwise([*starts, last + 1]):
            own = [end for end in ends if start <= end < following]
            values = [looks[end][figure] for end in own]
            over = own[-1] + 15 * MINUTE <= last
            state, at = ("resolved", own[-1]) if over else ("firing", start)
            found.append(
                Seen(figure, start, state, at, max(values) if figure != "sla" else min(values), pytest.approx(agreed))
            )
    return sorted(found)


# -- worlds ------------------------------------------------------------------------------------------------------------------


def asked(number: int, at: int, after: int | None) -> list[Record]:
    """Return a mention and, so much later, its answer."""
    who = {"conversation_id": f"c{number}", "contact_id": f"ann{number}"}
    mention = event(2 * number, "mention", at, author_id=f"ann{number}", **who)
    if after is None:
        return [mention]
    return [mention, event(2 * number + 1, "reply", at + after, author_id="brand", parent_id=mention["id"], **who)]


@st.composite
def worlds(draw: st.DrawFn) -> list[Record]:
    """Return some hours with crowds that are answered soon, late or never."""
    crowds = draw(
        st.lists(
            st.tuples(
                st.integers(0, 240),
                st.integers(1, 40),
                st.sampled_from([1_000, 20_000, 90_000]),
                st.sampled_from([(1, 2, 5), (1, 2, 20), (12, 40), (None,), (1, None), (29, 31)]),
            ),
            min_size=1,
            max_size=6,
        )
    )
    posts: list[Record] = []
    for minute, count, apart, delays in crowds:
        for number in range(count):
            delay = delays[number % len(delays)]
            after = None if delay is None else delay * MINUTE
            posts += asked(len(posts), NOON + minute * MINUTE + number * apart, after)
    return sorted(posts, key=lambda post: post["received_at"])


def alerts(partition: Partition) -> list[Record]:
    return [row for row in told(partition.facts).alerts if row["kind"] == "slow"]


def seen(partition: Partition) -> list[Seen]:
    """Return what stands: the last row of each."""
    latest = {row["alert_id"]: row for row in alerts(partition)}
    for row in latest.values():
        assert row["alert_id"] == f"slow:{row['subject']}:{row['due_at']}"
        assert (row["severity"], row["opened_at"], row["spread"]) == ("warning", row["due_at"], None)
    names = ("subject", "due_at", "state", "fired_at", "value", "baseline")
    return sorted(Seen(*(row[name] for name in names)) for row in latest.values())


def near(found: list[Seen]) -> list[Seen]:
    """Allow for the 1 % of the histogram."""
    return [it._replace(value=pytest.approx(it.value, rel=0.011)) for it in found]


# -- properties --------------------------------------------------------------------------------------------------------------


@given(
    worlds(),
    st.randoms(use_true_random=False),
    st.sampled_from(
        [AGREED, AGREED._replace(slow_p90=0), AGREED._replace(slow_sla=0.0), AGREED._replace(slow_sla=1.0)]
    ),
    st.sampled_from([0, MINUTE, 14 * MINUTE, 15 * MINUTE, 16 * MINUTE, 31 * MINUTE, 2 * HOUR, 20 * DAY]),
)
@settings(max_examples=100, deadline=None)
def test_equals_the_oracle(events: list[Record], messages: random.Random, targets: Targets, later: int) -> None:
    partition = fold(events, messages, targets)
    partition.message([tick(partition.clock + later)])
    assert seen(partition) == near(slow(events, partition.clock, targets))


@given(worlds(), st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_a_restart_changes_no_row(events: list[Record], seed: int) -> None:
    kept = fold(events, random.Random(seed), AGREED, restarts=False)
    assert alerts(fold(events, random.Random(seed), AGREED)) == alerts(kept)


@given(worlds(), st.randoms(use_true_random=False), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_and_repetition_within_a_minute_change_nothing(
    events: list[Record], messages: random.Random, order: random.Random
) -> None:
    """What is known when a minute is over decides, however it came."""
    minutes: dict[int, list[Record]] = {}
    for one in events:
        minutes.setdefault(one["received_at"] // MINUTE, []).append(one)
    mixed: list[Record] = []
    for minute, those in minutes.items():
        again = those + order.sample(those, len(those) // 2)
        order.shuffle(again)
        mixed += [{**one, "received_at": max(minute * MINUTE, those[-1]["received_at"])} for one in again]
    straight, crooked = Partition(AGREED), fold(mixed, messages, AGREED)
    for one in events:
        straight.message([one])
    for partition in (straight, crooked):
        partition.message([tick(NOON + 12 * HOUR)])
    assert seen(crooked) == seen(straight)


# -- by hand -----------------------------------------------------------------------------------------------------------------


def outcome(posts: list[Record], until: int, targets: Targets = AGREED) -> list[Seen]:
    """Return what stands after a tick each minute."""
    partition = Partition(targets)
    for one in sorted([*map(tick, range(NOON, until + 1, MINUTE)), *posts], key=lambda one: one["received_at"]):
        partition.message([one])
    return seen(partition)


def crowd(count: int, after: int | None, at: int = NOON, first: int = 0) -> list[Record]:
    return [post for number in range(count) for post in asked(first + number, at + number * 100, after)]


@pytest.mark.parametrize(("count", "late"), [(19, 9), (20, 3), (20, 1)])
def test_it_takes_twenty_answers_and_more_than_a_tenth_of_them_late(count: int, late: int) -> None:
    posts = crowd(late, 20 * MINUTE) + crowd(count - late, MINUTE, first=late)
    found = outcome(posts, NOON + 30 * MINUTE, AGREED._replace(slow_sla=0.0))
    assert [one.figure for one in found] == (["response_p90"] if (count, late) == (20, 3) else [])


def test_since_when_and_until_when() -> None:
    """Answered after 10 minutes: slow once that minute is over, and for as long as they are in the hour."""
    targets = AGREED._replace(slow_sla=0.0)
    began = NOON + 11 * MINUTE
    firing = Seen("response_p90", began, "firing", began, pytest.approx(600, rel=0.01), 420)
    posts = crowd(25, 10 * MINUTE)
    assert outcome(posts, began - MINUTE, targets) == []
    assert outcome(posts, began, targets) == [firing]
    over = firing._replace(state="resolved", fired_at=NOON + 70 * MINUTE)
    assert outcome(posts, NOON + 84 * MINUTE, targets) == [firing]
    assert outcome(posts, NOON + 85 * MINUTE, targets) == [over]


def test_those_who_were_never_answered_make_an_hour_slow() -> None:
    """Of answers alone it would be a good hour: all of them came within a minute."""
    posts = crowd(20, MINUTE) + crowd(10, None, first=20)
    (found,) = outcome(posts, NOON + 32 * MINUTE)
    assert (found.figure, found.value, found.began_at) == ("sla", pytest.approx(2 / 3), NOON + 31 * MINUTE)


def test_nothing_is_slow_unless_somebody_says_how_soon() -> None:
    assert outcome(crowd(50, 3 * HOUR), NOON + 5 * HOUR, DEFAULT_TARGETS) == []


def test_what_is_no_longer_agreed_ends() -> None:
    partition = Partition(AGREED)
    for post in crowd(25, 10 * MINUTE):
        partition.message([post])
    partition.message([tick(NOON + 12 * MINUTE)])
    state = partition.checkpoint()[ACCOUNT]
    assert state.slow.firing
    state.targets = DEFAULT_TARGETS
    facts = Facts()
    partition.model.fold(state, [], partition.clock, NOON + 28 * MINUTE, partition.offset, facts)
    assert [row["state"] for row in told(facts).alerts if row["kind"] == "slow"] == ["resolved"]
