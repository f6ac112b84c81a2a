"""Whether answers are good: checks of each answer, a judge's verdicts on a sample, and its rates.
"""

from __future__ import annotations

from inferometer.catalogue.client import SERVICE_NAME, STEP_SEATS
from inferometer.catalogue.engine import MODEL
from inferometer.catalogue.model import Label, Metric, Range
from inferometer.evaluations import JUDGED, LABELS, JudgementResult

JUDGED_SEATS = 40  # services with their models of which a judge sees answers
EVALUATION_SEATS = 200  # services with their models, and what applications or a judge say of them
JUDGES = 10  # models that judge, one after the other

EVALUATION = Label("evaluation", "What an answer was looked at for: by a check, by a judge, or by "
                   "its application.", budget=40, folds=True)
JUDGED_EVALUATION = Label("evaluation", "What a judge was asked of an answer.", values=JUDGED)
EVALUATION_LABEL = Label("label", "What it came to.", values=LABELS)
ESTIMATE = Label("estimate", "Whether it is what the judge says, or corrected by what people say "
                 "of a part of the same answers.", values=("judged", "corrected"))
BOUND = Label("bound", "The estimate itself, or an end of its interval of 95 %.",
              values=("point", "lower", "upper"))
SAMPLE_KIND = Label("kind", "Answers that were judged, or labelled by people.",
                    values=("judged", "labelled"))
DETECTOR = Label("detector", "What is watched: the rate of answers that fail, or the daily mean of "
                 "the score.", values=("rate", "mean"))
JUDGEMENT_RESULT = Label("result", "What came of asking the judge.",
                         values=tuple(result.value for result in JudgementResult))
_OF_ANSWERS = (SERVICE_NAME, MODEL)
_OF_JUDGED = (*_OF_ANSWERS, JUDGED_EVALUATION)
SCORE_BOUNDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

EVALUATIONS = Metric(
    "llm_evaluations_total", "counter", "Answers that were looked at, by what it came to.",
    (*_OF_ANSWERS, EVALUATION, EVALUATION_LABEL), 400)
EVALUATION_SCORE = Metric(
    "llm_evaluation_score", "histogram", "Scores of answers, 0 to 1, of those that have one.",
    (*_OF_ANSWERS, EVALUATION), EVALUATION_SEATS, len(SCORE_BOUNDS))
JUDGEMENTS = Metric(
    "llm_judgements_total", "counter", "Verdicts that a judge was asked for on answers of the "
    "random sample, by what came of it.", (*_OF_ANSWERS, JUDGEMENT_RESULT), STEP_SEATS)
EVALUATION_RATE = Metric(
    "llm_evaluation_rate_ratio", "gauge", "Part of the answers that fail, of the random sample of "
    "the last 28 days by the present judge, with its interval. Corrected where people have "
    "labelled enough of them; absent where too few could be judged.",
    (*_OF_JUDGED, ESTIMATE, BOUND), JUDGED_SEATS, replaced=True)
EVALUATION_SAMPLE = Metric(
    "llm_evaluation_sample_total", "counter",
    "Answers of the random sample that were judged, and those of them that people labelled.",
    (*_OF_JUDGED, SAMPLE_KIND), JUDGED_SEATS)
EVALUATION_SAMPLE_SIZE = Metric(
    "llm_evaluation_sample_answers", "gauge",
    "How many answers and labels the present rate is made of.",
    (*_OF_JUDGED, SAMPLE_KIND), JUDGED_SEATS, replaced=True)
UNJUDGED = Metric(
    "llm_evaluation_unjudged_ratio", "gauge", "Part of the sample that could not be judged; above "
    "0.1 there is no rate.", _OF_JUDGED, JUDGED_SEATS, replaced=True)
JUDGE_SENSITIVITY = Metric(
    "llm_judge_sensitivity_ratio", "gauge", "Of the answers that fail by their labels, the part "
    "that the judge flags.", _OF_JUDGED, JUDGED_SEATS, replaced=True)
JUDGE_SPECIFICITY = Metric(
    "llm_judge_specificity_ratio", "gauge", "Of the answers that are good by their labels, the "
    "part that the judge lets pass.", _OF_JUDGED, JUDGED_SEATS, replaced=True)
QUALITY_ALARM = Metric(
    "llm_quality_alarm_ratio", "gauge", "Evidence that answers fail more often than the limit, or "
    "that their score fell, as a part of what an alarm takes: from 1 on it is one, which is false "
    "once a year at most. Estimate says whether the limit was carried through the judge's errors.",
    (*_OF_JUDGED, DETECTOR, ESTIMATE), JUDGED_SEATS, stated_range=Range(most=3.0, hair=0.01),
    replaced=True)
EVALUATION_LIMIT = Metric(
    "llm_evaluation_limit_ratio", "gauge", "The limit that the detector holds answers against: a "
    "part of answers that fail, or how far the mean score may fall.",
    (JUDGED_EVALUATION, DETECTOR), 1)
JUDGE_INFO = Metric(
    "llm_judge_info", "gauge", "The present judge and the version of its prompts; always 1.",
    (MODEL, Label("prompts", "A digest of the prompts.", budget=JUDGES)), 1, replaced=True)
JUDGE_INPUT = Metric("llm_judge_input_tokens_total", "counter", "Tokens that judges read.",
                     (MODEL,), JUDGES)
JUDGE_OUTPUT = Metric("llm_judge_output_tokens_total", "counter", "Tokens that judges generated.",
                      (MODEL,), JUDGES)
JUDGE_COST = Metric("llm_judge_cost_usd_total", "counter", "What judging cost by the prices of "
                    "calls; it is a part of llm_cost_usd_total.", (MODEL,), JUDGES)
JUDGE_WAITING = Metric("llm_judge_waiting", "gauge", "Answers that wait for the judge.")
JUDGE_SAMPLING = Metric(
    "llm_judge_sampling_ratio", "gauge", "Part of the answers that come into the sample now: less "
    "than the configured one where the day's budget would not last.")
JUDGE_BUDGET_SPENT = Metric(
    "llm_judge_budget_spent_ratio", "gauge", "Part of the day's budget that is spent, of money or "
    "of calls, whichever is more; the day is UTC.")

EVALUATION_METRICS = (
    EVALUATIONS, EVALUATION_SCORE, JUDGEMENTS, EVALUATION_RATE, EVALUATION_SAMPLE,
    EVALUATION_SAMPLE_SIZE, UNJUDGED, JUDGE_SENSITIVITY, JUDGE_SPECIFICITY, QUALITY_ALARM,
    EVALUATION_LIMIT, JUDGE_INFO, JUDGE_INPUT, JUDGE_OUTPUT, JUDGE_COST, JUDGE_WAITING,
    JUDGE_SAMPLING, JUDGE_BUDGET_SPENT)
