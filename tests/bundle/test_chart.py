"""The chart under both Helms: it is good, fits where it is kept, and comes to valid manifests."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from deploy.build.command import GENERATED
from inferometer import __version__
from inferometer.cli import main
from inferometer.cli.verbs import OK
from inferometer.documents.readers import read_yaml
from tests.bundle.chart import (
    CHART,
    HELMS,
    PARENT,
    SETS,
    VALUES,
    configurations,
    container,
    helm,
    identity,
    manifests,
    one,
    rendered,
    text_of,
    workloads,
)
from tests.bundle.kubernetes import NEWEST, OLDEST, VERSIONS, Manifest, findings, parsed, validated
from tests.bundle.promtool import TOOLS

LARGEST_CONFIGMAP = 200_000  # bytes: client-side apply keeps a copy in an annotation, of 262144
LARGEST_RELEASE = 2**20  # bytes of the Secret in which Helm keeps a release
MOUNTED = re.compile(r"/(etc/inferometer-\w+|var/lib/inferometer)/")
OPERATORS = ("monitoring.coreos.com/", "grafana.integreatly.org/")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    process = helm("3", "package", CHART, "--destination", folder)
    assert process.returncode == 0, process.stderr
    return next(folder.glob("*.tgz"))


# Under both Helms.


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize("values", SETS)
def test_helm_finds_nothing_wrong_with_the_chart(version: str, values: str) -> None:
    process = helm(version, "lint", "--strict", CHART, "--values", VALUES / f"{values}.yaml")
    assert process.returncode == 0, process.stdout + process.stderr


@pytest.mark.parametrize("values", SETS)
def test_both_helms_give_the_same_valid_manifests(values: str) -> None:
    older, newer = (manifests(values, version) for version in HELMS)
    assert sorted(validated(older), key=identity) == sorted(newer, key=identity)


@pytest.mark.parametrize("version", HELMS)
def test_a_cluster_older_than_the_oldest_supported_is_refused(version: str) -> None:
    for asked, refused in (("1.24.17", True), ("1.25.0", False), ("1.37.1", False)):
        process = helm(version, "template", "inferometer", CHART, "--kube-version", asked)
        assert bool(process.returncode) is refused
        assert ("kubeVersion" in process.stderr) is refused


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["version"] == chart["appVersion"] == __version__


@pytest.mark.parametrize("version", HELMS)
def test_a_package_holds_rules_routing_and_boards_and_nothing_it_does_not_read(
        version: str, tmp_path: Path) -> None:
    assert helm(version, "package", CHART, "--destination", tmp_path).returncode == 0
    with tarfile.open(tmp_path / f"inferometer-{__version__}.tgz") as archive:
        packaged = {name.removeprefix("inferometer/files/") for name in archive.getnames()
                    if "/files/" in name}
    boards = {f"dashboards/{file.name}" for file in (GENERATED / "dashboards").iterdir()}
    assert packaged == {"prometheus/recording.rules.yml", "prometheus/alerts.rules.yml",
                        "prometheus/prometheus.yml", "alertmanager/alertmanager.yml", *boards}


def test_what_helm_keeps_of_a_release_is_far_below_what_a_secret_may_hold(package: Path) -> None:
    # As Helm does it: chart and manifests as JSON with the files in base64, packed, in base64.
    with tarfile.open(package) as archive:
        files = [base64.b64encode(file.read()) for member in archive
                 if (file := archive.extractfile(member))]
    kept = gzip.compress(b"\n".join((*files, text_of("everything").encode())))
    assert len(base64.b64encode(kept)) < LARGEST_RELEASE / 2


# What is rendered.


def test_nothing_of_an_operator_is_asked_for_by_default() -> None:
    documents = manifests("default")
    assert not [manifest for manifest in documents if manifest["apiVersion"].startswith(OPERATORS)]
    assert {"ServiceMonitor", "PodMonitor", "PrometheusRule", "GrafanaDashboard",
            "AlertmanagerConfig"} <= {manifest["kind"] for manifest in manifests("everything")}


@pytest.mark.parametrize("values", SETS)
def test_the_notes_name_what_is_there(values: str) -> None:
    # Only Helm 4 prints them without a cluster.
    process = helm("4", "install", "inferometer", CHART, "--dry-run=client", "--values",
                   VALUES / f"{values}.yaml")
    assert process.returncode == 0, process.stderr
    notes = process.stdout.partition("NOTES:\n")[2]
    named = {*re.findall(r"(daemonset|deployment|statefulset|configmap) (inferometer-\S+)", notes)}
    present = {(kind.lower(), name) for kind, name in map(identity, manifests(values))}
    assert {kind for kind, _ in named} == {"configmap"} | {
        kind for kind, _ in present if kind in ("daemonset", "deployment", "statefulset")}
    assert named <= present
    assert "\n\n\n" not in notes


@pytest.mark.parametrize("values", SETS)
def test_a_configmap_can_be_applied_by_the_client(values: str) -> None:
    for manifest in manifests(values):
        if manifest["kind"] == "ConfigMap":
            name = manifest["metadata"]["name"]
            assert len(json.dumps(manifest).encode()) < LARGEST_CONFIGMAP, name


@pytest.mark.parametrize("values", SETS)
def test_the_exporter_takes_every_configuration(
        values: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "of the Secret")
    documents = manifests(values)
    texts = configurations(documents)
    assert {f"inferometer-{role}" for role in workloads(documents)} - {
        "inferometer-sidecar"} <= set(texts)
    for file in ("web.yml", "apps", "collector", "key"):
        (tmp_path / file).write_text("{}" if file == "web.yml" else "0" * 64)
    for name, text in texts.items():
        copy = tmp_path / f"{name}.yml"
        copy.write_text(MOUNTED.sub(f"{tmp_path}/", text))
        assert main(["check-config", str(copy)]) == OK, capsys.readouterr().err
        assert yaml.safe_load(text)["role"] == name.removeprefix("inferometer-")


def test_values_become_configuration_as_they_are() -> None:
    given = yaml.safe_load((VALUES / "everything.yaml").read_text())
    given["gateway"] = yaml.safe_load((VALUES / "gateway.yaml").read_text())["gateway"]
    documents = {role: "everything" for role in ("node", "fleet", "sidecar")} | {
        "gateway": "gateway"}
    for role, values in documents.items():
        document = configurations(manifests(values))[f"inferometer-{role}"]
        made = read_yaml(document, role).value
        assert isinstance(made, dict)
        assert made["web"]["listen"] == (":9999" if values == "everything" else ":9839")
        for section, values_of in given[role]["config"].items():
            own, keys = made[section], json.loads(json.dumps(values_of, default=str))  # days
            assert (own if isinstance(keys, list) else {key: own[key] for key in keys}) == keys


def test_a_change_of_configuration_makes_new_pods() -> None:
    def seen(values: str) -> dict[str, str]:
        return {role: pod["metadata"]["annotations"]["inferometer/config"]
                for role, pod in workloads(manifests(values)).items() if role != "sidecar"}

    default, changed = seen("default"), seen("everything")
    assert default == seen("default")
    assert default.keys() == changed.keys() == {"node", "fleet"}
    assert all(default[role] != changed[role] for role in default)


@pytest.mark.parametrize("native", [False, True])
def test_an_engines_chart_takes_the_sidecar_from_the_package(
        native: bool, package: Path, tmp_path: Path) -> None:
    for file in PARENT.rglob("*.yaml"):
        copy = tmp_path / file.relative_to(PARENT)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(file.read_text())
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / package.name).write_bytes(package.read_bytes())
    older, newer = (parsed(rendered(
        version, tmp_path, "--set", f"inferometer.sidecar.native={str(native).lower()}"))
        for version in HELMS)
    assert older == newer
    assert {*map(identity, validated(older, [NEWEST] if native else VERSIONS))} == {
        ("Deployment", "chat"), ("ConfigMap", "inferometer-sidecar")}
    pod = one(older, "Deployment", "chat")["spec"]["template"]
    patch = workloads(older)["sidecar"]
    assert pod["metadata"]["labels"] == {"app": "chat", **patch["metadata"]["labels"]}
    (ours,) = pod["spec"].get("initContainers", []) + pod["spec"]["containers"][1:]
    assert pod["spec"]["containers"][0]["name"] == "vllm"
    assert ours == container(patch)
    assert ("initContainers" in pod["spec"], ours.get("restartPolicy")) == (
        (True, "Always") if native else (False, None))
    assert pod["spec"]["volumes"] == patch["spec"]["volumes"]


def engine(kind: str) -> Manifest:
    """One that is scraped as engines are, at a path and as a user of its own."""
    return {
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "triton"},
        "spec": {"selector": {"matchLabels": {"app": "triton"}}, "template": {
            "metadata": {"labels": {"app": "triton"}, "annotations": {
                "prometheus.io/scrape": "true", "prometheus.io/path": "/v2/metrics"}},
            "spec": {"securityContext": {"runAsUser": 0},
                     "initContainers": [{"name": "download", "image": "triton"}],
                     "containers": [{"name": "triton", "image": "triton"}]}},
            **({"serviceName": "triton"} if kind == "StatefulSet" else {})}}


def patched(values: str, version: str, kind: str, folder: Path) -> Manifest:
    """An engine with the sidecar of a set of values, by the real kubectl."""
    patch = one(manifests(values), "ConfigMap", "inferometer-sidecar")["data"]["patch.yaml"]
    (folder / "patch.yaml").write_text(patch)
    (folder / "engine.json").write_text(json.dumps(engine(kind)))
    process = subprocess.run(
        [TOOLS / f"kubectl-{version}" / "kubectl", "patch", "--local", "-f", "engine.json",
         "--patch-file", "patch.yaml", "-o", "json"], cwd=folder, capture_output=True, text=True,
        check=False, timeout=60, env={"HOME": str(folder), "KUBECONFIG": "none"})
    assert process.returncode == 0, process.stderr
    (document,) = parsed(process.stdout)
    return document


@pytest.mark.parametrize("version", ["1.32", "1.37"])
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_the_patch_puts_the_sidecar_beside_any_engine(
        kind: str, version: str, tmp_path: Path) -> None:
    (workload,) = validated([patched("default", version, kind, tmp_path)])
    pod = workload["spec"]["template"]
    assert pod["metadata"]["labels"] == {"app": "triton", "inferometer/role": "sidecar"}
    assert {container["name"] for container in pod["spec"]["containers"]} == {
        "triton", "inferometer"}
    assert [container["name"] for container in pod["spec"]["initContainers"]] == ["download"]


def test_the_patch_leaves_nothing_of_where_the_engines_own_page_was(tmp_path: Path) -> None:
    pod = patched("default", "1.37", "StatefulSet", tmp_path)["spec"]["template"]
    assert pod["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true", "prometheus.io/scheme": "http",
        "prometheus.io/port": "9839", "prometheus.io/path": "/metrics"}


def test_a_sidecar_starts_in_a_pod_that_runs_as_root(tmp_path: Path) -> None:
    pod = patched("default", "1.37", "Deployment", tmp_path)["spec"]["template"]["spec"]
    (ours,) = (container for container in pod["containers"] if container["name"] == "inferometer")
    context = {**pod["securityContext"], **ours["securityContext"]}  # as the kubelet sees it
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == context["runAsGroup"] == 65532


@pytest.mark.parametrize("version", ["1.32", "1.37"])
def test_a_native_sidecar_starts_before_all_else_of_the_pod(version: str, tmp_path: Path) -> None:
    (workload,) = validated([patched("secured", version, "StatefulSet", tmp_path)], [NEWEST])
    pod = workload["spec"]["template"]["spec"]
    assert [container["name"] for container in pod["initContainers"]] == ["inferometer", "download"]
    assert [container["name"] for container in pod["containers"]] == ["triton"]
    assert pod["initContainers"][0]["restartPolicy"] == "Always"
    assert [*findings(workload, OLDEST)]  # which has no such thing
