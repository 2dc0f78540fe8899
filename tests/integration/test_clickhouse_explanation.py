"""Every number of the stream, counted again from the facts behind it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from operator import itemgetter
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from rich.console import Console

from schemas.codec import Record
from schemas.metrics import metrics
from sinks.clickhouse.explanation import EXPLAINED_VIEWS, PERIOD_VIEWS, Part, Question, explain
from sinks.clickhouse.queries import treatment
from streams.connectors.simulator import SimulatorOptions
from streams.errors import SettingsError
from streams.explaining import explained
from streams.interactions import interaction
from streams.metrics.targets import DAY, HOUR, MINUTE, Targets
from tests.batch import Partition
from tests.clickhouse_server import at, embedded, put, record
from tests.told import told
from tests.worlds import world

START = 1_767_225_600_000
END = START + 3 * DAY
OPTIONS = SimulatorOptions(
    seed=5,
    accounts=2,
    start=START,
    duration=3 * DAY,
    stories_per_hour=4,
    late=0.05,
    duplicates=0.05,
    edits=0.05,
    deletions=0.05,
    polls=HOUR,
)
LATENESS = 2 * DAY
"""Nothing is later but what is meant to be, so that stream and facts have seen the same."""
COUNTED = [metric for metric in metrics().values() if "rolling" in metric.views and metric.facts and metric.value]
LISTED = {"messages", "turns"}
"""Units of which each is a post."""
RATES = [metric for metric in metrics().values() if "rolling" in metric.views and metric.over]
EXPLAINED = [metric for metric in metrics().values() if {*EXPLAINED_VIEWS} & {*metric.views}]


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One chDB for all tests: they only read."""
    with embedded(tmp_path_factory.mktemp("clickhouse")) as client:
        yield client


@pytest.fixture(scope="module")
def account(clickhouse: Client) -> str:
    """Put a world and what the fold makes of it into ClickHouse, and return one of its accounts."""
    partition = Partition(Targets(lateness=LATENESS, domains=["example.com"]))
    events = with_what_is_seldom(world(OPTIONS))
    for event in events:
        partition.message([event])
    partition.settle()
    facts = told(partition.facts)
    put(clickhouse, "interaction", events)
    for name, rows in (("turn", facts.turns), ("pane", facts.panes), ("rolling", facts.rolling)):
        put(clickhouse, name, rows)
    account = next(iter(partition.states))
    long_ago = {"opened_at": START - 9 * DAY, "due_at": START - 9 * DAY + HOUR}
    put(clickhouse, "turn", [record("turn", account=account, turn_id="never", status="expired", **long_ago)])
    return account


def with_what_is_seldom(events: list[Record]) -> list[Record]:
    """Add what comes too late, an overtaken snapshot, clocks that disagree, somebody at risk, a post about oneself."""
    account = events[0]["account"]
    (post, polled), *_ = (
        (event["id"], event["published_at"])
        for event in events
        if event["kind"] == "counters" and event["account"] == account and event["published_at"] > END - 6 * HOUR
    )
    known = {"account": account, "network": "twitter"}

    def said(name: str, published_at: int, received_at: int, **fields: Any) -> Record:  # noqa: ANN401 - of any type
        times = {"published_at": published_at, "received_at": received_at}
        return interaction(
            **{"id": name, "kind": "mention", "author_id": "late", "text": name, **known, **times, **fields}
        )

    seldom = [
        said("too late", END - HOUR - LATENESS - 7, END - HOUR),
        said("long gone", END - HOUR - LATENESS - DAY, END - HOUR, kind="withdrawal"),
        said(post, polled - 30 * MINUTE, END - HOUR, kind="counters", likes=1),
        said("hurry", END - 50 * MINUTE, END - 50 * MINUTE),
        said("skewed", END - 45 * MINUTE, END - 45 * MINUTE),
        said("early", END - 46 * MINUTE, END - 44 * MINUTE, kind="reply", parent_id="skewed"),
        said("machine", END - 43 * MINUTE, END - 43 * MINUTE, kind="reply", parent_id="hurry", automated=True),
        said("ours", END - 40 * MINUTE, END - 40 * MINUTE, kind="broadcast", links=["https://example.com/spring"]),
        said("last", END - 2, END - 2, kind="peer"),
    ]
    lately = (event for event in events if event["received_at"] < END)
    return sorted([*lately, *seldom], key=itemgetter("received_at"))


def test_stream_and_facts_agree_on_every_number(clickhouse: Client, account: str) -> None:
    for window in ("1h", "24h"):
        for metric in COUNTED:
            found = explain(clickhouse, Question(account, metric.name, window))
            (part,) = found.over
            assert part.value == found.value
            if metric.unit == "seconds":
                assert part.again == pytest.approx(part.value, rel=0.0101), (metric.name, window)
            else:
                assert part.again == part.value, (metric.name, window)
            # The query that is shown is asked as it stands there, and says the same.
            assert clickhouse.query(part.query).result_rows == [(part.again,)], part.query
    assert len(COUNTED) > 25


def test_posts_or_what_was_told_stand_behind_every_number(clickhouse: Client, account: str) -> None:
    """Of the day and of four weeks; and each can be printed, also those that are no amount."""
    nothing = {metric.name for metric in EXPLAINED}
    of_periods = [(metric, "28d") for metric in EXPLAINED if {*PERIOD_VIEWS} & {*metric.views}]
    for metric, window in (*((metric, "24h") for metric in EXPLAINED), *of_periods):
        found = explain(clickhouse, Question(account, metric.name, window, at(END), 3))
        for part in (*found.over, *found.under):
            assert part.posts or not part.value, (metric.name, window)
            if part.metric.unit in LISTED and part.again is not None:
                assert len(part.posts) == min(part.again, 3), (metric.name, window)
        if found.value:
            nothing.discard(metric.name)
        if window == "24h":
            printed = Console(file=StringIO(), width=200)
            printed.print(explained(found))
            text = printed.file.getvalue()  # type: ignore[attr-defined]
            assert text.startswith(f"{metric.label}: "), metric.name
            assert "they differ" not in text, text
    assert nothing == {"ninety_within"}, "so few were answered"


def test_conversations_are_those_that_the_stream_counted(clickhouse: Client, account: str) -> None:
    for window in ("1h", "24h"):
        long = [
            int(post["status"].split()[0])
            for post in explain(clickhouse, Question(account, "conversations", window, posts=1000)).over[0].posts
        ]
        counts = {"conversations": len(long), "alternations": sum(long)}
        counts |= {f"reach_{depth}": sum(number >= depth for number in long) for depth in (2, 3, 5)}
        for name, count in counts.items():
            (part,) = explain(clickhouse, Question(account, name, window, posts=1000)).over
            assert part.value == count, (name, window)
            assert name == "alternations" or len(part.posts) == count, (name, window)


def test_who_is_at_risk_has_used_most_of_the_time(clickhouse: Client) -> None:
    """Four fifths of it, by the clock; of business time ClickHouse knows what the alert says."""
    own, then = {"account": "n:risk"}, at(END)
    turns = (
        ("risky", END - 50 * MINUTE, ""),
        ("early", END - 40 * MINUTE, ""),
        ("past", END - 90 * MINUTE, ""),
        ("open hours", END - 10 * MINUTE, "support"),
        ("closed hours", END - 50 * MINUTE, "support"),
    )
    put(clickhouse, "turn", [
        record("turn", **own, turn_id=name, opened_at=opened_at, due_at=opened_at + HOUR, calendar=calendar)
        for name, opened_at, calendar in turns
    ])  # fmt: skip
    put(clickhouse, "alert", [record("alert", **own, alert_id="unanswered:open hours", subject="open hours")])
    put(clickhouse, "rolling", [record("rolling", **own, window="24h", as_of=END - MINUTE, at_risk=2, likes=3)])
    (part,) = explain(clickhouse, Question("n:risk", "at_risk", at=then)).over
    assert (part.value, [post["id"] for post in part.posts]) == (2, ["open hours", "risky"])


def test_reactions_to_a_post_that_was_withdrawn_are_told_without_it(clickhouse: Client) -> None:
    post = {"account": "n:gone", "id": "n:gone", "text": "Never mind", "received_at": END, "published_at": END - HOUR}
    events = [
        record("interaction", **post, kind="broadcast"),
        record("interaction", **{**post, "text": ""}, kind="counters", likes=3, shares=0),
        record("interaction", **{**post, "text": ""}, kind="withdrawal"),
    ]
    put(clickhouse, "rolling", [record("rolling", account="n:gone", window="24h", as_of=END - MINUTE, likes=3)])
    for stored, shown in ((events[:2], ["Never mind"]), (events[2:], [""])):
        put(clickhouse, "interaction", stored)
        (part,) = explain(clickhouse, Question("n:gone", "likes", at=at(END))).over
        assert [post["text"] for post in part.posts] == shown
        assert [post["status"] for post in part.posts] == ["3 likes, 0 shares"]


def test_followers_are_explained_by_who_told_them(clickhouse: Client) -> None:
    told_of = {"account": "n:liked", "id": "n:liked", "kind": "profile", "source": "net"}
    put(clickhouse, "interaction", [
        record("interaction", **told_of, published_at=END + days * DAY, author_followers=followers)
        for days, followers in ((-60, 90), (-50, 100), (-40, -1), (1, 400))
    ])  # fmt: skip
    put(
        clickhouse,
        "rolling",
        [record("rolling", account="n:liked", window="24h", as_of=END - MINUTE, likes=5, followers=100)],
    )
    put(clickhouse, "pane", [record("pane", account="n:liked", minute=END - 2 * DAY, likes=20)])
    for window, likes in (("24h", 5), ("7d", 20)):
        found = explain(clickhouse, Question("n:liked", "engagement_by_followers", window, at(END)))
        assert found.value == likes / 100
        (part,) = found.under
        assert (part.value, part.again) == (100, 100)
        assert [(post["at"], post["contact"], post["text"]) for post in part.posts] == [
            (at(END - 50 * DAY), "net", "100 followers"),
            (at(END - 60 * DAY), "net", "90 followers"),
        ]


def test_a_rate_is_what_its_parts_come_to(clickhouse: Client, account: str) -> None:
    def total(parts: list[Part]) -> float:
        return sum(part.value or 0 for part in parts)

    for metric in RATES:
        found = explain(clickhouse, Question(account, metric.name))
        divided = total([*found.over]) / total([*found.under])
        unit = 1000 if metric.name == "response_mean_seconds" else 1
        assert found.value == pytest.approx(divided / unit), metric.name
    assert len(RATES) > 10


def test_the_posts_behind_a_number_are_shown_newest_first(clickhouse: Client, account: str) -> None:
    (part,) = explain(clickhouse, Question(account, "mentions", posts=3)).over
    times = [post["at"] for post in part.posts]
    assert len(times) == 3
    assert times == sorted(times, reverse=True)
    assert all(post["text"] and post["status"] == "mention" for post in part.posts)
    (answers,) = explain(clickhouse, Question(account, "response_samples", posts=1000)).over
    assert len(answers.posts) == answers.again
    assert all(post["seconds"] is not None and post["text"] for post in answers.posts)


def test_how_people_with_so_many_followers_are_treated_is_explained(clickhouse: Client, account: str) -> None:
    end = at(END)
    bands = treatment(clickhouse, account, end - timedelta(days=28), end)
    assert len(bands) > 3
    for band in bands:
        for name in ("turns", "response_rate", "rate_ratio", "response_p50", "time_ratio"):
            found = explain(clickhouse, Question(account, name, "28d", end, 1000, band["followers_from"]))
            assert found.value == band[name]
            for part in (*found.over, *found.under):
                assert part.again == (band[part.metric.name] if part.metric.value else None), (band, part.query)
                assert len(part.posts) == band["turns"] or part.metric.name not in {"turns", "rate_ratio", "time_ratio"}
    for window, length in (("1h", timedelta(hours=1)), ("24h", timedelta(days=1))):
        ended = explain(clickhouse, Question(account, "turns", window, end)).end
        for band in treatment(clickhouse, account, ended - length, ended):
            for name in ("turns", "response_rate", "rate_ratio", "response_p50"):
                found = explain(clickhouse, Question(account, name, window, end, 5, band["followers_from"]))
                assert (found.end, found.value) == (ended, band[name] and pytest.approx(band[name], rel=0.0101))
                parts = [part for part in (*found.over, *found.under) if part.metric.value]
                assert [part.again and pytest.approx(part.again, rel=0.0101) for part in parts] == [
                    part.value for part in parts
                ]
    with pytest.raises(SettingsError, match="no turns of people with 7 followers"):
        explain(clickhouse, Question(account, "turns", "28d", end, 5, 7))
    with pytest.raises(SettingsError, match="there is no metric mentions"):
        explain(clickhouse, Question(account, "mentions", "28d", end, 5, 0))


def test_what_was_can_be_asked_for(clickhouse: Client, account: str) -> None:
    then = at(START + DAY)
    found = explain(clickhouse, Question(account, "mentions", "1h", at=then))
    assert found.end.timestamp() * 1000 <= START + DAY + MINUTE
    with pytest.raises(SettingsError, match="has no figures up to then"):
        explain(clickhouse, Question(account, "mentions", at=datetime.fromtimestamp(0, UTC)))


def test_what_is_not_known_is_said_with_what_is_near(clickhouse: Client, account: str) -> None:
    with pytest.raises(SettingsError, match=r"is it .*within_1h"):
        explain(clickhouse, Question(account, "within_2h"))
    with pytest.raises(SettingsError, match=f"is it {account}"):
        explain(clickhouse, Question(account[:-1], "mentions"))
    with pytest.raises(SettingsError, match="give one of 1m, 5m, 1h"):
        explain(clickhouse, Question(account, "mentions", "2h"))
