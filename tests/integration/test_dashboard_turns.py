"""Who waits, asked for by what has changed: the same as all of them, asked for anew."""

from random import Random

import pytest
from clickhouse_connect.driver.client import Client

from schemas.codec import Record
from sinks.clickhouse import queries
from sinks.dashboard.turns import WHOLE_SECONDS, Turns
from tests.clickhouse_server import HOUR, MINUTE, NOON, put, record

MOST = 4
ROUNDS = 30


def changes(random: Random, versions: dict[str, int]) -> tuple[list[Record], list[Record]]:
    """Return what lands in a round: new versions of turns and alerts, and now and then what has landed before."""
    turns, alerts = [], []
    for _ in range(random.randrange(4)):
        name = f"n:{random.randrange(12)}"
        versions[name] = version = versions.get(name, 0) + 1
        opened_at = NOON + int(name[2:]) * MINUTE
        status = random.choice(("open", "open", "open", "answered", "expired", "withdrawn"))
        turns.append(
            record(
                "turn", turn_id=name, opened_at=opened_at, due_at=opened_at + HOUR, status=status, version=version,
                messages=version,
            )
        )  # fmt: skip
        if random.random() < 0.5:
            state = random.choice(("firing", "resolved"))
            alerts.append(
                record("alert", alert_id=f"unanswered:{name}", subject=name, state=state, escalation=version % 4, version=version)
            )  # fmt: skip
    return turns, alerts


@pytest.mark.parametrize("seed", range(6))
def test_what_has_changed_adds_up_to_all_of_it(clickhouse: Client, seed: int) -> None:
    random, versions, landed = Random(seed), dict[str, int](), list[Record]()
    turns = Turns(clickhouse, MOST)
    for number in range(ROUNDS):
        new, alerts = changes(random, versions)
        again = random.sample(landed, min(len(landed), 2)) if random.random() < 0.3 else []
        if new or again:
            put(clickhouse, "turn", [*again, *new])
        if alerts:
            put(clickhouse, "alert", alerts)
        landed += new
        assert turns.look(number / 1000) == queries.waiting(clickhouse, MOST), number


def test_all_are_asked_for_now_and_then(clickhouse: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(clickhouse, MOST)
    put(clickhouse, "turn", [record("turn")])
    assert len(turns.look(0)) == 1
    monkeypatch.setattr("sinks.clickhouse.queries.changed_turns", lambda *_: [])
    put(clickhouse, "turn", [record("turn", status="answered", version=2)])
    assert len(turns.look(WHOLE_SECONDS - 1)) == 1
    assert len(turns.look(WHOLE_SECONDS)) == 0


def test_a_turn_that_has_not_changed_is_the_same_object(clickhouse: Client) -> None:
    turns = Turns(clickhouse, MOST)
    put(clickhouse, "turn", [record("turn")])
    (first,) = turns.look(0)
    assert turns.look(1)[0] is first
    assert turns.look(WHOLE_SECONDS + 2)[0] is first
