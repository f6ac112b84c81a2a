"""Whether answers are good: what a judge finds in a sample, how far that can be trusted, checks."""

from __future__ import annotations

from alerts.evaluation import ENDED, RAISED
from dashboards import checks
from dashboards.lines import BY_CALLER, line
from dashboards.model import Appearance, Board, Panel, PanelRow, Query
from dashboards.panels import TOKENS_PER_SECOND, stat, table, timeseries
from dashboards.styles import AMBER, PLAIN, RED, WELL, Colours, Field, band, powers_of_ten
from dashboards.variables import chosen
from inferometer import catalogue as c
from recording_rules import evaluation as rules
from recording_rules.model import Rule
from recording_rules.promql import any_of, by, on
from recording_rules.shares import ANSWERS

NOT_JUDGED = ("No data: no judge saw answers in this time, none is named, or above 10 % could not "
              "be judged: see docs/evaluation.md.")
NOT_LABELLED = ("No data: people labelled too few answers, so nothing is corrected: see "
                "docs/evaluation.md.")
NO_JUDGE = "No data: no judge is named: see docs/evaluation.md."
NO_SCORE = "No data: no judge scored answers in this time: see docs/evaluation.md."
OF_ALARM: Colours = ((None, WELL), (ENDED, AMBER), (RAISED, RED))
OF_BUDGET: Colours = ((None, WELL), (0.9, AMBER), (1, RED))
_ALARM = Query("vector(1)", "alarm")
_JUDGED = rules.JUDGED
_POINT = any_of(c.BOUND, "point")
_OF_SERVICE = (c.SERVICE_NAME.name, c.JUDGED_EVALUATION.name)
_BY_EVALUATION = "{{service_name}} {{evaluation}}"
LEAST_SHOWN = 0.000001  # of an alarm: evidence rises and falls by factors
_FAITHFUL = any_of(c.JUDGED_EVALUATION, "faithfulness")


def _tile(title: str, description: str, expr: str, empty: str, unit: str = "percentunit",
          colours: Colours = PLAIN) -> Panel:
    return stat(title, description, unit, expr, empty=empty, width=4, colours=colours)


def _best(bound: str, *matchers: str) -> str:
    """Corrected where people labelled enough, else as judged."""
    corrected, judged = (chosen(rules.RATE, any_of(c.ESTIMATE, estimate), any_of(c.BOUND, bound),
                                *matchers) for estimate in ("corrected", "judged"))
    return f"({corrected} or {on(_JUDGED)} {judged})"


def _worst(evaluation: str) -> str:
    return f"max({_best('point', any_of(c.JUDGED_EVALUATION, evaluation))})"


def _limit(evaluation: str) -> Query:
    of = any_of(c.JUDGED_EVALUATION, evaluation), any_of(c.DETECTOR, "rate")
    return Query(f"min ({chosen(rules.LIMIT, *of)})", "limit")


def _band(title: str, description: str, evaluation: str, estimate: str = "",
          empty: str = NOT_JUDGED) -> Panel:
    """The rate of the application worst off, between the ends of its interval."""
    of = any_of(c.JUDGED_EVALUATION, evaluation)

    def bound(name: str) -> str:
        if estimate:
            return chosen(rules.RATE, of, any_of(c.ESTIMATE, estimate), any_of(c.BOUND, name))
        return _best(name, of)

    worst = f"topk(1, {bound('point')})"
    edges = (Query(f"max({bound(name)} and {on(ANSWERS)} {worst})", legend)
             for name, legend in (("lower", "at least"), ("upper", "at most")))
    return timeseries(title, description, "percentunit", *edges, Query(f"max({worst})", "point"),
                      _limit(evaluation), empty=empty, looks=band("at least", "at most"))


def _evidence(title: str, description: str, detector: str, empty: str) -> Panel:
    expr = f"max {by(_OF_SERVICE)} ({chosen(rules.ALARM, any_of(c.DETECTOR, detector))})"
    return timeseries(title, description, "percentunit", Query(expr, _BY_EVALUATION), _ALARM,
                      empty=empty, width=12, looks=[powers_of_ten(LEAST_SHOWN)])


def _of_sample(kind: str, *matchers: str) -> str:
    return chosen(rules.SAMPLE, any_of(c.SAMPLE_KIND, kind), *matchers)


def _of_cluster(title: str, description: str, unit: str, empty: str, *lines: tuple[Rule, str],
                maximum: float | None = None) -> Panel:
    return timeseries(title, description, unit,
                      *(Query(chosen(rule), legend) for rule, legend in lines), empty=empty,
                      maximum=maximum)


NOW = PanelRow("Now", (
    _tile("Hallucinations", "Share of answers that state what their documents do not support, "
          "where it is largest: corrected if people labelled enough, else as judged.",
          _worst("faithfulness"), "not judged"),
    _tile("Refusals", "Share of answers that refuse what was asked, where it is largest: "
          "corrected if people labelled enough, else as judged.", _worst("refusal"), "not judged"),
    _tile("Evidence ÷ alarm", "The strongest evidence that answers fail above their limit: 100 % "
          "is an alarm, of which one a year is false at most.",
          f"max({chosen(rules.ALARM)})", "not judged", colours=OF_ALARM),
    _tile("Judged", "Answers of the sample that the rate of hallucinations is made of.",
          f"sum({_of_sample('judged', _FAITHFUL)})", "no answers", "short"),
    _tile("Labelled", "Of these, answers that people labelled: 20 that the judge flags and 20 "
          "that it does not are needed for the corrected rate.",
          f"sum({_of_sample('labelled', _FAITHFUL)})", "no labels", "short"),
    _tile("Not judged", "Share of the verdicts asked for in 6 hours that were nonsense, too late "
          "or not given, where it is largest.",
          f"max({chosen(rules.UNANSWERED)})", "none asked",
          colours=((None, WELL), (0.05, AMBER), (0.1, RED))),
))
FOUND = PanelRow("What a judge finds", (
    _band("Hallucinations, corrected", "Share of answers that state what their documents do not "
          "support, of the application worst off: by the judge, corrected by what people say of "
          "a part of the same answers. The truth is in the band 95 times of 100.", "faithfulness",
          "corrected", NOT_LABELLED),
    _band("Hallucinations, as judged", "The same as the judge has it, of the application worst "
          "off: a statement about the judge, whose own errors are not in the band.",
          "faithfulness", "judged"),
    timeseries("Hallucinations by application", "The rate alone, corrected if people labelled "
               "enough, else as judged. Choose an application to see its band.", "percentunit",
               line(f"max {by(ANSWERS)} ({_best('point', _FAITHFUL)})", BY_CALLER, ANSWERS),
               _limit("faithfulness"), empty=NOT_JUDGED),
    _band("Refused", "Share of answers that refuse what was asked, of the application worst off.",
          "refusal"),
    _band("Beside the question", "Share of answers that do not answer what was asked, of the "
          "application worst off.", "answer_relevance"),
    _band("Self-contradiction", "Share of answers that another answer to the same question "
          "contradicts, of the application worst off. It is off unless it is switched on.",
          "self_contradiction"),
))
EVIDENCE = PanelRow("Evidence against the limits", (
    _evidence("Rate above its limit", "Evidence as a part of what an alarm takes, by powers of "
              "ten: it rises with each answer that fails, and falls with those that pass. The "
              "alert fires at the line, and ends below 80 % of it.", "rate", NOT_JUDGED),
    _evidence("Mean below its past", "The same for the daily mean of the score, against that of "
              "the 28 days that ended 7 days ago.", "mean", NO_SCORE),
    timeseries("Mean score", "Over a day, 0 to 1, of answers that have a score: where it is "
               "lowest, if several models are chosen.", "percentunit",
               Query(f"min {by(_OF_SERVICE)} ({chosen(rules.SCORE)})", _BY_EVALUATION),
               empty=NO_SCORE, width=24, height=8, maximum=1),
))
TRUST = PanelRow("How far it can be trusted", (
    table("Rates and what they are made of", "The largest rate first. Without the labels of "
          "people a rate is the judge's word: where it flags too much or too little, nothing "
          "shows it.",
          {"service_name": "Service", "model": "Model", "evaluation": "Evaluation",
           "cluster": "Cluster"}, [
              Field("Rate", _best("point"), "percentunit", width=60),
              Field("At least", _best("lower"), "percentunit", width=60),
              Field("At most", _best("upper"), "percentunit", width=60),
              Field("By labels", f"count {by(_JUDGED)} "
                    f"({chosen(rules.RATE, any_of(c.ESTIMATE, 'corrected'), _POINT)})",
                    "bool_yes_no", width=60),
              Field("Judged", _of_sample("judged"), "short"),
              Field("Labelled", _of_sample("labelled"), "short"),
              Field("Judge flags of bad ones", chosen(rules.SENSITIVITY), "percentunit", width=80),
              Field("Judge passes of good ones", chosen(rules.SPECIFICITY), "percentunit",
                    width=84),
              Field("Not judged", chosen(rules.UNJUDGED), "percentunit",
                    ((None, WELL), (0.05, AMBER), (0.1, RED))),
              Field("Evidence ÷ alarm", f"max {by(_JUDGED)} ({chosen(rules.ALARM)})",
                    "percentunit", OF_ALARM, width=72)],
          empty=NOT_JUDGED, height=9, sort="Rate",
          links=dict.fromkeys(("service_name", "model"), "quality")),
))
JUDGE = PanelRow("The judge", (
    timeseries("Verdicts", "Asked for in an hour on answers of the random sample, by what came of "
               "it: nonsense is an answer that is no verdict.", "short",
               Query(chosen(rules.VERDICTS), "{{result}} {{cluster}}"), stacked=True,
               empty=NO_JUDGE),
    _of_cluster("Answers that wait", "For the judge: a rise without an end is a judge that is "
                "gone, or too slow.", "short", NO_JUDGE, (rules.WAITING, "waiting {{cluster}}")),
    _of_cluster("Sampled, and spent", "Part of the answers that come into the sample, and part of "
                "the day's budget (UTC) that is spent: the first falls where the second would not "
                "last.", "percentunit", NO_JUDGE, (rules.SAMPLING, "sampled {{cluster}}"),
                (rules.BUDGET_SPENT, "spent {{cluster}}")),
    _of_cluster("Cost of judging", "In an hour, by the prices of calls. It is a part of the cost "
                "of calls, not beside it.", "currencyUSD", NO_JUDGE, (rules.COST, "{{cluster}}")),
    _of_cluster("Tokens of the judge", "Per second, read and generated.", TOKENS_PER_SECOND,
                NO_JUDGE, (rules.INPUT, "input {{cluster}}"), (rules.OUTPUT, "output {{cluster}}")),
    timeseries("Verdicts that are missing", "Share of those asked for in 6 hours, by application: "
               "above 10 % there is an alert, and of a sample there is no rate.", "percentunit",
               line(rules.UNANSWERED, BY_CALLER), empty=NO_JUDGE),
))

BOARD = Board(
    "quality", "Quality",
    "Whether answers are good: rates with their intervals, the evidence against limits, the judge.",
    ("cluster", c.MODEL.name, c.SERVICE_NAME.name),
    (NOW, FOUND, EVIDENCE, TRUST, JUDGE, checks.ROW),
    (Appearance("New judges", chosen(rules.PRESENT), "Judge {{judge}}",
                "From here on figures are of this judge and its prompts alone"),))
