"""What a notification says in words: one title and one line for each alert, whoever is told."""

from collections.abc import Iterable
from typing import Final

from schemas.wording import measured
from streams.notifications.model import Listed, Notification
from streams.receivers.base import iso

SHOWN: Final = 20
"""A message for people shows so many alerts, and says how many more there are."""


def title(notification: Notification) -> str:
    """Return the message in one line."""
    account, firing = notification.account, notification.firing
    match notification.status:
        case "resolved":
            return f"[RESOLVED] {account}: {_alerts(notification.resolved)} over"
        case "acknowledged":
            by = f" by {notification.by}" if notification.by else ""
            return f"[ACKNOWLEDGED{by}] {account}: {_alerts(len(notification.listed))}"
        case _:
            severity = worst_severity(notification).upper()
            over = f", {notification.resolved} over" if notification.resolved else ""
            caused = f", {notification.caused} caused by a spike" if notification.caused else ""
            return f"[{severity}] {account}: {_alerts(firing)} firing, {notification.new} new{over}{caused}"


def worst_severity(notification: Notification) -> str:
    """Return ``critical``, ``warning`` or ``info``: the worst of what fires."""
    firing = [on.alert.severity for on in notification.listed if on.change != "resolved"]
    return next((it for it in ("critical", "warning", "info") if it in firing or not firing), "warning")


def lines(notification: Notification) -> list[str]:
    """Return a line for each alert that is shown, and one for those that are not."""
    shown = [line(on) for on in notification.listed[:SHOWN]]
    rest = max(notification.firing + notification.resolved, len(notification.listed)) - len(shown)
    more = [f"and {rest} more"] if rest > 0 else []
    caused = notification.caused
    return shown + more + ([f"and {caused} unanswered, warned of since the spike began"] if caused else [])


def alert_meant(notification: Notification) -> str:
    """Return the id of the alert that an answer to the message is about; empty: all of the account's."""
    firing = [on.alert.alert_id for on in notification.listed if on.change != "resolved"]
    return firing[0] if len(firing) == notification.firing == 1 else ""


def bullets(lines: Iterable[str], longest: int) -> str:
    """Return the lines as a list, in ``longest`` characters at most."""
    return "\n".join(f"• {line}" for line in fitting(lines, longest))


def fitting(lines: Iterable[str], longest: int) -> list[str]:
    """Return the first of the lines, as many as ``longest`` characters hold as a list, and … in place of the others."""
    found: list[str] = []
    left = longest - len("\n• …")
    for line in lines:
        left -= len("\n• ") + len(line)
        if left < 0:
            return [*found, "…"]
        found.append(line)
    return found


def line(listed: Listed) -> str:
    """Return what there is to say of one alert."""
    alert, change = listed
    if change == "resolved":
        return f"resolved: {alert.subject}, {iso(alert.fired_at)}"
    if alert.kind == "follow_up":
        return alert.subject
    if alert.value is not None and alert.baseline is not None:
        what = measured(alert.kind, alert.subject, alert.value, alert.baseline)
        return f"{alert.severity}: {what}, since {iso(alert.due_at)} ({change})"
    if alert.kind != "unanswered":
        return f"{alert.severity}: {alert.kind} {alert.subject}, since {iso(alert.fired_at)} ({change})"
    who = f"{alert.contact_id} waits" if alert.contact_id else "somebody waits"
    return f"{alert.severity}: {who} for an answer to {alert.subject}, due {iso(alert.due_at)} ({change})"


def _alerts(count: int) -> str:
    return f"{count} alert" if count == 1 else f"{count} alerts"
