"""What belongs to a campaign, and what came of it; every figure of one is in ``test_every_figure.py``."""

import random
import re
from collections.abc import Sequence
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.codec import Record
from schemas.metrics import metrics
from sinks.clickhouse.campaigns import TWINS, WRITTEN_TWINS, Campaign, name_campaigns, of_campaign
from sinks.clickhouse.migrate import migrations
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.interactions import tick
from tests.batch import Partition
from tests.campaign_oracle import members, reach
from tests.clickhouse_server import DAY, HOUR, MINUTE, NOON, at, put, record, rows
from tests.oracle import measure
from tests.told import told

DAYS = 3
POSTS = ("mention", "reply", "peer", "broadcast")
OTHERS = {
    "time_to_answer": ", account = 'twitter:northwind'",
    "time_to_answer_compared": ", accounts = ['twitter:northwind'], other_accounts = ['bluesky:harbour_air'],"
    " other_campaign = {other_campaign:String},"
    " other_from = {a:DateTime64(3)}, other_to = {b:DateTime64(3)}",
    "mentioned_terms": ", account = 'twitter:northwind'",
    "spike_terms": ", account = 'twitter:northwind'",
    "self_promotion": ", domains = ['acme.example']",
    "answering_value": ", until = {until:DateTime64(3)}",
}
PEOPLE = {
    *("relationships_at", "lapsed", "follow_ups", "cohorts", "automation_suspicion"),
    *("advocates_now", "bridges_now", "conversation_starters_now", "starting_hashtags"),
}
"""Views of people and posts that take no period."""
INNER = {"contact_messages", "contact_history"}
"""What those are made of."""
VALUE = ("relationship_value", "contacts_answered", "answering_value")


def summer(**fields: Any) -> Campaign:  # noqa: ANN401 - as the fields are
    whole = {
        "hashtags": ["Summer"],
        "links": [],
        "curators": [],
        "accounts": [],
        "start": at(NOON),
        "end": at(NOON + DAY),
    }
    return Campaign("summer", **{**whole, **fields})


def of(client: Client, view: str, start: int = NOON, end: int = NOON + DAY, **given: str) -> list[dict[str, Any]]:
    """Return what a view of a period shows, of a campaign if one is given."""
    campaign = "campaign = {campaign:String}, " if given else ""
    others = OTHERS.get(view.removeprefix("campaign_"), "")
    others = others if given else others.replace(" other_campaign = {other_campaign:String},", "")
    query = f"SELECT * FROM {view}({campaign}from = {{a:DateTime64(3)}}, to = {{b:DateTime64(3)}}{others}) ORDER BY ALL"
    times = {"a": at(start), "b": at(end), "until": at(end + 30 * DAY)}
    return rows(client, query, **times, other_campaign="summer", **given)


def found(client: Client, view: str = "members") -> set[str]:
    return {row["id"] for row in rows(client, f"SELECT * FROM campaign_{view} WHERE campaign = 'summer'")}


def post(name: str, author: str, followers: int = -1, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return record("interaction", id=name, author_id=author, author_followers=followers, **fields)


def simulated(seed: int = 5, **options: Any) -> list[Record]:  # noqa: ANN401 - as the options are
    """Return what a small world says in three days, replies that do not name their contact too."""
    chance = random.Random(seed)
    world = SimulatorOptions(
        seed=seed,
        accounts=3,
        start=NOON,
        duration=DAYS * DAY,
        stories_per_hour=1.5,
        without_conversation=0.3,
        late=0.05,
        **options,
    )
    events = [{**event} for event in simulate(world)]
    for event in events:
        if event["kind"] == "reply" and chance.random() < 0.3:
            event["contact_id"] = ""
    return events


def store(client: Client, events: Sequence[Record]) -> None:
    """Fold events, and put what was said and what came of it into ClickHouse."""
    partition = Partition()
    for position in range(0, len(events), 50):
        partition.message(events[position : position + 50])
    for hours in range(0, 20 * 24, 6):
        partition.message([tick(max(partition.clock, NOON + DAYS * DAY + hours * HOUR))])
    partition.settle()
    facts = told(partition.facts)
    for name, records in (("interaction", events), ("turn", facts.turns), ("pane", facts.panes)):
        put(client, name, records)


def same(one: list[dict[str, Any]], two: list[dict[str, Any]]) -> None:
    assert len(one) == len(two) > 0
    for row, other in zip(one, two, strict=True):
        assert row == {
            name: pytest.approx(value) if isinstance(value, float) else value for name, value in other.items()
        }


def test_a_campaign_of_everything_has_the_figures_of_everything(clickhouse: Client) -> None:
    events = simulated(polls=HOUR, deletions=0.0)
    for event in events:
        if event["kind"] in POSTS:
            event["hashtags"] = ["Summer"]
    store(clickhouse, events)
    everything = summer(end=at(NOON + 30 * DAY))
    name_campaigns(clickhouse, [everything])
    start, end = NOON + 12 * HOUR, NOON + 2 * DAY
    for view in set(TWINS) - {*PEOPLE, *INNER, *VALUE}:
        same(of(clickhouse, f"campaign_{view}", start, end, campaign="summer"), of(clickhouse, view, start, end))
        nothing = of(clickhouse, f"campaign_{view}", start, end, campaign="!summer")
        assert all(not row.get("account") or row.get("answered") == 0 for row in nothing), view
    panes = {row["account"]: row for row in of(clickhouse, "account_activity", start, end)}
    counted = {
        row["account"]: row for row in of(clickhouse, "campaign_account_activity", start, end, campaign="summer")
    }
    assert panes.keys() == counted.keys()
    for account, pane in panes.items():
        assert pane.keys() - counted[account].keys() == {
            *("too_late", "stale_snapshots", "opt_outs", "promoting", "self_promotion_share")
        }
        for name, value in counted[account].items() - {("account", account)}:
            close = re.search("_p[0-9]+$", name) is not None
            assert pane[name] == pytest.approx(value, rel=0.0101 if close else 1e-9), (account, name)
        assert (
            min(counted[account][name] for name in ("mentions", "replies", "broadcasts", "turns", "likes", "sla_met"))
            > 0
        )


@pytest.mark.parametrize("seed", range(2))
def test_what_belongs_to_a_campaign_equals_the_oracle(clickhouse: Client, seed: int) -> None:
    chance = random.Random(seed)
    events = simulated(seed, deletions=0.1, edits=0.1, duplicates=0.05)
    tags: dict[str, dict[str, list[str]]] = {}
    for event in events:
        if event["kind"] in POSTS:
            words = {"hashtags": chance.choice([["SUMMER", "x"], ["x"], [], [], [], []])}
            words["links"] = chance.choice([["https://ACME.example/summer?x"], *[[]] * 15])
            event.update(tags.setdefault(event["id"], words))
    store(clickhouse, events)
    accounts = ["twitter:northwind", "mastodon:tea_and_toast"] if seed % 2 else []
    named = {"hashtags": ["summer"], "links": ["https://acme.example/summer"], "accounts": accounts}
    start, end = NOON + 10 * HOUR, NOON + 40 * HOUR
    curators = sorted({event["author_id"] for event in events if event["kind"] in ("mention", "peer")})[::2]
    name_campaigns(clickhouse, [summer(**named, curators=curators, start=at(start), end=at(end))])
    clock = max(event["received_at"] for event in events)
    turns = {account: world["turns"] for account, world in measure(events, clock).items()}
    expected = members(events, turns, {**named, "start": start, "end": end})
    shown = {(row["account"], row["id"]) for row in rows(clickhouse, "SELECT account, id FROM campaign_members")}
    assert shown == expected
    reached = {row.pop("account"): row for row in of(clickhouse, "campaign_reach", start, end, campaign="summer")}
    assert reached == reach(events, {**named, "start": start, "end": end}, curators)
    assert sum(row["curator_posts"] for row in reached.values()) > 0
    for view in (
        "account_messages",
        "account_responsiveness",
        "account_waits",
    ):  # both at once are the one and the other
        one, all_else = (
            of(clickhouse, f"campaign_{view}", start, end, campaign=which) for which in ("summer", "!summer")
        )
        both = of(clickhouse, f"campaign_{view}", start, end, campaign="summer|!summer")
        named_apart = [{**row, "account": f"!{row['account']}"} for row in all_else]
        same(sorted(both, key=lambda row: row["account"]), sorted([*one, *named_apart], key=lambda row: row["account"]))
    of_turns = {(account, name) for account, those in turns.items() for name in those}
    inside, outside = (
        {
            (row["account"], row["turn_id"])
            for row in rows(clickhouse, f"SELECT * FROM campaign_turns(campaign = '{which}summer')")
        }
        for which in ("", "!")
    )
    assert inside == of_turns & expected != set()
    assert outside == of_turns - expected != set()
    said = {
        row["id"]
        for row in rows(clickhouse, "SELECT id FROM campaign_interactions(campaign = '!summer') WHERE kind = 'mention'")
    }
    assert said.isdisjoint({name for _, name in expected})


def test_a_conversation_belongs_with_everything_that_is_said_in_it(clickhouse: Client) -> None:
    root = {"conversation_id": "root"}
    posts = [
        post("sale", "brand", kind="broadcast", hashtags=["summer"], conversation_id="sale"),
        post("under", "ann", parent_id="sale", conversation_id="sale", published_at=NOON + HOUR),
        post("answer", "brand", kind="reply", contact_id="ann", conversation_id="sale", published_at=NOON + 2 * DAY),
        post("other", "ann", conversation_id="else"),
        post("before", "bob", **root, published_at=NOON + MINUTE),
        post("tagged", "bob", **root, published_at=NOON + 3 * MINUTE, hashtags=["SUMMER"]),
        post("machine", "brand", kind="reply", automated=True, parent_id="tagged", published_at=NOON + 4 * MINUTE),
        post("elsewhere", "cy", **root, published_at=NOON + 5 * MINUTE),
        post("loose", "dan", published_at=NOON + HOUR, hashtags=["summer"]),
        post("silence", "dan", published_at=NOON + 20 * DAY),
        post("peer", "eve", kind="peer", parent_id="loose", published_at=NOON + 2 * HOUR),
        post("gone", "flo", hashtags=["summer"]),
        post("gone", "flo", kind="withdrawal", received_at=NOON + 1),
        post("late", "gus", hashtags=["summer"], published_at=NOON + DAY),
        post("early", "gus", hashtags=["summer"], published_at=NOON - 1),
    ]
    put(clickhouse, "interaction", posts)
    opened = {
        row["id"]: row
        for row in posts
        if row["id"] in ("under", "other", "before", "elsewhere", "loose", "silence", "late")
    }
    turns = [
        record("turn", turn_id=name, contact_id=row["author_id"], **{key: row[key] for key in ("conversation_id",)})
        | {"opened_at": row["published_at"]}
        for name, row in opened.items()
    ]
    put(clickhouse, "turn", turns)
    name_campaigns(clickhouse, [summer()])
    wanted = {"sale", "under", "answer", "before", "tagged", "machine", "loose", "peer"}
    assert found(clickhouse) == wanted
    assert found(clickhouse, "posts") == {"sale", "tagged", "loose"}
    name_campaigns(clickhouse, [summer(accounts=["n:other"])])
    assert found(clickhouse) == set()


def test_an_account_that_had_anything_in_the_period_has_a_row(clickhouse: Client) -> None:
    """Somebody waits, somebody likes: neither is a message of that time."""
    posts = [
        post("asked", "ann", account="n:waits", hashtags=["summer"]),
        post("sale", "brand", account="n:liked", kind="broadcast", hashtags=["summer"]),
        post("sale", "brand", account="n:liked", kind="counters", likes=3, published_at=NOON + MINUTE),
        post("sale", "brand", account="n:liked", kind="counters", likes=8, published_at=NOON + DAY),
        post("sale", "brand", account="n:liked", kind="counters", likes=9, published_at=NOON + 16 * DAY),
    ]
    put(clickhouse, "interaction", posts)
    put(clickhouse, "turn", [record("turn", account="n:waits", turn_id="asked", due_at=NOON + DAY)])
    name_campaigns(clickhouse, [summer()])

    def shown(start: int) -> list[tuple[str, int, int]]:
        found = of(clickhouse, "campaign_account_activity", start, start + DAY, campaign="summer")
        return [(row["account"], row["likes"], row["sla_missed"]) for row in found]

    assert shown(NOON) == [("n:liked", 3, 0), ("n:waits", 0, 0)]
    assert shown(NOON + DAY) == [("n:liked", 5, 0), ("n:waits", 0, 1)]
    assert ("n:liked", 0, 0) in shown(NOON + 16 * DAY)  # too long after the one before


def test_only_the_campaigns_that_are_named_last_are_known(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [post("1", "ann", hashtags=["summer"]), post("2", "ann", hashtags=["winter"])])
    name_campaigns(clickhouse, [summer(), summer(hashtags=["winter"])._replace(name="w'inter")])
    shown = {(row["campaign"], row["id"]) for row in rows(clickhouse, "SELECT * FROM campaign_members")}
    assert shown == {("summer", "1"), ("w'inter", "2")}
    name_campaigns(clickhouse, [summer(hashtags=["winter"])])
    assert found(clickhouse) == {"2"}
    name_campaigns(clickhouse, [])
    assert rows(clickhouse, "SELECT * FROM campaigns") == rows(clickhouse, "SELECT * FROM campaign_members") == []


def test_who_spoke_and_how_many_may_have_seen_it(clickhouse: Client) -> None:
    linked = {"links": ["https://ACME.example/summer?x=1"]}
    posts = [
        post("1", "cara", 1_000, hashtags=["SUMMER"]),
        post("2", "cara", 1_200, hashtags=["summer", "sale"], published_at=NOON + HOUR),
        post("3", "ann", 50, **linked),
        post("4", "bob", hashtags=["Summer"], kind="peer"),
        post("5", "ann", 50, hashtags=["autumn"], links=["https://acme.example/autumn"]),
        post("6", "dan", 9, hashtags=["summer"], published_at=NOON + DAY),
        post("7", "brand", kind="broadcast", hashtags=["summer"]),
        post("8", "eve", 7, hashtags=["summer"]),
        post("8", "eve", kind="withdrawal", received_at=NOON + 1),
        post("9", "carl", 5, account="n:other", hashtags=["summer"]),
        post("10", "cara", 1_300),  # what a curator says without the tag
    ]
    put(clickhouse, "interaction", [*posts, {**posts[0], "received_at": NOON + 2}])  # delivered twice
    name_campaigns(clickhouse, [summer(links=["https://acme.example/summer"], curators=["Cara", "carl"])])
    brand, other = of(clickhouse, "campaign_reach", campaign="summer")
    assert brand == {
        "account": "n:brand",
        "posts": 4,
        "authors": 3,
        "reach": 1_250,
        "curator_posts": 2,
        "curator_share": 0.5,
        "curator_reach": 1_200,
    }
    assert (other["account"], other["posts"], other["curator_share"]) == ("n:other", 1, 1)
    (later,) = of(clickhouse, "campaign_reach", NOON + MINUTE, campaign="summer")
    assert (later["posts"], later["reach"]) == (1, 1_200)
    assert of(clickhouse, "campaign_reach", campaign="winter") == []


def test_every_view_of_a_period_has_a_twin() -> None:
    text = "\n".join(migrations().values())
    views = re.findall(r"CREATE OR REPLACE VIEW (\w+) AS(.*?);$", text, re.DOTALL | re.MULTILINE)
    of_a_period = {name for name, body in views if "{from:" in body and not name.startswith("campaign_")}
    assert of_a_period == {*TWINS, *WRITTEN_TWINS} - {*PEOPLE, *INNER}


def test_what_people_are_to_an_account_has_a_twin() -> None:
    """Opt-outs say nothing of what they are about; what is kept of everything is computed anew for a campaign."""
    of_people = {
        metric_view
        for metric in metrics().values()
        if metric.section == "relationships"
        for metric_view in metric.views
    }
    twins = {name.removesuffix("_now").removesuffix("_at") for name in PEOPLE}
    assert of_people == twins | {"opt_outs"}
    assert {*PEOPLE, *INNER} <= {*TWINS}


def test_a_twin_reads_twins() -> None:
    query = "SELECT * FROM turns JOIN waits(from = {other_from:T}, to = {to:T}) AS turns_of, spikes(other_from = {other_from:T})"
    assert of_campaign(query) == (
        "SELECT * FROM campaign_turns(campaign = {campaign:String}) "
        "JOIN campaign_waits(campaign = {other_campaign:String}, from = {other_from:T}, to = {to:T}) AS turns_of, "
        "spikes(other_campaign = {other_campaign:String}, other_from = {other_from:T})"
    )
