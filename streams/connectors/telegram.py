"""Telegram: what a bot sees, by long polls of the Bot API (docs/connectors/telegram.md).

``getUpdates`` is asked to go on behind an update, and all up to there is forgotten then. So it is asked only once Kafka has
what came before and the cursor is kept. The token stands in the address: no address goes anywhere else.
"""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal
from urllib.parse import quote

from pydantic import Field

from streams.connectors.base import Rejected
from streams.connectors.live import ALIVE, ConnectorSettings, Gap, Item, Keep, Post, Received
from streams.connectors.pacing import Budget
from streams.connectors.session import NotThereError, Parameters, Session
from streams.connectors.telegram_updates import UPDATES, brand, read
from streams.connectors.values import MALFORMED
from streams.errors import Reason
from streams.http_answers import RefusedError, UnavailableError

PAGE: Final = 100
"""Updates to ask for at once; more Telegram does not give."""
KEPT: Final = 86_400_000
"""Telegram keeps updates for so long, ms."""
_CONFLICT: Final = 409


class TelegramSettings(ConnectorSettings):
    """``type = "telegram"``."""

    type: Literal["telegram"]
    token_file: Path | None = Field(None, description="a file with the bot's token")
    token_env: str | None = Field(None, description="the same in a variable")
    staff: tuple[int, ...] = Field((), description="ids of people, groups and channels that speak as the first account")
    groups: tuple[int, ...] = Field((), description="ids of groups in which all that answers nobody is for it")
    server: str = Field("https://api.telegram.org", pattern=r"^https?://[^\s/]+$", description="the Bot API's server")
    poll_seconds: int = Field(25, ge=1, le=50, description="how long a request waits for something to happen")
    requests_per_minute: int = Field(600, ge=10, description="no more requests than this")
    needs = ("token",)


class Telegram:
    """One bot's view of its chats."""

    network: ClassVar[str] = "telegram"
    settings: ClassVar[type[ConnectorSettings]] = TelegramSettings

    def __init__(self, settings: TelegramSettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets
        self._brand = brand(settings.accounts, settings.staff, settings.groups)

    @staticmethod
    def budget(settings: TelegramSettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(settings.requests_per_minute, 60.0)

    async def check(self) -> str:
        """Return in words whose token it is."""
        bot = await self._ask("getMe")
        sees = "all messages" if bot.get("can_read_all_group_messages") else "only what is said to it"
        return f"the token is of telegram:{bot['username']}, which sees {sees} in groups"

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what the bot sees; see :class:`streams.connectors.live.Connector`."""
        if cursor is None:
            newest = await self._updates(-1, 0)
            last, asked_at = (_number(newest[-1]) if newest else 0), _now()
        else:
            at = json.loads(cursor)
            last, asked_at = at["update"], at["asked_at"]
        yield Received(ALIVE, _cursor(last, asked_at))
        while True:
            yield Received(Keep(), _cursor(last, asked_at))
            updates, before = await self._updates(last + 1 if last else 0, self._settings.poll_seconds), asked_at
            asked_at = _now()
            if gap := _gap(updates, last, asked_at - before):
                yield Received(gap, _cursor(last, asked_at))
            for update in updates:
                items = self._items(update)
                for item in items[:-1]:
                    yield Received(item, _cursor(last, asked_at))
                last = _number(update)
                yield Received(items[-1] if items else ALIVE, _cursor(last, asked_at))
            if not updates:
                yield Received(ALIVE, _cursor(last, asked_at))

    async def _updates(self, offset: int, seconds: int) -> list[Any]:
        """Return the updates from ``offset`` on, which forgets those before it; after ``seconds`` none."""
        asked: dict[str, str | int | list[str]] = {
            "offset": offset,
            "limit": PAGE,
            "timeout": seconds,
            "allowed_updates": json.dumps(UPDATES),
        }
        try:
            found = await self._ask("getUpdates", asked, seconds)
        except NotThereError as error:
            if error.status != _CONFLICT:
                raise
            is_pushed = bool((await self._ask("getWebhookInfo")).get("url"))
            why = "the bot has a webhook: deleteWebhook, or take the type telegram-webhook"
            raise UnavailableError(why if is_pushed else "another program asks for the bot's updates") from None
        if not isinstance(found, list):
            raise UnavailableError("its answer is no list")
        return found

    async def _ask(self, method: str, parameters: Parameters | None = None, seconds: int = 0) -> Any:  # noqa: ANN401 - any JSON
        """Return the result of a method, which may take ``seconds``. Raises as :meth:`Session.get`, without the address."""
        address = f"{self._settings.server}/bot{quote(self._secrets['token'](), safe=':')}/{method}"
        try:
            answer = await self._session.get(address, {"User-Agent": "Rapport"}, parameters, seconds=seconds)
        except NotThereError as error:
            if error.status == _CONFLICT:
                raise
            raise RefusedError(str(error)) from None  # a token that is none has no address, HTTP 404
        if not isinstance(answer, dict) or answer.get("ok") is not True or "result" not in answer:
            raise UnavailableError("its answer has no result")
        return answer["result"]

    def _items(self, update: Any) -> list[Item]:  # noqa: ANN401 - whatever came
        """Return what an update says; what is known of a post's parent is known better."""
        try:
            return [self._placed(item) for item in read(update, self._brand, _now())]
        except MALFORMED as error:
            why = f"it is no update ({type(error).__name__}: {str(error)[:200]})"
            payload = json.dumps(update).encode()
            return [Rejected(Reason.MALFORMED_RECORD, why, f"telegram, update {_number(update)}", payload)]

    def _placed(self, item: Item) -> Item:
        if isinstance(item, Post) and (parent := self._session.known(item.parent_key)) is not None:
            return item._replace(conversation_id=parent.conversation_id)
        return item


def _gap(updates: list[Any], last: int, silence: int) -> Gap | None:
    """Return what was lost: Telegram forgets what is not asked for in a day. Updates are numbered one by one."""
    if silence > KEPT:  # after a week without any, it begins with another number
        return Gap(f"Telegram keeps updates for {KEPT // 3_600_000} h, and was not asked for {silence // 3_600_000} h")
    first = _number(updates[0]) if updates else 0
    if last and first > last + 1:
        return Gap(f"{first - last - 1} updates are gone: they were too old, or another program has taken them")
    return None


def _number(update: Any) -> int:  # noqa: ANN401 - whatever came
    """Return the number of an update: without it, it could not be left behind."""
    number = update.get("update_id") if isinstance(update, dict) else None
    if not isinstance(number, int):
        raise UnavailableError("an update has no number")
    return number


def _now() -> int:
    return time.time_ns() // 1_000_000


def _cursor(last: int, asked_at: int) -> str:
    return json.dumps({"update": last, "asked_at": asked_at}, separators=(",", ":"))
