"""What a call is held against: its model's limits, then those of all models, then defaults."""

from __future__ import annotations

import pytest

from inferometer import catalogue as c
from inferometer.call_limits import CallLimits, CallLimitTable, default_limits
from inferometer.config import CALL_LIMITS, LIMITS, parse

SECOND = NANO = 10**9
GENERAL = "limits: {time_to_first_token_p95_seconds: 3, call_cost_usd: 4}\n"
MODEL = "models: {m: {limits: {time_to_first_token_p95_seconds: 0.1}}, other: }\n"
FLEET = "fleet: {limits: {call_cost_usd: 9}, models: {m: {limits: {call_cost_usd: 0.5}}}}\n"


def limits(text: str, model: str = "m") -> CallLimits:
    return CallLimitTable(parse(text, "x.yml")).of(model)


def test_without_any_the_defaults_are_those_of_the_catalogue() -> None:
    defaults = [c.LIMIT_DEFAULTS[LIMITS[key][0]] for key in CALL_LIMITS]
    assert [limit / NANO for limit in default_limits("m")] == defaults
    assert default_limits("m") == limits("")
    assert default_limits("m") == CallLimits(2 * SECOND, SECOND // 2, SECOND // 20, NANO)


@pytest.mark.parametrize(("text", "model", "first_token", "usd"), [
    (GENERAL, "m", 3, 4),
    (GENERAL + MODEL, "m", 0.1, 4),
    (GENERAL + MODEL, "other", 3, 4),
    (GENERAL + MODEL, "strange", 3, 4),
    (GENERAL + FLEET, "m", 3, 0.5),  # without a role the fleet's go first
    (GENERAL + FLEET, "other", 3, 9),
    (GENERAL + MODEL + FLEET, "m", 0.1, 0.5),
    ("models: {m: {limits: {call_cost_usd: 1}}}\nfleet: {limits: {call_cost_usd: 9}}\n",
     "m", 0.5, 1),
])
def test_the_limits_of_a_model_go_before_those_of_all(text: str, model: str, first_token: float,
                                                      usd: float) -> None:
    in_force = limits(text, model)
    assert (in_force.first_token, in_force.cost) == (first_token * SECOND, usd * NANO)
    assert in_force.duration == 2 * SECOND


def test_a_limit_without_end_is_one_all_the_same() -> None:
    assert limits("limits: {request_duration_p95_seconds: 1.0e+300}").duration == 10**18
