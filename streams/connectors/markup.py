"""The text in HTML as networks give it, and where it links to. Pure."""

import re
from html import unescape
from typing import Final

_BREAKS: Final = re.compile(r"<br\s*/?>|</p>\s*<p[^>]*>")
_TAGS: Final = re.compile(r"<[^>]*>")
_LINKS: Final = re.compile(r"<a\s[^>]*>")
_ATTRIBUTE: Final = re.compile(r'([\w-]+)="([^"]*)"')


def plain(content: str) -> str:
    """Return the text of a post: its HTML has paragraphs, line breaks and links."""
    return unescape(_TAGS.sub("", _BREAKS.sub("\n", content)))


def links(content: str) -> list[str]:
    """Return where it links to, but for the people and hashtags that it names."""
    found = (dict(_ATTRIBUTE.findall(link)) for link in _LINKS.findall(content))
    return [unescape(it["href"]) for it in found if it.get("href") and "mention" not in it.get("class", "")]
