"""The Pod Security Standard `restricted`, as Kubernetes' documentation has it (v1.34), for pods on Linux.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Iterator
from typing import Any

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}

Context = dict[str, Any]


def violations(pod: dict[str, Any]) -> list[str]:
    """Return what of a pod's `spec` the standard forbids."""
    return sorted(set(_violations(pod)))


def _violations(pod: dict[str, Any]) -> Iterator[str]:
    own: Context = pod.get("securityContext", {})
    containers = [it for kind in ("initContainers", "containers", "ephemeralContainers") for it in pod.get(kind, [])]
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield name
    if any(sysctl["name"] not in SYSCTLS for sysctl in own.get("sysctls", [])):
        yield "sysctls"
    for volume in pod.get("volumes", []):
        if not volume.keys() - {"name"} <= VOLUMES:
            yield "volumes"
    yield from _everywhere(own)
    for container in containers:
        context: Context = container.get("securityContext", {})
        yield from _everywhere(context)
        yield from _container(container, context)
        merged = {**own, **context}
        if merged.get("runAsNonRoot") is not True:
            yield "runAsNonRoot"
        if merged.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield "seccompProfile"


def _everywhere(context: Context) -> Iterator[str]:
    """Yield what a security context of pod or container must not say."""
    if context.get("runAsUser") == 0:
        yield "runAsUser"
    options = context.get("seLinuxOptions", {})
    if options.get("type", "") not in SELINUX_TYPES or options.get("user") or options.get("role"):
        yield "seLinuxOptions"
    if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in ("RuntimeDefault", "Localhost"):
        yield "appArmorProfile"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess"


def _container(container: dict[str, Any], context: Context) -> Iterator[str]:
    if context.get("privileged"):
        yield "privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if context.get("procMount", "Default") != "Default":
        yield "procMount"
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []) or not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}:
        yield "capabilities"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
    probes = [container.get(name, {}) for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    handlers = [*probes, *container.get("lifecycle", {}).values()]
    if any(handler.get(kind, {}).get("host") for handler in handlers for kind in ("httpGet", "tcpSocket")):
        yield "probe host"
