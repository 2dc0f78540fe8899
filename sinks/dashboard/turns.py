"""The turns that wait, as ClickHouse has them, for little: all of them are asked for now and then, and in between what has landed.

So a look costs what has changed, not what there is: of a million who wait, and of all who ever did.
"""

from collections.abc import Sequence
from typing import Final

from clickhouse_connect.driver.client import Client

from schemas.codec import Record
from sinks.clickhouse import queries

WHOLE_SECONDS: Final = 60.0
"""All are asked for so often, in case that something was missed; and whenever so many have left that others come into sight."""
SPARE: Final = 2
"""So many times as many are kept as are shown, so that others can come into sight without a question."""
OVERLAP_MS: Final = 2_000
"""What has landed is asked for from so long before the look before on: a row is dated before others see it."""
REMEMBERED: Final = 50_000
"""Turns that are over and are remembered, so that an earlier version of one that lands again does not bring it back."""

BEFORE_ALL: Final = -1 << 63
"""Below any version: those of a backfill are below 0."""

Key = tuple[str, str]
"""Account and turn."""


class Turns:
    """The most overdue turns."""

    def __init__(self, client: Client, most: int) -> None:
        self._client, self._most = client, most
        self._known: dict[Key, Record] = {}
        """Those that wait: columns of ``waiting.sql``. A row that changes is another object."""
        self._over: dict[Key, int] = {}
        """The versions of those that wait no longer, the latest last."""
        self._alerts: dict[Key, Record] = {}
        """What has landed of alerts since all were asked for."""
        self._beyond: tuple[object, ...] | None = None
        """The place of the last one that was asked for: behind it are others, which are not known. None: there are none."""
        self._whole_at = float("-inf")
        self._since = 0
        self._first: Sequence[Record] = ()

    def look(self, now: float) -> Sequence[Record]:
        """Return who waits, the most overdue first. ``now``: seconds on any clock."""
        began = queries.clock(self._client)
        if now - self._whole_at >= WHOLE_SECONDS or (self._beyond is not None and len(self._known) < self._most):
            self._take_all()
            self._whole_at = now
            changed = True
        else:
            changed = self._take_changes()
        self._since = began - OVERLAP_MS
        if changed:
            self._first = sorted(self._known.values(), key=_place)[: self._most]
        return self._first

    def _take_all(self) -> None:
        found = queries.waiting(self._client, SPARE * self._most)
        self._known = {_key(turn): self._same(turn) for turn in found}
        self._beyond = _place(found[-1]) if len(found) == SPARE * self._most else None
        self._alerts = {}

    def _same(self, turn: Record) -> Record:
        """Return the object that is known, if it says the same."""
        known = self._known.get(_key(turn))
        return known if known == turn else turn

    def _take_changes(self) -> bool:
        """Take in what has landed; return whether that changes anything."""
        before = dict(self._known)
        for row in queries.changed_turns(self._client, self._since):
            self._take_turn(row)
        for row in queries.changed_alerts(self._client, self._since):
            self._take_alert(_key(row), row)
        if len(self._over) > REMEMBERED:
            self._over = dict(list(self._over.items())[-REMEMBERED // 2 :])
        return self._known != before

    def _take_turn(self, row: Record) -> None:
        key, known = _key(row), self._known.get(_key(row))
        if row["version"] <= (known["version"] if known else self._over.get(key, BEFORE_ALL)):
            return
        if row.pop("status") != "open":
            self._known.pop(key, None)
            self._over.pop(key, None)
            self._over[key] = row["version"]
            return
        if self._beyond is not None and _place(row) > self._beyond:
            self._known.pop(key, None)
            return
        alert = known or {"escalation": -1, "fired_at": None, "alert_version": -1}
        self._known[key] = row | {name: alert[name] for name in ("escalation", "fired_at", "alert_version")}
        if key in self._alerts:
            self._take_alert(key, self._alerts[key])

    def _take_alert(self, key: Key, row: Record) -> None:
        self._alerts[key] = row
        known = self._known.get(key)
        if known is None or row["version"] <= known["alert_version"]:
            return
        fired_at = None if row["escalation"] < 0 else row["fired_at"]
        self._known[key] = known | {
            "escalation": row["escalation"],
            "fired_at": fired_at,
            "alert_version": row["version"],
        }


def _key(row: Record) -> Key:
    return row["account"], row["turn_id"]


def _place(turn: Record) -> tuple[object, ...]:
    return turn["due_at"], turn["account"], turn["turn_id"]
