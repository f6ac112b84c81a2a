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

from deploy import helm, manifests
from deploy.build import GENERATED, files
from deploy.bundle import assembled
from deploy.settings import Settings
from tests.bundle.kubernetes import Manifest, parsed, validated
from tests.bundle.manifests import faults
from tests.bundle.promtool import TOOLS

KUBECTLS = ("1.32", "1.37")
KUSTOMIZE = Path(__file__).parents[2] / "deploy" / "kustomize"
OVERLAYS = {path.name: path for path in (KUSTOMIZE / "overlays").iterdir()}
HASHED = re.compile(r"\b(inferometer-(?:node|fleet))-[a-z0-9]{10}\b")
MADE = files(assembled(), Settings())
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
    named = {(each["kind"], each["metadata"]["name"]): deepcopy(each) for each in documents}
    for (kind, _), each in named.items():
        if kind == "ConfigMap" and "inferometer.yml" in each["data"]:
            each["data"] = yaml.safe_load(each["data"]["inferometer.yml"])
    return named


def of_chart(kind: str) -> dict[tuple[str, str], Manifest]:
    """What Helm gives for a way of scraping, with kustomize's namespace."""
    found = [parsed(text)[0] for text in helm.manifests(MADE, {"monitoring": {"kind": kind}})]
    for each in found:
        each["metadata"]["namespace"] = manifests.NAMESPACE
    return by_name(found)


def of_overlay(name: str) -> dict[tuple[str, str], Manifest]:
    """What kustomize gives, without the hashes at the end of names."""
    return by_name(parsed(HASHED.sub(r"\1", text_of(KUBECTLS[-1], OVERLAYS[name]))))


# As it is.


@pytest.mark.parametrize("folder", [KUSTOMIZE / "base", *OVERLAYS.values()], ids=lambda f: f.name)
def test_both_kubectls_give_the_same_and_a_cluster_takes_it(folder: Path) -> None:
    oldest, newest = (text_of(version, folder) for version in KUBECTLS)
    assert oldest == newest
    found = validated(parsed(newest))
    assert len(found) >= 4
    # Whose pods a PodMonitor is for come later.
    assert faults(found) == (["PodMonitor inferometer-sidecar: it selects no pod"]
                             if folder.name == "operator" else [])


@pytest.mark.parametrize(("name", "kind"), [
    ("node", "none"), ("prometheus", "annotations"), ("operator", "operator")])
def test_an_overlay_is_the_chart_in_every_value(name: str, kind: str) -> None:
    found, chart = of_overlay(name), of_chart(kind)
    assert found.pop(("Namespace", "inferometer"))
    assert chart.pop(("ConfigMap", "inferometer-sidecar"))  # a patch here
    if name == "prometheus":
        assert found.pop(("ConfigMap", "inferometer-prometheus"))
    if name == "node":
        chart = {key: each for key, each in chart.items() if "-board-" not in key[1]}
    # Its pods are found by their port; with annotations for it they might be found twice.
    bare = {key: each for key, each in of_chart("none").items() if key in chart}
    assert found == chart | bare
    assert len(found) >= 6


@pytest.mark.parametrize("name", ["base", *OVERLAYS])
def test_a_namespace_is_privileged_where_a_pod_asks_for_its_host_alone(name: str) -> None:
    found = built("1.37", OVERLAYS.get(name, KUSTOMIZE / name))
    [namespace] = (each for each in found if each["kind"] == "Namespace")
    hosts = [volume for each in found if each["kind"] in ("Deployment", "DaemonSet")
             for volume in each["spec"]["template"]["spec"]["volumes"] if "hostPath" in volume]
    level = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert level == ("privileged" if hosts else "restricted")
    assert bool(hosts) == (name != "base")


def test_every_generated_part_is_had_by_some_component() -> None:
    parts = {each.parent.name for each in (GENERATED / "kubernetes").glob("*/kustomization.yaml")}
    said = "".join(each.read_text() for each in KUSTOMIZE.rglob("kustomization.yaml"))
    assert parts == {part for part in parts if f"generated/kubernetes/{part}\n" in said}
    assert len(parts) == 7


# Beside an engine.


@pytest.mark.parametrize("version", KUBECTLS)
def test_a_labelled_engine_gets_the_charts_own_sidecar_and_nobody_else_does(
        version: str, tmp_path: Path) -> None:
    folder = customised(
        tmp_path, {"resources": ["engine.yaml", "other.yaml", "stateful.yaml"],
                   "components": ["{ours}/components/sidecar"]},
        engine=ENGINE, other=OTHER, stateful=STATEFUL)
    found = by_name(validated(built(version, folder)))
    patch = yaml.safe_load(of_chart("none")["ConfigMap", "inferometer-sidecar"]["data"][
        "patch.yaml"])["spec"]["template"]
    for key, before in ((("Deployment", "vllm"), ENGINE), (("StatefulSet", "sglang"), STATEFUL)):
        [expected] = parsed(before)
        pod = expected["spec"]["template"]
        pod["metadata"]["labels"] |= patch["metadata"]["labels"]
        after = deepcopy(found[key])
        assert sorted_containers(after) == sorted_containers(expected, *patch["spec"]["containers"])
        after["spec"]["template"]["spec"].pop("containers")
        pod["spec"].pop("containers")
        assert after == expected
    assert found["Deployment", "other"] == parsed(OTHER)[0]
    watched = [*found.values(), *built(version, OVERLAYS["operator"])]
    assert faults(watched) == []  # there is a port for the PodMonitor


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
def test_image_namespace_and_cluster_are_set_by_the_usual_means(
        version: str, tmp_path: Path) -> None:
    folder = customised(tmp_path, {
        "namespace": "watch",
        "resources": ["{ours}/overlays/operator", "engine.yaml"],
        "components": ["{ours}/components/sidecar"],
        "images": [{"name": "inferometer", "newName": "registry.example/inferometer",
                    "newTag": "0.1.0-1"}],
        "patches": [{"target": {"kind": kind}, "patch": yaml.safe_dump([
            {"op": "test", "path": f"/spec/{endpoints}/0/relabelings/0/targetLabel",
             "value": "cluster"},
            {"op": "replace", "path": f"/spec/{endpoints}/0/relabelings/0/replacement",
             "value": "east"}])}
            for kind, endpoints in (("ServiceMonitor", "endpoints"),
                                    ("PodMonitor", "podMetricsEndpoints"))],
    }, engine=ENGINE)
    found = validated(built(version, folder))
    assert faults(found) == []
    named = by_name(found)
    assert named.pop(("Namespace", "watch"))
    assert {each["metadata"]["namespace"] for each in named.values()} == {"watch"}
    images = [container["image"] for each in named.values()
              if each["kind"] in ("Deployment", "DaemonSet")
              for container in each["spec"]["template"]["spec"]["containers"]]
    assert sorted(images) == [*["registry.example/inferometer:0.1.0-1"] * 3,
                              "vllm/vllm-openai:v0.32.0"]
    monitors = [endpoint for each in named.values() if each["kind"].endswith("Monitor")
                for key in ("endpoints", "podMetricsEndpoints")
                for endpoint in each["spec"].get(key, ())]
    assert [[relabelling["replacement"] for relabelling in endpoint["relabelings"]
             if relabelling["targetLabel"] == "cluster"] for endpoint in monitors] == [
                 ["east"], ["east"]]


@pytest.mark.parametrize("version", KUBECTLS)
def test_a_configuration_of_ones_own_makes_new_pods(version: str, tmp_path: Path) -> None:
    own = "role: fleet\nweb: {listen: ':9839'}\nfleet: {budgets_usd: {month: 1000}}\n"
    (tmp_path / "inferometer.yml").write_text(own)
    folder = customised(tmp_path, {
        "namespace": "inferometer", "resources": ["{ours}/base"],
        "configMapGenerator": [{"name": "inferometer-fleet", "behavior": "merge",
                                "files": ["inferometer.yml"]}]})
    found = validated(built(version, folder))
    assert faults(found) == []  # the Deployment mounts it under its new name
    [config] = (each for each in found if each["kind"] == "ConfigMap")
    assert config["data"]["inferometer.yml"] == own
    assert config["metadata"]["name"].startswith("inferometer-fleet-")


@pytest.mark.parametrize("version", KUBECTLS)
def test_a_misspelt_key_is_refused(version: str, tmp_path: Path) -> None:
    folder = customised(tmp_path, {"resources": ["{ours}/base"], "namespcae": "watch"})
    process = kubectl(version, "kustomize", folder)
    assert process.returncode != 0
    assert "namespcae" in process.stderr
