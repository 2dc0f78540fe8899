"""deploy/kubernetes/, without a cluster: what the manifests say of each other, of the code, of the image and of Compose."""

import copy
import lzma
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.resources import files
from inspect import getsource, signature
from pathlib import Path
from typing import Any

import httpx
import py3langid
import pytest
import uvicorn
import yaml
from typer.testing import CliRunner

from schemas.access import Role
from streams import telemetry
from streams.cli import app, listen
from streams.config import SECRETS, Settings, load_brands
from streams.connecting.tables import load_tables
from streams.listener_settings import PUSHED, pushed_settings
from streams.questions import serve
from streams.service import STOP_SECONDS
from streams.serving import is_guarded, senders_of
from tests.pod_security import violations
from tests.processes import free_port
from tests.unit.test_deploy import DEPLOY, PROJECT, RULES, STAY, arguments, image_environment, stages

FOLDER = DEPLOY / "kubernetes"
EXAMPLE = FOLDER / "example"
Manifest = dict[str, Any]


def kustomization(folder: Path) -> Manifest:
    read: Manifest = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    return read


def resources(folder: Path) -> Iterator[Manifest]:
    """Yield every manifest that a kustomization leads to, as it stands in its file."""
    for named in kustomization(folder)["resources"]:
        path = folder / named
        if path.is_dir():
            yield from resources(path)
        else:
            yield from yaml.safe_load_all(path.read_text("utf-8"))


ALL = list(resources(EXAMPLE))
APIS = {
    "Namespace": "v1",
    "Service": "v1",
    "Deployment": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Ingress": "networking.k8s.io/v1",
}


def named(kind: str) -> dict[str, Manifest]:
    return {it["metadata"]["name"]: it for it in ALL if it["kind"] == kind}


DEPLOYMENTS = named("Deployment")
JOBS = named("Job") | {name: it["spec"]["jobTemplate"] for name, it in named("CronJob").items()}
RUN = {name.removeprefix("rapport-"): it for name, it in (DEPLOYMENTS | JOBS).items()}
PODS = {name: it["spec"]["template"]["spec"] for name, it in RUN.items()}
CONTAINERS = {name: pod["containers"][0] for name, pod in PODS.items()}


def settings_of(folder: Path) -> dict[str, str]:
    lines = (folder / "settings.env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def environment_of(name: str) -> dict[str, str]:
    """Return what a container finds in its environment."""
    own = {it["name"]: it["value"] for it in CONTAINERS[name]["env"]}
    return image_environment() | settings_of(FOLDER / "base") | settings_of(EXAMPLE) | own


def mounts_of(name: str) -> dict[str, Manifest]:
    """Return the volumes of a container by where they are."""
    volumes = {volume["name"]: volume for volume in PODS[name]["volumes"]}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in CONTAINERS[name]["volumeMounts"]}


# -- kustomize ------------------------------------------------------------------------------------------------------------


def test_every_file_is_brought_in_and_is_there() -> None:
    folders = {path.parent for path in FOLDER.rglob("kustomization.yaml")}
    assert {(EXAMPLE / it).resolve() for it in kustomization(EXAMPLE)["resources"] if it.startswith("..")} == {
        folder for folder in folders if folder != EXAMPLE
    }
    for folder in folders:
        said = kustomization(folder)
        files = {it for generator in said.get("configMapGenerator", ()) for it in generator.get("files", [])}
        files |= {it for generator in said.get("configMapGenerator", ()) for it in generator.get("envs", [])}
        files |= {it for it in said["resources"] if (folder / it).is_file()}
        assert files | {"kustomization.yaml"} == {path.name for path in folder.iterdir()}, folder


def test_what_the_example_changes_is_there() -> None:
    said = kustomization(EXAMPLE)
    generated = {it["name"]: it for it in kustomization(FOLDER / "base")["configMapGenerator"]}
    for generator in said["configMapGenerator"]:
        assert generator["behavior"] == "merge"
        assert generator.get("files") == generated[generator["name"]].get("files"), "it replaces the base's"
    used = {it["configMapRef"]["name"] for name in CONTAINERS for it in CONTAINERS[name]["envFrom"]}
    used |= {volume["configMap"]["name"] for pod in PODS.values() for volume in pod["volumes"] if "configMap" in volume}
    assert used == set(generated)
    for patch in said["patches"]:
        there = named(patch["target"]["kind"])[patch["target"]["name"]]
        for operation in yaml.safe_load(patch["patch"]):
            *parents, last = operation["path"].strip("/").split("/")
            for part in parents:
                there = there[int(part)] if part.isdecimal() else there[part]
            assert (operation["op"], last in there) == ("add", False)
    assert {it["name"] for it in said["replicas"]} <= set(DEPLOYMENTS)
    assert {it["name"] for it in said["images"]} == {it["image"].partition(":")[0] for it in CONTAINERS.values()}
    assert said["namespace"] in named("Namespace")


@pytest.mark.skipif(not (shutil.which("kustomize") or shutil.which("kubectl")), reason="there is no kustomize")
@pytest.mark.parametrize("folder", ["base", "example"])
def test_kustomize_builds_it(folder: str) -> None:
    build = ["kustomize", "build"] if shutil.which("kustomize") else ["kubectl", "kustomize"]
    made = subprocess.run([*build, FOLDER / folder], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert {it["kind"] for it in yaml.safe_load_all(made.stdout)} <= {*APIS, "ConfigMap"}


# -- each manifest --------------------------------------------------------------------------------------------------------


def test_what_there_is_and_that_there_are_no_secrets_in_it() -> None:
    for it in ALL:
        assert it["apiVersion"] == APIS[it["kind"]]
        assert it["kind"] == "Namespace" or it["metadata"]["labels"]["app.kubernetes.io/name"] == "rapport"
    assert len({(it["kind"], it["metadata"]["name"]) for it in ALL}) == len(ALL)
    for path in FOLDER.rglob("*.*"):
        assert not re.search(r"(?i)(password|token|secret)\s*[=:]\s*[\"']?\w{6,}", path.read_text("utf-8")), path


def test_selectors_are_for_what_is_there() -> None:
    for name, it in RUN.items():
        labels = {"app.kubernetes.io/name": "rapport", "app.kubernetes.io/component": name}
        assert it["spec"]["template"]["metadata"]["labels"] == labels
        if f"rapport-{name}" in DEPLOYMENTS:
            assert it["spec"]["selector"] == {"matchLabels": labels}
    for name, it in (named("Deployment") | named("Job") | named("CronJob")).items():
        assert it["metadata"]["labels"]["app.kubernetes.io/component"] == name.removeprefix("rapport-")
    for kind in ("Service", "PodDisruptionBudget"):
        for name, it in named(kind).items():
            selector = it["spec"]["selector"]
            assert selector.get("matchLabels", selector) == DEPLOYMENTS[name]["spec"]["selector"]["matchLabels"]
    for name, pod in PODS.items():
        for spread in pod.get("topologySpreadConstraints", ()):
            assert spread["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == name


def test_the_same_runs_as_in_compose() -> None:
    compose = {name: service["command"] for name, service in STAY.items()}
    assert {name: CONTAINERS[name]["args"] for name in RUN if f"rapport-{name}" in DEPLOYMENTS} == compose
    assert {name: CONTAINERS[name]["args"] for name in RUN if f"rapport-{name}" in JOBS} == {
        "topics": ["topics", "apply"],
        "migrate": ["migrate"],
        "digest": ["notify", "digest"],
    }
    for container in CONTAINERS.values():
        assert "command" not in container, "the image's entrypoint"
        assert CliRunner().invoke(app, [*container["args"], "--help"]).exit_code == 0


def test_the_image_is_of_this_version() -> None:
    assert {it["image"] for it in CONTAINERS.values()} == {f"rapport:{PROJECT['version']}"}
    assert [it["newTag"] for it in kustomization(EXAMPLE)["images"]] == [PROJECT["version"]]


# -- settings and secrets -------------------------------------------------------------------------------------------------


def test_every_variable_is_one_and_the_settings_are_valid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = {f"RAPPORT_{name.upper()}" for name in Settings.model_fields} | SECRETS.keys()
    for name in RUN:
        with monkeypatch.context() as patch:
            for variable, value in environment_of(name).items():
                if variable in SECRETS:
                    secret = tmp_path / f"{name}-{Path(value).name}"
                    secret.write_text("s3cret\n", "utf-8")
                    patch.setenv(variable, str(secret))
                elif variable.startswith("RAPPORT_"):
                    assert variable in known, variable
                    patch.setenv(variable, value)
            settings = Settings()
        assert settings.bootstrap_servers == ["kafka-bootstrap.kafka.svc:9093"]
        assert (settings.security_protocol, settings.replication_factor) == ("SASL_SSL", 3)
        assert settings.sasl_password.get_secret_value() == ("" if name == "migrate" else "s3cret")
        has_clickhouse = settings.clickhouse.get_secret_value() == "s3cret"
        assert has_clickhouse == (name in {"migrate", "sink", "page", "digest"})
    others = {it for it in settings_of(EXAMPLE) if not it.startswith("RAPPORT_")}
    assert others == {"FORWARDED_ALLOW_IPS"}
    assert others <= set(re.findall(r"[A-Z_]{8,}", getsource(uvicorn.Config))), "uvicorn reads it"


def test_each_process_is_somebody_of_its_own_in_kafka() -> None:
    users = {name: environment_of(name)["RAPPORT_SASL_USERNAME"] for name in RUN if name != "migrate"}
    assert set(users.values()) == {f"rapport-{role}" for role in set(Role) - {Role.REPLAY, Role.REVENUE}}
    assert users.pop("digest") == users["notify"], "it says what the notifier reads"
    assert len(set(users.values())) == len(users)


def test_each_has_its_own_secrets_and_those_are_in_the_table() -> None:
    wanted: dict[str, set[str]] = {}
    for name in RUN:
        secrets = {place: it["secret"] for place, it in mounts_of(name).items() if "secret" in it}
        files = {Path(value) for variable, value in environment_of(name).items() if variable in SECRETS}
        assert {str(file.parent) for file in files} == {f"/run/secrets/{name}"}
        assert secrets.pop(f"/run/secrets/{name}")["secretName"] == f"rapport-{name}"
        answers = {"secretName": "rapport-answers", "defaultMode": 0o440, "optional": True}
        assert secrets == ({"/run/secrets/answers": answers} if name in {"page", "notify"} else {})
        wanted[f"rapport-{name}"] = {file.name for file in files}
    text = (DEPLOY / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `(rapport-\w+)` \| ([^|]*) \|", text, re.MULTILINE)
    table = {name: set(re.findall(r"`([\w-]+)`", keys)) for name, keys in rows}
    assert table.pop("rapport-answers") == set()
    assert table == wanted


def test_the_secrets_of_rapport_toml_are_with_whoever_reads_them() -> None:
    brands = load_brands(EXAMPLE / "rapport.toml")
    for name, table in load_tables(EXAMPLE / "rapport.toml").items():
        assert str(table.settings.model_dump()["token_file"]) == f"/run/secrets/connectors/{name}"
    pushed = {name: it for name, table in brands.connectors.items() if (it := pushed_settings(table))}
    assert len(pushed) + len(load_tables(EXAMPLE / "rapport.toml")) == len(brands.connectors)
    assert {str(it.secret_file) for it in pushed.values()} == {f"/run/secrets/listen/{name}" for name in pushed}
    assert {type(it) for it in pushed.values()} <= set(PUSHED.values())
    for receiver in brands.receivers.values():
        assert receiver.url_file.parent == Path("/run/secrets/notify")
        assert receiver.signing_secret_file.parent == Path("/run/secrets/answers")
    assert is_guarded(brands), "the page listens for others"
    assert not senders_of(brands)


def test_a_change_of_rapport_toml_reaches_who_runs() -> None:
    """A mount of one file by itself (subPath) would stay what it was."""
    for name in RUN:
        assert all("subPath" not in mount for mount in CONTAINERS[name]["volumeMounts"])
        accounts = Path(environment_of(name)["RAPPORT_ACCOUNTS_FILE"])
        assert "configMap" in mounts_of(name)[str(accounts.parent)]
        assert accounts.name in kustomization(EXAMPLE)["configMapGenerator"][1]["files"]


# -- the network ----------------------------------------------------------------------------------------------------------


def ports_of(name: str) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in CONTAINERS[name].get("ports", ())}


def test_ports_are_those_that_are_listened_on() -> None:
    metrics = int(image_environment()["RAPPORT_METRICS_PORT"])
    http = {"page": signature(serve), "listen": signature(listen)}
    for name in STAY:
        served = {"http": http[name].parameters["port"].default} if name in http else {}
        assert ports_of(name) == {"metrics": metrics, **served}
    services = named("Service")
    assert set(services) == {f"rapport-{name}" for name in http}
    for name, it in services.items():
        (port,) = it["spec"]["ports"]
        assert (port["targetPort"], port["port"]) == ("http", ports_of(name.removeprefix("rapport-"))["http"])
    paths = [path for it in named("Ingress").values() for rule in it["spec"]["rules"] for path in rule["http"]["paths"]]
    assert {path["backend"]["service"]["name"] for path in paths} == set(services)
    assert all(path["backend"]["service"]["port"] == {"name": "http"} for path in paths)


def selected(policy: Manifest) -> set[str]:
    """Return the components that a network policy is for."""
    selector, found = policy["spec"]["podSelector"], set(RUN)
    component = selector["matchLabels"].get("app.kubernetes.io/component")
    found &= {component} if component else found
    for expression in selector.get("matchExpressions", ()):
        assert expression["key"] == "app.kubernetes.io/component"
        assert set(expression["values"]) <= set(RUN)
        is_in = expression["operator"] == "In"
        found = {name for name in found if (name in expression["values"]) == is_in}
    return found


def test_whoever_needs_kafka_or_clickhouse_reaches_it_and_nobody_else() -> None:
    policies = named("NetworkPolicy")
    assert selected(policies["rapport"]) == set(RUN)
    assert policies["rapport"]["spec"]["policyTypes"] == ["Ingress", "Egress"], "what is not named is not allowed"
    for variable, policy in (
        ("RAPPORT_SASL_PASSWORD_FILE", "rapport-kafka"),
        ("RAPPORT_CLICKHOUSE_FILE", "rapport-clickhouse"),
    ):
        assert selected(policies[policy]) == {name for name in RUN if variable in environment_of(name)}
    port = int(settings_of(EXAMPLE)["RAPPORT_BROKERS"].rpartition(":")[2])
    assert {"port": port} in policies["rapport-kafka"]["spec"]["egress"][0]["ports"]
    entered = {name: it for name, it in policies.items() if name.removeprefix("rapport-") in RUN}
    for name, it in entered.items():
        for rule in it["spec"].get("ingress", ()):
            assert [port["port"] for port in rule["ports"]] == ["http"]
            assert "http" in ports_of(name.removeprefix("rapport-"))


def test_whoever_asks_the_internet_reaches_no_private_address() -> None:
    outside = [it for it in named("NetworkPolicy").values() if "ipBlock" in str(it)]
    assert [selected(it) for it in outside] == [{"notify"}, {"connectors"}]
    for it in outside:
        (rule,) = it["spec"]["egress"]
        blocks = {to["ipBlock"]["cidr"]: set(to["ipBlock"]["except"]) for to in rule["to"]}
        assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= blocks["0.0.0.0/0"]
        assert {"fc00::/7", "fe80::/10"} <= blocks["::/0"]


# -- how they live --------------------------------------------------------------------------------------------------------


def test_probes_ask_what_is_answered() -> None:
    port = free_port()
    server = telemetry.serve("127.0.0.1", port, lambda: False)
    assert server is not None
    try:
        for name in STAY:
            container = CONTAINERS[name]
            answers = {}
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container[kind]["httpGet"]
                assert asked["port"] == "metrics"
                answers[kind] = httpx.get(f"http://127.0.0.1:{port}{asked['path']}").status_code
            assert answers == {"startupProbe": 200, "livenessProbe": 200, "readinessProbe": 503}, name
    finally:
        server.shutdown()
        server.server_close()


def test_whoever_is_asked_to_stop_has_the_time_for_it() -> None:
    for name in STAY:
        hook = CONTAINERS[name].get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
        assert hook[0] == "sleep"
        assert PODS[name]["terminationGracePeriodSeconds"] - int(hook[1]) >= STOP_SECONDS + 5
        assert ("lifecycle" in CONTAINERS[name]) == ("http" in ports_of(name)), "requests come until it is known"


def test_of_those_that_are_several_one_is_disturbed_at_a_time() -> None:
    several = {name for name, it in DEPLOYMENTS.items() if it["spec"]["replicas"] > 1}
    assert several == set(named("PodDisruptionBudget")) == set(DEPLOYMENTS) - {"rapport-connectors"}
    assert all(it["spec"]["maxUnavailable"] == 1 for it in named("PodDisruptionBudget").values())
    assert {name: it["spec"]["strategy"]["type"] for name, it in DEPLOYMENTS.items()} == {
        **dict.fromkeys(("rapport-sink", "rapport-page", "rapport-notify", "rapport-listen"), "RollingUpdate"),
        **dict.fromkeys(("rapport-worker", "rapport-connectors"), "Recreate"),
    }
    partitions = int(settings_of(EXAMPLE)["RAPPORT_PARTITIONS"])
    counts = {it["name"]: it["count"] for it in kustomization(EXAMPLE)["replicas"]}
    for name in ("rapport-worker", "rapport-sink", "rapport-notify"):
        assert counts.get(name, DEPLOYMENTS[name]["spec"]["replicas"]) <= partitions


def test_memory_is_bounded_and_processors_are_not() -> None:
    for container in CONTAINERS.values():
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert container["resources"]["limits"].keys() == {"memory"}
        asked, most = (_bytes(container["resources"][kind]["memory"]) for kind in ("requests", "limits"))
        assert asked <= most


def test_what_tells_languages_can_be_unpacked() -> None:
    """py3langid does so into a file of 65 MiB, which is gone again at once."""
    with lzma.open(files(py3langid) / "data" / "model.npz.xz") as packed:
        size = packed.seek(0, os.SEEK_END)
    for name in RUN:
        assert _bytes(mounts_of(name)["/tmp"]["emptyDir"]["sizeLimit"]) > size
        assert "medium" not in mounts_of(name)["/tmp"]["emptyDir"], "in memory it would be the container's"


def _bytes(quantity: str) -> int:
    return int(quantity[:-2]) << {"Mi": 20, "Gi": 30}[quantity[-2:]]


# -- what they may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUN)
def test_pods_are_restricted(name: str) -> None:
    pod = PODS[name]
    assert violations(pod) == []
    assert len(pod["containers"]) == 1
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    (user,) = arguments(stages()[-1], "USER")
    context = pod["securityContext"]
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert context["fsGroup"] == context["runAsGroup"], "or it could not read its secrets"
    (namespace,) = named("Namespace").values()
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}


def container_of(pod: Manifest) -> Manifest:
    first: Manifest = pod["containers"][0]
    return first


BREACHES: dict[str, Callable[[Manifest], Any]] = {
    "hostNetwork": lambda pod: pod.update(hostNetwork=True),
    "hostPID": lambda pod: pod.update(hostPID=True),
    "hostIPC": lambda pod: pod.update(hostIPC=True),
    "sysctls": lambda pod: pod["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    "volumes": lambda pod: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    "runAsUser": lambda pod: pod["securityContext"].update(runAsUser=0),
    "runAsNonRoot": lambda pod: pod["securityContext"].pop("runAsNonRoot"),
    "seccompProfile": lambda pod: pod["securityContext"].pop("seccompProfile"),
    "seLinuxOptions": lambda pod: pod["securityContext"].update(seLinuxOptions={"type": "spc_t"}),
    "appArmorProfile": lambda pod: pod["securityContext"].update(appArmorProfile={"type": "Unconfined"}),
    "hostProcess": lambda pod: pod["securityContext"].update(windowsOptions={"hostProcess": True}),
    "privileged": lambda pod: container_of(pod)["securityContext"].update(privileged=True),
    "allowPrivilegeEscalation": lambda pod: container_of(pod)["securityContext"].pop("allowPrivilegeEscalation"),
    "procMount": lambda pod: container_of(pod)["securityContext"].update(procMount="Unmasked"),
    "capabilities": lambda pod: container_of(pod)["securityContext"]["capabilities"].update(add=["NET_RAW"]),
    "hostPort": lambda pod: container_of(pod)["ports"].append({"containerPort": 1, "hostPort": 1}),
    "probe host": lambda pod: container_of(pod)["livenessProbe"]["httpGet"].update(host="127.0.0.1"),
}


@pytest.mark.parametrize("rule", BREACHES)
def test_a_breach_of_any_rule_is_found(rule: str) -> None:
    pod = copy.deepcopy(PODS["worker"])
    BREACHES[rule](pod)
    assert violations(pod) == [rule]


# -- Prometheus -----------------------------------------------------------------------------------------------------------


def test_prometheus_calls_the_jobs_as_the_rules_do() -> None:
    (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    (discovery,) = job["kubernetes_sd_configs"]
    assert discovery["namespaces"]["names"] == list(named("Namespace"))
    relabelled = {tuple(it["source_labels"]): it for it in job["relabel_configs"]}
    prefix = "__meta_kubernetes_pod_"
    assert relabelled[(f"{prefix}label_app_kubernetes_io_component",)]["target_label"] == "job"
    assert relabelled[(f"{prefix}label_app_kubernetes_io_name",)]["regex"] == "rapport"
    assert relabelled[(f"{prefix}container_port_name",)]["regex"] == "metrics"
    asked = {
        name for rule in RULES for names in re.findall(r'job=~?"([\w|]+)"', rule["expr"]) for name in names.split("|")
    }
    assert asked <= {name for name in RUN if "metrics" in ports_of(name)}
