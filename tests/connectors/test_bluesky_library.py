"""The fake Jetstream and AppView against atproto, which others wrote for the real ones."""

import asyncio
from importlib.util import find_spec
from typing import Any

import pytest

from tests.connectors.bluesky_network import BLOCKS, METHOD, POSTS, BlueskyNetwork, did
from tests.connectors.network import running

pytestmark = pytest.mark.skipif(find_spec("atproto") is None, reason="needs atproto: pip install atproto")


def test_atproto_understands_the_server() -> None:
    from atproto import AsyncClient  # noqa: PLC0415 - only where it is
    from atproto_jetstream import AsyncJetstreamClient  # noqa: PLC0415 - as above

    heard: list[Any] = []

    async def hear(message: Any) -> None:  # noqa: ANN401 - any of its models
        heard.append(message)

    async def scenario() -> None:
        network = BlueskyNetwork(is_open=True, is_chatting=False)
        async with running(network):
            before = network.say("ann", "grüße 👋", to=("acme", "help"))
            answer = network.say("acme", "hello", parent=before.key)
            kinds = {"collections": [POSTS, BLOCKS], "kinds": ["commit", "account"], "cursor": 1}
            client = AsyncJetstreamClient(kinds, base_uri=f"{network.url.replace('http', 'ws')}/xrpc", compress=False)
            listening = asyncio.create_task(client.start(hear))
            async with asyncio.timeout(10):
                while not network.connections:  # noqa: ASYNC110 - it knows nothing of us
                    await asyncio.sleep(0.01)
                network.edit(answer.key, "hello again")
                network.delete(answer.key)
                network.block("ann", "acme")
                network.leave("ann")
                while len(heard) < 6:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
            await client.stop()
            await asyncio.gather(listening, return_exceptions=True)
            appview = AsyncClient(base_url=f"{network.url}/xrpc")
            thread = (await appview.app.bsky.feed.get_post_thread({"uri": before.key, "depth": 0})).thread
            asked = {"q": "*", "mentions": did("help"), "limit": 1, "since": "2020-01-01T00:00:00Z"}
            found = await appview.app.bsky.feed.search_posts(asked)
            feed = (await appview.app.bsky.feed.get_author_feed({"actor": did("acme")})).feed
            quotes = await appview.app.bsky.feed.get_quotes({"uri": before.key})
            below = (await appview.app.bsky.feed.get_post_thread({"uri": found.posts[0].uri, "depth": 1})).thread
            await appview.request.close()
            assert (found.posts[0].uri, found.cursor, found.posts[0].reply_count) == (before.key, None, 0)
            assert (len(feed), quotes.posts, below.replies) == (0, [], []), "the answer was deleted"
            assert thread.post.author.did == did("ann")
            assert thread.post.record.text.endswith("grüße 👋")

    asyncio.run(scenario())
    assert [it.py_type for it in heard] == [f"{METHOD}#commit"] * 5 + [f"{METHOD}#account"]
    assert [it.seq for it in heard] == [1, 2, 3, 4, 5, 6]
    assert [it.operation for it in heard[:5]] == ["create", "create", "update", "delete", "create"]
    mention, reply, _, _, block = (it.record for it in heard[:5])
    features = [feature for facet in mention.facets for feature in facet.features]
    assert [it.did for it in features] == [did("acme"), did("help")]
    named = [mention.text.encode()[it.index.byte_start : it.index.byte_end].decode() for it in mention.facets]
    assert named == ["@acme.example", "@help.example"]
    assert reply.reply.parent.uri == reply.reply.root.uri == f"at://{did('ann')}/{POSTS}/{heard[0].rkey}"
    assert (block.py_type, block.subject) == (BLOCKS, did("acme"))
    assert (heard[5].account.active, heard[5].account.status) == (False, "deleted")
