"""What a notification says in words: one title and one line for each alert, whoever is told."""

from collections.abc import Iterable
from typing import Final

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
    """Return ``critical`` or ``warning``: the worst of what fires."""
    firing = [on.alert.severity for on in notification.listed if on.change != "resolved"]
    return "critical" if "critical" in firing or not firing else "warning"


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
    if alert.kind == "spike" and alert.value is not None and alert.baseline is not None:
        what = f"{alert.value:.0f} {alert.subject.replace('_', ' ')} in 15 minutes, usually {alert.baseline:.0f}"
        return f"{alert.severity}: {what}, since {iso(alert.due_at)} ({change})"
    if alert.kind == "slow" and alert.value is not None and alert.baseline is not None:
        return f"{alert.severity}: {_slow(alert.subject, alert.value, alert.baseline)}, since {iso(alert.due_at)} ({change})"
    if alert.kind == "plant" and alert.value is not None and alert.baseline is not None:
        unit = "within 5 minutes" if alert.subject == "dead_letters" else "s"
        what = f"{alert.subject.replace('_', ' ')}: {alert.value:.0f} {unit}, limit {alert.baseline:.0f}"
        return f"{alert.severity}: {what}, since {iso(alert.due_at)} ({change})"
    if alert.kind != "unanswered":
        return f"{alert.severity}: {alert.kind} {alert.subject}, since {iso(alert.fired_at)} ({change})"
    who = f"{alert.contact_id} waits" if alert.contact_id else "somebody waits"
    return f"{alert.severity}: {who} for an answer to {alert.subject}, due {iso(alert.due_at)} ({change})"


def _slow(figure: str, value: float, agreed: float) -> str:
    if figure == "sla":
        return f"{value:.0%} of an hour's turns answered in time, agreed {agreed:.0%}"
    return f"one of ten answers of an hour took over {value / 60:.0f} min, agreed {agreed / 60:.0f} min"


def _alerts(count: int) -> str:
    return f"{count} alert" if count == 1 else f"{count} alerts"
