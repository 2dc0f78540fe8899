"""Slack's incoming webhooks (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).

They know no key under which a message that comes twice is one: after a crash or an answer that was lost, Slack may show it twice.
Buttons (https://docs.slack.dev/block-kit/) are answered to the page: ``sinks/dashboard/callbacks.py``.
"""

from typing import Any, Final

from schemas.answers import LABELS, Answer, dumps
from streams.notifications.model import Notification
from streams.receivers.base import Poster, Secret, compact, iso
from streams.receivers.wording import alert_meant, bullets, lines, title

_LONGEST_HEADER: Final = 150
_LONGEST_SECTION: Final = 3000
_LONGEST_VALUE: Final = 2000


class Slack:
    """Posts to the channel of one incoming webhook."""

    def __init__(self, url: Secret, timeout: float, *, buttons: bool) -> None:
        self._url, self._buttons = url, buttons
        self._poster = Poster(timeout)

    async def send(self, notification: Notification) -> None:
        """Send it; see :class:`streams.receivers.base.Receiver`."""
        await self._poster.post(self._url(), compact(message(notification, buttons=self._buttons)))

    async def close(self) -> None:
        """Close its connections."""
        await self._poster.close()


def message(notification: Notification, *, buttons: bool = False) -> dict[str, Any]:
    """Return the message: a header, the alerts, perhaps what can be done about them, and where they come from."""
    head = title(notification)
    text = bullets(map(_escaped, lines(notification)), _LONGEST_SECTION)
    where = f"route {notification.route} · {iso(notification.at)}"
    return {
        "text": _escaped(head),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": head[:_LONGEST_HEADER], "emoji": False}},
            {"type": "section", "text": {"type": "mrkdwn", "text": text or "no alerts", "verbatim": True}},
            *([_buttons(notification)] if buttons and notification.status == "firing" else []),
            {"type": "context", "elements": [{"type": "mrkdwn", "text": _escaped(where)}]},
        ],
    }


def _buttons(notification: Notification) -> dict[str, Any]:
    buttons = []
    for action, label in LABELS.items():
        answer = dumps(Answer(notification.account, alert_meant(notification), action))
        if len(answer) > _LONGEST_VALUE:
            answer = dumps(Answer(notification.account, "", action))
        text = {"type": "plain_text", "text": label, "emoji": False}
        buttons.append({"type": "button", "action_id": action, "text": text, "value": answer})
    return {"type": "actions", "elements": buttons}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
