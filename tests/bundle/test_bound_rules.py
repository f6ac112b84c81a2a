"""Bounds as numbers: each that any engine's histogram has, once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.bounds import BOUNDS, HISTOGRAMS
from tests.bundle.alert_inputs import BARE, OTHER, UP, histogram
from tests.bundle.promtool import SCRAPE, Series
from tests.bundle.rule_cases import BOTH_VERSIONS, NOTHING, Case, Recorded, cases, prove


def bounded(*bounds: str, metric: Metric = c.SERVER_TTFT, scrape: Mapping[str, str] = SCRAPE,
            **labels: str) -> tuple[Series, ...]:
    return histogram(metric, dict.fromkeys((*bounds, "+Inf"), "0x60"), scrape=scrape, **labels)


def numbers(*bounds: str) -> Recorded:
    return [({"bound": bound}, float(bound)) for bound in bounds]


@BOTH_VERSIONS
@pytest.mark.parametrize("metric", HISTOGRAMS, ids=lambda metric: metric.signal)
def test_every_histograms_bounds_have_their_numbers(metric: Metric, version: str,
                                                    tmp_path: Path) -> None:
    prove(Case("", bounded("0.5", metric=metric), {BOUNDS: numbers("0.5")}), version, tmp_path)


@BOTH_VERSIONS
@cases(
    Case("as engines spell them", bounded("0.0", "0.0001", "0.5", "1.0", "7680.0", "1e+06"), {
        BOUNDS: numbers("0.0", "0.0001", "0.5", "1.0", "7680.0", "1e+06")}),
    Case("the same ones on several replicas, engines and histograms", (
        *bounded("0.5", "1.0"), *bounded("0.5", "1.0", scrape=OTHER),
        *bounded("0.5", "2.0", engine="sglang", scrape=BARE),
        *bounded("1.0", metric=c.SERVER_TPOT)), {BOUNDS: numbers("0.5", "1.0", "2.0")}),
    Case("no bound but infinity", bounded(), {BOUNDS: NOTHING}),
    Case("no histogram", (UP,), {BOUNDS: NOTHING}),
)
def test_bounds_are_recorded_as_numbers(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)
