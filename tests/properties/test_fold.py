"""The fold against the oracle and the simulator's truth: any order, any repetition, edits, deletions, restarts."""

import random
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import Record
from streams.config import Brands
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.connectors.truth import Truth
from streams.interactions import interaction, tick
from streams.metrics.fold import Fold
from streams.metrics.targets import DAY, DEFAULT_TARGETS, HOUR, MINUTE, Targets
from tests.batch import Partition
from tests.calendars import Version, calendar, versions
from tests.oracle import measure
from tests.told import told
from tests.wall_clock import WallCalendar
from tests.worlds import WORLDS

START = 1_790_000_000_000
POSTS = ("mention", "reply", "broadcast", "peer", "opt_out")
ACCOUNTS = ("net:one", "net:two")
MONDAY = 1_789_999_200_000
LINKS = (
    "https://acme.example",
    "HTTPS://Shop.ACME.example:443/a?b#c",
    "https://notacme.example/acme.example",
    "acme.example",
)
DOMAINS = ("acme.example", "else.where")
TEXTS = ("", "my card was stolen", "a Refund, please", "not refundable")
CONDITIONS: tuple[dict[str, Any], ...] = (
    {"accounts": ["net:one"]},
    {"networks": ["net"], "contacts": ["bob"]},
    {"networks": ["elsewhere"]},
    {"languages": ["de", "fr"]},
    {"keywords": ["refund", "Card was"]},
    {"keywords": ["refund"], "languages": ["en"]},
    {"contacts": ["ann", "cy"], "accounts": ["net:two", "net:three"]},
)
"""Of rules, as rapport.toml has them."""


@st.composite
def worlds(  # noqa: C901 - one branch a kind
    draw: st.DrawFn, span: int = 2 * DAY, at_most: int = 40, delays: Sequence[int] = (0,)
) -> list[Record]:
    """Return posts, deletions and edits of a few contacts and brands as they arrive, each delayed by one of ``delays``."""
    events: list[Record] = []
    promised: set[str] = (
        set()
    )  # answered before they are written; they answer nothing themselves, for nobody answers in a circle
    step = st.sampled_from([0, 1, 500, 30_000, MINUTE, 10 * MINUTE, HOUR, 5 * HOUR, 23 * HOUR, DAY, 25 * HOUR])
    at = START
    for number in range(draw(st.integers(1, at_most))):
        at += draw(step) % max(1, span // 8)
        account = draw(st.sampled_from(ACCOUNTS))
        kind = draw(
            st.sampled_from(
                ["mention"] * 5
                + ["reply"] * 4
                + ["broadcast", "peer", "opt_out", "withdrawal", "edit", "counters", "profile"]
            )
        )
        earlier = [event for event in events if event["account"] == account and event["kind"] in POSTS]
        fields: dict[str, Any] = {"account": account, "published_at": at, "received_at": at, "id": f"p{number}"}
        contact = draw(st.sampled_from(["ann", "bob"]))
        conversation = draw(st.sampled_from(["c1", "c2", "", ""]))
        if kind == "mention":
            fields |= {"author_id": contact, "contact_id": contact, "conversation_id": conversation}
            fields["sentiment"] = draw(st.sampled_from([0.0, 0.0, 0.5, -0.05000000074505806, -0.06, -1.0]))
            fields |= {"lang": draw(st.sampled_from(["", "en", "de"])), "text": draw(st.sampled_from(TEXTS))}
            fields["author_followers"] = draw(st.sampled_from([-1, 0, 99, 100, 999, 1_000, 9_999, 10_000, 5_000_000]))
        elif kind == "reply":
            parents = [*earlier, None, None] if earlier and fields["id"] not in promised else [None]
            parent = draw(st.sampled_from(parents))
            fields |= {
                "author_id": "brand",
                "automated": draw(st.sampled_from([False, False, False, True])),
                "template": draw(st.sampled_from([0, 1, 1, 1, (1 << 48) - 1])),
            }
            if parent:
                fields["parent_id"] = parent["id"]
            elif fields["id"] not in promised and draw(st.booleans()):
                fields["parent_id"] = f"p{number + 2}"
                promised.add(f"p{number + 2}")
            if draw(st.booleans()):
                addressed = parent if parent and parent["contact_id"] else None
                fields["contact_id"] = addressed["contact_id"] if addressed else contact
                fields["conversation_id"] = addressed["conversation_id"] if addressed else conversation
            fields["published_at"] -= draw(st.sampled_from([0, 0, 0, 1000, 20 * MINUTE]))
        elif kind == "broadcast":
            fields["links"] = draw(st.lists(st.sampled_from(LINKS), max_size=2))
        elif kind == "profile":
            fields["author_followers"] = draw(st.integers(-1, 3))
        elif kind == "counters":
            fields["id"] = draw(st.sampled_from([*(event["id"] for event in earlier), "older"]))
            fields |= {name: draw(st.integers(-1, 3)) for name in ("likes", "shares", "comments", "impressions")}
            fields["published_at"] -= draw(st.sampled_from([0, 0, 30_000, HOUR]))
        elif kind in ("withdrawal", "edit"):
            if not earlier:
                continue
            post = draw(st.sampled_from(earlier))
            if kind == "edit":
                events.append({**post, "received_at": at, "revision": post["revision"] + 1, "text": "edited"})
                continue
            fields["id"] = post["id"]
            fields["published_at"] = max(at, post["published_at"])
        fields["received_at"] = max(at, fields["published_at"]) + draw(st.sampled_from(delays))
        events.append(interaction(kind=kind, **fields))
    return sorted(events, key=lambda event: event["received_at"])


def run(
    events: list[Record],
    messages: random.Random,
    until: int,
    targets: Targets | Callable[[str], Targets] = DEFAULT_TARGETS,
) -> dict[str, Any]:
    """Fold events in messages of random size, with ticks, rows taken, checkpoints and restarts in between."""
    partition = Partition(targets)
    position = 0
    while position < len(events):
        size = messages.choice([1, 1, 2, 7, 300])
        partition.message(events[position : position + size])
        position += size
        if messages.random() < 0.3:
            partition.message(
                [tick(partition.clock + messages.choice([0, 20_000, MINUTE, HOUR]))] if position >= len(events) else []
            )
        if messages.random() < 0.3:
            partition.settle()
        if messages.random() < 0.3:
            messages.choice([partition.checkpoint, partition.restart])()
    partition.message([tick(max(until, partition.clock))])
    return {"clock": partition.clock, "accounts": partition.results()}


def assert_true(found: dict[str, Any], truth: dict[str, Any]) -> None:
    for account, expected in truth.items():
        actual = found["accounts"].get(account, {"turns": {}, "alerts": {}, "panes": {}, "windows": {}})
        assert actual["turns"] == expected["turns"]
        assert actual["alerts"] == expected["alerts"]
        assert actual["panes"] == expected["panes"]
        for name, window in expected["windows"].items():
            row = dict(actual["windows"].get(name, {"p50": None}))
            times, p50 = window.pop("response_times", []), row.pop("p50")
            for band in window.get("bands", {}).values():
                band["p50"] = median(band.pop("response_times") or [-0.001])
            assert row.pop("bands", {}) == {
                followers: band | {"p50": pytest.approx(band["p50"], rel=0.0101, abs=0.002)}
                for followers, band in window.pop("bands", {}).items()
            }
            assert row == window
            if times:
                assert p50 == pytest.approx(median(times), rel=0.0101, abs=0.002)


@given(worlds(), st.randoms(use_true_random=False), st.sampled_from([0, MINUTE, HOUR, 3 * DAY, 9 * DAY, 20 * DAY]))
@settings(max_examples=WORLDS, deadline=None)
def test_equals_the_oracle(events: list[Record], messages: random.Random, later: int) -> None:
    until = max(event["received_at"] for event in events) + later if events else START
    found = run(events, messages, until, Targets(domains=DOMAINS))
    assert_true(found, measure(events, found["clock"], domains=DOMAINS))


@given(worlds(span=DAY), st.randoms(use_true_random=False), st.sampled_from([0, HOUR, 9 * DAY]))
@settings(max_examples=WORLDS, deadline=None)
def test_order_and_repetition_change_nothing(events: list[Record], messages: random.Random, later: int) -> None:
    """Any order of arrival within the lateness bound, any number of times, gives the same turns and panes; but for counters."""
    events = [event for event in events if event["kind"] != "counters"]
    targets = Targets(lateness=3 * DAY, domains=DOMAINS)
    shuffled = events + messages.sample(events, len(events) // 3)
    messages.shuffle(shuffled)
    until = max((event["received_at"] for event in events), default=START) + later
    found = run(shuffled, messages, until, targets)
    assert_true(found, measure(events, found["clock"], lateness=targets.lateness, domains=DOMAINS))


@given(
    worlds(span=20 * DAY, at_most=25, delays=(0, 0, 0, MINUTE, HOUR, DAY // 2)),
    st.randoms(use_true_random=False),
    st.sampled_from([MINUTE, 45 * MINUTE, HOUR, 8 * HOUR, 3 * DAY]),
    versions(START - 10 * DAY, 40 * DAY),
    st.sampled_from([0, HOUR, 3 * DAY, 20 * DAY]),
)
@settings(max_examples=WORLDS // 2, deadline=None)
def test_equals_the_oracle_in_business_time(
    events: list[Record], messages: random.Random, target: int, agreed: list[Version], later: int
) -> None:
    until = max((event["received_at"] for event in events), default=START) + later
    found = run(events, messages, until, Targets(target=target, calendar=calendar(agreed)))
    assert_true(found, measure(events, found["clock"], target=target, calendar=WallCalendar(agreed)))


def meets(condition: dict[str, Any], mention: Record) -> bool:
    """Say, as slowly as one likes, whether a mention meets what one of CONDITIONS asks."""
    words = "".join(letter if letter.isalpha() else " " for letter in mention["text"].lower()).split()
    meant = {
        "accounts": lambda account: mention["account"] == account,
        "networks": lambda network: mention["account"].startswith(network + ":"),
        "contacts": lambda contact: mention["author_id"] == contact,
        "languages": lambda language: mention["lang"] == language,
        "keywords": lambda phrase: f" {phrase.lower()} " in f" {' '.join(words)} ",
    }
    return all(any(meant[key](value) for value in values) for key, values in condition.items())


@given(
    worlds(span=10 * DAY),
    st.randoms(use_true_random=False),
    st.lists(st.tuples(st.sampled_from(CONDITIONS), st.sampled_from([1, 30, 600])), max_size=4),
    st.sampled_from([0, HOUR, 9 * DAY]),
)
@settings(max_examples=200, deadline=None)
def test_the_first_rule_that_fits_gives_the_target(
    events: list[Record], messages: random.Random, agreed: list[tuple[dict[str, Any], int]], later: int
) -> None:
    until = max((event["received_at"] for event in events), default=START) + later
    tables = [{"name": f"rule{n}", "target_minutes": minutes, **asked} for n, (asked, minutes) in enumerate(agreed)]
    found = run(events, messages, until, Brands.model_validate({"rules": tables}).targets)
    rules = [(f"rule{n}", minutes * MINUTE, partial(meets, condition)) for n, (condition, minutes) in enumerate(agreed)]
    assert_true(found, measure(events, found["clock"], rules=rules))


@given(
    worlds(span=60 * DAY, at_most=60, delays=(0, 0, 0, MINUTE, HOUR, 2 * HOUR, DAY // 2, DAY)),
    st.randoms(use_true_random=False),
    st.sampled_from([DEFAULT_TARGETS, Targets(expiry=DAY, lateness=DAY), Targets(expiry=DAY // 2, lateness=HOUR)]),
)
@settings(max_examples=WORLDS, deadline=None)
def test_long_lives_are_forgotten_without_a_trace(
    events: list[Record], messages: random.Random, targets: Targets
) -> None:
    until = max((event["received_at"] for event in events), default=START) + 40 * DAY
    found = run(events, messages, until, targets)
    assert_true(found, measure(events, until, lateness=targets.lateness, expiry=targets.expiry))


@given(st.integers(0, 10**9), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=WORLDS // 5, deadline=None)
def test_simulated_worlds_are_measured_as_they_were_meant(seed: int, messages: random.Random, in_order: bool) -> None:  # noqa: FBT001
    """The simulator knows what its brands and their public did; any order of arrival must come to that."""
    truth = Truth()
    options = SimulatorOptions(
        seed=seed,
        accounts=2,
        duration=12 * HOUR,
        stories_per_hour=2.0,
        crises_per_week=7.0,
        late=0.1,
        duplicates=0.1,
        edits=0.1,
        deletions=0.15,
        without_conversation=0.3,
        polls=None if not in_order else HOUR,
    )
    events = list(simulate(options, truth))
    if not events:
        return
    lateness = 2 * DAY
    if not in_order:  # a bounded disorder: nothing is later than the lateness bound
        slack = lateness - options.lateness
        events.sort(key=lambda event: event["received_at"] + messages.randrange(slack))
    found = run(events, messages, max(event["received_at"] for event in events), Targets(lateness=lateness))
    assert_true(found, measure(events, found["clock"], lateness=lateness))
    turns = {
        (account, turn["id"]): turn for account, world in found["accounts"].items() for turn in world["turns"].values()
    }
    expected = {(turn.account, turn.turn_id): turn for turn in truth.turns()}
    assert turns.keys() == expected.keys()
    for key, turn in expected.items():
        actual = turns[key]
        for name in ("opened_at", "messages", "answered_at", "reply_id", "ordinal", "automated_at"):
            assert actual[name] == getattr(turn, name), (key, name)


def test_an_answer_withdrawn_at_the_last_moment_is_taken_back() -> None:
    """The turn is nearly nine days old by then: what it has counted must still be there to be taken back."""

    def event(kind: str, name: str, hours: float, conversation: str, **fields: str) -> Record:
        at = START + round(hours * HOUR)
        author = "ann" if kind == "mention" else "brand"
        return interaction(
            kind=kind,
            id=name,
            account=ACCOUNTS[0],
            author_id=author,
            contact_id="ann",
            conversation_id=conversation,
            published_at=at,
            received_at=at,
            **fields,
        )

    events = [
        event("mention", "question", 0, "c1"),
        event("reply", "answer", 46, "c1", parent_id="question"),
        *(event("mention", f"other{hours}", hours, "c2") for hours in (70, 120, 170, 194, 205, 213.5)),
        event("withdrawal", "answer", 213.9, "c1"),
    ]
    found = run(events, random.Random(1), START + 214 * HOUR)
    assert found["accounts"][ACCOUNTS[0]]["turns"]["question"]["status"] == "expired"
    assert_true(found, measure(events, found["clock"]))


def test_what_is_taken_back_after_its_rows_went_out_is_said_again() -> None:
    """A broadcast changes no turn: without a word of its own the windows would count it until their minute ends, or for ever."""
    post = {"id": "p", "account": "net:one", "published_at": START}
    partition = Partition()
    partition.message([interaction(kind="broadcast", received_at=START, **post)])
    partition.settle()
    assert [row["broadcasts"] for row in told(partition.facts).rolling[-3:]] == [1, 1, 1]
    partition.message([interaction(kind="withdrawal", received_at=START + 2000, **post)])
    partition.settle()
    assert [row["broadcasts"] for row in told(partition.facts).rolling[-3:]] == [0, 0, 0]


def test_a_pane_that_came_to_nothing_is_said() -> None:
    """An owner before this one may have written the row in between: without another, that would stand for ever."""
    post = {"id": "p", "account": "net:one", "author_id": "ann", "published_at": START}
    partition = Partition()
    partition.message([interaction(id="b", account="net:one", kind="broadcast", published_at=START, received_at=START)])
    partition.settle()
    partition.message([interaction(kind="mention", received_at=START + 1000, **post)])
    partition.message([interaction(kind="withdrawal", received_at=START + 2000, **post)])
    partition.settle()
    assert [(row["minute"], row["mentions"]) for row in told(partition.facts).panes] == [
        (START // MINUTE * MINUTE, 0)
    ] * 2


def _said(kind: str, name: str, minutes: float, received: float | None = None) -> Record:
    """Return a post of ann's conversation, so many minutes after Monday 2026-09-21 14:00 UTC."""
    at = MONDAY + round(minutes * MINUTE)
    author = "ann" if kind == "mention" else "brand"
    fields = {"id": name, "account": ACCOUNTS[0], "author_id": author, "contact_id": "ann", "conversation_id": "c1"}
    seen = at if received is None else MONDAY + round(received * MINUTE)
    return interaction(kind=kind, **fields, published_at=at, received_at=seen)


OLD = {"time_zone": "UTC", "hours": {"mon": ["09:00-14:30"], "tue": ["09:00-17:00"]}}
NEW = {"time_zone": "UTC", "hours": {"wed": ["09:00-17:00"]}}


def _answered_under(agreed: Targets) -> Record:
    """Return a turn that opened on Monday under OLD and was answered on Tuesday at 10:00 under what is agreed by then."""
    partition = Partition(Targets(calendar=calendar([OLD])))
    partition.message([_said("mention", "p1", 0)])
    partition.model = Fold(lambda _: agreed)
    partition.restart()
    partition.message(
        [_said("mention", "p2", 40), _said("mention", "p3", 20, received=40)]
    )  # p3 is late: all is counted anew
    partition.message([_said("reply", "answer", 20 * 60)])
    (turn,) = partition.results()[ACCOUNTS[0]]["turns"].values()
    assert (turn["id"], turn["messages"], turn["response_seconds"]) == ("p1", 3, 20 * 3600)
    assert turn["due_at"] == MONDAY + 19 * HOUR + 30 * MINUTE  # half an hour on Monday, and until 09:30 on Tuesday
    assert turn["sla"] == "missed"
    return turn


def test_an_open_turn_keeps_the_version_it_opened_with() -> None:
    later = {**NEW, "from": date(2026, 9, 1)}
    turn = _answered_under(Targets(target=MINUTE, calendar=calendar([OLD, later])))
    assert (turn["calendar"], turn["business_seconds"]) == ("support", 90 * 60)


def test_a_turn_whose_version_is_gone_has_no_business_time() -> None:
    for gone in (calendar([{**NEW, "from": date(2026, 9, 1)}]), None):
        turn = _answered_under(Targets(calendar=gone))
        assert (turn["calendar"], turn["business_seconds"]) == ("support", None)


def test_alerts_escalate_in_business_time() -> None:
    partition = Partition(Targets(calendar=calendar([OLD])))
    partition.message([_said("mention", "p1", 0)])
    for minutes in range(0, 6 * 24 * 60, 6):
        partition.message([tick(MONDAY + minutes * MINUTE)])
    rows = told(partition.facts).alerts
    fired = [(row["escalation"], (row["fired_at"] - MONDAY) / HOUR, row["state"]) for row in rows]
    # 14:30 on Monday is after 30 minutes; Tuesday at 09:00 is 19 h after 14:00
    assert fired == [(0, 19.3, "firing"), (1, 19.5, "firing"), (2, 20.5, "firing"), (3, 22.5, "firing")]


@pytest.mark.parametrize(
    ("changed", "escalations"),
    [
        (NEW, [15.6, 19.5, 39.0, 78.0]),  # no business time until the deadline: by the wall
        ({**OLD, "hours": {"mon": ["09:00-14:20"], "wed": ["09:00-17:00"]}}, [16 / 60, 19.5, 43 + 20 / 60, 44.0]),
    ],
)
def test_a_version_that_is_changed_in_place_moves_no_deadline(changed: Version, escalations: list[float]) -> None:
    partition = Partition(Targets(calendar=calendar([OLD])))
    partition.message([_said("mention", "p1", 0)])
    partition.model = Fold(lambda _: Targets(calendar=calendar([changed])))
    partition.restart()
    for minutes in range(0, 4 * 24 * 60, 4):
        partition.message([tick(MONDAY + minutes * MINUTE)])
    fired = [(row["escalation"], (row["fired_at"] - MONDAY) / HOUR) for row in told(partition.facts).alerts]
    assert fired == [(number, pytest.approx(hour)) for number, hour in enumerate(escalations)]
