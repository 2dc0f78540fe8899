"""Slack's incoming webhooks (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).

They know no key under which a message that comes twice is one: after a crash or an answer that was lost, Slack may show it twice.
"""

from typing import Any, Final

from streams.notifications.model import Notification
from streams.receivers.base import Poster, Secret, compact, iso
from streams.receivers.wording import lines, title

_LONGEST_HEADER: Final = 150
_LONGEST_SECTION: Final = 3000


class Slack:
    """Posts to the channel of one incoming webhook."""

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
    """Return the message: a header, the alerts, and where they come from."""
    head, text = title(notification), ""
    for line in map(_escaped, lines(notification)):
        if len(text) + len(line) + len("\n• …") > _LONGEST_SECTION:
            text += "\n• …"
            break
        text += f"\n• {line}"
    where = f"route {notification.route} · {iso(notification.at)}"
    return {
        "text": _escaped(head),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": head[:_LONGEST_HEADER], "emoji": False}},
            {"type": "section", "text": {"type": "mrkdwn", "text": text.strip() or "no alerts", "verbatim": True}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": _escaped(where)}]},
        ],
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
