"""Calls of applications: rates, errors, latency and tokens by service and model, over gateways."""

from __future__ import annotations

from pathlib import Path

from inferometer import catalogue as c
from recording_rules import agents, client
from recording_rules.client import CLIENT, QUANTILES
from recording_rules.limits import DURATION, ERROR, GOODPUT, INVALID, TPOT
from tests.bundle.client_inputs import CALLER, GATEWAY, SECOND, calls, spoken, took
from tests.bundle.promtool import Series, growing
from tests.bundle.rule_cases import BOTH_VERSIONS, NOTHING, Case, cases, one, prove

A_MINUTE = {"success": 60, "error": 6, "rejected": 6, "invalid": 12, "abort": 6}
BUCKETS = {"0.1": 30.0, "1.0": 60.0, "+Inf": 60.0}
P95 = QUANTILES[c.CLIENT_DURATION, 0.95]
OTHER = {"service_name": "search"}


def ended() -> tuple[Series, ...]:
    return tuple(calls(outcome, growing(number, 120))
                 for outcome, number in A_MINUTE.items())


@BOTH_VERSIONS
@cases(
    Case("every outcome", ended(), {
        client.RATE: [({**CALLER, "outcome": outcome}, number / 60)
                      for outcome, number in A_MINUTE.items()],
        client.ERROR_RATIO: one(12 / 72, **CALLER),
        client.ERROR_RATIO_HOUR: one(12 / 72, **CALLER),
        client.FAILED_HOUR: one(720, **CALLER)}, time="90m"),
    Case("calls that never failed", (calls("success", growing(60, 60)),
                                     calls("error", "0x60")), {
        client.ERROR_RATIO: one(0, **CALLER)}),
    Case("no calls", tuple(calls(outcome, "0x60") for outcome in A_MINUTE), {
        client.ERROR_RATIO: NOTHING, client.USAGE_MISSING: NOTHING}),
    Case("two gateways", (calls("success", growing(60, 60)),
                          calls("success", growing(30, 60), scrape=SECOND)), {
        client.RATE: one(1.5, **CALLER, outcome="success")}),
    Case("two operations of a model", (calls("success", growing(60, 60)),
                                       calls("success", growing(30, 60), operation="embeddings")), {
        client.RATE: one(1.5, **CALLER, outcome="success")}),
    Case("two services", (calls("success", growing(60, 60)),
                          calls("success", growing(30, 60), service_name="search")), {
        client.RATE: [({**CALLER, "outcome": "success"}, 1.0),
                      ({**CALLER, **OTHER, "outcome": "success"}, 0.5)]}),
    Case("half of the calls within limits", (
        *ended(), spoken(c.CLIENT_WITHIN_LIMITS, growing(36, 120)),
        spoken(c.CLIENT_WITHIN_LIMITS, growing(0, 120), service_name="search")), {
        client.GOODPUT: one(36 / 72, **CALLER)}),
    Case("calls within limits at two gateways", tuple(
        series for scrape, within in ((GATEWAY, 60), (SECOND, 15)) for series in (
            calls("success", growing(60, 60), scrape=scrape),
            spoken(c.CLIENT_WITHIN_LIMITS, growing(within, 60), scrape=scrape))), {
        client.GOODPUT: one(75 / 120, **CALLER)}),
    Case("callers who left and made mistakes alone", tuple(
        [spoken(c.CLIENT_WITHIN_LIMITS, "0x60"),
         *(calls(outcome, growing(9, 60)) for outcome in ("invalid", "abort"))]), {
        client.GOODPUT: NOTHING}),
    Case("tokens", (spoken(c.CLIENT_INPUT, growing(600, 60)),
                    spoken(c.CLIENT_INPUT_CACHED, growing(300, 60)),
                    spoken(c.CLIENT_OUTPUT, growing(120, 60))), {
        client.INPUT: one(10, **CALLER), client.CACHED: one(5, **CALLER),
        client.OUTPUT: one(2, **CALLER)}),
    Case("a tenth of the answers without tokens", (
        *ended(), spoken(c.CLIENT_USAGE_MISSING, growing(6.6, 120))), {
        client.USAGE_MISSING: one(0.1, **CALLER)}, time="90m"),
    Case("a cent a call", (
        *ended(), spoken(c.CLIENT_COST, growing(0.66, 120)),
        spoken(c.CLIENT_INPUT, growing(6000, 120)), spoken(c.CLIENT_OUTPUT, growing(600, 120))), {
        client.COST: one(0.011, **CALLER), client.COST_PER_CALL: one(0.01, **CALLER),
        client.COST_PER_1K_TOKENS: one(0.1, **CALLER)}, time="90m"),
    Case("a cent a minute for more than a day", (spoken(c.CLIENT_COST, growing(0.01, 1600)),), {
        agents.MOST_COST: one(0.01 / 60, cluster="east", service_name="shop")}, time="1600m"),
    Case("a cent a minute of two models", (
        spoken(c.CLIENT_COST, growing(0.01, 1600)),
        spoken(c.CLIENT_COST, growing(0.03, 1600), model="gpt-4o")), {
        agents.MOST_COST: one(0.04 / 60, cluster="east", service_name="shop")}, time="1600m"),
    Case("a cent a minute for less than a day", (spoken(c.CLIENT_COST, growing(0.01, 1400)),), {
        agents.MOST_COST: NOTHING}, time="1400m"),
    Case("a tenth of the answers without a price", (
        *ended(), spoken(c.CLIENT_PRICE_UNKNOWN, growing(6.6, 120))), {
        client.PRICE_UNKNOWN: one(0.1, **CALLER)}, time="90m"),
)
def test_what_is_recorded_of_calls_with(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


@BOTH_VERSIONS
def test_the_same_bounds_of_two_gateways_make_one_quantile(version: str, tmp_path: Path) -> None:
    quick = {"0.1": 60.0, "1.0": 60.0, "+Inf": 60.0}
    prove(Case("", (*took(c.CLIENT_DURATION, BUCKETS),
                    *took(c.CLIENT_DURATION, quick, scrape=SECOND)), {
        QUANTILES[c.CLIENT_DURATION, 0.5]: one(0.1 * 60 / 90, **CALLER),
        P95: one(0.1 + 0.9 * 24 / 30, **CALLER),
        QUANTILES[c.CLIENT_DURATION, 0.99]: one(0.1 + 0.9 * 28.8 / 30, **CALLER),
        client.MEAN: one(0.4, **CALLER),
        client.COUNT[c.CLIENT_DURATION]: one(2, **CALLER)}, time="80m"), version, tmp_path)


@BOTH_VERSIONS
def test_where_few_calls_end_in_five_minutes_the_hour_is_judged(
        version: str, tmp_path: Path) -> None:
    seldom = {bound: number / 40 for bound, number in BUCKETS.items()}
    judged = client.JUDGED_QUANTILES[c.CLIENT_DURATION]
    prove(Case("", took(c.CLIENT_DURATION, seldom, 180), {
        judged: one(0.1 + 0.9 * 27 / 30, **CALLER)}, time="150m"), version, tmp_path)
    fewer = {bound: number / 400 for bound, number in BUCKETS.items()}
    prove(Case("", took(c.CLIENT_DURATION, fewer, 180), {judged: NOTHING}, time="150m"),
          version, tmp_path)


@BOTH_VERSIONS
def test_a_model_that_only_applications_call_has_the_limits_of_calls(
        version: str, tmp_path: Path) -> None:
    limit = {"cluster": "east", "model": CALLER["model"], "set_by": "default"}
    prove(Case("", ended(), {
        DURATION.rule(): one(2, **limit, limit=DURATION.name),
        ERROR.rule(): one(0.01, **limit, limit=ERROR.name),
        TPOT.rule(): one(0.05, **limit, limit=TPOT.name),
        GOODPUT.rule(): NOTHING,
        INVALID.rule(): NOTHING}), version, tmp_path)


def test_a_caller_is_named_by_the_labels_that_every_gateway_has() -> None:
    assert {*CALLER} == {*CLIENT}
