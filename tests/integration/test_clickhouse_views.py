"""What the views show, whatever was delivered, how often and in which order."""

import csv
import random
import statistics
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from sinks.clickhouse.queries import report
from tests.clickhouse_roles import VIEWS
from tests.clickhouse_server import DAY, HOUR, MINUTE, NOON, answered, at, put, record, rows
from tests.figures import data_file


def period(client: Client, view: str, start: int = NOON, end: int = NOON + DAY) -> dict[str, Any]:
    found = rows(
        client, f"SELECT * FROM {view}(from = {{a:DateTime64(3)}}, to = {{b:DateTime64(3)}})", a=at(start), b=at(end)
    )
    assert len(found) <= 1
    return found[0] if found else {}


def quantile(values: list[float], level: float) -> float:
    """Type 7, written down anew."""
    values = sorted(values)
    position = (len(values) - 1) * level
    low = int(position)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (position - low)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
@pytest.mark.parametrize("together", [True, False])
def test_the_highest_version_of_a_turn_stands_in_any_order(
    clickhouse: Client, order: tuple[int, ...], *, together: bool
) -> None:
    turns = [record("turn", version=version, messages=version * 10) for version in order]
    for batch in [turns] if together else [[turn] for turn in turns]:
        put(clickhouse, "turn", batch)
    assert [row["messages"] for row in rows(clickhouse, "SELECT * FROM turns")] == [30]


def test_a_rerun_changes_no_row_of_any_view(clickhouse: Client) -> None:
    generation = 1 << 48
    facts = {
        "interaction": [record("interaction"), record("interaction", id="n:2", kind="reply", parent_id="n:1")],
        "turn": [answered(90_000)],
        "pane": [record("pane", mentions=3)],
        "rolling": [record("rolling", turns=2, turns_answered=1)],
        "alert": [record("alert")],
        "revenue": [record("revenue")],
        "notification_command": [record("notification_command")],
        "dead_letter": [record("dead_letter")],
    }

    def everything() -> dict[str, list[dict[str, Any]]]:
        return {view: rows(clickhouse, f"SELECT * FROM {view} ORDER BY ALL") for view in VIEWS}

    for name, records in facts.items():
        put(clickhouse, name, records)
    before = everything()
    assert all(before.values())
    for name, records in facts.items():
        put(clickhouse, name, [{**one, "version": generation} if "version" in one else one for one in records])
    assert everything() == before


def test_a_turn_says_which_calendar_it_was_measured_with(clickhouse: Client) -> None:
    put(clickhouse, "turn", [record("turn"), record("turn", turn_id="n:2", calendar="support@2026-01-01")])
    found = rows(clickhouse, "SELECT calendar FROM turns ORDER BY turn_id")
    assert [row["calendar"] for row in found] == ["", "support@2026-01-01"]


def test_versions_are_not_shown(clickhouse: Client) -> None:
    for view in VIEWS:
        assert "version" not in {row["name"] for row in rows(clickhouse, f"DESCRIBE TABLE {view}")}, view


def test_interactions_hide_ticks_withdrawals_and_what_was_withdrawn(clickhouse: Client) -> None:
    put(
        clickhouse,
        "interaction",
        [
            record("interaction", id="n:stays"),
            record("interaction", id="n:goes"),
            record("interaction", id="n:goes", account="n:other"),
            record("interaction", id="", account="", kind="tick"),
        ],
    )
    put(clickhouse, "interaction", [record("interaction", id="n:goes", kind="withdrawal", published_at=NOON)])
    put(clickhouse, "interaction", [record("interaction", id="n:goes", received_at=NOON + HOUR)])  # delivered once more
    shown = rows(clickhouse, "SELECT account, id FROM interactions ORDER BY ALL")
    assert shown == [{"account": "n:brand", "id": "n:stays"}, {"account": "n:other", "id": "n:goes"}]
    assert not clickhouse.command("SELECT count() FROM interactions_versions WHERE kind = 'tick'")


def test_an_edit_replaces_the_post(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [record("interaction", text="new", revision=1, received_at=NOON + MINUTE)])
    put(clickhouse, "interaction", [record("interaction", text="old")])
    assert rows(clickhouse, "SELECT text, revision FROM interactions") == [{"text": "new", "revision": 1}]


def test_a_counter_snapshot_does_not_replace_its_post(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [record("interaction"), record("interaction", kind="counters", likes=5)])
    assert len(rows(clickhouse, "SELECT * FROM interactions")) == 2


def test_withdrawn_turns_are_hidden(clickhouse: Client) -> None:
    put(clickhouse, "turn", [record("turn"), record("turn", turn_id="n:2")])
    put(clickhouse, "turn", [record("turn", status="withdrawn", version=2)])
    assert [row["turn_id"] for row in rows(clickhouse, "SELECT * FROM turns")] == ["n:2"]


def test_times_and_numbers_come_back_as_they_were(clickhouse: Client) -> None:
    put(clickhouse, "turn", [answered(90_250, automated_at=NOON + 1, business_seconds=0.25, messages=-(1 << 40))])
    (turn,) = rows(clickhouse, "SELECT * FROM turns")
    assert turn["opened_at"] == at(NOON) == datetime(2023, 11, 15, 12, tzinfo=UTC)
    assert (turn["answered_at"], turn["automated_at"]) == (at(NOON + 90_250), at(NOON + 1))
    assert (turn["response_seconds"], turn["business_seconds"], turn["messages"]) == (90.25, 0.25, -(1 << 40))
    put(clickhouse, "turn", [record("turn", turn_id="n:2")])
    (turn,) = rows(clickhouse, "SELECT * FROM turns WHERE turn_id = 'n:2'")
    assert (turn["answered_at"], turn["automated_at"], turn["response_seconds"]) == (None, None, None)


def test_rolling_rates_are_null_without_a_denominator(clickhouse: Client) -> None:
    rates = ("response_rate", "response_mean_seconds", "within_15m", "within_1h", "within_24h", "sla", "reply_share")
    put(clickhouse, "rolling", [record("rolling")])
    (row,) = rows(clickhouse, "SELECT * FROM rolling")
    assert [row[rate] for rate in rates] == [None] * len(rates)
    full = {"turns": 4, "turns_answered": 1, "response_samples": 2, "response_milliseconds": 3000, "sla_met": 3}
    full |= {"within_15m_hits": 1, "within_15m_misses": 3, "within_1h_hits": 1, "within_1h_misses": 1, "sla_missed": 1}
    full |= {"within_24h_hits": 2, "replies": 1, "broadcasts": 4}
    put(clickhouse, "rolling", [record("rolling", version=2, **full)])
    (row,) = rows(clickhouse, "SELECT * FROM rolling")
    assert [row[rate] for rate in rates] == [0.25, 1.5, 0.25, 0.5, 1.0, 0.75, 0.2]


def test_message_responses_take_the_earliest_human_reply_that_points_at_the_message(clickhouse: Client) -> None:
    def reply(number: int, after: int, **fields: object) -> dict[str, Any]:
        place = {"id": f"n:r{number}", "kind": "reply", "parent_id": "n:1", "published_at": NOON + after}
        return record("interaction", **{**place, **fields})

    put(
        clickhouse,
        "interaction",
        [
            record("interaction"),
            record("interaction", id="n:unanswered"),
            reply(1, 3 * MINUTE),
            reply(2, 2 * MINUTE + 500),
            reply(3, MINUTE, automated=True),
            reply(4, MINUTE, account="n:other"),
            reply(5, MINUTE, parent_id="n:r1"),
            reply(6, MINUTE, kind="peer"),
            reply(7, MINUTE),
            record("interaction", id="n:r7", kind="withdrawal"),
        ],
    )
    wanted = {"account": "n:brand", "message_id": "n:1", "replied_at": at(NOON + 120_500), "response_seconds": 120.5}
    assert rows(clickhouse, "SELECT * FROM message_responses") == [wanted]


def test_a_dead_letter_set_aside_again_stands_as_it_was_at_first(clickhouse: Client) -> None:
    letters = [record("dead_letter", at=NOON + 90 * DAY, error="later"), record("dead_letter", error="earlier")]
    for letter in [*letters, record("dead_letter", reason="rejected")]:
        put(clickhouse, "dead_letter", [letter])
    found = rows(clickhouse, "SELECT reason, error FROM dead_letters ORDER BY reason")
    assert found == [{"reason": "rejected", "error": ""}, {"reason": "undecodable", "error": "earlier"}]


def test_responsiveness_at_the_edges(clickhouse: Client) -> None:
    put(clickhouse, "turn", [answered(15 * MINUTE), record("turn", turn_id="n:2", opened_at=NOON + DAY - 15 * MINUTE)])
    found = period(clickhouse, "account_responsiveness")
    assert (found["within_15m_hits"], found["within_15m_misses"]) == (
        1,
        0,
    )  # the second passes 15 min at the end: not in
    assert period(clickhouse, "account_responsiveness", NOON + DAY, NOON + 2 * DAY)["within_15m_misses"] == 1
    assert period(clickhouse, "account_responsiveness", NOON - DAY, NOON) == {}


def test_what_lies_ahead_is_not_a_miss(clickhouse: Client) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    put(clickhouse, "turn", [record("turn", opened_at=now - 30 * MINUTE, due_at=now + HOUR)])
    put(clickhouse, "pane", [record("pane", minute=now + HOUR, within_24h_misses=1), record("pane", minute=now - HOUR)])
    found = period(clickhouse, "account_responsiveness", now - DAY, now + 3 * DAY)
    misses = [found[f"{name}_misses"] for name in ("within_15m", "within_1h", "within_24h")]
    assert (misses, found["sla_missed"], found["sla"]) == ([1, 0, 0], 0, None)
    assert period(clickhouse, "account_activity", now - DAY, now + 3 * DAY)["within_24h_misses"] == 0


def test_activity_sums_panes_and_merges_histograms(clickhouse: Client) -> None:
    chance = random.Random(11)
    growth = 1.01 / 0.99
    panes, first, following = [], [], []
    for minute in range(50):
        pane = record("pane", minute=NOON + minute * MINUTE, mentions=minute, replies=2, broadcasts=3)
        for name, samples in (("first", first), ("next", following)):
            buckets = sorted(chance.sample(range(800), chance.randrange(4)))
            counts = [chance.randrange(1, 5) for _ in buckets]
            pane |= {f"{name}_buckets": buckets, f"{name}_counts": counts}
            for bucket, number in zip(buckets, counts, strict=True):
                samples.extend([2 * growth**bucket / (growth + 1) / 1000] * number)
        panes.append(pane)
    put(clickhouse, "pane", [{**pane, "mentions": 10_000} for pane in panes])
    put(clickhouse, "pane", [{**pane, "version": 2} for pane in panes])
    found = period(clickhouse, "account_activity")
    assert (found["mentions"], found["replies"], found["reply_share"]) == (sum(range(50)), 100, 0.4)
    for level in (50, 90, 99):
        assert found[f"response_p{level}"] == pytest.approx(quantile(first + following, level / 100))
    assert found["first_response_p50"] == pytest.approx(statistics.median(first))
    assert found["next_response_p50"] == pytest.approx(statistics.median(following))
    assert found["response_rate"] is None
    put(clickhouse, "pane", [record("pane", minute=NOON + 10 * DAY)])
    assert period(clickhouse, "account_activity", NOON + 10 * DAY, NOON + 11 * DAY)["response_p50"] is None


def test_weighted_quantiles_are_those_of_the_expanded_data(clickhouse: Client) -> None:
    chance = random.Random(3)
    for _ in range(40):
        values = chance.sample(range(1, 1000), chance.randrange(1, 8))
        weights = [chance.randrange(1, 6) for _ in values]
        expanded = [float(value) for value, weight in zip(values, weights, strict=True) for _ in range(weight)]
        query = "SELECT quantilesExactWeightedInterpolatedArray(0.5, 0.9, 0.99)({v:Array(Float64)}, {w:Array(UInt64)})"
        (found,) = clickhouse.query(query, {"v": values, "w": weights}).result_rows[0]
        assert list(found) == pytest.approx([quantile(expanded, level) for level in (0.5, 0.9, 0.99)])


def test_report(clickhouse: Client) -> None:
    put(clickhouse, "turn", [answered(60_000), answered(180_000, turn_id="n:2"), record("turn", turn_id="n:3")])
    put(clickhouse, "turn", [record("turn", turn_id="n:4", opened_at=NOON + MINUTE)])
    posts = [record("interaction", id=f"n:{number}", author_id=f"n:c{number % 2}") for number in range(4)]
    posts += [record("interaction", id="n:r", kind="reply"), record("interaction", id="n:b", kind="broadcast")]
    posts += [record("interaction", id="n:q", account="n:quiet", kind="broadcast", received_at=NOON + HOUR + 1)]
    put(clickhouse, "interaction", posts)
    brand, quiet = report(clickhouse)
    assert brand == {
        "account": "n:brand",
        "turns": 4,
        "answered": 2,
        "open": 2,
        "oldest_opened_at": at(NOON),
        "oldest_seconds": 3600.001,
        "response_p50": 120.0,
        "response_p90": pytest.approx(168.0),
        "within_1h": pytest.approx(2 / 3),  # of the open ones only the older has had its hour
        "reply_share": 0.5,
        "mentions": 4,
        "replies": 1,
        "contacts": 2,
    }
    assert (quiet["account"], quiet["turns"], quiet["response_p50"], quiet["oldest_opened_at"]) == (
        "n:quiet",
        0,
        None,
        None,
    )
    assert report(clickhouse) == [brand, quiet]


def test_report_of_nothing(clickhouse: Client) -> None:
    assert report(clickhouse) == []


def test_message_responses_equal_published_figures(clickhouse: Client) -> None:
    """Computed apart from this project: per customer message, the earliest reply."""
    posts: dict[tuple[str, str], dict[str, Any]] = {}
    with data_file("reply_pairs.csv").open(newline="", encoding="utf-8") as file:
        for pair in csv.DictReader(file):
            asked, answered_at = (
                int(datetime.fromisoformat(pair[name]).timestamp() * 1000)
                for name in ("created_at_customer", "created_at_reply")
            )
            brand, message, reply = pair["agent_id"], pair["customer_tweet_id"], pair["reply_tweet_id"]
            posts[brand, message] = record("interaction", id=message, account=brand, published_at=asked)
            posts[brand, reply] = record(
                "interaction", id=reply, account=brand, kind="reply", parent_id=message, published_at=answered_at
            )
    put(clickhouse, "interaction", list(posts.values()))
    query = """
        SELECT account, count() AS messages, quantileExactInclusive(0.5)(response_seconds) AS median
        FROM message_responses WHERE account IN ('AmazonHelp', 'AppleSupport', 'Delta') GROUP BY account ORDER BY account
    """
    assert [tuple(row.values()) for row in rows(clickhouse, query)] == [
        ("AmazonHelp", 6516, 552.0),
        ("AppleSupport", 3091, 1902.0),
        ("Delta", 891, 356.0),
    ]
