"""Delivering messages to a place that may refuse some: try all, halve what is refused, keep what cannot be halved."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sinks.clickhouse.writer import RefusedError

Message = TypeVar("Message")


async def deliver(
    messages: Sequence[Message], insert: Callable[[Sequence[Message]], Awaitable[None]]
) -> list[tuple[Message, str]]:
    """Insert the messages, and return those that are refused by themselves, each with what is wrong with it.

    One bad message among n costs about 2 · log2 n inserts. ``insert`` says :class:`RefusedError`; having stored a part
    before it does is harmless, since all of it is sent again. Other exceptions pass through.
    """
    if not messages:
        return []
    try:
        await insert(messages)
    except RefusedError as error:
        if len(messages) == 1:
            return [(messages[0], str(error))]
        middle = len(messages) // 2
        return await deliver(messages[:middle], insert) + await deliver(messages[middle:], insert)
    return []
