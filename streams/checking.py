"""``rapport check``: what is wrong with a plant, all of it at once."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from schemas.answers import keys
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrate import pending
from streams import kafka
from streams.config import Settings, load_brands, load_settings, secrets_of
from streams.connecting.login import login
from streams.connecting.tables import Table, table_of
from streams.errors import RapportError, SettingsError
from streams.notification_settings import Notifications, WebhookSettings
from streams.options import findings
from streams.signatures import key_of

NetworksOption = Annotated[bool, typer.Option("--networks", help="Log in to each network of rapport.toml, too.")]


def check(networks: NetworksOption = False) -> None:  # noqa: FBT002 - an option
    """Say what is wrong with settings, rapport.toml and its secrets, brokers, topics and tables; exit 2 if anything is."""
    settings = load_settings()
    problems: list[str] = []
    for examine in (lambda: in_file(settings.accounts_file, networks=networks), *_of_servers(settings)):
        try:
            problems += examine()
        except RapportError as error:
            problems.append(str(error))
    findings(problems, "settings, rapport.toml, brokers, topics and tables are as they should be")


def _of_servers(settings: Settings) -> Iterator[Callable[[], list[str]]]:
    yield lambda: kafka.check_topics(settings)
    yield lambda: [
        f"ClickHouse lacks {name}: run `rapport migrate`" for name in pending(connect(*settings.clickhouse_server))
    ]


def in_file(path: Path | None, *, networks: bool = False) -> list[str]:
    """Return what is wrong with rapport.toml, with its secrets and, with ``networks``, with what networks say of these.

    Raises :class:`SettingsError` if the file cannot be read, or one of its tables is wrong.
    """
    from streams.listener.making import hook_of  # noqa: PLC0415 - a worker has no use for it, and starts often

    brands = load_brands(path)
    problems: list[str] = []
    connectors: dict[str, Table] = {}
    for name, stanza in brands.connectors.items():
        where = f"connectors.{name}"
        try:
            if (table := table_of(name, stanza, path)) is None:
                hook_of(name, stanza, path)  # which reads its secrets
            elif wrong := _unreadable(where, table.secrets):
                problems += wrong
            else:
                hook_of(name, stanza, path)  # a hub pushes some feeds
                connectors[name] = table
        except SettingsError as error:
            problems.append(_said(where, error))
    problems += _of_receivers(brands.notifications)
    return problems + (asyncio.run(_refusals(connectors)) if networks else [])


def _of_receivers(notifications: Notifications) -> Iterator[str]:
    from streams.receivers.making import receiver  # noqa: PLC0415 - as above

    for name, settings in notifications.receivers.items():
        where, secrets = f"receivers.{name}", secrets_of(settings)
        if wrong := _unreadable(where, secrets):
            yield from wrong
            continue
        try:
            receiver(settings, secrets, notifications)
            if isinstance(settings, WebhookSettings):
                for secret in secrets["secret"]().split() or [""]:
                    key_of(secret)
            if settings.has("link_secret"):
                keys(secrets["link_secret"]())
        except SettingsError as error:  # a library that is not there
            yield _said(where, error)
        except ValueError as error:
            yield f"{where}: its secret is none ({error}): make it anew"


def _unreadable(where: str, secrets: Mapping[str, Callable[[], str]]) -> list[str]:
    """Return what is wrong with the places of secrets, not with the secrets."""
    found = []
    for secret in secrets.values():
        try:
            secret()
        except SettingsError as error:
            found.append(_said(where, error))
    return found


def _said(where: str, error: SettingsError) -> str:
    return str(error) if where in str(error) else f"{where}: {error}"


async def _refusals(connectors: Mapping[str, Table]) -> list[str]:
    """Return which networks let nobody in, and why; all are asked at once."""
    answers = await asyncio.gather(*(login(name, table) for name, table in connectors.items()))
    return [
        f"connectors.{name}: {said}: see docs/connectors"
        for name, (said, is_well) in zip(connectors, answers, strict=True)
        if not is_well
    ]
