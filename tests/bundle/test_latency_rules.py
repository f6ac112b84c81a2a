"""Latency: quantiles of equal bounds only, at both windows, of the worst set of several.

Unless a case says otherwise 60 requests a minute: half within 0.1 s, all within 1 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.bounds import COUNT, HISTOGRAMS, MIXED, WORST
from recording_rules.latency import MEAN, QUANTILES, QUANTILES_HOUR
from recording_rules.model import Rule
from tests.bundle.alert_inputs import BARE, MODEL, OTHER, emit, histogram
from tests.bundle.promtool import SCRAPE, Series, growing
from tests.bundle.rule_cases import BOTH_VERSIONS, NOTHING, Case, Recorded, cases, one, prove

TTFT = c.SERVER_TTFT
P50, P95, P99 = (QUANTILES[TTFT, rank] for rank in (0.5, 0.95, 0.99))
HOUR = QUANTILES_HOUR[TTFT, 0.95]
BUCKETS = {"0.1": 30.0, "1.0": 60.0, "+Inf": 60.0}
FAST = {"0.1": 60.0, "1.0": 60.0, "+Inf": 60.0}
OTHER_BOUNDS = {"0.2": 30.0, "1.0": 60.0, "+Inf": 60.0}


def latency(buckets: Mapping[str, float] = BUCKETS, metric: Metric = TTFT, *, before: str = "",
            minutes: int = 120, after: str = "", start: int = 0,
            scrape: Mapping[str, str] = SCRAPE, **labels: str) -> tuple[Series, ...]:
    def values(per_minute: float) -> str:
        return f"{before} {growing(per_minute, minutes, start * per_minute)} {after}".strip()

    return (*histogram(metric, {bound: values(number) for bound, number in buckets.items()},
                       scrape=scrape, **labels),
            emit(metric, values(24), scrape=scrape, suffix="_sum", **labels))


def hourly(metric: Metric, recorded: Recorded) -> Mapping[Rule, Recorded]:
    """The hour of what callers feel, which alone has one."""
    return {rule: recorded for (of, _), rule in QUANTILES_HOUR.items() if of is metric}


@BOTH_VERSIONS
@pytest.mark.parametrize("metric", HISTOGRAMS, ids=lambda metric: metric.signal)
def test_every_histogram_has_its_quantiles_mean_and_count(metric: Metric, version: str,
                                                          tmp_path: Path) -> None:
    prove(Case("", latency(metric=metric), {
        QUANTILES[metric, 0.5]: one(0.1, **MODEL),
        QUANTILES[metric, 0.95]: one(0.1 + 0.9 * 27 / 30, **MODEL),
        QUANTILES[metric, 0.99]: one(0.1 + 0.9 * 29.4 / 30, **MODEL),
        **hourly(metric, one(0.1 + 0.9 * 27 / 30, **MODEL)),
        COUNT[metric]: one(1, **MODEL), MEAN[metric]: one(0.4, **MODEL), MIXED[metric]: NOTHING,
    }, time="80m"), version, tmp_path)


@BOTH_VERSIONS
@pytest.mark.parametrize("metric", HISTOGRAMS, ids=lambda metric: metric.signal)
def test_of_replicas_with_different_bounds_the_worst_set_is_judged(metric: Metric, version: str,
                                                                   tmp_path: Path) -> None:
    worst = one(0.2 + 0.8 * 27 / 30, **MODEL)
    prove(Case("", (*latency(metric=metric),
                    *latency(OTHER_BOUNDS, metric, scrape=OTHER)), {
        **{QUANTILES[metric, rank]: NOTHING for rank in (0.5, 0.99)},
        QUANTILES[metric, 0.95]: worst,
        **hourly(metric, worst), MIXED[metric]: one(2, **MODEL),
        COUNT[metric]: one(2, **MODEL), MEAN[metric]: one(0.4, **MODEL),
    }), version, tmp_path)


@BOTH_VERSIONS
@cases(
    Case("no traffic", latency(dict.fromkeys(BUCKETS, 0.0))[:-1], {
        P50: NOTHING, P95: NOTHING, P99: NOTHING, HOUR: NOTHING, MEAN[TTFT]: NOTHING,
        COUNT[TTFT]: one(0, **MODEL)}),
    Case("no bound but infinity", latency({"+Inf": 60}), {
        P50: NOTHING, HOUR: NOTHING, MIXED[TTFT]: NOTHING, MEAN[TTFT]: one(0.4, **MODEL)}),
    Case("slower than the last bound", latency({"0.1": 0, "1.0": 0, "+Inf": 60}), {
        P50: one(1, **MODEL), HOUR: one(1, **MODEL)}),
    Case("two replicas of equal bounds", (*latency(), *latency(FAST, scrape=OTHER)), {
        P95: one(0.1 + 0.9 * 24 / 30, **MODEL), HOUR: one(0.1 + 0.9 * 24 / 30, **MODEL),
        COUNT[TTFT]: one(2, **MODEL), MIXED[TTFT]: NOTHING}),
    Case("several ranks", (*latency(rank="0"), *latency(FAST, rank="1")), {
        P95: one(0.1 + 0.9 * 24 / 30, **MODEL), MIXED[TTFT]: NOTHING}),
    Case("a model of two engines with bounds of their own", (
        *latency(), *latency(OTHER_BOUNDS, engine="sglang")), {
            P50: [(MODEL, 0.1), ({**MODEL, "engine": "sglang"}, 0.2)], MIXED[TTFT]: NOTHING}),
    Case("a model in two namespaces with bounds of their own", (
        *latency(), *latency(OTHER_BOUNDS, scrape=SCRAPE | {"namespace": "test"})), {
            P50: [(MODEL, 0.1), ({**MODEL, "namespace": "test"}, 0.2)], MIXED[TTFT]: NOTHING}),
    Case("neither cluster nor namespace", latency(scrape=BARE), {
        P50: one(0.1, engine="vllm", model="tiny"), HOUR: one(0.91, engine="vllm", model="tiny")}),
    Case("a restart", tuple(
        {**series, "values": f"{series['values']} {again['values']}"}
        for series, again in zip(latency(minutes=26), latency(start=1), strict=True)), {
            P50: one(0.1, **MODEL), P95: one(0.91, **MODEL), COUNT[TTFT]: one(1, **MODEL),
            MEAN[TTFT]: one(0.4, **MODEL)}),
    Case("a replica comes within the window", (
        *latency(), *latency(FAST, before="_x28", scrape=OTHER)), {
            COUNT[TTFT]: one(1.4, **MODEL), P50: one(0.1 * 42 / 54, **MODEL),
            MIXED[TTFT]: NOTHING}),
    Case("a replica is gone whose bounds were others", (
        *latency(), *latency(OTHER_BOUNDS, minutes=10, after="stale", scrape=OTHER)), {
            P50: one(0.1, **MODEL), MIXED[TTFT]: NOTHING, HOUR: one(0.91, **MODEL)}),
    Case("an engine comes back with other bounds after a while", (
        *latency(minutes=10, after="stale"),
        *latency(OTHER_BOUNDS, before="_x20", scrape=OTHER)), {
            P50: one(0.2, **MODEL), MIXED[TTFT]: NOTHING, HOUR: one(0.91, **MODEL)}),
    Case("an hour after bounds were others", (
        *latency(minutes=10, after="stale"),
        *latency(OTHER_BOUNDS, before="_x20", scrape=OTHER)), {
            HOUR: one(0.2 + 0.8 * 27 / 30, **MODEL)}, time="100m"),
)
def test_what_is_recorded_with(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


SLOW = {"0.1": 0.0, "1.0": 60.0, "+Inf": 60.0}  # p95 is 0.955 s
MORE_BOUNDS = {"0.1": 0.0, "0.5": 60.0, "1.0": 60.0, "+Inf": 60.0}  # p95 is 0.48 s
FEW = {"0.2": 0.0, "1.0": 1.2, "+Inf": 1.2}
COME_BACK = histogram(TTFT, {
    "0.1": "0x60", "1.0": f"{growing(60, 26)} stale", "2.0": f"_x27 {growing(60, 60)}",
    "+Inf": f"{growing(60, 26)} {growing(60, 60)}"}, scrape=OTHER)


def lesser(share: float, buckets: Mapping[str, float]) -> Mapping[str, float]:
    return {bound: share * number for bound, number in buckets.items()}


@BOTH_VERSIONS
@cases(
    Case("the others are slow", (*latency(SLOW), *latency(MORE_BOUNDS, scrape=OTHER)), {
        P95: one(0.955, **MODEL), WORST[TTFT]: one(0.955, **MODEL)}),
    Case("the canary is slow", (*latency(FAST), *latency(MORE_BOUNDS, scrape=OTHER)), {
        P95: one(0.48, **MODEL)}),
    Case("the same number of bounds, but other values", (
        *latency(FAST), *latency({"0.2": 0.0, "1.0": 60.0, "+Inf": 60.0}, scrape=OTHER)), {
            P95: one(0.96, **MODEL)}),
    Case("no bound in common", (
        *latency(FAST), *latency({"0.2": 0.0, "2.0": 60.0, "+Inf": 60.0}, scrape=OTHER)), {
            P95: one(1.91, **MODEL)}),
    Case("two replicas in each set", (
        *latency(FAST), *latency(SLOW, scrape=OTHER),
        *latency(OTHER_BOUNDS, scrape=OTHER | {"pod": "third"}),
        *latency(OTHER_BOUNDS, scrape=OTHER | {"pod": "fourth"})), {
            P95: one(0.92, **MODEL)}),
    Case("ranks of one replica", (*latency(FAST, rank="0"), *latency(MORE_BOUNDS, rank="1")), {
        P95: one(0.48, **MODEL)}),
    Case("neither cluster nor namespace", (
        *latency(FAST, scrape=BARE),
        *latency(MORE_BOUNDS, scrape=BARE | {"instance": "10.0.0.2:9835"})), {
            P95: one(0.48, engine="vllm", model="tiny")}),
    Case("six requests of a canary beside many do not count", (
        *latency(FAST), *latency(FEW, scrape=OTHER)), {P95: one(0.095, **MODEL)}),
    Case("with few requests in all a fourth of them counts", (
        *latency(lesser(0.04, FAST)), *latency(FEW, scrape=OTHER)), {P95: one(0.96, **MODEL)}),
    Case("a replica that has just come back with other bounds", (*latency(FAST), *COME_BACK), {
        P95: one(0.095, **MODEL)}),
    Case("a replica that came back with other bounds", (*latency(FAST), *COME_BACK), {
        P95: one(0.1 + 1.9 * 0.95, **MODEL)}, time="40m"),
)
def test_p95_of_a_model_with_several_sets_of_bounds_with(case: Case, version: str,
                                                         tmp_path: Path) -> None:
    prove(case, version, tmp_path)
