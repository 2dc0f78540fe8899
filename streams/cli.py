"""The command ``rapport``. Every error is one line, "what is wrong: what to do", and exit 2."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from clickhouse_connect.driver.exceptions import Error

from schemas.access import Role, commands
from sinks.clickhouse.campaigns import Campaign, name_campaigns
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrate import migrate as migrate_tables
from sinks.clickhouse.migrate import pending
from sinks.clickhouse.sink import Plan, run_sink
from streams import backfilling, checking, kafka, notify, questions, telemetry, terminal
from streams import connect as connectors
from streams import demo as demonstration
from streams.app import run_worker
from streams.config import Settings, load_brands, load_settings
from streams.connection import kafka_options
from streams.errors import EXIT_INTERRUPTED, EXIT_USAGE, RapportError, SettingsError
from streams.metrics.fold import Fold
from streams.options import BrokersOption, ClickHouseOption, EmbeddedOption, client_of, console, findings, settings_of
from streams.replaying import Request, replay_embedded, replay_into
from streams.revenue import revenue_embedded, revenue_into
from streams.service import STOP_SECONDS, restarted_after_kafka, stop_at_signals
from streams.serving import address

app = typer.Typer(
    name="rapport",
    help="How well a brand listens and answers on social media, measured while it happens.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
topics_app = typer.Typer(help="Create the topics, or say what is wrong with them.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
app.add_typer(notify.app, name="notify")
app.add_typer(connectors.app, name="connectors")


class Format(StrEnum):
    """File formats of a replay; README.md and streams/connectors/README.md say what is in them."""

    TWCS = "twcs"
    PAIRS = "pairs"
    JSONL = "jsonl"
    PARQUET = "parquet"


@app.command()
def demo(
    seconds: Annotated[float | None, typer.Option(min=1, help="End after so long; without it, at Ctrl-C.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 1,
    embedded: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep ClickHouse's data in DIR; without it, nothing is kept.")
    ] = None,
) -> None:
    """Show Rapport at work: simulated brands and their public, live, everything on this machine."""
    _run(demonstration.show(load_settings(), console, seed, seconds, embedded))


@app.command()
def replay(  # noqa: PLR0913, PLR0917 - they are the command's options
    file: Annotated[Path, typer.Argument(help="The file; it may be compressed (.gz, .bz2, .xz, .zip, .zst).")],
    format: Annotated[Format, typer.Option(help="What is in the file.")],  # noqa: A002 - the option's name
    speed: Annotated[
        str,
        typer.Option(
            metavar="max|N|live", help="As fast as it goes; N simulated seconds a second; or as fast, ending now."
        ),
    ] = "max",
    accounts: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="Only these brand accounts; without it, all of the file.")
    ] = None,
    embedded: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run the whole pipeline here, ClickHouse's data in DIR.")
    ] = None,
    brokers: BrokersOption = None,
    clickhouse: ClickHouseOption = None,
) -> None:
    """Send a file of posts through the pipeline and say what came of it.

    With --embedded everything runs here. Otherwise the file goes to Kafka, where `rapport worker` (with RAPPORT_TICKS=false: the
    replay says what time it is) and `rapport sink` take it from; the command waits until all of it is in ClickHouse.
    """
    if embedded and (brokers or clickhouse):
        raise SettingsError("--embedded brings its own Kafka and ClickHouse", "leave out --brokers and --clickhouse")
    names = [name.strip() for name in accounts.split(",")] if accounts else None
    request = Request(file, format.value, terminal.pace(speed), names)
    settings = settings_of(brokers, clickhouse)
    _run(replay_embedded(request, settings, embedded, console) if embedded else replay_into(request, settings, console))


@app.command()
def backfill(
    connector: Annotated[str, typer.Argument(help="Of [connectors.NAME] in rapport.toml.")],
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day it begins with, UTC.")],
    brokers: BrokersOption = None,
    clickhouse: ClickHouseOption = None,
) -> None:
    """Bring in what a network tells of the time before, at the pace that it allows: no alerts, the same tables.

    It has its own topics, worker and sink, and may be stopped or killed at any time: the same command goes on where it was. Run
    again later, it adds what has come since to what was open.
    """
    settings = settings_of(brokers, clickhouse)
    request = backfilling.requested(connector, since.replace(tzinfo=UTC), settings)
    client = connect(*settings.clickhouse_server)
    if pending(client):
        raise SettingsError(f"ClickHouse lacks {', '.join(pending(client))}", "run `rapport migrate`")

    async def run() -> None:
        await backfilling.backfill(request, settings, client, console, stop_at_signals())

    _run(run())


@app.command()
def revenue(
    file: Annotated[Path, typer.Argument(help="The CSV file; it may be compressed (.gz, .bz2, .xz, .zip, .zst).")],
    embedded: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run the whole pipeline here, ClickHouse's data in DIR.")
    ] = None,
    brokers: BrokersOption = None,
    clickhouse: ClickHouseOption = None,
) -> None:
    """Load what contacts bought, so that it can be seen beside how they were answered.

    The first line of the file names its columns; others than these are ignored:

    \b
    id          the order's id; sent again, it replaces the order
    account     the brand account, network:account_id
    contact_id  who bought, by the network's id, as in interactions
    at          when, ISO 8601, UTC without an offset
    amount      a number such as 1234.50; below 0 for a refund, 0 takes an order back
    currency    three letters such as EUR

    A line that cannot be used is set aside with its reason (`SELECT * FROM dead_letters`), and the others are loaded. With
    --embedded everything runs here. Otherwise the file goes to Kafka, from where `rapport sink` takes it.
    """  # noqa: D301 - what typer looks for is the character
    if embedded and (brokers or clickhouse):
        raise SettingsError("--embedded brings its own Kafka and ClickHouse", "leave out --brokers and --clickhouse")
    settings = settings_of(brokers, clickhouse)
    _run(revenue_embedded(file, settings, embedded, console) if embedded else revenue_into(file, settings, console))


@app.command()
def worker() -> None:
    """Run the processor: interactions in; turns, panes, rolling metrics and alerts out."""
    settings = load_settings()
    run_worker(settings, Fold(load_brands(settings.accounts_file).targets))
    sys.stdout.flush()
    os._exit(0)  # everything is in Kafka: to let go of a million turns one by one would take seconds


@app.command()
def sink() -> None:
    """Carry facts from Kafka to ClickHouse."""
    settings = load_settings()
    telemetry.configure_logging(settings.log_level)
    kafka.require_access(settings, settings.topics.facts, settings.topics.sink_group)
    client = connect(*settings.clickhouse_server)
    if pending(client):
        raise SettingsError(f"ClickHouse lacks {', '.join(pending(client))}", "run `rapport migrate`")
    _run(_sink(settings, client))


async def _sink(settings: Settings, client: Any) -> None:  # noqa: ANN401 - clickhouse_connect's
    stop, ready = stop_at_signals(STOP_SECONDS), asyncio.Event()
    telemetry.serve(settings.metrics_host, settings.metrics_port, ready.is_set)
    plan = Plan(settings.topics, settings.sink_rows, settings.sink_seconds)
    with restarted_after_kafka("sink"):
        await run_sink(kafka_options(settings), client, plan, stop, ready.set)


@app.command()
def listen(
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs tokens or webhooks.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0: any that is free.")] = 8090,
) -> None:
    """Take in over HTTP what others push: interactions under a token, and webhooks under a signature.

    Whoever pushes is answered once Kafka has it, or told to come again.
    """
    from streams.listener import making, running  # noqa: PLC0415 - no other command has a use for it, and workers start often

    settings = load_settings()
    telemetry.configure_logging(settings.log_level)
    brands = load_brands(settings.accounts_file)
    hooks = making.hooks_of(brands, settings.accounts_file)
    listening = running.listen(host, port, guarded=running.is_guarded(brands, hooks))
    console.print(f"Listening at {address(listening)}; Ctrl-C ends it.", highlight=False, soft_wrap=True)

    async def run() -> None:
        await running.run_listener(settings, brands, hooks, listening, stop_at_signals())

    _run(run())


@topics_app.command("apply")
def topics_apply() -> None:
    """Create the topics that are missing."""
    for line in kafka.apply_topics(load_settings()) or ["all topics are there"]:
        console.print(line, highlight=False, soft_wrap=True)


@topics_app.command("check")
def topics_check() -> None:
    """Say what is wrong with the topics; exit 2 if anything is."""
    findings(kafka.check_topics(load_settings()), "the topics are as they should be")


@topics_app.command("acls")
def topics_acls(
    role: Annotated[Role, typer.Argument(help="Who connects to Kafka.")],
    principal: Annotated[str, typer.Option(metavar="User:NAME", help="As whom.")],
) -> None:
    """List the rights that a process needs in Kafka, as a shell script of kafka-acls.sh.

    It hands its arguments on: rapport topics acls sink --principal User:sink | sh -s -- --bootstrap-server HOST:PORT
    """
    for line in commands(role, load_settings().topics, principal):
        console.print(line, highlight=False, soft_wrap=True)


@app.command()
def migrate(embedded: EmbeddedOption = None, clickhouse: ClickHouseOption = None) -> None:
    """Bring ClickHouse's tables and views up to date.

    Where RAPPORT_ACCOUNTS_FILE names a rapport.toml, ClickHouse has its campaigns from then on, and no others.
    """
    file = load_settings().accounts_file
    campaigns = [
        Campaign(name, it.bare_hashtags, it.links, it.curators, it.accounts, it.since, it.until)
        for name, it in load_brands(file).campaigns.items()
    ]
    client = client_of(embedded, clickhouse)
    applied = migrate_tables(client)
    if file is not None:
        name_campaigns(client, campaigns)
    client.close()
    for name in applied or ["nothing to do"]:
        console.print(name, highlight=False)


for command in (checking.check, questions.sql, questions.report, questions.explain, questions.serve, questions.token):
    app.command()(command)


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def main() -> None:
    """Run the command, and show what goes wrong as one line."""
    telemetry.configure_logging("WARNING")
    try:
        code = app(standalone_mode=False)
    except RapportError as error:
        wrong = str(error)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        said = getattr(error, "format_message", error.__str__)().rstrip(".")
        wrong = f"{said}: see `{context.command_path if context else 'rapport'} --help`"
    except Error as error:
        reason = " ".join(str(error).split())[:300]
        wrong = f"ClickHouse refuses what it was asked ({reason}): where tables are missing, run `rapport migrate`"
    except BrokenPipeError:  # `rapport … | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    else:
        sys.exit(code if isinstance(code, int) else 0)
    sys.stderr.write(f"rapport: {' '.join(wrong.split())}\n")
    sys.exit(EXIT_USAGE)
