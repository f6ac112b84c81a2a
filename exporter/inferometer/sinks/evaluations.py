"""What answers were looked at for as families: by the gateway, their applications, and a judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.evaluations import CHECKS, LABELS
from inferometer.values import Histogram, Key

EVALUATED, SCORE, SUM = "evaluated", "score", "sum"  # counters, and a part of the histogram
_BILLION = 10**9  # of a score's sum make 1
_BOUNDS = c.SCORE_BOUNDS
_PARTS = [*map(str, _BOUNDS), "inf"]
EvaluationPoints = Mapping[Metric, dict[Key, float | Histogram]]
EvaluationCounters = Mapping[tuple[int, str, str], int]  # by a seat, a counter's name, its part


def add_evaluations(points: EvaluationPoints, counters: EvaluationCounters, seat: int,
                    labels: Sequence[str]) -> None:
    """Add what one seat has counted: that of calls, or of one evaluation of answers."""
    kind, _, model, _, service, name = labels
    if kind == "call":
        for check in CHECKS:
            _add(points, (service, model, check), [
                counters.get((seat, EVALUATED, f"{check}/{label}"), 0) for label in LABELS])
        return
    _add(points, (service, model, name), [
        counters.get((seat, EVALUATED, label), 0) for label in LABELS])
    counts = [counters.get((seat, SCORE, part), 0) for part in _PARTS]
    if any(counts):
        histogram = Histogram(_BOUNDS, tuple(map(float, accumulate(counts))),
                              counters.get((seat, SCORE, SUM), 0) / _BILLION)
        before = points[c.EVALUATION_SCORE].get((service, model, name))
        points[c.EVALUATION_SCORE][service, model, name] = before.plus(histogram) \
            if isinstance(before, Histogram) else histogram


def _add(points: EvaluationPoints, key: Key, numbers: Sequence[int]) -> None:
    """All labels of what was looked at, so that the first that fails is seen to be one more."""
    if any(numbers):
        for label, number in zip(LABELS, numbers, strict=True):
            before = points[c.EVALUATIONS].get((*key, label), 0.0)
            assert isinstance(before, float)
            points[c.EVALUATIONS][*key, label] = before + number
