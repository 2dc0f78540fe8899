"""Simulated worlds with all in them that is measured."""

import os
import random
from zlib import crc32

from schemas.codec import Record
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.connectors.templates import template_number

WORLDS = int(os.environ.get("RAPPORT_TEST_WORLDS", "200"))
"""So many random worlds are drawn where all that is measured is compared; fewer, in proportion, where less is."""
DOMAINS = ["example.com", "acme.example"]
"""What belongs to the brands."""


def world(options: SimulatorOptions) -> list[Record]:
    """Return a simulated world in which few people say much, some speak for the brand, some leave, and some replies name nobody."""

    def person(name: str) -> str:
        return f"c{crc32(name.encode()) % 12}" if name else ""

    events = []
    for event in simulate(options):
        chance = random.Random(f"{options.seed} {event['id']}")
        ours = event["kind"] in ("reply", "broadcast", "counters", "profile")
        event["author_id"] = event["author_id"] if ours else person(event["author_id"])
        event["contact_id"] = person(event["contact_id"])
        event["url"] = f"https://n/{event['id']}"
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
        events.append(event)
    return events
