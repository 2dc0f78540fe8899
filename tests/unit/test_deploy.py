"""deploy/, as far as it can be tried without a Docker engine: what its files say of each other, of the code and of the image."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Iterator
from inspect import signature
from pathlib import Path, PurePath
from typing import Any
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import pytest
import yaml
from docker.utils import exclude_paths
from prometheus_client import REGISTRY
from typer.testing import CliRunner

from schemas.topics import Catalogue
from streams import kafka, telemetry
from streams.cli import app, listen
from streams.config import SECRETS, Settings, load_brands
from streams.connecting.tables import load_tables
from streams.listener_settings import pushed_settings
from streams.questions import serve
from streams.service import STOP_SECONDS
from tests.kafka_broker import JARS
from tests.processes import ROOT, free_port, free_ports

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
STAY = {name: service for name, service in OURS.items() if service.get("restart") == "unless-stopped"}
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
HAS_COMPOSE = (
    shutil.which("docker") is not None
    and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
)


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, lines joined, comments dropped."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def arguments(stage: list[tuple[str, str]], wanted: str) -> list[str]:
    return [rest for word, rest in stage if word == wanted]


def image_environment() -> dict[str, str]:
    return dict(
        pair.split("=", 1) for rest in arguments(stages()[-1], "ENV") for pair in shlex.split(rest) if "=" in pair
    )


def context() -> set[str]:
    """Return what Docker would be sent, as .dockerignore says."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    sent = {path for path in exclude_paths(str(ROOT), patterns) if (ROOT / path).is_file()}
    return sent - {".dockerignore"}  # docker-py always lets it through


# -- compose.yaml ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not HAS_COMPOSE, reason="there is no docker compose")
@pytest.mark.parametrize(("where", "file"), [(ROOT, "deploy/compose.yaml"), (DEPLOY, "compose.yaml")])
def test_compose_understands_its_file(where: Path, file: str) -> None:
    run = subprocess.run(
        ["docker", "compose", "-f", file, "--profile", "*", "config", "--quiet"],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_every_service_depends_on_services_that_are_there_and_can_fulfil_it() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES, name
            if how["condition"] == "service_healthy":
                assert "test" in SERVICES[other]["healthcheck"], name
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[other]["restart"] == "no", "what always restarts is never completed"


def test_the_whole_product_runs() -> None:
    """Every command that stays is a service: those that need nothing of rapport.toml always, the others by a profile."""
    commands = {name: " ".join(service.get("command", ())) for name, service in OURS.items()}
    assert {command: name for name, command in commands.items() if command} == {
        "worker": "worker",
        "sink": "sink",
        "serve --host 0.0.0.0": "page",
        "notify run": "notify",
        "listen --host 0.0.0.0": "listen",
        "connectors run": "connectors",
    }
    for command in commands.values():
        called = CliRunner().invoke(app, [*command.split(), "--help"])
        assert (called.exit_code, "Usage" in called.output) == (0, True), command
    assert {name: service["profiles"] for name, service in OURS.items() if "profiles" in service} == {
        **{name: [name] for name in ("page", "notify", "listen", "connectors")},
        "rapport": ["tools"],
    }


def test_what_stays_waits_for_topics_and_tables_is_asked_for_its_health_and_has_time_to_stop() -> None:
    assert "rapport topics apply && rapport migrate" in SERVICES["setup"]["entrypoint"]
    assert set(STAY) == {"worker", "sink", "page", "notify", "listen", "connectors"}
    for service in STAY.values():
        assert service["depends_on"] == {"setup": {"condition": "service_completed_successfully"}}
        assert service["restart"] == "unless-stopped", "exit 75 asks for a restart"
        assert int(service["stop_grace_period"].removesuffix("s")) > STOP_SECONDS
        assert "healthcheck" not in service, "the image has one"


def test_ports_are_published_on_the_loopback_address_only() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), name


def test_of_ours_only_page_and_listener_can_be_reached() -> None:
    defaults = {"page": signature(serve), "listen": signature(listen)}
    published = {name: service["ports"] for name, service in OURS.items() if "ports" in service}
    assert published == {
        name: [f"127.0.0.1:{it.parameters['port'].default}:{it.parameters['port'].default}"]
        for name, it in defaults.items()
    }


def test_what_is_ours_keeps_nothing_and_may_nothing() -> None:
    for service in OURS.values():
        assert "container_name" not in service
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        assert "user" not in service, "the image has one"


def test_each_has_the_secrets_that_it_needs_and_no_others() -> None:
    """Those of ClickHouse from .env, by name; those of rapport.toml as files, which the examples name at the same places."""
    for name, service in OURS.items():
        assert [file["path"] for file in service["env_file"]] == ["rapport.env"]
        passwords = set(re.findall(r"\w+_PASSWORD", str(service["environment"])))
        reaches = "storage" in service.get("networks", ["default"])
        assert passwords == {"page": {"CLICKHOUSE_READER_PASSWORD"}}.get(
            name, {"CLICKHOUSE_PASSWORD"} if reaches else set()
        )
        assert reaches == (name in {"setup", "sink", "page", "rapport"})
    mounted = {
        name: {volume.split(":")[1].removeprefix("/run/secrets/") for volume in service["volumes"][1:]}
        for name, service in OURS.items()
    }
    assert {name: it for name, it in mounted.items() if it} == {
        "page": {"answers"},
        "notify": {"notify", "answers"},
        "listen": {"listen"},
        "connectors": {"connectors"},
        "rapport": {"answers", "connectors", "listen", "notify"},
    }
    for service in OURS.values():
        for volume in service["volumes"][1:]:
            source, target, _ = volume.split(":")
            assert source.removeprefix("./") == target.removeprefix("/run/")
    named = set(re.findall(r'"/run/secrets/(\w+)/\w+"', (DEPLOY / "settings" / "rapport.toml").read_text("utf-8")))
    assert (
        named
        == {path.name for path in (DEPLOY / "secrets").iterdir()}
        == {
            "answers",
            "connectors",
            "listen",
            "notify",
        }
    )


def test_no_secret_can_be_committed() -> None:
    for path in (".env", "rapport.env", "secrets/listen/shop", "secrets/notify/.hidden"):
        ignored = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=DEPLOY, check=False)
        assert ignored.returncode == 0, path


def test_what_stays_up_is_bounded() -> None:
    for name, service in SERVICES.items():
        assert service["logging"]["options"]["max-size"], name
        if service.get("restart") == "unless-stopped":
            assert service["deploy"]["resources"]["limits"]["memory"], name


def test_named_volumes_are_declared_and_mounted_files_exist() -> None:
    used = set()
    for service in SERVICES.values():
        for source, _, target in (volume.partition(":") for volume in service.get("volumes", ())):
            if source.startswith("."):
                assert (DEPLOY / source).exists()
                assert target.endswith(":ro")
            else:
                used.add(source)
    assert used == set(COMPOSE["volumes"])


def test_images_are_pinned() -> None:
    images = [service["image"] for service in SERVICES.values() if "build" not in service]
    images += [rest.split()[0] for rest in (rest for stage in stages() for rest in arguments(stage, "FROM"))]
    for image in images:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", image), image


def test_the_images_are_those_that_the_tests_run_on() -> None:
    broker = (ROOT / "tests" / "kafka_broker.py").read_text("utf-8")
    server = (ROOT / "tests" / "clickhouse_server.py").read_text("utf-8")
    pom = (DEPLOY / "kafka" / "pom.xml").read_text("utf-8")
    assert f'"{SERVICES["kafka"]["image"]}"' in broker
    assert f"<version>{SERVICES['kafka']['image'].partition(':')[2]}</version>" in pom
    assert f'"{SERVICES["clickhouse"]["image"]}"' in server


def test_our_services_are_built_from_the_dockerfile() -> None:
    assert {"setup", "worker", "sink"} <= set(OURS)
    for service in OURS.values():
        assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
        assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_the_broker_takes_the_largest_message_of_any_topic_and_makes_none_by_itself() -> None:
    environment = SERVICES["kafka"]["environment"]
    largest = max(int(topic.config.get("max.message.bytes", 0)) for topic in Catalogue().all)
    assert environment["KAFKA_MESSAGE_MAX_BYTES"] == environment["KAFKA_REPLICA_FETCH_MAX_BYTES"] == largest
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_the_settings_of_clickhouse_are_well_formed() -> None:
    root = ET.parse(DEPLOY / "clickhouse" / "system-logs.xml").getroot()
    assert root.tag == "clickhouse"
    for table in root:
        assert table.get("remove") == "1" or [child.tag for child in table] == ["ttl"], table.tag


def test_our_services_and_clickhouse_share_one_login() -> None:
    login = SERVICES["clickhouse"]["environment"]
    user, password = login["CLICKHOUSE_USER"], login["CLICKHOUSE_PASSWORD"]
    logins = {name: service["environment"].get("RAPPORT_CLICKHOUSE") for name, service in OURS.items()}
    everything = f"http://{user}:{password}@clickhouse:8123/rapport"
    assert {name: it for name, it in logins.items() if it} == {
        **dict.fromkeys(("setup", "sink", "rapport"), everything),
        "page": f"http://reader:{login['CLICKHOUSE_READER_PASSWORD']}@clickhouse:8123/rapport",
    }


def test_the_example_of_an_env_file_gives_the_defaults() -> None:
    example = dict(
        line.split("=", 1)
        for line in (DEPLOY / "example.env").read_text("utf-8").splitlines()
        if re.match("[A-Z]", line)
    )
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", (DEPLOY / "compose.yaml").read_text("utf-8")))
    assert example == used


# -- settings -------------------------------------------------------------------------------------------------------------


def test_every_setting_named_in_deploy_is_one() -> None:
    known = {f"RAPPORT_{name.upper()}" for name in Settings.model_fields} | SECRETS.keys()
    for file in [path for path in DEPLOY.rglob("*") if path.is_file()]:
        named = set(re.findall(r"RAPPORT_[A-Z][A-Z_]*[A-Z]", file.read_text("utf-8")))
        assert named <= known, file


def test_the_settings_of_the_services_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES["sink"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)))
    settings = Settings()
    assert settings.bootstrap_servers == ["kafka:19092"]
    assert settings.clickhouse.get_secret_value() == "http://rapport:development-only@clickhouse:8123/rapport"


def test_the_brands_file_is_valid_as_it_is_and_with_its_examples(tmp_path: Path) -> None:
    text = (DEPLOY / "settings" / "rapport.toml").read_text("utf-8")
    load_brands(DEPLOY / "settings" / "rapport.toml")
    examples = tmp_path / "rapport.toml"
    examples.write_text(re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE), "utf-8")
    brands = load_brands(examples)
    assert brands.accounts
    assert list(load_tables(examples)) == ["fediverse"]
    assert [kind for kind in (pushed_settings(table) for table in brands.connectors.values()) if kind]
    for table in ("tokens", "routes", "rules", "calendars", "plant"):
        assert getattr(brands, table)


# -- Prometheus -----------------------------------------------------------------------------------------------------------


def test_prometheus_asks_every_process_that_stays_where_it_answers() -> None:
    port = int(image_environment()["RAPPORT_METRICS_PORT"])
    asked = {}
    for job in PROMETHEUS["scrape_configs"]:
        (discovery,) = job["dns_sd_configs"]
        assert (discovery["type"], discovery["port"]) == ("A", port)
        (asked[job["job_name"]],) = discovery["names"]
    assert asked == {name: name for name in STAY}
    for service in OURS.values():
        assert service["environment"]["RAPPORT_METRICS_PORT"] == port
        assert (
            service["environment"]["RAPPORT_METRICS_HOST"] == image_environment()["RAPPORT_METRICS_HOST"] == "0.0.0.0"
        )
    mounted = [volume.split(":")[1] for volume in SERVICES["prometheus"]["volumes"]]
    assert {f"/etc/prometheus/{file}" for file in ("prometheus.yml", *PROMETHEUS["rule_files"])} <= set(mounted)


def exported() -> set[str]:
    """Return every metric that there is in Prometheus, as it names them."""
    known = {"up"}
    for family in REGISTRY.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        known |= {family.name + suffix for suffix in suffixes}
    return known


def test_every_metric_in_the_rules_exists() -> None:
    for rule in RULES:
        named = set(re.findall(r"\b(up|rapport_\w+|process_\w+)(?=[{\[)\s])", rule["expr"]))
        assert named, rule["alert"]
        assert named <= exported(), rule["alert"]


def test_every_rule_tells_what_to_do_and_asks_jobs_that_exist() -> None:
    jobs = {job["job_name"] for job in PROMETHEUS["scrape_configs"]}
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert set(re.findall(r'job="(\w+)"', rule["expr"])) <= jobs


# -- the image ------------------------------------------------------------------------------------------------------------


def test_both_stages_have_the_same_python() -> None:
    first, last = (arguments(stage, "FROM")[0].split()[0] for stage in stages())
    assert first == last, "the environment is moved from one to the other"


def test_the_image_runs_rapport_as_somebody_without_rights() -> None:
    last = stages()[-1]
    (user,), (entrypoint,) = arguments(last, "USER"), arguments(last, "ENTRYPOINT")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert json.loads(entrypoint) == ["rapport"]
    assert [word for word, _ in last].index("USER") > [word for word, _ in last].index("RUN")
    assert image_environment()["PYTHONUNBUFFERED"] == "1"


def test_the_final_image_has_no_build_tools_and_no_secrets() -> None:
    last = stages()[-1]
    assert not re.search(r"apt|pip|gcc", " ".join(arguments(last, "RUN")))
    assert arguments(last, "COPY") == ["--from=build /opt/rapport /opt/rapport"]
    assert not re.search(r"password|secret|token", (DEPLOY / "Dockerfile").read_text("utf-8"), re.IGNORECASE)


def test_the_build_is_sent_the_distribution_and_nothing_else() -> None:
    sent = context()
    assert {PurePath(path).parts[0] for path in sent} <= {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "schemas",
        "setup.py",
        "sinks",
        "streams",
    }
    assert not [path for path in sent if "__pycache__" in path or path.endswith(".pyc")]
    for source in arguments(stages()[0], "COPY"):
        first = source.split()[0]
        assert first == "." or first in sent


def test_health_is_asked_as_the_image_does() -> None:
    (check,) = arguments(stages()[-1], "HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    port = free_port()
    environment = {**os.environ, "RAPPORT_METRICS_PORT": str(port), "http_proxy": "http://127.0.0.1:1"}

    def ask() -> int:
        asked = [sys.executable, *command[1:]]
        return subprocess.run(asked, env=environment, capture_output=True, check=False).returncode

    assert ask() == 1
    server = telemetry.serve("127.0.0.1", port, lambda: False)
    try:
        assert ask() == 0
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_the_image_installs_what_it_needs(tmp_path: Path) -> None:
    """Run the build's own commands on what it is sent, but for the download of the dependencies."""
    build_system = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    wheels = tmp_path / "wheels"
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", wheels, *build_system]
    if subprocess.run(fetch, capture_output=True, check=False).returncode:
        pytest.skip("there is no package index")

    source, environment = tmp_path / "source", tmp_path / "environment"
    for path in context():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    prepare, dependencies, compilers, install = [
        command.replace("/opt/rapport", str(environment)).replace("/wheels", str(tmp_path / "built"))
        for command in arguments(stages()[0], "RUN")
        if "apt-get" not in command
    ]
    here = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }

    def run(*command: str, where: Path = source) -> str:
        ran = subprocess.run(command, cwd=where, env=here, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    run("sh", "-c", prepare)
    assert (source / "requirements.txt").read_text("utf-8").splitlines() == PROJECT["dependencies"]
    assert "--requirement requirements.txt" in dependencies
    run("sh", "-c", compilers)  # they are here already
    assert "WITH_MYPYC=1 " in install
    run("sh", "-c", install.replace("WITH_MYPYC=1 ", ""))  # that takes a minute: `make test-compiled`
    (wheel,) = (tmp_path / "built").glob("rapport-*.whl")
    with ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    for pattern in ("schemas/**/*.avsc", "sinks/**/*.sql", "streams/**/*.py"):
        files = {str(file.relative_to(ROOT)) for file in ROOT.glob(pattern)}
        assert files
        assert files <= packed

    # the dependencies of this environment stand in for the image's, those of the extras hidden
    (packages,) = (environment / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    (packages / "no_extras.pth").write_text("import sys; sys.modules.update(chdb=None, confluent_kafka=None)", "utf-8")
    here["PATH"] = f"{environment / 'bin'}:{here['PATH']}"
    place = run("python", "-c", "import streams; print(streams.__file__)", where=tmp_path)
    assert place.startswith(str(packages)), "what was installed, not the working tree"
    help_text = run("rapport", "--help", where=tmp_path)
    for command in ("worker", "sink", "migrate", "topics", "check"):
        assert command in help_text
        run("rapport", command, "--help", where=tmp_path)


# -- Kafka ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start Kafka from Maven's jars with the settings of compose.yaml, made into a file as the image does."""
    if shutil.which("java") is None or not any(JARS.glob("kafka_*.jar")):
        pytest.skip("Kafka's jars are not there (deploy/kafka/pom.xml)")
    given: dict[str, Any] = SERVICES["kafka"]["environment"]
    moved = dict(zip((19092, 9092, 29093), free_ports(3), strict=True))
    lines = []
    for name, value in given.items():
        if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS":
            told = re.sub(r":(\d+)\b", lambda match: f":{moved.get(int(match[1]), match[1])}", str(value))
            for host in ("//:", "//kafka:", "//localhost:"):
                told = told.replace(host, "//127.0.0.1:")
            told = told.replace("@kafka:", "@127.0.0.1:").replace("/var/lib/kafka/data", str(tmp_path / "data"))
            lines.append(f"{name.removeprefix('KAFKA_').lower().replace('_', '.')}={told}")
    properties = tmp_path / "server.properties"
    properties.write_text("\n".join(lines), "utf-8")
    java = ["java", "-Xms128m", "-Xmx512m", "-cp", f"{JARS}/*"]
    form = ["kafka.tools.StorageTool", "format", f"--cluster-id={given['CLUSTER_ID']}", "-c", properties]
    subprocess.run([*java, *form], check=True, capture_output=True)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*java, "kafka.Kafka", properties], cwd=tmp_path, stdout=log, stderr=log)
        try:
            yield f"127.0.0.1:{moved[19092]}"
        finally:
            process.kill()
            process.wait()
    shutil.rmtree(tmp_path / "data", ignore_errors=True)


@pytest.mark.kafka
@pytest.mark.slow
def test_kafka_starts_with_these_settings_and_takes_our_topics(broker: str) -> None:
    settings = Settings(brokers=broker)
    deadline = time.monotonic() + 60
    while True:
        try:
            created = kafka.apply_topics(settings)
        except kafka.BrokerError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        else:
            break
    assert len(created) == len(settings.topics.all)
    assert kafka.check_topics(settings) == []
