"""Manifests as they are generated: each valid, all of them whole and fresh."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.build.bundle import assemble
from deploy.build.files import render
from deploy.build.writers import helm, kubernetes
from inferometer import __version__
from inferometer.bundle.options import Options
from tests.bundle.kubernetes import NEWEST, Manifest, findings, parsed, validated
from tests.bundle.manifests import faults
from tests.bundle.promtool import TOOLS

ROOT = Path(__file__).parents[2]
BUNDLE = assemble()
MADE = render(BUNDLE, Options())
FASTER = 60
EVERYTHING = {
    "gateway": {"enabled": True},
    "monitoring": {"kind": "operator"}, "networkPolicy": {"enabled": True},
    "dashboards": {"operator": {"enabled": True}}, "alertmanagerConfig": {"enabled": True}}
# Under these, keys are the user's own; and the operator leaves routes within routes open.
FREE = {"annotations", "data", "labels", "limits", "matchLabels", "nodeSelector", "requests",
        "routes"}
ALL_IN_ONE = MADE[f"kubernetes/{kubernetes.NAMESPACE}.yaml"]


@cache
def everything() -> tuple[Manifest, ...]:
    return tuple(parsed(text)[0] for text in helm.manifests(MADE, EVERYTHING))


# Valid.


def test_one_file_holds_all_that_needs_no_operator_and_a_cluster_takes_it() -> None:
    documents = validated(parsed(ALL_IN_ONE))
    assert faults(documents) == []
    assert {document["kind"] for document in documents} == {
        "Namespace", "ServiceAccount", "ConfigMap", "Service", "Deployment", "DaemonSet"}
    assert {document["metadata"].get("namespace") for document in documents
            if document["kind"] != "Namespace"} == {"inferometer"}
    assert documents[0]["kind"] == "Namespace"  # first: the others are in it


def test_a_gateway_has_a_file_of_its_own_beside_that_one() -> None:
    own = validated(parsed(MADE["kubernetes/gateway.yaml"]))
    assert sorted(document["kind"] for document in own) == [
        "ConfigMap", "Service", "Service", "StatefulSet"]
    assert {document["metadata"]["namespace"] for document in own} == {"inferometer"}
    assert faults([*parsed(ALL_IN_ONE), *own]) == []
    assert faults(own) == ["StatefulSet inferometer-gateway: no ServiceAccount inferometer"]


def test_nothing_of_it_is_marked_as_helms() -> None:
    generated = "".join(text for path, text in MADE.items() if path.startswith("kubernetes/"))
    assert "managed-by" not in generated
    assert "helm" not in generated.lower()


def test_all_that_the_chart_can_give_is_valid() -> None:
    assert len({document["kind"] for document in validated(everything())}) >= 10


def keys(kind: str, node: Any, path: tuple[str, ...] = ()) -> Iterator[
        tuple[tuple[str, ...], dict[str, Any]]]:
    """The way to each key that is not the user's own, and what it is a key of."""
    if isinstance(node, list):
        for item in node:
            yield from keys(kind, item, path)
    if not isinstance(node, dict) or (path and path[-1] in FREE) or (kind, *path) == (
            "Service", "spec", "selector"):
        return
    for key in [*node]:
        yield (*path, key), node
        yield from keys(kind, node[key], (*path, key))


@pytest.mark.parametrize("kind", sorted({manifest["kind"] for manifest in everything()}))
def test_every_key_that_is_misspelt_is_found(kind: str) -> None:
    tried = set()
    for manifest in everything():
        if manifest["kind"] != kind:
            continue
        document = deepcopy(manifest)
        for path, holder in keys(kind, document):
            if path not in tried:
                tried.add(path)
                holder["misspelt"] = holder.pop(path[-1])
                assert [*findings(document, NEWEST)], ".".join(path)
                holder[path[-1]] = holder.pop("misspelt")
    assert len(tried) >= 6


@pytest.mark.parametrize("named", [
    {"kind": "ConfigMop"}, {"apiVersion": "v2"}, {"apiVersion": "monitoring.coreos.com/v2"},
    {"apiVersion": "monitoring.coreos.com/v1"}, {"kind": "Prometheus"}])
def test_a_kind_that_nobody_knows_is_refused(named: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match="nobody knows"):
        validated([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, **named}])


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="there twice"):
        parsed("metadata: {name: a}\nkind: ConfigMap\nmetadata: {name: b}\n")


# Whole: what is broken is found, so that nothing found means something.


def edit(kind: str, *path: str | int, value: Any) -> Callable[[list[Manifest]], None]:
    def edited(documents: list[Manifest]) -> None:
        node: Any = next(document for document in documents if document["kind"] == kind)
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value
    return edited


POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)


@pytest.mark.parametrize(("broken", "fault"), [
    (lambda all_: all_.append(all_[1]), "there twice"),
    (edit("Service", "metadata", "name", value="Not_a_name"), "its name is none"),
    (edit("Service", "metadata", "name", value="a.service"), "its name is none"),
    (edit("Service", "metadata", "labels", "a b", value="c"), "'a b' is no key"),
    (edit("Service", "metadata", "labels", "team", value="a b"), "'a b' is no value"),
    (edit("ConfigMap", "data", "much", value="x" * 200_000), "bytes"),
    (edit("Deployment", "spec", "selector", "matchLabels", value={"a": "b"}),
     "does not select its own pods"),
    (edit("Service", "spec", "selector", value={"a": "b"}), "selects no pod"),
    (edit("Service", "spec", "ports", 0, "targetPort", value="metrics"), "no port metrics"),
    (edit("Deployment", *POD, "volumes", 0, "configMap", "name", value="gone"),
     "no ConfigMap gone"),
    (edit("Deployment", *POD, "volumes", 0, "configMap", "items", 0, "key", value="gone.yml"),
     "has no gone.yml"),
    (edit("Deployment", *POD, "volumes", value=[{"name": "a", "secret": {"secretName": "s"}}]),
     "no Secret s"),
    (edit("Deployment", *POD, "serviceAccountName", value="who"), "no ServiceAccount who"),
    (edit("Deployment", *CONTAINER, "volumeMounts", 0, "name", value="gone"), "no volume gone"),
    (edit("Deployment", *CONTAINER, "readinessProbe", "httpGet", "port", value="web"),
     "readinessProbe: no port web"),
    (edit("Deployment", *CONTAINER, "env", value=[{"name": "A"}] * 2), "variable A: there twice"),
    (edit("Deployment", *POD, "volumes", value=[{"name": "a"}] * 2), "volume a: there twice"),
    (edit("ServiceMonitor", "spec", "endpoints", 0, "port", value="web"), "no port web"),
    (edit("ServiceMonitor", "spec", "namespaceSelector", value={"matchNames": ["gone"]}),
     "selects no Service"),
    (edit("ServiceMonitor", "spec", "selector", value={"matchLabels": {"a": "b"}}),
     "selects no Service"),
    (edit("StatefulSet", "metadata", "name", value="g" * 53), "too long for a label"),
    (edit("StatefulSet", "spec", "serviceName", value="gone"), "no Service gone"),
    (edit("StatefulSet", "spec", "volumeClaimTemplates", 0, "metadata", "name", value="gone"),
     "no volume ledger"),
    (edit("StatefulSet", *POD, "volumes", value=[
        {"name": "a", "persistentVolumeClaim": {"claimName": "gone"}}]),
     "no PersistentVolumeClaim gone"),
    (edit("NetworkPolicy", "spec", "ingress", 0, "ports", 0, "port", value="web"), "no port web"),
    (edit("NetworkPolicy", "spec", "podSelector", "matchExpressions", 0, "values",
          value=["nobody"]), "selects no pod"),
    (edit("GrafanaDashboard", "spec", "configMapRef", "name", value="gone"), "no ConfigMap gone"),
])
def test_what_names_nothing_is_found(
        broken: Callable[[list[Manifest]], None], fault: str) -> None:
    documents = [deepcopy(manifest) for manifest in everything()]
    before = faults(documents)
    broken(documents)
    assert [line for line in faults(documents) if line not in before and fault in line]


# Fresh.


def test_what_is_rendered_is_made_now_and_not_what_was_generated_before() -> None:
    board = "dashboards/inferometer-gpu.json"
    made = {**MADE, board: '{"title": "made now"}\n'}
    del made["dashboards/inferometer-cost.json"]
    boards = {manifest["metadata"]["name"]: manifest["data"]
              for manifest in map(yaml.safe_load, helm.manifests(made, {}))
              if "-board-" in manifest["metadata"]["name"]}
    assert boards["inferometer-board-gpu"] == {Path(board).name: '{"title": "made now"}\n'}
    assert "inferometer-board-cost" not in boards


def test_settings_come_through_to_the_manifests() -> None:
    made = render(BUNDLE, Options(
        faster=FASTER, cluster="east", image="registry.example/inferometer",
        gateway_image="registry.example/telemetry",
        runbook_url="https://books.example"))
    images = re.findall(r"image: (\S+)", made["kubernetes/inferometer.yaml"])
    assert set(images) == {f"registry.example/inferometer:{__version__}"}
    images = re.findall(r"image: (\S+)", made["kubernetes/gateway.yaml"])
    assert images == [f"registry.example/telemetry:{__version__}"]
    operator = parsed(made["kubernetes/operator/operator.yaml"])
    monitors = [monitor for monitor in operator if monitor["kind"].endswith("Monitor")]
    assert len(monitors) == 2
    for monitor in monitors:
        [endpoint] = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["interval"] == "500ms"
        assert {"action": "replace", "targetLabel": "cluster",
                "replacement": "east"} in endpoint["relabelings"]
    rules = {manifest["metadata"]["name"]: manifest["spec"] for manifest in operator
             if manifest["kind"] == "PrometheusRule"}
    assert rules["inferometer-alerts"] == yaml.safe_load(made["prometheus/alerts.rules.yml"])
    assert rules["inferometer-recording"] == yaml.safe_load(made["prometheus/recording.rules.yml"])
    assert "https://books.example" in made["kubernetes/operator/operator.yaml"]


def test_both_helms_render_the_same() -> None:
    oldest, newest = (helm.manifests(MADE, EVERYTHING, TOOLS / f"helm-{version}" / "helm")
                      for version in ("3", "4"))
    assert oldest == newest


def test_a_missing_helm_costs_one_line_with_what_brings_it(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "deploy.build", "--check"], cwd=ROOT, text=True, timeout=60,
        env={**os.environ, "TOOLS": str(tmp_path), "PYTHONPATH": "exporter"}, check=False,
        capture_output=True)
    assert process.returncode == 1
    assert process.stderr == f"{tmp_path}/helm-3/helm is missing: `make tools` brings it\n"


def test_a_refusal_of_helm_becomes_one_line() -> None:
    with pytest.raises(ValueError, match=r"helm template: .*nde") as error:
        helm.manifests(MADE, {"nde": {"enabled": True}})
    assert "\n" not in str(error.value)
