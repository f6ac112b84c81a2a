"""Money: what is spent, held against budgets and limits.

It warns: nobody is woken for a bill, unless a budget's configuration asks for it.
"""

from __future__ import annotations

from alerts import words
from alerts.model import BILLED, BUDGET, MODEL_BUDGET, SPEND, Alert, AlertGroup, Subject
from alerts.promql import limit_value, over, value_of
from inferometer import catalogue as c
from recording_rules import cost
from recording_rules.limits import BUDGET_USED, DAILY_SPEND, GPU_IDLE_COST
from recording_rules.model import Rule
from recording_rules.promql import FLEET, HOUR, by, on

COVERED = 0.95  # of the month
MOST_GAP = 0.1  # of a bill, either way
# An older one has been read by whom it concerns: the next month's bill has come.
READ_SECONDS = 35 * 86400
LAST_DAY = cost.WINDOWS[1]
_USD = 'printf "%.2f"'
_VALUE = f"{{{{ $value | {_USD} }}}} USD"
_SHARE = "{{ $value | humanizePercentage }}"
_ALL, _MODEL = f"in {words.CLUSTER}", f"on {words.MODEL_OF_CLUSTER}"
_PERIOD = "{{ $labels.period }}"


def _spent(owner: str, budget: Rule, limit: str) -> str:
    return (f"Spending {owner} since the {_PERIOD} began (UTC) is {_SHARE} of the {_PERIOD}'s "
            f"budget of {value_of(budget, _USD)} USD, limit {limit}.")


def _nearly_used(name: str, subject: Subject, used: Rule, budget: Rule, owner: str) -> Alert:
    return Alert(
        name, subject, "warning", over(f"({used} <= 1)", BUDGET_USED),
        summary="Spending is near its budget.",
        description=_spent(owner, budget, limit_value(BUDGET_USED, "humanizePercentage")),
        board="cost")


def _exceeded(name: str, subject: Subject, used: Rule, budget: Rule, page: Rule, owner: str
              ) -> tuple[Alert, Alert]:
    """The budget whose configuration says so pages, any other one warns."""
    over_budget = f"{used} > 1"
    pages = f"{on(page.labels)} {page} == 1"

    def alert(severity: str, expr: str) -> Alert:
        return Alert(
            name, subject, severity, expr,
            summary="Spending is over its budget.",
            description=_spent(owner, budget, f"{1:.0%}"),
            board="cost")

    return (alert("critical", f"{over_budget} and {pages}"),
            alert("warning", f"{over_budget} unless {pages}"))


def _idle(severity: str, limit: str, remark: str = "") -> Alert:
    return Alert(
        "CostOfIdleGpusHigh", SPEND, severity,
        f"avg_over_time({cost.IDLE_SHARE}[{HOUR}]) > {on(FLEET)} {limit}",
        summary="The idle share of the GPUs' cost is over its limit.",
        description=f"The idle share of the GPUs' cost in {words.CLUSTER} is {_SHARE} over {HOUR}, "
                    f"limit {limit_value(GPU_IDLE_COST, 'humanizePercentage')}{remark}. It is "
                    "what was paid while no kernel ran.",
        board="cost")


DAILY = Alert(
    "CostOfTheDayHigh", SPEND, "warning", over(cost.TODAY, DAILY_SPEND),
    summary="Spending since midnight UTC is over the limit of a day.",
    description=f"Spending in {words.CLUSTER} since midnight UTC is {_VALUE}, limit "
                f"{limit_value(DAILY_SPEND, _USD)} USD.",
    board="cost")
IDLE = _idle("warning", GPU_IDLE_COST.chosen)
IDLE_BY_DEFAULT = _idle("info", GPU_IDLE_COST.unchosen, ", the default")
INCOMPLETE = Alert(
    "CostOfTheMonthIncomplete", SPEND, "info", f"{cost.MONTH_COVERED} < {COVERED}",
    summary="The cost of the month is not known in full.",
    description=f"The cost of the month in {words.CLUSTER} is known for {_SHARE} of the time since "
                f"the month began (UTC), limit {COVERED:.0%}. Sums, budgets and the forecast of "
                "the month are too low.",
    board="cost")
_OF_MONTH = f'{c.PERIOD.name}="month"'
FORECAST = Alert(
    "CostBudgetForecastExceeded", BUDGET, "warning",
    f"label_replace({cost.BUDGET_PROJECTED} > 1 "
    f"and {on(FLEET)} {cost.TOTAL_RATE} offset {LAST_DAY} "
    f"unless {on(FLEET)} {cost.BUDGET_USED}{{{_OF_MONTH}}} > 1, "
    f'"{c.PERIOD.name}", "month", "", "")',
    summary="Spending is forecast to exceed the month's budget.",
    description=f"Spending {_ALL} is forecast to reach {_SHARE} of the {_PERIOD}'s "
                f"budget of {value_of(cost.BUDGET, _USD)} USD, limit {1:.0%}. The forecast takes "
                f"the mean of the last {LAST_DAY} for the rest of the {_PERIOD}.",
    board="cost")
NEARLY_USED = _nearly_used(
    "CostBudgetNearlyUsed", BUDGET, cost.BUDGET_USED, cost.BUDGET, _ALL)
EXCEEDED, EXCEEDED_WARNING = _exceeded(
    "CostBudgetExceeded", BUDGET, cost.BUDGET_USED, cost.BUDGET, cost.BUDGET_PAGE, _ALL)
MODEL_NEARLY_USED = _nearly_used(
    "CostModelBudgetNearlyUsed", MODEL_BUDGET, cost.MODEL_BUDGET_USED, cost.MODEL_BUDGET, _MODEL)
MODEL_EXCEEDED, MODEL_EXCEEDED_WARNING = _exceeded(
    "CostModelBudgetExceeded", MODEL_BUDGET, cost.MODEL_BUDGET_USED, cost.MODEL_BUDGET,
    cost.MODEL_BUDGET_PAGE, _MODEL)

_GAP, _MONTH = c.RECONCILIATION_GAP.name, by(BILLED.scope)
RECONCILED = Alert(
    "CostReconciliationGapHigh", BILLED, "warning",
    f"(max {_MONTH} ({_GAP}) > {MOST_GAP} or min {_MONTH} ({_GAP}) < -{MOST_GAP}) "
    f"and {on(BILLED.scope)} "
    f"time() - max {_MONTH} ({c.RECONCILIATION_TIME.name}) < {READ_SECONDS}",
    summary="The bill of a month is not what was tracked.",
    description=f"The bill of {{{{ $labels.month }}}} in {words.CLUSTER} has {_SHARE} of it beyond "
                f"what was tracked, limit {MOST_GAP:.0%} either way. Where that is negative more "
                "was tracked than billed.",
    board="cost")

GROUP = AlertGroup("inferometer-cost-alerts", (
    DAILY, IDLE, IDLE_BY_DEFAULT, INCOMPLETE, FORECAST, NEARLY_USED, EXCEEDED, EXCEEDED_WARNING,
    MODEL_NEARLY_USED, MODEL_EXCEEDED, MODEL_EXCEEDED_WARNING, RECONCILED,
))
