"""The metrics again, slowly and obviously: all events in a list, no state, no shared code with the fold.

`measure` takes the events in the order of their arrival and the clock at the end. It looks at whole lists for everything.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.wall_clock import WallCalendar

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ESCALATIONS = (80, 100, 200, 400)
"""Hundredths of the target at which an alert fires or escalates."""

Event = dict[str, Any]


class Agreed(NamedTuple):
    """What is agreed for the accounts."""

    target: int = HOUR
    lateness: int = DAY
    expiry: int = 7 * DAY
    calendar: WallCalendar | None = None
    rules: Sequence[tuple[str, int, Callable[[Event], bool]]] = ()
    """Name, target, and which mentions it is for."""
    domains: Sequence[str] = ()
    """The brands' own."""


def measure(events: list[Event], clock: int, **agreed: Any) -> dict[str, Any]:  # noqa: ANN401 - as the fields are
    """Return {account: {"turns": {id: …}, "alerts": {id: …}, "panes": {minute: …}, "windows": {name: …}}} as of `clock` (ms)."""
    accounts: dict[str, list[tuple[int, Event]]] = defaultdict(list)
    now = 0
    for event in events:
        now = max(now, event["received_at"])
        accounts[event["account"]].append((now, event))
    return {account: _measure_account(seen, clock, Agreed(**agreed)) for account, seen in accounts.items() if account}


def _measure_account(seen: list[tuple[int, Event]], clock: int, agreed: Agreed) -> dict[str, Any]:
    expiry = agreed.expiry
    posts, withdrawals, too_late = _in_time(seen, agreed.lateness)
    gains, followers = _news(seen, agreed.lateness, expiry)
    stand = {
        name: post
        for name, post in posts.items()
        if name not in withdrawals or withdrawals[name] > post["published_at"] + expiry
    }
    threads = []
    for (conversation, contact), messages in _strands(stand, expiry).items():
        threads += _threads(messages, conversation, contact, expiry)
    turns = {}
    for thread in threads:
        for turn in _turns(thread, expiry):
            turns[turn["id"]] = _judge(turn, clock, agreed)
    alerts = {name: _alert(turn, clock) for name, turn in turns.items()}
    happenings = _happenings(stand, turns, too_late, gains)
    happenings += [
        (post["published_at"], "promoting", 1)
        for post in stand.values()
        if post["kind"] == "broadcast" and speaks_of_itself(post, agreed.domains)
    ]
    return {
        "turns": {
            name: {key: turn[key] for key in turn if key not in ("escalates_at", "opener")}
            for name, turn in turns.items()
        },
        "alerts": {name: alert for name, alert in alerts.items() if alert},
        "panes": _panes(happenings, clock),
        "windows": {
            name: _window(stand, threads, turns, happenings, clock, minutes)
            | ({"followers": followers} if followers else {})
            for name, minutes in (("5m", 5), ("1h", 60), ("24h", 1440))
        },
    }


def _in_time(seen: list[tuple[int, Event]], lateness: int) -> tuple[dict[str, Event], dict[str, int], list[int]]:
    """Return the posts as they came first, when each was withdrawn first, and when something came too late."""
    withdrawals: dict[str, int] = {}
    posts: dict[str, Event] = {}
    too_late = []
    for now, event in seen:
        if event["kind"] == "withdrawal":
            at = event["published_at"]
            if at >= now - lateness:
                withdrawals[event["id"]] = min(at, withdrawals.get(event["id"], at))
            else:
                too_late.append(now)
    for now, event in seen:
        if event["kind"] in ("counters", "profile") and event["published_at"] < now - lateness:
            too_late.append(now)
        if event["kind"] not in ("mention", "reply", "broadcast", "peer", "opt_out"):
            continue
        if event["published_at"] >= now - lateness:
            posts.setdefault(event["id"], event)
        elif event["revision"] == 0:
            too_late.append(now)
    return posts, withdrawals, too_late


def _news(  # noqa: C901 - a list of everything is long
    seen: list[tuple[int, Event]], lateness: int, expiry: int
) -> tuple[list[tuple[int, str, float]], int | None]:
    """Return what the account's posts gained, as (time, counter, amount), and its followers."""
    gains: list[tuple[int, str, float]] = []
    newest: dict[str, Event] = {}
    published: dict[str, int] = {}
    withdrawn: dict[str, int] = {}
    profiles = []
    for now, event in seen:
        kind, name, at = event["kind"], event["id"], event["published_at"]
        if at < now - lateness:
            continue
        if kind == "withdrawal":
            withdrawn[name] = min(at, withdrawn.get(name, at))
        elif kind == "profile" and event["author_followers"] >= 0:
            profiles.append((at, event["author_followers"]))
        elif kind in ("mention", "reply", "broadcast", "peer", "opt_out"):
            published.setdefault(name, at)
        elif kind == "counters":
            if name in newest and newest[name]["published_at"] > at:
                gains.append((at, "stale_snapshots", 1))
                continue
            there = name in published and not (name in withdrawn and withdrawn[name] <= published[name] + expiry)
            before = newest.get(name)
            if before is None or before["published_at"] < at - 2 * expiry:
                began = 0 if there and published[name] >= at - 2 * expiry else -1
                before = dict.fromkeys(("likes", "shares", "comments", "impressions"), began)
            newest[name] = event.copy()
            for counter in ("likes", "shares", "comments", "impressions"):
                if event[counter] < 0:
                    newest[name][counter] = before[counter]
                elif before[counter] >= 0:
                    gains.append((at, counter, event[counter] - before[counter]))
    return gains, max(profiles)[1] if profiles else None


def _parent(post: Event, among: dict[str, Event], expiry: int) -> Event | None:
    """Return the post that a reply answers, if it is there and near enough in time."""
    parent = among.get(post["parent_id"]) if post["kind"] == "reply" else None
    if parent is None or not -expiry <= post["published_at"] - parent["published_at"] <= 2 * expiry:
        return None
    return parent


def _strands(stand: dict[str, Event], expiry: int) -> dict[tuple[str, str], list[Event]]:
    """Sort messages by (conversation, contact): as they say, or as the post they answer, or not at all."""

    def where(post: Event, path: tuple[str, ...] = ()) -> tuple[str, str] | None:
        if post["kind"] == "mention":
            return post["conversation_id"], post["author_id"]
        if post["kind"] != "reply" or post["id"] in path:
            return None
        if post["contact_id"] and (post["conversation_id"] or not post["parent_id"]):
            return post["conversation_id"], post["contact_id"]
        parent = _parent(post, stand, expiry)
        beside = where(parent, (*path, post["id"])) if parent else None
        return beside or (("", post["contact_id"]) if post["contact_id"] else None)

    strands: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for post in stand.values():
        key = where(post)
        if key is not None:
            strands[key].append(post)
    return strands


def _threads(messages: list[Event], conversation: str, contact: str, expiry: int) -> list[dict[str, Any]]:
    """Put a strand in order, each reply not before the post it answers, and part it where all were silent."""
    silence = expiry if conversation else DAY
    by_id = {message["id"]: message for message in messages}

    def stands_at(message: Event, path: tuple[str, ...] = ()) -> int:
        parent = _parent(message, by_id, expiry)
        own: int = message["published_at"]
        if parent is None or message["id"] in path:
            return own
        return max(own, stands_at(parent, (*path, message["id"])))

    placed = []
    for message in messages:
        order = 0 if message["kind"] == "mention" else 2 if message["automated"] else 1
        placed.append((stands_at(message), order, message["id"], message))
    placed.sort(key=lambda entry: entry[:3])
    threads: list[dict[str, Any]] = []
    home: dict[str, dict[str, Any]] = {}
    for at, _, name, message in placed:
        if message["parent_id"] in home and _parent(message, by_id, expiry):
            thread = home[message["parent_id"]]
        elif threads and at - threads[-1]["last"] <= silence:
            thread = threads[-1]
        else:
            thread = {"conversation": conversation, "contact": contact, "messages": []}
            threads.append(thread)
        thread["messages"].append((at, message))
        thread["last"] = at
        home[name] = thread
    return threads


def _turns(thread: dict[str, Any], expiry: int) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for at, message in thread["messages"]:
        waiting = (
            turns[-1] if turns and turns[-1]["answered_at"] is None and at <= turns[-1]["opened_at"] + expiry else None
        )
        if message["kind"] == "mention":
            if waiting:
                waiting["messages"] += 1
            else:
                turns.append(
                    {
                        "id": message["id"],
                        "opener": message,
                        "contact": thread["contact"],
                        "conversation": thread["conversation"],
                        "ordinal": len(turns) + 1,
                        "opened_at": at,
                        "messages": 1,
                        "answered_at": None,
                        "reply_id": "",
                        "automated_at": None,
                        "skewed": False,
                    }
                )
        elif waiting and message["automated"]:
            waiting["automated_at"] = at if waiting["automated_at"] is None else waiting["automated_at"]
        elif waiting:
            waiting |= {"answered_at": at, "reply_id": message["id"], "skewed": message["published_at"] < at}
    return turns


def _judge(turn: dict[str, Any], clock: int, agreed: Agreed) -> dict[str, Any]:
    opened_at, answered_at, expiry = turn["opened_at"], turn["answered_at"], agreed.expiry
    hours = agreed.calendar.at(opened_at) if agreed.calendar else None
    fitting = [(name, target) for name, target, fits in agreed.rules if fits(turn["opener"])]
    rule, target = fitting[0] if fitting else ("", agreed.target)
    due_at = hours.deadline(opened_at, target) if hours else opened_at + target
    if answered_at is not None:
        status, sla = "answered", "met" if answered_at <= due_at else "missed"
    else:
        status = "expired" if clock >= opened_at + expiry else "open"
        sla = "missed" if clock >= min(due_at, opened_at + expiry) else "pending"
    business = hours.between(opened_at, due_at) if hours else 0
    if hours and business:
        escalates_at = [hours.deadline(opened_at, business * percent // 100) for percent in ESCALATIONS]
    else:
        escalates_at = [opened_at + (due_at - opened_at) * percent // 100 for percent in ESCALATIONS]
    measured = answered_at is not None and not turn["skewed"]
    seconds = (answered_at - opened_at) / SECOND if measured else None
    return turn | {
        "status": status,
        "sla": sla,
        "due_at": due_at,
        "response_seconds": seconds,
        "business_seconds": hours.between(opened_at, answered_at) / SECOND if measured and hours else seconds,
        "calendar": hours.name if hours else "",
        "rule": rule,
        "escalates_at": escalates_at,
    }


def _alert(turn: dict[str, Any], clock: int) -> tuple[int, int] | None:
    """Return the escalation that the alert of an open turn has reached, and when; None: it does not fire."""
    reached = [(number, at) for number, at in enumerate(turn["escalates_at"]) if at <= clock]
    return reached[-1] if reached and turn["status"] == "open" else None


def _happenings(  # noqa: C901, PLR0912 - a list of everything is long
    stand: dict[str, Event], turns: dict[str, Any], too_late: list[int], gains: list[tuple[int, str, float]]
) -> list[tuple[int, str, float]]:
    """Return everything that is counted as (time, counter, amount), what lies ahead as well."""
    found: list[tuple[int, str, float]] = [*gains, *((at, "too_late", 1) for at in too_late)]
    for post in stand.values():
        kind = post["kind"]
        if kind == "reply":
            name = "automated_replies" if post["automated"] else "replies"
        else:
            name = {"mention": "mentions", "broadcast": "broadcasts", "peer": "peer_answers", "opt_out": "opt_outs"}[
                kind
            ]
        found.append((post["published_at"], name, 1))
        if kind == "mention" and round(post["sentiment"], 6) < -0.05:  # as a Float32, -0.05 is a little less
            found.append((post["published_at"], "negative_mentions", 1))
    for turn in turns.values():
        opened_at, answered_at = turn["opened_at"], turn["answered_at"]
        found.append((opened_at, "turns", 1))
        if turn["ordinal"] > 1:
            found.append((opened_at, "reopened", 1))
        limits = [("within_15m", 15 * MINUTE), ("within_1h", HOUR), ("within_24h", DAY)]
        for name, limit in limits:
            if answered_at is not None and answered_at - opened_at <= limit:
                found.append((answered_at, name + "_hits", 1))
            else:
                found.append((opened_at + limit, name + "_misses", 1))
        if answered_at is not None and answered_at <= turn["due_at"]:
            found.append((answered_at, "sla_met", 1))
        else:
            found.append((turn["due_at"], "sla_missed", 1))
        if answered_at is not None:
            found.append((opened_at, "turns_answered", 1))
            found.append((answered_at, "answered", 1))
            if turn["ordinal"] == 1:
                found.append((answered_at, "first_answered", 1))
            if turn["skewed"]:
                found.append((answered_at, "clock_skew", 1))
            else:
                found.append((answered_at, "response_samples", 1))
                found.append((answered_at, "response_milliseconds", round(turn["response_seconds"] * SECOND)))
    return found


def speaks_of_itself(post: Event, domains: Sequence[str]) -> bool:
    """Say whether a broadcast links to one of the domains, or to what is below one."""
    hosts = [urlsplit(link if "//" in link else f"//{link}").hostname or "" for link in post["links"]]
    return any(f".{host}".endswith(f".{domain}") for host in hosts for domain in domains)


def _panes(happenings: list[tuple[int, str, float]], clock: int) -> dict[int, dict[str, float]]:
    """Return what is not zero by minute; a deadline that lies ahead has not been missed."""
    panes: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for at, name, amount in happenings:
        if at // MINUTE <= clock // MINUTE:
            panes[at // MINUTE][name] += amount
    counted = {minute: {name: amount for name, amount in pane.items() if amount} for minute, pane in panes.items()}
    return {minute: pane for minute, pane in counted.items() if pane}


def _window(  # noqa: PLR0913, PLR0917 - the oracle has no state
    stand: dict[str, Event],
    threads: list[Any],
    turns: dict[str, Any],
    happenings: list[tuple[int, str, float]],
    clock: int,
    minutes: int,
) -> dict[str, Any]:
    def inside(at: int) -> bool:
        return clock // MINUTE - minutes < at // MINUTE <= clock // MINUTE

    window: dict[str, Any] = defaultdict(float)
    for at, name, amount in happenings:
        if inside(at):
            window[name] += amount
    window["contacts"] = len(
        {post["author_id"] for post in stand.values() if post["kind"] == "mention" and inside(post["published_at"])}
    )
    written = [post for post in stand.values() if post["kind"] == "reply" and not post["automated"]]
    uses = Counter(post["template"] for post in written if post["template"] and inside(post["published_at"]))
    window["templated_replies"] = sum(count for count in uses.values() if count >= 3)
    for thread in threads:
        sides = [m["kind"] for _, m in thread["messages"] if not m["automated"]]
        if "mention" in sides and any(inside(at) for at, _ in thread["messages"]):
            changes = sum(one != two for one, two in pairwise(sides))
            window["conversations"] += 1
            window["alternations"] += changes
            for depth in (2, 3, 5):
                window[f"reach_{depth}"] += changes >= depth
    window["response_times"] = sorted(
        turn["response_seconds"]
        for turn in turns.values()
        if turn["response_seconds"] is not None and inside(turn["answered_at"])
    )
    window["bands"] = _bands([turn for turn in turns.values() if inside(turn["opened_at"])])
    waiting = [turn for turn in turns.values() if turn["status"] == "open"]
    window["unanswered"] = len(waiting)
    window["oldest_opened_at"] = min((turn["opened_at"] for turn in waiting), default=None)
    window["breached"] = sum(clock >= turn["due_at"] for turn in waiting)
    window["at_risk"] = sum(turn["escalates_at"][0] <= clock < turn["due_at"] for turn in waiting)
    return {name: amount for name, amount in window.items() if amount}


def _bands(turns: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return how the turns of people with so many followers or more were answered."""
    bands = {}
    for least, next_band in pairwise((0, 100, 1_000, 10_000, 10**12)):
        own = [turn for turn in turns if least <= turn["opener"]["author_followers"] < next_band]
        if own:
            bands[least] = {
                "turns": len(own),
                "turns_answered": sum(turn["answered_at"] is not None for turn in own),
                "response_times": [t["response_seconds"] for t in own if t["response_seconds"] is not None],
            }
    return bands
