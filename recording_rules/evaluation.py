"""Whether answers are good, as a judge and people see a sample of them, and how the judge fares.

Gateways of one ledger say the same of the sample; of several ledgers what is worst is recorded.
"""

from inferometer import catalogue as c
from inferometer.catalogue import Label, Metric
from recording_rules.model import Group, Rule
from recording_rules.promql import FLEET, HOUR, any_of, by, rate, ratio
from recording_rules.shares import ANSWERS

JUDGED = (*ANSWERS, c.JUDGED_EVALUATION.name)
LOOK_BACK, DAY = "6h", "1d"
UNJUDGED_RESULTS = tuple(result for result in c.JUDGEMENT_RESULT.values if result != "judged")
JUDGE = "judge"  # its model and the version of its prompts
_SCORE = c.EVALUATION_SCORE.name


def _of_judged(name: str, metric: Metric, *labels: Label) -> Rule:
    level = (*JUDGED, *(label.name for label in labels))
    return Rule(f"client:{name}", f"max {by(level)} ({metric.name})", level, metric.help)


def _of_judge(name: str, metric: Metric, pick: str = "max") -> Rule:
    return Rule(f"fleet:{name}", f"{pick} {by(FLEET)} ({metric.name})", FLEET, metric.help)


def asked(*results: str, level: tuple[str, ...] = ANSWERS, window: str = LOOK_BACK) -> str:
    """Verdicts that a judge was asked for in the window, with these results; with none, all."""
    matcher = f"{{{any_of(c.JUDGEMENT_RESULT, *results)}}}" if results else ""
    return f"sum {by(level)} (increase({c.JUDGEMENTS.name}{matcher}[{window}]))"


RATE = _of_judged("llm_evaluation_rate:ratio", c.EVALUATION_RATE, c.ESTIMATE, c.BOUND)
SAMPLE = _of_judged("llm_evaluation_sample_answers:max", c.EVALUATION_SAMPLE_SIZE, c.SAMPLE_KIND)
UNJUDGED = _of_judged("llm_evaluation_unjudged:ratio", c.UNJUDGED)
SENSITIVITY = _of_judged("llm_judge_sensitivity:ratio", c.JUDGE_SENSITIVITY)
SPECIFICITY = _of_judged("llm_judge_specificity:ratio", c.JUDGE_SPECIFICITY)
ALARM = _of_judged("llm_quality_alarm:ratio", c.QUALITY_ALARM, c.DETECTOR, c.ESTIMATE)
_OF_LIMIT = (*FLEET, c.JUDGED_EVALUATION.name, c.DETECTOR.name)
LIMIT = Rule(f"fleet:{c.EVALUATION_LIMIT.name}:effective",
             f"max {by(_OF_LIMIT)} ({c.EVALUATION_LIMIT.name})", _OF_LIMIT, c.EVALUATION_LIMIT.help)
_judged_only = any_of(c.JUDGED_EVALUATION, *c.JUDGED_EVALUATION.values)
SCORE = Rule(
    f"client:{_SCORE}:mean_{DAY}",
    ratio(*(f"sum {by(JUDGED)} (increase({_SCORE}_{part}{{{_judged_only}}}[{DAY}]))"
            for part in ("sum", "count"))), JUDGED,
    "Mean score of answers by what a judge was asked, over a day. Absent without any.")
UNANSWERED = Rule(
    f"client:llm_judgements_unjudged:ratio_{LOOK_BACK}",
    ratio(asked(*UNJUDGED_RESULTS), asked()), ANSWERS,
    f"Share of the verdicts that a judge was asked for in {LOOK_BACK} and did not give: nonsense, "
    "time-outs and failures. Absent without any.")
VERDICTS = Rule(
    "fleet:llm_judgements:increase1h",
    asked(level=(*FLEET, c.JUDGEMENT_RESULT.name), window=HOUR),
    (*FLEET, c.JUDGEMENT_RESULT.name), "In an hour: verdicts that a judge was asked for, by what "
    "came of it.")
WAITING = _of_judge("llm_judge_waiting:max", c.JUDGE_WAITING)
SAMPLING = _of_judge("llm_judge_sampling:ratio", c.JUDGE_SAMPLING, "min")
BUDGET_SPENT = _of_judge("llm_judge_budget_spent:ratio", c.JUDGE_BUDGET_SPENT)
COST = Rule(
    "fleet:llm_judge_cost_usd:increase1h",
    f"sum {by(FLEET)} (increase({c.JUDGE_COST.name}[{HOUR}]))", FLEET,
    "In an hour: what judging cost by the prices of calls, in USD.")
INPUT, OUTPUT = (Rule(
    f"fleet:{metric.name.removesuffix('_total')}:rate5m", rate(FLEET, metric), FLEET,
    f"{metric.help} Per second.") for metric in (c.JUDGE_INPUT, c.JUDGE_OUTPUT))
_joined = ", ".join(f'"{label.name}"' for label in c.JUDGE_INFO.labels)
PRESENT = Rule(
    "fleet:llm_judge_info:count",
    f"count {by((*FLEET, JUDGE))} "
    f'(label_join({c.JUDGE_INFO.name}, "{JUDGE}", " ", {_joined}))', (*FLEET, JUDGE),
    "Gateways that a judge works for, by its model and the digest of its prompts.")

GROUPS = (
    Group("inferometer-evaluation", (
        RATE, SAMPLE, UNJUDGED, SENSITIVITY, SPECIFICITY, ALARM, LIMIT, SCORE, UNANSWERED),
        interval="2m"),
    Group("inferometer-judge", (
        VERDICTS, WAITING, SAMPLING, BUDGET_SPENT, COST, INPUT, OUTPUT, PRESENT), interval="2m"),
)
