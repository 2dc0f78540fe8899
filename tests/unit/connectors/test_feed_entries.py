"""Feeds as blogs write them, and as they should not."""

import json

import pytest

from streams.connectors.feed_entries import Document, parse
from streams.connectors.feed_posts import Blog, post_of
from streams.connectors.feed_settings import FeedSettings, FeedTable
from streams.connectors.live import Known

AT = "https://blog.example/feed/"
ATOM = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:thr="http://purl.org/syndication/thread/1.0">
<title>Comments</title><link rel="self" href="https://blog.example/feed/"/><link rel="hub" href="https://hub.example/"/>
<link rel="next" href="/feed/?paged=2"/>
<entry><id>tag:blog.example,2026:1</id><title>Comment on a post by Ann</title><link href="https://blog.example/p/#c1"/>
<author><name>Ann</name><uri>https://ann.example/</uri></author><published>2026-03-02T11:00:00+01:00</published>
<updated>2026-03-02T12:00:00Z</updated><category term="late"/>
<content type="html">&lt;p&gt;1 &amp;lt; 2&lt;/p&gt;&lt;p&gt;see &lt;a href="/x"&gt;this&lt;/a&gt;&lt;/p&gt;</content>
<thr:in-reply-to ref="tag:blog.example,2026:post" href="https://blog.example/p/"/></entry>
</feed>"""
RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>%s</channel></rss>"""


def rss(*items: str) -> Document:
    return parse((RSS % "".join(f"<item>{it}</item>" for it in items)).encode(), AT)


def test_an_entry_of_atom_with_its_thread() -> None:
    document = parse(ATOM.encode(), AT)
    assert (document.itself, document.hub, document.older) == (
        AT,
        "https://hub.example/",
        "https://blog.example/feed/?paged=2",
    )
    (entry,) = document.entries
    assert entry._replace(payload=b"") == entry.__class__(
        key="tag:blog.example,2026:1",
        title="Comment on a post by Ann",
        text="1 < 2\nsee this",
        author="Ann",
        author_uri="https://ann.example/",
        published_at=1_772_445_600_000,
        link="https://blog.example/p/#c1",
        answers="tag:blog.example,2026:post",
        answers_page=True,
        comments="",
        comment_count=-1,
        hashtags=["late"],
        links=["https://blog.example/x"],
        payload=b"",
    )


def test_the_header_link_is_heard_first() -> None:
    document = parse(ATOM.encode(), AT, linked={"hub": "https://other.example/"})
    assert (document.itself, document.hub) == (AT, "https://other.example/")


def test_what_rss_leaves_out() -> None:
    document = rss(
        "<title>a &amp; b</title><guid isPermaLink='false'>7</guid><pubDate>yesterday</pubDate>",
        "<description>x</description>",
    )
    first, nameless = document.entries
    assert (first.title, first.published_at, first.text) == ("a & b", None, "")
    assert nameless.key == ""
    assert json.loads(nameless.payload)["summary"] == "x"


@pytest.mark.parametrize("half", ["&#xD83D;", "&#xd83d;", "&#55357;"])
def test_half_a_character_costs_its_own_item_alone(half: str) -> None:
    bad, good = rss(
        f"<guid>1</guid><description>a {half}</description>", "<guid>2</guid><description>b</description>"
    ).entries
    assert (bad.text, good.text) == ("a \ud800", "b")
    assert rss("<guid>1</guid><description>&#x1F600; &#65;</description>").entries[0].text == "\U0001f600 A"


@pytest.mark.parametrize("body", [b"", b"<html><p>We are back soon", b'{"a": 1}', b"\x00\xff" * 9, b"<rss"])
def test_what_is_no_feed(body: bytes) -> None:
    with pytest.raises(ValueError, match="feed"):
        parse(body, AT)


def test_a_feed_opens_no_file_and_does_not_grow() -> None:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha"}">' for n in range(12))
    head = f'<!DOCTYPE rss [<!ENTITY file SYSTEM "file:///etc/passwd">{entities}]>'
    item = "<item><guid>1</guid><title>%s</title></item>"
    for name in ("file", "a11"):
        body = (RSS % (item % f"&{name};")).replace("<rss", head + "<rss").encode()
        try:
            document = parse(body, AT)
        except ValueError:
            continue
        assert all(len(it.title) < 1000 and "root:" not in it.title for it in document.entries)


# -- who answers whom -----------------------------------------------------------------------------------------------------

SETTINGS = FeedSettings(
    type="feed",
    accounts=("blog:acme",),
    feeds=(FeedTable(address=AT, holds="comments"),),
    authors={"Acme Team": "blog:acme"},
)


def comments(*said: tuple[str, str]) -> Document:
    """Comments by name and what they answer; of no thread where that is "-"."""
    entries = [
        f"<entry><id>urn:{number}</id><author><name>{name}</name></author><link href='https://blog.example/p/#c{number}'/>"
        f"<published>2026-03-02T10:00:0{number}Z</published><content>c{number}</content>"
        + ("" if answers == "-" else f"<thr:in-reply-to ref='urn:{answers}'/>")
        + "</entry>"
        for number, (name, answers) in enumerate(said)
    ]
    head = '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:thr="http://purl.org/syndication/thread/1.0">'
    return parse(f"{head}{''.join(entries)}</feed>".encode(), AT)


def placed(
    document: Document, known: dict[str, Known] | None = None
) -> list[tuple[str, tuple[str, ...], str, str, str]]:
    blog = Blog(SETTINGS, (known or {}).get, document.entries)
    posts = [post_of(blog, SETTINGS.feeds[0], it, 1, 0) for it in reversed(document.entries)]
    return [(it.author_id, it.addressed, it.parent_id, it.parent_author_id, it.conversation_id) for it in posts]


def test_a_thread_of_comments() -> None:
    found = placed(
        comments(("Ann", "post"), ("Acme Team", "0"), ("Ben", "1")),
        {"post urn:post": Known("blog:urn:post", ("blog:acme",), "acme", "", "", 0, 0)},
    )
    assert found == [
        ("name:Ann", ("acme",), "blog:urn:post", "acme", "blog:urn:0"),
        ("acme", (), "blog:urn:0", "name:Ann", "blog:urn:0"),
        ("name:Ben", (), "blog:urn:1", "acme", "blog:urn:0"),
    ]


def test_without_threads_an_author_of_the_blog_answers_whoever_spoke_last() -> None:
    found = placed(comments(("Ann", "-"), ("Ben", "-"), ("Acme Team", "-"), ("Acme Team", "-")))
    assert [it[3] for it in found] == ["", "", "name:Ben", "name:Ben"]
    assert found[0][1] == ("acme",)
    assert found[3][4] == "blog:urn:1"


def test_nobody_becomes_the_account_by_calling_themselves_so() -> None:
    ((author, *_),) = placed(comments(("acme", "post")))
    assert author == "name:acme"


def test_comments_that_answer_each_other_have_an_end() -> None:
    assert len(placed(comments(("Ann", "1"), ("Ben", "0")))) == 2
