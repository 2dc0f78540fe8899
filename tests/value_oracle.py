"""What relationships are worth, again, slowly and obviously: lists and loops over every delivery, no SQL.

Each function takes all that was delivered, in any order; times are in ms, money in millionths. ``turns`` are those of
:func:`tests.oracle.measure`, each with its ``account``.
"""

import statistics
from fractions import Fraction
from typing import Any

from tests.relationship_oracle import conversations, standing
from tests.view_oracle import Period, by, share

DAY = 86_400_000
Fact = dict[str, Any]
Person = tuple[str, str]


def orders(deliveries: list[Fact]) -> list[Fact]:
    """Return each order once, as it was stated last; those that were taken back are none."""
    found: dict[tuple[str, str], Fact] = {}
    for order in sorted(deliveries, key=lambda order: order["version"]):
        found[order["account"], order["id"]] = order
    return [order for order in found.values() if order["amount_micros"] != 0]


def revenue(deliveries: list[Fact]) -> dict[tuple[str, str], Fact]:
    """Return {(account, id): each order as it was stated last}, taken back or not."""
    found: dict[tuple[str, str], Fact] = {}
    for order in sorted(deliveries, key=lambda order: order["version"]):
        row = {name: order[name] for name in ("contact_id", "at", "currency", "source")}
        found[order["account"], order["id"]] = row | {"amount": order["amount_micros"]}
    return found


def _of_person(turn: Fact) -> Person:
    return turn["account"], turn["contact"]


def _of_order(order: Fact) -> Person:
    return order["account"], order["contact_id"]


def relationship_value(
    events: list[Fact], turns: list[Fact], deliveries: list[Fact], period: Period
) -> dict[tuple[str, str, str], Fact]:
    """Return {(account, contact, currency): what the view shows}."""
    broadcasts = {(post["account"], post["id"]) for post in standing(events) if post["kind"] == "broadcast"}
    talks, turns_of = conversations(events), by(turns, _of_person)
    found = {}
    for person, own in by(orders(deliveries), _of_order).items():
        said = _said(talks.get(person, []), period.end)
        touch, first = _began(said[0], broadcasts) if said else ("", {"published_at": None, "id": ""})
        ever = [order["at"] for order in own if order["amount_micros"] > 0 and order["at"] < period.end]
        inside = [order for order in own if period.has(order["at"])]
        for currency in {order["currency"] for order in inside}:
            bought = [order for order in inside if order["currency"] == currency]
            paid = [order["at"] for order in bought if order["amount_micros"] > 0]
            bought_at = min(paid or [order["at"] for order in bought])
            first_at, first_order_at = first["published_at"], min(ever, default=None)
            spoke_and_bought = first_at is not None and first_order_at is not None
            found[(*person, currency)] = {
                "orders": len(paid),
                "revenue": sum(order["amount_micros"] for order in bought),
                "bought_at": bought_at,
                "first_order_at": first_order_at,
                "first_at": first_at,
                "first_touch": touch,
                "first_id": first["id"],
                "days_to_first_order": (first_order_at - first_at) / DAY if spoke_and_bought else None,
                **_heard([turn for turn in turns_of.get(person, []) if turn["opened_at"] < bought_at], bought_at),
            }
    return found


def _said(talk: list[tuple[bool, Fact]], end: int) -> list[tuple[bool, Fact]]:
    """Return what was said before ``end``, without what only answers the contact."""
    asked = {post["id"] for ours, post in talk if not ours}
    said = [
        (ours, post) for ours, post in talk if post["published_at"] < end and not (ours and post["parent_id"] in asked)
    ]
    return sorted(said, key=lambda one: (one[1]["published_at"], one[0], one[1]["id"]))


def _began(message: tuple[bool, Fact], broadcasts: set[tuple[str, str]]) -> tuple[str, Fact]:
    """Return how a relationship began with its first message, and that."""
    ours, post = message
    if ours:
        return "reply", post
    under = {(post["account"], post["conversation_id"]), (post["account"], post["parent_id"])} & broadcasts
    return "comment" if under else "mention", post


def _heard(asked: list[Fact], bought_at: int) -> Fact:
    heard = [turn for turn in asked if turn["answered_at"] is not None and turn["answered_at"] < bought_at]
    timed = [turn for turn in heard if turn["response_seconds"] is not None]
    times = [turn["response_seconds"] for turn in timed]
    first_times = [turn["response_seconds"] for turn in timed if turn["ordinal"] == 1]
    return {
        "turns": len(asked),
        "turns_answered": len(heard),
        "response_rate": share(len(heard), len(asked)),
        "sla_met": sum(turn["answered_at"] <= turn["due_at"] for turn in heard),
        "response_p50": statistics.median(times) if times else None,
        "first_response_p50": statistics.median(first_times) if first_times else None,
    }


def contacts_answered(events: list[Fact], turns: list[Fact], period: Period) -> dict[Person, Fact]:
    """Return {(account, contact): what the view shows}."""
    asked = by((turn for turn in turns if period.has(turn["opened_at"])), _of_person)
    talked = {
        person
        for person, talk in conversations(events).items()
        if any(period.has(post["published_at"]) for _, post in talk)
    }
    found = {}
    for person in talked | asked.keys():
        states = [_state(turn, period.end) for turn in asked.get(person, [])]
        answering = "undecided" if states else "not asked"
        for state in ("in time", "late", "unanswered"):
            if state in states:
                answering = state
        found[person] = {
            "turns": len(states),
            "turns_in_time": states.count("in time"),
            "turns_late": states.count("late"),
            "turns_unanswered": states.count("unanswered"),
            "answering": answering,
        }
    return found


def _state(turn: Fact, end: int) -> str:
    if turn["answered_at"] is not None and turn["answered_at"] < end:
        return "in time" if turn["answered_at"] <= turn["due_at"] else "late"
    return "unanswered" if turn["due_at"] < end else "undecided"


def answering_value(
    people: dict[Person, Fact], deliveries: list[Fact], after: Period
) -> dict[tuple[str, str, str], Fact]:
    """Return {(account, currency, how they were answered): what the view shows}.

    ``people``: of :func:`contacts_answered`; ``after``: when it is looked at what they buy.
    """
    of_accounts = by(orders(deliveries), lambda order: order["account"])
    found = {}
    for account in {account for account, _ in people}:
        everything = of_accounts.get(account, [])
        later = [order for order in everything if after.has(order["at"])]
        customers = {o["contact_id"] for o in everything if o["amount_micros"] > 0 and o["at"] < after.start}
        own = {contact: row for (whose, contact), row in people.items() if whose == account}
        for answering in {row["answering"] for row in own.values()}:
            group = {contact: row for contact, row in own.items() if row["answering"] == answering}
            for currency in {order["currency"] for order in later} or {""}:
                theirs = [order for order in later if order["currency"] == currency and order["contact_id"] in group]
                buyers = {order["contact_id"] for order in theirs if order["amount_micros"] > 0}
                spent = sum(order["amount_micros"] for order in theirs)
                low, high = band(len(buyers), len(group))
                found[account, currency, answering] = {
                    "contacts": len(group),
                    "turns": sum(row["turns"] for row in group.values()),
                    "customers_before": len(customers & group.keys()),
                    "buyers": len(buyers),
                    "buyer_share": len(buyers) / len(group),
                    "low": low,
                    "high": high,
                    "orders": sum(order["amount_micros"] > 0 for order in theirs),
                    "revenue": spent,
                    "revenue_per_contact": int(Fraction(spent, len(group))),
                }
    return found


def band(part: int, whole: int) -> tuple[float, float]:
    """Return Wilson's 95 % band of a share: the least and the greatest from which it is no more than 1.96 deviations away."""
    seen = part / whole

    def is_near(share: float) -> bool:
        return (seen - share) ** 2 <= 1.959963984540054**2 * share * (1 - share) / whole

    ends = []
    for outside in (0.0, 1.0):
        near, far = seen, outside
        for _ in range(60):
            between = (near + far) / 2
            near, far = (between, far) if is_near(between) else (near, between)
        ends.append(near)
    return ends[0], ends[1]
