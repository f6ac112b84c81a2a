"""The pods of the chart: what they may do, how they start, and who finds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.build import GENERATED
from tests.bundle.chart import SETS, configurations, manifests, one, workloads
from tests.bundle.kubernetes import Manifest
from tests.exporter.process import ANYWHERE, started
from tests.exporter.support import get, wait_for

SOCKET = "/var/lib/kubelet/pod-resources"
CONFINED = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
}
RESTRICTED = {**CONFINED, "runAsNonRoot": True}
# All that a pod of ours may say. Each key more is one to think about.
POD = {"automountServiceAccountToken", "containers", "volumes", "nodeSelector", "tolerations",
       "priorityClassName", "imagePullSecrets"}
CONTAINER = {"name", "image", "imagePullPolicy", "ports", "resources", "args", "securityContext",
             "volumeMounts", "livenessProbe", "readinessProbe", "env"}
VOLUMES = {"configMap", "secret"}  # of the kinds the restricted standard lets in, those needed
NODE_ENV = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"},
            {"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "utility"}]


def pods() -> Iterator[tuple[str, str, Manifest]]:
    """Every pod of every set of values: the set, the role, and the pod's template."""
    for values in SETS:
        for role, pod in workloads(manifests(values)).items():
            yield values, role, pod


def container(pod: Manifest) -> Any:
    (found,) = pod["spec"]["containers"]
    return found


# What they may do.


def test_every_set_of_values_has_its_three_roles() -> None:
    assert {(values, role) for values, role, _ in pods()} == {
        (values, role) for values in SETS for role in ("node", "fleet", "sidecar")}


def test_all_but_the_node_role_keep_to_the_restricted_standard_and_use_nothing_else() -> None:
    for values, role, pod in pods():
        if role != "node":
            found = container(pod)
            assert found["securityContext"] == RESTRICTED, (values, role)
            assert found.keys() <= CONTAINER
            assert pod["spec"].keys() <= POD
            for volume in pod["spec"].get("volumes", []):
                assert volume.keys() - {"name"} <= VOLUMES
            assert all(port.keys() == {"name", "containerPort"} for port in found["ports"])


def test_the_node_role_has_the_named_needs_and_nothing_more() -> None:
    for values, role, pod in pods():
        if role == "node" and values != "restricted":
            spec, found = pod["spec"], container(pod)
            assert spec.keys() - POD == {"runtimeClassName"}, values
            assert found.keys() <= CONTAINER
            assert found["env"] == NODE_ENV
            assert found["securityContext"] == {**CONFINED, "runAsUser": 0}
            assert all(port.keys() == {"name", "containerPort"} for port in found["ports"])
            host = [volume for volume in spec["volumes"] if volume.keys() - {"name"} - VOLUMES]
            assert host == [{"name": "pod-resources",
                             "hostPath": {"path": SOCKET, "type": "Directory"}}]


def test_a_node_role_that_is_not_to_read_the_kubelet_keeps_to_the_restricted_standard_too() -> None:
    documents = manifests("restricted")
    pod = workloads(documents)["node"]
    assert container(pod)["securityContext"] == RESTRICTED
    assert pod["spec"].keys() <= POD
    assert all(volume.keys() - {"name"} <= VOLUMES for volume in pod["spec"]["volumes"])
    made = yaml.safe_load(configurations(documents)["inferometer-node"])
    assert made["gpu"]["kubelet_socket"] == ""


def test_no_pod_takes_a_gpu_or_a_token_or_may_write_what_it_mounts() -> None:
    for values, role, pod in pods():
        found = container(pod)
        assert role == "sidecar" or pod["spec"]["automountServiceAccountToken"] is False, values
        for asked in found["resources"].values():
            assert asked.keys() <= {"cpu", "memory"}
        assert found["resources"].keys() == {"requests", "limits"}
        assert all(mount["readOnly"] is True for mount in found.get("volumeMounts", []))


def test_a_sidecar_has_no_probe_that_could_take_its_engine_out_of_service() -> None:
    for _, role, pod in pods():
        probes = {key for key in container(pod) if key.endswith("Probe")}
        assert probes == (set() if role == "sidecar" else {"livenessProbe", "readinessProbe"})


# How they start.


@pytest.mark.parametrize("values", ["default", "everything"])
@pytest.mark.parametrize("role", ["node", "fleet", "sidecar"])
def test_the_exporter_starts_with_a_pods_arguments_and_answers_its_probes(
        role: str, values: str, tmp_path: Path) -> None:
    documents = manifests(values)
    found = container(workloads(documents)[role])
    file = tmp_path / "inferometer.yml"
    file.write_text(configurations(documents).get(f"inferometer-{role}", ""))
    word, *arguments = (str(file) if each == "/etc/inferometer/inferometer.yml" else each
                        for each in found["args"])
    assert word == "run"
    with started(*arguments, *ANYWHERE, env={"TOKEN": "of the Secret"}) as running:
        assert running.printed[0].endswith(f", {role}\n"), running.printed
        paths = [probe["httpGet"]["path"] for key, probe in found.items() if key.endswith("Probe")]
        assert len(paths) == (0 if role == "sidecar" else 2)
        wait_for(lambda: all(get(running.port, path).status == 200 for path in paths))


def test_a_probe_needs_no_password_and_no_certificate() -> None:
    for role, pod in workloads(manifests("secured")).items():
        found = container(pod)
        if role != "sidecar":
            for probe in ("livenessProbe", "readinessProbe"):
                assert found[probe] == {"tcpSocket": {"port": "inferometer"}, "timeoutSeconds": 5}
        (secret,) = (volume for volume in pod["spec"]["volumes"] if "secret" in volume)
        assert secret["secret"]["secretName"] == "inferometer-web"
        made = yaml.safe_load(configurations(manifests("secured"))[f"inferometer-{role}"])
        (mount,) = (each for each in found["volumeMounts"] if each["name"] == secret["name"])
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


# Who finds them.


def selects(selector: Manifest, labels: Manifest) -> bool:
    return (selector.get("matchLabels", {}).items() <= labels.items()
            and all(labels.get(each["key"]) in each["values"]
                    for each in selector.get("matchExpressions", [])))


@pytest.mark.parametrize("values", SETS)
def test_a_service_a_workload_and_a_policy_select_the_pods_of_their_part(values: str) -> None:
    documents, roles = manifests(values), ("node", "fleet")
    made = workloads(documents)
    for role in roles:
        service = one(documents, "Service", f"inferometer-{role}")
        workload = one(documents, "DaemonSet" if role == "node" else "Deployment",
                       f"inferometer-{role}")
        for selector in ({"matchLabels": service["spec"]["selector"]},
                         workload["spec"]["selector"]):
            assert [each for each in made
                    if selects(selector, made[each]["metadata"]["labels"])] == [role]
        (port,) = container(made[role])["ports"]
        assert [each["targetPort"] for each in service["spec"]["ports"]] == [port["name"]]
    for policy in (each for each in documents if each["kind"] == "NetworkPolicy"):
        assert [role for role in made if selects(
            policy["spec"]["podSelector"], made[role]["metadata"]["labels"])] == [*roles]
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert "egress" not in policy["spec"]


@pytest.mark.parametrize("values", ["operator", "secured", "everything"])
def test_monitors_find_all_roles_once_and_set_what_rules_ask_for(values: str) -> None:
    documents = manifests(values)
    made = workloads(documents)
    services = [each for each in documents if each["kind"] == "Service"]
    by_service = one(documents, "ServiceMonitor", "inferometer")["spec"]
    by_pod = one(documents, "PodMonitor", "inferometer-sidecar")["spec"]
    assert [selects(by_service["selector"], each["metadata"]["labels"]) for each in services] \
        == [True, True]
    assert [role for role in made if selects(
        by_pod["selector"], made[role]["metadata"]["labels"])] == ["sidecar"]
    cluster = {"operator": "east", "secured": "default", "everything": "west"}[values]
    for endpoint in (*by_service["endpoints"], *by_pod["podMetricsEndpoints"]):
        assert endpoint["port"] == "inferometer"
        assert endpoint["honorLabels"] is False
        assert endpoint["scheme"] == ("https" if values == "secured" else "http")
        assert ("basicAuth" in endpoint) is (values == "secured")
        assert endpoint["relabelings"] == [
            {"targetLabel": "cluster", "replacement": cluster},
            {"targetLabel": "node", "sourceLabels": ["__meta_kubernetes_pod_node_name"]}]


def test_sidecars_are_looked_for_everywhere_or_in_the_namespaces_given() -> None:
    for values, wanted in (("operator", {"matchNames": ["chat", "search"]}),
                           ("everything", {"any": True})):
        monitor = one(manifests(values), "PodMonitor", "inferometer-sidecar")
        assert monitor["spec"]["namespaceSelector"] == wanted


def test_operators_select_by_the_labels_given() -> None:
    kinds = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
    found = [each for each in manifests("operator") if each["kind"] in kinds]
    assert len(found) == 4
    assert all(each["metadata"]["labels"]["release"] == "kube-prometheus-stack" for each in found)


def test_without_an_operator_pods_say_by_annotation_where_their_page_is() -> None:
    for role, pod in workloads(manifests("default")).items():
        said = {key: value for key, value in pod["metadata"]["annotations"].items()
                if key.startswith("prometheus.io/")}
        assert said == {"prometheus.io/scrape": "true", "prometheus.io/port": "9839",
                        "prometheus.io/scheme": "http"}, role
    for values in ("operator", "restricted"):
        for pod in workloads(manifests(values)).values():
            assert not [key for key in pod["metadata"].get("annotations", {})
                        if key.startswith("prometheus.io/")]


# Routing, where a namespace has its own.


def written(route: Manifest) -> Manifest:
    """A route of an AlertmanagerConfig as Alertmanager's file has it."""
    named = {"receiver": "receiver", "groupBy": "group_by", "groupWait": "group_wait",
             "groupInterval": "group_interval", "repeatInterval": "repeat_interval"}
    said = {named[key]: value for key, value in route.items() if key in named}
    if "matchers" in route:
        said["matchers"] = matched(route["matchers"])
    if "routes" in route:
        said["routes"] = [*map(written, route["routes"])]
    assert route.keys() <= {*named, "matchers", "routes"}
    return said


def matched(matchers: list[Manifest]) -> list[str]:
    return [f'{each["name"]}{each["matchType"]}"{each["value"]}"' for each in matchers]


def test_an_alertmanagerconfig_routes_and_silences_as_the_whole_file_does() -> None:
    whole = yaml.safe_load((GENERATED / "alertmanager" / "alertmanager.yml").read_text())
    spec = one(manifests("secured"), "AlertmanagerConfig", "inferometer")["spec"]
    whole["route"]["routes"] = [each for each in whole["route"]["routes"]
                                if each["receiver"] != "dead-mans-switch"]
    assert written(spec["route"]) == whole["route"]
    assert [{"source_matchers": matched(each["sourceMatch"]), "equal": each["equal"],
             "target_matchers": matched(each["targetMatch"])}
            for each in spec["inhibitRules"]] == whole["inhibit_rules"]


def test_an_alertmanagerconfig_tells_whom_the_whole_file_tells_but_for_mail() -> None:
    config = one(manifests("secured"), "AlertmanagerConfig", "inferometer")
    assert config["metadata"]["namespace"] == "chat"
    assert config["metadata"]["labels"]["alertmanagerConfig"] == "main"
    receivers = {each["name"]: each for each in config["spec"]["receivers"]}
    assert {name: sorted(each.keys() - {"name"}) for name, each in receivers.items()} == {
        "unrouted": ["slackConfigs"], "page": ["pagerdutyConfigs", "slackConfigs"],
        "tell": ["slackConfigs"], "log": ["webhookConfigs"]}
    (hook,) = receivers["log"]["webhookConfigs"]
    assert hook["url"] == "https://inferometer-fleet.llm-monitoring.svc:9839/v1/alerts"
    assert hook["httpConfig"].keys() == {"basicAuth", "tlsConfig"}
    assert not [each for each in manifests("operator") if each["kind"] == "AlertmanagerConfig"]
