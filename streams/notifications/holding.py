"""Who has an alert, and until when: one rule for the notifier, which tells nobody meanwhile, and for the page, which says so.

Of what people say to an alert that fires the newest stands: an acknowledgement until its route forgets it, a snooze until its own
time. Either ends with the alert; one that begins anew has been taken on by nobody.
"""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from streams.notifications.model import Command

ENDED: Final = "ended"
"""In place of an action, among what was said to an alert: it ended."""
ACKNOWLEDGE_TIMEOUT: Final = 3_600_000
"""An acknowledgement is forgotten after this, unless a route says otherwise, ms."""

LONGEST_ACKNOWLEDGEMENT: Final = 7 * 86_400_000
"""No route lets one last longer, ms."""


class Watched(NamedTuple):
    """An alert that fires, as far as it has to be known to say who has it."""

    account: str
    alert_id: str
    kind: str
    severity: str
    rule: str
    began_at: int
    """When it began to fire, ms."""


class Hold(NamedTuple):
    """Why nobody is told of an alert."""

    state: Literal["acknowledged", "snoozed"]
    until: int
    """From then on people are told again, ms."""
    by: str
    at: int
    """When somebody said so, ms."""


def hold_of(command: Command, acknowledge_timeout: int) -> Hold | None:
    """Return what a command makes of an alert that fires; None: nothing. ``acknowledge_timeout``: of the route, ms."""
    match command.action:
        case "acknowledge":
            return Hold("acknowledged", command.until or command.at + acknowledge_timeout, command.by, command.at)
        case "snooze" | "silence":
            return Hold("snoozed", command.until, command.by, command.at)
        case _:
            return None


def standing(said: Iterable[Command], began_at: int, now: int, acknowledge_timeout: int) -> Hold | None:
    """Return what holds an alert that fires at ``now``; None: nothing does, and people are told.

    ``said``: to it, or to all of its account, and :data:`ENDED`, in any order. What was said to all is for those that had begun
    by then: at ``began_at``. Times in ms.
    """
    meant = [command for command in said if command.alert_id or command.at >= began_at]
    last = max(meant, key=lambda command: command.at, default=None)
    hold = None if last is None else hold_of(last, acknowledge_timeout)
    return None if hold is None or hold.until <= now else hold
