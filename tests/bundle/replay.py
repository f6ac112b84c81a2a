"""What the pages of a model's replicas say of the requests they serve, and how many met limits."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from tests.bundle.alert_inputs import emit, requests
from tests.bundle.client_inputs import calls, spoken
from tests.bundle.promtool import SCRAPE, Series
from tests.bundle.served import LOST, MOMENT, OUTCOMES, Limits, Request, Traffic, arrivals


class Replay:
    """The life of a model's replicas for so long."""

    def __init__(self, traffic: Traffic, seconds: int, seed: int) -> None:
        self.traffic = traffic
        self.seconds = seconds
        chance = random.Random(seed)
        served = [[*arrivals(traffic, seconds, chance)] for _ in traffic.bounds]
        if traffic.restart:
            served[0] = [one.ended_early(traffic.restart + MOMENT, LOST)
                         if one.arrival < traffic.restart < one.end else one for one in served[0]]
        self._served = served

    def share(self, limits: Limits, begin: float, end: float) -> float | None:
        """Of all that ended between two moments; None if nothing did."""
        ended = [request for replica in self._served for request in replica
                 if begin < request.end <= end and request.outcome not in ("abort", LOST)]
        return sum(request.meets(limits) for request in ended) / len(ended) if ended else None

    def calls(self, limits: Limits, every: int) -> Iterator[Series]:
        """What is scraped of a gateway that is sent spans of all requests, and judges each."""
        ended = [one for served in self._served for one in served if one.outcome != LOST]
        times = range(0, self.seconds + 1, every)
        for outcome in OUTCOMES:
            yield calls(outcome, _counts(times, (
                one.end for one in ended if one.outcome == outcome)))
        yield spoken(c.CLIENT_WITHIN_LIMITS, _counts(times, (
            one.end for one in ended if one.meets(limits))))

    def series(self, every: int) -> Iterator[Series]:
        """What is scraped of all replicas, a value in so many seconds."""
        times = range(0, self.seconds + 1, every)
        for number, served in enumerate(self._served):
            yield from _Page(self.traffic, served, times, number).series()


class _Page:
    """One replica's page at all moments."""

    def __init__(self, traffic: Traffic, served: Sequence[Request], times: range,
                 number: int) -> None:
        self._traffic = traffic
        self._served = served
        self._times = times
        self._bounds = traffic.bounds[number]
        self._restart = 0 if number else traffic.restart
        self._scrape = {**SCRAPE, "instance": f"10.0.0.{number}:9835", "pod": f"chat-{number}"}

    def series(self) -> Iterator[Series]:
        yield emit(c.SERVER_UP, f"1x{len(self._times) - 1}", scrape=self._scrape)
        for outcome in self._traffic.counted:
            yield requests(outcome, self._counted(
                one.end for one in self._served if one.outcome == outcome), scrape=self._scrape)
        if self._traffic.running:
            yield emit(c.SERVER_RUNNING, _values(self._running()), scrape=self._scrape)
        ended = [one for one in self._served
                 if one.outcome in self._traffic.observed and one.first_token < math.inf]
        yield from self._histogram(c.SERVER_TTFT, [
            (one.first_token, one.first_token - one.arrival) for one in self._served
            if one.first_token < math.inf])
        yield from self._histogram(c.SERVER_TPOT, [
            (one.end, one.per_token) for one in ended if one.tokens > 1])
        yield from self._histogram(c.SERVER_DURATION, [
            (one.end, one.end - one.arrival) for one in ended])

    def _running(self) -> Iterable[int]:
        starts = sorted(one.start for one in self._served)
        ends = sorted(one.end for one in self._served)
        return [bisect_right(starts, now) - bisect_right(ends, now) for now in self._times]

    def _histogram(self, metric: Metric, observed: Sequence[tuple[float, float]]
                   ) -> Iterator[Series]:
        bounds = [*((f"{bound}", bound) for bound in self._bounds[metric]), ("+Inf", math.inf)]
        for name, bound in bounds:
            yield emit(metric, self._counted(when for when, value in observed if value <= bound),
                       scrape=self._scrape, suffix="_bucket", le=name)
        yield emit(metric, self._counted(when for when, _ in observed), scrape=self._scrape,
                   suffix="_count")

    def _counted(self, moments: Iterable[float]) -> str:
        return _counts(self._times, moments, self._restart)


def _counts(times: range, moments: Iterable[float], restart: int = 0) -> str:
    """How many there had been at each time, since a restart if there was one."""
    ordered = sorted(moments)
    before = bisect_right(ordered, restart)
    return _values(bisect_right(ordered, now) - (before if now > restart else 0) for now in times)


def _values(numbers: Iterable[float]) -> str:
    return " ".join(f"{number:g}" for number in numbers)
