"""What fires, and who has taken it on: alerts as ClickHouse has them, beside what people have said to them.

What was said comes by way of the notifier's topic, so every page knows it, and still does after a restart.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

import anyio.to_thread
import msgspec
from clickhouse_connect.driver.client import Client

from schemas.codec import Record
from sinks.clickhouse import queries
from streams.notifications.holding import (
    ACKNOWLEDGE_TIMEOUT,
    ENDED,
    LONGEST_ACKNOWLEDGEMENT,
    Watched,
    hold_of,
    standing,
)
from streams.notifications.model import Command

EVERY_SECONDS: Final = 1.0
MOST: Final = 10_000
"""So many alerts are shown."""
AT_ONCE: Final = 300
"""So many are asked about at once, since what is asked travels in the request's address."""
_NEAR: Final = 12 * 3_600_000
"""A time that is nearer is said without its date, ms."""

Severity = Literal["warning", "critical"]
Key = tuple[str, str, bool]
"""Account, alert (empty: all of them), and whether it is a silence of the account."""


class Agreed(NamedTuple):
    """What ``rapport.toml`` says of who is told; without it, what is so where nothing else is said."""

    forgets: Callable[[Watched], int] = lambda _alert: ACKNOWLEDGE_TIMEOUT
    """After how long an acknowledgement of an alert is forgotten, ms."""
    maintenance: Callable[[Watched, int], Command | None] = lambda _alert, _now: None
    """The planned silence that an alert is in at an instant, ms."""


NOTHING_AGREED: Final = Agreed()


class Held(msgspec.Struct, frozen=True):
    """Why nobody is told of an alert that fires. Times in ms since 1970."""

    state: Literal["acknowledged", "snoozed", "silenced"]
    by: str
    at: int
    """When somebody said so."""
    until: int
    says: str
    """The same in words, UTC."""


class Firing(msgspec.Struct, frozen=True):
    """One alert that fires, as the page and the API show it. Times in ms since 1970."""

    account: str
    alert_id: str
    kind: str
    severity: Severity
    escalation: int
    subject: str
    contact_id: str
    due_at: int
    rule: str
    opened_at: int
    fired_at: int
    """Since when it is as bad as it is."""
    value: float | None
    baseline: float | None
    held: Held | None = None

    @property
    def place(self) -> tuple[bool, int, int, str, str]:
        """Where it stands among others: the worst first, and of these the oldest."""
        return self.severity != "critical", -self.escalation, self.fired_at, self.account, self.alert_id


class AlertChoice(NamedTuple):
    """Which of them somebody wants to see, and may."""

    allowed: Callable[[str], bool]
    account: str = ""
    network: str = ""
    severity: str = ""
    kind: str = ""

    def takes(self, alert: Firing) -> bool:
        """Say whether an alert is among them. What is empty asks for nothing."""
        return (
            self.allowed(alert.account)
            and self.account in ("", alert.account)
            and self.network in ("", alert.account.partition(":")[0])
            and self.severity in ("", alert.severity)
            and self.kind in ("", alert.kind)
        )


def what_was_said(client: Client, now: int) -> dict[Key, Command]:
    """Ask ClickHouse what was said to alerts last, and of those that it may hold yet, at ``now``, when they ended. ms."""
    said = said_by(queries.commands(client))
    asked = [key[:2] for key, command in said.items() if not key[2] and _may_hold(command, now)]
    for first in range(0, len(asked), AT_ONCE):
        for account, alert_id, at in queries.ended(client, asked[first : first + AT_ONCE]):
            key, ended = (account, alert_id, False), Command(alert_id, ENDED, 0, "", ms(at))
            said[key] = max(said.get(key, ended), ended, key=lambda command: command.at)
    return said


def _may_hold(command: Command, now: int) -> bool:
    hold = hold_of(command, LONGEST_ACKNOWLEDGEMENT)
    return hold is not None and hold.until > now


def said_by(rows: Iterable[Record]) -> dict[Key, Command]:
    """Return what was said last, from rows of ``notification_commands``."""
    found: dict[Key, Command] = {}
    for row in rows:
        key = row["account"], row["alert_id"], row["action"] == "silence" and not row["alert_id"]
        said = Command(row["alert_id"], row["action"], ms(row["until"]), row["by"], ms(row["at"]))
        if key not in found or found[key].at < said.at:
            found[key] = said
    return found


def held(alert: Watched, said: Mapping[Key, Command], now: int, agreed: Agreed) -> Held | None:
    """Return why nobody is told of an alert; None: people are told. Times in ms.

    By the notifier's own rule, :func:`streams.notifications.holding.standing`; a silence of the account, or one that was planned,
    stands beside it.
    """
    account = alert.account
    about = [it for key in (alert.alert_id, "") if (it := said.get((account, key, False))) is not None]
    if about and (hold := standing(about, alert.began_at, now, agreed.forgets(alert))) is not None:
        until = f" until {_clock(hold.until, now)}" if hold.state == "snoozed" else ""
        return Held(hold.state, hold.by, hold.at, hold.until, f"{hold.state}{until}{_by(hold.by)}")
    silences = (said.get((account, "", True)), agreed.maintenance(alert, now))
    silence = max((it for it in silences if it is not None), key=lambda it: it.until, default=None)
    if silence is not None and silence.until > now:
        words = f"silenced until {_clock(silence.until, now)}{_by(silence.by)}"
        return Held("silenced", silence.by, silence.at, silence.until, words)
    return None


def ms(time: datetime) -> int:
    """Return a time in ms since 1970."""
    return round(time.timestamp() * 1000)


class Alerts:
    """The alerts that fire, kept as ClickHouse has them."""

    def __init__(
        self,
        client: Client,
        said: Callable[[], Mapping[Key, Command]],
        agreed: Agreed = NOTHING_AGREED,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._said, self._agreed, self._now = client, said, agreed, now
        self._firing: Sequence[Firing] = ()

    async def look(self) -> None:
        """Ask ClickHouse once."""
        rows = await anyio.to_thread.run_sync(queries.firing, self._client, MOST)
        self._firing = [_firing(row) for row in rows]

    def chosen(self, choice: AlertChoice) -> list[Firing]:
        """Return the alerts of a choice, the worst first, each with what was said to it."""
        now, said = round(self._now() * 1000), self._said()
        return [
            msgspec.structs.replace(alert, held=held(_watched(alert), said, now, self._agreed))
            for alert in self._firing
            if choice.takes(alert)
        ]


def began_at(opened_at: int, due_at: int, fired_at: int) -> int:
    """Return when an alert had begun to fire, ms.

    Its row says since when it is as bad as it is; of somebody who waits it warned at four fifths of the target. That is of the
    clock: in business time it may have been somewhat earlier or later.
    """
    return min(fired_at, opened_at + (due_at - opened_at) * 4 // 5)


def _watched(alert: Firing) -> Watched:
    began = began_at(alert.opened_at, alert.due_at, alert.fired_at)
    return Watched(alert.account, alert.alert_id, alert.kind, alert.severity, alert.rule, began)


def _firing(row: Mapping[str, Any]) -> Firing:
    return Firing(
        row["account"],
        row["alert_id"],
        row["kind"],
        row["severity"],
        row["escalation"],
        row["subject"],
        row["contact_id"],
        ms(row["due_at"]),
        row["rule"],
        ms(row["opened_at"]),
        ms(row["fired_at"]),
        row["value"],
        row["baseline"],
    )


def _by(who: str) -> str:
    return f" by {who}" if who else ""


def _clock(at: int, now: int) -> str:
    then = datetime.fromtimestamp(at / 1000, UTC)
    return f"{then:%H:%M}" if at - now < _NEAR else f"{then:%Y-%m-%d %H:%M}"
