"""The text of HTML as people read it, where it links to and whom it names. Pure.

``<aside>`` is left out: in forums it is a quotation, or the preview of a link, and somebody else's words.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

_BLOCKS: Final = frozenset(
    ("p", "div", "li", "ul", "ol", "blockquote", "pre", "table", "tr", "hr", "h1", "h2", "h3", "h4", "h5", "h6")
)
_LEFT_OUT: Final = frozenset(("aside", "script", "style"))
_LINES: Final = re.compile(r"[ \t]*\n\s*")


@dataclass(frozen=True)
class Link:
    """An ``<a>``."""

    text: str
    attributes: Mapping[str, str]

    @property
    def classes(self) -> list[str]:
        """Return the classes that it has."""
        return self.attributes.get("class", "").split()


@dataclass(frozen=True)
class Read:
    """What HTML says."""

    text: str
    links: list[Link]

    @property
    def addresses(self) -> list[str]:
        """Return where it links to, but for the people and hashtags that it names."""
        found = (it for it in self.links if "mention" not in it.classes)
        return [it.attributes["href"] for it in found if it.attributes.get("href")]


def read(html: str) -> Read:
    """Return what HTML says; whatever is wrong with it, as browsers do, it is read as far as it goes."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    return Read(_LINES.sub("\n", "".join(parser.parts)).strip(), parser.links)


@dataclass
class _Open:
    """An ``<a>`` that has not ended yet."""

    attributes: Mapping[str, str]
    parts: list[str] = field(default_factory=list)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.links: list[Link] = []
        self._open: _Open | None = None
        self._left_out = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in _LEFT_OUT:
            self._left_out += 1
        elif tag == "br" or tag in _BLOCKS:
            self._say("\n")
        elif tag == "a":
            self._open = _Open(attributes)
        elif tag == "img" and "emoji" in attributes.get("class", ""):
            self._say(attributes.get("alt", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in _LEFT_OUT:
            self._left_out = max(0, self._left_out - 1)
            self._say("\n")
        elif tag in _BLOCKS:
            self._say("\n")
        elif tag == "a" and self._open is not None:
            link, self._open = self._open, None
            if not self._left_out:
                self.links.append(Link("".join(link.parts), link.attributes))

    def handle_data(self, data: str) -> None:
        self._say(data)

    def _say(self, text: str) -> None:
        if self._left_out:
            return
        self.parts.append(text)
        if self._open is not None:
            self._open.parts.append(text)
