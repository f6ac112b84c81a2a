"""The chart through the real Helm, of both supported versions, and its manifests to be asked."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from tests.bundle.kubernetes import Manifest, parsed
from tests.bundle.promtool import TOOLS

CHART = Path(__file__).parents[2] / "deploy" / "chart"
VALUES = Path(__file__).with_name("chart_values")
PARENT = Path(__file__).with_name("chart_parent")
HELMS = ("3", "4")
SETS = tuple(sorted(file.stem for file in VALUES.glob("*.yaml")))
NAMESPACE = "llm-monitoring"
LIGHT = {"rules": {"enabled": False}, "dashboards": {"enabled": False}}  # most of the text
WORKLOADS = ("DaemonSet", "Deployment", "StatefulSet")


def helm(version: str, *arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """A call of Helm with nothing of whoever calls."""
    return subprocess.run(
        [TOOLS / f"helm-{version}" / "helm", *arguments], input=given, capture_output=True,
        text=True, check=False, timeout=100, env={"HOME": "/nonexistent"})


def rendered(version: str, chart: Path, *flags: str | Path) -> str:
    """What the chart comes to. Raises AssertionError with Helm's own words."""
    process = helm(version, "template", "inferometer", chart, "--namespace", NAMESPACE, *flags)
    assert process.returncode == 0, process.stderr
    return process.stdout


@cache
def text_of(values: str, version: str = "3") -> str:
    """The manifests of a set of values, as Helm writes them."""
    return rendered(version, CHART, "--values", VALUES / f"{values}.yaml")


def manifests(values: str, version: str = "3") -> list[Manifest]:
    """The manifests of a set of values."""
    return parsed(text_of(values, version))


def with_values(values: Mapping[str, Any], version: str = "3",
                *flags: str) -> subprocess.CompletedProcess[str]:
    """A rendering with these values, whatever comes of it."""
    return helm(version, "template", "inferometer", CHART, "--values", "-", *flags,
                given=yaml.safe_dump(dict(values)))


def one(documents: Iterable[Manifest], kind: str, name: str) -> Manifest:
    """The manifest of that kind and name."""
    matches = [manifest for manifest in documents if identity(manifest) == (kind, name)]
    assert len(matches) == 1, f"{kind} {name} is there {len(matches)} times"
    return matches[0]


def identity(manifest: Manifest) -> tuple[str, str]:
    """By which a manifest is known in a namespace."""
    return manifest["kind"], manifest["metadata"]["name"]


def workloads(documents: Iterable[Manifest]) -> dict[str, Manifest]:
    """The pods that manifests make, as templates, by component; the sidecar's by its patch."""
    pods = {}
    for manifest in documents:
        if manifest["kind"] in WORKLOADS:
            pod = manifest["spec"]["template"]
            pods[pod["metadata"]["labels"].get("app.kubernetes.io/component", "engine")] = pod
        elif manifest["kind"] == "ConfigMap" and "patch.yaml" in manifest["data"]:
            patch = yaml.safe_load(manifest["data"]["patch.yaml"])
            pods["sidecar"] = patch["spec"]["template"]
    return pods


def container(pod: Manifest) -> Any:
    """A pod's only container, be it an init container that goes on."""
    (only,) = pod["spec"].get("initContainers", []) + pod["spec"].get("containers", [])
    return only


def configurations(documents: Iterable[Manifest]) -> dict[str, str]:
    """The text of every inferometer.yml, by the name of its ConfigMap."""
    return {manifest["metadata"]["name"]: manifest["data"]["inferometer.yml"]
            for manifest in documents
            if manifest["kind"] == "ConfigMap" and "inferometer.yml" in manifest["data"]}


def levels(schema: Mapping[str, Any], root: Mapping[str, Any],
           path: Sequence[str] = ()) -> Iterator[tuple[Sequence[str], Mapping[str, Any]]]:
    """Every schema of a value with the way to it: a key, `*` for any key, `[]` for an item."""
    for part in schema.get("allOf", [schema]):
        if "$ref" in part:
            yield from levels(root["definitions"][part["$ref"].rpartition("/")[2]], root, path)
    if "$ref" in schema or "allOf" in schema:
        return
    yield path, schema
    for key, inner in schema.get("properties", {}).items():
        yield from levels(inner, root, (*path, key))
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from levels(schema["additionalProperties"], root, (*path, "*"))
    if "items" in schema:
        yield from levels(schema["items"], root, (*path, "[]"))


def nested(path: Sequence[str], value: Any) -> Any:
    """Values that hold this one there and nothing else."""
    for step in reversed(path):
        value = [value] if step == "[]" else {step: value}
    return value


def merged(below: Any, above: Any) -> Any:
    """Values over others, as Helm lays them; but of two lists item by item."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: merged(below.get(key), value) for key, value in above.items()}
    if isinstance(below, list) and isinstance(above, list):
        pairs: Iterator[tuple[Any, Any]] = zip_longest(below, above, fillvalue={})
        return [merged(*pair) for pair in pairs]
    return above
