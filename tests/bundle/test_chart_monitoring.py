"""What of the chart is Prometheus', Alertmanager's and Grafana's: as generated, and well aimed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.build.command import GENERATED
from inferometer.bundle.options import Options
from tests.bundle.chart import SETS, VALUES, container, manifests, one, with_values, workloads
from tests.bundle.kubernetes import Manifest, parsed
from tests.bundle.promtool import TOOLS, VERSIONS

DEFAULTS = Options()
KINDS = {"node": "DaemonSet", "fleet": "Deployment", "gateway": "StatefulSet"}


def generated(path: str) -> Any:
    return yaml.load((GENERATED / path).read_text(encoding="utf-8"), yaml.CSafeLoader)


def lead(annotations: dict[str, str], key: str, old: str, new: str | None) -> None:
    """Have a link begin otherwise, if it is to."""
    assert annotations[key].startswith(f"{old}/")
    annotations[key] = (new or old) + annotations[key].removeprefix(old)


def run(*arguments: str | Path) -> None:
    process = subprocess.run([*arguments], capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 0, process.stdout + process.stderr


# Rules and boards.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", ["default", "operator", "everything"])
def test_rules_are_the_generated_ones_and_prometheus_loads_them(
        values: str, version: str, tmp_path: Path) -> None:
    links = yaml.safe_load((VALUES / f"{values}.yaml").read_text()).get("rules", {})
    expected = {name: generated(f"prometheus/{name}.rules.yml") for name in ("recording", "alerts")}
    for rule in (rule for group in expected["alerts"]["groups"] for rule in group["rules"]):
        lead(rule["annotations"], "runbook_url", DEFAULTS.runbook_url, links.get("runbookUrl"))
        lead(rule["annotations"], "dashboard_url", DEFAULTS.grafana_url, links.get("grafanaUrl"))
    documents = manifests(values)
    for name, groups in expected.items():
        if values == "default":
            stored = one(documents, "ConfigMap", f"inferometer-{name}")
            loaded = yaml.load(stored["data"][f"{name}.rules.yml"], yaml.CSafeLoader)
        else:
            loaded = one(documents, "PrometheusRule", f"inferometer-{name}")["spec"]
        assert loaded == groups
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(loaded))
        run(TOOLS / f"promtool-{version}" / "promtool", "check", "rules", file)


def test_boards_are_the_generated_ones_with_what_grafana_looks_for() -> None:
    files = sorted((GENERATED / "dashboards").iterdir())
    for values, labels, folder in (
            ("default", {"grafana_dashboard": "1"}, {"grafana_folder": "Inferometer"}),
            ("everything", {"boards": "yes"}, {"folder": "LLM"})):
        boards = [manifest for manifest in manifests(values) if manifest["kind"] == "ConfigMap"
                  and "-board-" in manifest["metadata"]["name"]]
        assert len(boards) == len(files)
        for file, board in zip(files, boards, strict=True):
            assert json.loads(board["data"][file.name]) == json.loads(file.read_text())
            assert labels.items() <= board["metadata"]["labels"].items()
            assert board["metadata"]["annotations"] == folder


def test_scrapes_are_limited_as_the_generated_configuration_limits_them() -> None:
    camel = {"sample_limit": "sampleLimit", "label_limit": "labelLimit",
             "label_name_length_limit": "labelNameLengthLimit",
             "label_value_length_limit": "labelValueLengthLimit"}
    job, *_ = generated("prometheus/prometheus.yml")["scrape_configs"]
    expected = {ours: job[theirs] for theirs, ours in camel.items()}
    for kind, name in (("ServiceMonitor", "inferometer"), ("PodMonitor", "inferometer-sidecar")):
        spec = one(manifests("operator"), kind, name)["spec"]
        assert {limit: spec[limit] for limit in expected} == expected


# Who finds them.


def selects(selector: Manifest, labels: Manifest) -> bool:
    return (selector.get("matchLabels", {}).items() <= labels.items()
            and all(labels.get(requirement["key"]) in requirement["values"]
                    for requirement in selector.get("matchExpressions", [])))


@pytest.mark.parametrize("values", SETS)
def test_a_service_a_workload_and_a_policy_select_the_pods_of_their_part(values: str) -> None:
    documents = manifests(values)
    made = workloads(documents)
    for role in made.keys() & KINDS.keys():
        page = "inferometer-gateway-pods" if role == "gateway" else f"inferometer-{role}"
        service = one(documents, "Service", page)
        workload = one(documents, KINDS[role], f"inferometer-{role}")
        for selector in ({"matchLabels": service["spec"]["selector"]},
                         workload["spec"]["selector"]):
            assert [name for name in made
                    if selects(selector, made[name]["metadata"]["labels"])] == [role]
        port, *_ = container(made[role])["ports"]
        assert [entry["targetPort"] for entry in service["spec"]["ports"]] == [port["name"]]
    for policy in (manifest for manifest in documents if manifest["kind"] == "NetworkPolicy"):
        own = policy["metadata"]["name"] == "inferometer-gateway"
        assert [role for role in made if selects(
            policy["spec"]["podSelector"], made[role]["metadata"]["labels"])] == (
                ["gateway"] if own else ["node", "fleet"])
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert "egress" not in policy["spec"]


@pytest.mark.parametrize("values", ["operator", "secured", "everything", "gateway"])
def test_monitors_find_all_roles_once_and_set_what_rules_ask_for(values: str) -> None:
    documents = manifests(values)
    made = workloads(documents)
    services = [manifest for manifest in documents if manifest["kind"] == "Service"]
    by_service = one(documents, "ServiceMonitor", "inferometer")["spec"]
    by_pod = one(documents, "PodMonitor", "inferometer-sidecar")["spec"]
    # Of a gateway's two the one with the page alone.
    scraped = [manifest["metadata"]["name"] for manifest in services
             if selects(by_service["selector"], manifest["metadata"]["labels"])]
    assert scraped == ["inferometer-node", "inferometer-fleet", *(
        ["inferometer-gateway-pods"] if values == "gateway" else [])]
    assert [role for role in made if selects(
        by_pod["selector"], made[role]["metadata"]["labels"])] == ["sidecar"]
    cluster = {"operator": "east", "secured": "default", "everything": "west",
               "gateway": "north"}[values]
    for endpoint in (*by_service["endpoints"], *by_pod["podMetricsEndpoints"]):
        assert endpoint["port"] == "inferometer"
        assert endpoint["honorLabels"] is False
        assert endpoint["scheme"] == ("https" if values == "secured" else "http")
        assert ("basicAuth" in endpoint) is (values == "secured")
        assert endpoint.get("scrapeTimeout") == ("12s" if values == "everything" else None)
        assert endpoint["relabelings"] == [
            {"action": "replace", "targetLabel": "cluster", "replacement": cluster},
            {"action": "replace", "targetLabel": "node",
             "sourceLabels": ["__meta_kubernetes_pod_node_name"]}]


def test_sidecars_are_looked_for_everywhere_or_in_the_namespaces_given() -> None:
    for values, expected in (("operator", {"matchNames": ["chat", "search"]}),
                             ("everything", {"any": True})):
        monitor = one(manifests(values), "PodMonitor", "inferometer-sidecar")
        assert monitor["spec"]["namespaceSelector"] == expected


def test_operators_select_by_the_labels_given() -> None:
    kinds = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
    selected = [manifest for manifest in manifests("operator") if manifest["kind"] in kinds]
    assert len(selected) == 4
    assert {manifest["metadata"]["labels"]["release"] for manifest in selected} == {
        "kube-prometheus-stack"}


def test_without_an_operator_pods_say_by_annotation_where_their_page_is() -> None:
    for role, pod in workloads(manifests("default")).items():
        hints = {key: value for key, value in pod["metadata"]["annotations"].items()
                 if key.startswith("prometheus.io/")}
        assert hints == {"prometheus.io/scrape": "true", "prometheus.io/port": "9839",
                         "prometheus.io/path": "/metrics", "prometheus.io/scheme": "http"}, role
    for values in ("operator", "restricted"):
        for pod in workloads(manifests(values)).values():
            assert not [key for key in pod["metadata"].get("annotations", {})
                        if key.startswith("prometheus.io/")]


def test_an_annotation_of_ones_own_is_there_once_and_the_chart_keeps_its_mark() -> None:
    given = {"prometheus.io/scrape": "false", "inferometer/config": "theirs"}
    pods = workloads(parsed(with_values({"podAnnotations": given}).stdout))
    for role in ("node", "fleet"):
        annotations = pods[role]["metadata"]["annotations"]
        assert annotations["prometheus.io/scrape"] == "false"
        assert len(annotations["inferometer/config"]) == 64  # of its configuration


# Routing, where a namespace has its own.


def written(route: Manifest) -> Manifest:
    """A route of an AlertmanagerConfig as Alertmanager's file has it."""
    named = {"receiver": "receiver", "groupBy": "group_by", "groupWait": "group_wait",
             "groupInterval": "group_interval", "repeatInterval": "repeat_interval",
             "continue": "continue"}
    translated = {named[key]: value for key, value in route.items() if key in named}
    if "matchers" in route:
        translated["matchers"] = matched(route["matchers"])
    if "routes" in route:
        translated["routes"] = [*map(written, route["routes"])]
    assert route.keys() <= {*named, "matchers", "routes"}
    return translated


def matched(matchers: list[Manifest]) -> list[str]:
    return [f'{matcher["name"]}{matcher["matchType"]}"{matcher["value"]}"' for matcher in matchers]


def test_an_alertmanagerconfig_routes_and_silences_as_the_file_does() -> None:
    expected = yaml.safe_load((GENERATED / "alertmanager" / "alertmanager.yml").read_text())
    spec = one(manifests("secured"), "AlertmanagerConfig", "inferometer")["spec"]
    expected["route"]["routes"] = [route for route in expected["route"]["routes"]
                                   if route["receiver"] != "dead-mans-switch"]
    assert written(spec["route"]) == expected["route"]
    assert [{"source_matchers": matched(rule["sourceMatch"]), "equal": rule["equal"],
             "target_matchers": matched(rule["targetMatch"])}
            for rule in spec["inhibitRules"]] == expected["inhibit_rules"]


def test_an_alertmanagerconfig_has_the_receivers_of_the_file_but_for_mail() -> None:
    config = one(manifests("secured"), "AlertmanagerConfig", "inferometer")
    assert config["metadata"]["namespace"] == "chat"
    assert config["metadata"]["labels"]["alertmanagerConfig"] == "main"
    receivers = {receiver["name"]: receiver for receiver in config["spec"]["receivers"]}
    assert {name: sorted(receiver.keys() - {"name"}) for name, receiver in receivers.items()} == {
        "unrouted": ["slackConfigs"], "page": ["pagerdutyConfigs", "slackConfigs"],
        "tell": ["slackConfigs"], "finance": ["slackConfigs"], "log": ["webhookConfigs"]}
    channels = {name: [chat["channel"] for chat in receiver.get("slackConfigs", ())]
                for name, receiver in receivers.items()}
    assert channels == {"unrouted": ["#llm-alerts"], "page": ["#llm-alerts"],
                        "tell": ["#llm-alerts"], "finance": ["#llm-cost"], "log": []}
    (hook,) = receivers["log"]["webhookConfigs"]
    assert hook["url"] == "https://inferometer-fleet.llm-monitoring.svc:9839/v1/alerts"
    assert hook["httpConfig"].keys() == {"basicAuth", "tlsConfig"}
    assert "AlertmanagerConfig" not in {manifest["kind"] for manifest in manifests("operator")}


def test_an_alertmanagerconfig_has_the_words_of_the_file() -> None:
    expected = {receiver["name"]: receiver for receiver in yaml.safe_load(
        (GENERATED / "alertmanager" / "alertmanager.yml").read_text())["receivers"]}
    config = one(manifests("secured"), "AlertmanagerConfig", "inferometer")
    receivers = {receiver["name"]: receiver for receiver in config["spec"]["receivers"]}
    (page,), (in_file,) = (receivers["page"]["pagerdutyConfigs"],
                           expected["page"]["pagerduty_configs"])
    assert page["description"] == in_file["description"]
    assert {detail["key"]: detail["value"] for detail in page["details"]} == in_file["details"]
    assert [{"href": link["href"], "text": link["alt"]}
            for link in page["pagerDutyLinkConfigs"]] == in_file["links"]
    for name in ("unrouted", "page", "tell", "finance"):
        (chat,), (in_file,) = receivers[name]["slackConfigs"], expected[name]["slack_configs"]
        assert {key: chat[key] for key in ("title", "fallback", "text")} == {
            key: in_file[key] for key in ("title", "fallback", "text")}
