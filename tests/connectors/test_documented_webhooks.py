"""The fake X and Meta push to what their documentation has receivers do, and to `rapport listen`: both believe them alone.

The receivers are the examples of docs.x.com and of Meta's sample apps, told anew.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from streams.listener.app import Served, build
from streams.listener.making import hooks_of
from streams.serving import address, bound, until_stopped
from tests.brands_file import load
from tests.connectors.meta_network import MetaNetwork
from tests.connectors.webhook_senders import MetaSender, Sender, XSender
from tests.connectors.x_network import XNetwork
from tests.unit.listener.test_app import Kafka

SECRET, TOKEN = "z3ZX4v7mAAUGykl3EcmkqbartmuW8VFO", "what-we-told-meta"


def x_example() -> Starlette:
    """X's example: one route, which answers the CRC and looks at the signature of what is posted."""

    async def webhook(request: Request) -> Response:
        if request.method == "GET":
            token = request.query_params["crc_token"]
            digest = hmac.new(SECRET.encode(), msg=token.encode(), digestmod=hashlib.sha256).digest()
            return JSONResponse({"response_token": "sha256=" + base64.b64encode(digest).decode()})
        digest = hmac.new(SECRET.encode(), msg=await request.body(), digestmod=hashlib.sha256).digest()
        expected = "sha256=" + base64.b64encode(digest).decode()
        is_genuine = hmac.compare_digest(request.headers["x-twitter-webhooks-signature"], expected)
        return Response(status_code=200 if is_genuine else 403)

    return Starlette(routes=[Route("/v1/webhooks/it", webhook, methods=["GET", "POST"])])


def meta_example() -> Starlette:
    """Meta's example: ``verifyRequestSignature`` over the raw body, and the challenge echoed."""

    async def webhook(request: Request) -> Response:
        if request.method == "GET":
            asked = request.query_params
            if asked["hub.mode"] == "subscribe" and asked["hub.verify_token"] == TOKEN:
                return PlainTextResponse(asked["hub.challenge"])
            return Response(status_code=403)
        _, given = request.headers["x-hub-signature-256"].split("=")
        expected = hmac.new(SECRET.encode(), await request.body(), hashlib.sha256).hexdigest()
        return Response(status_code=200 if given == expected else 400)

    return Starlette(routes=[Route("/v1/webhooks/it", webhook, methods=["GET", "POST"])])


def x_sender() -> XSender:
    sender = XSender(XNetwork(), SECRET)
    sender.subscribe("acme")
    return sender


SENDERS: dict[str, tuple[Callable[[], Sender], Callable[[], Starlette], str]] = {
    "x": (x_sender, x_example, 'type = "x-webhook"\nconsumer_secret_env = "SECRET"\naccounts = ["{}"]'),
    **{
        kind: (
            lambda kind=kind: MetaSender(MetaNetwork(kind=kind), SECRET, TOKEN),
            meta_example,
            'type = "meta-webhook"\napp_secret_env = "SECRET"\nverify_token_env = "TOKEN"\naccounts = ["{}"]',
        )
        for kind in ("facebook", "instagram", "threads")
    },
}


@asynccontextmanager
async def served(application: Starlette) -> AsyncIterator[str]:
    """Serve an application over HTTP, and yield the address of its webhook."""
    listening, stop = bound("127.0.0.1", 0), asyncio.Event()

    async def serve() -> None:
        async with until_stopped(application, listening, stop):
            pass

    task = asyncio.create_task(serve())
    try:
        yield f"{address(listening)}/v1/webhooks/it"
    finally:
        stop.set()
        await task


@pytest.mark.parametrize("name", SENDERS)
def test_what_they_push_is_believed_as_their_documentation_says_and_by_the_listener(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, example, stanza = SENDERS[name]
    sender, kafka = make(), Kafka()
    network = sender.network
    (account,) = network.stanza("acme")["accounts"]
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setenv("TOKEN", TOKEN)
    question = network.say("ann", "Où est mon colis? <b> & 👋", to=("acme",))
    network.say("acme", "En route", parent=question.key)
    bodies = list(sender.bodies())
    listener = build(
        Served(kafka, hooks=hooks_of(load(f"[connectors.it]\n{stanza.format(account)}\n", tmp_path), None))
    )

    async def scenario() -> None:
        async with served(example()) as theirs, served(listener) as ours, httpx.AsyncClient() as client:
            stranger = sender.with_another_secret()
            for receiver in (theirs, ours):
                assert await sender.asks(client, receiver)
                assert not await stranger.asks(client, receiver)
                for body in bodies:
                    assert await sender.push(client, receiver, body, body) == 200
                    assert await sender.push(client, receiver, body + b" ", body) in (400, 401, 403)
                    assert await stranger.push(client, receiver, body, body) in (400, 401, 403)
            if name == "x":
                token = {"crc_token": "9b4507b3-9040-4669-9ca3-6b94edb50553"}
                answers = [await client.get(receiver, params=token) for receiver in (theirs, ours)]
                assert answers[0].json() == answers[1].json()

    asyncio.run(asyncio.wait_for(scenario(), 30))
    taken = {(it["account"], it["id"]): it["kind"] for it in kafka.has if isinstance(it, dict)}
    assert taken == network.truth("acme")
    assert len(kafka.has) == len(taken) == len(bodies) == len({json.dumps(json.loads(it)) for it in bodies})
