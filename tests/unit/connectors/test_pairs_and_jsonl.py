"""Each rule of the formats pairs and jsonl."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import newest
from streams.connectors import jsonl as lines_of_json
from streams.connectors.base import Rejected
from streams.connectors.jsonl import write_jsonl
from streams.connectors.replay import Replay, open_replay
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.errors import Reason
from streams.interactions import interaction

HEADER = (
    "customer_tweet_id,customer_id,created_at_customer,reply_tweet_id,agent_id,created_at_reply,response_time_seconds"
)
NOW = 1_600_000_000_000
EVENT = {"id": "x:1", "account": "x:a", "kind": "mention", "published_at": 1_500_000_000_000}


def pairs(tmp_path: Path, *lines: str, accounts: list[str] | None = None) -> Replay:
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join((HEADER, *lines)))
    return open_replay(path, "pairs", accounts, NOW)


def jsonl(tmp_path: Path, *lines: bytes, accounts: list[str] | None = None) -> Replay:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b"\n".join(lines))
    return open_replay(path, "jsonl", accounts, NOW)


def test_a_pair_is_a_mention_and_its_reply(tmp_path: Path) -> None:
    mention, reply = pairs(tmp_path, "24,ann,2017-10-31 22:13:02+00:00,21,Acme,2017-10-31 22:14:37+00:00,95.0")
    assert mention == interaction(
        id="twitter:24",
        network="twitter",
        account="twitter:Acme",
        kind="mention",
        author_id="ann",
        contact_id="ann",
        published_at=1_509_487_982_000,
        received_at=1_509_487_982_000,
        source="pairs",
    )
    assert reply == {
        **mention,
        "id": "twitter:21",
        "kind": "reply",
        "author_id": "Acme",
        "parent_id": "twitter:24",
        "published_at": 1_509_488_077_000,
        "received_at": 1_509_488_077_000,
    }


def test_an_id_seen_before_is_the_same_message_of_that_account(tmp_path: Path) -> None:
    at = "2017-10-31 22:13:02"
    source = pairs(
        tmp_path, f"1,ann,{at},2,A,{at}", f"1,ann,{at},3,A,{at}", f"1,ann,{at},4,B,{at}", f"1,ann,{at},3,A,{at}"
    )
    assert (source.counts.records, source.counts.mentions, source.counts.replies) == (4, 2, 3)
    assert source.counts.skipped == 1


def test_a_reply_before_its_mention_is_kept(tmp_path: Path) -> None:
    reply, mention = pairs(tmp_path, "1,ann,2017-10-31 22:13:02,2,A,2017-10-31 22:13:01")
    assert (reply["kind"], mention["kind"]) == ("reply", "mention")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("line", "reason", "error"),
    [
        ("1,ann,2017-10-31", Reason.MALFORMED_RECORD, "columns are missing"),
        ("1,ann,then,2,A,2017-10-31,1", Reason.MALFORMED_RECORD, "created_at_customer"),
        ("1,ann,2017-10-31,2,A,,1", Reason.MALFORMED_RECORD, "created_at_reply"),
        ("1,ann,2017-10-31,,A,2017-10-31,1", Reason.EMPTY_ID, "reply_tweet_id"),
        ("1,ann,2017-10-31,2,A,2117-10-31,1", Reason.FUTURE_TIME, "after"),
        ("1,ann,2017-10-31,2,A,2017-10-31,1,2", Reason.MALFORMED_RECORD, "8 fields"),
    ],
)
def test_a_bad_pair_is_set_aside_whole(tmp_path: Path, line: str, reason: Reason, error: str) -> None:
    (rejected,) = pairs(tmp_path, line)
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.payload, rejected.place) == (reason, line.encode(), f"{tmp_path}/pairs.csv:2")
    assert error in rejected.error


def test_pairs_of_the_accounts_asked_for(tmp_path: Path) -> None:
    at = "2017-10-31 22:13:02"
    source = pairs(tmp_path, f"1,ann,{at},2,Acme,{at}", f"3,ann,{at},4,B,{at}", accounts=["twitter:acme"])
    assert {it["account"] for it in source} == {"twitter:Acme"}  # type: ignore[call-overload]
    assert source.counts.skipped == 1


def test_a_line_needs_four_fields_and_times_are_read_in_two_ways(tmp_path: Path) -> None:
    iso = {**EVENT, "published_at": "2017-07-14T02:40:00Z", "received_at": "2017-07-14T02:40:01Z", "sentiment": 1}
    first, second = jsonl(tmp_path, json.dumps(EVENT).encode(), b"", json.dumps(iso).encode())
    assert first == interaction(**EVENT, received_at=EVENT["published_at"])
    assert second == interaction(**EVENT | {"received_at": 1_500_000_001_000, "sentiment": 1.0})


def line(**fields: Any) -> bytes:  # noqa: ANN401
    return json.dumps({**EVENT, **fields}).encode()


@pytest.mark.parametrize(
    ("bad", "reason", "error"),
    [
        (b"{", Reason.MALFORMED_RECORD, "not JSON"),
        (b"[]", Reason.MALFORMED_RECORD, "must be an object, not list"),
        (b"nonsense", Reason.MALFORMED_RECORD, "not JSON"),
        (b'{"id": "x"}', Reason.MALFORMED_RECORD, "account is missing"),
        (b"[" * 100_000 + b"]" * 100_000, Reason.MALFORMED_RECORD, "nested"),
        (line(links=0)[:-2] + b"[" * 5_000 + b"]" * 5_000 + b"}", Reason.MALFORMED_RECORD, ""),
        (line(shoe_size=44), Reason.MALFORMED_RECORD, "'shoe_size' is no field"),
        (line(text=7), Reason.MALFORMED_RECORD, "text must be a string"),
        (line(text=None), Reason.MALFORMED_RECORD, "text must be a string"),
        (line(automated=1), Reason.MALFORMED_RECORD, "automated must be true or false"),
        (line(likes=1.5), Reason.MALFORMED_RECORD, "likes must be a whole number"),
        (line(likes=True), Reason.MALFORMED_RECORD, "likes must be a whole number"),
        (line(hashtags=["a", 1]), Reason.MALFORMED_RECORD, "hashtags must be an array of strings"),
        (line(published_at="soon"), Reason.MALFORMED_RECORD, "published_at 'soon' is not a time"),
        (line(published_at=1.5), Reason.MALFORMED_RECORD, "published_at must be a time"),
        (line(likes=0).replace(b": 0", b": " + b"9" * 5_000), Reason.MALFORMED_RECORD, "not JSON"),
        (line(likes=1 << 63), Reason.INVALID_NUMBER, "64 bits"),
        (line(sentiment=1e300), Reason.INVALID_NUMBER, "sentiment"),
        (line(sentiment=float("nan")), Reason.INVALID_NUMBER, "sentiment"),
        (line(sentiment=10**400), Reason.INVALID_NUMBER, "sentiment"),
        (line(published_at=NOW + 3_600_000), Reason.FUTURE_TIME, "after"),
        (line(published_at=-1), Reason.INVALID_NUMBER, "1970"),
        (line(id=""), Reason.EMPTY_ID, "id is empty"),
        (line(kind="shout"), Reason.UNKNOWN_KIND, "shout"),
        (line(text="\ud800"), Reason.INVALID_TEXT, "Unicode"),
        (line(text="x").replace(b'"x"', b'"\xff"'), Reason.INVALID_TEXT, "UTF-8"),
        (line(text="x" * 10_000_000), Reason.TOO_LARGE, "bytes of text"),
    ],
)
def test_a_bad_line_is_set_aside_naming_the_field(tmp_path: Path, bad: bytes, reason: Reason, error: str) -> None:
    rejected, kept = jsonl(tmp_path, line(), bad)
    assert isinstance(rejected, Rejected)
    assert not isinstance(kept, Rejected)
    assert (rejected.reason, rejected.place, rejected.payload) == (reason, f"{tmp_path}/some.jsonl:2", bad)
    assert error in rejected.error


FIELDS = tuple(field["name"] for field in newest("interaction").record["fields"])
TEXTS = ("x", "", "é😀", "\ud800", "mention", "2017-07-14T02:40:00Z", "soon", "x" * 64_001, "😀" * 64_001)
NUMBERS = (0, -1, 0.5, -0.0, 1.0, 1e3, 1_500_000_000_000, NOW + 1, 1 << 63, -(1 << 63), 10**400, float("nan"), 1e300)
values = st.one_of(
    st.sampled_from((*TEXTS, *NUMBERS, None, True, False)),
    st.text(st.characters(exclude_categories=()), max_size=9),
    st.lists(st.sampled_from(("a", "\udfff", 1, None)), max_size=3),
)


@settings(deadline=None, max_examples=500)
@given(
    st.dictionaries(st.sampled_from((*FIELDS, "shoe_size")), values, max_size=4), st.sampled_from(FIELDS), st.booleans()
)
def test_in_one_go_a_line_is_read_as_field_by_field(changes: dict[str, Any], less: str, ascii_only: bool) -> None:  # noqa: FBT001
    event = {**EVENT, **changes}
    for it in (event, {name: value for name, value in event.items() if name != less}):
        in_file = json.dumps(it, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        text = in_file.decode("utf-8", "surrogateescape")
        read = lines_of_json.parse(text, "some.jsonl:1", NOW)
        again = lines_of_json._explained(text, "some.jsonl:1", NOW)  # noqa: SLF001 - what must be the same
        assert read == again
        if not isinstance(read, Rejected) and not isinstance(again, Rejected):
            assert {name: type(value) for name, value in read.items()} == {
                name: type(value) for name, value in again.items()
            }


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    events = list(simulate(SimulatorOptions(seed=3, duration=86_400_000, start=1_500_000_000_000)))
    stream = io.StringIO()
    assert write_jsonl(stream, events) == len(events) > 500
    assert list(jsonl(tmp_path, stream.getvalue().encode())) == events


def test_lines_of_the_accounts_asked_for(tmp_path: Path) -> None:
    source = jsonl(tmp_path, line(), line(account="x:b"), line(account="y:A"), accounts=["a"])
    assert [it["account"] for it in source] == ["x:a", "y:A"]  # type: ignore[call-overload]
    assert [it["account"] for it in jsonl(tmp_path, line(), line(account="y:a"), accounts=["X:A"])] == ["x:a"]  # type: ignore[call-overload]
