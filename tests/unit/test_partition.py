"""One ownership of one partition, step by step."""

import pytest

from schemas import codec
from schemas.codec import Record
from schemas.topics import LARGEST_CHECKPOINT
from streams import envelope
from streams.envelope import Checkpoint, Claim, Loaded, Stored, account_key
from streams.errors import RapportError, Reason
from streams.intake import Message, open_message
from streams.interactions import interaction, tick
from streams.metrics.model import Facts
from streams.partition import WAKES, BrokenRuleError, Partition, Quota, Snapshot
from tests.told import told
from tests.toy import GRACE, Account, Toy

ALL = Quota(float("-inf"), 1000)


def mention(name: str, at: int, account: str = "a", **fields: object) -> Record:
    event = {
        "kind": "mention",
        "revision": 5_000,
        "id": name,
        "account": account,
        "published_at": at,
        "received_at": at,
    }
    return interaction(**event | fields)


def message(offset: int, *events: Record, value: bytes | None = None) -> Message:
    return Message("in", 0, offset, 1_000_000, codec.encode("interaction", events) if value is None else value)


def owner(loaded: Loaded | None = None, first: int = 0, generation: int = 0) -> Partition[Account]:
    return Partition(Toy(), loaded or Loaded(), first, generation)


def taken_over(*snapshots: Snapshot, epoch: bytes) -> Loaded:
    """Return what a reader finds after these snapshots."""
    loaded = Loaded()
    for snapshot in snapshots:
        for _, key, value in snapshot.records:
            loaded.read(key, value)
        for key in snapshot.deletions:
            loaded.read(key, None)
        if snapshot.claim is not None:
            loaded.read(epoch, snapshot.claim.encode())
    return loaded


# -- input ----------------------------------------------------------------------------------------------------------------


def test_offsets_are_contiguous_and_what_was_fetched_before_the_seek_is_dropped() -> None:
    partition = owner(first=7)
    partition.apply(message(6, mention("early", 1000)), 0.0)
    assert partition.offsets == {}
    partition.apply(message(7, mention("m", 1000)), 0.0)
    with pytest.raises(BrokenRuleError, match="offset 9 came after 7"):
        partition.apply(message(9), 0.0)


def test_the_clock_is_the_largest_time_so_far_and_each_event_knows_its_own() -> None:
    opened = open_message(message(0, mention("1", 500), tick(900), mention("2", 700), mention("3", 1000)), 600)
    assert [(clock, event["id"]) for clock, event in opened.events["a"]] == [(600, "1"), (900, "2"), (1000, "3")]
    assert opened.clock == 1000
    assert opened.kinds == {"mention": 3, "tick": 1}


def test_what_falls_due_by_a_tick_is_said_once() -> None:
    partition = owner()
    partition.apply(message(0, mention("m", 1000)), 0.0)
    assert partition.snapshot(0.0, None, backlog=False).facts.alerts == []
    partition.apply(message(1, tick(6000)), 0.0)
    assert [row["version"] for row in told(partition.snapshot(0.0, None, backlog=False).facts).alerts] == [1]
    partition.apply(message(2, tick(6001)), 0.0)
    assert partition.snapshot(0.0, None, backlog=False).facts.alerts == []


def test_many_accounts_fall_due_step_by_step_and_no_claim_passes_them_meanwhile() -> None:
    partition, accounts = owner(), 2 * WAKES + 1
    partition.apply(message(0, *[mention(f"{number}", 1000, f"a{number}") for number in range(accounts)]), 0.0)
    first = partition.snapshot(0.0, ALL, backlog=False)
    assert first.claim == Claim(0, 1000)
    partition.acknowledged(Claim(0, 1000), 0.0)
    assert partition.begin(message(1, tick(6000)), 0.0)
    midway = partition.snapshot(0.0, ALL, backlog=False)
    assert len(midway.facts.alerts) == WAKES
    assert midway.claim is None
    assert partition.covered() == (0, 1000)
    with pytest.raises(BrokenRuleError):
        partition.begin(message(2), 0.0)
    assert partition.go_on()
    assert not partition.go_on()
    last = partition.snapshot(0.0, ALL, backlog=False)
    assert len(last.facts.alerts) == WAKES + 1
    assert last.claim == Claim(1, 6000)


def test_a_model_that_wakes_in_the_past_is_stopped() -> None:
    class Restless(Toy):
        def fold(self, *_: object) -> int:
            return 1000

    with pytest.raises(BrokenRuleError, match="wants a to wake at 1000"):
        Partition(Restless(), Loaded(), 0, 0).apply(message(0, mention("m", 1000)), 0.0)


def test_the_heap_does_not_grow_with_events() -> None:
    class Fidgety(Toy):
        def fold(self, _state: Account, _events: object, _before: int, clock: int, *_: object) -> int:
            return clock + 1_000_000

    partition = Partition(Fidgety(), Loaded(), 0, 0)
    for offset in range(3000):
        partition.apply(message(offset, mention("m", 1000 + offset)), 0.0)
    assert len(partition._heap) < 1100  # noqa: SLF001


# -- dead letters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", Reason.UNDECODABLE),
        (b"garbage", Reason.UNDECODABLE),
        (codec.encode("interaction", [mention("m", 1)])[:-3], Reason.UNDECODABLE),
        (codec.encode("interaction", [mention("m", 1)]) + b"more", Reason.UNDECODABLE),
        (b"\xc3\x01 unknown" + b"\x00", Reason.UNKNOWN_FINGERPRINT),
        (codec.encode("checkpoint", []), Reason.UNKNOWN_FINGERPRINT),
    ],
)
def test_a_message_that_cannot_be_read_is_set_aside_and_passed(value: bytes, reason: Reason) -> None:
    partition = owner()
    partition.apply(message(0, value=value), 0.0)
    snapshot = partition.snapshot(0.0, ALL, backlog=False)
    (letter,) = snapshot.letters
    assert (letter["reason"], letter["place"], letter["payload"]) == (reason, "in/0/0", value)
    assert (letter["source"], letter["at"]) == ("worker", 1_000_000)
    assert snapshot.claim == Claim(0, 0)
    assert codec.decode("dead_letter", codec.encode("dead_letter", [letter])) == [letter]


def test_an_event_at_fault_is_set_aside_alone_and_moves_no_clock() -> None:
    future = mention("f", 5_000_000)
    opened = open_message(message(0, mention("1", 500), future, mention("2", 600)), 0)
    assert [event["id"] for _, event in opened.events["a"]] == ["1", "2"]
    assert opened.clock == 600
    (letter,) = opened.letters
    assert (letter["reason"], letter["place"]) == (Reason.FUTURE_TIME, "in/0/0#1")
    assert codec.decode("interaction", letter["payload"]) == [future]


# -- rows held back -------------------------------------------------------------------------------------------------------


def test_a_dirty_accounts_rows_go_out_once_a_second_and_not_in_a_backlog() -> None:
    partition = owner()
    partition.apply(message(0, mention("1", 1000)), 10.0)
    assert len(partition.snapshot(10.0, None, backlog=False).facts.rolling) == 1
    partition.apply(message(1, mention("2", 1100)), 10.1)
    assert partition.snapshot(10.2, None, backlog=False).facts.rolling == []
    assert partition.snapshot(11.5, None, backlog=True).facts.rolling == []
    (row,) = told(partition.snapshot(11.5, None, backlog=False).facts).rolling
    assert (row["version"], row["mentions"]) == (1, 2)


def test_rows_go_out_with_the_checkpoint_whatever_waits() -> None:
    partition = owner()
    partition.apply(message(0, mention("1", 1000)), 10.0)
    snapshot = partition.snapshot(10.0, ALL, backlog=True)
    assert len(snapshot.facts.rolling) == len(snapshot.records) == 1


def test_rows_of_an_account_that_only_time_touched_go_out_at_once() -> None:
    partition = owner()
    partition.apply(message(0, mention("1", 1000)), 10.0)
    partition.snapshot(10.0, ALL, backlog=False)
    partition.apply(message(1, tick(6000 + GRACE)), 10.1)
    (row,) = told(partition.snapshot(10.2, None, backlog=True).facts).panes
    assert row["version"] == 1


def test_such_rows_stand_at_the_ticks_version_when_an_event_follows() -> None:
    partition = owner()
    partition.apply(message(0, mention("1", 1000)), 10.0)
    partition.snapshot(10.0, ALL, backlog=False)
    partition.apply(message(1, tick(6000)), 10.1)
    partition.apply(message(2, mention("2", 7000)), 10.1)
    facts = partition.snapshot(10.2, None, backlog=True).facts
    assert [row["version"] for row in told(facts).panes] == [1]
    assert partition.covered() == (1, 6000), "which the claim may pass"


# -- checkpoints ----------------------------------------------------------------------------------------------------------


def test_a_claim_ends_before_the_oldest_change_that_is_not_checkpointed() -> None:
    partition = owner()
    partition.apply(message(0, mention("1", 1000, "a")), 1.0)
    partition.apply(message(1, mention("2", 2000, "b")), 2.0)
    partition.apply(message(2, mention("3", 3000, "a")), 3.0)
    snapshot = partition.snapshot(6.5, Quota(5.0, 10), backlog=False)
    assert [account for account, _, _ in snapshot.records] == ["a"]
    assert snapshot.claim == Claim(0, 1000)
    assert partition.age(6.5, 0.0) == 4.5
    snapshot = partition.snapshot(7.5, Quota(5.0, 10), backlog=False)
    assert snapshot.claim == Claim(2, 3000)


def test_no_more_accounts_than_the_quota_oldest_first() -> None:
    partition = owner()
    for offset, account in enumerate("abc"):
        partition.apply(message(offset, mention(account, 1000, account)), 1.0)
    assert [account for account, _, _ in partition.snapshot(9.0, Quota(5.0, 2), backlog=False).records] == ["a", "b"]


def test_a_state_that_no_checkpoint_can_hold_is_named() -> None:
    partition = Partition(Toy(padding=LARGEST_CHECKPOINT), Loaded(), 0, 0)
    partition.apply(message(0, mention("m", 1000, "net:loud")), 1.0)
    with pytest.raises(RapportError, match="net:loud"):
        partition.snapshot(1.0, ALL, backlog=False)


def test_a_new_owner_resumes_after_the_claim_rewrites_everything_and_only_then_deletes() -> None:
    first = owner()
    for offset, account in enumerate("abc"):
        first.apply(message(offset, mention(account, 1000, account)), 1.0)
    written = first.snapshot(1.0, ALL, backlog=False)
    second = owner(taken_over(written, epoch=first.epoch))
    assert (second.last, second.clock) == (2, 1000)
    assert second.epoch > first.epoch
    some = second.snapshot(1.0, Quota(5.0, 2), backlog=False)
    assert (len(some.records), some.claim, some.deletions) == (2, None, [])
    rest = second.snapshot(1.0, Quota(5.0, 2), backlog=False)
    assert (len(rest.records), rest.deletions) == (1, [])
    assert rest.claim == Claim(2, 1000)
    assert second.snapshot(1.1, Quota(5.0, 2), backlog=False).deletions == [], "not before it is acknowledged"
    second.acknowledged(rest.claim, 1.0)
    deletions = [key for _ in range(2) for key in second.snapshot(1.2, Quota(5.0, 2), backlog=False).deletions]
    assert set(deletions) == {first.epoch, *(account_key(account, first.epoch) for account in "abc")}


def test_what_is_in_a_checkpoint_is_not_folded_again() -> None:
    first = owner()
    messages = [message(0, mention("1", 1000, "a")), message(1, mention("2", 1000, "b"), mention("3", 1000, "a"))]
    for one in messages:
        first.apply(one, float(one.offset))
    snapshot = first.snapshot(5.5, Quota(5.0, 10), backlog=False)  # "a" as of offset 1, "b" not yet
    second = owner(taken_over(snapshot, epoch=first.epoch))
    assert second.last == 0
    second.apply(messages[1], 0.0)
    assert second.offsets == {"a": 1, "b": 1}
    states = {
        name: state if not isinstance(state, Stored) else Toy().loads(name, *state)
        for name, state in second.states.items()
    }
    assert {name: state.count for name, state in states.items()} == {"a": 2, "b": 1}


def test_an_account_nobody_touched_still_wakes_and_stays_bytes_until_then() -> None:
    first = owner()
    first.apply(message(0, mention("1", 1000)), 0.0)
    second = owner(taken_over(first.snapshot(0.0, ALL, backlog=False), epoch=first.epoch))
    assert isinstance(second.states["a"], Stored)
    second.apply(message(1, tick(6000)), 0.0)
    assert len(second.snapshot(0.0, None, backlog=False).facts.alerts) == 1


def test_a_state_of_a_later_layout_is_the_users_to_mend() -> None:
    loaded = Loaded()
    loaded.read(account_key("a", bytes(8)), Checkpoint(0, 5000, Stored(99, b"?")).encode())
    partition = owner(loaded)
    partition.apply(message(0, tick(4000)), 0.0)
    with pytest.raises(RapportError, match="state of a has layout 99"):
        partition.apply(message(1, tick(5000)), 0.0)


def test_a_new_generation_keeps_the_accounts_and_starts_at_the_first_offset() -> None:
    first = owner()
    for offset in range(5):
        first.apply(message(offset, mention(f"{offset}", 1000)), 0.0)
    second = owner(taken_over(first.snapshot(0.0, ALL, backlog=False), epoch=first.epoch), generation=1)
    assert (second.last, second.clock) == (-1, 1000)
    second.apply(message(0, mention("new", 2000)), 0.0)
    snapshot = second.snapshot(0.0, ALL, backlog=False)
    assert told(snapshot.facts).turns[-1]["version"] == 1 << 48
    assert told(snapshot.facts).rolling[-1]["mentions"] == 6
    third = owner(taken_over(snapshot, epoch=second.epoch), generation=1)
    assert third.last == 0


# -- the topic ------------------------------------------------------------------------------------------------------------


def test_the_highest_version_of_an_account_wins_whoever_wrote_it_and_whenever() -> None:
    loaded = Loaded()
    for version, epoch in ((5, b"\0\0\0\1aaaa"), (9, b"\0\0\0\1bbbb"), (7, b"\0\0\0\2cccc"), (3, b"\0\0\0\1bbbb")):
        loaded.read(account_key("ä", epoch), Checkpoint(version, 0, Stored(1, b"%d" % version)).encode())
    assert loaded.accounts()["ä"].state.data == b"9"
    assert loaded.highest_epoch() == 2


def test_the_claim_of_the_newest_epoch_wins_though_an_older_one_is_further() -> None:
    loaded = Loaded()
    loaded.read(b"\0\0\0\1aaaa", Claim(90, 9).encode())
    loaded.read(b"\0\0\0\2bbbb", Claim(50, 5).encode())
    assert loaded.claim() == Claim(50, 5)
    loaded.read(b"\0\0\0\2bbbb", None)
    assert loaded.claim() == Claim(90, 9)


def test_a_record_of_another_version_of_rapport_is_the_users_to_mend() -> None:
    with pytest.raises(RapportError, match="cannot be read"):
        envelope.decode(b"something else")


def test_settled_rows_are_as_of_the_accounts_last_offset() -> None:
    toy, facts = Toy(), Facts()
    state = toy.new("a")
    toy.fold(state, [(1000, mention("1", 1000))], 0, 1000, 17, facts)
    toy.settle(state, 17, facts)
    assert not toy.pending(state)
    assert toy.loads("a", toy.layout, toy.dumps(state)) == state
