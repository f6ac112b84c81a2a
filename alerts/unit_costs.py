"""What a request and a million tokens cost, held against limits and their own last week.

Both are those that engines served: what hosted calls cost is neither in the money nor in the units.
"""

from __future__ import annotations

from alerts import words
from alerts.model import COST, SPEND, Alert, AlertGroup, Subject
from alerts.promql import limit_value, over, value_of
from recording_rules import cost
from recording_rules.limits import INVALID, MILLION_TOKENS_COST, REQUEST_COST, Limit
from recording_rules.model import Rule
from recording_rules.promql import FLEET, HOUR, by, on

DRIFT = 1.5  # times the last seven days
_USD = 'printf "%.4g"'
_VALUE = f"{{{{ $value | {_USD} }}}} USD"
# Units that cost money: the name of what one costs, and one of all or of a model in a sentence.
_REQUEST = ("Cost per self-hosted request", f"A self-hosted request in {words.CLUSTER} costs",
            f"A self-hosted request to {words.MODEL_OF_CLUSTER} costs")
_TOKENS = ("Cost per million self-hosted tokens",
           f"A million self-hosted tokens in {words.CLUSTER} cost",
           f"A million self-hosted tokens of {words.MODEL_OF_CLUSTER} cost")


def _dear(name: str, unit: tuple[str, str, str], rule: Rule, limit: Limit) -> Alert:
    """A limit is of models: over the whole fleet the largest of them holds, if each has one."""
    largest = limit.selector.replace("}", ", cluster=%q}")
    figure, costs, _ = unit
    return Alert(
        name, SPEND, "warning",
        f"{rule} > {on(FLEET)} max {by(FLEET)} ({limit.selector}) unless {on(FLEET)} "
        f"({INVALID.selector} unless {on(limit.labels)} {limit.selector})",  # all have that
        summary=f"{figure} is over its limit.",
        description=f"{costs} {_VALUE} over {HOUR}, limit "
                    f"{{{{ with printf `max ({largest})` $labels.cluster | query }}}}"
                    f"{{{{ . | first | value | {_USD} }}}}{{{{ end }}}} USD, the largest of the "
                    "models' limits.",
        board="cost")


def _dear_model(name: str, unit: tuple[str, str, str], rule: Rule, limit: Limit) -> Alert:
    figure, _, costs = unit
    return Alert(
        name, COST, "warning", over(rule, limit),
        summary=f"{figure} of a model is over its limit.",
        description=f"{costs} {_VALUE} over {HOUR}, limit {limit_value(limit, _USD)} USD.",
        board="cost")


def _drifting(name: str, subject: Subject, unit: tuple[str, str, str], day: Rule, week: Rule
              ) -> Alert:
    """A day against seven: so nights are in both. Within the first day there is no drift."""
    figure, of_all, of_model = unit
    of_subject, costs = (" of a model", of_model) if subject is COST else ("", of_all)
    _, last_day, last_week = cost.WINDOWS
    return Alert(
        name, subject, "warning",
        f"{day} > {DRIFT} * {week} and {on(week.labels)} {week} offset {last_day}",
        summary=f"{figure}{of_subject} has risen within a week.",
        description=f"{costs} {_VALUE} over {last_day}, limit {DRIFT} times the "
                    f"{value_of(week, _USD)} USD over {last_week}.",
        board="cost")


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

GROUP = AlertGroup("inferometer-unit-cost-alerts", (
    REQUEST_DEAR, TOKENS_DEAR, MODEL_REQUEST_DEAR, MODEL_TOKENS_DEAR, REQUEST_DRIFTS, TOKENS_DRIFT,
    MODEL_REQUEST_DRIFTS, MODEL_TOKENS_DRIFT,
))
