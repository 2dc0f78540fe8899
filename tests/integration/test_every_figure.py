"""Every figure of a world, by the stream and by ClickHouse, beside the oracles, which share no code with either."""

import random
from itertools import chain
from operator import itemgetter
from typing import Any
from zlib import crc32

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from schemas.codec import Record
from streams.connectors.replay import open_replay
from streams.connectors.simulator import SimulatorOptions
from streams.connectors.understanding import Understood, sentiment_model
from streams.metrics.targets import DAY, HOUR, MINUTE
from tests.clickhouse_server import NOON
from tests.every_figure import ELSEWHERE, Figures
from tests.figure_checks import check_campaign, check_everything, check_relationships
from tests.figures import data_file
from tests.processes import ROOT
from tests.properties.test_fold import START, worlds
from tests.properties.test_spikes import spikes
from tests.worlds import IN_SHIFTS, WORLDS, world

QUIET: dict[str, Any] = {
    "accounts": 2,
    "start": NOON,
    "stories_per_hour": 0.15,
    "broadcasts_per_day": 0.3,
    "crises_per_week": 0.0,
    "late": 0.05,
    "duplicates": 0.1,
    "edits": 0.1,
    "deletions": 0.1,
}
small_worlds = st.builds(
    lambda **options: world(SimulatorOptions(**options)),
    seed=st.integers(0, 1 << 32),
    accounts=st.just(1),
    start=st.integers(NOON - 5 * DAY, NOON),
    duration=st.sampled_from((6 * HOUR, DAY, 3 * DAY)),
    stories_per_hour=st.sampled_from((0.2, 0.7)),
    broadcasts_per_day=st.sampled_from((0.3, 4.0)),
    crises_per_week=st.just(0.0),
    late=st.sampled_from((0.0, 0.3)),
    duplicates=st.sampled_from((0.0, 0.3)),
    edits=st.sampled_from((0.0, 0.3)),
    deletions=st.sampled_from((0.0, 0.3)),
    without_conversation=st.sampled_from((0.1, 1.0)),
    polls=st.sampled_from((None, 3 * HOUR)),
)


def long_world() -> list[Record]:
    """Return fifty days, and some more one, three, twelve and thirty-six months after, in which the same people write again.

    Some days all goes wrong; posts come days late, and counters after newer ones. It ends in the midst of things.
    """
    stages: list[tuple[int, Record]] = [
        (0, {"duration": 50 * DAY}),
        *((days, {"duration": 2 * DAY, "stories_per_hour": 0.5, "crises_per_week": 7.0}) for days in (80, 160, 420)),
        (1_130, {"duration": 2 * DAY, "stories_per_hour": 4.0, "broadcasts_per_day": 6.0}),
    ]
    events = []
    for number, (days, options) in enumerate(stages):
        start = NOON + (days - 90) * DAY
        for event in world(
            SimulatorOptions(**{**QUIET, "start": start, "seed": 45 + number, "polls": 6 * HOUR, **options})
        ):
            chance = random.Random(f"{number} {event['id']} {event['published_at']}")
            if chance.random() < {"mention": 0.03, "counters": 0.2}.get(event["kind"], 0):
                event["published_at"] -= chance.choice([7 * HOUR, 30 * HOUR])
            names = ("id", "parent_id", "conversation_id")
            events.append({**event, **{name: event[name] and f"{event[name]}/{number}" for name in names}})
    end = NOON + (1_130 + 2 - 90) * DAY
    return sorted((event for event in events if event["received_at"] <= end), key=itemgetter("received_at"))


def test_every_figure_of_a_simulated_world(clickhouse: Client) -> None:
    """Nobody has to remember what is compared: a column of a view that is not, or as zero alone, is missed here."""
    events = long_world()
    kinds = {event["kind"] for event in events}
    assert kinds >= {"mention", "reply", "broadcast", "peer", "opt_out", "withdrawal", "counters", "profile"}
    figures = Figures(clickhouse, events, events[-1]["received_at"], agreed=IN_SHIFTS)
    check_everything(figures)
    check_relationships(figures)
    check_campaign(figures, "one", "https://EXAMPLE.com/spring")
    assert figures.left_out() == set()


def test_every_figure_of_many_worlds(clickhouse: Client) -> None:
    """Small worlds drawn by Hypothesis, side by side in one ClickHouse: what is asked is asked once of all of them."""
    found: list[list[Record]] = []

    @settings(max_examples=WORLDS, database=None, phases=[Phase.generate])
    @given(small_worlds)
    def collect(events: list[Record]) -> None:
        found.append([{**event, "account": f"{len(found)}:{event['account']}"} for event in events])

    collect()
    assert len(found) >= WORLDS
    events = sorted(chain(*found), key=itemgetter("received_at"))
    figures = Figures(clickhouse, events, events[-1]["received_at"])
    check_everything(figures)
    check_relationships(figures)
    check_campaign(figures, "one", "https://EXAMPLE.com/spring")


def test_every_figure_of_worlds_in_which_all_goes_wrong(clickhouse: Client) -> None:
    """Clocks that disagree, replies to what is not there, deletions that come first: what the fold is tested with."""
    found: list[list[Record]] = []

    @settings(max_examples=WORLDS, database=None, phases=[Phase.generate])
    @given(worlds(at_most=25))
    def collect(events: list[Record]) -> None:
        found.append([_moved(event, len(found)) for event in events])

    collect()
    assert len(found) >= WORLDS
    events = sorted(chain(*found), key=itemgetter("received_at"))
    check_everything(Figures(clickhouse, events, events[-1]["received_at"] + 3 * DAY))


def _moved(event: Record, number: int) -> Record:
    """Return an event in a world of its own and in the past, where ClickHouse takes nothing for what lies ahead."""
    times = {name: event[name] - (START - NOON) // MINUTE * MINUTE for name in ("published_at", "received_at")}
    return {**event, **times, "account": f"{number}:{event['account']}"}


def test_every_spike_of_a_simulated_world(clickhouse: Client) -> None:
    """Five weeks with many a day on which all goes wrong; their oracle asks that everything comes when it is written."""
    none = dict.fromkeys(("late", "duplicates", "edits", "deletions"), 0.0)
    options = {**QUIET, **none, "accounts": 1, "duration": 35 * DAY, "stories_per_hour": 0.3, "crises_per_week": 4.0}
    events = [{**event, "received_at": event["published_at"]} for event in world(SimulatorOptions(**options))]
    events.sort(key=itemgetter("received_at"))
    figures = Figures(clickhouse, events, events[-1]["received_at"])
    wanted = {}
    for spike in spikes(events, figures.clock):
        wanted[events[0]["account"], spike.series, spike.began_at] = {
            "state": spike.state,
            "ended_at": spike.fired_at if spike.state == "resolved" else None,
            **{name: getattr(spike, name) for name in ("value", "baseline", "spread")},
        }
    assert len(wanted) > 3
    figures.same("spikes", ("account", "series", "began_at"), wanted)


@pytest.mark.parametrize("place", ELSEWHERE.values())
def test_what_is_compared_elsewhere_is(place: str) -> None:
    path, _, name = place.partition("::")
    assert f"def {name}" in (ROOT / path).read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "file_format"),
    [("twcs_sample.csv", "twcs"), pytest.param("reply_pairs.csv", "pairs", marks=pytest.mark.slow)],
)
def test_every_figure_of_a_real_file(clickhouse: Client, name: str, file_format: str) -> None:
    """One post in fifty gets a hashtag, which is a campaign's."""
    source = open_replay(data_file(name), file_format)
    events = [
        {**event, "hashtags": [*event["hashtags"], *["rare"] * (crc32(event["id"].encode()) % 50 == 0)]}
        for event in Understood(source, lambda _: "en", sentiment_model("vader"))
        if isinstance(event, dict)
    ]
    figures = Figures(clickhouse, events, events[-1]["received_at"])
    check_everything(figures)
    check_relationships(figures)
    check_campaign(figures, "rare", "https://example.com")
