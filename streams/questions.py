"""The commands that ask ClickHouse: ``sql``, ``report``, ``explain``, ``serve``, and ``token`` for whom it serves."""

import asyncio
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sinks.clickhouse import explanation
from sinks.dashboard.access import TokenRole, new_token
from streams import explaining, serving, telemetry, terminal
from streams.config import load_brands
from streams.errors import SettingsError
from streams.options import ClickHouseOption, EmbeddedOption, client_of, console, settings_of
from streams.reporting import report as reporting
from streams.reporting import written
from streams.reporting.page import html
from streams.service import stop_at_signals


class ReportFormat(StrEnum):
    """How a report is written."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    HTML = "html"
    CSV = "csv"


def sql(
    query: Annotated[str, typer.Argument(help="A ClickHouse query; `SHOW TABLES` lists what there is.")],
    embedded: EmbeddedOption = None,
    clickhouse: ClickHouseOption = None,
    format: Annotated[  # noqa: A002 - the option's name
        str, typer.Option(help="Any of ClickHouse's formats: PrettyCompact, CSVWithNames, JSONEachRow, …")
    ] = "PrettyCompact",
) -> None:
    """Ask ClickHouse: turns, panes, rolling, alerts, interactions, account_responsiveness(from=…, to=…) and others."""
    client = client_of(embedded, clickhouse)
    sys.stdout.write(terminal.answer(client, query, format))
    client.close()


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
    client = client_of(embedded, clickhouse)
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


def explain(  # noqa: PLR0913, PLR0917 - they are the command's options
    account: Annotated[str, typer.Argument(help="The account, network:account_id.")],
    metric: Annotated[str, typer.Argument(help="A column of `rolling`: response_rate, within_1h, unanswered, …")],
    window: Annotated[str, typer.Option(metavar="1m|5m|1h|6h|24h|7d|28d|365d", help="The window.")] = "24h",
    at: Annotated[str | None, typer.Option(metavar="TIME", help="As it was then; now unless given.")] = None,
    posts: Annotated[int, typer.Option(min=0, max=1000, help="Show so many posts of each part.")] = 5,
    embedded: EmbeddedOption = None,
    clickhouse: ClickHouseOption = None,
) -> None:
    """Say why a number is what it is: its definition, what it is made of, and the posts behind it."""
    then = None if at is None else terminal.moment(at, "--at")
    client = client_of(embedded, clickhouse)
    question = explanation.Question(account, metric, window, then, posts)
    console.print(explaining.explained(explanation.explain(client, question)), crop=False)
    client.close()


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0: any that is free.")] = 8080,
    embedded: EmbeddedOption = None,
    clickhouse: ClickHouseOption = None,
) -> None:
    """Serve the live page: who is waiting now, how every account does, who its people are; and the same as JSON."""
    settings = settings_of(None, clickhouse)
    telemetry.configure_logging(settings.log_level)
    brands = load_brands(settings.accounts_file)
    listening = serving.listen(host, port, guarded=serving.is_guarded(brands))
    client = client_of(embedded, clickhouse)
    console.print(f"The page is at {serving.address(listening)}; Ctrl-C ends it.", highlight=False, soft_wrap=True)
    # a notifier is somewhere else than here: without the address of Kafka there is none
    kafka = settings if "brokers" in settings.model_fields_set and embedded is None else None

    async def run() -> None:
        stop = stop_at_signals()
        telemetry.serve(settings.metrics_host, settings.metrics_port, lambda: not stop.is_set())
        await serving.serve(client, listening, brands, stop, kafka, still=embedded is not None)

    asyncio.run(run())
    client.close()


def token(
    name: Annotated[str, typer.Argument(help="Whose it is to be.")],
    accounts: Annotated[
        str, typer.Option(metavar="ACCOUNT,…", help="The accounts that it is for; * stands for anything.")
    ] = "*",
    role: Annotated[
        TokenRole,
        typer.Option(
            help="A reader sees; an agent acknowledges and snoozes alerts; an admin also silences accounts. "
            "A sender pushes to `rapport listen`, and sees nothing."
        ),
    ] = "reader",
) -> None:
    """Make a token for the page and its API, or for `rapport listen`, and say what to write into rapport.toml."""
    made, hashed = new_token()
    patterns = json.dumps([pattern.strip() for pattern in accounts.split(",") if pattern.strip()])
    console.print("The token, shown this once:", made, highlight=False, soft_wrap=True)
    lines = f'[[tokens]]\nname = {json.dumps(name)}\nsha256 = "{hashed}"\nrole = "{role}"\naccounts = {patterns}'
    console.print(f"\nFor rapport.toml:\n\n{lines}", highlight=False, soft_wrap=True, markup=False)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written ({error.strerror})", "give another --output") from None
