"""scaling/: examples for KEDA, and for Kubernetes' own autoscaler through prometheus-adapter.

They scale a Deployment `chat` in the namespace `chat`, which serves the model `acme/chat`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.build.scaling import AT_A_FRONT, POOLS, SIGNALS, Signal, fronts, workers

NAMESPACE, DEPLOYMENT, MODEL = "chat", "chat", "acme/chat"
GATEWAY = "gateway"  # the namespace of what stands in front
PROMETHEUS = "http://prometheus-operated.monitoring.svc:9090"
LOADING_SECONDS = 300  # from a pod's creation to its first request: to be measured
POLL_SECONDS = 30  # rules are evaluated every minute
CALM_SECONDS = 2 * LOADING_SECONDS  # without need before a replica is taken away
LEAST, MOST = 1, 8  # replicas
BLIND, BLIND_TO_ZERO = 2, 1  # replicas at least while nothing is known
MISSES = 3  # polls without an answer until then

_SCOPE = (f'namespace="{NAMESPACE}"', f'model="{MODEL}"')
_FRONT_SCOPE = (f'namespace="{GATEWAY}"', f'model="{MODEL}"')
_REPLACE = (
    f"An example for a Deployment {DEPLOYMENT} in the namespace {NAMESPACE}, whose model is "
    f"{MODEL}.",
    "Put in your names and targets, and take out what your engine does not tell: docs/scaling.md.")


@dataclass(frozen=True)
class Example:
    """Documents of one file, and what is said above them."""

    documents: Sequence[dict[str, Any]]
    remarks: Sequence[str]


def examples() -> dict[str, Example]:
    """Every file by its name."""
    return {
        "keda.yaml": Example([_scaled(DEPLOYMENT, _triggers(SIGNALS, workers(*_SCOPE)))], (
            *_REPLACE, f"For KEDA 2.20. Replace {PROMETHEUS} by your Prometheus' address.")),
        "keda-to-zero.yaml": Example([_scaled(DEPLOYMENT, [
            _trigger(AT_A_FRONT, fronts(*_FRONT_SCOPE), missing_is_none=True),
            *_triggers(SIGNALS, workers(*_SCOPE), missing_is_none=True)], least=0)], (
                *_REPLACE, "Without replicas only what stands in front of the model tells of "
                "requests:", f"here it is in the namespace {GATEWAY}.")),
        "keda-prefill-decode.yaml": Example([
            _scaled(f"{DEPLOYMENT}-{pool}", _triggers(signals, workers(
                _SCOPE[0], f'pod=~"{DEPLOYMENT}-{pool}-.+"'))) for pool, signals in POOLS.items()],
            (*_REPLACE, "Two Deployments serve one model, and recorded series do not tell them "
                        "apart:", "these are the engines' own, by pods' names.")),
        "hpa.yaml": Example([_autoscaler()], (
            *_REPLACE, "Its metrics are those of prometheus-adapter.yaml beside it.")),
        "prometheus-adapter.yaml": Example([{"externalRules": [*map(_rule, SIGNALS)]}], (
            *_REPLACE, "The adapter's configuration; in its Helm chart's values, rules.external "
                       "takes the list.")),
    }


def _triggers(signals: Iterable[Signal], chosen: str, *,
              missing_is_none: bool = False) -> list[dict[str, Any]]:
    return [_trigger(signal, chosen, missing_is_none=missing_is_none) for signal in signals]


def _trigger(signal: Signal, chosen: str, *, missing_is_none: bool = False) -> dict[str, Any]:
    return {
        "type": "prometheus", "name": signal.name.replace("_", "-"), "metricType": "AverageValue",
        "metadata": {
            "serverAddress": PROMETHEUS, "query": signal.expr(chosen),
            "threshold": str(signal.target), "activationThreshold": str(signal.idle),
            "ignoreNullValues": str(missing_is_none).lower()}}


def _scaled(deployment: str, triggers: Sequence[Mapping[str, Any]],
            least: int = LEAST) -> dict[str, Any]:
    to_zero = {} if least else {"cooldownPeriod": CALM_SECONDS,
                                "initialCooldownPeriod": CALM_SECONDS}
    return {
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": deployment, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"name": deployment},
            "minReplicaCount": least, "maxReplicaCount": MOST, "pollingInterval": POLL_SECONDS,
            **to_zero,
            "fallback": {"failureThreshold": MISSES,
                         "replicas": BLIND if least else BLIND_TO_ZERO,
                         "behavior": "currentReplicasIfHigher"},
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behavior()}},
            "triggers": triggers}}


def _behavior() -> dict[str, Any]:
    """Up by twice as many in the time that one loads; down one by one, after a calm time."""
    return {
        "scaleUp": {"stabilizationWindowSeconds": 2 * POLL_SECONDS, "selectPolicy": "Max",
                    "policies": [
                        {"type": "Percent", "value": 100, "periodSeconds": LOADING_SECONDS},
                        {"type": "Pods", "value": 2, "periodSeconds": LOADING_SECONDS}]},
        "scaleDown": {"stabilizationWindowSeconds": CALM_SECONDS, "policies": [
            {"type": "Pods", "value": 1, "periodSeconds": LOADING_SECONDS}]}}


def _autoscaler() -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": DEPLOYMENT},
            "minReplicas": LEAST, "maxReplicas": MOST, "behavior": _behavior(),
            "metrics": [{"type": "External", "external": {
                "metric": {"name": _external(signal)},
                "target": {"type": "AverageValue", "averageValue": str(signal.target)}}}
                for signal in SIGNALS]}}


def _rule(signal: Signal) -> dict[str, Any]:
    """The model stands in the rule: a selector of Kubernetes takes no name that has a slash."""
    return {
        "seriesQuery": f'{signal.series.name}{{namespace!="", {_SCOPE[1]}}}',
        "resources": {"overrides": {"namespace": {"resource": "namespace"}}},
        "name": {"matches": ".*", "as": _external(signal)},
        "metricsQuery": signal.expr(workers("<<.LabelMatchers>>", _SCOPE[1]))}


def _external(signal: Signal) -> str:
    return f"{DEPLOYMENT}_{signal.name}"
