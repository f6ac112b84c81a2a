"""GPU → pod → model: which model has a GPU to itself, and what its GPUs do for it.

The kubelet says which pod has a GPU (`gpu_pod_info`, whose own `namespace` and `pod` are the
exporter's), a sidecar which model the pod serves (`llm_server_up`, whose are the engine's). Where
this is not clear a GPU is nobody's: it counts for the fleet and for no model. What GPUs are whose
is worked out where it is asked and not recorded, as there are many GPUs and few models.
"""

from __future__ import annotations

from inferometer import catalogue as c
from recording_rules.gpus import BUSY, lacking
from recording_rules.model import Group, Rule
from recording_rules.promql import HOUR, MODEL, SCOPE, WINDOW, WORKERS, by, on

UUID = ("cluster", c.UUID.name)
POD = (*SCOPE, "pod")
_CLAIMANT = (c.POD_NAMESPACE.name, c.POD_NAME.name)
_WHOLE = f'{c.SHARED.name}="false", {c.MIG.name}=""'
_MODEL = c.MODEL.name


def _or_lately(series: str, window: str, keys: tuple[str, ...], told: str) -> str:
    """What is told, or was lately, as long as nothing else is told of these keys."""
    return f"({series} or last_over_time({series}[{window}]) unless {on(keys)} {told})"


def _several(keys: tuple[str, ...], what: tuple[str, ...], series: str) -> str:
    """Keys of which more than one thing is told."""
    return f"count {by(keys)} (count {by((*keys, *what))} ({series})) > 1"


def _claims(matchers: str = "") -> str:
    """Kubelets may be silent for as long as rates look back."""
    claims = c.GPU_POD_INFO.name
    return _or_lately(f"{claims}{{{matchers}}}" if matchers else claims, WINDOW, UUID, claims)


def _renamed(label: str, source: str, series: str) -> str:
    return f'label_replace({series}, "{label}", "$1", "{source}", "(.*)")'


# One series for each GPU that one pod has whole, under the pod's names.
_HELD = _renamed("namespace", _CLAIMANT[0], _renamed(
    "pod", _CLAIMANT[1],
    f"(group {by((*UUID, *_CLAIMANT))} ({_claims(_WHOLE)}) unless {on(UUID)} "
    f"({_several(UUID, (*_CLAIMANT, c.MIG.name, c.SHARED.name), _claims())}))"))
_WORKER = f'{c.SERVER_UP.name}{{pod!="", {WORKERS}}}'
_NAMED, _NAMELESS = (_WORKER.replace("}", f', {_MODEL}{equal}""}}') for equal in ("!=", "="))
# An exporter that starts beside an engine that is down does not know the model, but it was told.
_KNOWN = _or_lately(_NAMED, HOUR, POD, _NAMED)
# Engines of one model may be two in a pod: one of them stands for both. An engine that answers and
# names no model serves several, or does not tell.
SERVING = Rule(
    "model:llm_server_pods:serving",
    f"topk {by(POD)} (1, group {by((*MODEL, 'pod'))} ({_KNOWN})) "
    f"unless {on(POD)} ({_several(POD, (_MODEL,), _KNOWN)}) "
    f"unless {on(POD)} ({_several(POD, (_MODEL,), _WORKER)}) "
    f"unless {on(POD)} ({_NAMELESS} == 1)", (*MODEL, "pod"),
    "1 for each pod that serves this model and no other, or did within the hour.")
# 1 for each GPU that is a model's, with the GPU's, the pod's and the model's labels.
OWNED = f"({_HELD} * {on(POD)} group_left ({c.ENGINE.name}, {_MODEL}) {SERVING})"


def of_models(once: str) -> str:
    """A figure of GPUs, which is there once for each of them, with the models' labels."""
    return f"{once} * {on(UUID)} group_left (namespace, {c.ENGINE.name}, {_MODEL}) {OWNED}"


def once(expr: str) -> str:
    """A figure of GPUs, whoever sees them."""
    return f"max {by(UUID)} ({expr})"


def _model(name: str, expr: str, text: str) -> Rule:
    return Rule(f"model:{name}", expr, MODEL, text)


GPUS = _model("gpus:count", f"count {by(MODEL)} ({OWNED})",
              "GPUs that pods of the model have to themselves.")
MODEL_BUSY = _model("gpu_busy:ratio_5m", f"avg {by(MODEL)} ({of_models(str(BUSY))})",
                    "Share of the time in which a kernel ran, mean of the model's GPUs.")
_ENERGY = f"rate({c.GPU_ENERGY.name}[{WINDOW}])"
ENERGY = _model(
    "gpu_energy_joules:rate5m",
    f"sum {by(MODEL)} ({of_models(once(_ENERGY))}) unless {on(MODEL)} "
    f"count {by(MODEL)} ({of_models(once(lacking(c.GPU_ENERGY)))})",
    "Energy used by the model's GPUs, in joules per second. Absent if one of them does not tell.")
_OUTPUT = f"rate({c.SERVER_OUTPUT.name}{{{WORKERS}}}[{WINDOW}])"
JOULES = _model(
    "gpu_energy_joules:per_output_token_5m",
    f"{ENERGY} / {on(MODEL)} (sum {by(MODEL)} ({_OUTPUT} and {on(POD)} {OWNED}) > 0)",
    "Energy of the model's GPUs for each token that the pods with these GPUs generate.")
REPLICAS_KNOWN = _model(
    "llm_server_gpus_known:ratio",
    f"avg {by(MODEL)} ({_NAMED} ^ 0 and {on(POD)} {OWNED} or {_NAMED} * 0)",
    "Share of the model's replicas whose GPUs are known: others' money is not in the model's.")

GROUPS = (
    Group("inferometer-pods", (SERVING,)),
    Group("inferometer-attribution", (
        GPUS, MODEL_BUSY, ENERGY, JOULES, REPLICAS_KNOWN,
    ), interval="2m"),
)
