"""Records as Bluesky's lexicons have them, those that people make up, and that none is passed over that concerns an account."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors.bluesky_events import POSTS, Event, event_of, loads, parent_of, people, post_of
from streams.connectors.values import MALFORMED

ACME, ANN, BEN = "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did:plc:z72i7hdynmk6r22z27h6tvur", "did:web:ben.example"
TIME = 1_725_911_162_329_308
RECORD: dict[str, Any] = {
    "$type": POSTS,
    "createdAt": "2024-09-09T19:46:02.102Z",
    "text": "👋 @acme.example grüße #spring shop.example/a… ",
    "langs": ["pt-BR", "en"],
    "tags": ["parcels"],
    "facets": [
        {
            "features": [{"$type": "app.bsky.richtext.facet#mention", "did": ACME}],
            "index": {"byteStart": 5, "byteEnd": 18},
        },
        {
            "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "spring"}],
            "index": {"byteStart": 27, "byteEnd": 34},
        },
        {
            "features": [
                {"$type": "app.bsky.richtext.facet#link", "uri": "https://shop.example/a?b=1"},
                {"$type": "blue.example.facet", "did": 7, "uri": {"what": "ever"}},
            ],
            "index": {"byteStart": 35, "byteEnd": 49},
        },
    ],
    "embed": {
        "$type": "app.bsky.embed.external",
        "external": {"uri": "https://shop.example/b", "title": "", "description": ""},
    },
    "reply": {
        "parent": {"cid": "bafyreib", "uri": f"at://{BEN}/{POSTS}/3l3qo2vutsw2b"},
        "root": {"cid": "bafyreia", "uri": f"at://{ANN}/{POSTS}/3l3qo2vuowo2b"},
    },
}
COMMIT = {"rev": "3l3qo2vutsw2c", "operation": "create", "collection": POSTS, "rkey": "3l3qo2vuowo2c", "record": RECORD}
FIRST = {"did": ANN, "time_us": TIME, "kind": "commit", "commit": COMMIT | {"cid": "bafyreic"}}
SECOND = {
    "$type": "message",
    "payload": {
        "$type": "network.bsky.jetstream.subscribeEvents#commit",
        "did": ANN,
        "seq": 42,
        "time": "2024-09-09T19:46:02.329308Z",
        **COMMIT,
    },
}


@pytest.mark.parametrize(("told", "seq"), [(FIRST, 0), (SECOND, 42)], ids=["first", "second"])
def test_a_post_as_either_version_tells_it(told: dict[str, Any], seq: int) -> None:
    event = event_of(loads(json.dumps(told).encode()))
    assert (event.kind, event.did, event.witnessed, event.seq) == ("commit", ANN, TIME, seq)
    post = post_of(event)
    assert (post.key, post.id) == (f"at://{ANN}/{POSTS}/3l3qo2vuowo2c", f"bluesky:at://{ANN}/{POSTS}/3l3qo2vuowo2c")
    assert (post.author_id, post.addressed) == (ANN, (ACME, BEN))
    assert (post.parent_id, post.parent_author_id) == (f"bluesky:at://{BEN}/{POSTS}/3l3qo2vutsw2b", BEN)
    assert post.conversation_id == f"bluesky:at://{ANN}/{POSTS}/3l3qo2vuowo2b"
    assert (post.published_at, post.revision) == (1_725_911_162_102, 0)
    assert post.text == RECORD["text"]
    assert post.fields == {
        "lang": "pt",
        "url": f"https://bsky.app/profile/{ANN}/post/3l3qo2vuowo2c",
        "hashtags": ["spring", "parcels"],
        "links": ["https://shop.example/a?b=1", "https://shop.example/b"],
    }


def test_an_edit_has_a_revision() -> None:
    event = Event("commit", ANN, TIME, 0, COMMIT | {"operation": "update"})
    assert post_of(event).revision == TIME // 1000


@pytest.mark.parametrize(
    ("created", "published"),
    [
        ("2024-09-09T19:46:02.102Z", TIME // 1000 - 227),
        ("2024-09-09T21:46:02+02:00", TIME // 1000 - 329),
        ("2024-09-09T19:50:00Z", TIME // 1000),
        ("2019-01-01T00:00:00Z", TIME // 1000),
        ("2024-09-09T19:46:02", TIME // 1000),
        ("yesterday", TIME // 1000),
        (None, TIME // 1000),
    ],
)
def test_a_time_is_believed_as_far_as_it_can_be(created: str | None, published: int) -> None:
    event = Event("commit", ANN, TIME, 0, COMMIT | {"record": {"text": "", "createdAt": created}})
    assert post_of(event).published_at == published


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"7",
        b"null",
        b"[]",
        b"{",
        b"[" * 100_000,
        b"\xff",
        b'{"$type":"message","payload":{"$type":7}}',
        b'{"kind":"commit"}',
    ]
    + [
        json.dumps({**FIRST, **wrong}).encode()
        for wrong in ({"did": "ann"}, {"did": None}, {"time_us": "1"}, {"kind": {}}, {"$type": "message", "payload": 1})
    ],
)
def test_what_is_no_event_is_malformed(message: bytes) -> None:
    with pytest.raises(MALFORMED):
        event_of(loads(message))


# -- whom a post concerns: made from what is known of it, with everything around that a record may have ----------------------

dids = st.sampled_from([f"did:plc:{letter * 24}" for letter in "abcdef"])
uris = st.builds(lambda did: (did, f"at://{did}/{POSTS}/3l3qo2vuowo2b"), dids)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | dids | uris.map(lambda pair: pair[1]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["did", "uri", "$type", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def records(draw: st.DrawFn) -> tuple[dict[str, Any], set[str], str]:
    """Return a record, whom it concerns, and what it answers."""
    record: dict[str, Any] = {"text": draw(st.text(max_size=20) | dids), "x": draw(junk), "via": draw(junk)}
    concerned, parent = set(), ""
    if draw(st.booleans()):
        named = draw(st.lists(dids, max_size=3))
        concerned |= set(named)
        features = [{"$type": "app.bsky.richtext.facet#mention", "did": did} for did in named]
        features += draw(
            st.lists(st.fixed_dictionaries({"$type": st.just("app.bsky.richtext.facet#tag"), "tag": st.text()}))
        )
        order = draw(st.permutations(features))
        record["facets"] = [{"index": {}, "features": order[:2]}, {"index": {}, "features": order[2:]}]
    if draw(st.booleans()):
        (did, parent), (_, root) = draw(uris), draw(uris)
        concerned.add(did)
        record["reply"] = {"parent": {"uri": parent}, "root": {"uri": root}}
    match draw(st.integers(0, 3)):
        case 1:
            did, uri = draw(uris)
            concerned.add(did)
            record["embed"] = {"$type": "app.bsky.embed.record", "record": {"uri": uri, "cid": "bafy"}}
        case 2:
            did, uri = draw(uris)
            concerned.add(did)
            quoted = {"$type": "app.bsky.embed.record", "record": {"uri": uri, "cid": "bafy"}}
            record["embed"] = {"$type": "app.bsky.embed.recordWithMedia", "record": quoted, "media": {"x": draw(junk)}}
        case 3:
            record["embed"] = {"$type": draw(st.sampled_from(["app.bsky.embed.images", "x.y"])), "record": draw(junk)}
    return record, concerned, parent


@given(records())
def test_whom_a_post_concerns_is_found_and_nobody_else(made: tuple[dict[str, Any], set[str], str]) -> None:
    record, concerned, parent = made
    read = loads(json.dumps(record).encode())
    assert set(people(read)) == concerned
    assert parent_of(read) == parent


@given(junk, junk, junk)
def test_whatever_a_record_is_it_is_read_or_malformed(facets: Any, reply: Any, embed: Any) -> None:  # noqa: ANN401
    record = {"text": "", "facets": facets, "reply": reply, "embed": embed}
    with suppress(MALFORMED):
        post_of(Event("commit", ANN, TIME, 0, COMMIT | {"record": record}))
