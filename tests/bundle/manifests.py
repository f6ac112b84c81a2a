"""What a server would refuse, or take without ever working, where no schema says so.

Names and labels that are none, objects that are there twice or too large for `kubectl apply`, and
whatever names another thing: ConfigMaps, their keys, volumes, ports, and pods by their labels.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.bundle.kubernetes import Manifest

MAX_BYTES = 200_000  # kubectl keeps a copy in an annotation, and those have 262144 bytes
WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_HOST = re.compile(r"(?=.{1,63}$)[a-z]([-a-z0-9]*[a-z0-9])?")  # a label of DNS, as RFC 1035 has it
_PREFIX = re.compile(r"(?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?(.*)")
_MOST_OF_A_STATEFUL_SET = 52  # of its name: its pods have a label of that and a hash
_LABEL = re.compile(r"(?=.{1,63}$)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
}


def faults(documents: Iterable[Manifest]) -> list[str]:
    """What is wrong with these manifests, given to one cluster together."""
    given = [*documents]
    times = Counter(map(_identity, given))
    return [*(f"{' '.join(identity)}: there twice" for identity, n in times.items() if n > 1),
            *(f"{document['kind']} {document['metadata']['name']}: {fault}" for document in given
              for fault in (*_malformed(document), *_dangling(document, given)))]


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes what has these labels."""
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        _TESTS[term["operator"]](labels.get(term["key"]), term.get("values", ()))
        for term in selector.get("matchExpressions", ()))


def _identity(document: Manifest) -> tuple[str, ...]:
    metadata = document["metadata"]
    return (document["apiVersion"].split("/")[0], document["kind"],
            metadata.get("namespace", ""), metadata["name"])


def _malformed(document: Manifest) -> Iterator[str]:
    size = len(json.dumps(document).encode())
    if size > MAX_BYTES:
        yield f"{size} bytes"
    name = _HOST if document["kind"] in (*WORKLOADS, "Service") else _NAME
    if not name.fullmatch(document["metadata"]["name"]):
        yield "its name is none"
    if document["kind"] == "StatefulSet" and len(
            document["metadata"]["name"]) > _MOST_OF_A_STATEFUL_SET:
        yield "its name is too long for a label of its pods"
    for metadata in (document["metadata"], _pod(document).get("metadata", {})):
        for key in (*metadata.get("labels", {}), *metadata.get("annotations", {})):
            if not (prefixed := _PREFIX.fullmatch(key)) or not _LABEL.fullmatch(prefixed[2]):
                yield f"{key!r} is no key of a label or annotation"
        for value in metadata.get("labels", {}).values():
            if value and not _LABEL.fullmatch(value):
                yield f"{value!r} is no value of a label"


def _dangling(document: Manifest, given: Sequence[Manifest]) -> Iterator[str]:
    """What it names and nothing bears."""
    spec = document.get("spec", {})
    near = [other for other in given if other["metadata"].get("namespace")
            == document["metadata"].get("namespace")]
    pods = [_pod(other) for other in near if other["kind"] in WORKLOADS]
    match document["kind"]:
        case kind if kind in WORKLOADS:
            if not selects(spec["selector"], _pod(document)["metadata"]["labels"]):
                yield "it does not select its own pods"
            claims = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", ())]
            yield from _of_pod(_pod(document)["spec"], near, claims)
            if "serviceName" in spec:
                yield from _missing(near, "Service", spec["serviceName"])
        case "Service":
            yield from _unserved({"matchLabels": spec["selector"]}, pods,
                                 [port["targetPort"] for port in spec["ports"]])
        case "NetworkPolicy":
            yield from _unserved(spec["podSelector"], pods, [
                port["port"] for rule in spec["ingress"] for port in rule["ports"]])
        case "PodMonitor":
            everywhere = [_pod(other) for other in given if other["kind"] in WORKLOADS]
            yield from _unserved(spec["selector"], everywhere, [
                endpoint["port"] for endpoint in spec["podMetricsEndpoints"]])
        case "ServiceMonitor":
            watched = spec.get("namespaceSelector", {}).get(
                "matchNames", [document["metadata"].get("namespace")])
            ports = [{port["name"] for port in other["spec"]["ports"]} for other in given
                     if other["kind"] == "Service"
                     and other["metadata"].get("namespace") in watched
                     and selects(spec["selector"], other["metadata"]["labels"])]
            if not ports:
                yield "it selects no Service"
            yield from (f"no port {endpoint['port']}" for endpoint in spec["endpoints"]
                        for named in ports if endpoint["port"] not in named)
        case "GrafanaDashboard":
            yield from _missing(near, "ConfigMap", spec["configMapRef"]["name"],
                                [spec["configMapRef"]["key"]])


def _of_pod(pod: Mapping[str, Any], near: Sequence[Manifest],
            claims: Sequence[str] = ()) -> Iterator[str]:
    volumes = {*claims, *(volume["name"] for volume in pod.get("volumes", ()))}
    for volume in pod.get("volumes", ()):
        if source := volume.get("configMap"):
            yield from _missing(near, "ConfigMap", source["name"],
                                [item["key"] for item in source.get("items", ())])
        if source := volume.get("secret"):
            yield from _missing(near, "Secret", source["secretName"])
        if source := volume.get("persistentVolumeClaim"):
            yield from _missing(near, "PersistentVolumeClaim", source["claimName"])
    if account := pod.get("serviceAccountName"):
        yield from _missing(near, "ServiceAccount", account)
    yield from _twice("volume", pod.get("volumes", ()), "name")
    for container in pod["containers"]:
        # Lists that a server merges by these keys.
        yield from _twice("variable", container.get("env", ()), "name")
        yield from _twice("mount", container.get("volumeMounts", ()), "mountPath")
        yield from (f"no volume {mount['name']}" for mount in container.get("volumeMounts", ())
                    if mount["name"] not in volumes)
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            for action in container.get(probe, {}).values():
                if isinstance(action, dict) and action["port"] not in _ports(container):
                    yield f"{probe}: no port {action['port']}"


def _twice(thing: str, items: Iterable[Mapping[str, Any]], key: str) -> Iterator[str]:
    times = Counter(item[key] for item in items)
    yield from (f"{thing} {name}: there twice" for name, n in times.items() if n > 1)


def _missing(near: Sequence[Manifest], kind: str, name: str,
             keys: Iterable[str] = ()) -> Iterator[str]:
    for other in near:
        if (other["kind"], other["metadata"]["name"]) == (kind, name):
            yield from (f"{kind} {name} has no {key}" for key in keys if key not in other["data"])
            return
    yield f"no {kind} {name}"


def _unserved(selector: Mapping[str, Any], pods: Iterable[Mapping[str, Any]],
              ports: Iterable[str]) -> Iterator[str]:
    chosen = [pod for pod in pods if selects(selector, pod["metadata"]["labels"])]
    if not chosen:
        yield "it selects no pod"
    yield from (f"no port {port}" for port in ports for pod in chosen
                if not any(port in _ports(container) for container in pod["spec"]["containers"]))


def _ports(container: Mapping[str, Any]) -> set[str | int]:
    return {named for port in container.get("ports", ())
            for named in (port.get("name"), port["containerPort"])}


def _pod(document: Manifest) -> Mapping[str, Any]:
    """The pod's template of a workload, nothing of anything else."""
    pod: Mapping[str, Any] = (
        document["spec"]["template"] if document["kind"] in WORKLOADS else {})
    return pod
