"""What an Interaction must be: its kinds, its defaults, and what is wrong with one. Pure; ingest and processor both ask here.

The fields are those of ``schemas/interaction.v*.avsc``.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

from schemas.codec import Record, newest
from streams.errors import Reason

KINDS: Final = frozenset(
    ("mention", "reply", "broadcast", "peer", "counters", "profile", "opt_out", "withdrawal", "tick"),
)
FUTURE_TOLERANCE: Final = 5 * 60_000
"""Clocks disagree by this much, in ms; an event dated later than that after it was seen cannot be true."""
MAX_BYTES: Final = 256_000
"""Largest encoded size of one event's strings, in bytes: a message holds at least one event and must stay below 1 MB."""

_DEFAULTS: Final = {
    field["name"]: field["default"] for field in newest("interaction").record["fields"] if "default" in field
}
_STRINGS: Final = tuple(field["name"] for field in newest("interaction").record["fields"] if field["type"] == "string")
_NUMBERS: Final = (
    *(field["name"] for field in newest("interaction").record["fields"] if field["type"] == "long"),
    "published_at",
    "received_at",
)
_strings: Final = itemgetter(*_STRINGS)
_numbers: Final = itemgetter(*_NUMBERS)
_INT64: Final = 1 << 63
_FIXED_SIZE: Final = 100
"""About what an event's numbers, and the lengths of its strings, take in bytes."""


def interaction(**fields: Any) -> Record:  # noqa: ANN401 - as the schema's fields are
    """Return a whole Interaction: ``fields``, and the schema's default for each that is not given."""
    return {**_DEFAULTS, "hashtags": [], "links": [], **fields}


def opt_out(own_id: str, account: str, contact: str, at: int, **fields: Any) -> Record:  # noqa: ANN401 - as above
    """Return the Interaction that says that a contact has left an account, ``network:account_id``, at a time, ms."""
    people = {"author_id": contact, "contact_id": contact}
    network = account.partition(":")[0]
    return interaction(id=own_id, network=network, account=account, kind="opt_out", published_at=at, **people, **fields)


def tick(now: int) -> Record:
    """Return the Interaction that only says what time it is, in ms."""
    return interaction(id="", account="", kind="tick", published_at=now, received_at=now)


def fault(event: Mapping[str, Any], seen_at: int) -> tuple[Reason, str] | None:  # noqa: PLR0911 - one a fault
    """Say what is wrong with a decoded event, or None. ``seen_at`` (ms): when its message was appended to the topic.

    An event must not claim to be received after it was appended, nor published after it was received, beyond
    :data:`FUTURE_TOLERANCE`: one date in the far future would close every window and expire every turn of its partition.
    """
    kind, received_at, published_at = event["kind"], event["received_at"], event["published_at"]
    if received_at > seen_at + FUTURE_TOLERANCE:
        return Reason.FUTURE_TIME, f"received_at {received_at} is after the message was appended, {seen_at}"
    if kind == "tick":
        return None
    if not event["id"] or not event["account"]:
        return Reason.EMPTY_ID, f"{'id' if not event['id'] else 'account'} is empty"
    if kind not in KINDS:
        return Reason.UNKNOWN_KIND, f"kind {kind[:40]!r} is not one of {', '.join(sorted(KINDS))}"
    if published_at > received_at + FUTURE_TOLERANCE:
        return Reason.FUTURE_TIME, f"published_at {published_at} is after received_at {received_at}"
    if published_at < 0 or received_at < 0:
        return Reason.INVALID_NUMBER, f"published_at {published_at} or received_at {received_at} is before 1970"
    return None


def unfit(event: Mapping[str, Any]) -> tuple[Reason, str] | None:
    """Say why an event that has not been encoded yet cannot be, or None: text that is not Unicode, too much of it, numbers."""
    return weighed(event)[1]


def weighed(event: Mapping[str, Any]) -> tuple[int, tuple[Reason, str] | None]:
    """Return about how many bytes an event takes in a message, never much less than it does; and why it is :func:`unfit`.

    All text is looked at as one, and so are all numbers: 3.4 µs became 2.2, for every event. Only if something is wrong, it is
    looked for.
    """
    items = (*event["hashtags"], *event["links"])
    try:
        text = len("".join((*_strings(event), *items)).encode())
    except UnicodeEncodeError:
        return 0, (Reason.INVALID_TEXT, _not_unicode(event))
    numbers, wrong = _numbers(event), None
    if text > MAX_BYTES:
        wrong = Reason.TOO_LARGE, f"{text} bytes of text, more than {MAX_BYTES}"
    elif min(numbers) < -_INT64 or max(numbers) >= _INT64:
        name = next(name for name in _NUMBERS if not -_INT64 <= event[name] < _INT64)
        wrong = Reason.INVALID_NUMBER, f"{name} {event[name]} does not fit in 64 bits"
    elif not -1 <= event["sentiment"] <= 1:
        wrong = Reason.INVALID_NUMBER, f"sentiment {event['sentiment']} is not between -1 and 1"
    return _FIXED_SIZE + 2 * len(items) + text, wrong


def _not_unicode(event: Mapping[str, Any]) -> str:
    """Say which field of an event has text that is not Unicode, and where."""
    for name in (*_STRINGS, "hashtags", "links"):
        for text in [event[name]] if name in _STRINGS else event[name]:
            try:
                text.encode()
            except UnicodeEncodeError as error:
                return f"{name} is not Unicode: {error.reason} at character {error.start}"
    raise AssertionError
