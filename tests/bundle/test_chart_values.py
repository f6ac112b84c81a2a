"""The chart's values: what is misspelt is refused, what is there is described and known."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from collections.abc import Mapping
from functools import reduce
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from inferometer import __version__, config
from inferometer.bundle.options import Options
from inferometer.catalogue import PERIOD
from tests.bundle.chart import CHART, HELMS, levels, merged, nested, with_values

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
LEVELS = [*levels(SCHEMA, SCHEMA)]
# All charts of a parent have the one; the others are as whoever gives them has them.
OPEN = {("global",), ("global", "imagePullSecrets", "[]"), ("extraManifests", "[]")}
# Not for a chart: what other values say, and files that nothing would mount.
OTHERWISE = {config.GpuSection: {"enabled", "kubelet_socket"},
             config.CostSection: {"bill"},  # no pod reads bills
             config.EngineTarget: {"bearer_token_file", "ca_file"},
             config.IntakeSection: {"listen", "grpc_listen", "config_file", "bearer_token_files"},
             config.LedgerSection: {"path", "key_file"}}
CLOSED = [path for path, schema in LEVELS if schema.get("additionalProperties") is False]


@pytest.mark.parametrize("version", HELMS)
def test_a_misspelt_key_is_refused_by_name_at_every_level(version: str) -> None:
    misspelt = {f"misspelt{i}": path for i, path in enumerate(CLOSED)}
    process = with_values(reduce(merged, (
        nested(path, {key: True}) for key, path in misspelt.items()), {}), version)
    assert process.returncode != 0
    named = {*re.findall(r"misspelt\d+", process.stderr)}
    assert {key: path for key, path in misspelt.items() if key not in named} == {}


def test_no_level_is_left_open() -> None:
    objects = [(tuple(path), schema) for path, schema in LEVELS
               if "object" in schema.get("type", ()) or "properties" in schema]
    assert {path for path, schema in objects
            if schema.get("additionalProperties", True) is True} == OPEN
    assert len(CLOSED) > 30
    # A value of no type would let anything through.
    assert not [path for path, schema in LEVELS
                if path and not schema.keys() & {"type", "anyOf", "enum"}]


@pytest.mark.parametrize(("values", "key"), [
    ({"gateway": {"port": 0}}, "port"),
    ({"gateway": {"image": {"repository": "inferometer-gateway:0.1.0"}}}, "repository"),
    ({"gateway": {"persistence": {"size": "large"}}}, "size"),
    ({"gateway": {"tokenKeys": ["../token"]}}, "tokenKeys"),
    ({"gateway": {"config": {"intake": {"listen": ":1"}}}}, "listen"),
    ({"gateway": {"config": {"ledger": {"retention_days": 0}}}}, "retention_days"),
    ({"gateway": {"enabled": True, "replicas": 2}}, "gateway.replicas: is 2 and must be 0 or 1"),
    ({"monitoring": {"kind": "prometheus"}}, "kind"),
    ({"web": {"port": 70000}}, "port"),
    ({"web": {"port": "9839"}}, "port"),
    ({"cluster": ""}, "cluster"),
    ({"image": {"repository": "registry.example.org/inferometer:0.1.0"}}, "repository"),
    ({"image": {"repository": "inferometer:0.1.0"}}, "repository"),
    ({"image": {"repository": "host:5000"}}, "repository"),
    ({"image": {"repository": "host:5000/inferometer@sha256:ab"}}, "repository"),
    ({"image": {"repository": ""}}, "repository"),
    ({"runAsUser": 0}, "runAsUser"),
    ({"node": {"visibleDevices": "all"}}, "visibleDevices"),
    ({"node": {"extraVolumes": [{"name": "a", "emptyDir": {}}]}}, "emptyDir"),
    ({"node": {"extraEnv": [{"name": "A", "value": 1}]}}, "value"),
    ({"monitoring": {"scrapeTimeout": "soon"}}, "scrapeTimeout"),
    ({"node": {"kubeletSocket": "kubelet.sock"}}, "kubeletSocket"),
    ({"node": {"config": {"cost": {"gpu_hour_usd": {"NVIDIA L4": -1}}}}}, "NVIDIA L4"),
    ({"fleet": {"config": {"fleet": {"limits": {"error_ratio": 1.5}}}}}, "error_ratio"),
    ({"sidecar": {"podLabels": None}}, "podLabels"),
    ({"rules": {"runbookUrl": "wiki"}}, "runbookUrl"),
], ids=str)
@pytest.mark.parametrize("version", HELMS)
def test_a_bad_value_is_refused_by_its_key(
        values: Mapping[str, Any], key: str, version: str) -> None:
    process = with_values(values, version)
    assert process.returncode != 0
    assert key in process.stderr


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize("repository", ["inferometer", "host:5000/inferometer", "r.example/llm/x"])
def test_a_repository_may_have_a_port_and_gets_its_tag_once(repository: str, version: str) -> None:
    process = with_values({"image": {"repository": repository}}, version)
    assert process.returncode == 0, process.stderr
    images = set(re.findall(r"image: (\S+)", process.stdout))
    assert images == {f"{repository}:{__version__}"}


@pytest.mark.parametrize("version", HELMS)
def test_a_default_that_is_taken_away_leaves_no_empty_key(version: str) -> None:
    gone = {"nodeSelector": None, "tolerations": None, "affinity": None, "resources": None,
            "extraEnv": None, "podLabels": None, "livenessProbe": None, "service": None}
    process = with_values({
        "node": {**gone, "updateStrategy": None}, "fleet": gone,
        "gateway": {**gone, "enabled": True, "startupProbe": None},
        **dict.fromkeys(("podAnnotations", "podLabels", "commonLabels", "livenessProbe",
                         "extraManifests"))}, version, "--set", "dashboards.enabled=false")
    assert process.returncode == 0, process.stderr
    assert not [line for line in process.stdout.splitlines() if re.search(r": null$|<nil>", line)]


@pytest.mark.parametrize("version", HELMS)
def test_a_native_sidecar_is_refused_where_kubernetes_knows_none(version: str) -> None:
    for asked, refused in (("1.28.15", True), ("1.28.15-eks-1", True), ("1.29.0-gke.1", False)):
        process = with_values({"sidecar": {"native": True}}, version, "--kube-version", asked)
        assert bool(process.returncode) is refused, process.stderr
        assert ("sidecar.native: takes Kubernetes 1.29" in process.stderr) is refused


def test_every_value_is_described_and_every_default_is_known() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert not [path for path, schema in LEVELS if path and path[-1] not in ("*", "[]")
                and not schema.get("description") and path[-1] not in ("budgets_usd", "limits")]
    assert not [*Draft7Validator(SCHEMA).iter_errors(DEFAULTS)]
    assert SCHEMA["properties"].keys() - {"global", "enabled"} == DEFAULTS.keys()  # of parents
    for name, values in DEFAULTS.items():
        if "properties" in SCHEMA["properties"][name]:
            assert SCHEMA["properties"][name]["properties"].keys() == values.keys(), name


def test_configuration_has_the_keys_of_the_exporters_own() -> None:
    def keys(*path: str) -> set[str]:
        return {key for level, schema in LEVELS if tuple(level) == path
                for key in schema.get("properties", {})}

    def compare(record: type, *path: str) -> None:
        fields = {field.name for field in dataclasses.fields(record)}
        assert keys(*path) == fields - OTHERWISE.get(record, set()), path

    compare(config.GpuSection, "node", "config", "gpu")
    compare(config.CostSection, "node", "config", "cost")
    compare(config.EnginesSection, "sidecar", "config", "engines")
    compare(config.EngineTarget, "sidecar", "config", "engines", "targets", "[]")
    compare(config.FleetSection, "fleet", "config", "fleet")
    compare(config.MonthlyUsd, "fleet", "config", "fleet", "monthly_usd")
    compare(config.IntakeSection, "gateway", "config", "intake")
    compare(config.LedgerSection, "gateway", "config", "ledger")
    for place in ((), ("models", "*")):
        compare_to = typing.get_type_hints(config.ModelFleet).keys()
        assert keys("fleet", "config", "fleet", *place) >= compare_to
        assert keys("fleet", "config", "fleet", *place, "limits") == config.LIMITS.keys()
        assert keys("fleet", "config", "fleet", *place, "budgets_usd") == set(PERIOD.values)


def test_containers_run_as_the_user_for_whom_the_image_is_made() -> None:
    user = DEFAULTS["runAsUser"]
    assert f"\nUSER {user}:{user}\n" in (CHART.parent / "Dockerfile").read_text(encoding="utf-8")


def test_links_of_alerts_lead_where_the_generated_ones_do_by_default() -> None:
    options = Options()
    assert DEFAULTS["rules"]["runbookUrl"] == options.runbook_url
    assert DEFAULTS["rules"]["grafanaUrl"] == options.grafana_url
