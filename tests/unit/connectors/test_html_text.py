"""HTML as forums make it, read as people do."""

import pytest

from streams.connectors.html_text import read


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("plain &amp; simple", "plain & simple"),
        ("<p>one</p>\n<p>two<br>three</p>", "one\ntwo\nthree"),
        ("<ul>\n<li>a</li>\n<li>b</li>\n</ul>", "a\nb"),
        ("<pre><code>x &lt; y\n</code></pre><p>so</p>", "x < y\nso"),
        ('<aside class="quote"><div>ann:</div><blockquote><p>hers</p></blockquote></aside><p>mine</p>', "mine"),
        ("<aside><aside>a</aside>b</aside>c", "c"),
        ('good <img src="/smile.png" title=":smile:" class="emoji" alt=":smile:">', "good :smile:"),
        ('<img src="a.png" alt="a picture">', ""),
        ("<p>not closed <b>at all", "not closed at all"),
        ("</p></a></aside>stray ends", "stray ends"),
        ("a < b and c > d", "a < b and c > d"),
        ("<script>alert(1)</script>said", "said"),
    ],
)
def test_the_text(html: str, text: str) -> None:
    assert read(html).text == text


def test_links_have_their_text_and_attributes() -> None:
    html = (
        '<p><a class="mention" href="/u/ann">@ann</a> see <a href="https://x.example/?a=1&amp;b=2">the <b>page</b></a>'
        ' <a>bare</a></p><aside><a class="mention" href="/u/ben">@ben</a></aside>'
    )
    links = read(html).links
    assert [(it.text, it.attributes.get("href")) for it in links] == [
        ("@ann", "/u/ann"),
        ("the page", "https://x.example/?a=1&b=2"),
        ("bare", None),
    ]
    assert links[0].classes == ["mention"]
