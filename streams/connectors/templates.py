"""Which replies say the same: what is left of a text when all is taken out that differs from one recipient to the next.

The view ``written_replies`` says the same in SQL; tests compare the two.
"""

import re
from hashlib import blake2b
from typing import Final

_WORD: Final = re.compile(r"\S+", re.ASCII)
_LINK: Final = re.compile(r"https?://\S", re.ASCII)
_SIGNATURE: Final = re.compile(r"(?:\^|[-\u2013~/] ?)([^\W\d_]{2,15})\Z")
_OF_ONE_RECIPIENT: Final = re.compile(r"https?://\S+|@\w+|[0-9]+", re.ASCII)
_GREETING: Final = re.compile(r"\s*(?:hi|hello|hey|dear)\s+", re.ASCII)


def template_number(text: str) -> int:
    """Return a number of 48 bits for the template of a reply, the same for all that say the same; 0: nothing is left of it."""
    template = template_of(text)
    return int.from_bytes(blake2b(template.encode(), digest_size=6).digest()) if template else 0


def template_of(text: str) -> str:
    """Return a reply in small letters, without addressees, links, numbers, the name in a greeting and the signature."""
    text = _unlinked(text)
    signed = _SIGNATURE.search(text)
    if signed is not None and signed[1].isalpha() and signed[1][0].isupper():
        text = text[: signed.start()]
    text = _OF_ONE_RECIPIENT.sub(" ", text.lower())
    letters = "".join(letter if letter.isalpha() else " " for letter in text)
    greeting = _GREETING.match(text)
    if greeting is not None and letters[greeting.end() :][:1].strip():
        letters = letters[greeting.end() :].partition(" ")[2]
    return " ".join(letters.split())


def _unlinked(text: str) -> str:
    """Return a text without the links at its end."""
    for word in reversed([*_WORD.finditer(text)]):
        link = _LINK.search(word[0])
        end = len(word[0]) if link is None else link.start()
        if end:
            return text[: word.start() + end]
    return ""
