"""Engines are down, hung, fewer, restarting or without work.

What an engine's death causes: with other replicas left, `LLMEngineDown` where an exporter still
watches it, `LLMReplicasLost` where it took its exporter along; nobody is paged. With none left,
`LLMModelDown` pages, and what else the death causes is covered by it (`degraded.COVERS`).
"""

from __future__ import annotations

from alerts.model import ENGINE, TRAFFIC, Alert, AlertGroup
from alerts.promql import MODEL_IN_WORDS
from inferometer import catalogue as c
from recording_rules.capacity import EXPECTED, REPLICAS, RUNNING
from recording_rules.exporters import SEEN
from recording_rules.promql import ENDPOINT, EXPORTER, FLEET, MODEL, SCOPE, by, on
from recording_rules.requests import RATE, RATE_HOUR, SUCCESS

RESTARTS = 3  # in an hour: once is an update, twice an update that was mended
SERVED = "20 / 3600"  # requests per second a week ago, in a whole hour: fewer is chance

MISSED_FOR = "6h"  # how long a model that vanished is missed
_ANYWHERE = ("cluster", c.MODEL.name)  # wherever and by whatever engine
_PROGRESS = c.SERVER_LAST_PROGRESS.name
_TARGET_IN_WORDS = f"{{{{ $labels.target }}}} ({MODEL_IN_WORDS})"
_IDENTIFIED = f'{c.ENGINE.name}!="unknown"'  # of others no page has been read yet: they start


_NAMED = f'{EXPECTED}{{{_IDENTIFIED}, {c.MODEL.name}!=""}}'  # some name their model late


def _at_work(metric: c.Metric) -> str:
    return f"sum {by(ENDPOINT)} ({metric.name}) > 0"


def _served(when: str = "") -> str:
    return f"sum {by(MODEL)} ({RATE_HOUR}{{{SUCCESS}}}{when})"


# An exporter of several engines that is gone says nothing of them; that of one shares its fate.
_WATCHED = f"group {by(ENDPOINT)} (last_over_time({c.SERVER_UP.name}[{MISSED_FOR}]))"
_UNSEEN = (f"(count {by(EXPORTER)} ({_WATCHED}) > 1 unless {on(EXPORTER)} up == 1)")


def _of_workload(series: str) -> str:
    """By what the pod is one of: a Deployment, or itself, as it is the same one after an update."""
    itself = f'label_replace({series}, "workload", "$1", "pod", "(.+)")'
    return f'label_replace({itself}, "workload", "$1", "pod", "{_DEPLOYED}")'


_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]"  # what Kubernetes makes names of
_DEPLOYED = f"(.+)-{_RANDOM}{{6,10}}-{_RANDOM}{{5}}"
_WORKLOAD = (*SCOPE, "workload", c.TARGET.name)
_ANSWERS = _of_workload(f'({c.SERVER_UP.name}{{pod!="", {_IDENTIFIED}}} == 1)')
# Targets that vanished with requests at work, or are no longer known to an exporter that started
# again beside them. A workload that answers by another name was given that name.
_LAST_RUNNING = f"last_over_time({c.SERVER_RUNNING.name}[{MISSED_FOR}])"
_DIED_AT_WORK = (f"sum {by(MODEL)} ({_of_workload(_LAST_RUNNING)} "
                 f"unless {on(ENDPOINT)} {c.SERVER_UP.name}{{{_IDENTIFIED}}} "
                 f"unless {on(EXPORTER)} {_UNSEEN} "
                 f"unless {on(_WORKLOAD)} {_ANSWERS}) > 0 and {on(FLEET)} {SEEN}")
_RESTARTS = f"changes({c.SERVER_START.name}[1h]) >= {RESTARTS}"

MODEL_DOWN = Alert(
    "LLMModelDown", TRAFFIC, "critical",
    f"{REPLICAS}{{{_IDENTIFIED}}} == 0 or ({_DIED_AT_WORK} unless {on(_ANYWHERE)} {RUNNING}) * 0",
    summary="No replica of the model answers.",
    description=f"{MODEL_IN_WORDS}: no replica's page can be read, or all have vanished with "
                "requests at work, their exporters included.",
    board="throughput", hold="9m",
    because="It takes the place of alerts that hold 10 minutes, so it must come before them.")
ENGINE_DOWN = Alert(
    "LLMEngineDown", ENGINE, "warning",
    f"{c.SERVER_UP.name} == 0",
    summary="The engine does not answer.",
    description=f"{_TARGET_IN_WORDS}: the exporter cannot read its page; the exporter's log says "
                "why.",
    board="throughput")
ENGINE_HUNG = Alert(
    "LLMEngineHung", ENGINE, "critical",
    f"{c.SERVER_LAST_SCRAPE.name} - ({_PROGRESS} == {_PROGRESS} offset 2m) "
    f"and {on(ENDPOINT)} ({_at_work(c.SERVER_RUNNING)} or {_at_work(c.SERVER_WAITING)})",
    summary="The engine has requests but makes no progress.",
    description=f"{_TARGET_IN_WORDS}: requests are there, but there has been no token for "
                "{{ $value | humanizeDuration }}. It still answers, so nothing restarts it.",
    board="throughput", hold="5m",
    because="Tokens come every few milliseconds, and nothing else restarts what answers.")
REPLICAS_LOST = Alert(
    "LLMReplicasLost", TRAFFIC, "warning",
    # Not one moment an hour ago: an update has more replicas for a while.
    f"{_NAMED} < min_over_time({_NAMED}[30m] offset 45m) "
    f"or ({_NAMED} offset 1h unless {on(_ANYWHERE)} {_NAMED}) * 0",
    summary="There are fewer replicas than an hour ago.",
    description=f"{MODEL_IN_WORDS}: {{{{ $value | humanize }}}} replicas are left.",
    board="throughput")
ENGINE_RESTARTING = Alert(
    "LLMEngineRestarting", ENGINE, "warning", _RESTARTS,
    summary="The engine restarts again and again.",
    description=f"{_TARGET_IN_WORDS}: {{{{ $value | humanize }}}} restarts in an hour.",
    board="throughput", hold="0m",
    because="It counts over an hour: nothing of it goes away by waiting.")
ENGINE_RESTARTING_ALONE = Alert(
    "LLMEngineRestarting", ENGINE, "critical",
    f"{_RESTARTS} and {on(MODEL)} min_over_time({REPLICAS}[1h]) == 0",
    summary="The engine restarts again and again, and at times no other replica answers.",
    description=ENGINE_RESTARTING.description,
    board="throughput", hold="0m", because=ENGINE_RESTARTING.because)
SERVING_NOTHING = Alert(
    "LLMServingNothing", TRAFFIC, "warning",
    f"{_served()} == 0 and {_served(' offset 1w')} > {SERVED} "
    f"and {on(MODEL)} {RATE}{{{SUCCESS}}}",
    summary="The model serves nothing, though it did at this time last week.",
    description=f"{MODEL_IN_WORDS}: no request has succeeded for an hour.",
    board="throughput")

GROUP = AlertGroup("inferometer-engine-alerts", (
    MODEL_DOWN, ENGINE_DOWN, ENGINE_HUNG, REPLICAS_LOST, ENGINE_RESTARTING,
    ENGINE_RESTARTING_ALONE, SERVING_NOTHING,
))
