"""Goodput: the exact share of replayed requests lies in the recorded band, in every window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from inferometer import catalogue as c
from recording_rules.beyond import BEYOND
from recording_rules.client import GOODPUT
from recording_rules.goodput import LOWER, UPPER
from tests.bundle import rule_cases
from tests.bundle.alert_cases import resting_on
from tests.bundle.alert_inputs import MODEL, OTHER, emit, histogram, override, requests
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, ask, documents, growing
from tests.bundle.replay import Replay
from tests.bundle.rule_cases import NOTHING, Recorded, one
from tests.bundle.served import BOUNDS, OTHER_BOUNDS, OUTCOMES, STRANGE_BOUNDS, Limits, Traffic

MINUTES = 60
WINDOW = 300
CLOSE = 1e-3  # counters that are 0 when a window begins are extrapolated by less


@dataclass(frozen=True)
class Case:
    """Traffic, limits, and how wide the band may be on average."""

    title: str
    traffic: Traffic
    limits: Limits
    width: float
    scraped: int = 30
    seed: int = 1
    begins: int = 1  # minutes until the band does

    def __str__(self) -> str:
        return self.title

    def inputs(self, replay: Replay) -> list[Series]:
        values = f"x{60 * MINUTES // self.scraped}"
        limits = (("time_to_first_token_p95", self.limits.first_token),
                  ("time_per_output_token_p95", self.limits.per_token),
                  ("request_duration_p95", self.limits.duration))
        return [*replay.series(self.scraped), *(
            override(c.LIMIT_SECONDS, name, f"{seconds:g}{values}") for name, seconds in limits)]

    def window(self, minute: int) -> tuple[int, int]:
        """The first scrape and the last one of those that are seen."""
        end = 60 * minute
        return (-(-max(0, end - WINDOW) // self.scraped) * self.scraped,
                end // self.scraped * self.scraped)


ON_BOUNDS = Limits(0.5, 0.05, 10)
BETWEEN = Limits(0.6, 0.04, 8)
FIRST_TOKEN, DURATION = Limits(1, 9, 240), Limits(99, 9, 1)  # of which no other is missed
LONG_BOUNDS = {**BOUNDS, c.SERVER_DURATION: (300, 600, 1200, 2400)}
LONG = Traffic(tokens=6000, per_second=0.2)
MINUTE = Traffic(tokens=2000, single=0, failing=0, aborted=0, bounds=(BOUNDS,), per_second=1)
CASES = (
    Case("limits on bounds", Traffic(), ON_BOUNDS, 0.32),
    Case("limits between bounds", Traffic(), BETWEEN, 0.75),
    Case("limits beyond the last bounds", Traffic(), Limits(30, 1, 300), 0.06),
    Case("limits below the first bounds", Traffic(), Limits(0.05, 0.005, 0.5), 0.1),
    Case("one limit beyond its last bound", Traffic(), Limits(0.5, 1, 10), 0.25),
    Case("nearly all requests meet their limits", Traffic(slow_share=0, failing=0.01, aborted=0),
         Limits(1, 0.1, 20), 0.04),
    Case("many requests", Traffic(per_second=5), ON_BOUNDS, 0.31),
    Case("3 requests a minute", Traffic(per_second=0.025), ON_BOUNDS, 0.45),
    Case("no request for a while", Traffic(idle=True), ON_BOUNDS, 0.35),
    Case("all answers have one token", Traffic(single=1), ON_BOUNDS, 0.15),
    Case("answers longer than the window", LONG, Limits(0.5, 0.05, 200), 0.8),
    Case("limits longer than the window", LONG, Limits(0.5, 0.05, 600), 0.9),
    Case("a third fails", Traffic(failing=0.3), ON_BOUNDS, 0.41),
    Case("a third fails and is observed", Traffic(failing=0.3, observed=("success", "error")),
         ON_BOUNDS, 0.46),
    Case("a third is aborted", Traffic(aborted=0.3), ON_BOUNDS, 0.62),
    Case("a third is aborted and observed", Traffic(aborted=0.3, observed=OUTCOMES), ON_BOUNDS,
         0.7),
    Case("a third is aborted and not counted", Traffic(aborted=0.3, counted=OUTCOMES[:3]),
         ON_BOUNDS, 0.62),
    Case("the engine does not count what runs", Traffic(running=False), ON_BOUNDS, 0.84, begins=5),
    Case("a replica starts again", Traffic(restart=1800, tokens=2000), Limits(0.5, 0.05, 120),
         0.78),
    Case("one of two replicas has other bounds", Traffic(bounds=(BOUNDS, OTHER_BOUNDS)),
         Limits(0.75, 0.05, 5), 0.46),
    Case("replicas have other bounds, and limits are between", Traffic(
        bounds=(BOUNDS, OTHER_BOUNDS, BOUNDS)), BETWEEN, 0.77),
    Case("replicas have no bound in common", Traffic(bounds=(BOUNDS, STRANGE_BOUNDS)), ON_BOUNDS,
         0.97),
    Case("late first tokens of long answers", MINUTE, FIRST_TOKEN, 0.61),
    Case("late first tokens of short answers, a scrape every 45 seconds", replace(
        MINUTE, per_second=5, tokens=500), FIRST_TOKEN, 0.18, scraped=45),
    Case("late first tokens, long before the window", replace(
        MINUTE, tokens=20000, cycle=3600, slow_share=0.5, bounds=(LONG_BOUNDS,)),
        Limits(1, 9, 1200), 0.95),
    Case("late first tokens of lost requests", replace(
        MINUTE, tokens=4000, cycle=1700, slow_share=0.1, restart=1785), Limits(1, 9, 999), 0.9,
        scraped=15),
    *(Case(f"late first tokens of aborted requests, {name}",
           Traffic(tokens=300, aborted=0.4, observed=observed, counted=counted), FIRST_TOKEN, 0.51)
      for name, observed, counted in (
          ("counted", OUTCOMES[:1], OUTCOMES), ("observed", OUTCOMES, OUTCOMES),
          ("not counted", OUTCOMES[:1], OUTCOMES[:3]))),
    Case("long answers of aborted requests", Traffic(aborted=0.4, observed=OUTCOMES), DURATION,
         0.38),
    Case("half of the requests begin to fail", Traffic(failing=0.5, aborted=0, failing_from=1800),
         Limits(99, 9, 999), 0.07, scraped=45),
    Case("a scrape every minute", Traffic(), ON_BOUNDS, 0.33, scraped=60),
    Case("a scrape every 45 seconds", Traffic(), ON_BOUNDS, 0.32, scraped=45),
    Case("a scrape every 15 seconds", Traffic(), ON_BOUNDS, 0.32, scraped=15),
    *(Case(f"seed {seed}", Traffic(per_second=0.2 * seed), ON_BOUNDS, 0.32, seed=seed)
      for seed in range(2, 6)),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_exact_share_lies_in_the_band_in_every_window(case: Case, version: str,
                                                          tmp_path: Path) -> None:
    replay = Replay(case.traffic, 60 * MINUTES, case.seed)
    queries = {(rule, minute): f"{rule} offset {MINUTES - minute}m"
               for rule in (LOWER, UPPER) for minute in range(case.begins, MINUTES)}
    answers = ask(version, tmp_path, documents(resting_on(f"{LOWER} {UPPER}")),
                  case.inputs(replay), queries.values(), f"{MINUTES}m",
                  scraped=f"{case.scraped}s")
    widths = []
    for minute in range(case.begins, MINUTES):
        exact = replay.share(case.limits, *case.window(minute))
        band = [answers[queries[rule, minute]] for rule in (LOWER, UPPER)]
        if exact is None:
            assert band == [[], []], minute
            continue
        ((_, lower),), ((_, upper),) = band
        assert lower - CLOSE <= exact <= upper + CLOSE, minute
        widths.append(upper - lower)
    assert sum(widths) / len(widths) <= case.width


SETTLED = 10  # minutes until no counter that is 0 when a window begins makes a difference
EVERY = 45  # seconds: a scrape on the edge of the window is in it or not, by the version
SETTLED_MINUTES = [minute for minute in range(SETTLED, MINUTES) if (60 * minute - WINDOW) % EVERY]
SAME_TRAFFIC = [replace(case, scraped=EVERY) for case in CASES if case.title in (
    "limits on bounds", "limits between bounds", "no request for a while", "a third fails",
    "a third is aborted and observed", "one of two replicas has other bounds")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", SAME_TRAFFIC, ids=str)
def test_the_share_that_gateways_count_lies_in_the_band_of_the_same_traffic(
        case: Case, version: str, tmp_path: Path) -> None:
    replay = Replay(case.traffic, 60 * MINUTES, case.seed)
    queries = {(rule, minute): f"{rule} offset {MINUTES - minute}m"
               for rule in (LOWER, GOODPUT, UPPER) for minute in SETTLED_MINUTES}
    answers = ask(version, tmp_path, documents(resting_on(f"{LOWER} {UPPER} {GOODPUT}")),
                  [*case.inputs(replay), *replay.calls(case.limits, case.scraped)],
                  queries.values(), f"{MINUTES}m", scraped=f"{case.scraped}s")
    compared = 0
    for minute in SETTLED_MINUTES:
        lower, exact, upper = (answers[queries[rule, minute]]
                               for rule in (LOWER, GOODPUT, UPPER))
        if not lower:
            assert exact == upper == [], minute
            continue
        assert lower[0][1] - CLOSE <= exact[0][1] <= upper[0][1] + CLOSE, minute
        assert exact[0][1] == pytest.approx(
            replay.share(case.limits, *case.window(minute)), abs=CLOSE), minute
        compared += 1
    assert compared >= 20


def page(per_minute: float = 60, *without: c.Metric, outcomes: tuple[str, ...] = OUTCOMES[:2],
         running: str = "5x60") -> tuple[Series, ...]:
    """Requests that all meet their limits: within 0.25 s, 0.025 s, and 1 s."""
    counted = growing(per_minute, 60)
    histograms = ((c.SERVER_TTFT, "0.25"), (c.SERVER_TPOT, "0.025"), (c.SERVER_DURATION, "1.0"))
    return (
        emit(c.SERVER_UP, "1x60"), emit(c.SERVER_RUNNING, running),
        *(requests(outcome, counted if outcome == "success" else "0x60") for outcome in outcomes),
        *(series for metric, bound in histograms if metric not in without
          for series in histogram(metric, {bound: counted, "+Inf": counted})))


@rule_cases.BOTH_VERSIONS
@rule_cases.cases(
    rule_cases.Case("all requests meet the default limits", page(running="0x60"), {
        LOWER: one(1, **MODEL), UPPER: one(1, **MODEL)}),
    rule_cases.Case("no traffic", page(0), {LOWER: NOTHING, UPPER: NOTHING}),
    rule_cases.Case("a histogram is missing", page(60, c.SERVER_TPOT), {
        LOWER: NOTHING, UPPER: NOTHING}),
    rule_cases.Case("errors are not counted", page(outcomes=("success",)), {
        LOWER: NOTHING, UPPER: NOTHING}),
    rule_cases.Case("nobody is there", (), {LOWER: NOTHING, UPPER: NOTHING}),
)
def test_goodput_of(case: rule_cases.Case, version: str, tmp_path: Path) -> None:
    rule_cases.prove(case, version, tmp_path)


TTFT = BEYOND[c.SERVER_TTFT]


def first_tokens(limit: float, *scrapes: dict[str, str]) -> tuple[Series, ...]:
    """Of a hundred requests a minute 50 come within 0.25 s, 80 within 0.5 s, 90 within 1 s."""
    buckets = ({"0.25": "0+50x60", "0.5": "0+80x60", "1.0": "0+90x60"},
               {"0.25": "0+50x60", "0.4": "0+70x60", "1.0": "0+90x60"})
    return (override(c.LIMIT_SECONDS, "time_to_first_token_p95", f"{limit:g}x60"),
            emit(c.SERVER_UP, "1x60"), *(
                series for bounds, scrape in zip(buckets, (SCRAPE, *scrapes), strict=False)
                for series in histogram(c.SERVER_TTFT, {**bounds, "+Inf": "0+100x60"},
                                        scrape=scrape)))


def sides(**beyond: float) -> Recorded:
    """Increases are extrapolated to the whole window."""
    names = {"below": "1", "upon": "0", "above": "-1"}
    return [({**MODEL, "side": names[side]}, number * 300.06 / 300)
            for side, number in beyond.items()]


@rule_cases.BOTH_VERSIONS
@rule_cases.cases(
    rule_cases.Case("a limit that is a bound", first_tokens(0.5), {
        TTFT: sides(below=250, upon=100, above=50)}),
    rule_cases.Case("a limit between two bounds", first_tokens(0.6), {
        TTFT: sides(below=100, above=50)}),
    rule_cases.Case("a limit below the first bound", first_tokens(0.1), {TTFT: sides(above=250)}),
    rule_cases.Case("a limit above the last bound", first_tokens(2), {TTFT: sides(below=50)}),
    rule_cases.Case("a bound that one of two replicas has", first_tokens(0.5, OTHER), {
        TTFT: sides(below=500, above=100)}),
    rule_cases.Case("another model's limit", (
        *first_tokens(0.6), override(c.LIMIT_SECONDS, "time_to_first_token_p95", "1x60",
                                     model="large")), {TTFT: sides(below=100, above=50)}),
)
def test_requests_are_beyond_the_bounds_next_to(case: rule_cases.Case, version: str,
                                                tmp_path: Path) -> None:
    rule_cases.prove(case, version, tmp_path)
