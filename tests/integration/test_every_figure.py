"""Every figure of a world, by the stream and by ClickHouse, beside the oracles, which share no code with either."""

import random
from fractions import Fraction
from itertools import chain
from operator import itemgetter
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test

from schemas.codec import Record
from schemas.metrics import metrics
from sinks.clickhouse import queries
from streams.connectors.replay import open_replay
from streams.connectors.simulator import SimulatorOptions
from streams.connectors.understanding import Understood, sentiment_model
from streams.interactions import tick
from streams.metrics.counters import PANE_COUNTERS, WINDOW_COUNTERS
from streams.metrics.targets import DAY, HOUR, MINUTE, Targets
from tests import relationship_oracle, view_oracle
from tests.batch import Partition
from tests.clickhouse_server import NOON, put, put_facts, refresh, rows
from tests.figures import data_file
from tests.integration.test_clickhouse_relationships import in_milliseconds, now, shown
from tests.integration.test_clickhouse_views import at
from tests.oracle import measure
from tests.properties.test_fold import START, worlds
from tests.view_oracle import Period
from tests.worlds import DOMAINS, WORLDS, world

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
RATES = [metric for metric in metrics().values() if metric.over]
GAUGES = ("unanswered", "at_risk", "breached", "oldest_opened_at", "followers")
ACCOUNT = {"account"}


class Figures:
    """A world, what is true of it, and a ClickHouse that has been told of it."""

    def __init__(self, client: Client, events: list[Record], clock: int, *, full: bool) -> None:
        """Fold the events up to ``clock``, and store them, twice and in disorder, and what the fold says of them.

        ``full``: there is something to compare for every view.
        """
        self.client, self.events, self.clock, self.full = client, events, clock, full
        partition = Partition(Targets(domains=DOMAINS))
        for start in range(0, len(events), 300):
            partition.message(events[start : start + 300])
        partition.message([tick(clock)])
        partition.settle()
        self.partition = partition
        put_facts(client, partition.facts)
        for chance in (random.Random(1), random.Random(2)):
            put(client, "interaction", chance.sample(events, len(events)))
        self.truth = measure(events, clock, domains=DOMAINS)
        self.posts = relationship_oracle.standing(events)
        self.turns = [
            turn | {"account": account} for account, found in self.truth.items() for turn in found["turns"].values()
        ]

    def of(self, view: str, period: Period, *key: str, **given: object) -> dict[Any, dict[str, Any]]:
        """Return the rows of a view of a period by their key."""
        times = f"from = fromUnixTimestamp64Milli({period.start}), to = fromUnixTimestamp64Milli({period.end})"
        found = shown(
            self.client,
            f"{view}({times}{''.join(f', {name} = {value}' for name, value in given.items())})",
            "account",
            *key,
        )
        return found if key else {account: row for (account,), row in found.items()}

    def same(self, found: dict[Any, dict[str, Any]], wanted: dict[Any, dict[str, Any]], within: float = 1e-9) -> None:
        """Compare rows by their keys, with a little room for what is not whole."""
        assert wanted or not self.full
        assert found.keys() == wanted.keys()
        for key, row in wanted.items():
            assert found[key].keys() == row.keys(), key
            for name, value in row.items():
                if found[key][name] != value:
                    assert isinstance(value, float), (key, name, found[key][name], value)
                    assert found[key][name] == pytest.approx(value, rel=within, abs=1e-9), (key, name)


def rated(row: dict[str, Any], view: str) -> dict[str, Any]:
    """Return a row with the rates that the catalogue makes of its counts."""
    found = dict(row)
    for metric in RATES:
        if view in metric.views and {*metric.over, *metric.under} <= row.keys():
            unit = 1000 if metric.name == "response_mean_seconds" else 1
            whole = sum(row[name] or 0 for name in metric.under)
            found[metric.name] = view_oracle.share(sum(row[name] for name in metric.over) / unit, whole)
    return found


def counted(found: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of accounts in whose panes there is something."""
    return {account: row for account, row in found.items() if any(row[name] for name in PANE_COUNTERS)}


def check_stream(world: Figures) -> None:
    """Turns, panes, alerts and windows: what the fold says, and what ClickHouse has of it."""
    said = world.partition.results()
    for account, truth in world.truth.items():
        for part in ("turns", "alerts", "panes"):
            assert said[account][part] == truth[part], (account, part)
    found = {}
    for (account, name), row in shown(world.client, "turns", "account", "turn_id").items():
        contact, conversation = row.pop("contact_id"), row.pop("conversation_id")
        found[account, name] = row | {"id": name, "contact": contact, "conversation": conversation, "account": account}
    world.same(found, {(turn["account"], turn["id"]): turn for turn in world.turns})
    panes = shown(world.client, f"(SELECT account, minute, {', '.join(PANE_COUNTERS)} FROM panes)", "account", "minute")
    nonzero = {key: {name: count for name, count in row.items() if count} for key, row in panes.items()}
    world.same(
        {key: row for key, row in nonzero.items() if row},
        {
            (account, minute * MINUTE): pane
            for account, truth in world.truth.items()
            for minute, pane in truth["panes"].items()
        },
    )
    firing = rows(world.client, "SELECT account, subject, escalation, fired_at FROM alerts WHERE state = 'firing'")
    assert {
        (row["account"], row["subject"]): (row["escalation"], row["fired_at"]) for row in map(in_milliseconds, firing)
    } == {(account, turn): alert for account, truth in world.truth.items() for turn, alert in truth["alerts"].items()}
    check_windows(world)
    responses = shown(world.client, "message_responses", "account", "message_id")
    world.same(responses, view_oracle.message_responses(world.posts))


def check_windows(world: Figures) -> None:
    """The windows of accounts to which something happened in this minute; those of the others are said when it is over."""
    compared = 0
    now = world.clock // MINUTE * MINUTE
    present = f"(SELECT * FROM rolling WHERE as_of = fromUnixTimestamp64Milli({now}))"
    bands = shown(world.client, "rolling_equal_treatment", "account", "window", "as_of", "followers_from")
    for (account, window), row in shown(world.client, present, "account", "window").items():
        truth = dict(world.truth[account]["windows"][window])
        times = truth.pop("response_times", [])
        check_bands({key[3]: bands[key] for key in bands if key[:3] == (account, window, now)}, truth.pop("bands", {}))
        counts = {name: row[name] for name in (*PANE_COUNTERS, *WINDOW_COUNTERS, *GAUGES)}
        assert {name: count for name, count in counts.items() if count} == truth, (account, window)
        check_quantiles(row, times)
        for name, rate in rated(counts, "rolling").items():
            assert row[name] == (rate if name in counts or rate is None else pytest.approx(rate)), (
                account,
                window,
                name,
            )
        compared += 1
    assert compared


def check_bands(found: dict[int, dict[str, Any]], truth: dict[int, dict[str, Any]]) -> None:
    """Whether people with few followers are answered as those with many, each band beside the smallest."""
    assert found.keys() == truth.keys()
    for followers, band in truth.items():
        row, smallest = found[followers], found[min(found)]
        check_quantiles(row, band["response_times"], response_p50=0.5)
        rate, time = band["turns_answered"] / band["turns"], row["response_p50"]
        assert row == {
            "turns": band["turns"],
            "turns_answered": band["turns_answered"],
            "response_rate": rate,
            "response_p50": time,
            "rate_ratio": view_oracle.share(rate, smallest["response_rate"]),
            "time_ratio": None if time is None else view_oracle.share(time, smallest["response_p50"] or 0),
        }


def check_quantiles(row: dict[str, Any], times: list[float], **names: float) -> None:
    """The histograms' quantiles are within 1 % of the exact ones."""
    for name, level in (names or {"response_p50": 0.5, "response_p90": 0.9, "response_p99": 0.99}).items():
        exact = view_oracle.quantile(times, level)
        assert row[name] == (exact if exact is None else pytest.approx(exact, rel=0.0101, abs=0.002)), name


def check_activity(world: Figures, period: Period) -> None:
    """The sums of the panes of a period of whole minutes, and the report's figures of it."""
    truth: dict[str, dict[str, Any]] = {}
    followers = view_oracle.followers(world.events, period.end)
    for account, own in world.truth.items():
        inside = [pane for minute, pane in own["panes"].items() if period.has(minute * MINUTE)]
        counts = {name: sum(pane.get(name, 0) for pane in inside) for name in PANE_COUNTERS}
        truth[account] = rated(counts | {"followers": followers.get(account)}, "account_activity")
    found = counted(world.of("account_activity", period))
    answered = [turn for turn in world.turns if period.has(turn["answered_at"])]
    quantiles = [name for name in metrics() if name.endswith(("_p50", "_p90", "_p99"))]
    for account, row in found.items():
        own = [turn for turn in answered if turn["account"] == account]
        check_quantiles(row, [turn["response_seconds"] for turn in own])
        for part, first in (("first", True), ("next", False)):
            times = [turn["response_seconds"] for turn in own if (turn["ordinal"] == 1) == first]
            check_quantiles(row, times, **{f"{part}_response_p50": 0.5})
    without = {
        account: {name: value for name, value in row.items() if name not in quantiles} for account, row in found.items()
    }
    world.same(without, counted(truth))
    check_report(world, period, counted(truth))


def check_report(world: Figures, period: Period, activity: dict[str, dict[str, Any]]) -> None:
    responses = view_oracle.responsiveness(world.turns, period)
    waited = view_oracle.waits(world.turns, period)
    wrote = view_oracle.by(
        (post for post in world.posts if post["kind"] == "mention" and period.has(post["published_at"])),
        lambda post: post["account"],
    )
    nothing = {"within_15m": None, "within_1h": None, "sla": None, "response_rate": None}
    figures, _ = queries.period(world.client, queries.Period(at(period.start), at(period.end)))
    for row in figures:
        account = row["account"]
        if account not in activity:
            continue
        answers = rated(responses[account], "account_responsiveness") if account in responses else nothing
        truth = {
            "account": account,
            "contacts": len({post["author_id"] for post in wrote.get(account, ())}),
            "half_within": view_oracle.answered_within(waited.get(account, []), Fraction(1, 2)),
            "ninety_within": view_oracle.answered_within(waited.get(account, []), Fraction(9, 10)),
        }
        for name in row.keys() - truth.keys():
            source = activity[account] if name in ("mentions", "replies", "broadcasts", "reply_share") else answers
            truth[name] = source.get(name, 0)
        world.same({account: dict(row)}, {account: truth})


def check_period(world: Figures, period: Period) -> None:
    """What ClickHouse says of any period."""
    truth = view_oracle.responsiveness(world.turns, period)
    world.same(
        world.of("account_responsiveness", period),
        {account: rated(row, "account_responsiveness") for account, row in truth.items()},
    )
    posts, turns = world.posts, world.turns
    world.same(world.of("equal_treatment", period, "followers_from"), view_oracle.equal_treatment(posts, turns, period))
    world.same(world.of("agents", period, "agent"), view_oracle.agents(posts, turns, period))
    world.same(world.of("templated", period), view_oracle.templated(posts, period))
    world.same(world.of("self_promotion", period, domains=DOMAINS), view_oracle.self_promotion(posts, DOMAINS, period))
    check_waits(world, period)


def check_waits(world: Figures, period: Period) -> None:
    """Who still waits is counted: by exact fractions for every account, and by lifelines for the busiest."""
    waited = view_oracle.waits(world.turns, period)
    world.same(
        world.of("account_waits", period),
        {
            account: {
                "half_within": view_oracle.answered_within(own, Fraction(1, 2)),
                "ninety_within": view_oracle.answered_within(own, Fraction(9, 10)),
            }
            for account, own in waited.items()
        },
    )
    times = f"from = fromUnixTimestamp64Milli({period.start}), to = fromUnixTimestamp64Milli({period.end})"
    busiest = sorted(waited, key=lambda account: (-len(waited[account]), account))[:3]
    for account in busiest:
        seconds, closed = zip(*waited[account], strict=True)
        curve = KaplanMeierFitter().fit(seconds, closed).survival_function_["KM_estimate"]
        found = rows(world.client, f"SELECT * FROM time_to_answer(account = '{account}', {times})")
        assert {row["seconds"]: row["survival"] for row in found} == pytest.approx(
            {moment: curve.loc[moment] for moment in set(seconds)}, abs=1e-12
        )
    if len(busiest) > 1:
        (one, other), other_times = busiest[:2], times.replace("from", "other_from", 1).replace(", to", ", other_to")
        query = f"time_to_answer_compared(accounts = ['{one}'], {times}, other_accounts = ['{other}'], {other_times})"
        (found_difference,) = rows(world.client, f"SELECT * FROM {query}")
        (left, left_closed), (right, right_closed) = (zip(*waited[name], strict=True) for name in (one, other))
        truth = logrank_test(left, right, left_closed, right_closed)
        if found_difference["statistic"] is not None:
            assert found_difference["statistic"] == pytest.approx(truth.test_statistic)
            assert found_difference["p_value"] == pytest.approx(truth.p_value)


def check_relationships(world: Figures) -> None:
    """What ClickHouse keeps of contacts and posts; ties fade while one asks."""
    client, events = world.client, world.events
    refresh(client)

    def check(view: str, truth: dict[Any, dict[str, Any]], *key: str) -> None:
        world.same(shown(client, view, "account", *key), truth, within=1e-4)

    for moment in ((events[0]["received_at"] + world.clock) // 2, world.clock, world.clock + 40 * DAY):
        view = f"relationships_at(at = fromUnixTimestamp64Milli({moment}))"
        check(view, relationship_oracle.relationships(events, moment), "contact_id")
    check("advocates", relationship_oracle.advocates(events), "contact_id")
    check("bridges", relationship_oracle.bridges(events), "contact_id")
    check("opt_outs", relationship_oracle.opt_outs(events), "id")
    starters = relationship_oracle.conversation_starters(events, now())
    check("conversation_starters", starters, "id")
    check("starting_hashtags", relationship_oracle.starting_hashtags(starters), "hashtag")
    check("automation_suspicion", relationship_oracle.automation_suspicion(events, now()), "contact_id")
    months = "(SELECT * EXCEPT month, toUnixTimestamp(month) AS month FROM cohorts)"
    check(months, relationship_oracle.cohorts(events, now()), "month")
    present = relationship_oracle.relationships(events, now())
    check("relationships", present, "contact_id")
    for view, due in (("lapsed", "lapsed"), ("follow_ups", "follow_up_due")):
        columns = {row["name"] for row in rows(client, f"DESCRIBE TABLE {view}")} - {"account", "contact_id"}
        wanted = {key: row for key, row in present.items() if row[due]}
        check(view, {key: {name: row[name] for name in columns} for key, row in wanted.items()}, "contact_id")


def check_everything(world: Figures) -> None:
    start, clock = world.events[0]["published_at"], world.clock
    whole = Period(start // MINUTE * MINUTE, clock // MINUTE * MINUTE)
    third = (whole.end - whole.start) // MINUTE // 3 * MINUTE
    middle = Period(whole.start + third, whole.end - third)
    check_stream(world)
    for period in (whole, middle):
        check_activity(world, period)
        check_period(world, period)
    check_period(world, Period(middle.start + 12_345, middle.end - 23_456))


@pytest.mark.parametrize("seed", [1, 2])
def test_every_figure_of_a_simulated_world(clickhouse: Client, seed: int) -> None:
    events = world(SimulatorOptions(seed=seed, duration=50 * DAY, polls=6 * HOUR, **QUIET))
    kinds = {event["kind"] for event in events}
    assert kinds >= {"mention", "reply", "broadcast", "peer", "opt_out", "withdrawal", "counters", "profile"}
    figures = Figures(clickhouse, events, events[-1]["received_at"], full=True)
    check_everything(figures)
    check_relationships(figures)


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
    figures = Figures(clickhouse, events, events[-1]["received_at"], full=True)
    check_everything(figures)
    check_relationships(figures)


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
    check_everything(Figures(clickhouse, events, events[-1]["received_at"] + 3 * DAY, full=False))


def _moved(event: Record, number: int) -> Record:
    """Return an event in a world of its own and in the past, where ClickHouse takes nothing for what lies ahead."""
    times = {name: event[name] - (START - NOON) // MINUTE * MINUTE for name in ("published_at", "received_at")}
    return {**event, **times, "account": f"{number}:{event['account']}"}


@pytest.mark.parametrize(
    ("name", "file_format"),
    [("twcs_sample.csv", "twcs"), pytest.param("reply_pairs.csv", "pairs", marks=pytest.mark.slow)],
)
def test_every_figure_of_a_real_file(clickhouse: Client, name: str, file_format: str) -> None:
    source = open_replay(data_file(name), file_format)
    events = [
        event for event in Understood(source, lambda _: "en", sentiment_model("vader")) if isinstance(event, dict)
    ]
    figures = Figures(clickhouse, events, events[-1]["received_at"], full=False)
    check_everything(figures)
    check_relationships(figures)
