"""Who is waiting, live: ClickHouse is asked several times a second, and whoever watches is told what has changed.

One process asks once, however many people watch. What they are told is numbered, so that a page whose connection broke is told
what it missed, or, if that is too long ago, everything anew.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, get_args

import anyio.to_thread
import msgspec
from clickhouse_connect.driver.client import Client

from schemas.codec import Record
from sinks.clickhouse import queries
from sinks.dashboard.alerts import NOTHING_AGREED, Agreed, Held, Key, began_at, held, ms, what_was_said
from sinks.dashboard.business_time import AROUND_THE_CLOCK, BusinessTime
from sinks.dashboard.freshness import Freshness
from sinks.dashboard.turns import Turns
from streams.notifications.holding import Watched
from streams.notifications.model import Command
from streams.telemetry import log

EVERY_SECONDS: Final = 0.25
IDLE: Final = 4
"""Where a look takes long, four times as long passes until the next."""
MOST: Final = 10_000
"""So many turns are shown; who waits behind so many others is not read about anyway."""
AT_ONCE: Final = 500
"""So many openers are asked for in a look, since what is asked travels in the request's address; the others in the next ones."""
REMEMBERED: Final = 600
"""Changes, for pages that come back; some minutes of them where each look finds one."""
NEWEST_SECONDS: Final = 5.0
"""When the newest event came is asked for so often, since that reads a day of them."""
MINUTE_SECONDS: Final = 60
"""Figures as of a minute are of the time up to its end."""
AGAIN_SECONDS: Final = 300.0
"""What is known of a turn's opener is asked for again after so long: it may have been edited, and ties change."""

State = Literal["past target", "at risk", "in time"]
STATES: Final[tuple[State, ...]] = get_args(State)
Why = Literal["advocate", "came back", "negative"]
WHYS: Final[tuple[Why, ...]] = get_args(Why)
"""Why somebody may matter more than others who wait as long."""


logger = log("dashboard")


class Waiting(msgspec.Struct, frozen=True):
    """One turn that waits, as the page and the API show it. Times in ms since 1970."""

    account: str
    turn_id: str
    contact_id: str
    ordinal: int
    messages: int
    opened_at: int
    due_at: int
    calendar: str
    """The version of the calendar that its business time is measured with; empty: around the clock."""
    rule: str
    state: State
    network: str = ""
    name: str = ""
    """What the network calls the contact; empty if it does not say."""
    text: str = ""
    lang: str = ""
    url: str = ""
    followers: int = -1
    tie_strength: float | None = None
    """None: nothing is known of them yet."""
    reasons: tuple[str, ...] = ()
    """Why it matters beyond its age: advocate, came back, negative, its ordinal if it is not their first, how strong the tie is."""
    alert_id: str = ""
    """Of the alert that fires for it; empty: none does."""
    held: Held | None = None
    """Why nobody is told of that alert."""

    @property
    def key(self) -> str:
        """What names it on the page."""
        return key_of(self.account, self.turn_id)

    @property
    def place(self) -> tuple[int, str, str]:
        """Where it stands among others: the most overdue first."""
        return self.due_at, self.account, self.turn_id


def key_of(account: str, turn_id: str) -> str:
    """Return what names a turn on the page."""
    return f"{account} {turn_id}"


class Choice(NamedTuple):
    """Which of them somebody wants to see, and may."""

    allowed: Callable[[str], bool]
    """Whether an account may be seen."""
    account: str = ""
    network: str = ""
    state: str = ""
    text: str = ""
    """Somewhere in the text, in the contact's name or id."""
    why: str = ""
    """One of the reasons for which it matters."""

    def takes(self, item: Waiting) -> bool:
        """Say whether a turn is among them. What is empty asks for nothing."""
        words = self.text.casefold()
        return (
            self.allowed(item.account)
            and self.account in ("", item.account)
            and self.network in ("", item.network)
            and self.state in ("", item.state)
            and self.why in ("", *item.reasons)
            and (not words or words in f"{item.text} {item.name} {item.contact_id}".casefold())
        )


class Change(NamedTuple):
    """What one look found. ``number`` counts them."""

    number: int
    put: Sequence[Waiting]
    gone: Sequence[Waiting]


async def keep_looking(look: Callable[[], Awaitable[None]], every: float) -> None:
    """Look again and again. Where a look fails, as without ClickHouse, what is known stays, and is seen to grow stale."""
    trouble = ""
    while True:
        started = time.monotonic()
        try:
            await look()
            trouble = ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look may find better
            said = f"{type(error).__name__}: {error}"
            if said != trouble:
                logger.warning("looking_failed", error=" ".join(said.split())[:300])
            trouble = said
        await asyncio.sleep(max(every, IDLE * (time.monotonic() - started)))


class Inbox:
    """The turns that wait, kept as ClickHouse has them."""

    def __init__(
        self,
        client: Client,
        now: Callable[[], float] = time.time,
        hours: BusinessTime = AROUND_THE_CLOCK,
        agreed: Agreed = NOTHING_AGREED,
    ) -> None:
        self._client = client
        self._now = now
        self._agreed = agreed
        self.hours = hours
        """What is left of a target is told by it."""
        self.items: dict[str, Waiting] = {}
        """By key, the most overdue first."""
        self.said: Mapping[Key, Command] = {}
        """What people have said to alerts."""
        self.fresh = Freshness(0.0, None)
        self.epoch = secrets.token_hex(4)
        """Numbers of changes mean something within it only: another process counts anew."""
        self.number = 0
        self._changes: deque[Change] = deque(maxlen=REMEMBERED)
        self._changed = asyncio.Condition()
        self._closed = False
        self._turns = Turns(client, MOST)
        self._made: dict[str, _Made] = {}
        """By key."""
        self._openers: dict[str, _Opener] = {}
        """By key."""
        self._newest: tuple[float, float | None, float | None] = (0.0, None, None)
        """When it was asked for, when the newest event was received, and up to when the newest figures are."""

    # -- looking ---------------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Ask ClickHouse once, and tell whoever watches what has changed."""
        items, newest, measured, self.said = await anyio.to_thread.run_sync(self._ask)
        put = [item for key, item in items.items() if self.items.get(key) != item]
        gone = [item for key, item in self.items.items() if key not in items]
        self.items = items
        self.fresh = Freshness(self._now(), newest, measured)
        async with self._changed:
            if put or gone:
                self.number += 1
                self._changes.append(Change(self.number, put, gone))
            self._changed.notify_all()

    def _ask(self) -> tuple[dict[str, Waiting], float | None, float | None, dict[Key, Command]]:
        now = self._now()
        turns, said = self._turns.look(time.monotonic()), what_was_said(self._client, round(now * 1000))
        self._ask_for_openers(turns, now)
        self._made = {_key(turn): self._make(turn, now) for turn in turns}
        items = [self._alerted(made, said, now) for made in self._made.values()]
        if self._newest[0] < now - NEWEST_SECONDS:
            newest, measured = queries.newest(self._client)
            self._newest = now, _seconds(newest), None if measured is None else measured.timestamp() + MINUTE_SECONDS
        return {item.key: item for item in items}, *self._newest[1:], said

    def _make(self, turn: Record, now: float) -> "_Made":
        """Return a turn as the page shows it; what has been made of the same already is as good."""
        key, state = _key(turn), _state(turn, now)
        opener, made = self._openers.get(key, _UNKNOWN).post, self._made.get(key)
        if made is not None and made.turn is turn and made.opener is opener and made.item.state == state:
            return made
        return _Made(turn, opener, _waiting(turn, opener, state))

    def _alerted(self, made: "_Made", said: Mapping[Key, Command], now: float) -> Waiting:
        """Return a turn with the alert that fires for it, and who has that."""
        item, fired_at = made.item, made.turn["fired_at"]
        if fired_at is None:
            return item
        severity = "critical" if made.turn["escalation"] > 0 else "warning"
        began, alert_id = began_at(item.opened_at, item.due_at, ms(fired_at)), f"unanswered:{item.turn_id}"
        alert = Watched(item.account, alert_id, "unanswered", severity, item.rule, began)
        taken_on = held(alert, said, round(now * 1000), self._agreed)
        return msgspec.structs.replace(item, alert_id=alert_id, held=taken_on)

    def _ask_for_openers(self, turns: Sequence[Record], now: float) -> None:
        known = self._openers
        self._openers = {(key := _key(turn)): known.get(key, _UNKNOWN) for turn in turns}
        due = [(again_at, turn) for turn in turns if (again_at := self._openers[_key(turn)].again_at) <= now]
        wanted = [turn for _, turn in sorted(due, key=itemgetter(0))[:AT_ONCE]]
        found = (
            {key_of(post["account"], post["id"]): post for post in queries.openers(self._client, wanted)}
            if wanted
            else {}
        )
        for key in map(_key, wanted):
            self._openers[key] = self._openers[key].asked(found.get(key), now)

    # -- watching --------------------------------------------------------------------------------------------------------

    def chosen(self, choice: Choice) -> list[Waiting]:
        """Return the turns of a choice, the most overdue first."""
        return [item for item in self.items.values() if choice.takes(item)]

    async def watch(self, choice: Choice, last: str, heartbeat: float) -> AsyncIterator[tuple[str, Change | None]]:
        """Yield what changes in a choice, each with its id, after the one with the id ``last``; None: nothing for a while.

        Everything, with ``gone`` empty and number 0, comes first, unless ``last`` is one that is remembered; and again whenever
        whoever watches is so slow that what they have not been told is remembered no more.
        """
        number = self._number(last)
        while not self._closed:
            if not self._remembers_since(number):
                number = self.number
                yield self._id(number), Change(0, self.chosen(choice), ())
                continue
            missed = [change for change in self._changes if change.number > number]
            for change in missed:
                number = change.number
                told = _of(choice, change)
                if told.put or told.gone:
                    yield self._id(number), told
            if missed:
                continue
            async with self._changed:
                try:
                    async with asyncio.timeout(heartbeat):
                        await self._changed.wait_for(lambda: self.number > number or self._closed)  # noqa: B023 - awaited here
                except TimeoutError:
                    pass
                else:
                    continue
            yield self._id(number), None

    async def heard(self, before: Mapping[Key, Command], seconds: float) -> None:
        """Return once something has been said beside ``before``, or after so many seconds."""
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait_for(lambda: self.said != before or self._closed)

    async def close(self) -> None:
        """Send whoever watches away."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _id(self, number: int) -> str:
        return f"{self.epoch}-{number}"

    def _number(self, last: str) -> int:
        """Return the number of a change by its id; -1: it is none of ours."""
        epoch, _, number = last.partition("-")
        return int(number) if epoch == self.epoch and number.isdecimal() else -1

    def _remembers_since(self, number: int) -> bool:
        """Say whether all that came after a change is remembered."""
        oldest = self._changes[0].number if self._changes else self.number + 1
        return oldest - 1 <= number <= self.number


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _of(choice: Choice, change: Change) -> Change:
    """Return what of a change concerns a choice: a turn that is in it no longer is gone."""
    put = [item for item in change.put if choice.takes(item)]
    left = [item for item in change.put if not choice.takes(item) and choice.allowed(item.account)]
    gone = [item for item in change.gone if choice.allowed(item.account)]
    return Change(change.number, put, [*gone, *left])


def _key(turn: Mapping[str, Any]) -> str:
    return key_of(turn["account"], turn["turn_id"])


class _Opener(NamedTuple):
    """What opened a turn, as far as is known."""

    asked_at: float
    again_at: float
    """It is asked for again then."""
    post: Record
    """A row of ``openers.sql``; empty: it has not landed yet."""

    def asked(self, post: Record | None, now: float) -> "_Opener":
        """Return what is known now that it was asked for; None: it is not there, and is waited for longer and longer."""
        if post is None:
            return _Opener(
                now, now + min(AGAIN_SECONDS, 2 * (self.again_at - self.asked_at) or EVERY_SECONDS), self.post
            )
        # Once they are back they are not lapsed any more, and yet it is they who came back.
        came_back = post["came_back"] or self.post.get("came_back", False)
        return _Opener(now, now + AGAIN_SECONDS, post | {"came_back": came_back})


_UNKNOWN: Final = _Opener(0.0, 0.0, {})


class _Made(NamedTuple):
    """A turn as the page shows it, and what that was made of."""

    turn: Record
    opener: Record
    item: Waiting


def _state(turn: Record, now: float) -> State:
    if turn["due_at"].timestamp() <= now or turn["escalation"] > 0:
        return "past target"
    return "at risk" if turn["escalation"] == 0 else "in time"


def _waiting(turn: Record, opener: Record, state: State) -> Waiting:
    return Waiting(
        account=turn["account"],
        turn_id=turn["turn_id"],
        contact_id=turn["contact_id"],
        ordinal=turn["ordinal"],
        messages=turn["messages"],
        opened_at=ms(turn["opened_at"]),
        due_at=ms(turn["due_at"]),
        calendar=turn["calendar"],
        rule=turn["rule"],
        state=state,
        network=opener.get("network") or turn["account"].partition(":")[0],
        name=opener.get("author_name", ""),
        text=opener.get("text", ""),
        lang=opener.get("lang", ""),
        url=opener.get("url", ""),
        followers=opener.get("author_followers", -1),
        tie_strength=opener.get("tie_strength"),
        reasons=tuple(_reasons(turn, opener)),
    )


def _reasons(turn: Record, opener: Record) -> Iterator[str]:
    if opener.get("advocate"):
        yield "advocate"
    if opener.get("came_back"):
        yield "came back"
    if opener.get("negative"):
        yield "negative"
    if turn["ordinal"] > 1:
        yield f"turn {turn['ordinal']}"
    if (strength := opener.get("tie_strength")) is not None:
        yield f"tie {strength:.1f}"
