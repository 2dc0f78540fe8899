"""Telegram's Bot API: a bot in a supergroup. Its answers are as core.telegram.org/bots/api and the server's source have them."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from tests.connectors.network import RETRY_AFTER, Network, Request, Written, answer

BOT = 110_201_543
STAFF = 5_000_001
GROUP: dict[str, Any] = {"id": -1_001_234_567_890, "type": "supergroup", "title": "Parcels", "username": "parcels"}
NAMES = {"acme": "acme_bot", "help": "Help_bot"}


@dataclass
class TelegramNetwork(Network):
    """``acme`` speaks by its staff: a bot does not see what it says itself."""

    is_streamed = False
    tells_deletions_of = ""

    updates: list[dict[str, Any]] = field(default_factory=list)
    """That wait to be asked for."""
    webhook: str = ""
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    polls: int = 0
    """The number of the newest long poll: it ends the one before."""
    _numbers: Any = field(default_factory=lambda: count(884_000_001))
    _last: int = 0
    _happened: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.happen(my_chat_member=changed_membership(GROUP, "left", "member"))  # it was added to the group

    def stanza(self, *accounts: str) -> dict[str, Any]:
        return {
            "type": "telegram",
            "accounts": [f"telegram:{NAMES[name]}" for name in accounts],
            "server": self.url,
            "token_env": "NETWORK_TOKEN",
            "staff": [STAFF],
            "poll_seconds": 1,
            "requests_per_minute": 1_000_000,
        }

    # -- what people do ---------------------------------------------------------------------------------------------------

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        number = len(self.messages) + 100
        names = "".join(f"@{NAMES[name].lower()} " for name in to)
        message = {
            "message_id": number,
            "from": person(author),
            "chat": GROUP,
            "date": self.now() // 1000,
            "text": names + text,
            **({"entities": list(self._entities(to))} if to else {}),
        }
        if parent:
            above = self.messages[parent]
            message["reply_to_message"] = {
                key: it for key, it in above.items() if key not in ("reply_to_message", "message_thread_id")
            }
            message["message_thread_id"] = above.get("message_thread_id", above["message_id"])
        key = f"{GROUP['id']}/{number}"
        self.messages[key] = message
        concerns = self.concerns(author, to, parent)
        self.posts[key] = Written(key, f"telegram:{key}", author, text, concerns, parent)
        self.happen(message=message)
        return self.posts[key]

    @staticmethod
    def _entities(to: tuple[str, ...]) -> Any:  # noqa: ANN401
        at = 0
        for name in to:
            yield {"type": "mention", "offset": at, "length": len(NAMES[name]) + 1}
            at += len(NAMES[name]) + 2

    def edit(self, key: str, text: str) -> None:
        names = self.messages[key]["text"].removesuffix(self.posts[key].text)
        self.messages[key] |= {"text": names + text, "edit_date": self.now() // 1000}
        self.posts[key] = replace(self.posts[key], text=text)
        self.happen(edited_message=self.messages[key])

    def malform(self) -> bytes:
        self.happen(message={"message_id": 7, "chat": "Parcels", "text": "hello"})
        return b'"message_id"'

    def happen(self, **update: object) -> None:
        self._last = next(self._numbers)
        self.updates.append({"update_id": self._last, **update})
        self._happened.set()

    def cut(self) -> None:
        """Nothing stays open for long."""

    def forget(self) -> None:
        self.updates.clear()

    # -- what it answers --------------------------------------------------------------------------------------------------

    def is_authorized(self, request: Request) -> bool:
        return request.path.startswith(f"/bot{self.token}/")

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if fault := self.fault(request):
            await refuse(writer, fault[0], headers=fault[1])
            return
        match request.path.rpartition("/")[2]:
            case "getMe":
                me = {**person("acme_bot"), "id": BOT, "is_bot": True, "can_read_all_group_messages": True}
                await self._give(writer, me)
            case "getWebhookInfo":
                await self._give(writer, {"url": self.webhook, "pending_update_count": len(self.updates)})
            case "getUpdates" if self.webhook:
                why = (
                    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
                )
                await refuse(writer, "409 Conflict", why)
            case "getUpdates":
                await self._get_updates(request, writer)
            case _:
                await refuse(writer, "404 Not Found")

    async def _get_updates(self, request: Request, writer: asyncio.StreamWriter) -> None:
        offset, limit = int(request.one("offset", "0")), int(request.one("limit", "100"))
        if offset < 0:
            del self.updates[:offset]
        elif offset <= self._last + 10:  # the server takes one that is further ahead for a mistake
            self.updates = [it for it in self.updates if it["update_id"] >= offset]
        self.polls += 1
        poll, ends = self.polls, asyncio.get_running_loop().time() + float(request.one("timeout", "0"))
        while True:
            if self.mood.refusing:  # the token was revoked meanwhile
                await refuse(writer, "401 Unauthorized")
                return
            if poll != self.polls:
                why = "terminated by other getUpdates request; make sure that only one bot instance is running"
                await refuse(writer, "409 Conflict", why)
                return
            left = ends - asyncio.get_running_loop().time()
            if (self.updates and not self.mood.mute) or left <= 0:
                break
            self._happened.clear()
            try:
                await asyncio.wait_for(self._happened.wait(), min(left, 0.02))
            except TimeoutError:
                continue
        await self._give(writer, self.updates[:limit])

    async def _give(self, writer: asyncio.StreamWriter, result: object) -> None:
        await answer(writer, json.dumps({"ok": True, "result": result}, ensure_ascii=self.escapes).encode())


def person(name: str) -> dict[str, Any]:
    """Return a user; acme is somebody of its staff."""
    if name == "acme":
        return {"id": STAFF, "is_bot": False, "first_name": "Zoé", "last_name": "of Acme"}
    number = 1_000_000 + sum(ord(letter) * 31**n for n, letter in enumerate(name)) % 10**9
    username = {"username": NAMES.get(name, name)} if "@" not in name else {}
    return {"id": number, "is_bot": False, "first_name": name.title(), **username}


def changed_membership(chat: Mapping[str, Any], before: str, after: str) -> dict[str, Any]:
    bot = {**person("acme_bot"), "id": BOT, "is_bot": True}
    return {
        "chat": chat,
        "from": person("ann"),
        "date": 1_790_000_000,
        "old_chat_member": {"user": bot, "status": before},
        "new_chat_member": {"user": bot, "status": after, **({"until_date": 0} if after == "kicked" else {})},
    }


async def refuse(
    writer: asyncio.StreamWriter, status: str, why: str = "", headers: Mapping[str, str] | None = None
) -> None:
    """Answer as the server does that its source describes."""
    code, _, reason = status.partition(" ")
    said: dict[str, Any] = {"ok": False, "error_code": int(code), "description": reason + (f": {why}" if why else "")}
    if code == "429":
        said |= {
            "description": f"Too Many Requests: retry after {RETRY_AFTER}",
            "parameters": {"retry_after": RETRY_AFTER},
        }
    await answer(writer, json.dumps(said).encode(), status, headers)


NETWORKS = {"telegram": TelegramNetwork}
