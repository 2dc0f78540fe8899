"""One partition of alerts in the hands of one notifier: its groups in memory, and when each is due."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from streams.notifications.group import Group, obey, take, wake
from streams.notifications.model import NEVER, Alert, Command, Policy
from streams.notifier.store import GroupKey, Offsets, Store, Stored

Policies = Callable[[str], Mapping[str, Policy]]
"""Of an account: by route."""
Message = tuple[int, Sequence[dict[str, Any]]]
"""Its offset and its rows."""


class Owned:
    """The groups of a partition."""

    def __init__(self, number: int, store: Store, stored: Mapping[GroupKey, Stored], policies: Policies) -> None:
        self.number, self.store = number, store
        self._policies = policies
        self.groups = {name: it.group for name, it in stored.items()}
        self._had = {name: it.offsets for name, it in stored.items()}
        """What of the input was in a group when it was read."""
        self.offsets = Offsets()
        """The input that was taken in."""
        self.committed: dict[Any, int] = {}
        """What was last committed of it, as aiokafka has it."""
        self.dirty: set[GroupKey] = set()
        """Groups that have changed since they were written."""
        self._due: list[tuple[int, GroupKey]] = []
        for name in self.groups:
            self._schedule(name)

    def policy(self, name: GroupKey) -> Policy | None:
        """Return the policy of a group; None: its route is no more, or no more for this account."""
        return self._policies(name[0]).get(name[1])

    def take_alerts(self, messages: Sequence[Message], now: int) -> None:
        """Take in messages, all at once: of a storm each may have one alert, and a group is looked through for each of these."""
        accounts: dict[str, list[tuple[int, Alert]]] = {}
        for offset, rows in messages:
            for row in rows:
                accounts.setdefault(row["account"], []).append((offset, Alert.of(row)))
        for account, alerts in accounts.items():
            for route, policy in self._policies(account).items():
                name = (account, route)
                had = self._had.get(name, Offsets()).alerts
                group = self.groups.get(name) or Group(account, route)
                if fresh := [alert for offset, alert in alerts if offset > had]:
                    self.put(take(group, fresh, now, policy))
        self.offsets = Offsets(messages[-1][0], self.offsets.commands)

    def take_commands(self, messages: Sequence[Message], now: int) -> None:
        """Take in messages of commands, one after the other."""
        for offset, rows in messages:
            for row in rows:
                command = Command(row["alert_id"], row["action"], row["until"], row["by"], row["at"])
                for route, policy in self._policies(row["account"]).items():
                    name = (row["account"], route)
                    if offset > self._had.get(name, Offsets()).commands:
                        self.put(obey(self.groups.get(name) or Group(*name), command, now, policy))
        self.offsets = Offsets(self.offsets.alerts, messages[-1][0])

    def put(self, group: Group) -> None:
        """Keep a group as it is now; one that is empty and new is none."""
        name = group.account, group.route
        known = self.groups.get(name)
        if known is None and not group.entries and not group.silenced_until:
            return
        self.groups[name] = group
        self.dirty.add(name)
        self._schedule(name)

    def wake(self, now: int) -> Iterator[GroupKey]:
        """Look at the groups that are due, and yield those that have a notification on its way since."""
        while self._due and self._due[0][0] <= now:
            due, name = heapq.heappop(self._due)
            group, policy = self.groups.get(name), self.policy(name)
            if group is None or policy is None or group.due_at() != due:
                continue  # it has been moved since
            woken = wake(group, now, policy)
            if woken.entries == group.entries and woken.pending is None:
                self.groups[name] = woken  # nobody has to know
                self._schedule(name)
                continue
            self.put(woken)
            if woken.pending is not None:
                yield name

    def next_due(self) -> int:
        """Return when a group is due next, ms."""
        return self._due[0][0] if self._due else NEVER

    async def write(self, name: GroupKey) -> None:
        """Return once a group is kept as it is now. Raises :class:`streams.notifier.store.LostError`."""
        group, had = self.groups[name], self._had.get(name, Offsets())
        # what was in it before we came stays in it, although we may not have read so far yet
        offsets = Offsets(max(had.alerts, self.offsets.alerts), max(had.commands, self.offsets.commands))
        await self.store.write(Stored(group, offsets))
        if self.groups.get(name) is group:  # otherwise it has changed meanwhile
            self.dirty.discard(name)

    def over(self, now: int) -> list[GroupKey]:
        """Return the groups that need not be kept: those of routes that are no more, too."""
        return [
            name
            for name, group in self.groups.items()
            if name not in self.dirty and (group.is_over(now) or self.policy(name) is None)
        ]

    def drop(self, name: GroupKey) -> None:
        """Forget a group. Only once its last change is committed: or what it has taken in would make it anew."""
        self.groups.pop(name, None)
        self._had.pop(name, None)

    def _schedule(self, name: GroupKey) -> None:
        due = self.groups[name].due_at()
        if due != NEVER:
            heapq.heappush(self._due, (due, name))
