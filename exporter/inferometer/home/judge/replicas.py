"""Engines that are down, hung, too few, or start again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inferometer import catalogue as c
from inferometer.home import units
from inferometer.home.judge.evidence import Evidence
from inferometer.home.judge.model import OVER, PROBLEM, Finding, Judgement, Owner
from inferometer.home.judge.tally import HALF_HOUR, REPLICAS, ModelKey
from inferometer.home.judge.tracks import HOUR, WINDOW, Track

UNKNOWN = "unknown"  # an engine of which no page was read yet


def _answered(share: float) -> str:
    """Of a share of the last half hour, in words."""
    return "does not answer" if not share else (
        f"answered for {units.ratio(share)} of the last {units.duration(1800)}")


def _engine_down(evidence: Evidence) -> Iterable[Finding]:
    for key, up in evidence.numbers(c.SERVER_UP):
        track = evidence.tally.track("up", key[0], steps=HALF_HOUR)
        share = evidence.away(track, up, c.AWAY_CHANGES, WINDOW)
        if share is not None:
            yield Finding(("engine", key[0]), _answered(share))


def _replicas(evidence: Evidence) -> dict[ModelKey, float]:
    """How many replicas of each model answer now, of engines whose kind is known."""
    sums: dict[ModelKey, float] = {}
    for key, up in evidence.numbers(c.SERVER_UP):
        if key[1] != UNKNOWN:
            sums[key[1], key[2]] = sums.get((key[1], key[2]), 0.0) + up
    return sums


def _all_away(evidence: Evidence, named: bool) -> Iterator[tuple[ModelKey, float]]:
    for key, up in _replicas(evidence).items():
        model = evidence.tally.models.get(key)
        some = Track(HALF_HOUR)
        values = model.gauges[REPLICAS].last(evidence.step, HALF_HOUR) if (
            model and REPLICAS in model.gauges) else []
        for place, value in enumerate(values, start=evidence.step - len(values) + 1):
            some.put(place, float(value > 0))
        share = evidence.away(some, up, c.AWAY_CHANGES, WINDOW)
        if bool(key[1]) is named and share is not None:
            yield key, 0.0 if up == 0 else share


def _model_down(evidence: Evidence) -> Iterable[Finding]:
    for key, share in _all_away(evidence, named=True):
        yield Finding(("model", *key), "no replica answers" if not share else
                      f"a replica {_answered(share)} only")


def _workload_down(evidence: Evidence) -> Iterable[Finding]:
    away = {key[0] for key, _ in _all_away(evidence, named=False)}
    for key, up in evidence.numbers(c.SERVER_UP):
        if key[1] in away and not key[2] and not up:
            yield Finding(("engine", key[0]), "does not answer")


def _hung(evidence: Evidence) -> Iterable[Finding]:
    at_work: dict[str, float] = {}
    for metric in (c.SERVER_RUNNING, c.SERVER_WAITING):
        for key, many in evidence.numbers(metric):
            at_work[key[0]] = at_work.get(key[0], 0.0) + many
    for key, progress in evidence.numbers(c.SERVER_LAST_PROGRESS):
        still = evidence.now - progress
        if at_work.get(key[0], 0.0) > 0 and still > c.STUCK_SECONDS * evidence.pace:
            yield Finding(("engine", key[0]), f"{units.many(at_work[key[0]], 'request')} at work, "
                          f"but no token for {units.duration(still)}", progress)


def _named_replicas(evidence: Evidence) -> dict[str, float]:
    """How many replicas of each model answer; routers count where no worker does."""
    workers: dict[str, float] = {}
    fronts: dict[str, float] = {}
    for (engine, model), up in _replicas(evidence).items():
        sums = fronts if engine in c.ROUTERS else workers
        sums[model] = sums.get(model, 0.0) + up
    return {**fronts, **workers}


def _too_few(evidence: Evidence) -> Iterable[Finding]:
    answering = _named_replicas(evidence)
    for model in {*answering, *evidence.limits.of_models("least_replicas")} - {""}:
        limit = evidence.limit("least_replicas", model)
        if limit and answering.get(model, 0.0) < limit.value:
            yield Finding(_model_owner(evidence, model), f"replicas that answer: "
                          f"{units.count(answering.get(model, 0.0))}, {limit.words(units.count)}")


def _missing(evidence: Evidence) -> Iterable[Finding]:
    answering = _named_replicas(evidence)
    for model, least in evidence.limits.of_models("least_replicas").items():
        seen = any(key[1] == model and REPLICAS in tally.gauges
                   and max(tally.gauges[REPLICAS].last(evidence.step, HOUR), default=0.0) > 0
                   for key, tally in evidence.tally.models.items())
        if least > 0 and seen and not answering.get(model):
            yield Finding(_model_owner(evidence, model), "no replica is left, limit "
                          f"{units.count(least)}")


def _model_owner(evidence: Evidence, model: str) -> Owner:
    return next((("model", *key) for key in evidence.tally.models if key[1] == model),
                ("model", "", model))


def _restarted(evidence: Evidence) -> Iterator[tuple[ModelKey, Finding]]:
    for key, _ in evidence.numbers(c.SERVER_UP):
        many = len(evidence.tally.happened("start", key[0], within=HOUR))
        if many > c.MOST_RESTARTS:
            yield (key[1], key[2]), Finding(
                ("engine", key[0]),
                f"it started anew {many} times in {units.duration(3600)}, limit {c.MOST_RESTARTS}")


def _restarts(evidence: Evidence) -> Iterable[Finding]:
    return (finding for _, finding in _restarted(evidence))


def _restarts_alone(evidence: Evidence) -> Iterable[Finding]:
    for model, finding in _restarted(evidence):
        tally = evidence.tally.models.get(model)
        if tally and REPLICAS in tally.gauges and not min(
                tally.gauges[REPLICAS].last(evidence.step, HOUR), default=1.0):
            yield finding


JUDGEMENTS = (
    Judgement("LLMModelDown", "critical", PROBLEM, _model_down),
    Judgement("LLMWorkloadDown", "critical", PROBLEM, _workload_down),
    Judgement("LLMEngineHung", "critical", PROBLEM, _hung),
    Judgement("LLMModelMissing", "critical", PROBLEM, _missing),
    Judgement("LLMEngineRestarting", "critical", PROBLEM, _restarts_alone),
    Judgement("LLMEngineDown", "warning", PROBLEM, _engine_down),
    Judgement("LLMEngineRestarting", "warning", PROBLEM, _restarts),
    Judgement("LLMReplicasBelowLimit", "warning", OVER, _too_few),
)
