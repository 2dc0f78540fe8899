"""What an update of Telegram's Bot API says, as posts, deletions and opt-outs. Pure (https://core.telegram.org/bots/api#update).

A message's number is its name within a channel or supergroup only; in any other chat it is one of a bot's, or of a business
account's. So posts are called ``telegram:CHAT/NUMBER`` there, and ``telegram:ACCOUNT/CHAT/NUMBER`` here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streams.connectors.live import Deletion, Item, Post
from streams.interactions import opt_out

MESSAGES: Final = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_message",
    "edited_business_message",
)
UPDATES: Final = (*MESSAGES, "deleted_business_messages", "my_chat_member")
"""The kinds of updates to ask for."""
_CONTENT: Final = (
    *("text", "animation", "audio", "document", "paid_media", "photo", "sticker", "story", "video", "video_note"),
    *("voice", "checklist", "contact", "dice", "game", "poll", "venue", "location"),
)
"""A message with none of these is one of the service: somebody has joined, a message was pinned."""

_Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Brand:
    """Who speaks for the brand, and where everybody speaks to it."""

    accounts: tuple[str, ...]
    """Usernames, that of the bot first."""
    staff: frozenset[int] = frozenset()
    """Ids of people, groups and channels that speak as the first account."""
    groups: frozenset[int] = frozenset()
    """Ids of groups in which all that answers nobody is for the first account."""
    names: Mapping[str, str] = field(init=False)
    """The accounts by their usernames in small letters: Telegram knows no others."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", {name.lower(): name for name in self.accounts})

    @property
    def account(self) -> str:
        """Whose the bot is."""
        return self.accounts[0]


def brand(accounts: tuple[str, ...], staff: tuple[int, ...], groups: tuple[int, ...]) -> Brand:
    """Return a :class:`Brand` by what stands in rapport.toml."""
    return Brand(tuple(it.partition(":")[2] for it in accounts), frozenset(staff), frozenset(groups))


def read(update: Any, ours: Brand, now: int) -> list[Item]:  # noqa: ANN401 - whatever came
    """Return what an update says that came ``now``, ms; which may be nothing. Raises one of :data:`MALFORMED`."""
    kind = next((kind for kind in UPDATES if kind in update), "")
    if kind == "my_chat_member":
        return list(_opt_outs(update[kind], ours))
    if kind == "deleted_business_messages":
        return [Deletion(f"{_chat(update[kind], ours)}/{int(n)}", now) for n in update[kind]["message_ids"]]
    if not kind or not any(part in update[kind] for part in _CONTENT):
        return []
    message = update[kind]
    # two edits in one second have different numbers
    edited = int(message["edit_date"]) * 1000 + int(update["update_id"]) % 1000 if kind.startswith("edited") else 0
    return [_post(message, ours)._replace(revision=edited)]


def _opt_outs(change: _Fields, ours: Brand) -> Iterator[Item]:
    """Yield that a person has blocked the bot: it is ``kicked`` out of their private chat."""
    if change["chat"]["type"] == "private" and change["new_chat_member"]["status"] == "kicked":
        person, at = change["from"], int(change["date"])
        contact = str(int(person["id"]))
        account = f"telegram:{ours.account}"
        own_id = f"{account}/{contact}/blocked/{at}"
        yield opt_out(own_id, account, contact, at * 1000, author_name=_name(person), text="block")


def _post(message: _Fields, ours: Brand) -> Post:
    """Return the post of a message."""
    chat, number, author = _chat(message, ours), _number(message), _author(message, ours)
    is_private, is_own = message["chat"]["type"] == "private", author == ours.account
    text = _text(message)
    parent, thread = message.get("reply_to_message"), message.get("message_thread_id")
    if parent and "forum_topic_created" in parent:  # that a topic was begun is nothing to answer
        parent = None
    parent_key = f"{_chat(parent, ours)}/{_number(parent)}" if parent else ""
    parent_author = _author(parent, ours) if parent else ""
    addressed = [*_addressed(message, text, ours)]
    if is_private and is_own:
        # to whom it is the chat says, though not to which message: its own name stands for one that nobody knows
        parent_key, parent_author = parent_key or chat, str(int(message["chat"]["id"]))
    elif is_private or (int(message["chat"]["id"]) in ours.groups and not parent):
        addressed.append(ours.account)
    conversation = chat if is_private else f"{chat}/{int(thread)}" if thread else ""
    return Post(
        key=f"{chat}/{number}",
        id=f"telegram:{chat}/{number}",
        author_id=author,
        published_at=int(message["date"]) * 1000,
        text=text,
        addressed=tuple(dict.fromkeys(addressed)),
        parent_id=f"telegram:{parent_key}" if parent else "",
        parent_author_id=parent_author,
        parent_key=parent_key,
        conversation_id=f"telegram:{conversation}" if conversation else "",
        fields={
            "author_name": _name(_sender(message)),
            "automated": bool(message.get("from", {}).get("is_bot") and not message.get("sender_chat"))
            or bool(message.get("is_from_offline")),  # the greetings and absences of a business account
            "hashtags": [part.lstrip("#") for kind, part, _ in _entities(message, text) if kind == "hashtag"],
            "links": [entity.get("url", part) for kind, part, entity in _entities(message, text) if kind in _LINKS],
            "url": _url(message, number),
        },
    )


_LINKS: Final = ("url", "text_link")


# -- where and who --------------------------------------------------------------------------------------------------------


def _origin(message: _Fields) -> _Fields | None:
    """Return where a post of a channel stands that Telegram itself has put into the channel's group: it is the same post."""
    origin = message.get("forward_origin") or {}
    return origin if message.get("is_automatic_forward") and origin.get("type") == "channel" else None


def _chat(message: _Fields, ours: Brand) -> str:
    """Return the first part of a post's name."""
    origin = _origin(message)
    chat = origin["chat"] if origin else message["chat"]
    number = int(chat["id"])
    return str(number) if chat["type"] in ("supergroup", "channel") else f"{ours.account}/{number}"


def _number(message: _Fields) -> int:
    return int((_origin(message) or message)["message_id"])


def _sender(message: _Fields) -> _Fields:
    """Return who wrote it: a person, a channel, or a group whose administrators do not say who they are."""
    found: _Fields = message.get("sender_chat") or message.get("from") or message["chat"]
    return found


def _author(message: _Fields, ours: Brand) -> str:
    """Return the id of who wrote it; of who speaks for the brand, its account."""
    chat, sender = message["chat"], _sender(message)
    number = int(sender["id"])
    is_business = chat["type"] == "private" and number != int(chat["id"])
    is_anonymous = number == int(chat["id"]) and number in ours.groups
    if is_business or is_anonymous or number in ours.staff:
        return ours.account
    return ours.names.get(str(sender.get("username", "")).lower(), str(number))


def _name(sender: _Fields) -> str:
    parts = (sender.get(part, "") for part in ("title", "first_name", "last_name"))
    return " ".join(part for part in parts if part)


def _url(message: _Fields, number: int) -> str:
    """Return where it can be seen by who may."""
    chat = (_origin(message) or message)["chat"]
    if chat["type"] not in ("supergroup", "channel"):
        return ""
    name = chat.get("username") or f"c/{str(chat['id']).removeprefix('-100')}"
    return f"https://t.me/{name}/{number}"


# -- what it says ---------------------------------------------------------------------------------------------------------


def _text(message: _Fields) -> str:
    text = message.get("text") or message.get("caption") or ""
    if not isinstance(text, str):
        raise TypeError("a text that is none")
    return text


def _entities(message: _Fields, text: str) -> Iterator[tuple[str, str, _Fields]]:
    """Yield kind, text and all else of what is marked in a text; places count in UTF-16."""
    units = text.encode("utf-16-le", "surrogatepass")
    for entity in message.get("entities") or message.get("caption_entities") or ():
        at, length = int(entity["offset"]), int(entity["length"])
        yield entity["type"], units[2 * at : 2 * (at + length)].decode("utf-16-le", "replace"), entity


def _addressed(message: _Fields, text: str, ours: Brand) -> Iterator[str]:
    """Yield whom it names: accounts of ours by their name, and people by their id where it is told."""
    for kind, part, entity in _entities(message, text):
        if kind in ("mention", "bot_command"):  # @name, /command@name
            name = part.rpartition("@")[2].lower()
            if name in ours.names:
                yield ours.names[name]
        elif kind == "text_mention":
            yield _author({"chat": message["chat"], "from": entity["user"]}, ours)
