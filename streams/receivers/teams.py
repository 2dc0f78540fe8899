"""Microsoft Teams: the webhook of a workflow, which posts an Adaptive Card (https://learn.microsoft.com/connectors/teams).

It knows no key under which a card that comes twice is one, and says that it has taken one before anybody sees it.
"""

from typing import Any, Final

from streams.notifications.model import Notification
from streams.receivers.base import Poster, Secret, compact, iso
from streams.receivers.wording import fitting, lines, title, worst_severity

_LONGEST_TEXT: Final = 6000
"""Characters: Teams takes 28 KB, and a character may be four bytes."""
_COLOURS: Final = {"resolved": "good", "acknowledged": "accent"}


class Teams:
    """Posts to the channel of one workflow."""

    def __init__(self, url: Secret, timeout: float) -> None:
        self._url = url
        self._poster = Poster(timeout)

    async def send(self, notification: Notification) -> None:
        """Send it; see :class:`streams.receivers.base.Receiver`."""
        await self._poster.post(self._url(), compact(message(notification)))

    async def close(self) -> None:
        """Close its connections."""
        await self._poster.close()


def message(notification: Notification) -> dict[str, Any]:
    """Return the message: a card with a title, the alerts, and where they come from."""
    firing = "attention" if worst_severity(notification) == "critical" else "warning"
    head, *alerts = fitting([title(notification), *lines(notification)], _LONGEST_TEXT)
    where = f"route {notification.route} · {iso(notification.at)}"
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": head,
        "msteams": {"width": "Full"},
        "body": [
            _block(head, size="medium", weight="bolder", color=_COLOURS.get(notification.status, firing)),
            *(_block(f"• {line}") for line in alerts),
            _block(where, size="small", isSubtle=True),
        ],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [content]}


def _block(text: str, **looks: Any) -> dict[str, Any]:  # noqa: ANN401 - of a TextRun
    # a TextBlock would take what people wrote for Markdown, links and all
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **looks}]}
