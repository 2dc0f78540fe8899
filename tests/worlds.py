"""Simulated worlds with all in them that is measured."""

import os
import random
from typing import Any
from zlib import crc32

from schemas.codec import Record
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.connectors.templates import template_number
from streams.metrics.targets import HOUR, MINUTE, Rule, Targets
from tests.calendars import calendar
from tests.clickhouse_server import record
from tests.wall_clock import WEEKDAYS, WallCalendar

WORLDS = int(os.environ.get("RAPPORT_TEST_WORLDS", "200"))
"""So many random worlds are drawn where all that is measured is compared; fewer, in proportion, where less is."""
DOMAINS = ["example.com", "acme.example"]
"""What belongs to the brands."""
Agreement = tuple[Targets, dict[str, Any]]
"""What is agreed with the brands, as the fold has it, and by the names of ``tests.oracle.Agreed``."""
AROUND_THE_CLOCK: Agreement = (Targets(domains=DOMAINS), {"domains": DOMAINS})
_SHIFTS = [{"time_zone": "Asia/Kathmandu", "hours": {day: ["06:30-14:00", "14:30-23:00"] for day in WEEKDAYS}}]


def _is_known(mention: Record) -> bool:
    return bool(mention["author_followers"] >= 5_000)


IN_SHIFTS: Agreement = (
    Targets(domains=DOMAINS, calendar=calendar(_SHIFTS), rules=[Rule("known", 20 * MINUTE, _is_known)]),
    {
        "domains": DOMAINS,
        "calendar": WallCalendar(_SHIFTS),
        "rules": [("known", 20 * MINUTE, _is_known)],
    },
)
"""They are at work from half past six to eleven with half an hour's rest, and whom many follow is answered sooner."""


def world(options: SimulatorOptions) -> list[Record]:
    """Return a simulated world in which few people say much, some speak for the brand, some leave, and some replies name nobody.

    Machines answer, too, and clocks disagree: some replies are dated before what they answer.
    """

    def person(name: str) -> str:
        return f"c{crc32(name.encode()) % 12}" if name else ""

    events = []
    for event in simulate(options):
        chance = random.Random(f"{options.seed} {event['id']}")
        ours = event["kind"] in ("reply", "broadcast", "counters", "profile")
        event["author_id"] = event["author_id"] if ours else person(event["author_id"])
        event["contact_id"] = person(event["contact_id"])
        event["url"] = f"https://n/{event['id']}"
        if event["kind"] == "reply":
            event["automated"] = event["automated"] or chance.random() < 0.1
            event["published_at"] -= chance.choice([0] * 19 + [HOUR])
        if event["kind"] == "reply" and not event["automated"]:
            event["template"] = template_number(event["text"])
        if event["kind"] == "reply" and chance.random() < 0.2:
            event["contact_id"] = ""
        if event["kind"] == "mention" and chance.random() < 0.05:
            event["kind"], event["text"] = "opt_out", "block"
        elif event["kind"] == "mention" and chance.random() < 0.1:
            event["kind"], event["author_id"] = "peer", person(f"{event['id']} peer")
        if event["kind"] in ("mention", "peer", "opt_out"):
            event["sentiment"] = chance.choice([-0.5, -0.05, 0.0, 0.05, 0.25, 0.5, 0.75])
            event["hashtags"] = chance.sample(["One", "one", "two", "Three"], chance.choice([0, 0, 1, 2]))
            event["links"] = chance.sample(
                ["https://example.com/Spring?x=1", "https://other.example"], chance.choice([0, 0, 1])
            )
            event["author_followers"] = chance.choice([-1, 0, 99, 100, 5_000, 10_000])
        elif event["kind"] == "broadcast":
            event["hashtags"] = [*event["hashtags"], *chance.choice([["One"], []])]
        events.append(event)
    return events


def purchases(events: list[Record], clock: int) -> list[Record]:
    """Return what the contacts of a world bought: around what was said, some of it stated again, or paid back."""
    known: dict[str, set[str]] = {}
    times: dict[str, list[int]] = {}
    for event in events:
        known.setdefault(event["account"], set()).update({event["contact_id"], event["author_id"]} - {""})
        times.setdefault(event["account"], []).append(event["published_at"])
    orders = []
    for account in sorted(known):
        chance = random.Random(account)
        people, moments = [*sorted(known[account])[:50], "stranger"], [*times[account], clock]
        for version in range(4 * len(people)):
            order = {
                "id": f"order {chance.randrange(3 * len(people))}",
                "account": account,
                "contact_id": chance.choice(people),
                "at": chance.choice(moments) + chance.choice([-1, 0, 1, 20 * MINUTE, 3_000 * MINUTE]),
                "amount_micros": chance.choice([10_000_000, 10_000_000, 1, 0, -3_500_000, 1_234_567_890_000]),
                "currency": chance.choice(["EUR", "EUR", "USD"]),
                "source": "till",
                "version": version,
            }
            orders.append(record("revenue", **order))
    return orders
