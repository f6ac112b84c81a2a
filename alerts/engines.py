"""Engines are down, hung, too few, restarting or without work.

What an engine's death causes: with other replicas left, `LLMEngineDown` where an exporter still
watches it, and nobody is paged. With none left, `LLMModelDown` pages, or `LLMWorkloadDown` where
engines do not report a model's name, and what else the death causes is covered (`degraded.COVERS`).
To have fewer replicas is no fault by itself, but for those who chose a least number of them.
"""

from __future__ import annotations

from alerts import absence, words
from alerts.model import ENGINE, SIZE, TRAFFIC, UNNAMED, Alert, AlertGroup
from alerts.promql import limit_value
from inferometer import catalogue as c
from recording_rules.capacity import MISSED, REPLICAS
from recording_rules.limits import LEAST_REPLICAS, SET_BY
from recording_rules.promql import ENDPOINT, HOUR, MODEL, SCOPE, by, on, over_engines
from recording_rules.requests import RATE_HOUR, SUCCESS
from recording_rules.workloads import WORKLOAD, of_workload

RESTARTS = c.MOST_RESTARTS
SERVED = 20  # requests in the same hour a week ago: fewer is chance
STUCK = f"{c.STUCK_SECONDS / 60:g}m"
DOWN_FOR = "9m"
_BEFORE_OTHERS = "It takes the place of alerts that hold 10 minutes, so it must come before them."

_PLACE = (*SCOPE, c.MODEL.name)
_PROGRESS = c.SERVER_LAST_PROGRESS.name
_TARGET = "{{ $labels.target }}"


def _at_work(metric: c.Metric) -> str:
    return f"sum {by(ENDPOINT)} ({metric.name}) > 0"


def _served(when: str = "") -> str:
    """Requests in an hour."""
    return f"sum {by(MODEL)} ({RATE_HOUR}{{{SUCCESS}}}{when}) * 3600"


def _restarts(matcher: str) -> str:
    return f"changes({c.SERVER_START.name}{matcher}[{HOUR}]) > {RESTARTS}"


def _down(subject: str) -> str:
    """In words: all at once, or again and again, where the value is a share of the window."""
    return (f"{{{{ if $value }}}}A replica of {subject} answered for only "
            f"{{{{ $value | humanizePercentage }}}} of the last {absence.WINDOW}, limit "
            f"{absence.LEAST_SHARE:.0%}: all go away again and again."
            f"{{{{ else }}}}No replica of {subject} has answered for {DOWN_FOR}.{{{{ end }}}}")


_ANSWERING = over_engines(_PLACE, lambda engines: (
    f"sum {by(_PLACE)} ({REPLICAS}{{{engines}, {absence.NAMED}}})"))
_LIMIT = LEAST_REPLICAS.selector.replace("}", f", {absence.NAMED}}}")
_OWN_LIMIT = LEAST_REPLICAS.selector.replace("}", f', {SET_BY}="{c.MODEL.name}"}}')
# Models of which nothing is left, which have no namespace then.
_NONE = f'label_replace(sum {by(LEAST_REPLICAS.labels)} ({_LIMIT}) * 0, "namespace", "", "", "")'
_LEAST = limit_value(LEAST_REPLICAS, "humanize")

MODEL_DOWN = Alert(
    "LLMModelDown", TRAFFIC, "critical",
    f"{absence.NAMED_AWAY} or ({absence.VANISHED_NAMED}) * 0",
    summary="No replica of the model answers.",
    description=f"{_down(words.MODEL)} The last state of its pods gives the reason, or the log of "
                "their exporters.",
    board="throughput", hold=DOWN_FOR, because=_BEFORE_OTHERS)
WORKLOAD_DOWN = Alert(
    "LLMWorkloadDown", UNNAMED, "critical",
    f"{absence.UNNAMED_AWAY} or ({absence.VANISHED_UNNAMED}) * 0",
    summary="No replica of a workload without a model's name answers.",
    description=f"{_down(f'{words.WORKLOAD} (target {_TARGET})')} Its engine, "
                "{{ $labels.engine }}, does not report which model it serves.",
    board="throughput", hold=DOWN_FOR, because=_BEFORE_OTHERS)
ENGINE_DOWN = Alert(
    "LLMEngineDown", ENGINE, "warning", absence.endpoints_away(c.SERVER_UP.name),
    summary="A replica does not answer.",
    description=f"The metrics page of {words.REPLICA} could be read in "
                f"{{{{ $value | humanizePercentage }}}} of the last {absence.WINDOW}. The "
                f"exporter's log gives the reason, under target {_TARGET}.",
    board="throughput")
ENGINE_HUNG = Alert(
    "LLMEngineHung", ENGINE, "critical",
    f"{c.SERVER_LAST_SCRAPE.name} - ({_PROGRESS} == {_PROGRESS} offset {STUCK}) "
    f"and {on(ENDPOINT)} ({_at_work(c.SERVER_RUNNING)} or {_at_work(c.SERVER_WAITING)})",
    summary="A replica has requests but generates no tokens.",
    description="No token has come for {{ $value | humanizeDuration }} from "
                f"{words.REPLICA} (target {_TARGET}), though it has requests. Its health check "
                "still succeeds, so nothing restarts it.",
    board="throughput", hold="5m",
    because="Tokens come every few milliseconds, and nothing else restarts what answers.")
FEWER_REPLICAS = Alert(
    "LLMReplicasBelowLimit", SIZE, "warning",
    f"({_ANSWERING} or {on(LEAST_REPLICAS.labels)} {_NONE}) "
    f"< {on(LEAST_REPLICAS.labels)} group_left () {_LIMIT}",
    summary="Fewer replicas of the model answer than its limit.",
    description=f"{words.MODEL} has {{{{ $value }}}} answering "
                f"replica{{{{ if ne $value 1.0 }}}}s{{{{ end }}}}, limit {_LEAST}. LLMEngineDown "
                "names those that are down; others were taken away or are not scheduled.",
    board="throughput")
MODEL_MISSING = Alert(
    "LLMModelMissing", SIZE, "critical",
    f"sum {by(LEAST_REPLICAS.labels)} ({_OWN_LIMIT} > 0) * 0 "
    f"unless {on(LEAST_REPLICAS.labels)} ({_ANSWERING}) > 0 "
    f"and {on(LEAST_REPLICAS.labels)} max_over_time({REPLICAS}[{MISSED}]) > 0",
    summary="No replica is left of a model that must have some.",
    description=f"{words.MODEL_OF_CLUSTER} has {{{{ $value }}}} answering replicas, limit "
                f"{_LEAST}. One answered within the last {MISSED}.",
    board="throughput")
ENGINE_RESTARTING = Alert(
    "LLMEngineRestarting", ENGINE, "warning", _restarts(""),
    summary="A replica restarts again and again.",
    description=f"The engine of {words.REPLICA} (target {_TARGET}) has started anew "
                f"{{{{ $value | humanize }}}} times in {HOUR}, limit {RESTARTS}. The last "
                "state of its container gives the reason.",
    board="throughput", hold="0m",
    because="It counts over an hour: nothing of it goes away by waiting.")
ENGINE_RESTARTING_ALONE = Alert(
    "LLMEngineRestarting", ENGINE, "critical",
    f"{_restarts(f'{{{absence.NAMED}}}')} and {on(MODEL)} "
    f"{absence.away_at_times(absence.REPLICAS_NAMED)} "
    f"or {of_workload(_restarts(f'{{{absence.UNNAMED}}}'))} and {on(WORKLOAD)} "
    f"{absence.away_at_times(absence.REPLICAS_UNNAMED)}",
    summary="A replica restarts again and again, and at times none answers.",
    description=f"{ENGINE_RESTARTING.description} At times no other replica answered.",
    board="throughput", hold="0m", because=ENGINE_RESTARTING.because)
SERVING_NOTHING = Alert(
    "LLMServingNothing", TRAFFIC, "warning",
    # An engine that has served nothing since its start may not show yet what it counts.
    f"({_served(' offset 1w')} > {SERVED} unless {on(MODEL)} {_served()} > 0) "
    f"and {on(MODEL)} {REPLICAS} > 0",
    summary="The model has served no request for an hour.",
    description=f"No request to {words.MODEL} has succeeded for {HOUR}, though its replicas "
                'answer. In the same hour of last week {{ $value | printf "%.0f" }} did.',
    board="throughput")

GROUP = AlertGroup("inferometer-engine-alerts", (
    MODEL_DOWN, WORKLOAD_DOWN, ENGINE_DOWN, ENGINE_HUNG, FEWER_REPLICAS, MODEL_MISSING,
    ENGINE_RESTARTING, ENGINE_RESTARTING_ALONE, SERVING_NOTHING,
))
