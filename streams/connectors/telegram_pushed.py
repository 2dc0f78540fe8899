"""What Telegram pushes of what a bot sees, as Interactions. Pure (https://core.telegram.org/bots/api#setwebhook)."""

from collections.abc import Sequence

from streams.connectors.base import Item, Rejected
from streams.connectors.jsonl import checked
from streams.connectors.live import Deletion, Post
from streams.connectors.pushed import Reader, loads, malformed
from streams.connectors.pushed_posts import of_deletion, of_post
from streams.connectors.telegram_updates import Brand, read
from streams.connectors.values import MALFORMED


def reader(accounts: Sequence[str], ours: Brand) -> Reader:
    """Return what reads what Telegram pushes; ``accounts``: ``telegram:USERNAME``, that of the bot first."""

    def read_update(record: bytes, place: str, now: int) -> Sequence[Item]:
        try:
            found = read(loads(record), ours, now)
        except MALFORMED as error:
            return [malformed(record, place, f"not as Telegram pushes it: {type(error).__name__} {error}")]
        return [event for item in found for event in _events(item, place, record, now)]

    def _events(item: object, place: str, record: bytes, now: int) -> list[Item]:
        if isinstance(item, Post):
            return of_post(item, accounts, place, record, now)
        if isinstance(item, Deletion):
            return [of_deletion(item, accounts[0], now)]
        assert isinstance(item, dict)  # noqa: S101 - an opt-out
        event = checked({**item, "published_at": min(item["published_at"], now), "received_at": now}, now)
        return [event if isinstance(event, dict) else Rejected(event[0], event[1][:500], place, record)]

    return read_update
