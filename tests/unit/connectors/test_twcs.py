"""Each rule of the format twcs, by files of a few lines."""

import csv
import io
from pathlib import Path

import pytest

from streams.connectors.base import Rejected
from streams.connectors.replay import Replay, open_replay
from streams.errors import InputError, Reason

HEADER = "tweet_id,author_id,inbound,created_at,text,response_tweet_id,in_response_to_tweet_id"
NOW = 1_600_000_000_000


def row(tweet: object, author: str, text: str, parent: object = "", minute: int = 0) -> str:
    """Return a line; authors in capitals are brands."""
    out = io.StringIO()
    time = f"Tue Oct 31 22:{minute:02}:47 +0000 2017"
    csv.writer(out, lineterminator="").writerow([tweet, author, not author.isupper(), time, text, "", parent])
    return out.getvalue()


def replay(tmp_path: Path, *lines: str | bytes, accounts: list[str] | None = None, now: int = NOW) -> Replay:
    path = tmp_path / "tweets.csv"
    path.write_bytes(
        b"\n".join(line if isinstance(line, bytes) else line.encode() for line in (HEADER, *lines)) + b"\n"
    )
    return open_replay(path, "twcs", accounts, now)


def told(source: Replay) -> list[tuple[str, str, str, str]]:
    """Return (id, kind, account, contact) of the events, without their networks."""
    return [
        (it["id"][8:], it["kind"], it["account"][8:], it["contact_id"]) for it in source if not isinstance(it, Rejected)
    ]


def test_every_field(tmp_path: Path) -> None:
    source = replay(
        tmp_path,
        row(1, "ann", "@brand help #slow #Train see https://t.co/x", minute=1),
        row("2.0", "BRAND", "@ann sorry", "1.0", minute=2),
    )
    mention, reply = source
    assert mention == {
        **{
            field: mention[field]
            for field in ("author_name", "lang", "sentiment", "template", "url", "automated", "revision")
        },
        **dict.fromkeys(("author_followers", "likes", "shares", "comments", "impressions"), -1),
        "id": "twitter:1",
        "network": "twitter",
        "account": "twitter:BRAND",
        "kind": "mention",
        "author_id": "ann",
        "contact_id": "ann",
        "conversation_id": "twitter:1",
        "parent_id": "",
        "published_at": 1_509_487_307_000,
        "received_at": 1_509_487_307_000,
        "text": "@brand help #slow #Train see https://t.co/x",
        "hashtags": ["slow", "Train"],
        "links": ["https://t.co/x"],
        "source": "twcs",
    }
    assert (reply["id"], reply["parent_id"], reply["conversation_id"]) == ("twitter:2", "twitter:1", "twitter:1")
    assert (reply["author_id"], reply["contact_id"], reply["account"]) == ("BRAND", "ann", "twitter:BRAND")
    assert (source.counts.records, source.counts.mentions, source.counts.replies) == (2, 1, 1)


def test_a_mention_by_parent_by_name_or_by_the_answer(tmp_path: Path) -> None:
    source = replay(
        tmp_path,
        row(1, "BRAND", "news"),
        row(2, "ann", "nice", 1),
        row(3, "bob", "hey @bRaNd!"),
        row(4, "cat", "no name here"),
        row(5, "BRAND", "@cat we saw that", 4),
        row(6, "dan", "@somebody else"),
    )
    assert told(source) == [
        ("1", "broadcast", "BRAND", ""),
        ("2", "mention", "BRAND", "ann"),
        ("3", "mention", "BRAND", "bob"),
        ("4", "mention", "BRAND", "cat"),
        ("5", "reply", "BRAND", "cat"),
    ]
    assert source.counts.unattributed == 1


def test_one_post_is_a_mention_of_several_accounts(tmp_path: Path) -> None:
    source = replay(tmp_path, row(1, "ann", "@B @a hello @b"), row(2, "A", "x"), row(3, "B", "y"))
    assert told(source)[:2] == [("1", "mention", "B", "ann"), ("1", "mention", "A", "ann")]


def test_a_continuation_belongs_where_its_own_authors_tweet_does(tmp_path: Path) -> None:
    source = replay(
        tmp_path,
        row(9, "BRAND", "x"),
        row(3, "ann", "3/3", 2),
        row(2, "ann", "2/3", 1),
        row(1, "ann", "@brand 1/3"),
        row(4, "bob", "same here", 1),
    )
    assert [it for it in told(source) if it[1] == "mention"] == [
        ("3", "mention", "BRAND", "ann"),
        ("2", "mention", "BRAND", "ann"),
        ("1", "mention", "BRAND", "ann"),
    ]
    assert source.counts.unattributed == 1, "another author's answer is not a continuation"


def test_replies_and_broadcasts(tmp_path: Path) -> None:
    source = replay(
        tmp_path,
        row(1, "ann", "@a help"),
        row(2, "A", "1/2", 1),
        row(3, "A", "2/2", 2),
        row(4, "A", "news"),
        row(5, "A", "more news", 4),
        row(6, "A", "@777 Dear @bob", 1000),
        row(7, "A", "no name", 1001),
        row(8, "A", "part two of what is not here", 7),
        row(9, "B", "thanks, A", 4),
        row(10, "B", "and again", 9),
        row(11, "B", "@ann from us as well", 1),
        row(12, "A", "what B says", 11),
        row(13, "A", "and more of it", 12),
    )
    assert told(source)[2:] == [
        ("2", "reply", "A", "ann"),
        ("3", "reply", "A", "ann"),
        ("4", "broadcast", "A", ""),
        ("5", "broadcast", "A", ""),
        ("6", "reply", "A", "777"),
        ("7", "reply", "A", ""),
        ("8", "broadcast", "A", ""),
        ("9", "broadcast", "B", ""),
        ("10", "broadcast", "B", ""),
        ("11", "reply", "B", "ann"),
        ("12", "broadcast", "A", ""),
        ("13", "broadcast", "A", ""),
    ]
    roots = {it["id"][8:]: it["conversation_id"][8:] for it in source if not isinstance(it, Rejected)}
    assert (roots["3"], roots["5"], roots["6"], roots["8"], roots["10"]) == ("1", "4", "1000", "1001", "4")


def test_threads_of_thirty_thousand_tweets_and_one_in_a_circle(tmp_path: Path) -> None:
    contact = [row(n, "ann", "on", n - 1) for n in range(30_000, 1, -1)]
    brand = [row(n, "A", "on", n - 1) for n in range(60_000, 30_000, -1)]
    source = replay(tmp_path, *contact, *brand, row(1, "ann", "@a"), row("x", "A", "1", "y"), row("y", "A", "2", "x"))
    assert (source.counts.mentions, source.counts.replies, source.counts.broadcasts) == (30_000, 30_000, 2)
    assert {it["conversation_id"] for it in source} == {"twitter:1", "twitter:x"}  # type: ignore[call-overload]


def test_time_order_then_file_order(tmp_path: Path) -> None:
    source = replay(tmp_path, row(1, "A", "x", minute=5), row(3, "A", "y", minute=1), row(2, "A", "z", minute=1))
    assert [it[0] for it in told(source)] == ["3", "2", "1"]


def test_only_the_accounts_asked_for(tmp_path: Path) -> None:
    lines = (
        row(1, "ann", "@acme @quiet help"),
        row(2, "ACME", "yes", 1),
        row(3, "OTHER", "hi"),
        row(4, "bob", "@other"),
    )
    source = replay(tmp_path, *lines, accounts=["twitter:acme", "Quiet"])
    assert told(source) == [
        ("1", "mention", "ACME", "ann"),
        ("1", "mention", "Quiet", "ann"),
        ("2", "reply", "ACME", "ann"),
    ]
    assert (source.counts.skipped, source.counts.unattributed) == (1, 1)


def test_an_id_seen_before_is_the_same_message(tmp_path: Path) -> None:
    source = replay(tmp_path, row(1, "A", "x"), row(1, "A", "x"))
    assert (len(told(source)), source.counts.skipped) == (1, 1)


@pytest.mark.parametrize(
    ("line", "reason", "error"),
    [
        ("1,ann", Reason.MALFORMED_RECORD, "inbound"),
        ("text,2,", Reason.MALFORMED_RECORD, "inbound"),
        ("1,ann,True", Reason.MALFORMED_RECORD, "created_at"),
        (",ann,True,2017-10-31", Reason.MALFORMED_RECORD, "columns are missing"),
        ("1,ann,maybe,2017-10-31,,,", Reason.MALFORMED_RECORD, "inbound"),
        ("1,ann,True,yesterday,,,", Reason.MALFORMED_RECORD, "created_at"),
        ("1,ann,True,Tue Oct 99 22:10:47 +0000 2017,,,", Reason.MALFORMED_RECORD, "created_at"),
        ("1,ann,True,99999-01-01,,,", Reason.MALFORMED_RECORD, "created_at"),
        ("1,ann,True,2017-10-31,a, b,,,", Reason.MALFORMED_RECORD, "9 fields"),
        (",ann,True,2017-10-31,,,", Reason.EMPTY_ID, "tweet_id"),
        ("1,,True,2017-10-31,,,", Reason.EMPTY_ID, "author_id"),
        ("1,ann,True,2020-09-14,,,", Reason.FUTURE_TIME, "after"),
        ("1,ann,True,1969-01-01,,,", Reason.INVALID_NUMBER, "1970"),
        (b"1,ann,True,2017-10-31,caf\xe9,,", Reason.INVALID_TEXT, "Unicode"),
        (b"1,ann\xff,True,2017-10-31,,,", Reason.INVALID_TEXT, "Unicode"),
        (b"1,ann,True,2017-10-31,\xed\xa0\x80,,", Reason.INVALID_TEXT, "Unicode"),
        (b'1,ann,True,2017-10-31,"' + b"x" * 10_000_000 + b'",,', Reason.TOO_LARGE, "10000"),
        (b'1,ann,True,2017-10-31,"' + b"x" * 17_000_000 + b'",,', Reason.MALFORMED_RECORD, "field larger"),
    ],
)
def test_bad_input_is_set_aside_with_its_bytes_and_place(
    tmp_path: Path, line: str | bytes, reason: Reason, error: str
) -> None:
    source = replay(tmp_path, row(7, "A", "x"), line, row(8, "A", "y"))
    rejected = [it for it in source if isinstance(it, Rejected)]
    raw = line.encode() if isinstance(line, str) else line
    assert rejected == [Rejected(reason, rejected[0].error, f"{tmp_path}/tweets.csv:3", raw)]
    assert error in rejected[0].error
    assert [it for it in told(source) if it[0] in "78"] == [("7", "broadcast", "A", ""), ("8", "broadcast", "A", "")]
    assert source.counts.rejected == {reason: 1}


def test_nul_bytes_and_quotes_do_no_harm(tmp_path: Path) -> None:
    source = replay(tmp_path, b"1,A,False,2017-10-31,nul \x00 here,,", b'2,A,False,2017-10-31,5" screen,,')
    assert [it["text"] for it in source] == ["nul \x00 here", '5" screen']  # type: ignore[call-overload]


def test_a_text_with_line_ends_that_are_not_quoted(tmp_path: Path) -> None:
    source = replay(tmp_path, "1,ann,True,2017-10-31 00:00:00,@a hello ", "", "and the rest,3,", row(2, "A", "x"))
    assert [it[0] for it in told(source)] == ["1", "2"]
    rejected = next(it for it in source if isinstance(it, Rejected))
    assert (rejected.payload, rejected.place) == (b"and the rest,3,", f"{tmp_path}/tweets.csv:4")
    assert source.counts.records == 3


def test_a_quote_that_is_never_closed_hides_nothing(tmp_path: Path) -> None:
    source = replay(tmp_path, row(1, "A", "x"), '2,A,False,2017-10-31,"oh,,', row(3, "A", "y"))
    rejected = next(it for it in source if isinstance(it, Rejected))
    assert rejected.reason == Reason.MALFORMED_RECORD
    assert rejected.payload.startswith(b'2,A,False,2017-10-31,"oh')
    assert row(3, "A", "y").encode() in rejected.payload


def test_a_file_without_the_columns_names_them(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text("tweet_id,author_id,created_at,text\n")
    with pytest.raises(InputError, match="no column inbound, in_response_to_tweet_id"):
        open_replay(path, "twcs")
