"""The chart as Argo CD, Flux and pipelines take it: fetched, rendered, applied, compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import yaml

from deploy.build.bundle import assemble
from deploy.build.command import GENERATED
from deploy.build.files import differences, render
from deploy.build.writers.helm import FILES, carried
from inferometer import __version__
from inferometer.bundle.options import Options
from tests.bundle.chart import (
    CHART,
    HELMS,
    NAMESPACE,
    SETS,
    container,
    helm,
    manifests,
    one,
    with_values,
    workloads,
)
from tests.bundle.kubernetes import Manifest, added, parsed, validated
from tests.bundle.manifests import WORKLOADS, faults
from tests.bundle.test_kustomize import EXAMPLE, KUSTOMIZE, OVERLAYS, built

MADE = render(assemble(), Options())
FOLDER = Path(__file__).parent / "trials"
TRIALS = sorted(file.name.split(".")[0] for file in FOLDER.glob("*.values.yaml"))
CLUSTER_WIDE = {"Namespace"}
RESTRICTED_V2 = Path(__file__).parents[1] / "fixtures/openshift/restricted-v2.yaml"
INSTANCE = "app.kubernetes.io/instance"
ACCOUNT = {"create": True, "name": "", "annotations": {"eks.amazonaws.com/role-arn": "arn"},
           "securityContextConstraints": "privileged"}


@cache
def everything() -> dict[str, list[Manifest]]:
    """All that is rendered, by how: every set of the chart's values, kubectl's files, kustomize."""
    folders = [KUSTOMIZE / "base", *OVERLAYS.values(), EXAMPLE]
    parts = [file.parent for file in (GENERATED / "kubernetes").glob("*/kustomization.yaml")
             if file.parent.name != "sidecar"]
    return {**{f"chart {values}": manifests(values) for values in SETS},
            **{f"chart {name}": of_trial(name) for name in TRIALS},
            "chart for OpenShift": rendered_with({"runAsUser": None, "serviceAccount": ACCOUNT}),
            "kubectl": parsed(MADE["kubernetes/inferometer.yaml"]),
            **{f"part {part.name}": built("1.37", part) for part in parts},
            **{f"kustomize {folder.name}": built("1.37", folder) for folder in folders}}


@cache
def of_trial(name: str) -> list[Manifest]:
    """The manifests of a trial's values."""
    return rendered_with(given(name))


def rendered_with(values: Manifest) -> list[Manifest]:
    """The chart in the namespace of the other sets."""
    process = with_values(values, "3", "--namespace", NAMESPACE)
    assert process.returncode == 0, process.stderr
    return parsed(process.stdout)


def given(trial: str) -> Manifest:
    """The values of a trial."""
    values: Manifest = yaml.safe_load((FOLDER / f"{trial}.values.yaml").read_text())
    return values


def all_rendered() -> Iterator[tuple[str, Manifest]]:
    """Every manifest, and how it came about."""
    return ((way, manifest) for way, documents in everything().items() for manifest in documents)

# Fetched: Flux's source-controller leaves symbolic links out, and so do some archives.


def test_nothing_of_the_chart_is_a_symbolic_link() -> None:
    entries = [CHART, *CHART.rglob("*")]
    assert len(entries) > 20
    assert [entry for entry in entries if entry.is_symlink()] == []


def test_what_the_chart_carries_is_what_the_definitions_give() -> None:
    assert differences(carried(MADE), FILES) == [], "run `make bundle` and commit what it writes"


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize(("flags", "missing"), [
    ("rules.enabled=false", "dashboards/*.json"),
    ("dashboards.enabled=false", "prometheus/recording.rules.yml"),
    ("monitoring.kind=operator,dashboards.enabled=false", "prometheus/"),
    ("monitoring.kind=operator,dashboards.enabled=false,rules.enabled=false",
     "prometheus/prometheus.yml"),
    ("dashboards.enabled=false,rules.enabled=false,alertmanagerConfig.enabled=true",
     "alertmanager/alertmanager.yml"),
])
def test_a_chart_that_lost_its_files_is_refused_with_what_is_missing(
        version: str, flags: str, missing: str, tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart", ignore=shutil.ignore_patterns("files"))
    process = helm(version, "template", "inferometer", chart, "--set", flags)
    assert process.returncode != 0
    assert f"files/{missing}" in process.stderr
    assert "missing or empty" in process.stderr


def test_a_board_that_is_empty_is_refused(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    (chart / "files/dashboards/inferometer-gpu.json").write_text("")
    process = helm("3", "template", "inferometer", chart)
    assert "files/dashboards/inferometer-gpu.json of the chart is missing" in process.stderr


@pytest.mark.parametrize("version", HELMS)
def test_a_chart_of_charts_has_it_by_a_condition(version: str, tmp_path: Path) -> None:
    shutil.copytree(CHART, tmp_path / "charts/inferometer")
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump({
        "apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [
            {"name": "inferometer", "version": __version__, "condition": "inferometer.enabled"}]}))
    (tmp_path / "values.yaml").write_text(yaml.safe_dump({
        "global": {"imageRegistry": "registry.example.org", "storageClass": "fast"},
        "inferometer": {"enabled": True, "cluster": "east"}}))
    process = helm(version, "template", "platform", tmp_path, "--namespace", NAMESPACE)
    assert process.returncode == 0, process.stderr
    assert faults(parsed(process.stdout)) == []
    off = helm(version, "template", "platform", tmp_path, "--set", "inferometer.enabled=false")
    assert (off.returncode, off.stdout.strip()) == (0, "")


# Rendered and piped: kubectl takes the namespace of its context for what names none.


def test_all_that_is_namespaced_names_its_namespace() -> None:
    assert len(everything()) >= len(SETS) + 12
    assert [(way, manifest["kind"], manifest["metadata"]["name"])
            for way, manifest in all_rendered()
            if ("namespace" in manifest["metadata"]) == (manifest["kind"] in CLUSTER_WIDE)] == []


def test_an_example_in_another_namespace_has_nothing_left_in_ours() -> None:
    assert {manifest["metadata"].get("namespace", manifest["metadata"]["name"])
            for manifest in everything()["kustomize kustomize"]} == {"llm-monitoring"}


# Compared: Argo CD takes a list for different if the server adds anything inside it, and puts its
# own name of the application into a label of whatever it applies.


def test_a_server_adds_nothing_inside_a_list() -> None:
    kinds = {manifest["kind"] for _, manifest in all_rendered()}
    assert {"ServiceMonitor", "PodMonitor", "PrometheusRule", "AlertmanagerConfig",
            "GrafanaDashboard"} <= kinds
    assert [(way, manifest["kind"], path) for way, manifest in all_rendered()
            for path, in_list in added(manifest) if in_list] == []


def test_what_a_server_would_add_is_found() -> None:
    monitor = deepcopy(one(manifests("operator"), "ServiceMonitor", "inferometer"))
    del monitor["spec"]["endpoints"][0]["relabelings"][0]["action"]
    assert (".spec.endpoints[0].relabelings[0].action", True) in [*added(monitor)]


def test_whatever_argo_writes_into_its_label_everything_is_still_found() -> None:
    for way, documents in everything().items():
        renamed = deepcopy(documents)
        for manifest in renamed:
            manifest["metadata"].setdefault("labels", {})[INSTANCE] = "argo-inferometer"
        assert faults(renamed) == faults(documents), way


# OpenShift.


def test_every_pod_has_an_account_that_is_there_and_no_token_of_it() -> None:
    for way, documents in everything().items():
        for manifest in documents:
            if manifest["kind"] in WORKLOADS:
                spec = manifest["spec"]["template"]["spec"]
                assert spec["automountServiceAccountToken"] is False, way
                if not way.startswith("part"):
                    one(documents, "ServiceAccount", spec["serviceAccountName"])
            elif manifest["kind"] == "ServiceAccount":
                assert manifest["automountServiceAccountToken"] is False, way


@pytest.mark.parametrize(("values", "name"), [
    ({}, "inferometer"), ({"name": "watch"}, "watch"), ({"create": False}, "default"),
    ({"create": False, "name": "watch"}, "watch")])
def test_the_account_is_the_one_that_was_named(values: Manifest, name: str) -> None:
    documents = rendered_with({"serviceAccount": values})
    assert {manifest["spec"]["template"]["spec"]["serviceAccountName"]
            for manifest in documents if manifest["kind"] in WORKLOADS} == {name}
    assert [manifest["metadata"]["name"] for manifest in documents
            if manifest["kind"] == "ServiceAccount"] == [name] * values.get("create", True)


def test_the_account_and_no_other_may_use_the_constraints_that_were_named() -> None:
    documents = validated(everything()["chart for OpenShift"])
    account = one(documents, "ServiceAccount", "inferometer")
    assert account["metadata"]["annotations"] == ACCOUNT["annotations"]
    assert one(documents, "Role", "inferometer-scc")["rules"] == [{
        "apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"],
        "resourceNames": ["privileged"], "verbs": ["use"]}]
    binding = one(documents, "RoleBinding", "inferometer-scc")
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "inferometer-scc"}
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "inferometer", "namespace": NAMESPACE}]
    assert {"Role", "RoleBinding"}.isdisjoint(
        manifest["kind"] for values in SETS for manifest in manifests(values))


def test_without_user_and_socket_every_pod_fits_the_constraints_that_all_may_use() -> None:
    constraints = yaml.safe_load(RESTRICTED_V2.read_text())
    documents = rendered_with({"runAsUser": None, "node": {"kubeletSocket": ""},
                               "gateway": {"enabled": True}})
    pods = workloads(documents)
    assert pods.keys() == {"node", "fleet", "sidecar", "gateway"}
    # Of the namespace's own range too, which may write the volume then.
    assert pods["gateway"]["spec"]["securityContext"] == {"fsGroupChangePolicy": "OnRootMismatch"}
    for role, pod in pods.items():
        spec, context = pod["spec"], container(pod)["securityContext"]
        assert {key for volume in spec.get("volumes", ()) for key in volume.keys() - {"name"}} <= {
            *constraints["volumes"]}, role
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        assert "privileged" not in context
        # Of the namespace's own range, which OpenShift fills in where none is asked for.
        assert not context.keys() & {"runAsUser", "runAsGroup", "seLinuxOptions"}
        assert context["allowPrivilegeEscalation"] is constraints["allowPrivilegeEscalation"]
        assert context["capabilities"]["drop"] == constraints["requiredDropCapabilities"]
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not [port for port in container(pod)["ports"] if "hostPort" in port]
