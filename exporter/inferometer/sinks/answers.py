"""What answers came to as families of the page: checks that failed, and refusals.

What nobody could look at is not there. A service whose spans have no content has no series of
checks, and of refusals only those that providers tell of.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.values import Histogram, Key

CHECKS = c.PARSE_KIND.values  # kinds of rows, and values of the label
REFUSALS = ("provider", "field", "phrase")  # who says so
REFUSED_BY = {source: f"refusal_{source}" for source in REFUSALS}  # kinds of rows
JUDGE = "judge"  # who says so of a sample
REFUSED_BY_JUDGE = "refusal_judge"  # a kind of seats alone
_SOURCES = {REFUSED_BY_JUDGE: JUDGE, **{kind: source for source, kind in REFUSED_BY.items()}}
KINDS = frozenset((*CHECKS, *_SOURCES))  # of rows and seats
AnswerPoints = Mapping[Metric, MutableMapping[Key, float | Histogram]]


def begin_refusals(points: AnswerPoints, model: str, service: str) -> None:
    """Of a service that calls a model: providers always tell of refusals."""
    for source in (REFUSALS[0], JUDGE):
        points[c.REFUSALS].setdefault((service, model, source), 0.0)


def add_checks(points: AnswerPoints, counters: Mapping[tuple[int, str, str], int], seat: int,
               kind: str, model: str, service: str) -> None:
    """Add what a seat of one of KINDS has counted: several have the same labels."""
    passed, failed = (counters.get((seat, "ended", outcome), 0) for outcome in (
        "success", "error"))
    if kind in _SOURCES:
        begin_refusals(points, model, service)
        _add(points, c.REFUSALS, (service, model, _SOURCES[kind]), passed)
        return
    _add(points, c.PARSE_CHECKS, (service, model, kind), passed + failed)
    _add(points, c.PARSE_FAILURES, (service, model, kind), failed)


def _add(points: AnswerPoints, metric: Metric, key: Key, number: int) -> None:
    before = points[metric].get(key, 0.0)
    assert isinstance(before, float)
    points[metric][key] = before + number
