"""Requests as an engine serves them: each waits in a queue, runs, gives its first token, and ends.

It ends with success, with a failure, because its caller left, or with its engine. Load and speed
change, so that those that wait for their first token when a window begins are not like those when
it ends. Everything follows from a seed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.catalogue import Metric

OUTCOMES = ("success", "error", "rejected", "abort")
LOST = "lost"  # what no counter has: its engine ended before it did
MOMENT = 1e-6  # after a scrape
Bounds = Mapping[Metric, Sequence[float]]
BOUNDS: Bounds = {
    c.SERVER_TTFT: (0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 20.0),
    c.SERVER_TPOT: (0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.5),
    c.SERVER_DURATION: (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 240.0),
}
OTHER_BOUNDS: Bounds = {
    c.SERVER_TTFT: (0.2, 0.4, 0.6, 0.75, 2.0, 8.0),
    c.SERVER_TPOT: (0.02, 0.03, 0.04, 0.05, 0.1, 1.0),
    c.SERVER_DURATION: (2.0, 5.0, 8.0, 15.0, 60.0, 300.0),
}

STRANGE_BOUNDS: Bounds = {  # of which the others are none
    metric: tuple(bound * 1.1 for bound in bounds) for metric, bounds in OTHER_BOUNDS.items()}


@dataclass(frozen=True)
class Limits:
    """What a request is held against, in seconds."""

    first_token: float
    per_token: float
    duration: float


@dataclass(frozen=True)
class Request:
    """One request, with the moments of its life."""

    arrival: float
    start: float
    first_token: float  # infinity, if it ends before
    end: float
    tokens: int
    outcome: str

    @property
    def per_token(self) -> float:
        """Of an answer of one token there is none."""
        return (self.end - self.first_token) / (self.tokens - 1) if self.tokens > 1 else 0.0

    def meets(self, limits: Limits) -> bool:
        return (self.outcome == "success"
                and self.first_token - self.arrival <= limits.first_token
                and self.per_token <= limits.per_token
                and self.end - self.arrival <= limits.duration)

    def ended_early(self, end: float, outcome: str) -> Request:
        first = self.first_token if self.first_token < end else math.inf
        return Request(self.arrival, min(self.start, end), first, end, self.tokens, outcome)


@dataclass(frozen=True)
class Traffic:
    """How requests come, how they are served, and what the engine's pages have of them."""

    per_second: float = 0.5  # of each replica
    first_token: float = 0.3  # seconds at the median
    slow_share: float = 0.3  # of every cycle, in which the first token takes ten times longer
    cycle: int = 240  # seconds
    tokens: int = 100  # on average
    per_token: float = 0.03
    single: float = 0.2  # answers of one token
    failing: float = 0.05
    failing_from: int = 0  # seconds until the first one does
    aborted: float = 0.05
    observed: tuple[str, ...] = ("success",)  # in the histograms of what has ended
    counted: tuple[str, ...] = OUTCOMES
    running: bool = True  # whether it is on the page
    idle: bool = False  # no request comes in every third quarter of an hour
    restart: int = 0  # seconds until a replica starts again, which is scraped then
    bounds: tuple[Bounds, ...] = (BOUNDS, BOUNDS)  # of all replicas


def arrivals(traffic: Traffic, seconds: int, chance: random.Random) -> Iterator[Request]:
    now = 0.0
    while (now := now + chance.expovariate(traffic.per_second)) < seconds:
        if not (traffic.idle and now % 2700 >= 1800):
            yield _served(traffic, now, chance)


def _served(traffic: Traffic, arrival: float, chance: random.Random) -> Request:
    slow = 10 if arrival % traffic.cycle < traffic.cycle * traffic.slow_share else 1
    wait = traffic.first_token * slow * chance.lognormvariate(0, 0.5)
    first = arrival + wait
    tokens = 1 if chance.random() < traffic.single else 2 + int(
        chance.expovariate(1 / traffic.tokens))
    end = first + (tokens - 1) * traffic.per_token * chance.lognormvariate(0, 0.4)
    request = Request(arrival, arrival + wait / 2, first, end, tokens, "success")
    kind = chance.random()
    if kind >= traffic.failing + traffic.aborted or arrival < traffic.failing_from:
        return request
    outcome = chance.choice(("error", "rejected")) if kind < traffic.failing else "abort"
    return request.ended_early(arrival + (end - arrival) * chance.random(), outcome)
