"""`make queries`: how long people wait for an answer of ClickHouse's, at 10,000,000 interactions (``EVENTS=``).

The engine in this process (chDB), with the tables and views that every plant has. The data is made by ClickHouse too: accounts
of very different sizes over 90 days, half of the interactions mentions, most of which are answered. Each question is asked
three times, and the best counts: the first one reads from the disk what the others find in memory.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from clickhouse_connect.driver.client import Client
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from deploy.grafana.dashboards import ACCOUNT, BRANDS, RELATIONSHIPS
from sinks.clickhouse import queries
from sinks.clickhouse.campaigns import Campaign, name_campaigns
from sinks.clickhouse.connection import EMBEDDED, connect
from sinks.clickhouse.explanation import Question, explain
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.queries import Period
from sinks.dashboard.inbox import AT_ONCE, MOST
from sinks.dashboard.people import LISTS, people
from streams.reporting.page import html
from streams.reporting.report import report
from tests.clickhouse_server import refresh
from tests.grafana import asked

DAYS: Final = 90
DURATIONS: Final = """
SELECT replaceOne(view, '_refresh', ''), last_success_duration_ms / 1000
FROM system.view_refreshes
WHERE view LIKE '%\\_refresh'
ORDER BY last_success_duration_ms DESC
"""
OF_ACCOUNT: Final = 10_000
"""Interactions of an account, the mean; the largest of a thousand has a hundred times as many."""
BUSIEST: Final = "net:brand0"
START: Final = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
CAMPAIGN: Final = Campaign(
    "summer", ["summer"], [], [], [], START + timedelta(days=DAYS - 28), START + timedelta(days=DAYS)
)

# of the pair of a mention and its answer: account, time, contact, wait in ms, and whether it was answered
_PAIR: Final = """
    sipHash64(pair, 1) / 18446744073709551616 AS r1, sipHash64(pair, 2) / 18446744073709551616 AS r2,
    sipHash64(pair, 3) / 18446744073709551616 AS r3, sipHash64(pair, 4) / 18446744073709551616 AS r4,
    concat('net:brand', toString(toUInt32({accounts:UInt32} * pow(r1, 3)))) AS account,
    {start:DateTime64(3, 'UTC')} + toIntervalMillisecond(toInt64(r2 * {days:UInt32} * 86400000)) AS at,
    concat('user', toString(toUInt32(2000 * pow(r3, 2)))) AS contact,
    toInt64(-log(r4 + 1e-9) * 3600000) AS wait,
    sipHash64(pair, 5) % 10 != 0 AS answered"""
STATEMENTS: Final = (
    f"""INSERT INTO interactions_versions (id, network, account, kind, author_id, author_followers, contact_id, conversation_id,
        parent_id, published_at, received_at, text, lang, sentiment, hashtags, source)
    WITH intDiv(number, 2) AS pair, number % 2 = 0 AS asks, {_PAIR}
    SELECT
        concat('n:', toString(number)), 'net', account,
        multiIf(asks, 'mention', answered, 'reply', 'broadcast'), if(asks, contact, account), if(asks, pair % 20000, -1),
        if(asks OR answered, contact, ''), if(asks OR answered, concat('n:', toString(number - number % 2)), ''),
        if(NOT asks AND answered, concat('n:', toString(number - 1)), ''),
        (at + toIntervalMillisecond(if(asks, 0, wait))) AS published_at, published_at,
        concat(if(asks, '@brand where is my order ', 'We are on it, please send us '), toString(pair)), 'en',
        if(asks, (pair % 21 - 10) / 10, 0), if(asks AND pair % 50 = 0, ['summer'], []), 'benchmark'
    FROM numbers({{events:UInt64}})""",
    f"""INSERT INTO interactions_versions (id, network, account, kind, author_id, published_at, received_at, source)
    WITH number AS pair, {_PAIR}
    SELECT concat('out:', toString(number)), 'net', account, 'opt_out', contact, at, at, 'benchmark'
    FROM numbers(intDiv({{events:UInt64}}, 2000))""",
    f"""INSERT INTO turns_landing (account, turn_id, contact_id, conversation_id, opened_at, status, answered_at, reply_id,
        response_seconds, business_seconds, due_at, sla, version)
    WITH number AS pair, {_PAIR}
    SELECT
        account, concat('n:', toString(2 * pair)), contact, concat('n:', toString(2 * pair)), at,
        multiIf(answered, 'answered', r2 * {{days:UInt32}} > {{days:UInt32}} - 7, 'open', 'expired'),
        if(answered, at + toIntervalMillisecond(wait), NULL),
        if(answered, concat('n:', toString(2 * pair + 1)), ''), if(answered, wait / 1000, NULL) AS seconds, seconds,
        at + INTERVAL 1 HOUR, if(answered AND wait <= 3600000, 'met', 'missed'), 1
    FROM numbers(intDiv({{events:UInt64}}, 2))""",
    """INSERT INTO panes_landing (account, minute, mentions, replies, broadcasts, turns, turns_answered, answered, first_answered,
        within_1h_hits, within_1h_misses, sla_met, sla_missed, response_samples, response_milliseconds, first_buckets,
        first_counts, version)
    SELECT
        account, minute, sum(mention), sum(reply), sum(broadcast), sum(mention), sum(mention), sum(reply), sum(reply),
        countIf(ms > 0 AND ms <= 3600000) AS hits, countIf(ms > 3600000) AS misses, hits, misses, sum(reply), sum(ms),
        arraySort(groupArrayIf(toInt32(ceil(log(greatest(ms, 1)) / log(1.01 / 0.99))), ms > 0)) AS buckets,
        arrayMap(bucket -> 1, buckets), 1
    FROM
    (
        SELECT account, toStartOfMinute(published_at) AS minute, kind = 'mention' AS mention, kind = 'reply' AS reply,
            kind = 'broadcast' AS broadcast, 0 AS ms FROM interactions_versions
        UNION ALL
        SELECT account, toStartOfMinute(assumeNotNull(answered_at)), 0, 0, 0, toInt64(assumeNotNull(response_seconds) * 1000)
        FROM turns_versions WHERE status = 'answered'
    )
    GROUP BY account, minute
    SETTINGS max_bytes_before_external_group_by = 3000000000, max_bytes_before_external_sort = 3000000000""",
    """INSERT INTO rolling_versions (account, window, as_of, version)
    SELECT DISTINCT account, arrayJoin(['5m', '1h', '24h']),
        {start:DateTime64(3, 'UTC')} + toIntervalMinute(60 * (24 * {days:UInt32} - 24)), 1 FROM panes_versions""",
)
console = Console(highlight=False)


def fill(client: Client, events: int) -> None:
    """Make the data."""
    parameters = {"events": events, "accounts": max(1, events // OF_ACCOUNT), "start": START, "days": DAYS}
    for statement in STATEMENTS:
        client.command(statement, parameters=parameters)
    for table in ("interactions", "turns", "panes", "turns_by_time", "panes_by_time"):
        client.command(f"OPTIMIZE TABLE {table}_versions FINAL")  # as an hour later, when months have been merged


def questions(client: Client) -> dict[str, Callable[[], object]]:
    """Return what is asked, by what it is called."""
    end = START + timedelta(days=DAYS)
    week, month = Period(end - timedelta(days=7), end), Period(end - timedelta(days=28), end)
    times = {"from": month.start, "to": month.end}

    def ask(what: str) -> Callable[[], object]:
        period = "from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}"
        query = f"SELECT * FROM {what.format(period=period)} FORMAT Null"
        return lambda: client.command(query, parameters=times)

    return {
        "rapport report, 7 days, all accounts, as HTML": lambda: html(report(client, week)),
        "rapport report, 28 days": lambda: html(report(client, month)),
        "of a campaign with a mention in fifty, 28 days": lambda: html(
            report(client, replace(month, campaign="summer"))
        ),
        "its figures alone, of both periods, 28 days": lambda: queries.period(client, month),
        "the page: a look at who waits": lambda: queries.waiting(client, MOST),
        "the page: what 500 of them say": lambda: queries.openers(client, queries.waiting(client, AT_ONCE)),
        "the page: all accounts": lambda: queries.overview(client, datetime.now(UTC)),
        "the page: an account's charts, 28 days": lambda: queries.course(client, BUSIEST, "1h", month.start, month.end),
        "the page: an account's people": lambda: [people(client, name, ".*", BUSIEST, 50) for name in LISTS],
        "rapport explain, 24 h": lambda: explain(client, Question(BUSIEST, "within_1h")),
        "account_responsiveness, 28 days": ask("account_responsiveness({period})"),
        "campaign_account_responsiveness, 28 days": ask(
            "campaign_account_responsiveness(campaign = 'summer', {period})"
        ),
        "account_activity, 28 days": ask("account_activity({period})"),
        "account_waits, 28 days": ask("account_waits({period})"),
        "time_to_answer, the busiest account, 28 days": ask(f"time_to_answer(account = '{BUSIEST}', {{period}})"),
        "equal_treatment, 28 days": ask("equal_treatment({period})"),
        "agents, 28 days": ask("agents({period})"),
        "templated, 28 days": ask("templated({period})"),
        "relationships, the busiest account": ask(f"relationships WHERE account = '{BUSIEST}'"),
        "follow_ups, the first hundred of all": ask("follow_ups LIMIT 100"),
        "cohorts, all": ask("cohorts"),
        "opt_outs, all": ask("opt_outs"),
    }


def panels(client: Client) -> dict[str, Callable[[], object]]:
    """Return what Grafana's dashboards ask about their last 24 hours and 7 days, by panel."""
    end, asks = START + timedelta(days=DAYS), dict[str, Callable[[], object]]()
    for days in (1, 7):
        for name, specs in (("brands", BRANDS), ("one account", ACCOUNT), ("relationships", RELATIONSHIPS)):
            for panel in specs:
                for number, sql in enumerate(panel.asks):
                    chosen = [BUSIEST] if "account = ${account" in sql else []
                    query = asked(sql, end - timedelta(days=days), end, chosen)
                    asks[f"{name}, {panel.title}, {days} d, query {number + 1}"] = partial(client.query, query)
    return asks


def quickest(question: Callable[[], object], times: int) -> tuple[float, float]:
    """Return the best of so many tries, and the first, in seconds."""
    taken = []
    for _ in range(times):
        began = time.monotonic()
        question()
        taken.append(time.monotonic() - began)
    return min(taken), taken[0]


def main(
    events: Annotated[int, typer.Option(min=1_000, help="Interactions.")] = 10_000_000,
    times: Annotated[int, typer.Option(min=1, help="How often each question is asked.")] = 3,
) -> None:
    """Fill the engine and ask it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        client = connect(EMBEDDED + str(Path(place) / "clickhouse"))
        migrate(client)
        began = time.monotonic()
        fill(client, events)
        console.print(f"{events:,} interactions were there after {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        refresh(client)
        taken = time.monotonic() - began
        each = ", ".join(f"{name} {seconds:.1f}" for name, seconds in client.query(DURATIONS).result_rows)
        console.print(f"relationships were refreshed in {taken:.1f} s: {each}")
        began = time.monotonic()
        name_campaigns(client, [CAMPAIGN])
        console.print(f"what belongs to a campaign was found in {time.monotonic() - began:.0f} s")
        table = Table(title="Seconds until the answer", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("asked")
        table.add_column(f"best of {times}", justify="right")
        table.add_column("first", justify="right")
        for name, question in questions(client).items():
            best, first = quickest(question, times)
            table.add_row(name, f"{best:.2f}", f"{first:.2f}")
            console.print(f"  {name}: {best:.2f} s")
        console.print(table)
        taken = sorted((quickest(question, times)[0], name) for name, question in panels(client).items())
        slowest = ", ".join(f"{name} {seconds:.2f} s" for seconds, name in reversed(taken[-3:]))
        half, most = (taken[int(share * (len(taken) - 1))][0] for share in (0.5, 0.95))
        console.print(
            f"{len(taken)} queries of dashboards: half within {half:.3f} s, 95 % within {most:.3f} s; {slowest}"
        )
        client.close()


if __name__ == "__main__":
    typer.run(main)
