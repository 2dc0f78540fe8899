"""What language a post is in, how it is meant and which replies say the same, where its source does not say.

A model is a function, so that another can take its place: ``RAPPORT_LANGUAGE`` and ``RAPPORT_SENTIMENT`` name ours, ``off``, or
``module:function`` of somebody else's. What a source does say is left as it is. The same text always gives the same answer.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, Final

from schemas.codec import Record
from streams.connectors.base import Item, Rejected, Source
from streams.connectors.templates import template_number
from streams.errors import SettingsError

LanguageModel = Callable[[str], str]
"""Text in, its language out, as ISO 639 has it (``en``; ``zxx``: nothing that is a language)."""
SentimentModel = Callable[[str, str], float]
"""Text and language in, how it is meant out: -1 as bad as can be, 1 as good; 0 neither, or not known."""
OFF: Final = "off"
POSTS: Final = frozenset(("mention", "reply", "broadcast", "peer"))
_ADDRESSES: Final = re.compile(r"https?://\S+|[@#]\w+")


class Understood:
    """A source whose posts have their language and sentiment."""

    def __init__(self, source: Source, language: LanguageModel | None, sentiment: SentimentModel | None) -> None:
        """None: that is left as the source says."""
        self.name = source.name
        self.counts = source.counts
        self._source = source
        self._language = language
        self._sentiment = sentiment

    def __iter__(self) -> Iterator[Item]:
        for item in self._source:
            yield item if isinstance(item, Rejected) else understood(item, self._language, self._sentiment)


def understood(event: Record, language: LanguageModel | None, sentiment: SentimentModel | None) -> Record:
    """Return an event with its language and sentiment, where it is a post and its source does not say; None: left as it is.

    A reply that a person wrote gets the number of its template as well.
    """
    if event["kind"] not in POSTS or not event["text"]:
        return event
    lang, meant = event["lang"], event["sentiment"]
    if not lang and language is not None:
        lang = language(event["text"])
    if not meant and sentiment is not None:
        meant = sentiment(event["text"], lang)
    template = event["template"]
    if not template and event["kind"] == "reply" and not event["automated"]:
        template = template_number(event["text"])
    return {**event, "lang": lang, "sentiment": meant, "template": template}


def understanding(language: str, sentiment: str) -> Callable[[Record], Record]:
    """Return :func:`understood` with the models of these names, loaded already. Raises :class:`SettingsError`."""
    return partial(understood, language=language_model(language), sentiment=sentiment_model(sentiment))


def language_model(name: str) -> LanguageModel | None:
    """Return the model of a name; None if it is off. Raises :class:`SettingsError`."""
    if name == OFF:
        return None
    return _py3langid() if name == "py3langid" else _named(name, "RAPPORT_LANGUAGE")


def sentiment_model(name: str) -> SentimentModel | None:
    """Return the model of a name; None if it is off. Raises :class:`SettingsError`."""
    if name == OFF:
        return None
    return _vader() if name == "vader" else _named(name, "RAPPORT_SENTIMENT")


def _py3langid() -> LanguageModel:
    """Lui and Baldwin's langid (ACL 2012), without names, hashtags and links, which are in no language."""
    from py3langid import classify  # noqa: PLC0415 - half a second, for those who use it

    def language(text: str) -> str:
        bare = _ADDRESSES.sub(" ", text)
        return str(classify(bare)[0])

    return language


def _vader() -> SentimentModel:
    """VADER's compound score (Hutto and Gilbert, ICWSM 2014), made for English on social media: other languages have none."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415 - for those who use it

    score = SentimentIntensityAnalyzer().polarity_scores

    def sentiment(text: str, lang: str) -> float:
        return float(score(text)["compound"]) if lang == "en" else 0.0

    return sentiment


def _named(name: str, setting: str) -> Any:  # noqa: ANN401 - somebody else's
    module, _, function = name.partition(":")
    try:
        model = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"{setting}={name} is no model ({error})", "give module:function, or off") from None
    return model
