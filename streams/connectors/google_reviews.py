"""Google Business Profile: reviews of locations and what their owners reply, by asking (docs/connectors/google_reviews.md)."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from streams.connectors.live import ConnectorSettings, Post, Received
from streams.connectors.oauth import Tokens
from streams.connectors.pacing import Budget
from streams.connectors.reviews import Reading, Review, reply_key, sentiment
from streams.connectors.session import Headers, NotThereError, Session
from streams.connectors.values import milliseconds
from streams.http_answers import RefusedError, UnavailableError

PAGE: Final = 50
"""Reviews to ask for at once; more Google does not give."""
STARS: Final = {"ONE": 1, "TWO": 2, "THREE": 3, "FOUR": 4, "FIVE": 5}
_TRANSLATED: Final = "(Translated by Google)"
_ORIGINAL: Final = "(Original)\n"

Location = Annotated[str, Field(pattern=r"^google:\d+/\d+$")]


class GoogleReviewsSettings(ConnectorSettings):
    """``type = "google_reviews"``."""

    type: Literal["google_reviews"]
    accounts: tuple[Location, ...] = Field(min_length=1, description="google:account/location, both numbers")
    client_id: str = Field(min_length=1, description="of the OAuth client")
    client_secret_file: Path | None = Field(None, description="a file with its secret")
    client_secret_env: str | None = Field(None, description="the same in a variable")
    refresh_token_file: Path | None = Field(
        None, description="a file with the refresh token of who manages the profiles"
    )
    refresh_token_env: str | None = Field(None, description="the same in a variable")
    server: str = Field(
        "https://mybusiness.googleapis.com", pattern=r"^https?://[^\s/]+$", description="the API's server"
    )
    token_server: str = Field(
        "https://oauth2.googleapis.com", pattern=r"^https?://[^\s/]+$", description="the server of access tokens"
    )
    days: float = Field(14, gt=0, le=14, description="of so old reviews, replies are still seen")
    poll_seconds: float = Field(300, gt=0, le=86_400, description="how often it is asked")
    requests_per_minute: int = Field(60, ge=1, description="no more requests than this")
    needs = ("client_secret", "refresh_token")


class GoogleReviews:
    """The reviews of some locations."""

    network: ClassVar[str] = "google"
    settings: ClassVar[type[ConnectorSettings]] = GoogleReviewsSettings

    def __init__(
        self, settings: GoogleReviewsSettings, session: Session, secrets: Mapping[str, Callable[[], str]]
    ) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets
        self._units = [account.partition(":")[2] for account in settings.accounts]
        self._reading = Reading(self, session, self._units, settings.days, settings.poll_seconds)
        self._tokens = Tokens(session, self._grant)

    @staticmethod
    def budget(settings: GoogleReviewsSettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(settings.requests_per_minute, 60.0)

    async def check(self) -> str:
        """Return in words how many reviews the token is shown."""
        counts = [(await self._get(unit, pageSize=1)).get("totalReviewCount", 0) for unit in self._units]
        said = ", ".join(f"google:{unit} has {count}" for unit, count in zip(self._units, counts, strict=True))
        return f"reviews: {said}"

    def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield reviews and replies; see :class:`streams.connectors.live.Connector`."""
        return self._reading.stream(cursor)

    def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield those since then; see :class:`streams.connectors.live.Historic`."""
        return self._reading.history(since, cursor)

    async def pages(self, unit: str) -> AsyncIterator[list[Any]]:
        """Yield the pages of a location's reviews, those that were written or edited last first."""
        following = ""
        while True:
            token = {"pageToken": following} if following else {}
            answer = await self._get(unit, pageSize=PAGE, orderBy="updateTime desc", **token)
            if not isinstance(answer, dict) or not isinstance(found := answer.get("reviews", []), list):
                raise UnavailableError("its answer has no reviews")
            yield found
            following = answer.get("nextPageToken") or ""
            if not following:
                return

    def read(self, raw: Any, unit: str) -> Review:  # noqa: ANN401 - whatever came
        """Return what a review says."""
        key, reviewer, text = _text(raw["reviewId"]), raw["reviewer"], words(raw.get("comment") or "")
        created, updated = milliseconds(raw["createTime"], UTC), milliseconds(raw["updateTime"], UTC)
        review = Post(
            key=key,
            id=f"google:{key}",
            author_id=key,  # Google does not say who it is; a person has one review of a location
            published_at=created,
            text=text,
            addressed=(unit,),
            conversation_id=f"google:{key}",
            revision=updated if updated > created else 0,
            fields={
                "author_name": _text(reviewer.get("displayName") or ""),
                "sentiment": sentiment(STARS[raw["starRating"]], text),
            },
        )
        reply = raw.get("reviewReply")
        return Review(updated, (review, self._reply(reply, review, unit)) if reply else (review,))

    def _reply(self, reply: Any, review: Post, unit: str) -> Post:  # noqa: ANN401 - whatever came
        """Return a reply. It has the time of its last change alone: when it was first seen with another, it was edited."""
        key, updated = reply_key(review.key, self._session.known), milliseconds(reply["updateTime"], UTC)
        known = self._session.known(key)
        is_edited = known is not None and known.published_at < updated
        return Post(
            key=key,
            id=f"google:{key}",
            author_id=unit,
            published_at=known.published_at if known else updated,
            text=words(_text(reply["comment"])),
            parent_id=review.id,
            parent_author_id=review.author_id,
            parent_key=review.key,
            conversation_id=review.id,
            revision=updated if is_edited else 0,
        )

    async def one(self, key: str, unit: str) -> object:
        """Ask for one review."""
        return await self._ask(f"{self._address(unit)}/{key}")

    async def _get(self, unit: str, **parameters: str | int | list[str]) -> Any:  # noqa: ANN401 - any JSON
        try:
            return await self._ask(self._address(unit), **parameters)
        except NotThereError as error:
            raise RefusedError(f"there is no such location ({error})") from None

    def _address(self, unit: str) -> str:
        account, _, location = unit.partition("/")
        return f"{self._settings.server}/v4/accounts/{account}/locations/{location}/reviews"

    async def _ask(self, address: str, **parameters: str | int | list[str]) -> Any:  # noqa: ANN401 - any JSON
        return await self._tokens.get(address, {"User-Agent": "Rapport"}, parameters)

    def _grant(self) -> tuple[str, Headers, Mapping[str, str]]:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._settings.client_id,
            "client_secret": self._secrets["client_secret"](),
            "refresh_token": self._secrets["refresh_token"](),
        }
        return f"{self._settings.token_server}/token", {"User-Agent": "Rapport"}, form


def words(comment: str) -> str:
    """Return what somebody wrote, without Google's translation of it, which stands above or below."""
    _text(comment)
    if comment.startswith(_TRANSLATED) and _ORIGINAL in comment:
        return comment.partition(_ORIGINAL)[2].strip()
    return re.sub(rf"\n\n{re.escape(_TRANSLATED)}.*", "", comment, flags=re.DOTALL).strip()


def _text(value: Any) -> str:  # noqa: ANN401 - whatever came
    if not isinstance(value, str):
        raise TypeError("a text that is none")
    return value
