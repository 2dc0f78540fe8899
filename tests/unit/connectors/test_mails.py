"""Mails as clients write them, and what is none: who wrote to whom, what it answers, and its own words."""

from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors.live import Post
from streams.connectors.mails import LONGEST_TEXT, post_of, unquoted
from streams.connectors.values import MALFORMED

ACCOUNTS = ("support@acme.example", "help@acme.example")
AT = 1_790_000_000_000


def mail(text: str = "Where is it?", **headers: str) -> bytes:
    given = {"From": "Ann <Ann@people.example>", "To": "support@acme.example", "Message_ID": "<1@people.example>"}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in (given | headers).items() if value]
    return "\r\n".join([*lines, "", text]).encode()


def read(raw: bytes, is_own: bool = False, lists: tuple[str, ...] = ()) -> Post:  # noqa: FBT001, FBT002 - for tests
    post = post_of(raw, AT, ACCOUNTS, is_own=is_own, lists=frozenset(lists))
    assert post is not None
    return post


def test_who_wrote_to_whom() -> None:
    post = read(mail(Subject="=?utf-8?q?Paket_f=C3=BCr_mich?=", Cc="Help <HELP@acme.example>, ben@people.example"))
    assert (post.id, post.key) == ("email:1@people.example", "1@people.example")
    assert (post.author_id, post.fields["author_name"]) == ("ann@people.example", "Ann")
    assert post.addressed == ACCOUNTS
    assert post.text == "Paket für mich\n\nWhere is it?"
    assert (post.published_at, post.parent_id, post.conversation_id) == (AT, "", "")
    assert read(mail(To="undisclosed-recipients:;")).addressed == ACCOUNTS[:1], "by a blind copy"


def test_what_it_answers_and_to_whom() -> None:
    answer = mail(
        From="Zoe <zoe@acme.example>",
        To="help@acme.example, Ann <ann@people.example>",
        Subject="Re: Parcel",
        Message_ID="<3@acme.example>",
        In_Reply_To="<2@people.example>",
        References="<1@people.example>\r\n <2@people.example>",
    )
    post = read(answer, is_own=True)
    assert post.author_id == ACCOUNTS[0], "whatever stands there: it was sent from this mailbox"
    assert (post.parent_key, post.parent_id) == ("2@people.example", "email:2@people.example")
    assert (post.conversation_id, post.parent_author_id) == ("email:1@people.example", "ann@people.example")
    assert post.text == "Where is it?"
    assert read(mail(References="<1@a.example> <2@a.example>")).parent_key == "2@a.example"


@pytest.mark.parametrize(
    ("headers", "lists"),
    [
        ({"Auto_Submitted": "auto-replied"}, ()),
        ({"Auto_Submitted": "auto-generated; owner-email=x"}, ()),
        ({"Precedence": "bulk"}, ()),
        ({"Return_Path": "<>"}, ()),
        ({"List_Unsubscribe": "<https://a.example/u>"}, ()),
        ({"List_Id": "News <news.else.example>"}, ("support.acme.example",)),
    ],
)
def test_nobody_waits_for_an_answer_to_a_machine(headers: dict[str, str], lists: tuple[str, ...]) -> None:
    raw = mail(**headers)
    assert post_of(raw, AT, ACCOUNTS, is_own=False, lists=frozenset(lists)) is None
    assert read(raw, is_own=True).fields["automated"] is True


def test_people_are_no_machines() -> None:
    assert read(mail(Auto_Submitted="no", Precedence="list")).fields["automated"] is False
    ours = {"List_Id": "Support <Support.acme.example>", "List_Unsubscribe": "<mailto:a@b>"}
    assert read(mail(**ours), lists=("support.acme.example",)).fields["automated"] is False


def test_plain_text_before_html_and_no_attachment() -> None:
    both = EmailMessage()
    both["From"] = "ann@people.example"
    both.set_content("in plain text: ümlaut", charset="iso-8859-1")
    both.add_alternative("<p>in <b>HTML</b></p>", subtype="html")
    both.add_attachment("attached", filename="a.txt")
    assert read(both.as_bytes()).text == "in plain text: ümlaut"
    html = EmailMessage()
    html["From"] = "ann@people.example"
    html.set_content(
        "<html><head><style>p {}</style></head><body><p>Caf&eacute; &lt;b&gt;<br>closed?</p>"
        "<blockquote>you wrote <blockquote>x</blockquote> this</blockquote><div>Ann</div></body></html>",
        subtype="html",
    )
    assert read(html.as_bytes()).text == "Café <b>\nclosed?\nAnn"


@pytest.mark.parametrize(
    "quoting",
    [
        "\nOn Tue, 3 Mar 2026 at 10:00, Acme <a@acme.example> wrote:\n> hello\n> there",
        "\nOn Tue, 3 Mar 2026 at 10:00, Acme Customer Support\n<a@acme.example> wrote:\n\n> hello",
        "\nAm 03.03.2026 um 10:00 schrieb Acme:\n> hallo",
        "\nLe mar. 3 mars 2026 à 10:00, Acme a écrit :\n> bonjour",
        "\n-----Original Message-----\nFrom: Acme\nSent: today\n\nhello",
        "\n________________________________\nFrom: Acme\n\nhello",
        "\n-- \nAnn Lee\nThe Company",
    ],
)
def test_what_it_quotes_is_not_its_own(quoting: str) -> None:
    assert (
        unquoted(f"Thank you.\nIt came on Tuesday.{quoting}".replace("\n", "\r\n")) == "Thank you.\nIt came on Tuesday."
    )


def test_answers_between_the_lines_stay() -> None:
    text = "On Monday, Acme wrote:\n> Which one?\nThe red one.\n> And when?\nOn Friday I wrote: tomorrow"
    assert unquoted(text) == "The red one.\nOn Friday I wrote: tomorrow"


def test_a_mail_without_an_id_has_one_of_its_own() -> None:
    one, same, other = (read(mail(text, Message_ID="")).id for text in ("a", "a", "b"))
    assert one == same != other
    assert len(read(mail("x" * 3 * LONGEST_TEXT)).text) == LONGEST_TEXT


@pytest.mark.parametrize("raw", [b"", b"hello", mail(From=""), mail(From="nobody"), b"\x00\xff" * 50])
def test_what_is_no_mail_says_so(raw: bytes) -> None:
    with pytest.raises(MALFORMED):
        read(raw)


FRAGMENTS = st.sampled_from(
    [b"From: a@b.example\r\n", b"Content-Type: multipart/mixed; boundary=x\r\n", b"--x\r\n", b"--x--\r\n", b"\r\n",
     b"Content-Type: text/html; charset=nonsense\r\n", b"Content-Transfer-Encoding: base64\r\n", b"Subject: =?x?b?a\r\n",
     b"Content-Type: message/rfc822\r\n", b"<blockquote><p>&#x110000;</p>", b"References: <a@b> <\r\n", b"=?\xff", b"> ",
     b"From: =?utf-8?b?//8=?= <a@b.example>\r\n", b"Message-ID: <\xc3\xa9@b>\r\n", b"T2s=", b'Content-Disposition: x;"\r\n']
)  # fmt: skip


@given(st.lists(FRAGMENTS | st.binary(max_size=20), max_size=12))
def test_whatever_comes_it_is_a_mail_or_is_said_to_be_none(parts: list[bytes]) -> None:
    try:
        post: Any = post_of(b"".join(parts), AT, ACCOUNTS, is_own=False, lists=frozenset())
    except MALFORMED:
        return
    assert post is None or post.id.startswith("email:")
