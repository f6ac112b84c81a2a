"""Requests fail: for minutes, with little traffic, for as long as uses up the error budget.

The limit of the error ratio is the budget. Windows and factors of `LLMErrorBudgetBurning` are those
of the Site Reliability Workbook, chapter 5: 14.4 times the budget over an hour is 2 % of a month's.
An hour is too long for an outage, and its requests are too few for a model that is seldom asked:
`LLMRequestsFailing` pages for those. Each rule carries its window as a label.
"""

from __future__ import annotations

from alerts import words
from alerts.model import ERRORS, HOLD, Alert, AlertGroup
from alerts.promql import answered, limit_value, over
from inferometer import catalogue as c
from recording_rules.limits import ERROR, INVALID
from recording_rules.promql import ENOUGH_RATE, MODEL, any_of, by, on
from recording_rules.requests import (
    ERROR_RATIO,
    ERROR_RATIO_LONG,
    FAILED,
    FAILED_HOUR,
    FAILED_RATE,
    INVALID_RATIO,
    JUDGED_HOUR,
    JUDGED_RATE,
    RATE,
)

MIN_REQUESTS = c.ENOUGH_REQUESTS  # in an hour, to wake somebody: of ten half may fail by chance
MAX_RATIO = c.LARGEST_ERROR_RATIO
OUTAGE, MANY, OUTAGE_FACTOR = c.OUTAGE_RATIO, c.MANY_FAILING_RATIO, c.OUTAGE_FACTOR
OUTAGE_RATE = f"{c.OUTAGE_REQUESTS} / 300"  # a second
_ENOUGH = f"and {on(MODEL)} {FAILED_HOUR} >= {c.LEAST_FAILURES}"
_RATIO = {**ERROR_RATIO, **ERROR_RATIO_LONG}
_RATIO_10M = (f"(({FAILED_RATE} + {FAILED_RATE} offset 5m) / "
              f"({JUDGED_RATE} + {JUDGED_RATE} offset 5m > 0))")


def _failed(window: str) -> str:
    return (f"{{{{ $value | humanizePercentage }}}} of requests to {words.MODEL} failed over "
            f"{window}, limit {limit_value(ERROR, 'humanizePercentage')}.")


_REJECTED = answered(
    f"sum ({RATE}{{%s, {any_of(c.OUTCOME, 'rejected')}}}) / sum ({RATE}{{%s, {FAILED}}}) > 0",
    " {{ . | first | value | humanizePercentage }} of the failures are rejections: the engine has "
    "no room.")


def _too_fast(window: str) -> str:
    return answered(
        f"{_RATIO[window]}{{%s}} / {on(ERROR.labels)} group_left () {ERROR.selector}",
        " The error budget burns {{ . | first | value | printf \"%.3g\" }} times too fast.")


def _above(ratio: str, factor: float, least: float) -> str:
    """More than a multiple of the limit, and in any case than so many."""
    limit = f"clamp({factor:g} * {ERROR.selector}, {least:g}, {MAX_RATIO:g})"
    return f"{ratio} > {on(ERROR.labels)} group_left () {limit}"


def _failing(severity: str, window: str, expr: str, summary: str, remark: str = _REJECTED, *,
             hold: str = HOLD, because: str = "") -> Alert:
    return Alert(
        "LLMRequestsFailing", ERRORS, severity, expr, summary=summary,
        description=f"{_failed(window)}{remark}", board="throughput", hold=hold, because=because,
        labels={"window": window})


def _burning(severity: str, factor: float, window: str, recent: str, summary: str,
             condition: str, *, hold: str = HOLD, because: str = "") -> Alert:
    """The budget was used that many times too fast for long, and still is."""
    burning = " and ".join(_above(str(_RATIO[span]), factor, 0) for span in (window, recent))
    return Alert(
        "LLMErrorBudgetBurning", ERRORS, severity, f"{burning} {condition}", summary=summary,
        description=f"{_failed(window)}{_too_fast(window)}", board="throughput", hold=hold,
        because=because, labels={"window": window})


_FAR_OVER = "The error ratio is far over its limit."
_OVER = "The error ratio is over its limit."
_WINDOW_HOLDS = "The window holds already: a short burst of failures does not fill it."
# The five minutes before had requests too: the first two minutes of all traffic are no outage.
OUTAGE_NOW = _failing(
    "critical", "5m",
    f"{_above(str(ERROR_RATIO['5m']), OUTAGE_FACTOR, OUTAGE)} "
    f"and {on(MODEL)} {JUDGED_RATE} >= {OUTAGE_RATE} "
    f"and {on(MODEL)} {JUDGED_RATE} offset 5m >= {OUTAGE_RATE}",
    _FAR_OVER, hold="0m", because=_WINDOW_HOLDS)
MANY_FAILING = _failing(
    "critical", "10m",
    f"{_above(_RATIO_10M, OUTAGE_FACTOR, MANY)} "
    f"and {_above(str(ERROR_RATIO['5m']), OUTAGE_FACTOR, MANY)} "
    f"and {on(MODEL)} {JUDGED_RATE} >= {ENOUGH_RATE} "
    f"and {on(MODEL)} {JUDGED_RATE} offset 5m >= {JUDGED_RATE} / 2",
    _FAR_OVER, hold="0m", because=_WINDOW_HOLDS)
SELDOM_ASKED_OUTAGE = _failing(
    "critical", "2h",
    f"{ERROR_RATIO['2h']} > {MAX_RATIO} and {ERROR_RATIO['1h']} > {MAX_RATIO} {_ENOUGH} "
    f"{_ENOUGH.replace(str(FAILED_HOUR), f'{FAILED_HOUR} offset 1h')}",
    "Nearly all requests fail.")
REQUESTS_FAILING = _failing(
    "warning", "5m", f"{over(ERROR_RATIO['5m'], ERROR)} {_ENOUGH}", _OVER)
# Five minutes without any request come in between: they would end what holds.
SELDOM_ASKED_FAILING = _failing(
    "warning", "1h",
    f"{over(ERROR_RATIO['1h'], ERROR)} and {over(ERROR_RATIO['30m'], ERROR)} {_ENOUGH} "
    f"and {on(MODEL)} {JUDGED_RATE} < {ENOUGH_RATE}", _OVER)

_FAST = "The error budget burns fast."
_SLOW = "The error budget burns too fast to last."
_MANY_REQUESTS = f"{_ENOUGH} and {on(MODEL)} {JUDGED_HOUR} >= {MIN_REQUESTS}"
_BURST = "Two minutes of failures are seen for 7 minutes by a window of 5, and page nobody."
BUDGET_BURNING_1H = _burning(
    "critical", c.BURN_FACTORS["1h"], "1h", "5m", _FAST, _MANY_REQUESTS, hold="8m", because=_BURST)
# Half an hour looks back to failures that are over: nobody is woken for those.
BUDGET_BURNING_6H = _burning(
    "critical", c.BURN_FACTORS["6h"], "6h", "30m", _FAST,
    f"and {over(ERROR_RATIO['5m'], ERROR)} {_MANY_REQUESTS}",
    hold="8m", because=_BURST)
BUDGET_BURNING_1D = _burning("warning", c.BURN_FACTORS["1d"], "1d", "2h", _SLOW, _ENOUGH)
BUDGET_BURNING_3D = _burning("warning", c.BURN_FACTORS["3d"], "3d", "6h", _SLOW, _ENOUGH)
REQUESTS_INVALID = Alert(
    "LLMRequestsInvalid", ERRORS, "warning",
    f"{over(INVALID_RATIO, INVALID)} and {on(MODEL)} sum {by(MODEL)} ({RATE}) >= {ENOUGH_RATE}",
    summary="The share of invalid requests is over its limit.",
    description=f"{{{{ $value | humanizePercentage }}}} of requests to {words.MODEL} were invalid "
                f"over 5m, limit {limit_value(INVALID, 'humanizePercentage')}. The caller's "
                "request is the cause, not the engine.",
    board="throughput")

BUDGET = (BUDGET_BURNING_1H, BUDGET_BURNING_6H, BUDGET_BURNING_1D, BUDGET_BURNING_3D)
FAILING = (OUTAGE_NOW, MANY_FAILING, SELDOM_ASKED_OUTAGE, REQUESTS_FAILING, SELDOM_ASKED_FAILING)
GROUP = AlertGroup("inferometer-error-alerts", (*FAILING, *BUDGET, REQUESTS_INVALID))
