"""Searches and answers that get worse are told from their own week: to fire and to be silent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from alerts import quality
from alerts.model import Alert
from inferometer import catalogue as c
from recording_rules.shares import DEVIATIONS, LEAST_POINTS, MORE
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.client_inputs import CALL, GATEWAY, calls
from tests.bundle.promtool import VERSIONS, Series, series

STEP = 4  # minutes
DAY = 24 * 60 // STEP
BEGIN = 2 * DAY  # of what is worse; a whole hour
MINUTE = BEGIN * STEP + 72  # when it is so for an hour, and the week before knows nothing of it
SERVICE = {"service_name": CALL["service_name"]}
ANSWER = {**SERVICE, "model": CALL["model"]}
OFTEN, SELDOM = 20, 3  # events in a step: 300 an hour, and 45
USUAL, WORSE, HARDLY = 0.05, 0.2, 0.06


@dataclass(frozen=True)
class Past:
    """Events in a step, the share of them that is bad, what it comes to, and for how long."""

    events: float
    after: float
    before: float = USUAL
    days: float = 2

    def counter(self, bad: bool, good: bool) -> str:
        """The values of one that counts bad ones, good ones, or all."""
        once, now = (self.events * (bad * share + good * (1 - share))
                     for share in (self.before, self.after))
        steps = int(self.days * DAY)
        absent = f"_x{BEGIN - steps} " if steps < BEGIN else ""
        return f"{absent}0+{once:g}x{steps} {steps * once + now:g}+{now:g}x30"


@dataclass(frozen=True)
class Kind:
    """An alert, the series that its share is made of, and what it says of that share."""

    alert: Alert
    inputs: Callable[[Past], tuple[Series, ...]]
    of: str

    def case(self, title: str, past: Past) -> Case:
        return Case(title, self.alert, self.inputs(past), minute=MINUTE, step=STEP)

    def firing(self, title: str, past: Past) -> Case:
        chance = DEVIATIONS * math.sqrt(past.before * (1 - past.before) / (past.events * 60 / STEP))
        limit = past.before + max(chance, MORE * past.before, LEAST_POINTS)
        whom = SERVICE if self.alert.subject.name == "searches" else ANSWER
        text = (f"{_percent(past.after)} of {self.of} in the last 1h, usually "
                f"{_percent(past.before)} over 1w, limit {_percent(limit)}.")
        return Case(title, self.alert, self.inputs(past),
                    (Firing({"cluster": "east", **whom}, text),), MINUTE, STEP)


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _counted(metric: c.Metric, values: str, suffix: str = "", **labels: str) -> Series:
    return series(metric, values, scrape=GATEWAY, suffix=suffix, **labels)


def empty(past: Past) -> tuple[Series, ...]:
    return (_counted(c.RETRIEVALS, past.counter(True, False), **SERVICE, result="empty"),
            _counted(c.RETRIEVALS, past.counter(False, True), **SERVICE, result="hit"),
            _counted(c.RETRIEVALS, past.counter(True, True), **SERVICE, result="unknown"))


def disagreeing(past: Past) -> tuple[Series, ...]:
    return (_counted(c.RERANK_DISAGREEMENT, past.counter(True, False), "_sum", **SERVICE),
            _counted(c.RERANK_DISAGREEMENT, past.counter(True, True), "_count", **SERVICE))


def unreadable(past: Past) -> tuple[Series, ...]:
    return (_counted(c.PARSE_FAILURES, past.counter(True, False), **ANSWER, kind="json"),
            _counted(c.PARSE_CHECKS, past.counter(True, True), **ANSWER, kind="json"))


def refused(past: Past) -> tuple[Series, ...]:
    return (_counted(c.REFUSALS, past.counter(True, False), **ANSWER, source="phrase"),
            calls("success", past.counter(True, True)))


def thumbs(past: Past) -> tuple[Series, ...]:
    return (_counted(c.FEEDBACK, past.counter(True, False), **ANSWER, kind="thumbs_down"),
            _counted(c.FEEDBACK, past.counter(False, True), **ANSWER, kind="thumbs_up"),
            _counted(c.FEEDBACK, past.counter(True, True), **ANSWER, kind="copy"))


def regenerated(past: Past) -> tuple[Series, ...]:
    return (_counted(c.FEEDBACK, past.counter(True, False), **ANSWER, kind="regenerate"),
            calls("success", past.counter(True, True)))


_CALLS = "calls by shop to gpt-4o-mini in east"
KINDS = (
    Kind(quality.RETRIEVAL_EMPTY, empty, "searches by shop in east came back without a document"),
    Kind(quality.RERANK_DISAGREES, disagreeing,
         "pairs of documents that shop in east had reranked changed places"),
    Kind(quality.UNREADABLE, unreadable,
         f"the answers that were looked at, to {_CALLS}, could not be read"),
    Kind(quality.REFUSED, refused, f"the answers to {_CALLS} were refusals"),
    Kind(quality.THUMBS_DOWN_RISEN, thumbs,
         f"the thumbs that people gave to answers to {_CALLS} were down"),
    Kind(quality.REGENERATING, regenerated, f"the answers to {_CALLS} were to be made again"),
)
CASES = (
    *(case for kind in KINDS for case in (
        kind.firing("4 times as many as in its week", Past(OFTEN, WORSE)),
        kind.case("a few more than in its week", Past(OFTEN, HARDLY)))),
    KINDS[0].firing("none in its week", Past(OFTEN, WORSE, before=0)),
    KINDS[0].firing("a week that is 1 day long", Past(OFTEN, WORSE, days=1)),
    KINDS[0].case("too few in the hour", Past(SELDOM, WORSE)),
    KINDS[0].case("worse from its first hour on", Past(OFTEN, WORSE, days=0)),
    KINDS[0].case("as many as ever, which are many", Past(OFTEN, 0.5, before=0.5)),
    KINDS[0].case("fewer than in its week", Past(OFTEN, 0.05, before=WORSE)),
    KINDS[3].case("no refusal ever", Past(OFTEN, 0, before=0)),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_alert_says_exactly(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    alerts = {*quality.GROUP.alerts}
    assert {case.alert for case in CASES if case.expected} == alerts
    assert {case.alert for case in CASES if not case.expected} == alerts
