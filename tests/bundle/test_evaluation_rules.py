"""What a judge finds and how it fares, as it is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules import evaluation as rules
from tests.bundle.client_inputs import CALL, CALLER, GATEWAY, SECOND
from tests.bundle.promtool import Series, growing, series
from tests.bundle.rule_cases import BOTH_VERSIONS, NOTHING, Case, cases, one, prove

ANSWER = {"service_name": CALL["service_name"], "model": CALL["model"]}
OF = {**ANSWER, "evaluation": "faithfulness"}
AT_ANSWER = {"cluster": CALLER["cluster"], **ANSWER}
AT = {**AT_ANSWER, "evaluation": "faithfulness"}
AT_CLUSTER = {"cluster": CALLER["cluster"]}
CORRECTED = {"estimate": "corrected", "bound": "point"}
MINUTES = 420


def now(metric: Metric, value: float, scrape: Mapping[str, str] = GATEWAY, /, **labels: str
        ) -> Series:
    return series(metric, f"{value:g}x{MINUTES}", scrape=scrape, **labels)


def grown(metric: Metric, a_minute: float, scrape: Mapping[str, str] = GATEWAY, suffix: str = "",
          /, **labels: str) -> Series:
    return series(metric, growing(a_minute, MINUTES), scrape=scrape, suffix=suffix, **labels)


@BOTH_VERSIONS
@cases(
    Case("a rate at two gateways of one ledger", tuple(
        now(c.EVALUATION_RATE, 0.04, scrape, **OF, **CORRECTED) for scrape in (GATEWAY, SECOND)), {
        rules.RATE: one(0.04, **AT, **CORRECTED)}),
    Case("rates at gateways of two ledgers: the worse one", (
        now(c.EVALUATION_RATE, 0.04, GATEWAY, **OF, **CORRECTED),
        now(c.EVALUATION_RATE, 0.07, SECOND, **OF, **CORRECTED)), {
        rules.RATE: one(0.07, **AT, **CORRECTED)}),
    Case("what a rate is made of", (
        now(c.EVALUATION_SAMPLE_SIZE, 3000, **OF, kind="judged"),
        now(c.EVALUATION_SAMPLE_SIZE, 200, **OF, kind="labelled"),
        now(c.UNJUDGED, 0.03, **OF), now(c.JUDGE_SENSITIVITY, 0.85, **OF),
        now(c.JUDGE_SPECIFICITY, 0.95, **OF)), {
        rules.SAMPLE: [({**AT, "kind": "judged"}, 3000), ({**AT, "kind": "labelled"}, 200)],
        rules.UNJUDGED: one(0.03, **AT), rules.SENSITIVITY: one(0.85, **AT),
        rules.SPECIFICITY: one(0.95, **AT)}),
    Case("evidence, and what it is held against", (
        now(c.QUALITY_ALARM, 0.2, GATEWAY, **OF, detector="rate", estimate="judged"),
        now(c.QUALITY_ALARM, 1.3, SECOND, **OF, detector="rate", estimate="judged"),
        now(c.EVALUATION_LIMIT, 0.05, evaluation="faithfulness", detector="rate")), {
        rules.ALARM: one(1.3, **AT, detector="rate", estimate="judged"),
        rules.LIMIT: one(0.05, **AT_CLUSTER, evaluation="faithfulness", detector="rate")}),
    Case("scores of the judge, and of an application's own kind", (
        grown(c.EVALUATION_SCORE, 8, GATEWAY, "_sum", **OF),
        grown(c.EVALUATION_SCORE, 10, GATEWAY, "_count", **OF),
        grown(c.EVALUATION_SCORE, 4, GATEWAY, "_sum", **ANSWER, evaluation="politeness"),
        grown(c.EVALUATION_SCORE, 5, GATEWAY, "_count", **ANSWER, evaluation="politeness")), {
        rules.SCORE: one(0.8, **AT)}),
    Case("no score of late", (
        now(c.QUALITY_ALARM, 0, **OF, detector="mean", estimate="judged"),
        grown(c.EVALUATION_SCORE, 0, GATEWAY, "_sum", **OF),
        grown(c.EVALUATION_SCORE, 0, GATEWAY, "_count", **OF)), {rules.SCORE: NOTHING}),
    Case("verdicts of two gateways", tuple(
        grown(c.JUDGEMENTS, a_minute, scrape, **ANSWER, result=result)
        for scrape in (GATEWAY, SECOND)
        for result, a_minute in (("judged", 0.9), ("timeout", 0.06), ("nonsense", 0.04),
                                 ("failed", 0))), {
        rules.UNANSWERED: one(0.1, **AT_ANSWER),
        rules.VERDICTS: [({**AT_CLUSTER, "result": result}, number) for result, number in (
            ("judged", 108), ("timeout", 7.2), ("nonsense", 4.8), ("failed", 0))]}, time="400m"),
    Case("a judge that is not asked", tuple(
        grown(c.JUDGEMENTS, 0, GATEWAY, **ANSWER, result=result)
        for result in c.JUDGEMENT_RESULT.values), {rules.UNANSWERED: NOTHING}, time="400m"),
    Case("how a judge fares at two gateways", (
        now(c.JUDGE_WAITING, 3), now(c.JUDGE_WAITING, 5, SECOND),
        now(c.JUDGE_SAMPLING, 0.01), now(c.JUDGE_SAMPLING, 0.004, SECOND),
        now(c.JUDGE_BUDGET_SPENT, 0.2), now(c.JUDGE_BUDGET_SPENT, 0.6, SECOND),
        *(grown(c.JUDGE_COST, 0.01, scrape, model="judge") for scrape in (GATEWAY, SECOND)),
        *(grown(c.JUDGE_INPUT, 600, scrape, model="judge") for scrape in (GATEWAY, SECOND)),
        grown(c.JUDGE_OUTPUT, 60, model="judge")), {
        rules.WAITING: one(5, **AT_CLUSTER), rules.SAMPLING: one(0.004, **AT_CLUSTER),
        rules.BUDGET_SPENT: one(0.6, **AT_CLUSTER), rules.COST: one(1.2, **AT_CLUSTER),
        rules.INPUT: one(20, **AT_CLUSTER), rules.OUTPUT: one(1, **AT_CLUSTER)}, time="120m"),
    Case("a judge that has another prompt at one gateway", (
        now(c.JUDGE_INFO, 1, GATEWAY, model="judge", prompts="aa"),
        now(c.JUDGE_INFO, 1, SECOND, model="judge", prompts="bb")), {
        rules.PRESENT: [({**AT_CLUSTER, "judge": "judge aa"}, 1),
                        ({**AT_CLUSTER, "judge": "judge bb"}, 1)]}),
)
def test_what_is_recorded(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)
