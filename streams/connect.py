"""The commands ``rapport connectors …``: what there is, whether it can log in, and running it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from streams import kafka, telemetry
from streams.config import Settings, load_settings
from streams.connecting.login import login
from streams.connecting.tables import load_tables, some_tables
from streams.errors import EXIT_USAGE
from streams.service import STOP_SECONDS, restarted_after_kafka, stop_at_signals

app = typer.Typer(help="Bring in what happens on networks.", no_args_is_help=True)

NamesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]…", help="Of [connectors.NAME]; all unless given.")
]


@app.command(name="list")
def list_connectors() -> None:
    """List the connectors of rapport.toml, and the types that there are."""
    from streams.connectors.making import TYPES  # noqa: PLC0415 - a worker has no use for them, and starts often

    for name, table in load_tables(load_settings().accounts_file).items():
        typer.echo(f"{name}: {table.settings.type}, {', '.join(table.settings.accounts)}")
    typer.echo(f"types: {', '.join(sorted(TYPES))}")


@app.command()
def check(names: NamesArgument = None) -> None:
    """Log in to each network and say as whom; exit 2 if one refuses or is away. Nothing is published."""
    tables = some_tables(load_settings().accounts_file)
    is_well = True
    for name in names or tables:
        if (table := tables.get(name)) is None:
            said, worked = "there is no such connector in rapport.toml", False
        else:
            said, worked = asyncio.run(login(name, table))
        typer.echo(f"{name}: {said}")
        is_well = is_well and worked
    if not is_well:
        raise typer.Exit(EXIT_USAGE)


@app.command()
def run(names: NamesArgument = None) -> None:
    """Publish what happens on the networks of rapport.toml, from where each connector was, until SIGTERM or SIGINT.

    The file is looked at all the time: what changes in it needs no restart.
    """
    settings = load_settings()
    telemetry.configure_logging(settings.log_level)
    load_tables(settings.accounts_file)
    topics = settings.topics
    kafka.require_access(settings, (topics.interactions, topics.connectors, topics.dead_letters))
    asyncio.run(_run(settings, names or []))


async def _run(settings: Settings, names: list[str]) -> None:
    from streams.connecting.running import run_connectors  # noqa: PLC0415 - as above

    stop, ready = stop_at_signals(STOP_SECONDS), asyncio.Event()
    telemetry.serve(settings.metrics_host, settings.metrics_port, ready.is_set)
    with restarted_after_kafka("connectors"):
        await run_connectors(settings, names, stop, ready.set)


@app.command()
def new(name: Annotated[str, typer.Argument(help="The network, in small letters.")]) -> None:
    """Write a new connector, its fake server and its page into this checkout of Rapport: all of it works, and is to be changed.

    The contract's suite tests it from then on.
    """
    from streams.connecting.template import write  # noqa: PLC0415 - as above

    for file in write(name, Path.cwd()):
        typer.echo(file)
    typer.echo(f"next: pytest tests/connectors -k {name}")
