"""Accounts that are all alike: one is written out and folded, the others are its copies under other names.

So what is compared differs in how many there are, and in nothing else. In each minute fifteen people write to an account,
and it answers those fifteen who wrote in the minute before; besides, some wait who wrote hours ago.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from schemas.codec import Record, encode
from streams.envelope import Checkpoint, Claim, Loaded, Stored, account_key, new_epoch
from streams.interactions import interaction, tick
from streams.metrics.fold import Fold
from streams.metrics.model import Facts
from streams.metrics.targets import DEFAULT_TARGETS, HOUR, MINUTE
from streams.partition import Partition

START: Final = 1_700_000_040_000
"""The first minute begins, ms: long ago, so that no event is dated after it was sent."""
EVENTS_A_MINUTE: Final = 30
MESSAGE_EVENTS: Final = 300
MARK: Final = "@@@@@@"
"""Stands for an account's number, of as many digits, in the account that is copied."""
EPOCH: Final = new_epoch(0)
"""The owner who wrote the copies' checkpoints."""
_CONVERSATIONS: Final = EVENTS_A_MINUTE // 2
_STEP: Final = MINUTE // _CONVERSATIONS
_WAITED: Final = (20 * HOUR, 5 * HOUR)
"""Those who wait wrote between these times ago: all of their alerts have fired, and none expires soon."""
_TEXT: Final = "my order has not arrived and nobody picks up the phone, can somebody please have a look?"


def name_of(number: int) -> str:
    """Return an account."""
    return f"bench:{number:06}"


def minute(number: int) -> list[Record]:
    """Return the events of one minute of the account that is copied, in order: a mention, a reply, a mention …"""
    begins, events = START + number * MINUTE, list[Record]()
    for index in range(_CONVERSATIONS):
        events.append(_mention(f"{number}.{index}", begins + index * _STEP))
        events.append(_reply(f"{number - 1}.{7 * index % _CONVERSATIONS}", begins + index * _STEP + _STEP // 2))
    return events


def copy(events: Sequence[Record], number: int) -> list[Record]:
    """Return the events as those of an account."""
    own = f"{number:06}"
    return [
        {name: value.replace(MARK, own) if type(value) is str else value for name, value in event.items()}
        for event in events
    ]


def messages(numbers: Sequence[int], together: int, of: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield the messages of a minute, ``together`` events of an account in each, and when each is sent, ms since START."""
    events, width = minute(of), MESSAGE_EVENTS // together
    for first in range(0, len(events), together):
        part = events[first : first + together]
        at = part[-1]["received_at"] - START
        for start in range(0, len(numbers), width):
            of_many = [event for number in numbers[start : start + width] for event in copy(part, number)]
            yield at, encode("interaction", of_many)


def tick_at(at: int) -> bytes:
    """Return the message that says that it is so many ms after START."""
    return encode("interaction", [tick(START + at)])


def partition(numbers: Sequence[int], open_turns: int) -> Partition:
    """Return a partition that has just been taken over, and owns these accounts; in each, so many have waited for hours."""
    loaded = Loaded()
    loaded.rows = dict(checkpoints(numbers, open_turns))
    return Partition(Fold(lambda _: DEFAULT_TARGETS), loaded, 0, 0)


def checkpoints(numbers: Sequence[int], open_turns: int) -> Iterator[tuple[bytes, Checkpoint]]:
    """Yield key and value of every record of a checkpoint partition: the accounts at the end of minute -1, and the claim."""
    wake, state = _state(open_turns)
    mark = MARK.encode()
    for number in numbers:
        stored = Stored(state.layout, state.data.replace(mark, b"%06d" % number))
        yield account_key(name_of(number), EPOCH), Checkpoint(0, wake, stored)
    claim = Claim(0, START - 1)
    yield EPOCH, Checkpoint(claim.version, claim.clock, Stored(0, b""))


def _state(open_turns: int) -> tuple[int, Stored]:
    """Return when the account that is copied wakes, and its state."""
    model, (earliest, latest) = Fold(lambda _: DEFAULT_TARGETS), _WAITED
    account = model.new(name_of(0).replace("000000", MARK))
    span = (earliest - latest) // max(1, open_turns)
    waiting = [_mention(f"w{index}", START - earliest + index * span) for index in range(open_turns)]
    written = [event for event in minute(-1) if event["kind"] == "mention"]
    events = [(event["received_at"], event) for event in waiting + written]
    wake = model.fold(account, events, 0, START - 1, 0, Facts())
    model.settle(account, 0, Facts())
    return wake, Stored(model.layout, model.dumps(account))


def _mention(post: str, at: int) -> Record:
    return _event(post, at, "mention", author_id=f"{MARK}-{post}", contact_id=f"{MARK}-{post}")


def _reply(to: str, at: int) -> Record:
    parent = f"bench:{MARK}.{to}"
    return _event(f"{to}r", at, "reply", contact_id=f"{MARK}-{to}", conversation_id=parent, parent_id=parent)


def _event(post: str, at: int, kind: str, **fields: str) -> Record:
    name = f"bench:{MARK}.{post}"
    own = {"id": name, "account": f"bench:{MARK}", "author_id": MARK, "conversation_id": name, **fields}
    times = {"published_at": at, "received_at": at}
    return interaction(network="bench", kind=kind, text=_TEXT, lang="en", source="benchmark", **own, **times)
