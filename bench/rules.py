"""What the recording rules of a fleet take, and whether they record what they should."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.backfill import Day, fill, in_order
from bench.fleet import BEGIN, Fleet
from bench.process import cache
from bench.report import Figure, say
from bench.server import Answer, Server, prometheus
from bench.sizes import Sizes
from recording_rules import GROUPS
from recording_rules.latency import QUANTILES, QUANTILES_HOUR

RULES = in_order(GROUPS)
SMALLER = 10  # times smaller is the fleet beside which growth is seen
DEAREST = 8
CLIENT = "client:"  # the level of rules about applications' calls
COMPARED_SECONDS = 720  # between two moments at which all rules are evaluated


@dataclass(frozen=True)
class Round:
    """The rules of a fleet: what they record, and what each of `RULES` takes, in seconds."""

    day: Day
    cpu: Sequence[float]
    wall: Sequence[float]
    least: Sequence[float]  # CPU time of the quickest of several times

    @property
    def share(self) -> float:
        """CPU time of a round, in percent of each rule's interval."""
        return _share(self.cpu)

    @property
    def least_share(self) -> float:
        """The same of the quickest times, which others on the machine disturbed least."""
        return _share(self.least)

    @property
    def wall_share(self) -> float:
        """The same of the time that passes."""
        return _share(self.wall)

    @property
    def of_calls(self) -> float:
        """The quickest times of the rules about applications' calls alone."""
        return _share([took if step.rule.name.startswith(CLIENT) else 0.0
                       for step, took in zip(RULES, self.least, strict=True)])

    @property
    def series(self) -> int:
        """Series that they record."""
        return sum(self.day.recorded.values())


def _share(seconds: Sequence[float]) -> float:
    return 100 * math.fsum(took / step.seconds for step, took in zip(RULES, seconds, strict=True))


def of_smaller(sizes: Sizes) -> Round:
    """The rules of a fleet that is so many times smaller."""
    hours = min(2, sizes.fleet_hours)
    with tempfile.TemporaryDirectory(dir=cache()) as name, prometheus(Path(name)) as server:
        fleet = Fleet.of(sizes.replicas // SMALLER, sizes.fleet_seconds)
        return round_of(server, fill(server, fleet, hours, RULES))


def round_of(server: Server, day: Day, times: int = 5) -> Round:
    """What each rule takes, evaluated as Prometheus does: at one moment."""
    answers = [[server.instant(step.rule.expr, day.end) for _ in range(times)] for step in RULES]
    return Round(day, _medians(answers, "cpu_seconds"), _medians(answers, "seconds"),
                 [min(answer.cpu_seconds for answer in one) for one in answers])


def _medians(answers: Sequence[Sequence[Answer]], quantity: str) -> Sequence[float]:
    return [statistics.median(getattr(answer, quantity) for answer in one) for one in answers]


def figures(small: Round, large: Round, sizes: Sizes) -> Iterator[Figure]:
    """What a round takes, what is recorded, and how both grow; the dearest rules are printed."""
    dearest = sorted(zip(large.cpu, RULES, strict=True), key=lambda one: -one[0])[:DEAREST]
    say("dearest rules: " + ", ".join(
        f"{step.rule.name} {1e3 * took:.1f} ms every {step.seconds} s" for took, step in dearest))
    raw, mine = sum(large.day.raw.values()), large.day.raw["inferometer"]
    yield Figure("recorded series, of all raw ones", "%", 100 * large.series / raw, 5.0)
    yield Figure("recorded series, of the exporters' own", "%", 100 * large.series / mine, 10.0)
    yield Figure("a round of all recording rules, of its interval", "%", large.share,
                 sizes.rules_percent)
    yield Figure("the same, the quickest of several rounds", "%", large.least_share,
                 sizes.rules_percent)
    yield Figure("of that, rules about applications' calls", "%", large.of_calls,
                 sizes.rules_percent / 4)
    yield Figure("the same, by the clock", "%", large.wall_share, sizes.rules_percent)
    yield Figure(f"recorded series, {SMALLER} times the fleet", "", large.series, SMALLER,
                 small.series, "the small one")
    yield Figure(f"time of all recording rules, {SMALLER} times the fleet", "ms",
                 1e3 * math.fsum(large.cpu), 1.2 * SMALLER,
                 1e3 * math.fsum(small.cpu), "the small one")


NATIVE = {
    "time_to_first_token": "vllm:time_to_first_token_seconds",
    "time_per_output_token": "vllm:request_time_per_output_token_seconds",
    "inter_token_latency": "vllm:inter_token_latency_seconds",
    "request_duration": "vllm:e2e_request_latency_seconds",
}


def quantiles_off(server: Server, day: Day) -> Mapping[str, float]:
    """The furthest that recorded quantiles are off the engine's own, in percent, by window."""
    return {window: 100 * max(
        _off(server, day, str(rule), rank, NATIVE[metric.signal], window)
        for (metric, rank), rule in recorded.items() if metric.signal in NATIVE)
        for window, recorded in (("5m", QUANTILES), ("1h", QUANTILES_HOUR))}


def _off(server: Server, day: Day, rule: str, rank: float, native: str, window: str) -> float:
    begin, every = BEGIN + 2 * 3600 - 2 * COMPARED_SECONDS, COMPARED_SECONDS
    ours = server.over(rule, begin, day.end, every)
    raw = server.over(f"histogram_quantile({rank:g}, sum by (le, model_name) "
                      f"(rate({native}_bucket[{window}])))", begin, day.end, every)
    theirs = {one["metric"]["model_name"]: dict(one["values"]) for one in raw.result}
    compared = [(float(value), float(theirs[one["metric"]["model"]][moment]))
                for one in ours.result for moment, value in one["values"]]
    if len(compared) < sum(len(values) for values in theirs.values()):
        return math.inf
    return max(abs(value - other) / other for value, other in compared)
