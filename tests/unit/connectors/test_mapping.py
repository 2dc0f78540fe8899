"""Foreign JSON as Interactions: the same as if it had been written with our fields, and never a crash."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors.base import Item, Rejected
from streams.connectors.mapping import FieldMapping, MappingError, at, path, reader
from streams.connectors.pushed import interactions
from streams.errors import Reason

NOW = 1_772_445_601_000
TICKETS = FieldMapping(
    fields={
        "id": path("comment.id"),
        "kind": path("type"),
        "author_id": path("comment.author.id"),
        "author_name": path("comment.author.name"),
        "parent_id": path("comment.in_reply_to"),
        "conversation_id": path("ticket.id"),
        "published_at": path("comment.created"),
        "text": path("comment.body"),
        "hashtags": path("tags.*.name"),
        "url": path("links.0.href"),
    },
    constants={"network": "desk", "account": "desk:acme", "automated": False},
    kinds={"comment": "mention", "answer": "reply", "closed": "none"},
    records=path("data.events"),
    times="seconds",
)
COMMENTED = {"id": 1, "author": {"id": 33, "name": "Zoé"}, "created": "1772445600.25", "body": "Where is it?"}
COMMENT = {
    "type": "comment",
    "ticket": {"id": 77},
    "comment": COMMENTED,
    "tags": [{"name": "late"}, {"colour": "red"}, {"name": "parcel"}],
    "links": [{"href": "https://desk.test/77"}],
}


def read(mapping: FieldMapping, given: object) -> list[Item]:
    return list(reader(mapping)(json.dumps(given).encode(), "desk", NOW))


def events(*given: object) -> list[Item]:
    return read(TICKETS, {"data": {"events": given}})


def test_a_comment_of_a_help_desk() -> None:
    (event,) = events(COMMENT)
    assert isinstance(event, dict)
    assert {name: value for name, value in event.items() if value not in ("", -1, 0, [])} == {
        "id": "desk:1",
        "network": "desk",
        "account": "desk:acme",
        "kind": "mention",
        "author_id": "33",
        "author_name": "Zoé",
        "contact_id": "33",
        "conversation_id": "desk:77",
        "published_at": 1_772_445_600_250,
        "received_at": NOW,
        "text": "Where is it?",
        "hashtags": ["late", "parcel"],
        "url": "https://desk.test/77",
    }


def test_what_is_no_concern_of_ours_is_passed_over_and_what_nobody_named_is_not() -> None:
    closed, unknown = {**COMMENT, "type": "closed"}, {**COMMENT, "type": "merged"}
    assert events(closed) == []
    first, second = events(unknown, {**COMMENT, "type": ["comment"]})
    assert isinstance(first, Rejected)
    assert first == Rejected(
        Reason.UNKNOWN_KIND,
        "'merged' is not among the kinds of the mapping",
        "desk.0",
        json.dumps(unknown, ensure_ascii=False, separators=(",", ":")).encode(),
    )
    assert isinstance(second, Rejected)
    assert second.place == "desk.1"


@pytest.mark.parametrize(
    ("changed", "reason", "error"),
    [
        ({"comment": None}, Reason.MALFORMED_RECORD, "id is missing: there is nothing at comment.id"),
        ({"comment": {**COMMENTED, "id": ""}}, Reason.EMPTY_ID, "id is empty"),
        ({"comment": {**COMMENTED, "id": [1]}}, Reason.MALFORMED_RECORD, "id must be a string, not [1]"),
        ({"comment": {**COMMENTED, "created": "today"}}, Reason.MALFORMED_RECORD, "published_at 'today' is not a time in seconds"),
        ({"comment": {**COMMENTED, "created": 1e300}}, Reason.FUTURE_TIME, ""),
        ({"tags": [{"name": 7}]}, Reason.MALFORMED_RECORD, "hashtags must be an array of strings, not [7]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(changed: dict[str, Any], reason: Reason, error: str) -> None:
    (rejected,) = events({**COMMENT, **changed})
    assert isinstance(rejected, Rejected)
    assert rejected.error.startswith(error)
    assert rejected.reason in (reason, Reason.INVALID_NUMBER)


def test_no_array_where_one_should_be_is_set_aside_whole() -> None:
    (rejected,) = read(TICKETS, {"data": {"events": {}}})
    assert rejected == Rejected(
        Reason.MALFORMED_RECORD, "there is no array at data.events", "desk", b'{"data": {"events": {}}}'
    )
    assert read(TICKETS, {"data": {"events": []}}) == []


@pytest.mark.parametrize(
    ("times", "written", "read_as"),
    [
        ("iso", "2026-03-02T11:00:00+01:00", 1_772_445_600_000),
        ("iso", 1_772_445_600, None),
        ("seconds", 1_772_445_600, 1_772_445_600_000),
        ("seconds", 1_772_445_600.0005, 1_772_445_600_000),
        ("seconds", True, None),
        ("seconds", "2026-03-02", None),
        ("milliseconds", "1772445600000", 1_772_445_600_000),
        ("milliseconds", 1_772_445_600_000.4, 1_772_445_600_000),
        ("milliseconds", [], None),
    ],
)
def test_times_are_written_in_three_ways(times: Any, written: object, read_as: int | None) -> None:  # noqa: ANN401
    mapping = FieldMapping(
        {"published_at": path("at")}, {"id": "a:1", "account": "a:1", "kind": "mention"}, times=times
    )
    (item,) = read(mapping, {"at": written})
    assert (None if isinstance(item, Rejected) else item["published_at"]) == read_as


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"fields": {"colour": ("a",)}}, "'colour' is no field of an Interaction"),
        ({"constants": {"likes": "many"}}, "likes must be a whole number"),
        ({"constants": {"text": "t"}, "fields": {"text": ("t",)}}, "text is a field and a constant"),
        ({"kinds": {"a": "shout"}}, "kind 'shout' is not one of"),
        ({"constants": {"kind": 3}}, "kind must be a string"),
    ],
)
def test_a_mapping_that_cannot_be_right_is_refused_at_once(given: dict[str, dict[str, Any]], error: str) -> None:
    fields = {"id": ("id",), "account": ("account",), "published_at": ("at",)} | given.get("fields", {})
    constants = {"kind": "mention"} | given.get("constants", {})
    with pytest.raises(MappingError, match=error):
        FieldMapping(fields, constants, given.get("kinds", {}))
    for name in ("id", "account", "published_at"):
        with pytest.raises(MappingError, match=f"{name} is neither"):
            FieldMapping({it: ("a",) for it in fields if it != name}, {"kind": "mention"})


@pytest.mark.parametrize(
    ("where", "found"),
    [("", {"a": [{"b": 1}, {"b": None}, 2]}), ("a.0.b", 1), ("a.1.b", None), ("a.9", None), ("a.x", None), ("a.*.b", [1]),
     ("a.0.b.c", None), ("a.*", [{"b": 1}, {"b": None}, 2]), ("*", None), ("a.99999999999", None), ("a.²", None)],
)  # fmt: skip
def test_paths(where: str, found: object) -> None:
    assert at({"a": [{"b": 1}, {"b": None}, 2]}, path(where)) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b", "c", "type", "comment", "created"]), inner)
    ),
)
NAMES = st.sampled_from(["a", "b", "c", "0", "1"])
PATHS = st.lists(NAMES | st.just("*"), max_size=4).map(tuple)
MAPPINGS = st.builds(
    FieldMapping,
    st.fixed_dictionaries(
        dict.fromkeys(("id", "account", "kind", "published_at"), PATHS),
        optional=dict.fromkeys(
            ("network", "received_at", "likes", "sentiment", "links", "revision", "automated", "text"), PATHS
        ),
    ),
    kinds=st.just({}) | st.just({"a": "mention", "b": "none"}),
    records=PATHS,
    times=st.sampled_from(["iso", "seconds", "milliseconds"]),
)


@given(MAPPINGS, JSON.map(lambda it: json.dumps(it).encode()) | st.binary())
def test_anything_is_taken_passed_over_or_set_aside(mapping: FieldMapping, record: bytes) -> None:
    for item in reader(mapping)(record, "place", NOW):
        if isinstance(item, Rejected):
            assert item.payload or not record
        else:
            assert item["kind"]


EVENTS = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1).map("n:{}".format),
        "account": st.text(min_size=1).map("n:{}".format),
        "kind": st.sampled_from(["reply", "broadcast", "peer", "withdrawal", "opt_out", "nonsense"]),
        "published_at": st.integers(-5, NOW + 400_000),
    },
    optional={
        "text": st.text(),
        "likes": st.integers(-1, 1 << 64),
        "sentiment": st.floats(allow_nan=False, allow_infinity=False),
        "links": st.lists(st.text()),
        "automated": st.booleans(),
        "received_at": st.integers(0, NOW),
    },
)
PLACE = st.lists(st.from_regex(r"\A[a-z]{1,3}\Z"), min_size=1, max_size=4).map(tuple)
PLACES = st.lists(PLACE, min_size=11, max_size=11, unique=True)


@given(EVENTS, PLACES, st.sets(st.sampled_from(["text", "likes", "links", "automated", "kind"])))
def test_a_mapped_record_is_what_our_own_fields_say(
    event: dict[str, Any], places: list[tuple[str, ...]], constant: set[str]
) -> None:
    """The record is built the other way round, each value put where its path leads; and read plainly by ``jsonl``."""
    fields, document = {}, {}
    constants = {name: event[name] for name in constant & event.keys()}
    for name, where in zip(sorted(event.keys() - constant), places, strict=False):
        if any(where[: len(other)] == other or other[: len(where)] == where for other in fields.values()):
            where = (f"own_{name}", *where)  # noqa: PLW2901 - one value cannot stand inside another
        fields[name] = where
        inner = document
        for step in where[:-1]:
            inner = inner.setdefault(step, {})
        inner[where[-1]] = event[name]
    (plain,) = interactions(json.dumps(event).encode(), "place", NOW)
    try:
        mapping = FieldMapping(fields, constants, times="milliseconds")
    except MappingError:
        assert isinstance(plain, Rejected)
        return
    (mapped,) = read(mapping, document)
    if isinstance(plain, Rejected):
        assert isinstance(mapped, Rejected)
        assert (mapped.reason, mapped.error) == (plain.reason, plain.error)
    else:
        assert mapped == plain
