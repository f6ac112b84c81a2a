"""Where the chart puts what, under which names, and who may reach it."""

from __future__ import annotations

import pytest

from tests.bundle.chart import CHART, LIGHT, NAMESPACE, helm, one
from tests.bundle.kubernetes import Manifest, parsed, validated
from tests.bundle.manifests import faults, selects
from tests.bundle.test_gitops import of_trial, rendered_with

# Who may reach the pods.


@pytest.mark.parametrize(("values", "namespace"), [
    ({}, None),
    ({"monitoring": {"namespace": "prometheus"}}, "prometheus"),
    ({"monitoring": {"kind": "operator", "namespace": "prometheus"}}, "prometheus"),
    ({"monitoring": {"namespace": "prometheus"}, "networkPolicy": {"enabled": False}}, None),
    ({"networkPolicy": {"enabled": False}}, None),
    ({"networkPolicy": {"enabled": True}}, "monitoring"),
], ids=str)
def test_a_policy_is_on_where_the_namespace_of_the_scrape_is_given(
        values: Manifest, namespace: str | None) -> None:
    policies = [manifest for manifest in rendered_with({**LIGHT, **values})
                if manifest["kind"] == "NetworkPolicy"]
    assert [policy["spec"]["ingress"][0]["from"] for policy in policies] == [
        [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}]
        for name in [namespace] if name]


def test_the_peers_of_a_policy_are_those_given_alone() -> None:
    peers = [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]
    for namespace in ("", "prometheus"):
        [policy] = (manifest for manifest in rendered_with(
            {**LIGHT, "monitoring": {"namespace": namespace}, "networkPolicy": {"from": peers}})
            if manifest["kind"] == "NetworkPolicy")
        assert policy["spec"]["ingress"][0]["from"] == peers


# Names and places.


def test_two_releases_in_one_namespace_share_no_name_and_scrape_their_own() -> None:
    both = [parsed(helm("3", "template", release, CHART, "--namespace", NAMESPACE, "--set",
                        "monitoring.kind=operator,gateway.enabled=true").stdout)
            for release in ("east", "west")]
    # Both look for every sidecar: values.yaml says what a second release does about it.
    assert [fault for fault in faults([*both[0], *both[1]]) if "PodMonitor" not in fault] == []
    for documents, others in (both, both[::-1]):
        [monitor] = (manifest for manifest in documents if manifest["kind"] == "ServiceMonitor")
        assert [sum(selects(monitor["spec"]["selector"], manifest["metadata"]["labels"])
                    for manifest in manifests if manifest["kind"] == "Service")
                for manifests in (documents, others)] == [3, 0]


@pytest.mark.parametrize("release", [
    f"{'r' * 49}-{'x' * 3}", "inferometer-" + "x" * 41, "a.b", "true"])
def test_any_name_that_helm_takes_of_a_release_gives_names_that_a_cluster_takes(
        release: str) -> None:
    process = helm("3", "template", release, CHART, "--namespace", NAMESPACE, "--set",
                   "monitoring.kind=operator,alertmanagerConfig.enabled=true,rules.enabled=false,"
                   "gateway.enabled=true")
    assert process.returncode == 0, process.stderr
    documents = validated(parsed(process.stdout))
    assert [fault for fault in faults(documents) if "PodMonitor" not in fault] == []


def test_all_is_in_the_namespace_that_overrides_the_releases() -> None:
    documents = rendered_with({
        "namespaceOverride": "llm", "monitoring": {"kind": "operator"},
        "serviceAccount": {"securityContextConstraints": "privileged"},
        "fleet": {"enableAlertLog": True}, "alertmanagerConfig": {"enabled": True}})
    assert {manifest["metadata"]["namespace"] for manifest in documents} == {"llm"}
    [subject] = one(documents, "RoleBinding", "inferometer-scc")["subjects"]
    assert subject["namespace"] == "llm"
    [hook] = [hook for receiver in one(documents, "AlertmanagerConfig", "inferometer")["spec"][
        "receivers"] for hook in receiver.get("webhookConfigs", ())]
    assert hook["url"] == "http://inferometer-fleet.llm.svc:9839/v1/alerts"


def test_monitors_and_rules_are_beside_prometheus_and_look_where_the_pods_are() -> None:
    documents = of_trial("platform")
    spaces = {kind: {manifest["metadata"]["namespace"] for manifest in documents
                     if manifest["kind"] == kind}
              for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule", "DaemonSet",
                           "AlertmanagerConfig", "Service")}
    assert spaces == {"ServiceMonitor": {"monitoring"}, "PodMonitor": {"monitoring"},
                      "PrometheusRule": {"monitoring"}, "DaemonSet": {NAMESPACE},
                      "AlertmanagerConfig": {NAMESPACE}, "Service": {NAMESPACE}}
    monitor = one(documents, "ServiceMonitor", "inferometer")["spec"]
    assert monitor["namespaceSelector"] == {"matchNames": [NAMESPACE]}


def test_rules_that_prometheus_mounts_and_boards_of_a_grafana_are_in_their_namespaces() -> None:
    documents = rendered_with({
        "monitoring": {"namespace": "prometheus"},
        "dashboards": {"namespace": "grafana", "operator": {"enabled": True}}})
    assert [fault for fault in faults(validated(documents)) if "PodMonitor" not in fault] == []
    spaces = {(manifest["kind"], manifest["metadata"]["labels"]["app.kubernetes.io/component"]):
              manifest["metadata"]["namespace"] for manifest in documents}
    elsewhere = {("ConfigMap", "rules"): "prometheus", ("ConfigMap", "dashboards"): "grafana",
                 ("GrafanaDashboard", "dashboards"): "grafana"}
    assert elsewhere == {key: space for key, space in spaces.items() if space != NAMESPACE}
