"""E-mail by SMTP, as text and as HTML."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

import aiosmtplib

from schemas.answers import LABELS, Answer, Signed, keys, sign
from streams.errors import SettingsError
from streams.http_answers import RefusedError, UnavailableError
from streams.notification_settings import EmailSettings
from streams.notifications.model import Notification
from streams.receivers.base import Secret
from streams.receivers.wording import alert_meant, lines, title

LINKS_EXPIRE: Final = 7 * 86_400_000
"""So long after the notification was made, ms."""
_PERMANENT: Final = 500
"""From this code on a server of mail refuses for good (RFC 5321)."""


class Email:
    """Sends from one address to some, by one server."""

    def __init__(self, settings: EmailSettings, password: Secret, link_secret: Secret) -> None:
        self._settings, self._password, self._link_secret = settings, password, link_secret

    async def send(self, notification: Notification) -> None:
        """Send it; see :class:`streams.receivers.base.Receiver`."""
        it = self._settings
        login = {"username": it.username, "password": self._password()} if it.username else {}
        mail = message(notification, it.sender, it.to, self._links(notification))
        connection: dict[str, Any] = {"hostname": it.host, "port": it.port, "timeout": it.timeout_seconds, **login}
        try:
            await aiosmtplib.send(
                mail,
                use_tls=it.security == "tls",
                start_tls=it.security == "starttls",
                **connection,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            raise _failure(max(codes), "no recipient is accepted") from None
        except aiosmtplib.SMTPResponseException as error:
            raise _failure(error.code, type(error).__name__) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise UnavailableError(type(error).__name__) from None

    def _links(self, notification: Notification) -> dict[str, str]:
        """Return the address for each thing that can be done about what fires, by its label; none without a page."""
        if self._settings.page is None:
            return {}
        try:
            key = keys(self._link_secret())[0]
        except ValueError as error:
            raise SettingsError(str(error), "make one with openssl rand -hex 32") from None
        if notification.status != "firing":
            return {}
        return links(notification, self._settings.page, ", ".join(self._settings.to), key)

    async def close(self) -> None:
        """Nothing is held between two mails."""


def _failure(code: int, why: str) -> Exception:
    said = f"SMTP {code} ({why})"
    return RefusedError(said) if code >= _PERMANENT else UnavailableError(said)


def links(notification: Notification, page: str, by: str, key: str) -> dict[str, str]:
    """Return the address of each action by its label, signed with ``key``; the same each time."""
    found = {}
    for action, label in LABELS.items():
        answer = Answer(notification.account, alert_meant(notification), action)
        said = sign(Signed(answer, by, notification.at + LINKS_EXPIRE), key)
        found[label] = f"{page.rstrip('/')}/callbacks/mail?{urlencode({'say': said})}"
    return found


def message(
    notification: Notification, sender: str, to: tuple[str, ...], links: Mapping[str, str] = MappingProxyType({})
) -> EmailMessage:
    """Return the mail; sent again it is the same, ``Message-ID`` and date included. ``links``: addresses by their labels."""
    head, body = title(notification), lines(notification)
    domain = sender.rpartition("@")[2]
    mail = EmailMessage()
    mail["From"] = Address("Rapport", addr_spec=sender)
    mail["To"] = ", ".join(to)
    mail["Subject"] = " ".join(head.split())
    mail["Date"] = format_datetime(datetime.fromtimestamp(notification.at // 1000, UTC))
    mail["Message-ID"] = f"<{notification.key}@{domain}>"
    first = f"<{notification._replace(number=1).key}@{domain}>"
    if notification.number > 1:  # one thread for the episode
        mail["In-Reply-To"] = mail["References"] = first
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's vacation answers it
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"  # the same for Exchange
    foot = f"route {notification.route}"
    leads = [f"{label}: {where}" for label, where in links.items()]
    mail.set_content("\n".join([head, "", *body, "", *leads, f"-- \n{foot}"]))
    mail.add_alternative(_html(head, body, links, foot), subtype="html")
    return mail


def _html(head: str, body: Sequence[str], links: Mapping[str, str], foot: str) -> str:
    """Return the mail for a phone too: styles stand in it, for many programs drop all others, and it fetches nothing."""
    items = "".join(f"<li>{escape(line)}</li>" for line in body)
    leads = "".join(
        f'<a href="{escape(where)}" style="{_BUTTON}">{escape(label)}</a>' for label, where in links.items()
    )
    return _PAGE.format(head=escape(head), items=items, leads=leads and f"<p>{leads}</p>", foot=escape(foot))


_BUTTON: Final = "display:inline-block;padding:12px 16px;margin:0 8px 8px 0;border:1px solid;border-radius:4px"
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{head}</title>
</head>
<body style="margin:0 auto;padding:16px;max-width:600px;font:16px/1.5 sans-serif;overflow-wrap:anywhere">
<h1 style="margin:0;font-size:20px;line-height:1.3">{head}</h1>
<ul style="padding-left:20px">{items}</ul>
{leads}
<p style="font-size:14px">{foot}</p>
</body>
</html>
"""
