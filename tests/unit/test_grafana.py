"""deploy/grafana/, as far as it can be checked without a Grafana: what its files say of each other, the plant and the code."""

import json
import re
from collections import Counter
from itertools import combinations
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from deploy.grafana.dashboards import ACCOUNT, BRANDS, FOLDER, RELATIONSHIPS, dashboards, written
from deploy.grafana.panels import BEFORE, Panel
from deploy.grafana.plant import PLANT
from schemas.metrics import metrics
from schemas.views import in_words
from tests.unit.test_deploy import DEPLOY, PROMETHEUS, SERVICES, exported

GRAFANA = SERVICES["grafana"]
SOURCES = yaml.safe_load((DEPLOY / "grafana" / "datasources.yaml").read_text("utf-8"))["datasources"]
ALL = dashboards()
EXPRESSIONS = [(legend, expression) for panel in PLANT for legend, expression in panel.asks.items()]


def panels() -> list[dict[str, Any]]:
    return [panel for made in ALL.values() for panel in made["panels"]]


def test_the_files_are_what_the_code_makes() -> None:
    files = {file.stem: file.read_text("utf-8") for file in FOLDER.iterdir()}
    assert files == {name: written(made) for name, made in ALL.items()}, "run `python -m deploy.grafana.dashboards`"


def test_no_two_dashboards_and_no_two_panels_of_one_are_the_same() -> None:
    for key in ("uid", "title"):
        assert len({made[key] for made in ALL.values()}) == len(ALL)
    for made in ALL.values():
        for key in ("id", "title"):
            assert max(Counter(panel[key] for panel in made["panels"]).values()) == 1, key


def test_panels_are_side_by_side_and_within_the_page() -> None:
    for made in ALL.values():
        places = [panel["gridPos"] for panel in made["panels"]]
        assert all(place["x"] + place["w"] <= 24 for place in places)
        for one, other in combinations(places, 2):
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert beside or below


@pytest.mark.parametrize(
    ("name", "specs"), [("brands", BRANDS), ("account", ACCOUNT), ("relationships", RELATIONSHIPS), ("plant", PLANT)]
)
def test_words_and_units_are_those_of_the_catalogue(name: str, specs: tuple[Panel, ...]) -> None:
    for spec, made in zip(specs, ALL[name]["panels"], strict=True):
        told = {
            override["matcher"]["options"]: {each["id"]: each["value"] for each in override["properties"]}
            for override in made["fieldConfig"]["overrides"]
        }
        assert made["description"], "a tooltip"
        for metric in (metrics()[shown] for shown in spec.shows):
            assert in_words(metric) in made["description"]
            assert told[metric.name]["displayName"] == metric.label
            share = told[metric.name]["unit"] == "percentunit"
            assert share == (metric.unit == "share")
            assert told.get(metric.name + BEFORE, told[metric.name])["unit"] == told[metric.name]["unit"]


def test_the_sources_of_the_panels_are_those_that_grafana_is_given() -> None:
    given = {source["uid"]: source["type"] for source in SOURCES}
    asked = [panel["datasource"] for panel in panels()]
    asked += [target["datasource"] for panel in panels() for target in panel["targets"]]
    asked += [variable["datasource"] for made in ALL.values() for variable in made["templating"]["list"]]
    assert {source["uid"]: source["type"] for source in asked} == given
    plugin, _, version = GRAFANA["environment"]["GF_PLUGINS_PREINSTALL_SYNC"].partition("@")
    assert plugin in given.values()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_the_sources_are_services_and_the_login_is_the_readers() -> None:
    clickhouse, prometheus = SOURCES
    assert clickhouse["jsonData"]["host"] in SERVICES
    assert prometheus["url"] == "http://prometheus:9090"
    assert prometheus["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]
    variable = clickhouse["secureJsonData"]["password"].removeprefix("$")
    assert GRAFANA["environment"][variable] == SERVICES["clickhouse"]["environment"][variable]
    (users,) = ET.parse(DEPLOY / "clickhouse" / "reader.xml").getroot()
    (user,) = users
    assert user.tag == clickhouse["jsonData"]["username"]
    password = user.find("password")
    assert password is not None
    assert password.get("from_env") == variable
    assert [query.text for query in user.iter("query")] == reader_grants()


def reader_grants() -> list[str]:
    """Return what the role of readers may do, as roles.sql has it."""
    text = (DEPLOY / "clickhouse" / "roles.sql").read_text("utf-8")
    return [
        grant for grant, role in re.findall(r"^(GRANT [^;]+) TO (\w+);", text, re.MULTILINE) if role == "rapport_reader"
    ]


def test_the_dashboards_are_where_grafana_looks() -> None:
    (provider,) = yaml.safe_load((DEPLOY / "grafana" / "provider.yaml").read_text("utf-8"))["providers"]
    mounted = dict(volume.split(":")[:2] for volume in GRAFANA["volumes"] if volume.startswith("."))
    where = provider["options"]["path"]
    assert mounted["./grafana/dashboards"] == where
    home = GRAFANA["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.removeprefix(f"{where}/") in {file.name for file in FOLDER.iterdir()}


def test_a_link_leads_to_a_dashboard_that_is_there() -> None:
    linked = set(re.findall(r"/d/([\w-]+)", json.dumps(ALL)))
    assert linked <= {made["uid"] for made in ALL.values()}


@pytest.mark.parametrize(("legend", "expression"), EXPRESSIONS)
def test_prometheus_is_asked_for_what_a_process_exports(legend: str, expression: str) -> None:
    named = set(re.findall(r"\b(up|ALERTS|rapport_\w+|process_\w+)\b", expression))
    assert named
    assert named <= exported() | {"ALERTS"}
    assert set(re.findall(r'job=~?"([\w|]+)"', expression)) <= {"worker", "sink", "worker|sink"}
    labels = set(re.findall(r"\{\{(\w+)\}\}", legend))
    summed = re.search(r"by \(([\w, ]+)\)", expression)
    assert labels <= (set(summed[1].split(", ")) if summed else {"alertname", "instance"})
