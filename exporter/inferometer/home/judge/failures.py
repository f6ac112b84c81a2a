"""Requests that fail, and error budgets that burn."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from inferometer import catalogue as c
from inferometer.home import units
from inferometer.home.history import STEP_SECONDS
from inferometer.home.judge.evidence import Evidence
from inferometer.home.judge.figures import age, enough, error_ratio, requests
from inferometer.home.judge.latencies import slow
from inferometer.home.judge.model import OVER, PROBLEM, Finder, Finding, Judgement
from inferometer.home.judge.tally import FAILED, JUDGED, ModelKey, ModelTally
from inferometer.home.judge.tracks import HOUR, WINDOW

HALF_HOUR, TWO_HOURS, SIX_HOURS = HOUR // 2, 2 * HOUR, 6 * HOUR
LOOKS = 7 / 12  # of a long window for which a model has to be known

FailureTest = Callable[[ModelTally, int, float], bool]  # of a model, in a step, under its limit


def _ratio(model: ModelTally, step: int, many: int) -> float:
    """The error ratio; 0 where it is unknown, or the model is known for too short a time."""
    known_for = age(model, many, step) if many >= HOUR else 1.0
    return (error_ratio(model, step, many) or 0.0) if known_for >= LOOKS else 0.0


def _above(model: ModelTally, step: int, many: int, factor: float, limit: float,
           least: float = 0.0) -> bool:
    ratio = _ratio(model, step, many)
    return ratio > min(c.LARGEST_ERROR_RATIO, max(least, factor * limit))


def _failed_enough(model: ModelTally, step: int) -> bool:
    return requests(model, FAILED, step, HOUR) >= c.LEAST_FAILURES


def _outage(model: ModelTally, step: int, limit: float) -> bool:
    least = c.OUTAGE_REQUESTS * model.pace
    return (_above(model, step, WINDOW, c.OUTAGE_FACTOR, limit, c.OUTAGE_RATIO)
            and requests(model, JUDGED, step) >= least
            and requests(model, JUDGED, step, ago=WINDOW) >= least)


def _many_failing(model: ModelTally, step: int, limit: float) -> bool:
    now, before = (requests(model, JUDGED, step, ago=ago) for ago in (0, WINDOW))
    return (now >= enough(model) and before >= now / 2
            and all(_above(model, step, many, c.OUTAGE_FACTOR, limit, c.MANY_FAILING_RATIO)
                    for many in (WINDOW, 2 * WINDOW)))


def _seldom_asked_outage(model: ModelTally, step: int, _: float) -> bool:
    return (all(_ratio(model, step, many) > c.LARGEST_ERROR_RATIO for many in (HOUR, TWO_HOURS))
            and _failed_enough(model, step))


def _failing(model: ModelTally, step: int, limit: float) -> bool:
    return _ratio(model, step, WINDOW) > limit and _failed_enough(model, step)


def _seldom_asked_failing(model: ModelTally, step: int, limit: float) -> bool:
    return (all(_ratio(model, step, many) > limit for many in (HALF_HOUR, HOUR))
            and _failed_enough(model, step)
            and requests(model, JUDGED, step) < enough(model))


def _burning_hour(model: ModelTally, step: int, limit: float) -> bool:
    return (all(_above(model, step, many, c.BURN_FACTORS["1h"], limit) for many in (HOUR, WINDOW))
            and _judged_enough(model, step))


def _burning_six_hours(model: ModelTally, step: int, limit: float) -> bool:
    return (all(_above(model, step, many, c.BURN_FACTORS["6h"], limit)
                for many in (SIX_HOURS, HALF_HOUR))
            and _ratio(model, step, WINDOW) > limit and _judged_enough(model, step))


def _judged_enough(model: ModelTally, step: int) -> bool:
    return (_failed_enough(model, step)
            and requests(model, JUDGED, step, HOUR) >= c.ENOUGH_REQUESTS)


def _share(condition: FailureTest, many: int) -> Finder:
    """Models of which it is so, with the share that failed in so many steps."""
    def judge(evidence: Evidence) -> Iterable[Finding]:
        for key, model in evidence.models():
            limit = evidence.limit("error", key[1])
            if limit and condition(model, evidence.step, limit.value):
                ratio = error_ratio(model, evidence.step, many) or 0.0
                yield Finding(_owner(key), f"{units.share(ratio)} of requests failed over "
                              f"{units.duration(many * STEP_SECONDS)}, "
                              f"{limit.words(units.share)}")
    return judge


def _invalid(evidence: Evidence) -> Iterable[Finding]:
    for key, model in evidence.models():
        limit = evidence.limit("invalid", key[1])
        total = sum(requests(model, outcome, evidence.step) for outcome in c.OUTCOMES)
        if not limit or "success" not in model.counters or total < enough(model) or not total:
            continue
        if (ratio := requests(model, "invalid", evidence.step) / total) > limit.value:
            yield Finding(_owner(key), f"{units.share(ratio)} of requests were invalid, by the "
                          f"callers' fault, {limit.words(units.share)}")


def _degraded(evidence: Evidence) -> Iterable[Finding]:
    """It fails and is slow at once, against a limit that somebody chose."""
    slow_models = {finding.owner: finding
                   for name in ("time_to_first_token_p95", "request_duration_p95")
                   for finding in slow(name, very=False)(evidence)
                   if (limit := evidence.limit(name, finding.owner[2])) and limit.chosen}
    for finding in _share(_failing, WINDOW)(evidence):
        if finding.owner in slow_models:
            yield Finding(finding.owner,
                          f"{finding.text}; and {slow_models[finding.owner].text}")


def _owner(key: ModelKey) -> tuple[str, ...]:
    return ("model", *key)


_FAILING, _BURNING = "LLMRequestsFailing", "LLMErrorBudgetBurning"
JUDGEMENTS = (
    Judgement("LLMServiceDegraded", "critical", PROBLEM, _degraded),
    Judgement(_FAILING, "critical", PROBLEM, _share(_outage, WINDOW), "5m"),
    Judgement(_FAILING, "critical", PROBLEM, _share(_many_failing, 2 * WINDOW), "10m"),
    Judgement(_FAILING, "critical", PROBLEM, _share(_seldom_asked_outage, TWO_HOURS), "2h"),
    Judgement(_BURNING, "critical", PROBLEM, _share(_burning_hour, HOUR), "1h"),
    Judgement(_BURNING, "critical", PROBLEM, _share(_burning_six_hours, SIX_HOURS), "6h"),
    Judgement(_FAILING, "warning", OVER, _share(_failing, WINDOW), "5m"),
    Judgement(_FAILING, "warning", OVER, _share(_seldom_asked_failing, HOUR), "1h"),
    Judgement("LLMRequestsInvalid", "warning", OVER, _invalid),
)
