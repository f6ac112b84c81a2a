"""Calls of applications, as they saw them: they fail, are slow, or their tokens are not known.

A model that we serve has alerts of its own, with the cause; these are for what the caller gets, and
for models that others serve.
"""

from __future__ import annotations

from alerts import words
from alerts.model import (
    CALLS,
    CALLS_DEAR,
    CALLS_SLOW,
    CALLS_UNKNOWN,
    HAPPENED,
    Alert,
    AlertGroup,
)
from alerts.promql import answered, limit_value, over, over_chosen
from inferometer import catalogue as c
from recording_rules import client
from recording_rules.client import CLIENT
from recording_rules.limits import CALL_COST, DURATION, ERROR, TTFT, Limit
from recording_rules.model import Rule
from recording_rules.promql import ENOUGH, ENOUGH_RATE, HOUR, WINDOW, any_of, by, on
from recording_rules.requests import FAILED, JUDGED

MISSING = c.MISSING_USAGE_RATIO
LOOK_BACK = "15m"
_USD = 'printf "%.4g"'
_ENOUGH_FAILED = f"and {on(CLIENT)} {client.FAILED_HOUR} >= {c.LEAST_FAILURES}"
_JUDGED_RATE = f"sum {by(CLIENT)} ({client.RATE}{{{JUDGED}}}%s)"
_OUTAGE_RATE = f"{c.OUTAGE_REQUESTS} / 300"
_REJECTED = answered(
    f"sum ({client.RATE}{{%s, {any_of(c.OUTCOME, 'rejected')}}}) / "
    f"sum ({client.RATE}{{%s, {FAILED}}}) > 0",
    " {{ . | first | value | humanizePercentage }} of the failures are rejections: a rate limit, "
    "or no room.", labels=CLIENT)


def _failing(severity: str, window: str, expr: str, summary: str, hold: str = "10m",
             because: str = "") -> Alert:
    return Alert(
        "LLMClientCallsFailing", CALLS, severity, expr, summary=summary,
        description=f"{{{{ $value | humanizePercentage }}}} of calls by {words.CALLER} failed over "
                    f"{window}, limit {limit_value(ERROR, 'humanizePercentage')}.{_REJECTED}",
        board="requests", hold=hold, because=because, labels={"window": window})


def _slow(name: str, figure: str, rule: Rule, limit: Limit, *, very: bool = False) -> Alert:
    """Held against what somebody chose: how long an answer takes hangs on what was asked."""
    times = c.VERY_SLOW if very else 1
    against = f"more than {times} times the limit of" if very else "limit"
    return Alert(
        name, CALLS_SLOW, "critical" if very else "warning", over_chosen(rule, limit, times),
        summary=f"p95 {figure} of an application's calls is over "
                f"{f'{times} times ' if very else ''}its limit.",
        description=f"p95 {figure} of calls by {words.CALLER} is "
                    "{{ $value | humanizeDuration }} over 5m, or over the hour where fewer than "
                    f"{ENOUGH} calls ended in them, {against} "
                    f"{limit_value(limit, 'humanizeDuration')}.",
        board="requests")


def _unknown(name: str, share: Rule, summary: str, lack: str, consequence: str) -> Alert:
    """Of too many answered calls a figure is not known."""
    return Alert(
        name, CALLS_UNKNOWN, "warning",
        f"{share} > {MISSING} and {on(CLIENT)} "
        f"sum {by(CLIENT)} (increase({c.CLIENT_REQUESTS.name}[{HOUR}])) >= {ENOUGH}",
        summary=summary,
        description=f"Of {{{{ $value | humanizePercentage }}}} of the answered calls by "
                    f"{words.CALLER} in the last {HOUR} {lack}, limit {MISSING:.0%}. {consequence}",
        board="requests", hold="30m",
        because="It is about figures that somebody reads by day, and a deployment may be under "
                "way.")


_OUTAGE = f"clamp({c.OUTAGE_FACTOR} * {ERROR.selector}, {c.OUTAGE_RATIO}, {c.LARGEST_ERROR_RATIO})"
OUTAGE = _failing(
    "critical", WINDOW,
    f"{client.ERROR_RATIO} > {on(ERROR.labels)} group_left () {_OUTAGE} "
    f"and {on(CLIENT)} {_JUDGED_RATE % ''} >= {_OUTAGE_RATE} "
    f"and {on(CLIENT)} {_JUDGED_RATE % ' offset 5m'} >= {_OUTAGE_RATE}",
    "Most calls of an application fail.", hold="0m",
    because="The window holds already: a short burst of failures does not fill it.")
FAILING = _failing(
    "warning", WINDOW, f"{over(client.ERROR_RATIO, ERROR)} {_ENOUGH_FAILED}",
    "The error ratio of an application's calls is over its limit.")
SELDOM_FAILING = _failing(
    "warning", HOUR,
    f"{over(client.ERROR_RATIO_HOUR, ERROR)} {_ENOUGH_FAILED} "
    f"and {on(CLIENT)} {_JUDGED_RATE % ''} < {ENOUGH_RATE}",
    "The error ratio of an application's calls is over its limit.")
_DURATION, _TTFT = client.JUDGED_QUANTILES.values()
SLOW = _slow("LLMClientCallsSlow", "duration", _DURATION, DURATION)
VERY_SLOW = _slow("LLMClientCallsSlow", "duration", _DURATION, DURATION, very=True)
FIRST_TOKEN_SLOW = _slow("LLMClientFirstTokenSlow", "time to first token", _TTFT, TTFT)
USAGE_MISSING = _unknown(
    "LLMClientUsageMissing", client.USAGE_MISSING, "Calls are counted without their tokens.",
    "no span has the tokens", "Tokens and cost are too low by as much.")
PRICE_UNKNOWN = _unknown(
    "LLMClientPriceUnknown", client.PRICE_UNKNOWN, "Calls are counted without their price.",
    "the price is not known", "Their cost is counted nowhere.")
DEAR = Alert(
    "LLMClientCallDear", CALLS_DEAR, "warning",
    f"sum {by(CLIENT)} (increase({c.CLIENT_OVER_COST.name}[{LOOK_BACK}])) > 0",
    summary="A single call cost more than its limit.",
    description=f'{{{{ $value | printf "%.0f" }}}} calls by {words.CALLER} in the last {LOOK_BACK} '
                f"cost more than the limit of {limit_value(CALL_COST, _USD)} USD each. inferometer "
                "ledger top --by user names who made them.",
    board="requests", hold="0m", because=HAPPENED)

GROUP = AlertGroup("inferometer-client-alerts", (
    OUTAGE, FAILING, SELDOM_FAILING, SLOW, VERY_SLOW, FIRST_TOKEN_SLOW, USAGE_MISSING,
    PRICE_UNKNOWN, DEAR))
