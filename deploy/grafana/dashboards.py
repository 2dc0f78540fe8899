"""The dashboards of Grafana, made from here: ``python -m deploy.grafana.dashboards`` writes ``dashboards/*.json`` anew."""

import json
from pathlib import Path
from typing import Any, Final

from deploy.grafana.panels import BEFORE, CLICKHOUSE, Panel, laid_out
from deploy.grafana.plant import PLANT
from deploy.grafana.queries import (
    ACCOUNTS,
    BEGAN_EARLIER,
    CHOSEN,
    EARLIER,
    IN_TIME,
    ONE,
    PERIOD,
    a_minute,
    beside_before,
    lines,
    link,
    of_minutes,
    of_the_last_day,
    waiting,
)

FOLDER: Final = Path(__file__).parent / "dashboards"
BESIDE: Final = "Beside it the period before, as long as this one."
LAST_WEEK: Final = "Grey: the same hours of the week before."
MOST: Final = 100
"""Accounts of a table: how long people wait at each of ten thousand takes seconds."""
MINUTES: Final = (of_minutes(CHOSEN), of_minutes(CHOSEN, BEGAN_EARLIER, "$__fromTime"))
LAST_DAY: Final = "At each moment of the 24 hours before it."
REFRESHED: Final = "As of the last refresh, at most some ten minutes ago. Strongest ties first."

OLDEST: Final = f"""\
SELECT groupArray((turn_id, contact_id, opened_at, due_at))
FROM (SELECT * FROM turns WHERE {ONE} AND status = 'open' ORDER BY opened_at LIMIT 100)"""
BRANDS: Final = (
    Panel(
        "stat",
        (waiting(CHOSEN),),
        ("unanswered", "breached", "oldest_opened_at"),
        title="Who is waiting",
        text="At the end of the period that is looked at.",
        height=5,
    ),
    Panel(
        "stat",
        (beside_before(*MINUTES, IN_TIME),),
        ("within_1h", "sla"),
        title="Answered in time",
        text=BESIDE,
        height=5,
    ),
    Panel(
        "stat",
        (beside_before(*MINUTES, {name: f"sum({name})" for name in ("mentions", "replies")}),),
        ("mentions", "replies"),
        title="Mentions and replies",
        text=BESIDE,
        height=5,
    ),
    Panel(
        "table",
        (
            f"""\
WITH most AS
    (
        SELECT *
        FROM
        ({waiting(CHOSEN, by_account=True)}) AS waiting
        FULL OUTER JOIN
        (
            SELECT
                account,
                {IN_TIME["within_1h"]} AS within_1h,
                {IN_TIME["sla"]} AS sla,
                sum(mentions) AS mentions,
                sum(replies) AS replies,
                sum(broadcasts) AS broadcasts,
                replies / nullIf(replies + broadcasts, 0) AS reply_share
            FROM {of_minutes(CHOSEN)}
            GROUP BY account
        ) AS activity
        USING (account)
        WHERE unanswered > 0 OR mentions + replies + broadcasts > 0
        ORDER BY unanswered DESC, mentions DESC, account
        LIMIT {MOST}
    )
SELECT
    account,
    unanswered,
    breached,
    oldest_opened_at,
    waits.half_within AS half_within,
    earlier.half_within AS half_within{BEFORE},
    waits.ninety_within AS ninety_within,
    within_1h,
    sla,
    mentions,
    replies,
    reply_share
FROM most
LEFT JOIN (SELECT * FROM account_waits({PERIOD}) WHERE account IN (SELECT account FROM most)) AS waits USING (account)
LEFT JOIN (SELECT * FROM account_waits({EARLIER}) WHERE account IN (SELECT account FROM most)) AS earlier USING (account)
ORDER BY unanswered DESC, mentions DESC, account""",
        ),
        (
            *("unanswered", "breached", "oldest_opened_at", "half_within", "ninety_within"),
            *("within_1h", "sla", "mentions", "replies", "reply_share"),
        ),
        title="Accounts",
        text=f"The {MOST} where most wait at the end of the period. {BESIDE}",
        names=("account",),
        width=24,
        height=12,
    ),
    Panel(
        "timeseries",
        lines("panes_by_time", "minute", CHOSEN, a_minute("mentions", "replies")),
        ("mentions", "replies"),
        title="Mentions and replies a minute",
        text=LAST_WEEK,
        axis="time",
        width=12,
    ),
    Panel(
        "timeseries",
        lines("panes_by_time", "minute", CHOSEN, IN_TIME),
        ("within_1h", "sla"),
        title="Share answered in time",
        text=LAST_WEEK,
        axis="time",
        width=12,
    ),
)
ACCOUNT: Final = (
    *(
        Panel(
            "stat",
            (beside_before(f"{view}({PERIOD}) WHERE {ONE}", f"{view}({EARLIER}) WHERE {ONE}", {name: f"any({name})"}),),
            (name,),
            text=BESIDE,
            width=4,
            height=5,
        )
        for view, name in (
            ("account_waits", "half_within"),
            ("account_waits", "ninety_within"),
            ("account_responsiveness", "within_1h"),
            ("account_responsiveness", "sla"),
            ("account_activity", "reply_share"),
            ("account_activity", "mentions"),
        )
    ),
    Panel(
        "table",
        (
            f"""\
WITH ({OLDEST}) AS oldest
SELECT turn.2 AS contact_id, author_name, turn.3 AS opened_at, turn.4 AS due_at, text, {link("url")}
FROM (SELECT arrayJoin(oldest) AS turn) AS waiting
LEFT JOIN
(
    SELECT id, author_name, text, url
    FROM interactions
    WHERE {ONE} AND kind = 'mention' AND (published_at, id) IN (SELECT place.3, place.1 FROM (SELECT arrayJoin(oldest) AS place))
) AS message
ON waiting.turn.1 = message.id
ORDER BY opened_at""",
        ),
        title="Who waits now, longest first",
        text="Open turns, whatever period is looked at; what was said is the first message. An empty table is good news.",
        names=("contact_id", "author_name", "opened_at", "due_at", "text", "url"),
        width=24,
        height=10,
    ),
    Panel(
        "timeseries",
        of_the_last_day("unanswered", "breached"),
        ("unanswered", "breached"),
        title="Waiting",
        text=LAST_WEEK,
        axis="time",
    ),
    Panel(
        "timeseries",
        of_the_last_day("response_p50", "response_p90"),
        ("response_p50", "response_p90"),
        title="Response time",
        text=f"{LAST_DAY} {LAST_WEEK} Of answered turns only: those who still wait are in the curve beside it.",
        axis="time",
    ),
    Panel(
        "trend",
        (
            f"""\
SELECT seconds, survival, low, high
FROM time_to_answer({ONE}, {PERIOD})
ORDER BY seconds
LIMIT 1 BY intDiv(survival * 1000, 2)""",
        ),
        ("survival",),
        text="The estimate of Kaplan and Meier for the turns opened in the period.",
        axis="seconds",
        names=("low", "high"),
    ),
    Panel(
        "timeseries",
        of_the_last_day("within_15m", "within_1h", "within_24h", "sla")[:1],
        ("within_15m", "within_1h", "within_24h", "sla"),
        title="Answered within",
        text=LAST_DAY,
        axis="time",
    ),
    Panel(
        "timeseries",
        lines("panes", "minute", ONE, a_minute("mentions", "replies")),
        ("mentions", "replies"),
        title="Mentions and replies a minute",
        text=LAST_WEEK,
        axis="time",
    ),
    Panel(
        "timeseries",
        of_the_last_day("reply_share"),
        ("reply_share",),
        title="Conversation against broadcast",
        text=f"{LAST_DAY} {LAST_WEEK}",
        axis="time",
    ),
    Panel(
        "timeseries",
        of_the_last_day("applause", "amplification", "conversation_rate")[:1],
        ("applause", "amplification", "conversation_rate"),
        title="Reactions per post",
        text=LAST_DAY,
        axis="time",
        width=24,
    ),
)
RELATIONSHIPS: Final = (
    Panel(
        "table",
        (
            f"""\
SELECT contact_id, tie_strength, last_word, follow_up_at, last_text, {link("last_url")}
FROM follow_ups
WHERE {ONE}
ORDER BY tie_strength DESC, contact_id
LIMIT 100""",
        ),
        ("tie_strength",),
        title="Who a follow-up is due to",
        text=REFRESHED,
        names=("contact_id", "last_word", "follow_up_at", "last_text", "last_url"),
        width=12,
        height=9,
    ),
    Panel(
        "table",
        (
            f"""\
SELECT contact_id, tie_strength, cadence_seconds, lapses_at, last_text, {link("last_url")}
FROM lapsed
WHERE {ONE}
ORDER BY tie_strength DESC, contact_id
LIMIT 100""",
        ),
        ("tie_strength", "cadence_seconds"),
        title="Who went quiet",
        text=f"Silent for longer than three cadences. {REFRESHED}",
        names=("contact_id", "lapses_at", "last_text", "last_url"),
        width=12,
        height=9,
    ),
    Panel(
        "table",
        (
            f"""\
SELECT
    contact_id,
    messages,
    days,
    last_at,
    evidence_texts[1] AS evidence_text,
    {link("evidence_url", "evidence_urls[1]")}
FROM advocates
WHERE {ONE}
ORDER BY messages DESC, contact_id
LIMIT 100""",
        ),
        title="Who stands up for us",
        text="Who speaks well of the account to others, of their own accord, on more than one day.",
        names=("contact_id", "messages", "days", "last_at", "evidence_text", "evidence_url"),
        width=12,
        height=9,
    ),
    Panel(
        "table",
        (
            f"""\
SELECT contact_id, communities, contacts_met, conversations
FROM bridges
WHERE {ONE} AND communities > 0
ORDER BY communities DESC, contact_id
LIMIT 100""",
        ),
        ("communities", "contacts_met"),
        title="Who brings people together",
        names=("contact_id", "conversations"),
        width=12,
        height=9,
    ),
    Panel(
        "table",
        (
            f"""\
SELECT
    opted_out_at,
    contact_id,
    text,
    replies_to_contact,
    automated_to_contact,
    broadcasts,
    last_kind,
    last_text
FROM opt_outs
WHERE {ONE} AND opted_out_at >= $__fromTime AND opted_out_at < $__toTime
ORDER BY opted_out_at DESC
LIMIT 100""",
        ),
        title="Who left, and what we had done the day before",
        text="Unfollows, blocks, hides and spam reports in the period. As of the last refresh, at most some ten minutes ago.",
        names=(
            *("opted_out_at", "contact_id", "text", "replies_to_contact", "automated_to_contact"),
            *("broadcasts", "last_kind", "last_text"),
        ),
        width=24,
        height=9,
    ),
    Panel(
        "table",
        (
            f"""\
SELECT month, contacts, active_1m, active_3m, active_12m, active_36m
FROM cohorts
WHERE {ONE}
ORDER BY month DESC""",
        ),
        ("active_1m", "active_3m", "active_12m", "active_36m"),
        title="Who stays, by the month of their first message",
        names=("month", "contacts"),
        width=24,
        height=9,
    ),
)


def dashboard(name: str, title: str, specs: tuple[Panel, ...], account: str = "") -> dict[str, Any]:
    """Return a dashboard. ``account``: the user chooses ``one`` account, or ``many``; empty: none."""
    return {
        "uid": f"rapport-{name}",
        "title": title,
        "tags": ["rapport"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,  # one cursor on all panels
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": "now-6h" if name == "plant" else "now-7d", "to": "now"},
        "templating": {"list": [_variable(several=account == "many")] if account else []},
        "links": [
            {"type": "dashboards", "title": "Rapport", "tags": ["rapport"], "includeVars": True, "keepTime": True}
        ],
        "annotations": {"list": []},
        "panels": list(laid_out(specs)),
    }


def _variable(*, several: bool) -> dict[str, Any]:
    return {
        "type": "query",
        "name": "account",
        "label": "Account",
        "datasource": CLICKHOUSE,
        "definition": ACCOUNTS,
        "query": {"editorType": "sql", "rawSql": ACCOUNTS},
        "refresh": 2,  # when the period changes
        "sort": 0,
        "multi": several,
        "includeAll": several,
        "current": {"text": "All", "value": "$__all"} if several else {},
        "options": [],
    }


def dashboards() -> dict[str, dict[str, Any]]:
    """Return every dashboard by the name of its file."""
    return {
        "brands": dashboard("brands", "Brands", BRANDS, "many"),
        "account": dashboard("account", "One account", ACCOUNT, "one"),
        "relationships": dashboard("relationships", "Relationships", RELATIONSHIPS, "one"),
        "plant": dashboard("plant", "The plant", PLANT),
    }


def written(made: dict[str, Any]) -> str:
    """Return a dashboard as its file has it."""
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, made in dashboards().items():
        (FOLDER / f"{name}.json").write_text(written(made), "utf-8")
