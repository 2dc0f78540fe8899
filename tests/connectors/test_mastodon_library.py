"""The fake Mastodon server against Mastodon.py, which others wrote for the real one."""

import asyncio
import time
from importlib.util import find_spec
from typing import Any

import pytest

from tests.connectors.mastodon_network import MastodonNetwork
from tests.connectors.network import running

pytestmark = pytest.mark.skipif(find_spec("mastodon") is None, reason="needs Mastodon.py: pip install Mastodon.py")


def test_mastodon_py_understands_the_server() -> None:
    from mastodon import CallbackStreamListener, Mastodon  # noqa: PLC0415 - only where it is

    heard: list[tuple[str, Any]] = []

    def work(network: MastodonNetwork, key: str) -> None:
        client = Mastodon(access_token=network.token, api_base_url=network.url, version_check_mode="none")
        own = client.account_verify_credentials()
        assert own.acct == "acme"
        assert [it.content for it in client.account_statuses(own.id, min_id=0)] == ["<p>Spring sale</p>"]
        (mention,) = client.notifications(min_id=0, types=["mention"])
        assert mention.type == "mention"
        assert mention.status.account.acct == "ann@else.example"
        assert [it.acct for it in mention.status.mentions] == ["acme"]
        assert client.status_context(key).ancestors == []
        listener = CallbackStreamListener(
            update_handler=lambda it: heard.append(("update", it.uri)),
            status_update_handler=lambda it: heard.append(("edit", it.edited_at)),
            notification_handler=lambda it: heard.append(("notification", it.status.uri)),
            delete_handler=lambda it: heard.append(("delete", it)),
        )
        stream = client.stream_user(listener, run_async=True)
        deadline = time.monotonic() + 5
        while len(heard) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        stream.close()

    async def scenario() -> None:
        network = MastodonNetwork()
        async with running(network):
            network.say("acme", "Spring sale")
            before = network.say("ann@else.example", "hello", to=("acme",))
            working = asyncio.create_task(asyncio.to_thread(work, network, before.key))
            async with asyncio.timeout(10):
                while not network.connections and not working.done():  # noqa: ASYNC110 - it knows nothing of us
                    await asyncio.sleep(0.01)
            if network.connections:
                own = network.say("acme", "live")
                mention = network.say("ann@else.example", "hello again", to=("acme",))
                network.edit(mention.key, "hello once more")
                network.delete(own.key)
            await working
            network.cut()
            assert [kind for kind, _ in heard] == ["update", "notification", "edit", "delete"]
            assert heard[0][1] == own.id.removeprefix("mastodon:")
            assert str(heard[3][1]) == own.key

    asyncio.run(scenario())
