"""The chart with the values that users of other charts look for, under the names they guess."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from inferometer import __version__
from tests.bundle.chart import (
    CHART,
    HELMS,
    LIGHT,
    NAMESPACE,
    container,
    helm,
    manifests,
    one,
    with_values,
    workloads,
)
from tests.bundle.kubernetes import Manifest, parsed, validated
from tests.bundle.manifests import faults, selects
from tests.bundle.test_gitops import TRIALS, given, of_trial, rendered_with

OURS = {"DaemonSet": "node", "Deployment": "fleet"}


def platform() -> list[Manifest]:
    """The manifests with what a platform sets, without those of its own."""
    return [manifest for manifest in of_trial("platform")
            if manifest["kind"] != "PodDisruptionBudget"
            and manifest["metadata"]["name"] != "inferometer-more"]


def noted(key: str, *kinds: str) -> Iterator[tuple[str, str, Any]]:
    """An annotation of the platform's manifests, by kind and name."""
    for manifest in platform():
        if not kinds or manifest["kind"] in kinds:
            yield (manifest["kind"], manifest["metadata"]["name"],
                   manifest["metadata"]["annotations"].get(key))


@pytest.mark.parametrize("trial", TRIALS)
@pytest.mark.parametrize("version", HELMS)
def test_values_that_peers_have_come_to_valid_manifests(trial: str, version: str) -> None:
    process = with_values(given(trial), version, "--namespace", NAMESPACE)
    assert process.returncode == 0, process.stderr
    # Others bring the Secrets, and the PodMonitor's pods are the engines'.
    assert [fault for fault in faults(validated(parsed(process.stdout)))
            if "no Secret" not in fault and "PodMonitor" not in fault] == []


def test_a_token_of_a_proxy_is_asked_for_by_every_monitor_and_hook() -> None:
    documents, expected = of_trial("peers"), given("peers")["monitoring"]["endpoint"]
    endpoints = [endpoint for manifest in documents if manifest["kind"].endswith("Monitor")
                 for endpoint in (manifest["spec"].get("endpoints")
                                  or manifest["spec"]["podMetricsEndpoints"])]
    assert [endpoint["authorization"] for endpoint in endpoints] == [expected["authorization"]] * 2
    receivers = one(documents, "AlertmanagerConfig", "watch")["spec"]["receivers"]
    [hook] = [hook for receiver in receivers
              for hook in receiver.get("webhookConfigs", ())]
    assert hook["httpConfig"] == expected
    for endpoint in endpoints:
        assert [step["targetLabel"] for step in endpoint["relabelings"]] == [
            "cluster", "node", "region"]
        assert [step["action"] for step in endpoint["metricRelabelings"]] == ["drop"]


def test_names_and_images_are_as_they_were_chosen() -> None:
    values, documents = given("peers"), of_trial("peers")
    account = values["serviceAccount"]["name"]
    assert {manifest["metadata"]["name"].split("-")[0] for manifest in documents} == {
        "watch", account}
    assert {manifest["metadata"]["labels"]["app.kubernetes.io/name"]
            for manifest in documents} == {"llm"}
    assert {container(pod)["image"] for pod in workloads(documents).values()} == {
        f"registry.example.org/inferometer:{__version__}@{values['image']['digest']}"}


@pytest.mark.parametrize(("flags", "image", "policy"), [
    ("node.enabled=true", True, True), ("image.repository=registry.example.org/i", False, True),
    ("image.registry=registry.example.org,networkPolicy.enabled=true", False, False),
    ("image.digest=sha256:" + "0" * 64, True, True),
    ("monitoring.namespace=monitoring", True, False),
    ("monitoring.namespace=monitoring,networkPolicy.enabled=false", True, True)])
def test_the_notes_say_which_image_is_nobodys_and_who_may_reach_the_pods(
        flags: str, image: bool, policy: bool) -> None:
    # Only Helm 4 prints them without a cluster.
    process = helm("4", "install", "inferometer", CHART, "--dry-run=client", "--set", flags)
    notes = process.stdout.partition("NOTES:\n")[2]
    assert ("nothing is published under that name" in notes) is image
    assert ("networkPolicy is off" in notes) is policy


# What a platform sets on all that runs on it.


def test_every_object_has_the_common_labels_and_annotations_and_pods_the_labels() -> None:
    for manifest in platform():
        assert manifest["metadata"]["labels"]["team"] == "platform"
        assert manifest["metadata"]["annotations"]["example.org/owner"] == "platform"
    pods = workloads(platform())
    assert {role: pods[role]["metadata"]["labels"]["team"] for role in ("node", "fleet")} == {
        "node": "platform", "fleet": "platform"}
    assert "team" not in pods["sidecar"]["metadata"]["labels"]  # whose pod is the engine's


def test_annotations_reach_the_kind_of_object_they_are_for() -> None:
    assert {name: value for _, name, value in noted("argocd.argoproj.io/sync-wave") if value} == {
        "inferometer-node": "1"}
    assert {name: value for _, name, value in noted("reloader.stakater.com/auto") if value} == {
        "inferometer-fleet": "true"}
    assert [*noted("example.org/exposed", "Service")] == [
        ("Service", "inferometer-node", "inside"), ("Service", "inferometer-fleet", "outside")]
    assert {value for *_, value in noted("example.org/kind", "ConfigMap")} == {"settings"}
    for kind, value in (("ServiceMonitor", "monitor"), ("PodMonitor", "monitor"),
                        ("PrometheusRule", "rules"), ("AlertmanagerConfig", "routes"),
                        ("NetworkPolicy", "network")):
        assert {note for *_, note in noted("example.org/kind", kind)} == {value}, kind
    boards = [note for _, name, note in noted("k8s-sidecar-target-directory") if "-board-" in name]
    assert len(boards) > 3
    assert {*boards} == {"/tmp/llm"}


def test_rules_in_a_configmap_have_the_annotations_of_both() -> None:
    documents = rendered_with({"rules": {"annotations": {"a": "rules", "b": "rules"}},
                               "configMap": {"annotations": {"b": "map", "c": "map"}}})
    assert one(documents, "ConfigMap", "inferometer-alerts")["metadata"]["annotations"] == {
        "a": "rules", "b": "rules", "c": "map"}


def test_a_roles_own_labels_annotations_and_timing_come_before_those_of_all() -> None:
    pods = workloads(platform())
    assert {role: pods[role]["metadata"]["labels"]["tier"] for role in ("node", "fleet")} == {
        "node": "gpu", "fleet": "monitoring"}
    node, fleet = (pods[role]["metadata"]["annotations"] for role in ("node", "fleet"))
    assert node["sidecar.istio.io/inject"] == "false"
    assert "sidecar.istio.io/inject" not in fleet
    assert "cluster-autoscaler.kubernetes.io/safe-to-evict" in node.keys() & fleet.keys()
    timing = {role: {key: value for key, value in container(pods[role])["livenessProbe"].items()
                     if key != "httpGet"} for role in ("node", "fleet")}
    common = {"initialDelaySeconds": 10, "periodSeconds": 20, "failureThreshold": 6}
    assert timing == {"node": {**common, "timeoutSeconds": 9},
                      "fleet": {**common, "timeoutSeconds": 5}}
    assert container(pods["fleet"])["readinessProbe"]["successThreshold"] == 2


def test_a_label_of_ones_own_never_replaces_one_that_selects() -> None:
    theirs = {"app.kubernetes.io/name": "theirs", "app.kubernetes.io/component": "theirs",
              "inferometer/release": "theirs"}
    documents = validated(rendered_with({
        **LIGHT, "commonLabels": theirs, "podLabels": theirs, "service": {"labels": theirs},
        "node": {"podLabels": theirs}, "monitoring": {"kind": "operator", "labels": theirs}}))
    assert [fault for fault in faults(documents) if "PodMonitor" not in fault] == []


def test_variables_are_given_to_every_role_and_none_twice() -> None:
    env = {role: {variable["name"]: variable for variable in container(pod)["env"]}
           for role, pod in workloads(platform()).items()}
    assert env["node"]["NVIDIA_DRIVER_CAPABILITIES"]["value"] == "compute,utility"
    assert env["node"]["NVIDIA_VISIBLE_DEVICES"]["value"] == "all"
    assert env["fleet"].keys() == {"HTTPS_PROXY", "NODE_NAME"}
    assert env["sidecar"].keys() == {"INFEROMETER_MODEL", "TOKEN", "SSL_CERT_FILE"}
    assert env["sidecar"]["SSL_CERT_FILE"]["value"] == "/etc/ssl/ours.pem"
    for role, pod in workloads(platform()).items():
        assert len(container(pod)["env"]) == len(env[role])


def test_affinity_is_the_pods_as_it_was_given() -> None:
    pods = workloads(platform())
    for role in ("node", "fleet"):
        assert pods[role]["spec"]["affinity"] == given("platform")[role]["affinity"]


def test_a_services_type_is_the_roles_or_that_of_all() -> None:
    services = {name: one(platform(), "Service", f"inferometer-{name}")["spec"]
                for name in ("node", "fleet")}
    assert services["node"]["type"] == "ClusterIP"
    assert services["node"]["clusterIP"] == "None"
    assert services["fleet"]["type"] == "NodePort"
    assert services["fleet"]["ports"][0]["nodePort"] == 30839
    for kind in ("NodePort", "LoadBalancer"):
        documents = validated(rendered_with({**LIGHT, "service": {"type": kind}}))
        assert {manifest["spec"]["type"] for manifest in documents
                if manifest["kind"] == "Service"} == {kind}
        assert "clusterIP" not in one(documents, "Service", "inferometer-node")["spec"]


def test_pull_secrets_of_all_charts_are_taken_as_names_or_objects_and_once() -> None:
    for role in ("node", "fleet", "sidecar"):  # whose engine's pod has to pull our image too
        assert workloads(platform())[role]["spec"]["imagePullSecrets"] == [
            {"name": "registry"}, {"name": "everywhere"}], role


def test_every_alert_has_the_labels_of_ones_own_and_keeps_its_own() -> None:
    alerts, recording = (one(documents, "PrometheusRule", f"inferometer-{name}")["spec"]["groups"]
                         for documents in [platform()] for name in ("alerts", "recording"))
    usual = one(manifests("operator"), "PrometheusRule", "inferometer-alerts")["spec"]
    for group, as_usual in zip(alerts, usual["groups"], strict=True):
        for rule, expected in zip(group["rules"], as_usual["rules"], strict=True):
            assert rule["labels"] == {"environment": "prod", **expected["labels"]}
            assert rule["annotations"].keys() == expected["annotations"].keys() | {"dashboard"}
            assert rule["expr"] == expected["expr"]
    assert not [rule for group in recording for rule in group["rules"]
                if "environment" in rule.get("labels", {})]


def test_extra_manifests_are_templates_be_they_objects_or_texts() -> None:
    documents = of_trial("platform")
    assert one(documents, "ConfigMap", "inferometer-more") == {
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"port": "9839"},
        "metadata": {"name": "inferometer-more", "namespace": NAMESPACE}}
    budget = one(documents, "PodDisruptionBudget", "inferometer-fleet")
    pods = workloads(documents)
    assert [role for role in OURS.values()
            if selects(budget["spec"]["selector"], pods[role]["metadata"]["labels"])] == ["fleet"]
