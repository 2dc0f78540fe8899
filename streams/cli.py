"""The command ``rapport``. Every error is one line, "what is wrong: what to do", and exit 2."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from threading import Timer
from typing import Annotated, Any, NoReturn

import typer
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.exceptions import Error
from rich.console import Console

from schemas.access import Role, commands
from sinks.clickhouse import explanation
from sinks.clickhouse.campaigns import Campaign, name_campaigns
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrate import migrate as migrate_tables
from sinks.clickhouse.migrate import pending
from sinks.clickhouse.sink import Plan, run_sink
from sinks.dashboard.access import new_token
from streams import demo as demonstration
from streams import embedded as plant
from streams import explaining, kafka, telemetry, terminal
from streams.app import run_worker
from streams.config import Settings, load_brands, load_settings
from streams.connection import kafka_options
from streams.errors import EXIT_INTERRUPTED, EXIT_RESTART, EXIT_USAGE, RapportError, SettingsError, broker_refusal
from streams.metrics.fold import Fold
from streams.replaying import Request, replay_embedded, replay_into
from streams.reporting import report as reporting
from streams.reporting import written
from streams.reporting.page import html
from streams.revenue import revenue_embedded, revenue_into
from streams.serving import address, listen, serve, tokens_of

STOP_SECONDS = 9.0
"""A sink that is asked to stop takes no longer: what is not committed then is read again by the next one."""

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


class _Console(Console):
    """A console that says that nobody reads it any more, where rich would end the process in the middle of its work."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


console = _Console()


class Format(StrEnum):
    """File formats of a replay; README.md and streams/connectors/README.md say what is in them."""

    TWCS = "twcs"
    PAIRS = "pairs"
    JSONL = "jsonl"


class ReportFormat(StrEnum):
    """How a report is written."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    HTML = "html"
    CSV = "csv"


EmbeddedOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Use the embedded ClickHouse in DIR instead of a server.")
]
BrokersOption = Annotated[str | None, typer.Option(metavar="HOST:PORT,…", help="Kafka; RAPPORT_BROKERS unless given.")]
ClickHouseOption = Annotated[
    str | None, typer.Option(metavar="URL", help="ClickHouse; RAPPORT_CLICKHOUSE unless given.")
]


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
    settings = _settings(brokers, clickhouse)
    _run(replay_embedded(request, settings, embedded, console) if embedded else replay_into(request, settings, console))


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
    settings = _settings(brokers, clickhouse)
    _run(revenue_embedded(file, settings, embedded, console) if embedded else revenue_into(file, settings, console))


@app.command()
def worker() -> None:
    """Run the processor: interactions in; turns, panes, rolling metrics and alerts out."""
    settings = load_settings()
    run_worker(settings, Fold(load_brands(settings.accounts_file).targets))


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
    stop, ready = asyncio.Event(), asyncio.Event()

    def end() -> None:
        stop.set()
        give_up = Timer(STOP_SECONDS, os._exit, (EXIT_RESTART,))  # Kafka is away, or an insert takes long
        give_up.daemon = True
        give_up.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    telemetry.serve(settings.metrics_host, settings.metrics_port, ready.is_set)
    plan = Plan(settings.topics, settings.sink_rows, settings.sink_seconds)
    try:
        await run_sink(kafka_options(settings), client, plan, stop, ready.set)
    except KafkaError as error:  # what was not committed is read again after a restart
        if refusal := broker_refusal(error):
            raise refusal from None
        telemetry.log("sink").error("Kafka failed for good", error=f"{type(error).__name__}: {error}")
        raise typer.Exit(EXIT_RESTART) from None


@topics_app.command("apply")
def topics_apply() -> None:
    """Create the topics that are missing."""
    for line in kafka.apply_topics(load_settings()) or ["all topics are there"]:
        console.print(line, highlight=False, soft_wrap=True)


@topics_app.command("check")
def topics_check() -> None:
    """Say what is wrong with the topics; exit 2 if anything is."""
    _findings(kafka.check_topics(load_settings()), "the topics are as they should be")


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
    client = _client(embedded, clickhouse)
    applied = migrate_tables(client)
    if file is not None:
        name_campaigns(client, campaigns)
    client.close()
    for name in applied or ["nothing to do"]:
        console.print(name, highlight=False)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="A ClickHouse query; `SHOW TABLES` lists what there is.")],
    embedded: EmbeddedOption = None,
    clickhouse: ClickHouseOption = None,
    format: Annotated[  # noqa: A002 - the option's name
        str, typer.Option(help="Any of ClickHouse's formats: PrettyCompact, CSVWithNames, JSONEachRow, …")
    ] = "PrettyCompact",
) -> None:
    """Ask ClickHouse: turns, panes, rolling, alerts, interactions, account_responsiveness(from=…, to=…) and others."""
    client = _client(embedded, clickhouse)
    sys.stdout.write(terminal.answer(client, query, format))
    client.close()


@app.command()
def report(  # noqa: PLR0913, PLR0917 - they are the command's options
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="When the period begins; --days before its end unless given."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="When it ends; now, or where what was replayed ends.")
    ] = None,
    days: Annotated[float, typer.Option(min=0.01, help="How long it is.")] = 7.0,
    campaign: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of a campaign of rapport.toml alone; its own time unless given."),
    ] = None,
    format: Annotated[ReportFormat, typer.Option(help="How it is written.")] = ReportFormat.TERMINAL,  # noqa: A002
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to FILE.")] = None,
    embedded: EmbeddedOption = None,
    clickhouse: ClickHouseOption = None,
) -> None:
    """Say how well each account listened and answered in a period, and what changed most since the one before.

    With --campaign, in its conversations, and how these differ from all others in the same time.
    """
    since, until = (
        None if time is None else terminal.moment(time, option) for time, option in ((start, "--from"), (end, "--to"))
    )
    client = _client(embedded, clickhouse)
    if campaign is None:
        period = reporting.period_of(client, since, until, days)
    else:
        period = reporting.campaign_of(client, campaign, since, until)
    found = reporting.report(client, period)
    client.close()
    if format is ReportFormat.TERMINAL and output is None:
        console.print(written.terminal(found))
        return
    text = {ReportFormat.HTML: html, ReportFormat.CSV: written.table}.get(format, written.markdown)(found)
    if output is None:
        sys.stdout.write(text)
    else:
        _write(output, text)


@app.command()
def explain(  # noqa: PLR0913, PLR0917 - they are the command's options
    account: Annotated[str, typer.Argument(help="The account, network:account_id.")],
    metric: Annotated[str, typer.Argument(help="A column of `rolling`: response_rate, within_1h, unanswered, …")],
    window: Annotated[str, typer.Option(metavar="5m|1h|24h", help="The window.")] = "24h",
    at: Annotated[str | None, typer.Option(metavar="TIME", help="As it was then; now unless given.")] = None,
    posts: Annotated[int, typer.Option(min=0, max=1000, help="Show so many posts of each part.")] = 5,
    embedded: EmbeddedOption = None,
    clickhouse: ClickHouseOption = None,
) -> None:
    """Say why a number is what it is: its definition, what it is made of, and the posts behind it."""
    then = None if at is None else terminal.moment(at, "--at")
    client = _client(embedded, clickhouse)
    question = explanation.Question(account, metric, window, then, posts)
    console.print(explaining.explained(explanation.explain(client, question)))
    client.close()


@app.command("serve")
def serve_page(
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0: any that is free.")] = 8080,
    embedded: EmbeddedOption = None,
    clickhouse: ClickHouseOption = None,
) -> None:
    """Serve the live page: who is waiting now, how every account does, who its people are; and the same as JSON."""
    settings = _settings(None, clickhouse)
    telemetry.configure_logging(settings.log_level)
    tokens = tokens_of(load_brands(settings.accounts_file))
    client = _client(embedded, clickhouse)
    listening = listen(host, port, tokens)
    console.print(f"The page is at {address(listening)}; Ctrl-C ends it.", highlight=False, soft_wrap=True)
    _run(_serve(client, listening, tokens))
    client.close()


async def _serve(client: Any, listening: Any, tokens: Any) -> None:  # noqa: ANN401 - clickhouse_connect's, and the two beside it
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(client, listening, tokens, stop)


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="Whose it is to be.")],
    accounts: Annotated[
        str, typer.Option(metavar="ACCOUNT,…", help="The accounts that may be seen with it; * stands for anything.")
    ] = "*",
) -> None:
    """Make a token for the page and its API, and say what to write into rapport.toml."""
    made, hashed = new_token()
    patterns = json.dumps([pattern.strip() for pattern in accounts.split(",") if pattern.strip()])
    console.print("The token, shown this once:", made, highlight=False, soft_wrap=True)
    lines = f'[[tokens]]\nname = {json.dumps(name)}\nsha256 = "{hashed}"\naccounts = {patterns}'
    console.print(f"\nFor rapport.toml:\n\n{lines}", highlight=False, soft_wrap=True, markup=False)


@app.command()
def check() -> None:
    """Say what is wrong with settings, brokers, topics and tables; exit 2 if anything is."""
    settings = load_settings()
    problems: list[str] = []

    def brands() -> list[str]:
        load_brands(settings.accounts_file)
        return []

    def tables() -> list[str]:
        missing = pending(connect(*settings.clickhouse_server))
        return [f"ClickHouse lacks {name}: run `rapport migrate`" for name in missing]

    for examine in (brands, lambda: kafka.check_topics(settings), tables):
        try:
            problems += examine()
        except RapportError as error:
            problems.append(str(error))
    _findings(problems, "settings, brokers, topics and tables are as they should be")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written ({error.strerror})", "give another --output") from None


def _settings(brokers: str | None, clickhouse: str | None) -> Settings:
    if clickhouse and "@" in clickhouse and ":" in clickhouse.rpartition("@")[0].partition("://")[2]:
        raise SettingsError(
            "a password in --clickhouse can be read by everybody on this machine",
            "leave it out, and set RAPPORT_CLICKHOUSE_PASSWORD",
        )
    given = {"brokers": brokers, "clickhouse": clickhouse}
    return load_settings(**{name: value for name, value in given.items() if value is not None})


def _client(embedded: Path | None, clickhouse: str | None) -> Any:  # noqa: ANN401 - clickhouse_connect's
    if embedded and clickhouse:
        raise SettingsError("--embedded and --clickhouse name two places", "leave one out")
    if embedded is None:
        return connect(*_settings(None, clickhouse).clickhouse_server)
    if not embedded.exists():
        raise SettingsError(f"there is nothing in {embedded}", "fill it with `rapport replay … --embedded DIR`")
    return connect(plant.target(embedded))


def _findings(problems: list[str], otherwise: str) -> None:
    for line in problems or [otherwise]:
        console.print(line, highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(EXIT_USAGE)


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
