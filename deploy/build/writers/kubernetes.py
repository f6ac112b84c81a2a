"""Manifests for those without Helm: in parts that kustomize takes, and all in one file.

They are the chart's own text for its default values and a gateway, so that nothing is described
twice.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import yaml

from deploy.build.writers import helm
from inferometer.bundle.options import Options

NAMESPACE = "inferometer"
# Of the chart's monitoring.kind, in this order: the first gives a part for every component; what
# another adds to it is a part of its own.
PART_OF_MONITORING: Mapping[str, str | None] = {
    "none": None, "annotations": "prometheus", "operator": "operator"}
BY_PATCH = "sidecar"  # its pods are others'
KUSTOMIZATION, CONFIGURATION = "kustomization.yaml", "inferometer.yml"
BY_CHOICE = "gateway"  # in a file of its own
IN_ONE_FILE = ("account", "fleet", "node", "dashboards", "prometheus")  # what needs no operator

_IN_NAMESPACE = ("metadata:\n", f"metadata:\n  namespace: {NAMESPACE}\n", 1)
_RESTRICTED_NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: inferometer
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/audit: restricted
"""
# One namespace for all, as Helm has it. What it then lets through is still audited.
_PRIVILEGED_NAMESPACE = _RESTRICTED_NAMESPACE.replace(
    "    pod-security.kubernetes.io/enforce: restricted\n",
    "    # The node role mounts the folder of the kubelet's socket: no lesser level has hostPath.\n"
    "    pod-security.kubernetes.io/enforce: privileged\n")


def adapted(options: Options) -> Options:
    """The options where Alertmanager is a Service of the namespace in which Prometheus runs."""
    return replace(options, alertmanagers="alertmanager:9093")


def files(contents: Mapping[str, str], prometheus: str, options: Options) -> dict[str, str]:
    """Every file by its path, from the generated files and Prometheus' configuration.

    Raises ValueError where there is no Helm, or where it does not take the chart.
    """
    parts = _parts(contents, options)
    (sidecar,) = parts.pop(BY_PATCH)
    parts["namespace"] = [_RESTRICTED_NAMESPACE]
    parts["prometheus"].append(configuration := _configuration(prometheus))
    paths = {f"{part}/{file}": text for part, texts in parts.items()
             for file, text in _part(part, texts).items()}
    paths |= {f"{BY_PATCH}/{file}": text
              for file, text in _patch(_loaded(sidecar)["data"]["patch.yaml"]).items()}
    paths[f"{NAMESPACE}.yaml"] = _stream([_PRIVILEGED_NAMESPACE, *(
        text.replace(*_IN_NAMESPACE) if text == configuration else text
        for part in IN_ONE_FILE for text in parts[part])])
    paths[f"{BY_CHOICE}.yaml"] = _stream(parts[BY_CHOICE])
    return paths


def _parts(contents: Mapping[str, str], options: Options) -> dict[str, list[str]]:
    """The chart's manifests by part."""
    interval = _loaded(contents["prometheus/prometheus.yml"])["global"]["scrape_interval"]
    parts: dict[str, list[str]] = {}
    identities = set()
    for kind, part in PART_OF_MONITORING.items():
        values = {"image": {"repository": options.image}, "cluster": options.cluster,
                  "gateway": {"enabled": True, "image": {"repository": options.gateway_image}},
                  "monitoring": {"kind": kind, "interval": interval}}
        for text in helm.manifests(contents, values):
            manifest = _loaded(text)
            metadata = manifest["metadata"]
            if (identity := (manifest["kind"], metadata["name"])) not in identities:
                identities.add(identity)
                component = metadata["labels"]["app.kubernetes.io/component"]
                parts.setdefault(part or component, []).append(text)
    return parts


def _part(part: str, texts: Iterable[str]) -> dict[str, str]:
    """A part's files. Of what its pods read at their start kustomize itself makes the ConfigMap,
    under a name that goes by its text: a change of it makes new pods."""
    configurations, manifests, generators = {}, [], []
    for text in texts:
        manifest = _loaded(text)
        if CONFIGURATION in manifest.get("data", {}):
            configurations[CONFIGURATION] = manifest["data"][CONFIGURATION]
            generators.append({
                "name": manifest["metadata"]["name"], "files": [CONFIGURATION],
                "options": {"labels": manifest["metadata"]["labels"]}})
        else:
            manifests.append(text)
    return configurations | {
        f"{part}.yaml": _stream(manifests),
        KUSTOMIZATION: _dumped({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
            "namespace": NAMESPACE, "resources": [f"{part}.yaml"],
            **({"configMapGenerator": generators} if generators else {})})}


def _patch(text: str) -> dict[str, str]:
    """For `kubectl patch --patch-file`, and for kustomize, which asks for a name and ignores it."""
    head = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: ignored\n"
    return {"patch.yaml": text, KUSTOMIZATION: _dumped({
        "apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component",
        "patches": [{"patch": head + text, "target": {
            "kind": "Deployment|StatefulSet", "labelSelector": "inferometer/role=sidecar"}}]})}


def _configuration(prometheus: str) -> str:
    """A ConfigMap to be mounted together with that of the rules: one folder for both.

    Its part's kustomization alone says the namespace: a generator of somebody's own that merges
    into it, and names none, does not find it otherwise.
    """
    return (f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {NAMESPACE}-prometheus\n"
            f"data:\n  prometheus.yml: |\n{textwrap.indent(prometheus, '    ')}")


def _stream(texts: Iterable[str]) -> str:
    return "---\n".join(texts)


def _dumped(document: Mapping[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Blocks, sort_keys=False)


def _loaded(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


class _Blocks(yaml.SafeDumper):
    """Writes a text of several lines as such."""


_Blocks.add_representer(str, lambda dumper, text: dumper.represent_scalar(
    "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None))
