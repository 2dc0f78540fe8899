"""The commands ``rapport notify …``: the notifier itself, a test of a receiver, and what people say of alerts."""

import asyncio
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streams import kafka, telemetry
from streams.config import Settings, load_brands, load_settings, secrets_of
from streams.connection import explained
from streams.errors import SettingsError
from streams.notification_commands import Commands
from streams.notification_settings import Notifications
from streams.notifications.model import Alert, Listed, Notification
from streams.service import STOP_SECONDS, restarted_after_kafka, stop_at_signals

if TYPE_CHECKING:
    from streams.receivers.base import Receiver

_MINUTE: Final = 60_000

app = typer.Typer(help="Tell people about alerts.", no_args_is_help=True)

AccountArgument = Annotated[str, typer.Argument(help="The account, network:account_id.")]
AlertArgument = Annotated[
    str, typer.Argument(help="The alert's alert_id, unanswered:POST for one; all of the account's unless given.")
]
MinutesOption = Annotated[float, typer.Option(min=0, help="For how long; 0 ends it.")]
ByOption = Annotated[str, typer.Option(help="Who says so; the receivers are told.")]


@app.command()
def run() -> None:
    """Tell the receivers of rapport.toml about alerts, as its routes say."""
    settings = load_settings()
    telemetry.configure_logging(settings.log_level)
    notifications = _notifications(settings)
    if not notifications.routes:
        raise SettingsError("no alert goes to anybody", "add [[routes]] to rapport.toml (docs/alerts.md)")
    topics = settings.topics
    needed = (topics.alerts, topics.notification_commands, topics.notification_groups, topics.dead_letters)
    kafka.require_access(settings, needed, topics.notifier_group)
    asyncio.run(_run(settings, notifications))


async def _run(settings: Settings, notifications: Notifications) -> None:
    from streams.notifier.running import run_notifier  # noqa: PLC0415 - a worker has no use for it, and starts often

    stop, ready = stop_at_signals(STOP_SECONDS), asyncio.Event()
    telemetry.serve(settings.metrics_host, settings.metrics_port, ready.is_set)
    receivers = {name: _receiver(notifications, name) for name in notifications.receivers}
    try:
        with restarted_after_kafka("notifier"):
            await run_notifier(settings, notifications, receivers, stop, ready.set)
    finally:
        await asyncio.gather(*(it.close() for it in receivers.values()), return_exceptions=True)


@app.command()
def test(name: Annotated[str, typer.Argument(metavar="RECEIVER", help="One of [receivers.NAME].")]) -> None:
    """Send a test notification to a receiver, and say what came of it."""
    from streams.http_answers import RefusedError, UnavailableError  # noqa: PLC0415 - as above

    notifications = _notifications(load_settings())
    if name not in notifications.receivers:
        known = ", ".join(sorted(notifications.receivers)) or "none"
        raise SettingsError(f"there is no receiver {name}", f"name one of rapport.toml: {known}")

    async def send() -> None:
        subject = _receiver(notifications, name)
        try:
            await subject.send(_test(time.time_ns() // 1_000_000))
        finally:
            await subject.close()

    try:
        asyncio.run(send())
    except (UnavailableError, RefusedError) as error:
        raise SettingsError(f"{name} has not taken it ({error})", "check its settings and its secret") from None
    typer.echo(f"{name} has taken it")


def _test(now: int) -> Notification:
    """Return a notification that nobody could mistake for another, and of which nothing stays open."""
    alert = Alert(
        "test",
        "test",
        "warning",
        firing=False,
        subject="a test by `rapport notify test`",
        contact_id="",
        escalation=0,
        due_at=now,
        fired_at=now,
        version=1,
    )
    listed = (Listed(alert, "resolved"),)
    return Notification("rapport:test", "test", now, 1, "resolved", now, 0, 0, resolved=1, listed=listed)


@app.command()
def ack(account: AccountArgument, alert: AlertArgument = "", by: ByOption = "") -> None:
    """Acknowledge an alert: somebody is at it. It fires again if it is not over after the route's acknowledge_hours."""
    _say({"account": account, "alert_id": alert, "action": "acknowledge", "until": 0, "by": by})


@app.command()
def snooze(account: AccountArgument, alert: AlertArgument = "", minutes: MinutesOption = 60, by: ByOption = "") -> None:
    """Leave an alert alone for a while."""
    until = time.time_ns() // 1_000_000 + round(minutes * _MINUTE)
    _say({"account": account, "alert_id": alert, "action": "snooze", "until": until, "by": by})


@app.command()
def silence(account: AccountArgument, by: ByOption, minutes: MinutesOption = 60) -> None:
    """Tell nobody of any alert of an account for a while, those to come too. Whoever does so gives a name."""
    until = time.time_ns() // 1_000_000 + round(minutes * _MINUTE)
    _say({"account": account, "alert_id": "", "action": "silence", "until": until, "by": by})


@app.command()
def digest() -> None:
    """Say whom to write to: ties that lapsed and follow-ups due since yesterday. For cron, each hour: it is told once a day.

    An account is told of from [digest] `at` on, by the clock of its calendar.
    """
    from sinks.clickhouse.connection import connect  # noqa: PLC0415 - a notifier has no use for it
    from sinks.clickhouse.queries import digest as found  # noqa: PLC0415 - as above
    from streams import digest as digests  # noqa: PLC0415 - as above

    settings = load_settings()
    with closing(connect(*settings.clickhouse_server)) as client:
        rows = digests.rows(found(client), load_brands(settings.accounts_file), time.time_ns() // 1_000_000)
    with explained(settings):
        asyncio.run(digests.publish(settings, rows))
    typer.echo(
        "\n".join(f"{row['account']}: {row['subject']}" for row in rows) or "it is nobody's time, or nobody is new"
    )


def _say(command: dict[str, Any]) -> None:
    settings = load_settings()
    with explained(settings):
        asyncio.run(_publish(settings, command))
    typer.echo(f"said: {command['action']} {command['alert_id'] or 'all'} of {command['account']}")


async def _publish(settings: Settings, command: dict[str, Any]) -> None:
    async with Commands(settings) as commands:
        await commands.tell(command)


def _notifications(settings: Settings) -> Notifications:
    found = load_brands(settings.accounts_file).notifications
    if not found.receivers:
        raise SettingsError(
            "nobody is to be told",
            "add [receivers.NAME] to the file that RAPPORT_ACCOUNTS_FILE names (docs/alerts.md)",
        )
    return found


def _receiver(notifications: Notifications, name: str) -> "Receiver":
    from streams.receivers.making import receiver  # noqa: PLC0415 - as above

    settings = notifications.receivers[name]
    return receiver(settings, secrets_of(settings), notifications)
