"""Examples of scaling: valid, of one make, and safe where an answer is missing."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import promql_parser as ast
import pytest
from jsonschema import Draft7Validator

from deploy.build.scaling import FINISHED_PER_SECOND, IN_FLIGHT, QUEUED
from deploy.build.writers import scaling
from inferometer import catalogue as c
from recording_rules.goodput import INTERVAL_SECONDS
from tests.bundle.kubernetes import NEWEST, findings, validated
from tests.bundle.manifests import faults
from tests.bundle.test_kubernetes import keys

EXAMPLES = scaling.examples()
ADAPTER = "prometheus-adapter.yaml"
OBJECTS = [document for name, example in EXAMPLES.items() if name != ADAPTER
           for document in example.documents]
SCALED = [document for document in OBJECTS if document["kind"] == "ScaledObject"]
TRIGGERS = [trigger for document in SCALED for trigger in document["spec"]["triggers"]]
# Of the type prometheus, as pkg/scalers/prometheus_scaler.go of KEDA 2.20 reads it.
TRIGGER_KEYS = {"serverAddress", "query", "queryParameters", "threshold", "activationThreshold",
                "namespace", "customHeaders", "ignoreNullValues", "unsafeSsl", "awsRegion",
                "timeout", "identityOwner", "authModes"}
_TEXT = {"type": "string"}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


# As pkg/config/config.go of prometheus-adapter 0.12 has it, which refuses all other keys.
ADAPTER_SCHEMA = closed(externalRules={"type": "array", "items": {**closed(
    seriesQuery=_TEXT, metricsQuery=_TEXT, name=closed(matches=_TEXT, **{"as": _TEXT}),
    seriesFilters={"type": "array", "items": closed(**{"is": _TEXT, "isNot": _TEXT})},
    resources=closed(template=_TEXT, namespaced={"type": "boolean"}, overrides={
        "type": "object", "additionalProperties": closed(group=_TEXT, resource=_TEXT)})),
    "required": ["seriesQuery", "metricsQuery"]}})


# Valid.


def test_a_cluster_takes_all_of_them() -> None:
    assert {document["kind"] for document in validated(OBJECTS)} == {
        "ScaledObject", "HorizontalPodAutoscaler"}
    for name in EXAMPLES.keys() - {ADAPTER}:
        assert faults(EXAMPLES[name].documents) == [], name


@pytest.mark.parametrize("name", ["keda.yaml", "hpa.yaml"])
def test_every_key_that_is_misspelt_is_found(name: str) -> None:
    [example] = EXAMPLES[name].documents
    document, tried = deepcopy(dict(example)), set()
    for path, holder in keys(document["kind"], document):
        if path not in tried and path[-2:-1] != ("metadata",):  # of a trigger: see below
            tried.add(path)
            holder["misspelt"] = holder.pop(path[-1])
            assert [*findings(document, NEWEST)], ".".join(path)
            holder[path[-1]] = holder.pop("misspelt")
    assert len(tried) >= 20


@pytest.mark.parametrize(("path", "value"), [
    (("fallback", "behavior"), "currentReplicasIfMore"), (("maxReplicaCount",), 0),
    (("triggers",), []), (("pollingInterval",), "30s"),
    (("triggers", 0, "metadata", "threshold"), 4)])
def test_a_value_that_keda_refuses_is_found(path: tuple[str | int, ...], value: object) -> None:
    document: Any = deepcopy(SCALED[0])
    node = document["spec"]
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    assert [*findings(document, NEWEST)]


def test_triggers_have_the_keys_that_their_scaler_reads() -> None:
    for trigger in TRIGGERS:
        assert trigger["type"] == "prometheus"
        assert trigger["metadata"].keys() <= TRIGGER_KEYS
        assert {"serverAddress", "query", "threshold"} <= trigger["metadata"].keys()
    for document in SCALED:
        names = [trigger["name"] for trigger in document["spec"]["triggers"]]
        assert len({*names}) == len(names)


def test_the_adapter_takes_its_rules() -> None:
    [config] = EXAMPLES[ADAPTER].documents
    assert [*Draft7Validator(ADAPTER_SCHEMA).iter_errors(config)] == []
    for rule in config["externalRules"]:
        assert isinstance(ast.parse(rule["seriesQuery"]), ast.VectorSelector)


# Of one make.


def test_the_autoscaler_asks_the_adapter_for_the_numbers_that_keda_asks_for() -> None:
    [config] = EXAMPLES[ADAPTER].documents
    [autoscaler] = EXAMPLES["hpa.yaml"].documents
    [scaled] = EXAMPLES["keda.yaml"].documents
    rules = {rule["name"]["as"]: rule["metricsQuery"] for rule in config["externalRules"]}
    external = [metric["external"] for metric in autoscaler["spec"]["metrics"]]
    assert [metric["metric"]["name"] for metric in external] == [*rules]
    matchers = f'namespace="{autoscaler["metadata"]["namespace"]}"'
    assert [(rules[metric["metric"]["name"]].replace("<<.LabelMatchers>>", matchers),
             metric["target"]["type"], metric["target"]["averageValue"]) for metric in external
            ] == [(trigger["metadata"]["query"], trigger["metricType"],
                   trigger["metadata"]["threshold"]) for trigger in scaled["spec"]["triggers"]]
    behavior = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert autoscaler["spec"]["behavior"] == behavior


def test_a_name_that_kubernetes_selects_by_no_label_stands_in_the_adapters_rules() -> None:
    [autoscaler] = EXAMPLES["hpa.yaml"].documents
    assert "/" in scaling.MODEL
    assert all(metric["external"]["metric"].keys() == {"name"}
               for metric in autoscaler["spec"]["metrics"])


# What is missing is not nothing to do.


def test_an_answer_that_is_missing_takes_no_replica_away() -> None:
    """But where there may be none: then what is idle, or not there, tells nothing."""
    for document in SCALED:
        spec = document["spec"]
        assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
        assert 1 <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
        ignored = {trigger["metadata"]["ignoreNullValues"] for trigger in spec["triggers"]}
        assert ignored == {"false" if spec["minReplicaCount"] else "true"}


def test_a_target_is_a_whole_number() -> None:
    """What older versions of KEDA fall back to is a multiple of it without its fraction."""
    assert all(re.fullmatch("[1-9][0-9]*", trigger["metadata"]["threshold"])
               and trigger["metricType"] == "AverageValue" for trigger in TRIGGERS)


def test_no_replica_is_taken_away_on_figures_from_before_it_was_there() -> None:
    """Goodput is of five minutes and comes when its rules do."""
    late = 300 + INTERVAL_SECONDS
    for document in SCALED:
        behavior = document["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= max(
            late, scaling.LOADING_SECONDS)
        for rules in behavior.values():
            for policy in rules["policies"]:
                assert scaling.LOADING_SECONDS <= policy["periodSeconds"] <= 1800


def test_targets_follow_from_the_limits() -> None:
    assert [QUEUED.target / FINISHED_PER_SECOND, IN_FLIGHT.target / FINISHED_PER_SECOND] == [
        c.LIMIT_DEFAULTS["request_queue_p95"], c.LIMIT_DEFAULTS["request_duration_p95"]]
