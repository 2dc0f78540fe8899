"""One group: the alerts of one account under one route, and what is told of them and when.

Every function takes a group as it is and returns it as it is then; nothing else happens. Times are Alertmanager's: a new group
waits ``group_wait`` and is then looked at every ``group_interval``. A look tells whoever listens if an alert fires that was not
told, or not at this escalation, or if one that was told is resolved; otherwise again after ``repeat_interval``. A notification
names all that fires. What an alert may be to its group:

============  ==========================================================================================================
it is         and then
============  ==========================================================================================================
firing        told at the next look; at a higher escalation, told again. A critical takes the place of its own warning
acknowledged  said once, and then not told for ``acknowledge_timeout``; if it still fires after that, it is told again
snoozed       the same until a time that somebody named, and nobody is told that it was snoozed
resolved      told at the next look if it was told that it fires, and forgotten
flapping      it began to fire so often that it counts as firing until it has rested
caused        a warning that somebody waits since a spike began: not told as long as the spike fires, but counted with it. Its
              critical is told, for a spike explains why a promise is broken and keeps none
a digest      told once, and remembered so that it is not told again when it comes again
============  ==========================================================================================================

While a notification is on its way (``pending``), no other is made: the group goes on, and what has happened is in the next.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from typing import Any, Final, Literal, NamedTuple

from streams.notifications.holding import hold_of
from streams.notifications.model import NEVER, UNTOLD, Alert, Change, Command, Listed, Notification, Policy, Status

LISTED: Final = 100
"""A notification lists so many alerts at most, and counts them all."""
REMEMBERED: Final = 3_600_000
"""A group that is over is remembered for so long: rows of it that come again are known by their version."""
DIGEST: Final = "follow_up"
"""The kind of alerts that are told once and need no end. They have versions of their own, which say nothing about others'."""
DIGEST_REMEMBERED: Final = 2 * 86_400_000
"""A digest is known for so long, ms: it may come again all day, and a day is another elsewhere."""
_CAUSING: Final = ("mentions", "negative_mentions")
"""Spikes of these let people wait; nobody waits after an opt-out."""


class Entry(NamedTuple):
    """An alert in its group."""

    alert: Alert
    visible: bool = True
    """Whether the route is for it as it is now: a route of warnings is not, once it is critical."""
    told: int = UNTOLD
    """The escalation that was told; ``UNTOLD``: none, or what was told is over."""
    again: bool = False
    """It was acknowledged or snoozed after it was told, and that is over: it is told again."""
    hold: Literal["", "acknowledged", "snoozed"] = ""
    held_until: int = 0
    by: str = ""
    announced: bool = False
    """Its acknowledgement was told."""
    firings: tuple[int, ...] = ()
    """When it began to fire, as far as flapping goes back."""

    def fires(self) -> bool:
        """Say whether it is for somebody to be told of, or to be left alone."""
        return self.alert.firing and self.visible

    def is_new(self) -> bool:
        """Say whether somebody is to be told of it, if it fires."""
        return self.again or self.alert.escalation != self.told

    def flaps(self, now: int, policy: Policy) -> bool:
        """Say whether it has begun to fire too often of late."""
        return 0 < policy.flap_count <= len(_recent(self.firings, now, policy))


@dataclass(frozen=True, slots=True)
class Group:
    """The alerts of one account under one route."""

    account: str
    route: str
    entries: Mapping[str, Entry] = field(default_factory=dict)
    """By the id of the alert."""
    episode: int = 0
    """When it last began to fire, ms."""
    number: int = 0
    """Notifications made in this episode."""
    next_look: int = NEVER
    """When it is looked at; ``NEVER``: nothing fires, and nobody is to be told that it does not."""
    looked: bool = False
    """It was looked at in this episode: ``group_wait`` is over."""
    told_at: int = 0
    """When somebody was last told, ms."""
    silenced_until: int = 0
    caused: int = 0
    """How many the spike that fires has caused, as was last told."""
    acknowledged: bool = False
    """The last that was told of what fires is that somebody has taken it on."""
    renewals: int = 0
    """How often in this episode that was over: some of it fires, and nobody has it."""
    pending: Notification | None = None
    forgotten: int = 0
    """The highest version of any alert that is in ``entries`` no more."""
    touched_at: int = 0

    def due_at(self) -> int:
        """Return when :func:`wake` is to be called next."""
        if self.pending is not None:
            return NEVER
        return 0 if _acknowledged(self.entries) else self.next_look

    def is_over(self, now: int) -> bool:
        """Say whether nothing would change if it were not there any more."""
        resting = self.next_look == NEVER and self.pending is None and self.silenced_until <= now
        over = resting and now - self.touched_at > REMEMBERED
        return over and not any(_may_come_again(entry.alert, now) for entry in self.entries.values())


def take(group: Group, alerts: Sequence[Alert], now: int, policy: Policy) -> Group:
    """Return the group with what ``alerts`` say, in the order in which they came; what is known is passed over."""
    entries, episode, next_look, looked = dict(group.entries), group.episode, group.next_look, group.looked
    for alert in alerts:
        known = entries.get(alert.alert_id)
        entry = _taken(known, alert, now, policy)
        if entry is None or (known is None and alert.kind != DIGEST and alert.version < group.forgotten):
            continue
        entries[alert.alert_id] = entry
        if not alert.firing or not entry.visible:
            continue
        if next_look == NEVER:
            episode, next_look, looked = max(now, episode + 1), now + policy.group_wait, False
        if not looked and alert.fired_at + policy.group_wait < now:  # it has waited elsewhere
            next_look = now
    if episode != group.episode:
        group = replace(group, episode=episode, number=0, acknowledged=False, renewals=0)
    return replace(
        group,
        entries=entries,
        next_look=next_look,
        looked=looked,
        touched_at=now,
    )


def obey(group: Group, command: Command, now: int, policy: Policy) -> Group:
    """Return the group after somebody's command; without effect on alerts that it does not have, or that are resolved."""
    if command.action == "silence" and not command.alert_id:
        return replace(group, silenced_until=command.until, touched_at=now)
    hold = hold_of(command, policy.acknowledge_timeout)
    if hold is None:
        return group
    changes: dict[str, Any] = {"hold": hold.state, "held_until": hold.until, "by": hold.by}
    if hold.state == "acknowledged":
        changes["announced"] = False
    entries = {
        name: entry._replace(**changes) if entry.alert.firing and command.alert_id in ("", name) else entry
        for name, entry in group.entries.items()
    }
    return replace(group, entries=entries, touched_at=now)


def wake(group: Group, now: int, policy: Policy) -> Group:
    """Return the group at its :meth:`Group.due_at`: perhaps with a notification that is pending from now on."""
    if group.pending is not None or now < group.due_at():
        return group
    if taken_on := _acknowledged(group.entries):
        return _announced(group, taken_on, now)
    return _look(group, now, policy)


def delivered(group: Group, now: int) -> Group:
    """Return the group after its pending notification was taken, or set aside for good."""
    return replace(group, pending=None, told_at=now, touched_at=now)


def fall_back(group: Group) -> Group:
    """Return the group whose pending notification goes to the other receiver."""
    return group if group.pending is None else replace(group, pending=group.pending._replace(fallen_back=True))


def _taken(known: Entry | None, alert: Alert, now: int, policy: Policy) -> Entry | None:
    """Return the entry with a new row of its alert; None: the row changes nothing."""
    wanted = alert.firing and policy.wants(alert)
    if known is None:
        return Entry(alert, firings=_recent((now,), now, policy)) if wanted else None
    if alert.version <= known.alert.version:
        return None
    if not alert.firing:
        # whoever took it on has done with it: should it begin anew before anybody hears of its end, it is told again
        return known._replace(alert=alert, hold="", held_until=0, again=bool(known.hold) and known.told != UNTOLD)
    firings = known.firings if known.alert.firing else _recent((*known.firings, now), now, policy)
    return known._replace(alert=alert, visible=wanted, firings=firings)


def _recent(firings: tuple[int, ...], now: int, policy: Policy) -> tuple[int, ...]:
    """Return what of the beginnings still counts as flapping."""
    if not policy.flap_count:
        return ()
    return tuple(at for at in firings if now - at < policy.flap_window)[-policy.flap_count :]


def _acknowledged(entries: Mapping[str, Entry]) -> list[Entry]:
    """Return what was told and is acknowledged, which nobody was told; nothing as long as anything else fires."""
    firing = [entry for entry in entries.values() if entry.fires()]
    taken_on = [entry for entry in firing if entry.hold == "acknowledged" and not entry.announced]
    if not taken_on or sum(not entry.hold for entry in firing) > len(_caused(firing)):
        return []
    return [entry for entry in taken_on if entry.told != UNTOLD]


def _announced(group: Group, taken_on: Sequence[Entry], now: int) -> Group:
    entries = dict(group.entries)
    for entry in taken_on:
        # who hears that it is taken on hears how bad it is by now
        entries[entry.alert.alert_id] = entry._replace(announced=True, told=entry.alert.escalation)
    listed = _worst(taken_on, now_is="acknowledged")
    notification = Notification(
        group.account,
        group.route,
        group.episode,
        group.number + 1,
        "acknowledged",
        now,
        firing=0,
        new=0,
        resolved=0,
        by=taken_on[-1].by,
        listed=tuple(listed),
        renewals=group.renewals,
    )
    number = group.number + 1
    return replace(group, entries=entries, number=number, pending=notification, acknowledged=True, touched_at=now)


def _look(group: Group, now: int, policy: Policy) -> Group:
    entries = {name: _released(entry, now, policy) for name, entry in group.entries.items()}
    told: Notification | None = None
    if group.silenced_until <= now and not policy.is_quiet(now):
        heard = {name: entry for name, entry in entries.items() if not policy.is_silenced(entry.alert, now)}
        caused = _caused(heard.values())
        for name in caused:
            del heard[name]
        told = _notification(group, list(heard.values()), len(caused), now, policy)
        for name, entry in heard.items() if told is not None else ():
            entries[name] = _told(entry, now, policy)
    kept = {name: entry for name, entry in entries.items() if not _is_done(entry, now, policy)}
    gone = [entry.alert for name, entry in entries.items() if name not in kept and entry.alert.kind != DIGEST]
    forgotten = max((alert.version for alert in gone), default=0)
    awaited = any(entry.alert.firing or entry.told != UNTOLD for entry in kept.values())
    return replace(
        group,
        entries=kept,
        number=group.number + (told is not None),
        caused=group.caused if told is None else told.caused,
        acknowledged=group.acknowledged and not (told is not None and told.renews),
        renewals=group.renewals if told is None else told.renewals,
        pending=told,
        next_look=now + policy.group_interval if awaited else NEVER,
        looked=True,
        forgotten=max(group.forgotten, forgotten),
        touched_at=now,
    )


def _released(entry: Entry, now: int, policy: Policy) -> Entry:
    """Return an entry without what is over: an acknowledgement, a snooze, an alert whose end nobody wants to hear of."""
    if entry.hold and entry.held_until <= now:
        entry = entry._replace(hold="", again=entry.told != UNTOLD)
    if not policy.send_resolved and _is_resolved(entry, now, policy):
        entry = entry._replace(told=UNTOLD, again=False)
    return entry


def _spike_began(entries: Iterable[Entry]) -> int:
    """Return when the first spike began that fires and lets people wait; ``NEVER``: there is none."""
    spikes = [entry.alert for entry in entries if entry.alert.kind == "spike" and entry.fires()]
    return min((alert.opened_at for alert in spikes if alert.subject in _CAUSING), default=NEVER)


def _caused(entries: Collection[Entry]) -> set[str]:
    """Return the ids of the warnings that a spike among these has caused, of which nobody was told and nobody is to be."""
    began = _spike_began(entries)
    return {
        entry.alert.alert_id
        for entry in (entries if began != NEVER else ())
        if entry.alert.kind == "unanswered"
        and entry.alert.severity == "warning"
        and entry.alert.opened_at >= began
        and entry.fires()
        and entry.told == UNTOLD
        and not entry.hold
    }


def _notification(group: Group, heard: Sequence[Entry], caused: int, now: int, policy: Policy) -> Notification | None:
    """Return what there is to tell of the alerts in ``heard``, and of so many that a spike among them has caused; None: nothing."""
    firing = [entry for entry in heard if entry.fires() and not entry.hold]
    new = [entry for entry in firing if entry.is_new()]
    resolved = [entry for entry in heard if _is_resolved(entry, now, policy)]
    repeats = bool(firing) and now - group.told_at >= policy.repeat_interval
    grows = caused >= max(1, 2 * group.caused) and _spike_began(firing) != NEVER
    if not new and not resolved and not repeats and not grows:
        return None
    # what is held still fires: to say that the group is resolved would be untrue
    still = any(entry.fires() for entry in heard)
    status: Status = "firing" if still else "resolved"
    news = {entry.alert.alert_id for entry in new}
    renews = group.acknowledged and bool(firing)
    listed = _worst(new)
    listed += _worst(resolved, now_is="resolved")
    listed += _worst([entry for entry in firing if entry.alert.alert_id not in news], now_is="ongoing")
    return Notification(
        group.account,
        group.route,
        group.episode,
        group.number + 1,
        status,
        now,
        firing=len(firing),
        new=len(new),
        resolved=len(resolved),
        listed=tuple(listed[:LISTED]),
        caused=caused,
        renewals=group.renewals + renews,
        renews=renews,
    )


def _is_resolved(entry: Entry, now: int, policy: Policy) -> bool:
    """Say whether somebody was told that it fires, and it does not and has rested."""
    return not entry.alert.firing and entry.told != UNTOLD and not entry.flaps(now, policy)


def _told(entry: Entry, now: int, policy: Policy) -> Entry:
    """Return the entry after all was told that there was to tell of it."""
    if entry.fires() and not entry.hold:
        if entry.alert.kind == DIGEST:
            return entry._replace(alert=entry.alert._replace(firing=False))
        return entry._replace(told=entry.alert.escalation, again=False)
    return entry._replace(told=UNTOLD, again=False) if _is_resolved(entry, now, policy) else entry


def _is_done(entry: Entry, now: int, policy: Policy) -> bool:
    """Say whether nothing has to be known of it any more."""
    if entry.alert.firing:
        return not entry.visible and entry.told == UNTOLD
    if _may_come_again(entry.alert, now):
        return False
    return entry.told == UNTOLD and not _recent(entry.firings, now, policy)


def _may_come_again(alert: Alert, now: int) -> bool:
    """Say whether it is a digest that is not to be told again when it comes again."""
    return alert.kind == DIGEST and now - alert.fired_at < DIGEST_REMEMBERED


def _worst(entries: Sequence[Entry], now_is: Change | None = None) -> list[Listed]:
    """Return the worst of some entries, as a notification lists them."""

    def badness(entry: Entry) -> tuple[bool, int, int, str]:
        alert = entry.alert
        return alert.severity != "critical", -alert.escalation, alert.due_at, alert.alert_id

    return [Listed(entry.alert, now_is or _change(entry)) for entry in nsmallest(LISTED, entries, badness)]


def _change(entry: Entry) -> Change:
    if entry.again or entry.alert.escalation < entry.told:  # it ended, and began anew
        return "again"
    return "new" if entry.told == UNTOLD else "escalated"
