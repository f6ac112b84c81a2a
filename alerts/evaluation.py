"""Answers that fail more often than their limit, as a judge sees a sample, and blind judges.

The evidence comes as a number: above 1 it is an alarm, which is false once a year at most, of all
that is watched together. It has to fall below 0.8 before the alert ends, so that it does not come
and go.
"""

from __future__ import annotations

from alerts import words
from alerts.model import ANSWERS, JUDGE, JUDGED, Alert, AlertGroup
from alerts.promql import answered
from inferometer import catalogue as c
from recording_rules import evaluation
from recording_rules.evaluation import ALARM, LIMIT, LOOK_BACK, RATE, SAMPLE, SCORE, UNANSWERED
from recording_rules.model import Rule
from recording_rules.promql import FLEET, HOUR, any_of, by, on
from recording_rules.shares import ANSWERS as OF_ANSWERS

RAISED, ENDED = 1.0, 0.8  # of what an alarm takes
MOST_UNJUDGED = 0.1
LEAST_ASKED = 20  # verdicts, below which a share of them says nothing
_ONE_OF = OF_ANSWERS
_SHARE, _EVIDENCE = "humanizePercentage", 'printf "%.2g"'
_FIRST = "{{{{ . | first | value | {} }}}}"


def _alarm(evaluated: str, detector: str) -> str:
    chosen = ", ".join((any_of(c.JUDGED_EVALUATION, evaluated), any_of(c.DETECTOR, detector)))
    return f"max {by(_ONE_OF)} ({ALARM}{{{chosen}}})"


def _raised(name: str, evaluated: str, detector: str) -> str:
    """From what takes an alarm on, until it is clearly below that."""
    watched = _alarm(evaluated, detector)
    firing = f'ALERTS{{alertname="{name}", alertstate="firing"}}'
    return f"{watched} >= {RAISED:g} or {watched} >= {ENDED:g} and {on(_ONE_OF)} {firing}"


def _figure(rule: Rule, unit: str, *matchers: str, labels: tuple[str, ...] = _ONE_OF) -> str:
    return answered(f"{rule}{{{', '.join(matchers)}, %s}}", _FIRST.format(unit), labels=labels)


def _of_rate(evaluated: str, corrected: str, judged: str, otherwise: str) -> str:
    """One text or another, of which the dot is the share of answers that fail."""
    def point(estimate: str) -> str:
        chosen = (any_of(c.JUDGED_EVALUATION, evaluated), any_of(c.ESTIMATE, estimate),
                  any_of(c.BOUND, "point"))
        return f"{RATE}{{{', '.join(chosen)}, %s}}"

    return answered(point("corrected"), corrected,
                    answered(point("judged"), judged, otherwise, _ONE_OF), _ONE_OF)


def _interval(evaluated: str, estimate: str) -> str:
    of = any_of(c.JUDGED_EVALUATION, evaluated)
    lower, upper = (_figure(RATE, _SHARE, of, any_of(c.ESTIMATE, estimate), any_of(c.BOUND, bound))
                    for bound in ("lower", "upper"))
    judged, labelled = (_figure(SAMPLE, 'printf "%.0f"', of, any_of(c.SAMPLE_KIND, kind))
                        for kind in ("judged", "labelled"))
    by_whom = (f"corrected by {labelled} labels of people" if estimate == "corrected"
               else "as the judge has it")
    return f" ({lower} to {upper}, of {judged} that were judged; {by_whom})"


def _limit(evaluated: str, detector: str) -> str:
    """The limit, and whether the judge's errors are in it."""
    of = any_of(c.JUDGED_EVALUATION, evaluated), any_of(c.DETECTOR, detector)
    return _figure(LIMIT, _SHARE, *of, labels=FLEET)


def _carried(evaluated: str) -> str:
    chosen = ", ".join((any_of(c.JUDGED_EVALUATION, evaluated), any_of(c.DETECTOR, "rate"),
                        any_of(c.ESTIMATE, "corrected")))
    return answered(f"{ALARM}{{{chosen}, %s}}", "carried through the judge's errors", "as judged",
                    _ONE_OF)


_STRENGTH = f"The evidence is {{{{ $value | {_EVIDENCE} }}}} times what an alarm takes."


def _failing(name: str, evaluated: str, summary: str, offence: str) -> Alert:
    """`offence` follows on the share of answers."""
    share = f"{_FIRST.format(_SHARE)} of the answers"
    return Alert(
        name, ANSWERS, "warning", _raised(name, evaluated, "rate"), summary=summary,
        description=_of_rate(evaluated, share, share, "Too many of the answers")
                    + f" to calls by {words.CALLER} {offence}"
                    + _of_rate(evaluated, _interval(evaluated, "corrected"),
                               _interval(evaluated, "judged"), "")
                    + f", limit {_limit(evaluated, 'rate')}, {_carried(evaluated)}. {_STRENGTH}",
        board="quality")


HALLUCINATIONS = _failing(
    "HallucinationsHigh", "faithfulness", "More answers are made up than their limit allows.",
    "state what their documents do not support")
REFUSALS = _failing(
    "RefusalsHigh", "refusal", "More answers are refusals than their limit allows.",
    "refuse what was asked")
_FALLEN = "FaithfulnessFell"
FELL = Alert(
    _FALLEN, ANSWERS, "warning", _raised(_FALLEN, "faithfulness", "mean"),
    summary="The mean faithfulness of answers fell below that of their own past.",
    description=f"The mean faithfulness of answers to calls by {words.CALLER} fell, to "
                + _figure(SCORE, 'printf "%.2f"', any_of(c.JUDGED_EVALUATION, "faithfulness"))
                + f" over {evaluation.DAY}, limit "
                + _figure(LIMIT, 'printf "%.2g"', any_of(c.JUDGED_EVALUATION, "faithfulness"),
                          any_of(c.DETECTOR, "mean"), labels=FLEET)
                + f" below its own past. {_STRENGTH}",
    board="quality")

# The most frequent of what came in the place of a verdict.
_CAUSE = answered(
    f"topk(1, sum {by((c.JUDGEMENT_RESULT.name,))} (increase({c.JUDGEMENTS.name}"
    f"{{{any_of(c.JUDGEMENT_RESULT, *evaluation.UNJUDGED_RESULTS)}, %s}}[{LOOK_BACK}])))",
    ' Most of these came to: {{ . | first | label "result" }}.', labels=_ONE_OF)
BLIND = Alert(
    "JudgeBlind", JUDGED, "warning",
    f"{UNANSWERED} > {MOST_UNJUDGED} and {on(_ONE_OF)} {evaluation.asked()} >= {LEAST_ASKED}",
    summary="Too many answers cannot be judged.",
    description=f"{{{{ $value | {_SHARE} }}}} of the verdicts that a judge was asked for on "
                f"answers to calls by {words.CALLER} in the last {LOOK_BACK} were not given, limit "
                f"{MOST_UNJUDGED:.0%}.{_CAUSE} Nobody sees whether these answers are good.",
    board="quality", labels={"window": LOOK_BACK})
_JUDGED_ONES = f"{SAMPLE}{{{any_of(c.SAMPLE_KIND, 'judged')}}}"
NO_RATE = Alert(
    "JudgeBlind", JUDGED, "warning",
    f"{evaluation.UNJUDGED} > {MOST_UNJUDGED} and {on(evaluation.JUDGED)} "
    f"{_JUDGED_ONES} / {on(evaluation.JUDGED)} (1 - {evaluation.UNJUDGED}) >= {LEAST_ASKED}",
    summary="Too much of the sample is not judged for a rate.",
    description=f"{{{{ $value | {_SHARE} }}}} of the sample of answers to calls by {words.CALLER} "
                "could not be judged for {{ $labels.evaluation }}, limit "
                f"{MOST_UNJUDGED:.0%}. There is no rate of it until fewer are.",
    board="quality", labels={"window": "sample"})
# What is left may be too little for one call more: then nothing is sampled, either.
_SPENT = (f"{evaluation.BUDGET_SPENT} >= 1 or {evaluation.BUDGET_SPENT} and {on(FLEET)} "
          f"{evaluation.SAMPLING} == 0")
_VERDICTS = evaluation.asked("judged", level=FLEET, window=HOUR)
_WAITING = evaluation.WAITING
GONE = Alert(
    "JudgeBlind", JUDGE, "warning",
    f"{_WAITING} > {on(FLEET)} min_over_time({_WAITING}[{LOOK_BACK}]) "
    f"and {on(FLEET)} min_over_time({_WAITING}[{HOUR}]) > 0 "
    f"and {on(FLEET)} {_WAITING} offset {HOUR} "
    f"unless {on(FLEET)} {_VERDICTS} > 0 unless {on(FLEET)} ({_SPENT})",
    summary="Answers wait for a judge that judges none.",
    description=f'{{{{ $value | printf "%.0f" }}}} answers in {words.CLUSTER} wait for the judge, '
                f"and more come. In the last {HOUR} it has judged none.",
    board="quality", labels={"window": HOUR})
SPENT = Alert(
    "JudgeBudgetSpent", JUDGE, "warning", _SPENT,
    summary="The judge's budget of the day is spent.",
    description=f"{{{{ $value | {_SHARE} }}}} of the judge's budget of the day (UTC) in "
                f"{words.CLUSTER} is spent, limit {1:.0%}. No further answer comes into its "
                "sample today.",
    board="quality")

GROUP = AlertGroup("inferometer-evaluation-alerts", (HALLUCINATIONS, FELL, REFUSALS),
                   interval="2m")
JUDGE_GROUP = AlertGroup("inferometer-judge-alerts", (BLIND, NO_RATE, GONE, SPENT), interval="2m")
