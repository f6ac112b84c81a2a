"""GPU → pod → model: which model has a GPU to itself, and what its GPUs do for it.

The kubelet says which pod has a GPU (`gpu_pod_info`, whose own `namespace` and `pod` are the
exporter's), a sidecar which model the pod serves (`llm_server_up`, whose are the engine's). Where
this is not clear a GPU is nobody's: it counts for the fleet and for no model. What is recorded is
which pods have how many; of the GPUs themselves there are too many.
"""

from __future__ import annotations

from inferometer import catalogue as c
from recording_rules.gpus import BUSY
from recording_rules.model import Group, Rule
from recording_rules.promql import HOUR, KEPT, MODEL, SCOPE, UUID, WINDOW, WORKERS, by, on

POD = (*SCOPE, "pod")
_CLAIMANT = ("cluster", c.POD_NAMESPACE.name, c.POD_NAME.name)
_ENGINE, _MODEL = c.ENGINE.name, c.MODEL.name


def _ambiguous(keys: tuple[str, ...], claims: tuple[str, ...], series: str) -> str:
    """Keys for which there is more than one set of claims."""
    return f"count {by(keys)} (count {by((*keys, *claims))} ({series})) > 1"


def _renamed(series: str, labels: tuple[str, ...], sources: tuple[str, ...]) -> str:
    """The series under further names of what its labels say."""
    for label, source in zip(labels, sources, strict=True):
        series = f'label_replace({series}, "{label}", "$1", "{source}", "(.*)")'
    return series


# As far back as rates look: who had the GPU in between had a part of what it did.
_CLAIMS, _SOLE_CLAIMS = (
    f"last_over_time({c.GPU_POD_INFO.name}{matchers}[{WINDOW}])"
    for matchers in ("", f'{{{c.SHARED.name}="false", {c.MIG.name}=""}}'))
# One series for each GPU that one pod has, and has whole.
_SOLE = (f"(group {by((*_CLAIMANT, c.UUID.name))} ({_SOLE_CLAIMS}) unless {on(UUID)} "
         f"({_ambiguous(UUID, (*_CLAIMANT[1:], c.MIG.name, c.SHARED.name), _CLAIMS)}))")

_WORKER = f'{c.SERVER_UP.name}{{pod!="", {WORKERS}}}'
_NAMED, _NAMELESS = (_WORKER.replace("}", f', {_MODEL}{equal}""}}') for equal in ("!=", "="))
# An exporter that starts beside an engine that is down does not know the model, but it was told.
_LAST_NAMED = f"({_NAMED} or last_over_time({_NAMED}[{HOUR}]) unless {on(POD)} {_NAMED})"
# One series for each pod that serves one model. Engines of it may be two: one of them stands for
# both. An engine that answers and names no model serves several, or does not tell.
_SERVING = (
    f"(topk {by(POD)} (1, group {by((*POD, _ENGINE, _MODEL))} ({_LAST_NAMED})) "
    f"unless {on(POD)} ({_ambiguous(POD, (_MODEL,), _LAST_NAMED)}) "
    f"unless {on(POD)} ({_ambiguous(POD, (_MODEL,), _WORKER)}) "
    f"unless {on(POD)} ({_NAMELESS} == 1))")
_OF_POD = _renamed(f"count {by(_CLAIMANT)} ({_SOLE})", POD[1:], _CLAIMANT[1:])
POD_GPUS = Rule(
    "model:pod_gpus:count",
    f"sum {by(POD)} ({_OF_POD}) * {on(POD)} group_left ({_ENGINE}, {_MODEL}) {_SERVING}",
    (*MODEL, "pod"), "GPUs that a pod which serves one model has to itself.")


def _gpus_of_models(pods: str) -> str:
    """One series for each GPU that is a model's, as far as it is known of these pods."""
    # A Prometheus that was down does not know that what it recorded of a pod is no longer so.
    owners = _renamed(f"topk {by(POD)} (1, {pods}) ^ 0", _CLAIMANT[1:], POD[1:])
    return (f"({_SOLE} * {on(_CLAIMANT)} group_left (namespace, {_ENGINE}, {_MODEL}) {owners})")


# Right after a gap it is not known yet which model a pod serves; it is the one it served before.
GPUS_OF_MODELS_BEFORE = _gpus_of_models(
    f"{POD_GPUS} or {on(POD)} last_over_time({POD_GPUS}[{KEPT}])")


def of_models(figure: str) -> str:
    """A figure of GPUs, which is there once for each of them, with the models' labels."""
    return (f"{figure} * {on(UUID)} group_left (namespace, {_ENGINE}, {_MODEL}) "
            f"{_gpus_of_models(POD_GPUS.name)}")


def once(expr: str) -> str:
    """A figure of GPUs, whoever sees them."""
    return f"max {by(UUID)} ({expr})"


def _model(name: str, expr: str, text: str) -> Rule:
    return Rule(f"model:{name}", expr, MODEL, text)


GPUS = _model("gpus:count", f"sum {by(MODEL)} ({POD_GPUS})",
              "GPUs that pods of the model have to themselves.")
REPLICAS_KNOWN = _model(
    "llm_server_gpus_known:ratio",
    f"avg {by(MODEL)} ({_NAMED} ^ 0 and {on(POD)} {POD_GPUS} or {_NAMED} * 0)",
    "Share of the model's replicas whose GPUs are known: others' money is not in the model's.")
MODEL_BUSY = _model("gpu_busy:ratio_5m", f"avg {by(MODEL)} ({of_models(str(BUSY))})",
                    "Share of the time in which a kernel ran, mean of the model's GPUs.")
_ENERGY = once(f"rate({c.GPU_ENERGY.name}[{WINDOW}])")
_UNKNOWN = f"{once(f'{c.GPU_UP.name} == 1')} * NaN"  # a sum with one of these is not >= 0
ENERGY = _model(
    "gpu_energy_joules:rate5m",
    f"sum {by(MODEL)} ({of_models(f'({_ENERGY} or {_UNKNOWN})')}) >= 0",
    "Energy used by the model's GPUs, in joules per second. Absent if one of them does not tell.")
_OUTPUT = f"rate({c.SERVER_OUTPUT.name}{{{WORKERS}}}[{WINDOW}])"
JOULES = _model(
    "gpu_energy_joules:per_output_token_5m",
    f"{ENERGY} / {on(MODEL)} (sum {by(MODEL)} ({_OUTPUT} and {on(POD)} {POD_GPUS}) > 0)",
    "Energy of the model's GPUs for each token that the pods with these GPUs generate.")

GROUPS = (Group("inferometer-attribution", (
    POD_GPUS, GPUS, REPLICAS_KNOWN, MODEL_BUSY, ENERGY, JOULES,
), interval="2m"),)
