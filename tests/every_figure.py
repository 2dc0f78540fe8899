"""A world, what is true of it, and a ClickHouse that was told of it: what is compared, and what is still to be compared."""

import copy
import random
from collections.abc import Iterable, Sequence
from math import isclose
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.codec import Record
from schemas.metrics import metrics
from schemas.views import views
from sinks.clickhouse.campaigns import TWINS, WRITTEN_TWINS
from streams.interactions import tick
from tests import relationship_oracle, value_oracle, view_oracle
from tests.batch import Partition
from tests.clickhouse_server import plain, put, put_facts, rows
from tests.oracle import measure
from tests.worlds import AROUND_THE_CLOCK, Agreement, purchases

ELSEWHERE = {
    "spikes": "tests/integration/test_every_figure.py::test_every_spike_of_a_simulated_world",  # a world without delays
    "dead_letters": "tests/faults/malformed.py",  # what is no event is counted nowhere
    "notification_commands": "tests/integration/test_acting.py",  # as it was said
    "metrics": "tests/integration/test_clickhouse_metrics.py",  # words
}
"""The views that are not compared on worlds, and where they are."""
ALERTS_OF_SERIES = {("alerts", name) for name in ("value", "baseline", "spread")}
"""Of spikes and slow hours, which are compared with oracles of their own in ``tests/properties``."""
NOTHING = (int, float, str, list, type(None))
"""What can be nothing: what is only about right is something."""
RATES = [metric for metric in metrics().values() if metric.over]
Rows = dict[Any, dict[str, Any]]


class Figures:
    """A world, what is true of it, and a ClickHouse that has been told of it."""

    def __init__(self, client: Client, events: list[Record], clock: int, agreed: Agreement = AROUND_THE_CLOCK) -> None:
        """Fold the events up to ``clock``, and store them in disorder, some of them twice, and what the fold says of them.

        ``agreed``: as the fold has it, and as the oracle does.
        """
        self.client, self.events, self.clock = client, events, clock
        self.campaign = ""
        self.shown: dict[str, set[str]] = {}
        self.compared: dict[str, set[str]] = {}
        targets, terms = agreed
        partition = Partition(targets)
        for start in range(0, len(events), 300):
            partition.message(events[start : start + 300])
        partition.message([tick(clock)])
        partition.settle()
        for state in partition.states.values():  # of those, too, to whom nothing happened in this minute
            state.say_rolling(partition.offset, partition.facts, also_empty=True)
        self.partition = partition
        put_facts(client, partition.facts)
        self.orders = purchases(events, clock)
        for chance, again in ((random.Random(1), 1), (random.Random(2), 3)):
            put(client, "interaction", chance.sample(events, len(events) // again))
            put(client, "revenue", chance.sample(self.orders, len(self.orders) // again))
        self.truth = measure(events, clock, **terms)
        self.posts = relationship_oracle.standing(events)
        self.profiles = [it for it in events if it["kind"] == "profile"]
        self.turns = [
            turn | {"account": account} for account, found in self.truth.items() for turn in found["turns"].values()
        ]
        self.turns_of = view_oracle.by(self.turns, lambda turn: turn["account"])

    def of_campaign(self, name: str, inside: set[tuple[str, str]]) -> "Figures":
        """Return what is known of a campaign alone: of its messages (account, id), and of what its contacts bought."""
        own = copy.copy(self)
        own.campaign = name
        own.events = [it for it in self.events if it["kind"] == "withdrawal" or (it["account"], it["id"]) in inside]
        own.posts = [post for post in self.posts if (post["account"], post["id"]) in inside]
        own.turns = [turn for turn in self.turns if (turn["account"], turn["id"]) in inside]
        own.turns_of = view_oracle.by(own.turns, lambda turn: turn["account"])
        contacts = relationship_oracle.conversations(own.events).keys()
        known = value_oracle.orders(self.orders)
        own.orders = [order for order in known if (order["account"], order["contact_id"]) in contacts]
        return own

    def same(
        self,
        view: str,
        key: Sequence[str],
        wanted: Rows,
        *,
        query: str = "SELECT * FROM {}",
        within: float = 1e-9,
        **given: str,
    ) -> None:
        """Compare a view, or its twin of a campaign, with its true rows by key: every column, with room for what is not whole.

        ``given``: what the view is asked with, in SQL.
        """
        assert query.startswith("SELECT * "), "or a column would be missed"
        name = view
        if self.campaign:
            name = f"campaign_{view}_now" if f"{view}_now" in TWINS else f"campaign_{view}"
            given = {"campaign": f"'{self.campaign}'", **given}
        source = name + (f"({', '.join(f'{one} = {value}' for one, value in given.items())})" if given else "")
        answer = rows(self.client, query.format(source))
        for row in answer:
            row.pop("refreshed_at", None)
        self.shown.setdefault(name, set()).update(answer[0] if answer else ())
        found = {tuple(plain(row.pop(one)) for one in key): row for row in answer}
        assert len(found) == len(answer), (name, "rows of the same key")
        assert found.keys() == wanted.keys(), (name, found.keys() ^ wanted.keys())
        compared = self.compared.setdefault(name, set())
        compared |= set(key) if wanted else set()
        for place, row in wanted.items():
            shown = found[place]
            assert shown.keys() == row.keys(), (name, place, shown.keys() ^ row.keys())
            for column, value in row.items():
                there = shown[column]
                assert there == value or equal(plain(there), value, within), (name, place, column, there, value)
            for column in row.keys() - compared:
                if not isinstance(row[column], NOTHING) or row[column]:
                    compared.add(column)

    def left_out(self) -> set[tuple[str, str]]:
        """Return the columns of views, and of their twins, that were compared with nothing; "" of a view without rows."""
        promised = views().keys() - ELSEWHERE.keys()
        twins = {f"campaign_{name}" for name in (*TWINS, *WRITTEN_TWINS) if name.removesuffix("_now") in promised}
        return {
            (view, column)
            for view in promised | twins
            for column in (self.shown.get(view) or {""}) - self.compared.get(view, set())
        } - ALERTS_OF_SERIES


def equal(found: object, wanted: object, within: float) -> bool:
    if found == wanted:
        return True
    if isinstance(wanted, relationship_oracle.AnyOf):
        return any(equal(found, value, within) for value in wanted.values)
    return (
        isinstance(wanted, float) and isinstance(found, float) and isclose(found, wanted, rel_tol=within, abs_tol=1e-9)
    )


def moment(at: int) -> str:
    return f"fromUnixTimestamp64Milli({at})"


def asked(period: view_oracle.Period) -> dict[str, str]:
    """Return how to ask a view of a period for it."""
    return {"from": moment(period.start), "to": moment(period.end)}


def anything(names: Iterable[str]) -> str:
    """Return a query for the rows in which anything is counted under these names."""
    return f"SELECT * FROM {{}} WHERE ({' OR '.join(f'{name} != 0' for name in names)})"


def rated(row: dict[str, Any], view: str) -> dict[str, Any]:
    """Return a row with the rates that the catalogue makes of its counts."""
    found = dict(row)
    for metric in RATES:
        if view in metric.views and {*metric.over, *metric.under} <= row.keys():
            unit = 1000 if metric.name == "response_mean_seconds" else 1
            whole = sum(row[name] or 0 for name in metric.under)
            found[metric.name] = view_oracle.share(sum(row[name] for name in metric.over) / unit, whole)
    return found
