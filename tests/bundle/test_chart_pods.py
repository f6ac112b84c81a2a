"""The pods of the chart: what they may do, how they start, and who finds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bundle.chart import SETS, configurations, container, manifests, one, workloads
from tests.bundle.kubernetes import Manifest
from tests.exporter.process import ANYWHERE, started
from tests.exporter.support import get, wait_for

SOCKET = "/var/lib/kubelet/pod-resources"
CONFINED = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
}
# By the set of values, of those not usual.
USERS = {"everything": 1000680000, "gateway": 1000680000, "restricted": None, "claimed": None}
# All that a pod of ours may say. Each key more is one to think about.
POD = {"automountServiceAccountToken", "serviceAccountName", "containers", "volumes",
       "nodeSelector", "tolerations", "priorityClassName", "imagePullSecrets"}
CONTAINER = {"name", "image", "imagePullPolicy", "ports", "resources", "args", "securityContext",
             "volumeMounts", "livenessProbe", "readinessProbe", "env", "restartPolicy"}
VOLUMES = {"configMap", "secret"}  # of the kinds the restricted standard lets in, those needed
# What a gateway has besides, for its volume and the time that its ledger takes.
LASTING_POD = {"securityContext", "terminationGracePeriodSeconds"}
UTILITY = {"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "utility"}
KUBELET = {"name": "pod-resources", "hostPath": {"path": SOCKET, "type": "Directory"}}
ROOT = {**CONFINED, "runAsUser": 0}
# All that the node role asks of its host, by the set of values.
NEEDS = {
    "default": {
        "spec": {"runtimeClassName"}, "securityContext": ROOT, "host": [KUBELET],
        "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}, UTILITY]},
    "bottlerocket": {
        "spec": {"runtimeClassName"}, "env": [UTILITY],
        "securityContext": {**ROOT, "seLinuxOptions": {"type": "control_t"}},
        "host": [KUBELET, {"name": "visible-devices",
                           "hostPath": {"path": "/dev/null", "type": "CharDevice"}}]},
    "gke": {
        "spec": {"affinity"}, "env": [{"name": "LD_LIBRARY_PATH",
                                       "value": "/usr/local/nvidia/lib64"}],
        "securityContext": {"privileged": True, "runAsUser": 0, "readOnlyRootFilesystem": True},
        "host": [KUBELET, {"name": "driver", "hostPath": {
            "path": "/home/kubernetes/bin/nvidia", "type": "Directory"}}]},
}


def pods() -> Iterator[tuple[str, str, Manifest]]:
    """Every pod of every set of values: the set, the role, and the pod's template."""
    for values in SETS:
        for role, pod in workloads(manifests(values)).items():
            yield values, role, pod


def restricted(values: str) -> Manifest:
    """What a container must say for the restricted standard, and as whom ours runs."""
    user = USERS.get(values, 65532)
    return {**CONFINED, "runAsNonRoot": True,
            **({"runAsUser": user, "runAsGroup": user} if user else {})}


# What they may do.


def test_every_set_of_values_has_its_roles_and_a_gateway_where_it_is_asked_for() -> None:
    assert {(values, role) for values, role, _ in pods()} == {
        *((values, role) for values in SETS for role in ("node", "fleet", "sidecar")
          if values != "claimed" or role == "sidecar"),
        ("gateway", "gateway"), ("claimed", "gateway")}


def test_all_but_the_node_role_keep_to_the_restricted_standard_and_use_nothing_else() -> None:
    for values, role, pod in pods():
        if role != "node":
            only = container(pod)
            assert only["securityContext"] == restricted(values), (values, role)
            lasts = role == "gateway"
            assert only.keys() <= CONTAINER | ({"startupProbe"} if lasts else set())
            assert pod["spec"].keys() <= POD | (LASTING_POD if lasts else {"initContainers"})
            for volume in pod["spec"].get("volumes", []):
                assert volume.keys() - {"name"} <= VOLUMES | (
                    {"persistentVolumeClaim"} if lasts else set())
            assert all(port.keys() == {"name", "containerPort"} for port in only["ports"])


def test_the_node_role_has_the_named_needs_and_nothing_more() -> None:
    for values, role, pod in pods():
        if role == "node" and values != "restricted":
            spec, only = pod["spec"], container(pod)
            assert only.keys() <= CONTAINER
            assert all(port.keys() == {"name", "containerPort"} for port in only["ports"])
            host = [volume for volume in spec["volumes"] if volume.keys() - {"name"} - VOLUMES]
            assert {"spec": spec.keys() - POD, "env": only["env"], "host": host,
                    "securityContext": only["securityContext"]} == NEEDS.get(
                        values, NEEDS["default"]), values


def test_a_runtime_that_takes_no_variable_is_asked_by_the_name_of_a_mount() -> None:
    mounts = container(workloads(manifests("bottlerocket"))["node"])["volumeMounts"]
    assert {"name": "visible-devices", "mountPath": "/var/run/nvidia-container-devices/all",
            "readOnly": True} in mounts


def test_a_node_role_that_is_not_to_read_the_kubelet_keeps_to_the_restricted_standard_too() -> None:
    documents = manifests("restricted")
    pod = workloads(documents)["node"]
    assert container(pod)["securityContext"] == restricted("restricted")
    assert pod["spec"].keys() <= POD
    assert all(volume.keys() - {"name"} <= VOLUMES for volume in pod["spec"]["volumes"])
    made = yaml.safe_load(configurations(documents)["inferometer-node"])
    assert made["gpu"]["kubelet_socket"] == ""


def test_no_pod_takes_a_gpu_or_a_token_or_may_write_what_it_mounts() -> None:
    for values, role, pod in pods():
        only = container(pod)
        assert role == "sidecar" or pod["spec"]["automountServiceAccountToken"] is False, values
        for asked in only["resources"].values():
            assert asked.keys() <= {"cpu", "memory"}
        assert only["resources"].keys() == {"requests", "limits"}
        assert {mount["name"] for mount in only.get("volumeMounts", [])
                if mount.get("readOnly") is not True} == (
                    {"ledger"} if role == "gateway" else set())


def test_a_sidecar_has_no_probe_that_could_take_its_engine_out_of_service() -> None:
    for _, role, pod in pods():
        probes = {key for key in container(pod) if key.endswith("Probe")}
        assert probes == (set() if role == "sidecar" else {"livenessProbe", "readinessProbe"} | (
            {"startupProbe"} if role == "gateway" else set()))


# How they start.


@pytest.mark.parametrize("values", ["default", "everything"])
@pytest.mark.parametrize("role", ["node", "fleet", "sidecar"])
def test_the_exporter_starts_with_a_pods_arguments_and_answers_its_probes(
        role: str, values: str, tmp_path: Path) -> None:
    documents = manifests(values)
    only = container(workloads(documents)[role])
    file = tmp_path / "inferometer.yml"
    file.write_text(configurations(documents).get(f"inferometer-{role}", ""))
    word, *arguments = (str(file) if argument == "/etc/inferometer/inferometer.yml" else argument
                        for argument in only["args"])
    assert word == "run"
    with started(*arguments, *ANYWHERE, env={"TOKEN": "of the Secret"}) as running:
        assert running.printed[0].endswith(f", {role}\n"), running.printed
        paths = [probe["httpGet"]["path"] for key, probe in only.items() if key.endswith("Probe")]
        assert len(paths) == (0 if role == "sidecar" else 2)
        wait_for(lambda: all(get(running.port, path).status == 200 for path in paths))


def test_a_pod_reads_the_file_of_its_own_role() -> None:
    for values, role, pod in pods():
        mounts = {mount["name"]: mount["mountPath"]
                  for mount in container(pod).get("volumeMounts", [])}
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        claimed = {"ledger"} if role == "gateway" and values != "claimed" else set()
        assert mounts.keys() == volumes.keys() | claimed, (values, role)
        if "--config" in container(pod)["args"]:
            file = container(pod)["args"][-1]
            source = volumes["inferometer"]["configMap"]
            stored = one(manifests(values), "ConfigMap", source["name"])["data"]
            (item,) = source["items"]
            assert file == f"{mounts['inferometer']}/{item['path']}"
            assert yaml.safe_load(stored[item["key"]])["role"] == role


def test_a_probe_needs_no_password_and_no_certificate() -> None:
    for role, pod in workloads(manifests("secured")).items():
        only = container(pod)
        if role != "sidecar":
            for probe in ("livenessProbe", "readinessProbe"):
                assert only[probe] == {"tcpSocket": {"port": "inferometer"}, "timeoutSeconds": 5}
        (secret,) = (volume for volume in pod["spec"]["volumes"] if "secret" in volume)
        assert secret["secret"]["secretName"] == "inferometer-web"
        made = yaml.safe_load(configurations(manifests("secured"))[f"inferometer-{role}"])
        (mount,) = (volume for volume in only["volumeMounts"] if volume["name"] == secret["name"])
        assert made["web"]["config_file"] == f"{mount['mountPath']}/web.yml"


def test_what_lets_others_in_is_off_unless_it_is_asked_for() -> None:
    def web(values: str, role: str) -> Any:
        return yaml.safe_load(configurations(manifests(values))[f"inferometer-{role}"])["web"]

    assert web("default", "node") == {"listen": ":9839", "enable_reload": False}
    assert web("default", "fleet") == {
        "listen": ":9839", "enable_reload": False, "enable_alert_log": False}
    assert web("secured", "fleet") == {
        "listen": ":9839", "enable_reload": True, "enable_alert_log": True,
        "config_file": "/etc/inferometer-web/web.yml"}
