"""Reviews as Trustpilot's and Google's documentation have them, what is none, and how lists are read again and again."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from streams.connectors.google_reviews import words
from streams.connectors.live import Known, Post
from streams.connectors.pushed import read as pushed_read
from streams.connectors.reviews import Reading, Review, sentiment
from streams.connectors.trustpilot_pushed import reader
from streams.connectors.trustpilot_reviews import reply_of, review_of
from streams.connectors.values import milliseconds
from streams.connectors.walking import DAY
from tests.connectors.network import running
from tests.connectors.plant import Plant, connected, until
from tests.connectors.reviews_network import GoogleNetwork, ReviewsNetwork, TrustpilotNetwork

UNIT = "46d6a890ffa235a75b00021d"
ACCOUNT = f"trustpilot:{UNIT}"
REVIEW: dict[str, Any] = {
    "id": "53bffd360000640002975387",
    "language": "en",
    "title": "Great service",
    "text": "Nothing other than excellent customer service.",
    "referenceId": "ABC-123-xyz",
    "stars": 5,
    "createdAt": "2017-05-20T09:34:44.000Z",
    "isVerified": True,
    "link": "https://api.trustpilot.com/v1/reviews/53bffd360000640002975387",
    "consumer": {
        "id": "53bffc3900006400017e5db8",
        "name": "Customer",
        "link": "https://api.trustpilot.com/v1/consumers/5",
    },
    "tags": [{"group": "Generic", "value": "Tag value"}],
}
CREATED = 1_495_272_884_000
REPLY = {"text": "This is our reply.", "createdAt": "2017-05-21T09:34:44", "updatedAt": None}


def test_a_review_as_the_webhook_has_it() -> None:
    post = review_of(REVIEW, UNIT)
    assert post.id == "trustpilot:53bffd360000640002975387"
    assert (post.author_id, post.addressed, post.published_at) == ("53bffc3900006400017e5db8", (UNIT,), CREATED)
    assert post.text == "Great service\n\nNothing other than excellent customer service."
    assert (post.revision, post.fields["author_name"], post.fields["lang"]) == (0, "Customer", "en")
    assert post.fields["url"] == "https://www.trustpilot.com/reviews/53bffd360000640002975387"
    assert review_of({**REVIEW, "title": "Nothing other…"}, UNIT).text == REVIEW["text"], "a title that begins the text"
    assert review_of({**REVIEW, "updatedAt": "2017-05-20T09:34:45Z"}, UNIT).revision == CREATED + 1000


def test_what_the_business_replies_is_its_answer_to_the_reviewer() -> None:
    review = review_of(REVIEW, UNIT)
    assert reply_of(REVIEW, review, UNIT, "key") is None
    reply = reply_of({**REVIEW, "companyReply": REPLY}, review, UNIT, f"{review.key}/reply")
    assert reply is not None
    assert (reply.id, reply.parent_id, reply.conversation_id) == (f"{review.id}/reply", review.id, review.id)
    assert (reply.author_id, reply.parent_author_id) == (UNIT, review.author_id)
    assert reply.published_at == CREATED + DAY, "a time without a zone is UTC"


def test_stars_speak_only_where_there_are_no_words() -> None:
    assert [sentiment(stars, "") for stars in (1, 2, 3, 4, 5)] == [-1, -0.5, 0, 0.5, 1]
    assert sentiment(1, "words") == 0
    assert review_of({**REVIEW, "stars": 1, "title": None, "text": ""}, UNIT).fields["sentiment"] == -1
    for wrong in (0, 6):
        with pytest.raises(ValueError, match="stars"):
            sentiment(wrong, "")


@pytest.mark.parametrize(
    "wrong",
    [{"id": None}, {"id": 7}, {"consumer": {}}, {"createdAt": "now"}, {"stars": None}, {"text": 7}, {"stars": 9}],
    ids=json.dumps,
)
def test_what_is_no_review_is_set_aside(wrong: dict[str, Any]) -> None:
    body = json.dumps({"events": [{"eventName": "service-review-created", "eventData": {**REVIEW, **wrong}}]}).encode()
    ((item,),) = pushed_read(body, reader(ACCOUNT), "webhook:a", CREATED + 5)
    assert not isinstance(item, dict)
    assert item.reason == "malformed_record"


def test_what_trustpilot_pushes() -> None:
    events = [
        {"eventName": "service-review-created", "eventData": REVIEW},
        {"eventName": "service-review-updated", "eventData": {**REVIEW, "text": "No."}},
        {"eventName": "service-review-deleted", "eventData": {"id": REVIEW["id"]}},
        {"eventName": "product-review-created", "eventData": {"id": "9"}},
        "hello",
    ]
    (found,) = pushed_read(json.dumps({"events": events}).encode(), reader(ACCOUNT), "webhook:a", CREATED + 5)
    said = [it["kind"] if isinstance(it, dict) else it.reason for it in found]
    assert said == ["mention", "mention", "withdrawal", "malformed_record"]
    mention, edit, withdrawal = (it for it in found if isinstance(it, dict))
    assert mention["id"] == edit["id"] == withdrawal["id"]
    assert (mention["revision"], edit["revision"]) == (0, CREATED + 5)
    assert mention["account"] == withdrawal["account"] == ACCOUNT


def test_google_writes_translations_beside_the_words() -> None:
    assert words("(Translated by Google) Great\n\n(Original)\nSuper") == "Super"
    assert words("Super\n\n(Translated by Google)\nGreat") == "Super"
    assert words("Great\n\nas ever") == "Great\n\nas ever"
    assert milliseconds("2014-10-02T15:01:23.045123456Z") == 1_412_262_083_045


# -- lists ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWORK_TOKEN", ReviewsNetwork.token)


@pytest.mark.parametrize("network", [TrustpilotNetwork(is_private=True), GoogleNetwork()], ids=["trustpilot", "google"])
def test_a_token_that_is_refused_is_asked_for_once_more(network: ReviewsNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor is not None)
            network.tokens.clear()
            network.say("ann", "hello", to=("acme",))
            await until(lambda: plant.events)
        assert network.asked_for_tokens == 2

    asyncio.run(scenario())


def test_an_edited_reply_of_google_stays_where_it_was() -> None:
    network = GoogleNetwork()

    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor is not None)
            review = network.say("ann", "hello", to=("acme",))
            network.say("acme", "Sorry", parent=review.key)
            await until(lambda: len(plant.events) == 2)
            await asyncio.sleep(0.05)
            network.reply(network.newest(network.units[0])[0], "So sorry")
            await until(lambda: len(plant.events) == 3)
        first, second = plant.events[1:]
        assert (first["id"], first["published_at"]) == (second["id"], second["published_at"])
        assert (first["revision"], second["text"]) == (0, "So sorry")
        assert second["revision"] > second["published_at"]

    asyncio.run(scenario())


class Hiding(TrustpilotNetwork):
    """Its list leaves some out that are there."""

    hidden = ""

    def newest(self, unit: str) -> list[dict[str, Any]]:
        return [raw for raw in super().newest(unit) if raw["id"] != self.hidden]


def test_what_a_list_leaves_out_is_asked_for_by_itself_and_once() -> None:
    network = Hiding()

    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor is not None)
            hidden, gone = (network.say(name, "hello", to=("acme",)) for name in ("ann", "ben"))
            network.say("acme", "Hello", parent=gone.key)
            await until(lambda: len(plant.events) == 3)
            network.hidden = hidden.key
            network.delete(gone.key)
            await until(lambda: len(plant.kinds()) == 1)
            asked = len(network.requests)
            await until(lambda: len(network.requests) > asked + 4)
        assert [key for _, key in plant.kinds()] == [hidden.id]
        paths = [path for _, path in network.requests if path.startswith("/v1/reviews/")]
        assert sorted(paths) == sorted(f"/v1/reviews/{it.key}" for it in (hidden, gone))
        assert [it["kind"] for it in plant.events].count("withdrawal") == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("network", [TrustpilotNetwork(), GoogleNetwork()], ids=["trustpilot", "google"])
def test_a_reply_that_takes_the_place_of_another_is_another(network: ReviewsNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network):
            async with connected(plant, network.stanza("acme")):
                await until(lambda: plant.cursor is not None)
                review = network.say("ann", "hello", to=("acme",))
                first = network.say("acme", "Sorry", parent=review.key)
                await until(lambda: len(plant.events) == 2)
                raw = network.newest(network.units[0])[0]
                network.unreply(raw)
                await until(lambda: len(plant.events) == 3)
            async with connected(plant, network.stanza("acme")):
                network.reply(raw, "So sorry")
                await until(lambda: len(plant.events) == 4)
        assert [it["kind"] for it in plant.events] == ["mention", "reply", "withdrawal", "reply"]
        assert [it["id"] for it in plant.events] == [review.id, first.id, first.id, f"{first.id}-2"]
        assert plant.events[3]["revision"] == 0

    asyncio.run(scenario())


def test_a_review_that_is_none_is_set_aside_once() -> None:
    network = TrustpilotNetwork()

    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor is not None)
            network.malform()
            asked = len(network.requests)
            await until(lambda: len(network.requests) > asked + 8)
        assert len(plant.letters) == 1

    asyncio.run(scenario())


class Lists:
    """A list of reviews of one post each, by their ages in days."""

    def __init__(self, ages: list[float], size: int = 3) -> None:
        self.now = time.time_ns() // 1_000_000
        self.times = sorted((round(self.now - age * DAY) for age in ages), reverse=True)
        self.size, self.pages_read = size, 0

    async def pages(self, _: str) -> AsyncIterator[list[Any]]:
        for first in range(0, len(self.times), self.size):
            self.pages_read += 1
            yield self.times[first : first + self.size]

    def read(self, raw: Any, unit: str) -> Review:  # noqa: ANN401
        return Review(raw, (Post(str(raw), f"a:{raw}", "ann", raw, "", (unit,)),))


def news(lists: Lists, cursor: dict[str, Any], known: dict[str, Known] | None = None) -> list[float]:
    """Return the ages of what one reading of a list yields."""

    class Session:
        def known(self, key: str) -> Known | None:
            return (known or {}).get(key)

        def remembered(self, _: int) -> list[tuple[str, Known]]:
            return []

    async def read() -> list[float]:
        found: list[float] = []
        alive = 0
        async for item, _ in Reading(lists, Session(), ["u"], 14, 60).stream(json.dumps(cursor)):  # type: ignore[arg-type]
            alive += item is None
            if isinstance(item, Post):
                found.append(round((lists.now - item.published_at) / DAY, 3))
            if alive == 2:
                break
        return found

    return asyncio.run(read())


def test_lists_are_read_as_far_back_as_it_matters() -> None:
    lists = Lists([number / 2 for number in range(200)])
    now = lists.now
    assert news(lists, {}) == [], "a new one begins now"
    assert lists.pages_read * 3 <= 28 + 2 * 3 + 28 + 2 * 3
    lists.pages_read = 0
    assert news(lists, {"u": [0, [], now]})[0] == 14.5, "what nobody knows, up to the days that posts are remembered"
    assert lists.pages_read * 3 <= 28 + 2 * 3
    known = {str(at): Known("", (), "", "", "", at, 0) for at in lists.times[1:]}
    assert news(lists, {"u": [0, [], now]}, known) == [0], "what is known is left out"


def test_after_an_outage_nothing_is_missing_and_nothing_old_comes_again() -> None:
    lists = Lists([number / 2 for number in range(200)])
    read_at = lists.now - 30 * DAY
    found = news(lists, {"u": [0, [], read_at]})
    assert found == sorted(found, reverse=True)
    assert found[0] == 31, "a day more: clocks disagree"
    assert found[-1] == 0
    assert len(found) == 63
