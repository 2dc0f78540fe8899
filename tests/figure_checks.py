"""Every view beside its oracle: of the stream, of a period, of relationships, of value; of everything and of a campaign."""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from math import ceil, log
from typing import Any

import pytest
from lifelines import KaplanMeierFitter

from schemas.metrics import metrics
from sinks.clickhouse import queries
from sinks.clickhouse.campaigns import Campaign, name_campaigns
from streams.metrics.counters import PANE_COUNTERS, WINDOW_COUNTERS
from streams.metrics.targets import DAY, MINUTE
from tests import campaign_oracle, relationship_oracle, value_oracle, view_oracle
from tests.clickhouse_server import at, now, refresh, rows
from tests.every_figure import Figures, anything, asked, moment, rated
from tests.view_oracle import Period
from tests.worlds import DOMAINS

GAUGES = ("unanswered", "at_risk", "breached", "oldest_opened_at", "followers")
WINDOWS = {"5m": 5, "1h": 60, "24h": 1440}
ALERT = ("warning", "critical", "critical", "critical")
"""The severity of each escalation."""
FAR_AHEAD = 7_258_118_400_000
"""The year 2200."""
Row = dict[str, Any]


def about(values: Iterable[float | None], level: float) -> Any:  # noqa: ANN401 - equals what is near
    """Return what is within 1 % of the exact quantile, as a histogram's is."""
    exact = view_oracle.quantile(values, level)
    return exact if exact is None else pytest.approx(exact, rel=0.0101, abs=0.002)


def response_times(turns: list[Row]) -> Row:
    """Return what histograms say of the turns answered in a window or period."""
    times = [turn["response_seconds"] for turn in turns]
    return {
        **{f"response_p{level}": about(times, level / 100) for level in (50, 90, 99)},
        "first_response_p50": about((turn["response_seconds"] for turn in turns if turn["ordinal"] == 1), 0.5),
        "next_response_p50": about((turn["response_seconds"] for turn in turns if turn["ordinal"] > 1), 0.5),
    }


def check_stream(world: Figures) -> None:
    """Turns, panes, alerts and windows: what the fold says, and what ClickHouse has of it; and what came in, as it stands."""
    said = world.partition.results()
    for account, truth in world.truth.items():
        for part in ("turns", "alerts", "panes"):
            assert said[account][part] == truth[part], (account, part)
    check_turns(world)
    check_panes(world)
    check_windows(world)
    world.same("message_responses", ("account", "message_id"), view_oracle.message_responses(world.posts))
    facts = relationship_oracle.facts(world.events)
    world.same("interactions", ("account", "published_at", "id", "kind"), facts, within=1e-6)


def check_turns(world: Figures) -> None:
    turns, by_time, alerts = {}, {}, {}
    for turn in world.turns:
        row = {name: value for name, value in turn.items() if name not in ("account", "id", "contact", "conversation")}
        key = turn["account"], turn["id"]
        turns[key] = row | {"contact_id": turn["contact"], "conversation_id": turn["conversation"]}
        until = FAR_AHEAD if turn["status"] == "open" else turn["answered_at"] or turn["opened_at"]
        by_time[key] = {"opened_at": turn["opened_at"], "due_at": turn["due_at"], "waits_until": until}
        if turn["id"] in world.truth[turn["account"]]["alerts"]:
            escalation, fired_at = world.truth[turn["account"]]["alerts"][turn["id"]]
            alerts[turn["account"], f"unanswered:{turn['id']}"] = {
                "kind": "unanswered",
                "severity": ALERT[escalation],
                "state": "firing",
                "subject": turn["id"],
                "contact_id": turn["contact"],
                "escalation": escalation,
                "fired_at": fired_at,
                **{name: turn[name] for name in ("rule", "opened_at", "due_at")},
                **dict.fromkeys(("value", "baseline", "spread")),
            }
    world.same("turns", ("account", "turn_id"), turns)
    # A turn that was withdrawn stays in this order as one that nobody waits in.
    standing = "SELECT * FROM {} WHERE (account, turn_id) IN (SELECT account, turn_id FROM turns)"
    world.same("turns_by_time", ("account", "turn_id"), by_time, query=standing)
    world.same(
        "alerts",
        ("account", "alert_id"),
        alerts,
        query="SELECT * FROM {} WHERE kind = 'unanswered' AND state = 'firing'",
    )


def check_panes(world: Figures) -> None:
    buckets: dict[Any, Counter[int]] = {}
    for turn in world.turns:
        if turn["response_seconds"] is not None:
            place = turn["account"], turn["answered_at"] // MINUTE, turn["ordinal"] == 1
            milliseconds = round(1000 * turn["response_seconds"])
            bucket = ceil(log(max(milliseconds, 1)) / log(1.01 / 0.99) - 1e-9)
            buckets.setdefault(place, Counter())[bucket] += 1
    panes = {}
    for account, truth in world.truth.items():
        for minute, pane in truth["panes"].items():
            row = {name: pane.get(name, 0) for name in PANE_COUNTERS}
            for part, first in (("first", True), ("next", False)):
                counts = sorted(buckets.get((account, minute, first), {}).items())
                row |= {f"{part}_buckets": [it[0] for it in counts], f"{part}_counts": [it[1] for it in counts]}
            panes[account, minute * MINUTE] = row
    world.same("panes", ("account", "minute"), panes, query=anything(PANE_COUNTERS))
    names = [metric.name for metric in metrics().values() if "panes_by_time" in metric.views]
    by_time = {key: {name: row[name] for name in names} for key, row in panes.items()}
    by_time = {key: row for key, row in by_time.items() if any(row.values())}
    world.same("panes_by_time", ("account", "minute"), by_time, query=anything(names))


def check_windows(world: Figures) -> None:
    """The windows of every account in which anything is, as of this minute."""
    minute = world.clock // MINUTE * MINUTE
    windows, bands = {}, {}
    for account, found in world.truth.items():
        for window, minutes in WINDOWS.items():
            truth = found["windows"][window]
            inside = Period(minute - (minutes - 1) * MINUTE, minute + MINUTE)
            closed = [turn for turn in world.turns_of[account] if inside.has(turn["answered_at"])]
            row = {name: truth.get(name, 0) for name in (*PANE_COUNTERS, *WINDOW_COUNTERS, *GAUGES)}
            if any(row[name] for name in (*PANE_COUNTERS, *WINDOW_COUNTERS)):
                row |= {name: row[name] or None for name in ("oldest_opened_at", "followers")}
                windows[account, window, minute] = rated(row, "rolling") | response_times(closed)
                for followers, band in banded(truth.get("bands", {})).items():
                    bands[account, window, minute, followers] = band
    present = f"as_of = {moment(minute)}"
    key = ("account", "window", "as_of")
    world.same("rolling", key, windows, query=f"{anything((*PANE_COUNTERS, *WINDOW_COUNTERS))} AND {present}")
    with_bands = f"SELECT * FROM {{}} WHERE {present}"
    world.same("rolling_equal_treatment", (*key, "followers_from"), bands, query=with_bands)


def banded(truth: dict[int, Row]) -> dict[int, Row]:
    """Return whether people with few followers are answered as those with many, each band beside the smallest."""
    found: dict[int, Row] = {}
    for followers, band in sorted(truth.items()):
        rate, time = band["turns_answered"] / band["turns"], view_oracle.quantile(band["response_times"], 0.5)
        smallest_rate, smallest_time = found.setdefault(-1, {"rate": rate, "time": time}).values()
        ratio = None if time is None else view_oracle.share(time, smallest_time or 0)
        found[followers] = {
            "turns": band["turns"],
            "turns_answered": band["turns_answered"],
            "response_rate": rate,
            "response_p50": about(band["response_times"], 0.5),
            "rate_ratio": view_oracle.share(rate, smallest_rate),
            "time_ratio": None if ratio is None else pytest.approx(ratio, rel=0.0205, abs=0.002),
        }
    found.pop(-1, None)
    return found


def check_activity(world: Figures, period: Period) -> None:
    """The sums of the panes of a period of whole minutes, and the report's figures of it."""
    activity, said = {}, {}
    messages = view_oracle.messages(world.posts, period)
    followers = view_oracle.followers(world.profiles, period.end)
    for account, own in world.truth.items():
        inside = [pane for minute, pane in own["panes"].items() if period.has(minute * MINUTE)]
        counts = {name: sum(pane.get(name, 0) for pane in inside) for name in PANE_COUNTERS}
        if any(counts.values()):
            closed = [turn for turn in world.turns_of[account] if period.has(turn["answered_at"])]
            counts |= {"followers": followers.get(account)}
            activity[account,] = rated(counts, "account_activity") | response_times(closed)
            names = ("mentions", "replies", "broadcasts", "reply_share")
            said[account,] = {name: activity[account,][name] for name in names}
            said[account,]["contacts"] = messages.get(account, {}).get("contacts", 0)
    world.same("account_activity", ("account",), activity, query=anything(PANE_COUNTERS), **asked(period))
    counted = f"SELECT * FROM {{}} WHERE account IN ({', '.join(repr(account) for (account,) in said) or repr('')})"
    world.same("account_messages", ("account",), said, query=counted, **asked(period))
    check_report(world, period, said)


def check_report(world: Figures, period: Period, said: dict[Any, Row]) -> None:
    responses = view_oracle.responsiveness(world.turns, period)
    waited = view_oracle.waits(world.turns, period)
    nothing = {"within_15m": None, "within_1h": None, "sla": None, "response_rate": None}
    figures, _ = queries.period(world.client, queries.Period(at(period.start), at(period.end)))
    found = {row["account"]: dict(row) for row in figures}
    for (account,), row in said.items():
        answers = rated(responses[account], "account_responsiveness") if account in responses else nothing
        truth = {"account": account, **row, **within(waited.get(account, []))}
        truth |= {name: answers.get(name, 0) for name in found[account].keys() - truth.keys()}
        assert found[account] == pytest.approx(truth), account


def within(waited: list[view_oracle.Wait]) -> Row:
    return {
        "half_within": view_oracle.answered_within(waited, Fraction(1, 2)),
        "ninety_within": view_oracle.answered_within(waited, Fraction(9, 10)),
    }


def check_campaign_activity(world: Figures, period: Period) -> None:
    """What a campaign has of the figures of panes, counted anew from posts and turns."""
    messages = view_oracle.messages(world.posts, period)
    world.same("account_messages", ("account",), _of_accounts(messages), **asked(period))
    reactions = campaign_oracle.reactions(world.events, period.start, period.end)
    responses = view_oracle.responsiveness(world.turns, period)
    followers = view_oracle.followers(world.profiles, period.end)
    nothing = {
        **view_oracle.said([]),
        **dict.fromkeys(campaign_oracle.COUNTERS, 0),
        **view_oracle.responses([], period),
    }
    activity = {}
    for account in messages.keys() | reactions.keys() | responses.keys():
        row = {**nothing, **messages.get(account, {}), **reactions.get(account, {}), **responses.get(account, {})}
        for name in ("contacts", "open", "expired"):
            del row[name]
        if any(row.get(name) for name in PANE_COUNTERS):
            activity[account,] = rated(row | {"followers": followers.get(account)}, "account_activity")
    counted = anything(name for name in PANE_COUNTERS if name in nothing)
    world.same("account_activity", ("account",), activity, query=counted, **asked(period))


def _of_accounts(found: dict[str, Row]) -> dict[Any, Row]:
    return {(account,): row for account, row in found.items()}


def check_period(world: Figures, period: Period) -> None:
    """What ClickHouse says of any period."""
    posts, turns, given = world.posts, world.turns, asked(period)
    truth = view_oracle.responsiveness(turns, period)
    responses = {(account,): rated(row, "account_responsiveness") for account, row in truth.items()}
    world.same("account_responsiveness", ("account",), responses, **given)
    bands = view_oracle.equal_treatment(posts, turns, period)
    world.same("equal_treatment", ("account", "followers_from"), bands, **given)
    world.same("agents", ("account", "agent"), view_oracle.agents(posts, turns, period), **given)
    world.same("templated", ("account",), _of_accounts(view_oracle.templated(posts, period)), **given)
    promotion = _of_accounts(view_oracle.self_promotion(posts, DOMAINS, period))
    world.same("self_promotion", ("account",), promotion, domains=str(DOMAINS), **given)
    check_waits(world, period)


def check_terms(world: Figures) -> None:
    """What stands out in the last day of the account that hears most."""
    period = Period(world.clock - DAY, world.clock)
    heard = Counter(
        post["account"] for post in world.posts if post["kind"] == "mention" and period.has(post["published_at"])
    )
    for account, _ in sorted(heard.items(), key=lambda it: (-it[1], it[0]))[:1]:
        terms = view_oracle.spike_terms([post for post in world.posts if post["account"] == account], period)
        standing_out = "SELECT * FROM {} WHERE z > 1e-9"
        world.same("spike_terms", ("term",), terms, query=standing_out, account=f"'{account}'", **asked(period))


def check_waits(world: Figures, period: Period) -> None:
    """Who still waits is counted: by exact fractions for every account, and by lifelines for the busiest."""
    waited = view_oracle.waits(world.turns, period)
    world.same(
        "account_waits", ("account",), {(account,): within(own) for account, own in waited.items()}, **asked(period)
    )
    busiest = sorted(waited, key=lambda account: (-len(waited[account]), account))[:2]
    for account in busiest:
        world.same("time_to_answer", ("seconds",), curve(waited[account]), account=f"'{account}'", **asked(period))
    if len(busiest) > 1:
        (one, other), others = busiest, {f"other_{name}": time for name, time in asked(period).items()}
        if world.campaign:
            others["other_campaign"] = f"'{world.campaign}'"
        accounts = {"accounts": f"['{one}']", "other_accounts": f"['{other}']"}
        found = {(one, other): view_oracle.compared(waited[one], waited[other])}
        world.same(
            "time_to_answer_compared", ("account", "other_account"), found, **accounts, **asked(period), **others
        )


def a_wait(world: Figures) -> Period:
    """Return the time from a question to its answer."""
    waits = [(turn["opened_at"], turn["answered_at"] + 1) for turn in world.turns if turn["answered_at"] is not None]
    return Period(*max(waits, default=(0, 1)))


def curve(waited: list[view_oracle.Wait]) -> dict[Any, Row]:
    """Return what lifelines says of how long people waited."""
    seconds, closed = zip(*waited, strict=True)
    fitter = KaplanMeierFitter().fit(seconds, closed)
    found = {}
    for time in set(seconds):
        events, survival = fitter.event_table.loc[time], float(fitter.survival_function_["KM_estimate"].loc[time])
        low, high = map(float, fitter.confidence_interval_.loc[time])
        inside = 0 < survival < 1
        found[time,] = {
            "at_risk": int(events["at_risk"]),
            "answered": int(events["observed"]),
            "survival": survival,
            "low": low if inside else None,
            "high": high if inside else None,
        }
    return found


def check_relationships(world: Figures) -> None:
    """What ClickHouse knows of contacts and posts; ties fade while one asks."""
    events = world.events
    if not world.campaign:
        refresh(world.client)
    person, within = ("account", "contact_id"), 1e-4
    moments = ((world.events[0]["received_at"] + world.clock) // 2, world.clock, world.clock + 40 * DAY)
    for time in moments[1:2] if world.campaign else moments:
        ties = relationship_oracle.relationships(events, time)
        world.same("relationships_at", person, ties, within=within, at=moment(time))
    world.same("advocates", person, relationship_oracle.advocates(events))
    world.same("bridges", person, relationship_oracle.bridges(events))
    starters = relationship_oracle.conversation_starters(events, now())
    world.same("conversation_starters", ("account", "id"), starters)
    world.same("starting_hashtags", ("account", "hashtag"), relationship_oracle.starting_hashtags(starters))
    world.same("automation_suspicion", person, relationship_oracle.automation_suspicion(events, now()))
    months = "SELECT * REPLACE (toUnixTimestamp(month) AS month) FROM {}"
    world.same("cohorts", ("account", "month"), relationship_oracle.cohorts(events, now()), query=months)
    present = relationship_oracle.relationships(events, now())
    columns = {"tie_strength", "cadence_seconds", "last_at", "last_word", "last_id", "last_url", "last_text"}
    for view, due, when in (("lapsed", "lapsed", "lapses_at"), ("follow_ups", "follow_up_due", "follow_up_at")):
        wanted = {key: row for key, row in present.items() if row[due]}
        shown = {key: {name: row[name] for name in (*columns, when)} for key, row in wanted.items()}
        world.same(view, person, shown, within=within)
    if not world.campaign:  # of a campaign nothing is kept, and who leaves says nothing of it
        world.same("relationships", person, present, within=within)
        world.same("opt_outs", ("account", "id"), relationship_oracle.opt_outs(events))


def check_value(world: Figures, period: Period) -> None:
    """What was bought before the end of the period, and, as long as the period is, after it."""
    events, turns, orders = world.events, world.turns, world.orders
    after = Period(period.end, 2 * period.end - period.start)
    if not world.campaign:
        world.same("revenue", ("account", "id"), value_oracle.revenue(orders))
    worth = value_oracle.relationship_value(events, turns, orders, period)
    world.same("relationship_value", ("account", "contact_id", "currency"), worth, **asked(period))
    people = value_oracle.contacts_answered(events, turns, period)
    world.same("contacts_answered", ("account", "contact_id"), people, **asked(period))
    groups = value_oracle.answering_value(people, orders, after)
    key, until = ("account", "currency", "answering"), {"until": moment(after.end)}
    world.same("answering_value", key, groups, **asked(period), **until)


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
    check_waits(world, a_wait(world))
    check_terms(world)
    for period in (whole, middle):
        check_value(world, period)


def check_campaign(world: Figures, hashtag: str, link: str) -> None:
    """A campaign in all of the world's time but its first days, and every view of a period or of people once more, of it alone."""
    begin, end = world.events[0]["published_at"], world.clock + 1
    start = begin + (end - begin) // 100
    named = {"hashtags": [hashtag], "links": [link], "accounts": [], "start": start, "end": end}
    curators = sorted({post["author_id"] for post in world.posts if post["kind"] == "mention"})[::2]
    campaign = Campaign("it's", **{**named, "curators": curators, "start": at(start), "end": at(end)})
    name_campaigns(world.client, [campaign])
    turns = {account: found["turns"] for account, found in world.truth.items()}
    inside = campaign_oracle.members(world.events, turns, named)
    shown = rows(world.client, "SELECT account, id FROM campaign_members")
    assert {(row["account"], row["id"]) for row in shown} == inside
    own = world.of_campaign("it\\'s", inside)
    period = Period(start + (end - start) // 3, end)
    check_period(own, period)
    check_waits(own, a_wait(own))
    check_campaign_activity(own, period)
    check_terms(own)
    check_relationships(own)
    check_value(own, Period(start, start + (end - start) // 2))
    reached = _of_accounts(campaign_oracle.reach(world.events, named, curators))
    own.same("reach", ("account",), reached, **asked(Period(start, end)))
