"""Trustpilot: service reviews of business units, and what these reply, by asking (docs/connectors/trustpilot.md)."""

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from streams.connectors.live import ConnectorSettings, Received
from streams.connectors.oauth import Tokens
from streams.connectors.pacing import Budget
from streams.connectors.reviews import Reading, Review, reply_key
from streams.connectors.session import Headers, NotThereError, Session
from streams.connectors.trustpilot_reviews import reply_of, review_of
from streams.http_answers import RefusedError, UnavailableError

PAGE: Final = 100
"""Reviews to ask for at once; more Trustpilot does not give."""


class TrustpilotSettings(ConnectorSettings):
    """``type = "trustpilot"``."""

    type: Literal["trustpilot"]
    key_file: Path | None = Field(None, description="a file with the API key")
    key_env: str | None = Field(None, description="the same in a variable")
    secret_file: Path | None = Field(None, description="a file with the API secret; with it, the private API is asked")
    secret_env: str | None = Field(None, description="the same in a variable")
    server: str = Field("https://api.trustpilot.com", pattern=r"^https?://[^\s/]+$", description="the API's server")
    days: float = Field(14, gt=0, le=14, description="of so old reviews, edits and replies are still seen")
    poll_seconds: float = Field(300, gt=0, le=86_400, description="how often it is asked")
    requests_per_minute: int = Field(60, ge=1, description="no more requests than this")
    needs = ("key",)
    may_have = ("secret",)


class Trustpilot:
    """The reviews of some business units."""

    network: ClassVar[str] = "trustpilot"
    settings: ClassVar[type[ConnectorSettings]] = TrustpilotSettings

    def __init__(
        self, settings: TrustpilotSettings, session: Session, secrets: Mapping[str, Callable[[], str]]
    ) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets
        self._units = [account.partition(":")[2] for account in settings.accounts]
        self._reading = Reading(self, session, self._units, settings.days, settings.poll_seconds)
        self._tokens = Tokens(session, self._grant) if settings.has("secret") else None

    @staticmethod
    def budget(settings: TrustpilotSettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(settings.requests_per_minute, 60.0)

    async def check(self) -> str:
        """Return in words whose reviews the key is shown."""
        names = [(await self._get(f"/v1/business-units/{unit}"))["displayName"] for unit in self._units]
        return f"the {'private' if self._tokens else 'public'} reviews of {', '.join(names)}"

    def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield reviews and replies; see :class:`streams.connectors.live.Connector`."""
        return self._reading.stream(cursor)

    def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield those since then; see :class:`streams.connectors.live.Historic`."""
        return self._reading.history(since, cursor)

    async def pages(self, unit: str) -> AsyncIterator[list[Any]]:
        """Yield the pages of a business unit's reviews, the newest first."""
        number = 1
        path = f"/v1/private/business-units/{unit}/reviews" if self._tokens else f"/v1/business-units/{unit}/reviews"
        while True:
            answer = await self._get(path, page=number, perPage=PAGE, orderBy="createdat.desc")
            found = answer.get("reviews") if isinstance(answer, dict) else None
            if not isinstance(found, list):
                raise UnavailableError("its answer has no reviews")
            if not found:  # behind the last page is an empty one
                return
            yield found
            number += 1

    def read(self, raw: Any, unit: str) -> Review:  # noqa: ANN401 - whatever came
        """Return what a review says."""
        review = review_of(raw, unit)
        reply = reply_of(raw, review, unit, reply_key(review.key, self._session.known))
        return Review(review.published_at, (review, reply) if reply else (review,))

    async def one(self, key: str, _: str) -> object:
        """Ask for one review."""
        return await self._ask(f"/v1/private/reviews/{key}" if self._tokens else f"/v1/reviews/{key}")

    async def _get(self, path: str, **parameters: str | int | list[str]) -> Any:  # noqa: ANN401 - any JSON
        try:
            return await self._ask(path, **parameters)
        except NotThereError as error:
            raise RefusedError(f"there is no such business unit ({error})") from None

    async def _ask(self, path: str, **parameters: str | int | list[str]) -> Any:  # noqa: ANN401 - any JSON
        address, headers = self._settings.server + path, {"apikey": self._secrets["key"](), "User-Agent": "Rapport"}
        ask = self._tokens.get if self._tokens else self._session.get
        return await ask(address, headers, parameters)

    def _grant(self) -> tuple[str, Headers, Mapping[str, str]]:
        address = f"{self._settings.server}/v1/oauth/oauth-business-users-for-applications/accesstoken"
        pair = f"{self._secrets['key']()}:{self._secrets['secret']()}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}", "User-Agent": "Rapport"}
        return address, headers, {"grant_type": "client_credentials"}
