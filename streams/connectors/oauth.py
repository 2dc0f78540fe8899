"""Access tokens by OAuth 2 (RFC 6749): asked for when one is needed, and again when it has run out or is refused."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from streams.connectors.session import Headers, NotThereError, Parameters, Session
from streams.http_answers import RefusedError, UnavailableError

SPARE_SECONDS: Final = 60.0
"""A token is given up so long before it runs out."""


class Tokens:
    """One grant's access tokens. ``ask``: returns address, headers and form of the request, with the secrets as they are now."""

    def __init__(self, session: Session, ask: Callable[[], tuple[str, Headers, Mapping[str, str]]]) -> None:
        self._session, self._ask = session, ask
        self._token, self._until = "", 0.0

    async def token(self) -> str:
        """Return a token. Raises :class:`RefusedError` if the grant is refused, and as :meth:`Session.send`."""
        if not self._token or time.monotonic() >= self._until:
            try:
                address, headers, form = self._ask()
                answer = await self._session.send("POST", address, headers, form=form)
            except NotThereError as error:  # HTTP 400, invalid_grant among others
                raise RefusedError(str(error)) from None
            if isinstance(answer, dict) and "error" in answer:  # Reddit says so with the status 200
                raise RefusedError("no token")
            try:
                token, seconds = answer["access_token"], float(answer.get("expires_in", 3600))
            except (AttributeError, KeyError, TypeError, ValueError):
                raise UnavailableError("its answer has no token") from None
            self._token, self._until = str(token), time.monotonic() + seconds - SPARE_SECONDS
        return self._token

    async def get(self, url: str, headers: Headers, parameters: Parameters | None = None) -> Any:  # noqa: ANN401 - any JSON
        """Return what ``url`` answers to who has a token; raises as :meth:`token` and :meth:`Session.get`."""
        try:
            return await self._session.get(url, await self._bearing(headers), parameters)
        except RefusedError:
            self._token = ""  # it has run out earlier than was said
            return await self._session.get(url, await self._bearing(headers), parameters)

    async def _bearing(self, headers: Headers) -> Headers:
        return {**headers, "Authorization": f"Bearer {await self.token()}"}
