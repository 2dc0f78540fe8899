"""E-mail by SMTP, as text and as HTML."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from typing import Any, Final

import aiosmtplib

from streams.notification_settings import EmailSettings
from streams.notifications.model import Notification
from streams.receivers.base import RefusedError, Secret, UnavailableError
from streams.receivers.wording import lines, title

_PERMANENT: Final = 500
"""From this code on a server of mail refuses for good (RFC 5321)."""


class Email:
    """Sends from one address to some, by one server."""

    def __init__(self, settings: EmailSettings, password: Secret) -> None:
        self._settings, self._password = settings, password

    async def send(self, notification: Notification) -> None:
        """Send it; see :class:`streams.receivers.base.Receiver`."""
        it = self._settings
        login = {"username": it.username, "password": self._password()} if it.username else {}
        connection: dict[str, Any] = {"hostname": it.host, "port": it.port, "timeout": it.timeout_seconds, **login}
        try:
            await aiosmtplib.send(
                message(notification, it.sender, it.to),
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

    async def close(self) -> None:
        """Nothing is held between two mails."""


def _failure(code: int, why: str) -> Exception:
    said = f"SMTP {code} ({why})"
    return RefusedError(said) if code >= _PERMANENT else UnavailableError(said)


def message(notification: Notification, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """Return the mail; sent again it is the same, ``Message-ID`` and date included."""
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
    mail["Auto-Submitted"] = "auto-generated"
    foot = f"route {notification.route}"
    mail.set_content("\n".join([head, "", *body, "", f"-- \n{foot}"]))
    items = "".join(f"<li>{escape(line)}</li>" for line in body)
    mail.add_alternative(f"<h3>{escape(head)}</h3><ul>{items}</ul><p>{escape(foot)}</p>", subtype="html")
    return mail
