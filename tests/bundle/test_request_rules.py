"""Requests: rates by outcome, and the error ratio of those engines that tell enough for one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from recording_rules.model import Rule
from recording_rules.requests import (
    ERROR_RATIO,
    ERROR_RATIO_LONG,
    FAILED_HOUR,
    FAILED_RATE,
    FLEET_ERROR_RATIO,
    FLEET_RATE,
    INVALID_RATIO,
    JUDGED_RATE,
    RATE,
    RATE_HOUR,
)
from tests.bundle.alert_inputs import BARE, MODEL, OTHER, requests
from tests.bundle.promtool import SCRAPE, Series, growing
from tests.bundle.rule_cases import BOTH_VERSIONS, NOTHING, Case, Recorded, cases, one, prove

A_MINUTE = {"success": 60, "error": 6, "rejected": 6, "invalid": 12, "abort": 6}
EAST = {"cluster": "east"}
WEST = SCRAPE | {"cluster": "west"}
RATIO = ERROR_RATIO["5m"]
JUDGEMENTS: tuple[Rule, ...] = (FAILED_RATE, JUDGED_RATE, FAILED_HOUR, *ERROR_RATIO.values(),
                                *ERROR_RATIO_LONG.values(), FLEET_ERROR_RATIO)


def ended(a_minute: Mapping[str, int], scrape: Mapping[str, str] = SCRAPE,
          **labels: str) -> tuple[Series, ...]:
    return tuple(requests(outcome, growing(number, 90), scrape=scrape, **labels)
                 for outcome, number in a_minute.items())


def rates(a_minute: Mapping[str, float], labels: Mapping[str, str] = MODEL) -> Recorded:
    return [({**labels, "outcome": outcome}, number / 60) for outcome, number in a_minute.items()]


def only(*outcomes: str) -> dict[str, int]:
    return {outcome: A_MINUTE[outcome] for outcome in outcomes}


@BOTH_VERSIONS
@cases(
    Case("every outcome", ended(A_MINUTE), {
        RATE: rates(A_MINUTE), RATE_HOUR: rates(A_MINUTE), FLEET_RATE: rates(A_MINUTE, EAST),
        FAILED_RATE: one(0.2, **MODEL), JUDGED_RATE: one(1.2, **MODEL),
        FAILED_HOUR: one(720, **MODEL), INVALID_RATIO: one(12 / 90, **MODEL),
        **{ERROR_RATIO[window]: one(12 / 72, **MODEL) for window in ("5m", "30m", "1h", "2h")},
        FLEET_ERROR_RATIO: one(12 / 72, **EAST)}, time="80m"),
    Case("no traffic", ended(dict.fromkeys(A_MINUTE, 0)), {
        RATE: rates(dict.fromkeys(A_MINUTE, 0)), FAILED_RATE: one(0, **MODEL),
        INVALID_RATIO: NOTHING, FLEET_ERROR_RATIO: NOTHING,
        **dict.fromkeys((*ERROR_RATIO.values(), *ERROR_RATIO_LONG.values()), NOTHING)}),
    Case("errors are not counted", ended(only("success", "abort")), {
        **dict.fromkeys(JUDGEMENTS, NOTHING), RATE: rates(only("success", "abort")),
        INVALID_RATIO: NOTHING}),
    Case("rejections are, errors are not", ended(only("success", "rejected")),
         dict.fromkeys(JUDGEMENTS, NOTHING)),
    Case("successes are not counted", ended(only("error", "rejected", "invalid")),
         dict.fromkeys((*JUDGEMENTS, INVALID_RATIO), NOTHING)),
    Case("nothing is ever rejected", ended(only("success", "error")), {
        RATIO: one(6 / 66, **MODEL)}),
    Case("a restart", (requests("success", "0+60x26 60+60x60"), requests("error", "0+6x26 6+6x60")),
         {RATE: rates(only("success", "error")), RATIO: one(6 / 66, **MODEL)}),
    Case("a replica comes within the window", (
        *ended(only("success", "error")),
        requests("success", "_x28 0+60x60", scrape=OTHER),
        requests("error", "_x28 0+0x60", scrape=OTHER)), {
            RATE: rates({"success": 60 + 24, "error": 6}), RATIO: one(6 / 90, **MODEL)}),
    Case("a model is gone", (requests("success", "0+60x10 stale"), requests("error", "0x10 stale")),
         {RATE: NOTHING, RATIO: NOTHING, FLEET_RATE: NOTHING, FLEET_ERROR_RATIO: NOTHING}),
    Case("several ranks", (*ended(A_MINUTE, rank="0"), *ended(A_MINUTE, rank="1")), {
        RATE: rates({outcome: 2 * number for outcome, number in A_MINUTE.items()}),
        RATIO: one(12 / 72, **MODEL)}),
    Case("a model of two engines, one of which counts no errors", (
        *ended(only("success", "error")), *ended(only("success"), engine="nim")), {
            RATE: [*rates(only("success", "error")),
                   *rates(only("success"), {**MODEL, "engine": "nim"})],
            RATIO: one(6 / 66, **MODEL), FLEET_ERROR_RATIO: one(6 / 66, **EAST),
            FLEET_RATE: rates({"success": 120, "error": 6}, EAST)}),
    Case("a model in two namespaces and two clusters", (
        *ended(only("success")), *ended(only("success"), {**SCRAPE, "namespace": "test"}),
        *ended(only("success"), WEST)), {
            RATE: [*rates(only("success")),
                   *rates(only("success"), {**MODEL, "namespace": "test"}),
                   *rates(only("success"), {**MODEL, "cluster": "west"})],
            FLEET_RATE: [*rates({"success": 120}, EAST),
                         *rates({"success": 60}, {"cluster": "west"})]}),
    Case("neither cluster nor namespace", ended(only("success", "error"), BARE), {
        RATE: rates(only("success", "error"), {"engine": "vllm", "model": "tiny"}),
        RATIO: one(6 / 66, engine="vllm", model="tiny"),
        FLEET_RATE: rates(only("success", "error"), {}), FLEET_ERROR_RATIO: one(6 / 66)}),
    Case("a front before its workers", (
        *ended(only("success", "error")), *ended(A_MINUTE, engine="dynamo")), {
            FLEET_RATE: rates(only("success", "error"), EAST),
            FLEET_ERROR_RATIO: one(6 / 66, **EAST)}),
    Case("a front alone", ended(A_MINUTE, engine="sglang_router"), {
        FLEET_RATE: rates(A_MINUTE, EAST), FLEET_ERROR_RATIO: one(12 / 72, **EAST)}),
    Case("a front alone in one of two clusters", (
        *ended(only("success")), *ended(only("success", "error"), WEST, engine="dynamo")), {
            FLEET_RATE: [*rates(only("success"), EAST),
                         *rates(only("success", "error"), {"cluster": "west"})],
            FLEET_ERROR_RATIO: one(6 / 66, cluster="west")}),
)
def test_what_is_recorded_with(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def ratios(minutes: int) -> tuple[Series, ...]:
    return (requests("success", growing(60, minutes)), requests("error", growing(6, minutes)))


@BOTH_VERSIONS
@pytest.mark.parametrize(("window", "too_soon", "soon_enough"), [
    ("5m", 0, 2), ("30m", 0, 2), ("1h", 29, 37), ("2h", 59, 72), ("6h", 179, 215),
    ("1d", 719, 850), ("3d", 2159, 2550),
])
def test_a_long_window_is_judged_once_the_model_is_known_for_half_of_it(
        window: str, too_soon: int, soon_enough: int, version: str, tmp_path: Path) -> None:
    rule = {**ERROR_RATIO, **ERROR_RATIO_LONG}[window]
    for minutes, recorded in ((too_soon, NOTHING), (soon_enough, one(6 / 66, **MODEL))):
        prove(Case("", ratios(minutes), {rule: recorded}, time=f"{minutes}m"), version, tmp_path)


@BOTH_VERSIONS
def test_a_model_that_comes_and_goes_is_known_for_as_long_as_it_was_there(
        version: str, tmp_path: Path) -> None:
    inputs = tuple({**series, "values": f"{series['values']} stale _x160 {series['values']}"}
                   for series in ratios(20))
    prove(Case("", inputs, {ERROR_RATIO["1h"]: NOTHING, ERROR_RATIO["6h"]: NOTHING,
                            ERROR_RATIO["30m"]: one(6 / 66, **MODEL)}, time="200m"),
          version, tmp_path)
