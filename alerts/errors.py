"""Requests fail: now, and for how long the error budget will last; or callers send invalid ones.

The limit of the error ratio is the budget. Windows and factors are those of the Site Reliability
Workbook, chapter 5: 14.4 times the budget over an hour is 2 % of a month's.
"""

from __future__ import annotations

from alerts.model import ERRORS, HOLD, Alert, AlertGroup
from alerts.promql import MIN_RATE, MODEL_IN_WORDS, limit_value, over
from recording_rules.limits import ERROR, INVALID
from recording_rules.promql import MODEL, by, on
from recording_rules.requests import (
    ERROR_RATIO,
    ERROR_RATIO_LONG,
    FAILED_HOUR,
    INVALID_RATIO,
    JUDGED_HOUR,
    RATE,
)

# Counted in failures, so that a model with little traffic that fails every time is told of, and
# one failure of few requests is not.
MIN_FAILURES = 5  # in an hour
MIN_REQUESTS = 20  # in an hour, to wake somebody: of ten requests half may fail by chance
# A lax limit times a factor is more than all requests, and would never be exceeded.
MAX_RATIO = 0.9
_ENOUGH = f"and {on(MODEL)} {FAILED_HOUR} >= {MIN_FAILURES}"
_RATIO = {**ERROR_RATIO, **ERROR_RATIO_LONG}


def _burning(factor: float, window: str, recent: str) -> str:
    """The budget was used that many times too fast for long, and still is."""
    limit = f"clamp_max({factor:g} * {ERROR.selector}, {MAX_RATIO})"
    return " and ".join(f"{_RATIO[span]} > {on(ERROR.labels)} group_left () {limit}"
                        for span in (window, recent))


def _burns(severity: str, summary: str, window: str, *burning: str, hold: str = HOLD,
           because: str = "", enough: str = "") -> Alert:
    return Alert(
        "LLMErrorBudgetBurning", ERRORS, severity,
        f"({' or '.join(burning)}) {_ENOUGH} {enough}".rstrip(),
        summary=summary,
        description=f"{MODEL_IN_WORDS}: {{{{ $value | humanizePercentage }}}} of requests failed "
                    f"over {window}; {limit_value(ERROR, 'humanizePercentage')} may.",
        board="throughput", hold=hold, because=because)


REQUESTS_FAILING = Alert(
    "LLMRequestsFailing", ERRORS, "warning",
    f"{over(ERROR_RATIO['5m'], ERROR)} {_ENOUGH}",
    summary="More requests fail than may.",
    description=f"{MODEL_IN_WORDS}: {{{{ $value | humanizePercentage }}}} of requests failed in "
                f"five minutes, over the limit of {limit_value(ERROR, 'humanizePercentage')}.",
    board="throughput")
# Half an hour looks back to failures that are over: nobody is woken for those.
BUDGET_BURNING_FAST = _burns(
    "critical", "So many requests fail that the error budget is soon gone.", "an hour or six",
    _burning(14.4, "1h", "5m"),
    f"{_burning(6, '6h', '30m')} and {over(ERROR_RATIO['5m'], ERROR)}", hold="2m",
    enough=f"and {on(MODEL)} {JUDGED_HOUR} >= {MIN_REQUESTS}",
    because="The windows hold already: one failure that is over moves neither for long.")
BUDGET_BURNING = _burns(
    "warning", "More requests fail than the error budget has room for.", "one day or three",
    _burning(3, "1d", "2h"), _burning(1, "3d", "6h"))
REQUESTS_INVALID = Alert(
    "LLMRequestsInvalid", ERRORS, "warning",
    f"{over(INVALID_RATIO, INVALID)} and {on(MODEL)} sum {by(MODEL)} ({RATE}) >= {MIN_RATE}",
    summary="Callers send many invalid requests.",
    description=f"{MODEL_IN_WORDS}: {{{{ $value | humanizePercentage }}}} of requests were the "
                "caller's mistake, over the limit of "
                f"{limit_value(INVALID, 'humanizePercentage')}.",
    board="throughput")

GROUP = AlertGroup("inferometer-error-alerts", (
    REQUESTS_FAILING, BUDGET_BURNING_FAST, BUDGET_BURNING, REQUESTS_INVALID,
))
