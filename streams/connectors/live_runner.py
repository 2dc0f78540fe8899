"""Carries one connector into Kafka: attribution, understanding, cursors after acknowledgement, and what is done when it fails.

==================================  ====================================================================================
it stops between                    then
==================================  ====================================================================================
receiving a post and publishing it  its cursor is not kept: it is received again
publishing and acknowledgement      the same
acknowledgement and the cursor      it is received and published again under the same id, which counts for nothing
==================================  ====================================================================================
"""

import asyncio
import random
import time
import traceback
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Protocol

import httpx

from schemas.codec import Record
from streams.connectors.attribution import attribute, named_by
from streams.connectors.base import Rejected
from streams.connectors.live import ALIVE, Deletion, Departure, Gap, Keep, Known, Post, Received, network_of
from streams.connectors.memory import Memory
from streams.connectors.pacing import Breaker, full_jitter
from streams.connectors.runner import Carrier
from streams.connectors.window import digest
from streams.errors import BrokerError, RapportError, Reason
from streams.http_answers import RefusedError, UnavailableError
from streams.interactions import fault, interaction, unfit
from streams.telemetry import (
    CONNECTOR_FAILURES,
    CONNECTOR_GAPS,
    CONNECTOR_HEARD,
    CONNECTOR_ITEMS,
    CONNECTOR_LAG,
    CONNECTOR_UP,
    connector_stopped,
    log,
)

Understand = Callable[[Record], Record]
"""Gives a post its language and sentiment where its network does not."""

DELETED: Final = 10_000

logger = log("connectors")


class Streaming(Protocol):
    """What is run: a :class:`streams.connectors.live.Connector`, or its history."""

    def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what happens."""


@dataclass(frozen=True)
class Pace:
    """How it waits, in seconds."""

    first_wait: float = 1.0
    longest_wait: float = 120.0
    steady: float = 30.0
    """A connection that has held for so long was a success: failures are counted anew."""
    keep: float = 1.0
    """How often the cursor is written."""
    threshold: int = 8
    """After so many failures in a row the network is left alone …"""
    rest: float = 600.0
    """… for so long."""


@dataclass
class LiveRunner:
    """One connector at work."""

    name: str
    connector: Streaming
    accounts: Collection[str]
    carrier: Carrier
    memory: Memory
    understand: Understand = lambda event: event
    pace: Pace = field(default_factory=Pace)
    now: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    """The time, ms since 1970."""
    _keeping: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _has_sent: bool = field(default=False, init=False)
    """Something may be on its way to Kafka."""
    _deleted: dict[str, None] = field(default_factory=dict, init=False)
    """The last :data:`DELETED` keys of deletions whose post has not come, oldest first."""

    def __post_init__(self) -> None:
        """Read ``accounts`` once."""
        self._is_ours = named_by(self.accounts)

    async def run(self, stop: asyncio.Event) -> None:
        """Return when ``stop`` is set and all that came is acknowledged and its cursor kept.

        Raises :class:`RefusedError` if the network refuses the credentials, and what ``carrier`` raises: what was not acknowledged
        then is received again by the next run.
        """
        CONNECTOR_UP.labels(self.name).set(0)  # from now on it is meant to be up
        tasks = [asyncio.create_task(work()) for work in (self._receive, self._keep_often, stop.wait)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            CONNECTOR_UP.labels(self.name).set(0)
        try:
            for task in done:
                task.result()
        except RefusedError:
            connector_stopped(self.name, "refused")
            await self._keep()
            raise
        await self._keep()

    # -- connections ------------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        """Receive for ever, one connection after the other."""
        breaker = Breaker(self.pace.threshold, self.pace.rest)
        while True:
            began = time.monotonic()
            connector_stopped(self.name, None)
            why, pause = await self._receive_once()
            if time.monotonic() - began >= self.pace.steady:
                breaker.succeeded()
            opened = breaker.failed(time.monotonic())
            wait = full_jitter(breaker.failures, self.pace.first_wait, self.pace.longest_wait, random.random())  # noqa: S311
            wait = max(wait, pause, breaker.wait(time.monotonic()))
            CONNECTOR_UP.labels(self.name).set(0)
            say = logger.error if opened else logger.warning
            said = "left_alone" if opened else "connection_lost"
            say(said, connector=self.name, error=why, failures=breaker.failures, retry_seconds=round(wait, 2))
            if breaker.state == "open":
                connector_stopped(self.name, "left_alone")
            await asyncio.sleep(wait)

    async def _receive_once(self) -> tuple[str, float]:
        """Receive until the connection fails; return why, in words without secrets, and the pause that the network asks for."""
        try:
            async with aclosing(self.connector.stream(self.memory.cursor)) as stream:  # type: ignore[type-var]
                async for received in stream:
                    CONNECTOR_UP.labels(self.name).set(1)
                    CONNECTOR_HEARD.labels(self.name).set(self.now() / 1000)
                    await self._take(received)
        except UnavailableError as error:
            CONNECTOR_FAILURES.labels(self.name, "unavailable").inc()
            return str(error), error.pause
        except (httpx.HTTPError, httpx.StreamError, OSError, TimeoutError) as error:
            CONNECTOR_FAILURES.labels(self.name, "connection").inc()
            return type(error).__name__, 0.0
        except RefusedError:
            CONNECTOR_FAILURES.labels(self.name, "refused").inc()
            raise
        except BrokerError:
            raise
        except RapportError as error:  # its secret cannot be read
            CONNECTOR_FAILURES.labels(self.name, "unavailable").inc()
            return str(error), 0.0
        except Exception as error:  # noqa: BLE001 - one connector's mistake is not the end of the others
            CONNECTOR_FAILURES.labels(self.name, "mistake").inc()
            place = traceback.extract_tb(error.__traceback__)[-1]  # what it says may hold a secret
            return f"{type(error).__name__} in {place.filename}:{place.lineno}", 0.0
        return "the stream ended", 0.0

    # -- items ------------------------------------------------------------------------------------------------------------

    async def _take(self, received: Received) -> None:
        """Publish what an item is to the accounts; then it may be passed over."""
        item = received.item
        self._has_sent = self._has_sent or item is not ALIVE
        match item:
            case Post():
                await self._take_post(item)
            case Deletion():
                await self._take_deletion(item)
            case Departure():
                for key in self.memory.written_by(item.author_id):
                    await self._take_deletion(Deletion(key, item.at))
            case Gap():
                CONNECTOR_GAPS.labels(self.name).inc()
                logger.error("gap", connector=self.name, why=item.why)
            case Rejected():
                self._count("rejected")
                await self.carrier.reject(item, self.name)
            case Keep() | None:
                pass
            case event:
                await self._take_whole(event)
        is_first, self.memory.cursor = self.memory.cursor is None, received.cursor
        if is_first or isinstance(item, Keep):  # without its first cursor, a crash would have it begin anew later
            await self._keep()

    async def _take_post(self, post: Post) -> None:
        if post.key in self._deleted:  # the news of it was faster
            self._count("repeated")
            return
        parent = self.memory.known(post.parent_key) if post.parent_key else None
        network = network_of(post.id)
        found = attribute(post, network, self.accounts, parent)
        if not found:
            self._count("unattributed")
            return
        before = self.memory.known(post.key)
        had = before.accounts if before is not None else ()  # some lists show it for one of them alone
        accounts = tuple(dict.fromkeys((*had, *(it.account for it in found))))
        if before is not None and had == accounts and before.revision >= post.revision:
            self._count("repeated")
            return
        seen_at = self.now()
        CONNECTOR_LAG.labels(self.name).set((seen_at - post.published_at) / 1000)
        published_at = min(post.published_at, seen_at)  # what is seen has been published, whatever its clock says
        conversation = post.conversation_id or (parent.conversation_id if parent else "") or post.parent_id or post.id
        whole = interaction(
            **{
                "id": post.id,
                "network": network,
                "author_id": post.author_id,
                "parent_id": post.parent_id or (parent.id if parent else ""),
                "conversation_id": conversation,
                "published_at": published_at,
                "received_at": seen_at,
                "text": post.text,
                "revision": post.revision,
                "source": self.name,
                **post.fields,
            }
        )
        events = [{**whole, "account": it.account, "kind": it.kind, "contact_id": it.contact_id} for it in found]
        # the key is written too, so it has to be text as all else
        if wrong := unfit({**whole, "account": "", "kind": post.key, "contact_id": ""}) or fault(events[0], seen_at):
            await self._set_aside(wrong, events[0])
            return
        for event in events:
            self._count(event["kind"])
            await self.carrier.publish(self.understand(event))
        contact = next((it.contact_id for it in found if it.kind == "reply"), "")
        known = Known(
            post.id,
            accounts,
            post.author_id,
            contact,
            conversation,
            published_at,
            post.revision,
            digest(post.text),
            is_gone=before is not None and before.is_gone,
        )
        self.memory.learn(post.key, known)

    async def _take_whole(self, event: Record) -> None:
        if event["kind"] == "tick" or not self._is_ours(event["account"]):  # the worker says what time it is
            self._count("unattributed")
            return
        seen_at = self.now()
        CONNECTOR_LAG.labels(self.name).set((seen_at - event["published_at"]) / 1000)
        whole = {**event, "source": self.name, "received_at": seen_at}
        whole["published_at"] = min(event["published_at"], seen_at)
        if wrong := unfit(whole) or fault(whole, seen_at):
            await self._set_aside(wrong, whole)
            return
        self._count(event["kind"])
        await self.carrier.publish(self.understand(whole))

    async def _set_aside(self, wrong: tuple[Reason, str], event: Record) -> None:
        payload = repr(event).encode("utf-8", "backslashreplace")
        self._count("rejected")
        await self.carrier.reject(Rejected(*wrong, event["id"], payload), self.name)

    async def _take_deletion(self, deletion: Deletion) -> None:
        known = self.memory.known(deletion.key)
        if known is None:
            self._count("unattributed")
            self._deleted[deletion.key] = None
            if len(self._deleted) > DELETED:
                del self._deleted[next(iter(self._deleted))]
            return
        if known.is_gone:
            self._count("repeated")
            return
        seen_at = self.now()
        for account in known.accounts:
            self._count("withdrawal")
            await self.carrier.publish(
                interaction(
                    id=known.id,
                    network=network_of(known.id),
                    account=account,
                    kind="withdrawal",
                    published_at=min(deletion.at, seen_at),
                    received_at=seen_at,
                    source=self.name,
                )
            )
        self.memory.learn(deletion.key, known._replace(is_gone=True))

    def _count(self, kind: str) -> None:
        CONNECTOR_ITEMS.labels(self.name, kind).inc()

    # -- cursors ----------------------------------------------------------------------------------------------------------

    async def _keep_often(self) -> None:
        while True:
            await asyncio.sleep(self.pace.keep)
            await self._keep()

    async def _keep(self) -> None:
        """Write how far we are, once all up to there is acknowledged."""
        async with self._keeping:
            self.memory.sweep(self.now())
            cursor, rows = self.memory.pending()
            if rows or self._has_sent:  # a dead letter changes neither
                self._has_sent = False
                await self.carrier.flush()
            if rows:
                await self.memory.keep(cursor, rows)
