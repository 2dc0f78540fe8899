"""What goes into a group of alerts and what comes out of it. Times are ms since 1970, lengths of time ms."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple

UNTOLD: Final = -1
"""In place of the escalation that somebody was told: nobody was."""
NEVER: Final = (1 << 63) - 1

Status = Literal["firing", "acknowledged", "resolved"]
Change = Literal["new", "escalated", "again", "ongoing", "acknowledged", "resolved"]


class Alert(NamedTuple):
    """How things stand with one alert: a row of ``schemas/alert`` without its account."""

    alert_id: str
    kind: str
    severity: str
    firing: bool
    subject: str
    contact_id: str
    escalation: int
    due_at: int
    fired_at: int
    version: int
    value: float | None = None
    """Of a spike: the most that 15 of its minutes held …"""
    baseline: float | None = None
    """… and how many are usual."""
    opened_at: int = 0
    """When it began: when the turn was opened that waits, or the first 15 minutes of a spike."""
    rule: str = ""
    """The rule that gave the turn its target."""

    @classmethod
    def of(cls, row: dict[str, Any]) -> "Alert":
        """Return what a row of the topic of alerts says."""
        return cls(
            row["alert_id"],
            row["kind"],
            row["severity"],
            row["state"] == "firing",
            row["subject"],
            row["contact_id"],
            row["escalation"],
            row["due_at"],
            row["fired_at"],
            row["version"],
            row["value"],
            row["baseline"],
            row["opened_at"],
            row["rule"],
        )


class Command(NamedTuple):
    """What somebody wants of an alert: a row of ``schemas/notification_command``."""

    alert_id: str
    """"": all of the account's."""
    action: str
    """acknowledge, snooze or silence."""
    until: int
    """0: as long as the route says, for an acknowledgement."""
    by: str
    at: int
    """When it was said."""


class Policy(NamedTuple):
    """What a route says of its groups."""

    group_wait: int
    """How long a new group waits for more before its first notification."""
    group_interval: int
    """How long it waits before it tells what has changed since the last one."""
    repeat_interval: int
    """How long before it tells again what has not changed."""
    acknowledge_timeout: int
    """An acknowledged alert that is still firing after this fires again."""
    flap_count: int = 0
    """An alert that began to fire so often within ``flap_window`` flaps; 0: none does."""
    flap_window: int = 0
    send_resolved: bool = True
    wants: Callable[[Alert], bool] = lambda _alert: True
    """Whether the route is for an alert that fires."""
    is_quiet: Callable[[int], bool] = lambda _now: False
    """Whether nobody is to be told anything at an instant."""
    is_silenced: Callable[[Alert, int], bool] = lambda _alert, _now: False
    """Whether nobody is to be told of this alert at an instant: maintenance."""


class Listed(NamedTuple):
    """An alert as it stands in a notification."""

    alert: Alert
    change: Change


class Notification(NamedTuple):
    """What is sent: fixed once it is made, so that sending it again says the same under the same key."""

    account: str
    route: str
    episode: int
    """When the group began to fire, ms: no two episodes of a group have the same."""
    number: int
    """Of the notification within its episode, from 1."""
    status: Status
    at: int
    """When it was made, ms."""
    firing: int
    """Alerts that fire and nobody has taken on, listed or not."""
    new: int
    """Of these, those that nobody was told of, or not at this escalation."""
    resolved: int
    by: str = ""
    """Who acknowledged."""
    listed: tuple[Listed, ...] = ()
    """The worst of them, and what is new before what is not."""
    fallen_back: bool = False
    """It goes to the route's other receiver, since the first did not take it."""
    caused: int = 0
    """Warnings besides, that a spike has caused: people who wait since it began."""
    renewals: int = 0
    """How often in this episode alerts fire that nobody has, after somebody had taken on all that fired."""
    renews: bool = False
    """It is the first to say so: who was told of the acknowledgement is to be woken again."""

    @property
    def key(self) -> str:
        """What a receiver knows it by if it comes twice: 40 hexadecimal digits of group, episode and number."""
        return _digest(self.account, self.route, self.episode, self.number)

    @property
    def incident(self) -> str:
        """What all notifications of the episode have in common, likewise."""
        return _digest(self.account, self.route, self.episode)


def _digest(*parts: str | int) -> str:
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:40]
