"""What a judge has done, and how it does, as families of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.pricing import NANO
from inferometer.sinks.metrics import CounterReading
from inferometer.values import Key, Value


class JudgeCondition(NamedTuple):
    """How judging does."""

    waiting: int  # answers
    ratio: float  # of traces that come into the sample
    spent: float  # part of the day's budget
    judge: tuple[str, str] | None  # its model and the digest of its prompts; None: none yet


class JudgeCollector:
    """Verdicts by service and model, and what the judge took."""

    name = "judge"
    punctual = True

    def __init__(self, read: Callable[[], CounterReading],
                 condition: Callable[[], JudgeCondition | None]) -> None:
        self._read, self._condition = read, condition

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """Counters from 0 on, of what has any; gauges where they were read of late."""
        reading = self._read()
        points: dict[c.Metric, dict[Key, Value]] = {metric: {} for metric in (
            c.JUDGEMENTS, c.EVALUATION_SAMPLE, c.JUDGE_INPUT, c.JUDGE_OUTPUT, c.JUDGE_COST)}

        def value(seat: int, name: str, part: str = "") -> float:
            return float(reading.counters.get((seat, name, part), 0))

        for seat, (kind, _, model, _, service, evaluation) in reading.seats.items():
            if kind == "judgements":
                for result in c.JUDGEMENT_RESULT.values:
                    points[c.JUDGEMENTS][service, model, result] = value(seat, "judged", result)
            elif kind == "judged":
                for of in c.SAMPLE_KIND.values:
                    points[c.EVALUATION_SAMPLE][service, model, evaluation, of] = value(
                        seat, "sample", of)
            elif kind == "judge":
                points[c.JUDGE_INPUT][model,] = value(seat, "input")
                points[c.JUDGE_OUTPUT][model,] = value(seat, "output")
                if value(seat, "priced"):  # else nobody knows what it costs
                    points[c.JUDGE_COST][model,] = value(seat, "cost") / NANO
        return [*(Family(metric, of_metric) for metric, of_metric in points.items()),
                *self._gauges()]

    def _gauges(self) -> Iterable[Family]:
        condition = self._condition()
        if condition is None:
            return
        yield Family(c.JUDGE_WAITING, {(): float(condition.waiting)})
        yield Family(c.JUDGE_SAMPLING, {(): condition.ratio})
        yield Family(c.JUDGE_BUDGET_SPENT, {(): condition.spent})
        if condition.judge is not None:
            yield Family(c.JUDGE_INFO, {condition.judge: 1.0})
