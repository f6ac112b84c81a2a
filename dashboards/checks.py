"""Checks of every answer: the gateways' own series, which no rule records, asked once opened."""

from __future__ import annotations

from dashboards.model import Panel, PanelRow, Query
from dashboards.panels import timeseries
from dashboards.variables import of_services
from inferometer import catalogue as c
from recording_rules.promql import HOUR, any_of, by, ratio

EMPTY = ("No data: no answer was checked in this time, as that takes their content, or an event of "
         "the application: see docs/content.md.")
NO_SCORE = "No data: no answer was scored in this time: see docs/evaluation.md."
NOT_JUDGED = "No data: no judge saw an answer in this time: see docs/evaluation.md."
_EVALUATION = (c.EVALUATION.name,)
_SCORE = c.EVALUATION_SCORE.name


def _in(window: str, name: str, *matchers: str) -> str:
    return f"sum {by(_EVALUATION)} (increase({of_services(name, *matchers)}[{window}]))"


def _labelled(*labels: str) -> str:
    return _in(HOUR, c.EVALUATIONS.name, any_of(c.EVALUATION_LABEL, *labels))


def _panel(title: str, description: str, unit: str, expr: str, empty: str = EMPTY,
           stacked: bool = False, maximum: float | None = None) -> Panel:
    return timeseries(title, description, unit, Query(expr, "{{evaluation}}"), empty=empty,
                      width=12, stacked=stacked, maximum=maximum)


def _a_day(title: str, description: str, kind: str) -> Panel:
    sampled = _in("1d", c.EVALUATION_SAMPLE.name, any_of(c.SAMPLE_KIND, kind))
    return _panel(title, description, "short", sampled, NOT_JUDGED)


ROW = PanelRow("Checks and scores, one by one", (
    _panel("Checked answers", "In an hour, by what they were looked at for.", "short",
           _in(HOUR, c.EVALUATIONS.name), stacked=True),
    _panel("Answers that fail a check", "Share over an hour, of those of which it is known: a "
           "rise is a new model, prompt or index. Choose an application to see its own.",
           "percentunit", ratio(_labelled("fail"), _labelled("pass", "fail")), maximum=1),
    _panel("Checks without a result", "Share over an hour: answers in which there was nothing to "
           "check, or too much.", "percentunit",
           ratio(_labelled("unknown"), _in(HOUR, c.EVALUATIONS.name)), maximum=1),
    _panel("Score", "On average over an hour, 0 to 1, of all who score: the judge, and "
           "applications themselves.", "percentunit",
           ratio(*(_in(HOUR, f"{_SCORE}_{part}") for part in ("sum", "count"))), NO_SCORE,
           maximum=1),
    _a_day("Judged in a day", "Answers of the random sample: how soon an alarm comes hangs on "
           "these.", "judged"),
    _a_day("Labelled in a day", "Of these, answers that people labelled.", "labelled"),
), collapsed=True)
