"""What relationships are worth, again, slowly and obviously: lists and loops over every delivery, no SQL.

Each function takes all that was delivered, in any order; times are in ms, money in millionths.
"""

import statistics
from fractions import Fraction
from typing import Any

from tests.relationship_oracle import standing

DAY = 86_400_000
Fact = dict[str, Any]


def orders(deliveries: list[Fact]) -> list[Fact]:
    """Return each order once, as it was stated last; those that were taken back are none."""
    found: dict[tuple[str, str], Fact] = {}
    for order in sorted(deliveries, key=lambda order: order["version"]):
        found[order["account"], order["id"]] = order
    return [order for order in found.values() if order["amount_micros"] != 0]


def messages(events: list[Fact], account: str, contact: str) -> list[Fact]:
    """Return what an account and a contact said to each other, in order: the contact first at the same ms."""
    posts = [post for post in standing(events) if post["account"] == account]
    authors = {post["id"]: post["author_id"] for post in posts if post["kind"] == "mention"}
    found = []
    for post in posts:
        if post["kind"] == "mention" and post["author_id"] == contact:
            found.append(post)
        if post["kind"] == "reply" and not post["automated"]:
            whom = post["contact_id"] or authors.get(post["parent_id"], "")
            if whom == contact:
                found.append(post)
    return sorted(found, key=lambda post: (post["published_at"], post["kind"] == "reply", post["id"]))


def touch(events: list[Fact], post: Fact) -> str:
    """Return how a relationship began with ``post``."""
    broadcasts = [
        other["id"]
        for other in standing(events)
        if other["account"] == post["account"] and other["kind"] == "broadcast"
    ]
    if post["kind"] == "reply":
        return "reply"
    return "comment" if post["conversation_id"] in broadcasts or post["parent_id"] in broadcasts else "mention"


def relationship_value(
    events: list[Fact], turns: list[Fact], deliveries: list[Fact], start: int, end: int
) -> dict[tuple[str, str, str], Fact]:
    """Return {(account, contact, currency): what the view shows}."""
    everything, found = orders(deliveries), {}
    for key in {(order["account"], order["contact_id"], order["currency"]) for order in everything}:
        account, contact, currency = key
        own = [order for order in everything if (order["account"], order["contact_id"]) == (account, contact)]
        inside = [order for order in own if start <= order["at"] < end and order["currency"] == currency]
        if not inside:
            continue
        paid = [order["at"] for order in inside if order["amount_micros"] > 0]
        bought_at = min(paid or [order["at"] for order in inside])
        ever = [order["at"] for order in own if order["amount_micros"] > 0 and order["at"] < end]
        said = [post for post in messages(events, account, contact) if post["published_at"] < end]
        mentions = [post["id"] for post in messages(events, account, contact) if post["kind"] == "mention"]
        said = [post for post in said if post["kind"] == "mention" or post["parent_id"] not in mentions]
        asked = [
            turn
            for turn in turns
            if (turn["account"], turn["contact_id"]) == (account, contact) and turn["opened_at"] < bought_at
        ]
        heard = [turn for turn in asked if turn["answered_at"] is not None and turn["answered_at"] < bought_at]
        times = [turn["response_seconds"] for turn in heard if turn["response_seconds"] is not None]
        first_times = [
            turn["response_seconds"] for turn in heard if turn["response_seconds"] is not None and turn["ordinal"] == 1
        ]
        first_at = said[0]["published_at"] if said else None
        first_order_at = min(ever) if ever else None
        found[key] = {
            "orders": len(paid),
            "revenue": sum(order["amount_micros"] for order in inside),
            "bought_at": bought_at,
            "first_order_at": first_order_at,
            "first_at": first_at,
            "first_touch": touch(events, said[0]) if said else "",
            "first_id": said[0]["id"] if said else "",
            "days_to_first_order": (
                (first_order_at - first_at) / DAY if first_at is not None and first_order_at is not None else None
            ),
            "turns": len(asked),
            "turns_answered": len(heard),
            "response_rate": len(heard) / len(asked) if asked else None,
            "sla_met": sum(turn["answered_at"] <= turn["due_at"] for turn in heard),
            "response_p50": statistics.median(times) if times else None,
            "first_response_p50": statistics.median(first_times) if first_times else None,
        }
    return found


def contacts_answered(events: list[Fact], turns: list[Fact], start: int, end: int) -> dict[tuple[str, str], Fact]:
    """Return {(account, contact): what the view shows}."""
    people = {(turn["account"], turn["contact_id"]) for turn in turns if start <= turn["opened_at"] < end}
    for event in events:
        for contact in {other["author_id"] for other in events} | {other["contact_id"] for other in events}:
            said = messages(events, event["account"], contact) if contact else []
            if any(start <= post["published_at"] < end for post in said):
                people.add((event["account"], contact))
    found = {}
    for person in people:
        asked = [
            turn
            for turn in turns
            if (turn["account"], turn["contact_id"]) == person and start <= turn["opened_at"] < end
        ]
        states = []
        for turn in asked:
            if turn["answered_at"] is not None and turn["answered_at"] < end:
                states.append("in time" if turn["answered_at"] <= turn["due_at"] else "late")
            else:
                states.append("unanswered" if turn["due_at"] < end else "undecided")
        answering = "undecided" if asked else "not asked"
        for state in ("in time", "late", "unanswered"):
            if state in states:
                answering = state
        found[person] = {
            "turns": len(asked),
            "turns_in_time": states.count("in time"),
            "turns_late": states.count("late"),
            "turns_unanswered": states.count("unanswered"),
            "answering": answering,
        }
    return found


def answering_value(
    people: dict[tuple[str, str], Fact], deliveries: list[Fact], end: int, until: int
) -> dict[tuple[str, str, str], Fact]:
    """Return {(account, currency, how they were answered): what the view shows}. ``people``: of :func:`contacts_answered`."""
    everything, found = orders(deliveries), {}
    for account in {account for account, _ in people}:
        later = [order for order in everything if order["account"] == account and end <= order["at"] < until]
        for currency in {order["currency"] for order in later} or {""}:
            for answering in {row["answering"] for (whose, _), row in people.items() if whose == account}:
                group = {
                    contact: row
                    for (whose, contact), row in people.items()
                    if whose == account and row["answering"] == answering
                }
                theirs = [order for order in later if order["currency"] == currency and order["contact_id"] in group]
                paid = [order for order in theirs if order["amount_micros"] > 0]
                before = {
                    order["contact_id"]
                    for order in everything
                    if order["account"] == account and order["amount_micros"] > 0 and order["at"] < end
                }
                found[account, currency, answering] = {
                    "contacts": len(group),
                    "turns": sum(row["turns"] for row in group.values()),
                    "customers_before": len(before & group.keys()),
                    "buyers": len({order["contact_id"] for order in paid}),
                    "buyer_share": len({order["contact_id"] for order in paid}) / len(group),
                    "orders": len(paid),
                    "revenue": sum(order["amount_micros"] for order in theirs),
                    "revenue_per_contact": int(Fraction(sum(order["amount_micros"] for order in theirs), len(group))),
                }
    return found
