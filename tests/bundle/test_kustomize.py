"""What deploy/kustomize/ comes to under both kubectls, for who takes it and for who changes it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.build.bundle import assemble
from deploy.build.command import GENERATED
from deploy.build.files import render
from deploy.build.writers import helm, kubernetes
from inferometer import __version__
from inferometer.bundle.options import Options
from inferometer.cli import main
from inferometer.cli.verbs import OK
from inferometer.config import parse
from tests.bundle.kubernetes import Manifest, parsed, validated
from tests.bundle.manifests import WORKLOADS, faults, selects
from tests.bundle.promtool import TOOLS

KUBECTLS = ("1.32", "1.37")
KUSTOMIZE = Path(__file__).parents[2] / "deploy" / "kustomize"
EXAMPLE = Path(__file__).parents[2] / "examples" / "kustomize"
OVERLAYS = {path.name: path for path in (KUSTOMIZE / "overlays").iterdir()}
HASHED = re.compile(r"\b(inferometer-(?:node|fleet|gateway))-[a-z0-9]{10}\b")
MADE = render(assemble(), Options())
ENGINE = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: vllm
  labels: {inferometer/role: sidecar}
spec:
  selector:
    matchLabels: {app: vllm}
  template:
    metadata:
      labels: {app: vllm}
    spec:
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.32.0
          resources:
            limits: {nvidia.com/gpu: 1}
"""
OTHER = ENGINE.replace("name: vllm", "name: other", 1).replace(
    "  labels: {inferometer/role: sidecar}\n", "")
STATEFUL = ENGINE.replace("Deployment", "StatefulSet").replace(
    "name: vllm", "name: sglang", 1).replace("spec:", "spec:\n  serviceName: sglang", 1)


def kubectl(version: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / f"kubectl-{version}" / "kubectl", *arguments],
                          capture_output=True, text=True, check=False, timeout=60,
                          env={"HOME": "/nonexistent"})


@cache
def text_of(version: str, folder: Path) -> str:
    process = kubectl(version, "kustomize", folder)
    assert process.returncode == 0, process.stderr
    return process.stdout


def built(version: str, folder: Path) -> list[Manifest]:
    return parsed(text_of(version, folder))


def customised(folder: Path, document: Mapping[str, Any], **others: str) -> Path:
    """A kustomization of somebody's own, with their files, that names ours by `{ours}`."""
    ours = os.path.relpath(KUSTOMIZE, folder)
    for name, text in others.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(document).replace("{ours}", ours))
    return folder


def by_name(documents: Iterable[Manifest]) -> dict[tuple[str, str], Manifest]:
    """By kind and name; an inferometer.yml as what it says."""
    named = {(manifest["kind"], manifest["metadata"]["name"]): deepcopy(manifest)
             for manifest in documents}
    for (kind, _), manifest in named.items():
        if kind == "ConfigMap" and "inferometer.yml" in manifest["data"]:
            manifest["data"] = yaml.safe_load(manifest["data"]["inferometer.yml"])
    return named


def of_chart(kind: str) -> dict[tuple[str, str], Manifest]:
    """What Helm gives for a way of scraping, with kustomize's namespace."""
    rendered = [parsed(text)[0] for text in helm.manifests(MADE, {"monitoring": {"kind": kind}})]
    for manifest in rendered:
        manifest["metadata"]["namespace"] = kubernetes.NAMESPACE
    return by_name(rendered)


def of_overlay(name: str) -> dict[tuple[str, str], Manifest]:
    """What kustomize gives, without the hashes at the end of names."""
    return by_name(parsed(HASHED.sub(r"\1", text_of(KUBECTLS[-1], OVERLAYS[name]))))


# As it is.


@pytest.mark.parametrize("folder", [KUSTOMIZE / "base", *OVERLAYS.values()], ids=lambda f: f.name)
def test_both_kubectls_give_the_same_and_a_cluster_takes_it(folder: Path) -> None:
    oldest, newest = (text_of(version, folder) for version in KUBECTLS)
    assert oldest == newest
    documents = validated(parsed(newest))
    assert len(documents) >= 4
    # Whose pods a PodMonitor is for come later.
    assert faults(documents) == (["PodMonitor inferometer-sidecar: it selects no pod"]
                                 if folder.name == "operator" else [])


@pytest.mark.parametrize(("name", "kind"), [
    ("node", "none"), ("prometheus", "annotations"), ("operator", "operator")])
def test_an_overlay_is_the_chart_in_every_value(name: str, kind: str) -> None:
    overlay, chart = of_overlay(name), of_chart(kind)
    assert overlay.pop(("Namespace", "inferometer"))
    assert chart.pop(("ConfigMap", "inferometer-sidecar"))  # a patch here
    if name == "prometheus":
        assert overlay.pop(("ConfigMap", "inferometer-prometheus"))
    if name == "node":
        chart = {key: manifest for key, manifest in chart.items() if "-board-" not in key[1]}
    # Its pods are found by their port; with annotations for it they might be found twice.
    bare = {key: manifest for key, manifest in of_chart("none").items() if key in chart}
    assert overlay == chart | bare
    assert len(overlay) >= 6


@pytest.mark.parametrize("name", ["base", *OVERLAYS])
def test_a_namespace_is_privileged_where_a_pod_asks_for_its_host_alone(name: str) -> None:
    documents = built("1.37", OVERLAYS.get(name, KUSTOMIZE / name))
    [namespace] = (manifest for manifest in documents if manifest["kind"] == "Namespace")
    hosts = [volume for manifest in documents if manifest["kind"] in WORKLOADS
             for volume in manifest["spec"]["template"]["spec"]["volumes"] if "hostPath" in volume]
    level = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert level == ("privileged" if hosts else "restricted")
    assert bool(hosts) == (name != "base")


def test_every_generated_part_is_had_by_some_component() -> None:
    parts = {file.parent.name for file in (GENERATED / "kubernetes").glob("*/kustomization.yaml")}
    text = "".join(file.read_text() for file in KUSTOMIZE.rglob("kustomization.yaml"))
    assert parts == {part for part in parts if f"generated/kubernetes/{part}\n" in text}
    assert len(parts) == 9


@pytest.mark.parametrize("version", KUBECTLS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_gateway_is_added_to_any_overlay_in_its_namespace(
        overlay: str, version: str, tmp_path: Path) -> None:
    folder = customised(tmp_path, {
        "namespace": "telemetry", "resources": [f"{{ours}}/overlays/{overlay}"],
        "components": ["{ours}/components/gateway"]})
    documents = validated(built(version, folder))
    assert [fault for fault in faults(documents) if "PodMonitor" not in fault] == []
    named = by_name(parsed(HASHED.sub(r"\1", text_of(version, folder))))
    chart = by_name([*map(yaml.safe_load, helm.manifests(MADE, {
        "gateway": {"enabled": True}, "monitoring": {"kind": "none"}}))])
    own = [key for key in chart if key[1].startswith("inferometer-gateway")]
    assert len(own) == 4
    for key in own:
        chart[key]["metadata"]["namespace"] = "telemetry"
        assert named[key] == chart[key]
    if overlay == "operator":
        monitor = named["ServiceMonitor", "inferometer"]["spec"]["selector"]
        assert selects(monitor, named["Service", "inferometer-gateway-pods"]["metadata"]["labels"])


# Beside an engine.


@pytest.mark.parametrize("version", KUBECTLS)
def test_a_labelled_engine_gets_the_charts_own_sidecar_and_nobody_else_does(
        version: str, tmp_path: Path) -> None:
    folder = customised(
        tmp_path, {"resources": ["engine.yaml", "other.yaml", "stateful.yaml"],
                   "components": ["{ours}/components/sidecar"]},
        engine=ENGINE, other=OTHER, stateful=STATEFUL)
    by_identity = by_name(validated(built(version, folder)))
    patch = yaml.safe_load(of_chart("none")["ConfigMap", "inferometer-sidecar"]["data"][
        "patch.yaml"])["spec"]["template"]
    for key, before in ((("Deployment", "vllm"), ENGINE), (("StatefulSet", "sglang"), STATEFUL)):
        [expected] = parsed(before)
        pod = expected["spec"]["template"]
        pod["metadata"]["labels"] |= patch["metadata"]["labels"]
        after = deepcopy(by_identity[key])
        assert sorted_containers(after) == sorted_containers(expected, *patch["spec"]["containers"])
        after["spec"]["template"]["spec"].pop("containers")
        pod["spec"].pop("containers")
        assert after == expected
    assert by_identity["Deployment", "other"] == parsed(OTHER)[0]
    watched = [*by_identity.values(), *built(version, OVERLAYS["operator"])]
    # There is a port for the PodMonitor; the other engine's Service is nobody's here.
    assert faults(watched) == ["StatefulSet sglang: no Service sglang"]


def sorted_containers(workload: Manifest, *more: Manifest) -> list[Manifest]:
    containers: list[Manifest] = workload["spec"]["template"]["spec"]["containers"]
    return sorted([*containers, *more], key=lambda container: str(container["name"]))


@pytest.mark.parametrize("version", KUBECTLS)
def test_kubectl_patch_gives_the_same_as_the_component(version: str, tmp_path: Path) -> None:
    folder = customised(tmp_path, {"resources": ["engine.yaml"],
                                   "components": ["{ours}/components/sidecar"]}, engine=ENGINE)
    patched = kubectl(
        version, "patch", "--local", "-f", folder / "engine.yaml", "-o", "yaml",
        "--patch-file", GENERATED / "kubernetes" / "sidecar" / "patch.yaml")
    assert patched.returncode == 0, patched.stderr
    [by_patch], [by_component] = parsed(patched.stdout), built(version, folder)
    assert sorted_containers(by_patch) == sorted_containers(by_component)


# As somebody wants it.


@pytest.mark.parametrize("version", KUBECTLS)
def test_the_example_sets_image_namespace_cluster_and_labels_by_the_usual_means(
        version: str) -> None:
    named = by_name(validated(built(version, EXAMPLE)))
    assert named[("Namespace", "llm-monitoring")]
    assert {manifest["metadata"].get("namespace") for (kind, _), manifest in named.items()
            if kind != "Namespace"} == {"llm-monitoring"}
    assert [container["image"] for workload in named.values() if workload["kind"] in WORKLOADS
            for container in workload["spec"]["template"]["spec"]["containers"]] == [
                f"registry.example.org/inferometer:{__version__}"] * 2
    monitoring = [manifest for manifest in named.values()
                  if manifest["apiVersion"] == "monitoring.coreos.com/v1"]
    assert len(monitoring) == 4
    assert {monitor["metadata"]["labels"]["release"] for monitor in monitoring} == {
        "kube-prometheus-stack"}
    relabellings = [relabeling for monitor in monitoring
                    for endpoint in (monitor["spec"].get("endpoints")
                                     or monitor["spec"].get("podMetricsEndpoints", ()))
                    for relabeling in endpoint["relabelings"]
                    if relabeling["targetLabel"] == "cluster"]
    assert relabellings == [
        {"action": "replace", "targetLabel": "cluster", "replacement": "east"}] * 2


@pytest.mark.parametrize("version", KUBECTLS)
def test_with_an_engine_that_has_a_sidecar_nothing_is_missing(
        version: str, tmp_path: Path) -> None:
    engines = customised(tmp_path, {
        "namespace": "chat", "resources": ["engine.yaml"],
        "components": ["{ours}/components/sidecar"],
        "images": [{"name": "inferometer", "newName": "registry.example.org/inferometer"}],
    }, engine=ENGINE)
    watched = built(version, engines)
    assert f"registry.example.org/inferometer:{__version__}" in [
        container["image"] for container in sorted_containers(watched[0])]
    assert faults([*built(version, EXAMPLE), *watched]) == []


@pytest.mark.parametrize("version", KUBECTLS)
def test_a_configuration_of_ones_own_makes_new_pods(version: str) -> None:
    usual, own = built(version, OVERLAYS["operator"]), built(version, EXAMPLE)
    for role in ("node", "fleet"):
        names = {manifest["metadata"]["name"]: manifest["data"] for manifest in (*usual, *own)
                 if manifest["kind"] == "ConfigMap" and "inferometer.yml" in manifest["data"]
                 and manifest["metadata"]["name"].startswith(f"inferometer-{role}-")}
        assert len(names) == 2
        file = (EXAMPLE / f"{role}.yml").read_text()
        assert {"inferometer.yml": file} in names.values()
        mounted = {volume["configMap"]["name"] for manifest in (*usual, *own)
                   if manifest["kind"] in WORKLOADS
                   for volume in manifest["spec"]["template"]["spec"]["volumes"]
                   if "configMap" in volume}
        assert names.keys() <= mounted


@pytest.mark.parametrize("version", KUBECTLS)
@pytest.mark.parametrize("namespace", ["inferometer", "telemetry"])
def test_a_gateway_gets_prices_by_the_kustomization_that_the_documents_show(
        namespace: str, version: str, tmp_path: Path) -> None:
    document = (KUSTOMIZE.parents[1] / "docs/gateway.md").read_text()
    [shown] = re.findall(r"^# kustomization\.yaml\n(.*?)```", document, re.DOTALL | re.MULTILINE)
    usual = (GENERATED / "kubernetes/gateway/inferometer.yml").read_text()
    own = usual.replace("prices: []", "prices: [{model: m, input: 2, valid_from: 2026-12-01}]")
    root = os.path.relpath(KUSTOMIZE.parents[1], tmp_path)
    (tmp_path / "gateway.yml").write_text(own)
    (tmp_path / "kustomization.yaml").write_text(
        f"namespace: {namespace}\n" + shown.replace("- deploy/", f"- {root}/deploy/"))
    documents = validated(built(version, tmp_path))
    [given] = [manifest for manifest in documents if manifest["kind"] == "ConfigMap"
               and manifest["metadata"]["name"].startswith("inferometer-gateway-")]
    assert given["metadata"]["namespace"] == namespace
    assert [price.input for price in parse(given["data"]["inferometer.yml"], "x").prices] == [2.0]
    [workload] = [manifest for manifest in documents if manifest["kind"] == "StatefulSet"]
    assert given["metadata"]["name"] in {
        volume["configMap"]["name"] for volume in workload["spec"]["template"]["spec"]["volumes"]
        if "configMap" in volume}


@pytest.mark.parametrize("version", KUBECTLS)
def test_a_plain_prometheus_takes_a_configuration_of_ones_own(version: str, tmp_path: Path) -> None:
    [config] = (manifest["data"]["prometheus.yml"]
                for manifest in built(version, OVERLAYS["prometheus"])
                if manifest["metadata"]["name"] == "inferometer-prometheus")
    east = config.replace("replacement: default", "replacement: east")
    (tmp_path / "prometheus.yml").write_text(east)
    documents = built(version, customised(tmp_path, {
        "namespace": "inferometer", "resources": ["{ours}/overlays/prometheus"],
        "generatorOptions": {"disableNameSuffixHash": True},
        "configMapGenerator": [{"name": "inferometer-prometheus", "behavior": "merge",
                                "files": ["prometheus.yml"]}]}))
    [own] = (manifest["data"]["prometheus.yml"] for manifest in validated(documents)
             if manifest["metadata"]["name"] == "inferometer-prometheus")
    assert own == east != config


@pytest.mark.parametrize("version", KUBECTLS)
@pytest.mark.parametrize(("target", "named"), [({}, {"namespace": "inferometer"}),
                                               ({"target": {"kind": "DaemonSet"}}, {})])
def test_a_patch_of_ones_own_finds_its_object_also_in_another_namespace(
        target: Mapping[str, Any], named: Mapping[str, str], version: str, tmp_path: Path) -> None:
    patch = {"apiVersion": "apps/v1", "kind": "DaemonSet",
             "metadata": {"name": "inferometer-node", **named},
             "spec": {"template": {"spec": {"priorityClassName": "high"}}}}
    node = by_name(built(version, customised(tmp_path, {
        "namespace": "watch", "resources": ["{ours}/overlays/node"],
        "patches": [{"path": "patch.yaml", **target}],
    }, patch=yaml.safe_dump(patch))))["DaemonSet", "inferometer-node"]
    assert node["metadata"]["namespace"] == "watch"
    assert node["spec"]["template"]["spec"]["priorityClassName"] == "high"


@pytest.mark.parametrize("role", ["node", "fleet"])
def test_the_examples_configuration_is_one(role: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(EXAMPLE / f"{role}.yml")]) == OK
    assert "good" in capsys.readouterr().out


@pytest.mark.parametrize("version", KUBECTLS)
def test_a_misspelt_key_is_refused(version: str, tmp_path: Path) -> None:
    folder = customised(tmp_path, {"resources": ["{ours}/base"], "namespcae": "watch"})
    process = kubectl(version, "kustomize", folder)
    assert process.returncode != 0
    assert "namespcae" in process.stderr
