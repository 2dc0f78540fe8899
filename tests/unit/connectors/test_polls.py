"""What simulated networks say when they are asked for counters."""

from itertools import islice, pairwise

from streams.connectors.simulator import SimulatorOptions, simulate
from streams.metrics.targets import DAY, HOUR


def test_the_public_is_the_same_whether_counters_are_asked_for_or_not() -> None:
    polled = (event for event in simulate(SimulatorOptions(polls=HOUR)) if event["kind"] not in ("counters", "profile"))
    assert list(islice(polled, 1_000)) == list(islice(simulate(SimulatorOptions()), 1_000))


def test_counters_grow_and_come_in_time() -> None:
    events = list(simulate(SimulatorOptions(accounts=3, duration=5 * DAY, crises_per_week=0, polls=HOUR)))
    assert [event["received_at"] for event in events] == sorted(event["received_at"] for event in events)
    broadcasts = {event["id"]: event for event in events if event["kind"] == "broadcast"}
    snapshots = [event for event in events if event["kind"] == "counters"]
    assert len(snapshots) > 100
    assert {event["id"] for event in snapshots} <= broadcasts.keys()
    for post in broadcasts:
        for earlier, later in pairwise([event for event in snapshots if event["id"] == post]):
            assert later["published_at"] >= earlier["published_at"] + HOUR / 2
            assert all(later[name] >= earlier[name] >= 0 for name in ("likes", "shares", "comments", "impressions"))
    assert {event["account"] for event in events if event["kind"] == "profile"} == {
        event["account"] for event in broadcasts.values()
    }
