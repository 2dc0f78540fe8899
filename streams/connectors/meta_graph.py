"""Facebook Pages, Instagram and Threads, asked again and again by the Graph API (docs/connectors/meta.md).

Nothing here streams. What Meta pushes comes by :mod:`streams.connectors.meta` and at once; this finds what was not pushed, and
what never is: the account's own posts, and posts elsewhere that name it. Both give a post the same id, so it counts once.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from streams.connectors.absence import Absence
from streams.connectors.live import ALIVE, ConnectorSettings, Item, Known, Post, Received, network_of
from streams.connectors.meta_lists import Graph, Kept, found_between, found_for
from streams.connectors.pacing import Budget
from streams.connectors.session import Headers, NotThereError, Parameters, Session
from streams.connectors.walking import DAY, Walk
from streams.http_answers import LONGEST_PAUSE, RefusedError, UnavailableError

ADDRESSES: Final[Mapping[str, str]] = {
    "facebook": "https://graph.facebook.com/v25.0",
    "instagram": "https://graph.facebook.com/v25.0",
    "threads": "https://graph.threads.net/v1.0",
}
OVERLAP: Final = 900_000
"""ms: what Meta shows so much later than it is dated is found."""
SPAN: Final = 30 * DAY
"""ms of a history that are asked for at once."""
_REFUSED: Final = frozenset((10, 102, 190, *range(200, 300)))
"""Codes of errors: the token, or a permission that it lacks …"""
_LIMITED: Final = frozenset((4, 17, 32, 613, *range(80_000, 80_015)))
"""… too many requests, of the app, the user, the page, or the business …"""
_FAILED: Final = frozenset((1, 2))
"""… and what passes (https://developers.facebook.com/docs/graph-api/guides/error-handling)."""
_PAUSE: Final = 60.0
"""Seconds, where Meta does not say when there is room again."""
_NEARLY: Final = 90
"""Percent of a limit, from which on it is kept slow."""


class MetaSettings(ConnectorSettings):
    """``type = "meta"``."""

    type: Literal["meta"]
    accounts: tuple[Annotated[str, Field(pattern=r"^[a-z]+:\d+$")], ...] = Field(
        min_length=1, description="the brand accounts: facebook:PAGE and instagram:ACCOUNT, or threads:USER"
    )
    token_file: Path | None = Field(None, description="a file with the access token")
    token_env: str | None = Field(None, description="the same in a variable")
    app_secret_file: Path | None = Field(None, description="a file with the app's secret, by which requests are proved")
    app_secret_env: str | None = Field(None, description="the same in a variable")
    days: int = Field(7, ge=1, le=90, description="below posts of so many days comments are looked for")
    elsewhere: bool = Field(
        default=True, description="whether posts of others that tag or mention the account are asked for"
    )
    poll_seconds: float = Field(600, gt=0, le=86_400, description="how often it asks")
    requests_per_hour: int = Field(200, ge=10, description="no more requests than this")
    address: str | None = Field(
        None, pattern=r"^https?://[^\s?]+[^\s?/]$", description="where the API is, with version"
    )
    needs = ("token",)
    may_have = ("app_secret",)

    @model_validator(mode="after")
    def _has_one_token_for_all(self) -> Self:
        if len({ADDRESSES.get(network_of(account)) for account in self.accounts}) > 1:
            raise PydanticCustomError("accounts", "threads has tokens of its own: give it its own connector")
        return self


class Meta:
    """What one token sees of its accounts."""

    network: ClassVar[tuple[str, ...]] = tuple(ADDRESSES)
    settings: ClassVar[type[ConnectorSettings]] = MetaSettings

    def __init__(self, settings: MetaSettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets
        self._address = settings.address or ADDRESSES[network_of(settings.accounts[0])]
        self._kept = {account: Kept() for account in settings.accounts}
        self._graphs: dict[str, Graph] = {}
        self._absence = Absence(session, self._one, takes_below="threads" not in map(network_of, settings.accounts))

    @staticmethod
    def budget(settings: MetaSettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(settings.requests_per_hour, 3600.0)

    async def check(self) -> str:
        """Return in words whose accounts the token sees."""
        return f"the token sees {', '.join([await self._name(account) for account in self._settings.accounts])}"

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what is said to the accounts, and by them; see :class:`streams.connectors.live.Connector`."""
        try:
            graphs = self._graphs = {account: await self._graph(account) for account in self._settings.accounts}
            kept = json.loads(cursor) if cursor else {}
            for account, it in self._kept.items():
                if account in kept:
                    it.since, it.had = kept[account]["since"], frozenset(kept[account]["had"])
                else:  # from now on
                    await found_for(graphs[account], it, self._settings, self._absence)
                    it.begin()
            while True:
                yield Received(ALIVE, self._cursor())
                found: dict[str, Item] = {}
                for account, it in self._kept.items():
                    for key, item in await found_for(graphs[account], it, self._settings, self._absence):
                        found[key] = _both(found.get(key), item)
                for item in sorted(found.values(), key=_order):
                    yield Received(item, self._cursor())
                for it in self._kept.values():
                    it.move(OVERLAP)
                yield Received(ALIVE, self._cursor())
                await asyncio.sleep(self._settings.poll_seconds)
        except NotThereError as error:
            raise _not_there(error) from None
        finally:
            for it in self._kept.values():
                it.forget()

    def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what was said since then; see :class:`streams.connectors.live.Historic`."""
        return Walk(self._between, span=SPAN, before=self._settings.days * DAY).history(since, cursor)

    async def _between(self, since: int, until: int) -> AsyncIterator[Item]:
        """Yield what was posted between two times, and what stands below it."""
        found: dict[str, Item] = {}
        try:
            for account in self._settings.accounts:
                if account not in self._graphs:
                    self._graphs[account] = await self._graph(account)
                of = self._graphs[account]
                for key, item in await found_between(of, since, until, elsewhere=self._settings.elsewhere):
                    found[key] = _both(found.get(key), item)
        except NotThereError as error:
            raise _not_there(error) from None
        for item in sorted(found.values(), key=_order):
            yield item

    def _cursor(self) -> str:
        at = {account: {"since": it.since, "had": sorted(it.had)} for account, it in self._kept.items()}
        return json.dumps(at, separators=(",", ":"))

    async def _name(self, account: str) -> str:
        network, _, own = account.partition(":")
        name = "name" if network == "facebook" else "username"
        try:
            return f"{account} ({(await self._get(own, {'fields': name}, self._secrets['token']()))[name]})"
        except (NotThereError, LookupError, TypeError):
            raise UnavailableError(f"{account} is not there, or the token does not see it") from None

    async def _graph(self, account: str) -> Graph:
        """Return what asks for an account: a page's comments name their authors to the page's own token alone."""
        network, _, own = account.partition(":")
        token, name = self._secrets["token"](), ""
        if network == "facebook":
            token = (await self._get(own, {"fields": "access_token"}, token)).get("access_token") or token
        else:
            name = (await self._get(own, {"fields": "username"}, token))["username"]
        return Graph(network, own, name, partial(self._get, token=token), self._session.known)

    async def _one(self, key: str, known: Known) -> object:
        """Ask for one post. Of one that is not there Meta says that the request is wrong, code 100 with HTTP 400."""
        graph = next(it for account, it in self._graphs.items() if account in known.accounts)
        try:
            return await graph.get(key.partition(":")[2], {"fields": "id"})
        except NotThereError as error:
            raise NotThereError(str(error), HTTPStatus.NOT_FOUND) from None

    async def _get(self, path: str, parameters: Parameters, token: str) -> Any:  # noqa: ANN401 - any JSON
        headers: Headers = {"Authorization": f"Bearer {token}", "User-Agent": "Rapport"}
        if secret := self._settings.has("app_secret") and self._secrets["app_secret"]():
            proof = hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()
            parameters = {**parameters, "appsecret_proof": proof}
        return await self._session.get(f"{self._address}/{path}", headers, parameters, judge)


def judge(status: int, headers: Headers, body: bytes) -> float:
    """Return for how long Meta wants to be left alone, seconds; raise what its error means.

    A :data:`streams.connectors.session.Judge`.
    """
    pause = _pause(headers)
    if status < HTTPStatus.BAD_REQUEST:
        return pause
    code = 0
    with suppress(ValueError, RecursionError, LookupError, TypeError):
        code = int(json.loads(body)["error"]["code"])
    if code in _LIMITED:
        return pause or _PAUSE
    if code in _REFUSED:
        raise RefusedError(f"error {code} of Meta")
    if code in _FAILED:
        raise UnavailableError(f"error {code} of Meta", pause)
    return 0.0


def _pause(headers: Headers) -> float:
    """Return for how long to ask for nothing, seconds: until there is room again, or a while if there is hardly any."""
    pause = 0.0
    with suppress(ValueError, RecursionError, TypeError, AttributeError):
        uses = [json.loads(headers.get("X-App-Usage", "{}"))]
        for one in json.loads(headers.get("X-Business-Use-Case-Usage", "{}")).values():
            uses += one
        for use in uses:
            minutes = use.get("estimated_time_to_regain_access", 0)
            is_nearly = max(use.get(name, 0) for name in ("call_count", "total_time", "total_cputime")) >= _NEARLY
            pause = max(pause, 60.0 * minutes or _PAUSE * is_nearly)
    return min(pause, LONGEST_PAUSE)


def _not_there(error: NotThereError) -> UnavailableError:
    return UnavailableError(f"{error}: an account is not there, or the token does not see it")


def _both(one: Item, other: Item) -> Item:
    """Return what is said to several accounts as one post that addresses them all."""
    if isinstance(one, Post) and isinstance(other, Post):
        return other._replace(addressed=tuple(dict.fromkeys((*one.addressed, *other.addressed))))
    return other


def _order(item: Item) -> tuple[int, list[int]]:
    """Return what sorts by time: where that is the same, for it is told in seconds, by ids, which grow."""
    if not isinstance(item, Post):
        return 0, []
    parts = item.id.partition(":")[2].split("_")
    return item.published_at, [int(part) for part in parts if part.isdecimal()]
