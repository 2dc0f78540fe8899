"""What the commands share: where they write, and how they are told where things are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from clickhouse_connect.driver.client import Client
from rich.console import Console

from sinks.clickhouse.connection import connect
from streams import embedded as plant
from streams.config import Settings, load_settings
from streams.errors import EXIT_USAGE, SettingsError


class _Console(Console):
    """A console that says that nobody reads it any more, where rich would end the process in the middle of its work."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


console = _Console()


EmbeddedOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Use the embedded ClickHouse in DIR instead of a server.")
]
BrokersOption = Annotated[str | None, typer.Option(metavar="HOST:PORT,…", help="Kafka; RAPPORT_BROKERS unless given.")]
ClickHouseOption = Annotated[
    str | None, typer.Option(metavar="URL", help="ClickHouse; RAPPORT_CLICKHOUSE unless given.")
]


def settings_of(brokers: str | None, clickhouse: str | None) -> Settings:
    """Return the settings, with what the command was given on top. Raises :class:`SettingsError`."""
    if clickhouse and "@" in clickhouse and ":" in clickhouse.rpartition("@")[0].partition("://")[2]:
        raise SettingsError(
            "a password in --clickhouse can be read by everybody on this machine",
            "leave it out, and set RAPPORT_CLICKHOUSE_PASSWORD",
        )
    given = {"brokers": brokers, "clickhouse": clickhouse}
    return load_settings(**{name: value for name, value in given.items() if value is not None})


def client_of(embedded: Path | None, clickhouse: str | None) -> Client:
    """Return a client of the ClickHouse that the command was given. Raises :class:`RapportError`."""
    if embedded and clickhouse:
        raise SettingsError("--embedded and --clickhouse name two places", "leave one out")
    if embedded is None:
        return connect(*settings_of(None, clickhouse).clickhouse_server)
    if not embedded.exists():
        raise SettingsError(f"there is nothing in {embedded}", "fill it with `rapport replay … --embedded DIR`")
    return connect(plant.target(embedded))


def findings(problems: Sequence[str], otherwise: str) -> None:
    """Show what is wrong, one line each, and end with exit 2; or say that nothing is."""
    for line in problems or [otherwise]:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if problems:
        raise typer.Exit(EXIT_USAGE)
