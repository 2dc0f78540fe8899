"""The simulator: the same seed tells the same, in arrival order, and its truth is what its events say."""

from collections import Counter, defaultdict
from itertools import islice, pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.connectors.simulator import Simulator, SimulatorOptions, simulate
from streams.connectors.truth import ExpectedTurn, Truth
from streams.interactions import fault, unfit
from streams.metrics.targets import DAY, HOUR, MINUTE

shares = st.sampled_from((0.0, 0.01, 0.3))
worlds = st.builds(
    SimulatorOptions,
    seed=st.integers(0, 1 << 32),
    accounts=st.integers(1, 6),
    start=st.integers(0, 1_700_000_000_000),
    duration=st.integers(MINUTE, 3 * DAY),
    stories_per_hour=st.sampled_from((0.2, 2.0)),
    crises_per_week=st.sampled_from((0.0, 5.0)),
    lateness=st.sampled_from((0, MINUTE, HOUR, DAY)),
    late=shares,
    duplicates=shares,
    edits=shares,
    deletions=shares,
    without_conversation=st.sampled_from((0.0, 0.1, 1.0)),
)
settings.register_profile("simulator", deadline=None, max_examples=60)
few = settings.get_profile("simulator")

Event = dict[str, Any]


def recomputed(events: list[Event]) -> list[ExpectedTurn]:
    """Return the turns that the delivered events have, by the definitions and by nothing that the simulator knows."""
    withdrawn = {(it["account"], it["id"]) for it in events if it["kind"] == "withdrawal"}
    posts = {(it["account"], it["id"]): it for it in events if it["kind"] in ("mention", "reply")}
    by_contact: dict[tuple[str, str, str], list[Event]] = defaultdict(list)
    for post in sorted(posts.values(), key=lambda it: it["published_at"]):
        by_contact[post["account"], post["conversation_id"], post["contact_id"]].append(post)
    turns = []
    for (account, conversation, contact), thread in by_contact.items():
        ordinal, current, last_at = 0, None, None
        for post in thread:
            at = post["published_at"]
            if not conversation and last_at is not None and at - last_at > DAY:
                ordinal, current = 0, None
            last_at = at
            if (account, post["id"]) in withdrawn:
                continue
            if post["kind"] == "mention":
                if current is None or current.answered_at is not None:
                    ordinal += 1
                    current = ExpectedTurn(account, post["id"], contact, conversation, ordinal, at, 0, None, "", None)
                    turns.append(current)
                change: dict[str, Any] = {"messages": current.messages + 1}
            elif current is None:
                continue
            elif post["automated"]:
                waits = current.answered_at is None and current.automated_at is None
                change = {"automated_at": at} if waits else {}
            else:
                change = {"answered_at": at, "reply_id": post["id"]} if current.answered_at is None else {}
            turns[turns.index(current)] = current = current._replace(**change)
    return sorted(turns, key=lambda turn: (turn.opened_at, turn.turn_id))


@few
@given(worlds)
def test_truth_is_what_the_events_say(options: SimulatorOptions) -> None:
    truth = Truth()
    events = list(simulate(options, truth))
    assert truth.turns() == recomputed(events)
    assert truth.deleted == {it["id"] for it in events if it["kind"] == "withdrawal"}
    assert sorted(turn for account in truth.accounts for turn in truth.turns(account)) == sorted(truth.turns())


@few
@given(worlds)
def test_the_same_seed_tells_the_same_in_arrival_order(options: SimulatorOptions) -> None:
    events = list(simulate(options, Truth()))
    assert events == list(simulate(options))
    assert all(earlier["received_at"] <= later["received_at"] for earlier, later in pairwise(events))


@few
@given(worlds)
def test_every_event_is_sound_and_within_its_bounds(options: SimulatorOptions) -> None:
    events = list(simulate(options))
    published = {it["id"]: it["published_at"] for it in events if it["kind"] != "withdrawal"}
    by_id = {it["id"]: it for it in events if it["kind"] != "withdrawal"}
    for event in events:
        assert unfit(event) is None
        assert fault(event, event["received_at"]) is None
        assert event["published_at"] <= event["received_at"] <= published[event["id"]] + options.lateness
        assert event["published_at"] >= published[event["id"]]
        if event["parent_id"]:
            assert event["published_at"] > by_id[event["parent_id"]]["published_at"]
    threads = defaultdict(set)
    for event in by_id.values():
        if event["contact_id"]:
            threads[event["account"], event["conversation_id"], event["contact_id"]].add(event["published_at"])
    for (_, conversation, _), times in threads.items():
        ordered = sorted(times)
        if conversation:
            assert ordered[-1] - ordered[0] <= 5 * DAY + MINUTE * 10
        assert all(not 22 * HOUR + 10 * MINUTE < b - a <= 24 * HOUR for a, b in pairwise(ordered) if not conversation)
    posts = [it for it in by_id.values() if it["contact_id"]]
    assert len({(it["account"], it["conversation_id"], it["contact_id"], it["published_at"]) for it in posts}) == len(
        posts
    )


def test_what_has_no_rate_never_happens() -> None:
    options = SimulatorOptions(accounts=1, crises_per_week=0, broadcasts_per_day=0)
    assert {event["kind"] for event in islice(simulate(options), 1_000)} <= {"mention", "reply", "peer", "withdrawal"}


def test_a_week_has_everything_in_it() -> None:
    options = SimulatorOptions(seed=5, accounts=6, duration=7 * DAY, crises_per_week=2)
    truth = Truth()
    events = list(simulate(options, truth))
    kinds = Counter(it["kind"] for it in events)
    assert all(kinds[kind] > 20 for kind in ("mention", "reply", "broadcast", "peer", "withdrawal")), kinds
    turns = truth.turns()
    silent = {account for account in truth.accounts if all(it.answered_at is None for it in truth.turns(account))}
    assert silent == {"bluesky:old_post"}
    assert sum(turn.ordinal > 1 for turn in turns) > 100
    assert sum(turn.messages > 1 for turn in turns) > 100
    assert sum(turn.automated_at is not None for turn in turns) > 100
    assert sum(turn.conversation_id == "" for turn in turns) > 100
    repeated = Counter((it["id"], it["kind"], it["revision"]) for it in events)
    assert sum(count == 2 for count in repeated.values()) > 50
    assert sum(it["revision"] == 1 for it in events) > 50
    assert sum(it["received_at"] - it["published_at"] > HOUR for it in events) > 50
    minutes = Counter((it["account"], it["published_at"] // (10 * MINUTE)) for it in events if it["kind"] == "mention")
    assert max(minutes.values()) > 20, "a crisis"
    hours = Counter(it["published_at"] % DAY // HOUR for it in events if it["kind"] == "mention")
    assert hours[18] > 3 * hours[3]


def test_endless_and_bounded() -> None:
    assert len(list(simulate(SimulatorOptions(events=1_000)))) == 1_000
    assert len(list(islice(simulate(SimulatorOptions()), 5_000))) == 5_000
    assert list(simulate(SimulatorOptions(accounts=0))) == []
    assert list(simulate(SimulatorOptions(events=0))) == []
    assert (
        list(simulate(SimulatorOptions(duration=DAY, stories_per_hour=0, broadcasts_per_day=0, crises_per_week=0)))
        == []
    )


def test_as_a_source_it_counts_and_begins_anew() -> None:
    source = Simulator(SimulatorOptions(events=2_000))
    first, second = list(source), list(source)
    assert first == second
    assert source.counts.records == source.counts.events == 4_000
    assert source.counts.mentions == 2 * sum(it["kind"] == "mention" for it in first)
