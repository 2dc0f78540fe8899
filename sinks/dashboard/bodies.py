"""Bodies of requests as they came, for that is what is signed; and not of any size."""

from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

LARGEST_BODY: Final = 1_000_000
"""Bytes."""


async def body_of(request: Request) -> bytes:
    """Return the body. Raises :class:`HTTPException` once it is larger than :data:`LARGEST_BODY`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {LARGEST_BODY:,} bytes")
    return bytes(body)
