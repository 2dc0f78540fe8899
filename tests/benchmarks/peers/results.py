"""What is to be counted, by a plain pass, and what a program has counted, read from its topic."""

import json
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from operator import itemgetter

from schemas.codec import Record
from schemas.topics import Topic
from streams.connectors.simulator import SimulatorOptions, simulate
from tests.benchmarks.load import START
from tests.benchmarks.peers.work import FIELDS, count, thread_of
from tests.plants import messages, records

Counts = dict[str, list[int]]
"""Per account, in the order of :data:`tests.benchmarks.peers.work.FIELDS`."""


def events(number: int, accounts: int) -> list[Record]:
    """Return events that arrive in order, once, and are never taken back: only Rapport would get anything else right."""
    options = SimulatorOptions(
        seed=1,
        accounts=accounts,
        stories_per_hour=600.0,
        start=START,
        late=0.0,
        duplicates=0.0,
        edits=0.0,
        deletions=0.0,
        without_conversation=0.0,
    )
    found = sorted(islice(simulate(options), number), key=itemgetter("published_at"))
    return [event | {"received_at": event["published_at"]} for event in found]


def expected(rows: Iterable[Record]) -> Counts:
    """Return what a plain pass over the events counts."""
    counts: Counts = defaultdict(lambda: [0] * len(FIELDS))
    opened: dict[str, int | None] = {}
    for event in rows:
        thread = thread_of(event)
        opened[thread] = count(event, counts[event["account"]], opened.get(thread))
    return counts


def updated(brokers: str, topic: str) -> Counts:
    """Return the last update of each account."""
    rows = (json.loads(message.value) for message in messages(brokers, topic))
    return {account: counts for account, *counts in rows}


def rolled(brokers: str, topic: Topic) -> Counts:
    """Return the counts in the newest rolling row of each account."""
    rows = _newest(records(brokers, topic), "account")
    return {row["account"]: [row[name] for name in FIELDS] for row in rows}


def summed(brokers: str, topic: Topic) -> Counts:
    """Return the sums over the newest panes of each account."""
    counts: Counts = defaultdict(lambda: [0] * len(FIELDS))
    for row in _newest(records(brokers, topic), "account", "minute"):
        for index, name in enumerate(FIELDS):
            counts[row["account"]][index] += row[name]
    return counts


def _newest(rows: Iterable[Record], *key: str) -> Iterable[Record]:
    found: dict[tuple[object, ...], Record] = {}
    for row in rows:
        name = tuple(row[field] for field in key)
        if name not in found or found[name]["version"] <= row["version"]:
            found[name] = row
    return found.values()
