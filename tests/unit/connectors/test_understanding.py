"""What language posts are in and how they are meant."""

from collections.abc import Iterable

import pytest

from streams.connectors.base import Counts, Item, Rejected
from streams.connectors.understanding import Understood, language_model, sentiment_model
from streams.errors import Reason, SettingsError
from streams.interactions import interaction


class Posts:
    """A source of given items."""

    name = "posts"

    def __init__(self, items: Iterable[Item]) -> None:
        self.counts = Counts()
        self._items = items

    def __iter__(self):  # noqa: ANN204 - of items
        return iter(self._items)


def post(text: str, kind: str = "mention", **fields: object) -> Item:
    return interaction(id="n:1", account="n:a", kind=kind, published_at=1, received_at=1, text=text, **fields)


def understood(*items: Item) -> list[Item]:
    return list(Understood(Posts(items), language_model("py3langid"), sentiment_model("vader")))


@pytest.mark.parametrize(
    ("text", "lang", "sign"),
    [
        ("@AcmeHelp I love this, thank you so much! Great service", "en", 1),
        ("@AcmeHelp this is terrible, my order is broken and nobody answers. Awful!", "en", -1),
        ("@AcmeHelp wo bleibt denn meine Bestellung? Das ist wirklich sehr schlecht", "de", 0),
        ("@AcmeHelp ¿dónde está mi pedido? Llevo tres semanas esperando una respuesta", "es", 0),
        ("@AcmeHelp 注文した商品がまだ届きません", "ja", 0),
    ],
)
def test_language_and_sentiment(text: str, lang: str, sign: int) -> None:
    (found,) = understood(post(text))
    assert isinstance(found, dict)
    assert found["lang"] == lang
    assert (found["sentiment"] > 0.05) - (found["sentiment"] < -0.05) == sign
    assert -1 <= found["sentiment"] <= 1


def test_what_the_source_says_stands() -> None:
    (found,) = understood(post("I love this, thank you so much!", lang="fr", sentiment=-0.5))
    assert isinstance(found, dict)
    assert (found["lang"], found["sentiment"]) == ("fr", -0.5)


def test_what_is_no_text_of_a_post_is_left_alone() -> None:
    items = [post(""), post("gone", kind="withdrawal"), Rejected(Reason.UNDECODABLE, "", "f:1", b"I love it")]
    assert understood(*items) == items


def test_it_can_be_off() -> None:
    given = post("I love this")
    assert list(Understood(Posts([given]), language_model("off"), sentiment_model("off"))) == [given]


def test_another_model_can_be_named() -> None:
    model = language_model("tests.unit.connectors.test_understanding:shouting")
    assert [item["lang"] for item in Understood(Posts([post("HEY")]), model, None) if isinstance(item, dict)] == [
        "loud"
    ]


@pytest.mark.parametrize("name", ["vadr", "no.such:thing", "os:no_such", ":", ""])
def test_a_name_that_is_none_is_said(name: str) -> None:
    with pytest.raises(SettingsError, match="give module:function, or off"):
        sentiment_model(name)


def shouting(text: str) -> str:
    return "loud" if text.isupper() else "en"
