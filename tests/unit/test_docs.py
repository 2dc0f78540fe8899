"""The docs keep up with the code: settings, metrics, reasons, commands, counters, targets, and links that lead somewhere."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
import yaml
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from pydantic import BaseModel

from schemas.codec import newest
from schemas.metrics import metrics as catalogue
from streams import telemetry
from streams.business_hours import CalendarVersion
from streams.campaigns import CampaignSettings
from streams.checking import in_file
from streams.cli import app
from streams.config import AccountTargets, load_brands
from streams.connectors.feed_settings import FeedTable
from streams.connectors.making import TYPES, has_history, settings_class
from streams.errors import Reason
from streams.listener_settings import PUSHED
from streams.mapping_settings import MappingSettings
from streams.metrics.counters import PANE_COUNTERS, WINDOW_COUNTERS
from streams.metrics.targets import DEFAULT_TARGETS
from streams.notification_settings import (
    EmailSettings,
    PagerDutySettings,
    PlantSettings,
    RouteSettings,
    SilenceSettings,
    SlackSettings,
    WebhookSettings,
)
from streams.page_settings import PageProxy, PageToken
from streams.target_rules import TargetRule
from tests import metrics_table
from tests.connectors.test_contract import NETWORKS
from tests.processes import ROOT
from tests.settings_table import settings_table

PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in ("build", "node_modules") for part in page.relative_to(ROOT).parts)
)
SUFFIXES = {"counter": "_total"}
UNITS = {
    "target_minutes": 60_000,
    "lateness_hours": 3_600_000,
    "expiry_days": 86_400_000,
    "spike_sensitivity": 1,
    "slow_p90_minutes": 60_000,
    "slow_sla": 1,
}


def text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def commands() -> Iterator[str]:
    """Every command as one types it, those of groups too."""
    root = typer.main.get_command(app)
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        yield from [f"rapport {name}"] if inner is None else (f"rapport {name} {under}" for under in inner)


def metrics() -> list[str]:
    """Every metric that streams/telemetry.py names, as Prometheus shows it."""
    ours = [family for family in REGISTRY.collect() if family.name.startswith("rapport_")]
    return [family.name + SUFFIXES.get(family.type, "") for family in ours]


def missing(words: list[str], page: str) -> list[str]:
    """Return the words that a page does not have as code, alone or followed by labels or arguments."""
    return [word for word in words if not re.search(rf"`{re.escape(word)}[`{{( ]", text(page))]


def test_the_readme_has_the_settings_as_they_are() -> None:
    between = re.search(r"<!-- settings -->\n(.*?)<!-- /settings -->", text("README.md"), re.DOTALL)
    assert between is not None, "README.md lacks <!-- settings --> and <!-- /settings -->"
    assert between[1].strip() == settings_table(), "put what `python -m tests.settings_table` prints between them"


def test_the_tables_of_metrics_are_those_of_the_catalogue() -> None:
    assert metrics_table.page() == text("docs/metrics.md"), "run `python -m tests.metrics_table`"


def test_every_metric_of_the_catalogue_is_in_one_table() -> None:
    for metric in catalogue().values():
        assert sum(holds(metric) for holds in metrics_table.TABLES.values()) == 1, metric.name


def test_every_metric_is_documented() -> None:
    named = [value for value in vars(telemetry).values() if isinstance(value, Counter | Gauge | Histogram)]
    assert len(metrics()) == len(named)
    assert missing(metrics(), "docs/operations.md") == []


def test_no_metric_is_documented_that_is_not_there() -> None:
    assert set(re.findall(r"^\| `(rapport_\w+)", text("docs/operations.md"), re.MULTILINE)) == set(metrics())


def test_every_reason_is_documented() -> None:
    section = text("docs/operations.md").partition("\n## Dead letters\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(rows) == sorted(Reason)


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_every_command_is_documented(page: str) -> None:
    assert missing(list(commands()), page) == []


def test_every_counter_is_documented() -> None:
    assert missing([*PANE_COUNTERS, *WINDOW_COUNTERS], "docs/metrics.md") == []


@pytest.mark.parametrize("record", ["pane", "rolling"])
def test_every_column_is_documented(record: str) -> None:
    columns = [field["name"] for field in newest(record).record["fields"]]
    words = [column for column in columns if column not in ("account", "window", "minute", "version")]
    assert missing(words, "docs/metrics.md") == []


def test_every_target_of_an_account_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", text("docs/operations.md"), re.MULTILINE))
    assert rows.keys() == UNITS.keys()
    assert missing(list(AccountTargets.model_fields), "docs/operations.md") == []
    *times, sensitivity, slow_p90, slow_sla = [float(value) * UNITS[name] for name, value in rows.items()]
    assert (*times, None, (), sensitivity, slow_p90, slow_sla, ()) == DEFAULT_TARGETS


def test_every_key_of_a_calendar_is_documented() -> None:
    keys = [field.alias or name for name, field in CalendarVersion.model_fields.items()]
    assert keys_of("Business hours") == keys


def test_every_key_of_a_rule_is_documented() -> None:
    assert keys_of("Targets of their own") == list(TargetRule.model_fields)


def test_every_key_of_a_token_is_documented() -> None:
    assert keys_of("Tokens of the page") == list(PageToken.model_fields)


def test_every_key_of_a_proxy_is_documented() -> None:
    assert keys_of("A proxy that has people log in") == list(PageProxy.model_fields)


def test_what_the_docs_say_of_a_proxy_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "rapport.toml"
    file.write_text(
        "\n".join(re.findall(r"^```toml\n(.*?)^```", text("docs/page.md"), re.MULTILINE | re.DOTALL)), "utf-8"
    )
    proxy = load_brands(file).proxy
    assert proxy is not None
    assert [group.role for group in proxy.groups] == ["admin", "agent"]


def test_every_key_of_a_campaign_is_documented() -> None:
    assert keys_of("Campaigns") == [field.alias or name for name, field in CampaignSettings.model_fields.items()]


def keys_of(title: str) -> list[str]:
    """Return the keys in the table of a section about rapport.toml."""
    section = text("docs/operations.md").partition(f"\n### {title}\n")[2]
    return re.findall(r"^\| `(\w+)` \|", re.split(r"^##", section, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE)


def test_every_column_of_a_turn_that_is_not_an_id_is_documented() -> None:
    columns = [field["name"] for field in newest("turn").record["fields"]]
    words = [name for name in columns if name not in ("account", "turn_id", "contact_id", "conversation_id", "version")]
    assert missing(words, "docs/metrics.md") == []


def test_the_brands_file_of_the_docs_is_valid(tmp_path: Path) -> None:
    section = text("docs/operations.md").partition("\n## Targets of the brands\n")[2].partition("\n## ")[0]
    file = tmp_path / "rapport.toml"
    file.write_text("\n".join(re.findall(r"^```toml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)), "utf-8")
    (tmp_path / "vip.txt").write_text("42\n", "utf-8")
    targets = load_brands(file).targets("x:17919972")
    assert [rule.name for rule in targets.rules] == ["vip", "outage"]
    calendar = targets.calendar
    assert calendar is not None
    assert calendar.named("support") is not None
    assert calendar.named("support@2026-09-01") is not None


@pytest.mark.parametrize(
    "settings",
    [RouteSettings, SilenceSettings, PlantSettings, WebhookSettings, SlackSettings, PagerDutySettings, EmailSettings],
)
def test_every_key_about_who_is_told_is_documented(settings: type[BaseModel]) -> None:
    keys = [field.alias or name for name, field in settings.model_fields.items()]
    assert [key for key in keys if f"`{key}`" not in text("docs/alerts.md")] == []


PUSHED_PAGES = {"http": "", "webhook": "webhook", "meta": "meta-webhook", "telegram": "telegram-webhook",
                "trustpilot": "trustpilot-webhook", "x": "x-webhook"}  # fmt: skip
CONNECTOR_PAGES = sorted({*TYPES, *PUSHED_PAGES})
OTHER_TABLES: dict[str, list[type[BaseModel]]] = {"feed": [FeedTable], "webhook": [MappingSettings]}


@pytest.mark.parametrize("page", CONNECTOR_PAGES)
def test_the_tables_of_a_connector_have_its_keys_and_their_defaults(page: str) -> None:
    models = [*OTHER_TABLES.get(page, []), *([PUSHED[kind]] if (kind := PUSHED_PAGES.get(page)) else [])]
    models += [settings_class(page)] if page in TYPES else []
    fields = {key: it for model in models for key, it in model.model_fields.items() if key != "type"}
    tables = re.findall(
        r"^\| key .*says \|\n\|[-|]+\|\n((?:\|.*\n)+)", text(f"docs/connectors/{page}.md"), re.MULTILINE
    )
    rows = [row.strip("| ").split(" | ") for table in tables for row in table.splitlines()]
    assert {key for keys, *_ in rows for key in re.findall(r"`(\w+)`", keys)} == fields.keys()
    said = {keys.strip("`"): cells[0].strip("`") for keys, *cells in rows if len(cells) == 2}
    for key, field in fields.items():
        if type(field.default) in (int, float):
            assert float(said[key]) == field.default, key
        elif field.default is False or (field.default and isinstance(field.default, str | bool)):
            assert said[key].lower() == str(field.default).lower(), key
        elif key in said:
            assert not re.match(r"\d|true|false", said[key]), key


def test_the_page_about_backfills_names_who_has_a_history() -> None:
    page = text("docs/connectors/backfill.md")
    assert re.findall(r"^\| \[`(\w+)`\]", page, re.MULTILINE) == sorted(filter(has_history, TYPES))
    for kind in TYPES:
        said = "`rapport backfill`](backfill.md)" if has_history(kind) else "no [backfill](backfill.md)"
        assert said in text(f"docs/connectors/{kind}.md"), kind


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "connectors").glob("*.md")), ids=lambda page: page.stem)
def test_what_the_docs_say_of_a_connector_is_valid(tmp_path: Path, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stanzas = re.findall(r"^```toml\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    secret, file = tmp_path / "secret", tmp_path / "rapport.toml"
    secret.write_text("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "utf-8")
    monkeypatch.setenv("DESK_SECRET", secret.read_text("utf-8"))
    file.write_text(re.sub(r'"/run/secrets/[^"]+"', f'"{secret}"', "\n".join(stanzas)), "utf-8")
    assert in_file(file) == []


@pytest.mark.parametrize("page", CONNECTOR_PAGES)
def test_a_page_says_what_to_do_there_what_to_write_here_and_what_is_not_seen(page: str) -> None:
    said = text(f"docs/connectors/{page}.md")
    there = re.search(
        r"^## (On .+ side|On the other side|Set up)\n+(.{80,}?)(?=^## |^```)", said, re.MULTILINE | re.DOTALL
    )
    assert there, "what to create, and which permissions"
    not_seen = re.search(
        r"^## (Limits and what it cannot see|What it cannot do)\n(- .*?)(?=^## |\Z)", said, re.MULTILINE | re.DOTALL
    )
    assert not_seen, "limits, and what it cannot see"
    assert not_seen[2].count("\n- ") >= 1
    stanzas = set(re.findall(r"^type = \"([\w-]+)\"$", said, re.MULTILINE))
    assert stanzas >= ({page} & set(TYPES)) | ({PUSHED_PAGES.get(page, "")} - {""})
    assert f"({page}.md)" in text("docs/connectors/README.md")


def test_every_type_that_is_pushed_has_its_page() -> None:
    assert set(PUSHED) == set(PUSHED_PAGES.values()) - {""}


NETWORKS_IN_WORDS = {
    "bluesky-1": "Bluesky",
    "bluesky-2": "Bluesky",
    "feed": "Feeds",
    "google_reviews": "Google reviews",
    "gotosocial": "GoToSocial",
    "imap": "E-mail",
    "imap-polled": "E-mail",
    "stackexchange": "Stack Exchange",
    "trustpilot-private": "Trustpilot",
    "wordpress": "WordPress",
    "x-activity": 'X, `way = "activity"`',
    "x-filtered": 'X, `way = "filtered"`',
    "x-polled": 'X, `way = "poll"`',
    "youtube": "YouTube",
}
"""What the docs call them; the others begin with a capital."""


@pytest.mark.parametrize("name", NETWORKS)
def test_the_docs_say_what_each_network_tells(name: str) -> None:
    network = NETWORKS[name]()
    table = text("docs/connectors/README.md").partition("## What each network tells")[2].partition("\n## ")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines() if row.startswith("| ")][1:]
    wanted = NETWORKS_IN_WORDS.get(name, name.capitalize())
    ((_, how, edits, deletions),) = [row for row in rows if wanted == row[0] or wanted in row[0].split(", ")]
    told = {"ann": "everybody's", "acme": "the account's own", "": "no"}[network.tells_deletions_of]
    assert (edits, deletions) == ("yes" if network.shows_edits else "no", told)
    assert ("a stream" if network.is_streamed else "asked" if network.is_remote else "files") in how


def test_the_defaults_of_routes_and_of_the_plant_are_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", text("docs/alerts.md"), re.MULTILINE)
    assert len(rows) == 4 + len(PlantSettings.model_fields)
    fields = {**RouteSettings.model_fields, **PlantSettings.model_fields}
    for name, default in rows:
        assert fields[name].default == float(default), name


def test_what_the_docs_say_of_who_is_told_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "rapport.toml"
    file.write_text(
        "\n".join(re.findall(r"^```toml\n(.*?)^```", text("docs/alerts.md"), re.MULTILINE | re.DOTALL)), "utf-8"
    )
    brands = load_brands(file)
    names = ["chat", "on-call", "launch-team", "morning", "operators", "day", "night"]
    assert [route.name for route in brands.routes] == names
    assert len(brands.receivers) == 3
    assert len(brands.silences) == 1
    # At any time one of the two shifts is told, also on the day on which the clocks are put back.
    policies = brands.notifications.policies("x:acme")
    october = round(datetime(2026, 10, 20, tzinfo=UTC).timestamp() * 1000)
    for at in range(october, october + 8 * 86_400_000, 1_800_000):
        assert policies["day"].is_quiet(at) != policies["night"].is_quiet(at)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [target for target in links(page) if not leads_somewhere(page, target)] == []


def test_every_alert_about_the_plant_has_its_runbook() -> None:
    rules = yaml.safe_load(text("deploy/prometheus/rules.yml"))["groups"][0]["rules"]
    named = {rule["annotations"]["runbook_url"] for rule in rules}
    assert named == {f"docs/runbooks.md#{rule['alert'].lower()}" for rule in rules}
    assert all(leads_somewhere(ROOT / "README.md", runbook) for runbook in named)
    sections = re.findall(r"^## (\w+)$", text("docs/runbooks.md"), re.MULTILINE)
    assert sections == [rule["alert"] for rule in rules]


def links(page: Path) -> list[str]:
    """Return the relative links of a page; what stands in code is none."""
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(
        r"\]\(\s*<?([^)\s>]+)|\b(?:href|src|srcset)=\"([^\"]+)\"|^\[[^\]]+\]:\s*(\S+)", prose, re.MULTILINE
    )
    targets = ["".join(groups) for groups in found]
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, heading = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    if not there.exists() or not there.is_relative_to(ROOT):
        return False
    return not heading or there.suffix != ".md" or heading in anchors(there)


def anchors(page: Path) -> set[str]:
    """Return the headings of a page as GitHub names them."""
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
