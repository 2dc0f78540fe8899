"""Updates of Telegram's Bot API as its documentation has them, what is none, and what becomes of a bot that is not asked."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from streams.connectors.live import Deletion
from streams.connectors.pushed import read as pushed_read
from streams.connectors.telegram_pushed import reader
from streams.connectors.telegram_updates import brand, read
from streams.connectors.values import MALFORMED
from streams.http_answers import UnavailableError
from tests.connectors.network import running
from tests.connectors.plant import NAME, PACE, Plant, connected, table, until
from tests.connectors.telegram_network import GROUP, STAFF, TelegramNetwork, changed_membership

ACCOUNTS = ("telegram:Acme_bot", "telegram:acme_uk")
ANN = {"id": 4_001, "is_bot": False, "first_name": "Ann", "last_name": "Lee", "username": "ann"}
ZOE = {"id": STAFF, "is_bot": False, "first_name": "Zoé"}
BOT = {"id": 110_201_543, "is_bot": True, "first_name": "Acme", "username": "acme_bot"}
CHANNEL = {"id": -1_009, "type": "channel", "title": "Acme news", "username": "acmenews"}
PRIVATE = {"id": 4_001, "type": "private", "first_name": "Ann", "username": "ann"}
OURS = brand(ACCOUNTS, (STAFF, CHANNEL["id"]), ())
AT = 1_790_000_000


def message(text: str = "hello", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"message_id": 42, "from": ANN, "chat": GROUP, "date": AT, "text": text, **fields}


def one(kind: str, of: dict[str, Any], groups: tuple[int, ...] = ()) -> Any:  # noqa: ANN401
    (item,) = read({"update_id": 10_007, kind: of}, replace(OURS, groups=frozenset(groups)), AT * 1000)
    return item


def test_places_in_a_text_count_in_utf_16() -> None:
    text = "👋🏽 @ACME_bot see https://a.example #late"
    marks = [("mention", "@ACME_bot"), ("url", "https://a.example"), ("hashtag", "#late")]
    entities = [
        {"type": kind, "offset": len(text[: text.index(part)].encode("utf-16-le")) // 2, "length": len(part)}
        for kind, part in marks
    ]
    entities.append({"type": "text_link", "offset": 0, "length": 4, "url": "https://b.example"})
    post = one("message", message(text, entities=entities))
    assert post.addressed == ("Acme_bot",)
    assert post.fields["links"] == ["https://a.example", "https://b.example"]
    assert post.fields["hashtags"] == ["late"]
    assert (post.id, post.author_id, post.published_at) == (f"telegram:{GROUP['id']}/42", "4001", AT * 1000)
    assert (post.fields["author_name"], post.fields["url"]) == ("Ann Lee", "https://t.me/parcels/42")


def test_a_caption_is_a_text_too_and_a_picture_alone_is_a_post() -> None:
    photo = [{"file_id": "a", "file_unique_id": "b", "width": 90, "height": 90}]
    captioned = message(photo=photo, caption="/help@acme_bot", caption_entities=[
        {"type": "bot_command", "offset": 0, "length": 14}
    ])  # fmt: skip
    del captioned["text"]
    assert (one("message", captioned).text, one("message", captioned).addressed) == ("/help@acme_bot", ("Acme_bot",))
    alone = message(photo=photo, chat=PRIVATE)
    del alone["text"]
    assert (one("message", alone).text, one("message", alone).addressed) == ("", ("Acme_bot",))
    joined = message(new_chat_members=[ANN])
    del joined["text"]
    assert read({"update_id": 1, "message": joined}, OURS, 0) == []
    assert read({"update_id": 1, "callback_query": {"id": "7"}}, OURS, 0) == []


def test_threads_topics_and_private_chats_are_conversations() -> None:
    root = message("question", message_id=7)
    answer = one("message", message("sure", **{"from": ZOE}, reply_to_message=root, message_thread_id=7))
    assert (answer.author_id, answer.parent_author_id, answer.parent_key) == ("Acme_bot", "4001", f"{GROUP['id']}/7")
    assert answer.conversation_id == answer.parent_id == f"telegram:{GROUP['id']}/7"
    begun = message(forum_topic_created={"name": "Returns"}, message_id=9)
    topic = one("message", message(is_topic_message=True, message_thread_id=9, reply_to_message=begun))
    assert (topic.parent_id, topic.conversation_id) == ("", f"telegram:{GROUP['id']}/9")
    private = one("message", message(chat=PRIVATE))
    assert (private.id, private.conversation_id) == ("telegram:Acme_bot/4001/42", "telegram:Acme_bot/4001")


def test_in_a_group_of_the_brand_all_that_answers_nobody_is_for_it() -> None:
    assert one("message", message()).addressed == ()
    assert one("message", message(), groups=(GROUP["id"],)).addressed == ("Acme_bot",)
    assert one("message", message(reply_to_message=message()), groups=(GROUP["id"],)).addressed == ()
    anonymous = message(**{"from": {"id": 1_087_968_824, "is_bot": True, "first_name": "Group"}}, sender_chat=GROUP)
    assert one("message", anonymous, groups=(GROUP["id"],)).author_id == "Acme_bot"
    assert one("message", anonymous).author_id == str(GROUP["id"])
    assert one("message", anonymous).fields["automated"] is False, "its bot stands for a person"


def test_a_post_of_a_channel_is_the_same_in_the_group_of_its_comments() -> None:
    posted = one("channel_post", {"message_id": 3, "sender_chat": CHANNEL, "chat": CHANNEL, "date": AT, "text": "sale"})
    forwarded = message(
        "sale",
        message_id=50,
        sender_chat=CHANNEL,
        is_automatic_forward=True,
        forward_origin={"type": "channel", "chat": CHANNEL, "message_id": 3, "date": AT},
    )
    copied, comment = one("message", forwarded), one("message", message(reply_to_message=forwarded))
    assert posted.id == copied.id == comment.parent_id == "telegram:-1009/3"
    assert posted.author_id == copied.author_id == comment.parent_author_id == "Acme_bot"


def test_a_business_account_is_heard_on_both_sides_and_tells_of_deletions() -> None:
    hers = one("business_message", message(chat=PRIVATE, business_connection_id="b1"))
    ours = one("business_message", message(chat=PRIVATE, business_connection_id="b1", **{"from": ZOE}))
    assert (hers.author_id, hers.addressed) == ("4001", ("Acme_bot",))
    assert (ours.author_id, ours.parent_author_id, ours.parent_id) == ("Acme_bot", "4001", "")
    greeting = message(chat=PRIVATE, business_connection_id="b1", is_from_offline=True, **{"from": ZOE})
    assert one("business_message", greeting).fields["automated"] is True
    gone = {"business_connection_id": "b1", "chat": PRIVATE, "message_ids": [42, 43]}
    found = read({"update_id": 1, "deleted_business_messages": gone}, OURS, 5)
    assert found == [Deletion("Acme_bot/4001/42", 5), Deletion("Acme_bot/4001/43", 5)]
    assert found[0].key == hers.key  # type: ignore[union-attr]


def test_two_edits_in_a_second_have_an_order() -> None:
    edits = [
        read({"update_id": 10_007 + n, "edited_message": message(edit_date=AT + 1)}, OURS, 0)[0].revision  # type: ignore[union-attr]
        for n in (0, 1)
    ]
    assert 0 < edits[0] < edits[1]


def test_who_blocks_the_bot_opts_out() -> None:
    blocked = changed_membership(PRIVATE, "member", "kicked")
    (event,) = read({"update_id": 1, "my_chat_member": {**blocked, "from": ANN}}, OURS, 0)
    assert isinstance(event, dict)
    assert (event["kind"], event["account"], event["contact_id"]) == ("opt_out", "telegram:Acme_bot", "4001")
    assert event["text"] == "block"
    for chat, before, after in ((PRIVATE, "kicked", "member"), (GROUP, "member", "kicked")):
        assert read({"update_id": 1, "my_chat_member": changed_membership(chat, before, after)}, OURS, 0) == []


@pytest.mark.parametrize(
    "wrong",
    [{"chat": "a"}, {"chat": {"id": 1}}, {"date": "today"}, {"message_id": None}, {"text": 7}, {"entities": [7]},
     {"from": {"id": "ann"}}, {"reply_to_message": {"message_id": 1}}],
    ids=json.dumps,
)  # fmt: skip
def test_what_is_no_message_says_so(wrong: dict[str, Any]) -> None:
    with pytest.raises(MALFORMED):
        one("message", message(**wrong))


def test_a_webhook_has_the_same_of_it() -> None:
    root = message("@acme_bot where?", message_id=7, entities=[{"type": "mention", "offset": 0, "length": 9}])
    answer = message("there", message_id=8, reply_to_message=root, message_thread_id=7, **{"from": ZOE})
    second = message("(2/2)", message_id=9, reply_to_message=answer, message_thread_id=7, **{"from": ZOE})
    gone = {"business_connection_id": "b1", "chat": PRIVATE, "message_ids": [5]}
    updates = [
        {"update_id": 1, "message": root},
        {"update_id": 2, "message": answer},
        {"update_id": 3, "message": second},
        {"update_id": 4, "deleted_business_messages": gone},
        {"update_id": 5, "my_chat_member": {**changed_membership(PRIVATE, "member", "kicked"), "from": ANN}},
        {"update_id": 6, "message": {"text": "?"}},
        {"update_id": 7, "message": message("to nobody")},
    ]
    body = "\n".join(map(json.dumps, updates)).encode()
    found = pushed_read(body, reader(ACCOUNTS, OURS), "webhook:a", AT * 1000 + 5)
    events = [it for items in found for it in items]
    kinds = [it["kind"] if isinstance(it, dict) else it.reason for it in events]
    assert kinds == ["mention", "reply", "reply", "withdrawal", "opt_out", "malformed_record"]
    assert [it["contact_id"] for it in events[:3] if isinstance(it, dict)] == ["4001", "4001", ""]
    assert len({it["conversation_id"] for it in events[:3] if isinstance(it, dict)}) == 1
    assert isinstance(events[3], dict)
    assert events[3]["id"] == "telegram:Acme_bot/4001/5"


# -- how it is asked ------------------------------------------------------------------------------------------------------


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> TelegramNetwork:
    monkeypatch.setenv("NETWORK_TOKEN", TelegramNetwork.token)
    return TelegramNetwork()


def test_nothing_is_taken_from_telegram_before_its_cursor_is_kept(network: TelegramNetwork) -> None:
    """Whatever waits there is what Kafka may not have."""

    async def scenario() -> None:
        plant = Plant(acknowledges_after=0.1)
        async with running(network), connected(plant, network.stanza("acme"), replace(PACE, keep=60)):
            await until(lambda: plant.cursor is not None)
            for number in range(250):
                network.say("ann", f"post {number}", to=("acme",))
            while len(plant.events) < 250:
                kept = json.loads(str(plant.cursor))["update"]
                assert all(it["update_id"] <= kept + 1 for it in network.updates[:1])
                await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_a_poll_that_is_never_answered_is_given_up(network: TelegramNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.connectors.session.CONNECT_SECONDS", 0.2)  # and the second that a poll may take

    async def scenario() -> None:
        network.mood.slow = 3
        async with running(network):
            connector, session = made(network)
            with pytest.raises(httpx.ReadTimeout):
                await connector._updates(1, 1)  # noqa: SLF001 - how long it waits is nothing that others see
            await session.close()

    asyncio.run(scenario())


def test_a_webhook_is_said_and_the_token_is_not(network: TelegramNetwork) -> None:
    async def scenario() -> None:
        network.webhook = "https://else.example/hook"
        async with running(network):
            connector, session = made(network)
            with pytest.raises(UnavailableError, match="deleteWebhook") as failed:
                await anext(connector.stream(None))
            assert network.token not in str(failed.value)
            assert await connector.check() == "the token is of telegram:acme_bot, which sees all messages in groups"
            await session.close()

    asyncio.run(scenario())


def test_numbers_that_begin_anew_are_followed(network: TelegramNetwork) -> None:
    """After a week without updates Telegram begins with another number, which may be a lower one."""

    async def scenario() -> None:
        plant = Plant()
        old = {"update": 990_000_000, "asked_at": 1}
        plant.kept[NAME] = {"": json.dumps(old)}
        async with running(network), connected(plant, network.stanza("acme")):
            network.say("ann", "first", to=("acme",))
            network.say("ann", "second", to=("acme",))
            await until(lambda: len(plant.events) == 2)
            network.say("ann", "third", to=("acme",))
            await until(lambda: len(plant.events) == 3)

    asyncio.run(scenario())


def test_who_blocks_the_bot_opts_out_once(network: TelegramNetwork) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with running(network), connected(plant, network.stanza("acme")):
            await until(lambda: plant.cursor is not None)
            network.happen(my_chat_member=changed_membership(PRIVATE, "member", "kicked"))
            await until(lambda: plant.events)
        (event,) = plant.events
        assert (event["kind"], event["source"], event["account"]) == ("opt_out", NAME, "telegram:acme_bot")
        assert event["published_at"] <= event["received_at"]

    asyncio.run(scenario())


def made(network: TelegramNetwork) -> Any:  # noqa: ANN401 - a Made, of Telegram
    from streams.connectors.making import make  # noqa: PLC0415

    settings, secrets = table(network.stanza("acme"))
    return make(NAME, settings, secrets, lambda _: None)
