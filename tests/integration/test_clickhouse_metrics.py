"""No number without its words: what the views show is in the catalogue of metrics, and nothing else is."""

from clickhouse_connect.driver.client import Client

from schemas.metrics import metrics
from tests.clickhouse_server import rows

PERIOD = "from = '2026-01-01', to = '2026-02-01'"
VIEWS = {
    "panes": "panes",
    "panes_by_time": "panes_by_time",
    "rolling": "rolling",
    "account_activity": f"account_activity({PERIOD})",
    "account_responsiveness": f"account_responsiveness({PERIOD})",
    "account_waits": f"account_waits({PERIOD})",
    "equal_treatment": f"equal_treatment({PERIOD})",
    "rolling_equal_treatment": "rolling_equal_treatment",
    "agents": f"agents({PERIOD})",
    "campaign_reach": f"campaign_reach(campaign = 'summer', {PERIOD})",
    "templated": f"templated({PERIOD})",
    "self_promotion": f"self_promotion({PERIOD}, domains = [])",
    **dict.fromkeys(("relationships", "lapsed", "follow_ups", "advocates", "bridges", "opt_outs", "cohorts"), ""),
    **dict.fromkeys(("conversation_starters", "starting_hashtags", "automation_suspicion"), ""),
    "time_to_answer": f"time_to_answer(account = 'n:a', {PERIOD})",
    "relationship_value": f"relationship_value({PERIOD})",
    "contacts_answered": f"contacts_answered({PERIOD})",
    "answering_value": f"answering_value({PERIOD}, until = '2026-03-01')",
}
POST = {"id", "published_at", "text", "url", "hashtags"}
CONTACT = {
    *("contact_id", "last_at", "last_word", "last_id", "last_url", "last_text"),
    *("lapses_at", "follow_up_at"),
}
NO_METRICS = {
    "panes": {"minute", "first_buckets", "first_counts", "next_buckets", "next_counts"},
    "panes_by_time": {"minute"},
    "rolling": {"window", "as_of"},
    "equal_treatment": {"followers_from"},
    "rolling_equal_treatment": {"followers_from", "window", "as_of"},
    "agents": {"agent"},
    "relationships": {*CONTACT, "first_at", "lapsed", "follow_up_due", "refreshed_at"},
    "lapsed": CONTACT - {"follow_up_at"},
    "follow_ups": CONTACT - {"lapses_at"},
    "advocates": {
        *(
            "contact_id",
            "sentiment_known",
            "last_at",
            "evidence_ids",
            "evidence_urls",
            "evidence_texts",
            "refreshed_at",
        ),
    },
    "opt_outs": {
        *("id", "contact_id", "opted_out_at", "text", "last_at", "last_kind", "last_id", "last_url", "last_text"),
        "refreshed_at",
    },
    "bridges": {"contact_id", "conversations", "hashtags", "refreshed_at"},
    "cohorts": {"month", "contacts"},
    "conversation_starters": {*POST, "mentions", "decided_30d", "decided_365d", "refreshed_at"},
    "starting_hashtags": {"hashtag", "posts", "mentions", "decided_30d", "decided_365d"},
    "automation_suspicion": {"contact_id", "reasons", "suspicion"},
    "time_to_answer": {"seconds", "at_risk", "answered", "low", "high"},
    "relationship_value": {
        *("contact_id", "currency", "bought_at", "first_order_at", "first_at", "first_touch", "first_id"),
    },
    "contacts_answered": {"contact_id", "answering"},
    "answering_value": {"currency", "answering", "contacts", "low", "high"},
}
"""Columns that say of what, when or how surely, and not how much."""


def test_the_columns_of_the_views_are_those_of_the_catalogue(clickhouse: Client) -> None:
    for view, source in VIEWS.items():
        columns = {row["name"] for row in rows(clickhouse, f"DESCRIBE (SELECT * FROM {source or view})")}
        named = {metric.name for metric in metrics().values() if view in metric.views}
        assert columns - NO_METRICS.get(view, set()) - {"account"} == named, view
    assert {view for metric in metrics().values() for view in metric.views} == set(VIEWS)


def test_the_view_says_what_the_catalogue_says(clickhouse: Client) -> None:
    found = {row.pop("name"): row for row in rows(clickhouse, "SELECT * FROM metrics")}
    assert found.keys() == metrics().keys()
    for name, metric in metrics().items():
        row = found[name]
        assert tuple(row.pop("views")) == metric.views
        assert row == {field: getattr(metric, field) for field in row}
        assert metric.better in {"up", "down", ""}
