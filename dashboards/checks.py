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
_OF_SERVICE = (c.SERVICE_NAME.name, c.EVALUATION.name)


def _in(window: str, level: tuple[str, ...], name: str, *matchers: str) -> str:
    return f"sum {by(level)} (increase({of_services(name, *matchers)}[{window}]))"


def _labelled(*labels: str) -> str:
    matchers = (any_of(c.EVALUATION_LABEL, *labels),) if labels else ()
    return _in(HOUR, _OF_SERVICE, c.EVALUATIONS.name, *matchers)


def _lines(title: str, description: str, unit: str, expr: str, empty: str = EMPTY,
           maximum: float | None = None) -> Panel:
    return timeseries(title, description, unit,
                      Query(expr, "{{service_name}} {{evaluation}}"), empty=empty, maximum=maximum)


_SCORE = c.EVALUATION_SCORE.name
ROW = PanelRow("Checks and scores, one by one", (
    timeseries("Checked answers", "In an hour, by what they were looked at for.", "short",
               Query(_in(HOUR, _EVALUATION, c.EVALUATIONS.name), "{{evaluation}}"), stacked=True,
               empty=EMPTY),
    _lines("Answers that fail a check", "Share over an hour, of those of which it is known: a "
           "rise is a new model, prompt or index.", "percentunit",
           ratio(_labelled("fail"), _labelled("pass", "fail")), maximum=1),
    _lines("Checks without a result", "Share over an hour: answers in which there was nothing to "
           "check, or too much.", "percentunit", ratio(_labelled("unknown"), _labelled())),
    _lines("Score", "On average over an hour, 0 to 1, of all who score: the judge, and "
           "applications themselves.", "percentunit",
           ratio(*(_in(HOUR, _OF_SERVICE, f"{_SCORE}_{part}") for part in ("sum", "count"))),
           NO_SCORE, maximum=1),
    _lines("Judged in a day", "Answers of the random sample: how soon an alarm comes hangs on "
           "these.", "short",
           _in("1d", _OF_SERVICE, c.EVALUATION_SAMPLE.name, any_of(c.SAMPLE_KIND, "judged")),
           NOT_JUDGED),
    _lines("Labelled in a day", "Of these, answers that people labelled.", "short",
           _in("1d", _OF_SERVICE, c.EVALUATION_SAMPLE.name, any_of(c.SAMPLE_KIND, "labelled")),
           NOT_JUDGED),
), collapsed=True)
