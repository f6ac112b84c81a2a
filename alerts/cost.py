"""Money: what is spent, held against budgets, limits and its own last week."""

from __future__ import annotations

from alerts.model import BUDGET, COST, MODEL_BUDGET, SPEND, Alert, AlertGroup, Subject
from alerts.promql import limit_value, over
from inferometer import catalogue as c
from recording_rules import cost
from recording_rules.limits import (
    BUDGET_USED,
    DAILY_SPEND,
    ERROR,
    MILLION_TOKENS_COST,
    REQUEST_COST,
    Limit,
)
from recording_rules.model import Rule
from recording_rules.promql import FLEET, by, on

IDLE_SHARE = 0.5  # of the GPUs' cost
DRIFT = 1.5  # times the last seven days
COVERED = 0.95  # of the month
_USD = 'printf "%.4g"'
_REQUEST, _TOKENS = "A request costs", "A million tokens cost"
_ALL, _MODEL, _PERIOD = "All", "{{ $labels.model }}", "the {{ $labels.period }}'s budget"


def _nearly_used(name: str, subject: Subject, used: Rule, owner: str) -> Alert:
    return Alert(
        name, subject, "warning", over(used, BUDGET_USED),
        summary="A budget is nearly spent.",
        description=f"{owner}: {{{{ $value | humanizePercentage }}}} of {_PERIOD} is spent, over "
                    f"the limit of {limit_value(BUDGET_USED, 'humanizePercentage')}.",
        board="cost")


def _exceeded(name: str, subject: Subject, used: Rule, owner: str) -> Alert:
    return Alert(
        name, subject, "critical", f"{used} > 1",
        summary="More is spent than the budget has.",
        description=f"{owner}: {{{{ $value | humanizePercentage }}}} of {_PERIOD} is spent, which "
                    "is more than 100 %.",
        board="cost")


def _dear(name: str, unit: str, rule: Rule, limit: Limit) -> Alert:
    """A limit is of models: over the whole fleet the largest of them holds, if each has one."""
    largest = limit.selector.replace("}", ", cluster=%q}")
    return Alert(
        name, SPEND, "warning",
        f"{rule} > {on(FLEET)} max {by(FLEET)} ({limit.selector}) unless {on(FLEET)} "
        f"({ERROR.selector} unless {on(limit.labels)} {limit.selector})",  # every model has that
        summary=f"{unit} more than it may.",
        description=f"{unit} {{{{ $value | {_USD} }}}} USD over the last hour, over the "
                    f"limit of {{{{ with printf `max ({largest})` $labels.cluster | query }}}}"
                    f"{{{{ . | first | value | {_USD} }}}}{{{{ end }}}} USD.",
        board="cost")


def _dear_model(name: str, unit: str, rule: Rule, limit: Limit) -> Alert:
    return Alert(
        name, COST, "warning", over(rule, limit),
        summary=f"{unit} more with a model than it may.",
        description=f"{_MODEL}: {unit.lower()} {{{{ $value | {_USD} }}}} USD over the last "
                    f"hour, over the limit of {limit_value(limit, _USD)} USD.",
        board="cost")


def _drifting(name: str, subject: Subject, unit: str, day: Rule, week: Rule) -> Alert:
    """A day against seven: so nights are in both. Within the first day there is no drift."""
    usual = f"{week}{{{', '.join(f'{label}=%q' for label in week.labels)}}}"
    labels = " ".join(f"$labels.{label}" for label in week.labels)
    owner = f"{_MODEL}: {unit.lower()}" if subject is COST else unit
    return Alert(
        name, subject, "warning",
        f"{day} > {DRIFT} * {week} and {on(week.labels)} {week} offset 1d",
        summary=f"{unit} more than it did in the last seven days.",
        description=f"{owner} {{{{ $value | {_USD} }}}} USD over the last day, more than "
                    f"{DRIFT} times the {{{{ with printf `{usual}` {labels} | query }}}}"
                    f"{{{{ . | first | value | {_USD} }}}}{{{{ end }}}} USD of the last seven.",
        board="cost")


DAILY = Alert(
    "CostOfTheDayHigh", SPEND, "warning", over(cost.TODAY, DAILY_SPEND),
    summary="More is spent today than a day may cost.",
    description=f"{{{{ $value | {_USD} }}}} USD are spent since midnight UTC, over the limit of "
                f"{limit_value(DAILY_SPEND, _USD)} USD.",
    board="cost")
IDLE = Alert(
    "CostOfIdleGpusHigh", SPEND, "warning",
    f"avg_over_time({cost.IDLE_SHARE}[1h]) > {IDLE_SHARE}",
    summary="Much of what GPUs cost is paid while they are idle.",
    description="{{ $value | humanizePercentage }} of the GPUs' cost of the last hour was paid "
                f"while no kernel ran, more than {IDLE_SHARE:.0%}.",
    board="cost")
INCOMPLETE = Alert(
    "CostOfTheMonthIncomplete", SPEND, "info", f"{cost.MONTH_COVERED} < {COVERED}",
    summary="What the month costs is not known in full.",
    description="It is known for {{ $value | humanizePercentage }} of the month so far, less than "
                f"{COVERED:.0%}: figures of the month are too low.",
    board="cost")
FORECAST = Alert(
    "CostBudgetForecastExceeded", BUDGET, "warning",
    f'label_replace({cost.BUDGET_PROJECTED} > 1 '
    f'and {on(FLEET)} {cost.TOTAL_RATE} offset 1d, "{c.PERIOD.name}", "month", "", "")',
    summary="The month's budget will not last.",
    description="If the month goes on like the last day, {{ $value | humanizePercentage }} of its "
                "budget will be spent, which is more than 100 %.",
    board="cost")
NEARLY_USED = _nearly_used("CostBudgetNearlyUsed", BUDGET, cost.BUDGET_USED, _ALL)
EXCEEDED = _exceeded("CostBudgetExceeded", BUDGET, cost.BUDGET_USED, _ALL)
MODEL_NEARLY_USED = _nearly_used(
    "CostModelBudgetNearlyUsed", MODEL_BUDGET, cost.MODEL_BUDGET_USED, _MODEL)
MODEL_EXCEEDED = _exceeded(
    "CostModelBudgetExceeded", MODEL_BUDGET, cost.MODEL_BUDGET_USED, _MODEL)
REQUEST_DEAR = _dear("CostPerRequestHigh", _REQUEST, cost.PER_REQUEST, REQUEST_COST)
TOKENS_DEAR = _dear(
    "CostPerTokenHigh", _TOKENS, cost.PER_1M_TOKENS, MILLION_TOKENS_COST)
MODEL_REQUEST_DEAR = _dear_model(
    "CostModelPerRequestHigh", _REQUEST, cost.MODEL_PER_REQUEST, REQUEST_COST)
MODEL_TOKENS_DEAR = _dear_model(
    "CostModelPerTokenHigh", _TOKENS, cost.MODEL_PER_1M_TOKENS, MILLION_TOKENS_COST)
REQUEST_DRIFTS = _drifting(
    "CostPerRequestDrifting", SPEND, _REQUEST, cost.PER_REQUEST_DAY, cost.PER_REQUEST_WEEK)
TOKENS_DRIFT = _drifting(
    "CostPerTokenDrifting", SPEND, _TOKENS, cost.PER_1M_TOKENS_DAY,
    cost.PER_1M_TOKENS_WEEK)
MODEL_REQUEST_DRIFTS = _drifting(
    "CostModelPerRequestDrifting", COST, _REQUEST, cost.MODEL_PER_REQUEST_DAY,
    cost.MODEL_PER_REQUEST_WEEK)
MODEL_TOKENS_DRIFT = _drifting(
    "CostModelPerTokenDrifting", COST, _TOKENS, cost.MODEL_PER_1M_TOKENS_DAY,
    cost.MODEL_PER_1M_TOKENS_WEEK)

GROUP = AlertGroup("inferometer-cost-alerts", (
    DAILY, IDLE, INCOMPLETE, FORECAST, NEARLY_USED, EXCEEDED, MODEL_NEARLY_USED, MODEL_EXCEEDED,
    REQUEST_DEAR, TOKENS_DEAR, MODEL_REQUEST_DEAR, MODEL_TOKENS_DEAR, REQUEST_DRIFTS,
    TOKENS_DRIFT, MODEL_REQUEST_DRIFTS, MODEL_TOKENS_DRIFT,
))
