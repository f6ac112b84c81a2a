"""A limit or a budget that holds nothing: nobody serves the model it names, as after a rename."""

from __future__ import annotations

from alerts import words
from alerts.model import CONFIGURED, Alert, AlertGroup
from inferometer import catalogue as c
from recording_rules.limits import DURATION
from recording_rules.promql import KEPT, by, on

_MODEL = CONFIGURED.scope
_NAMED = f'{c.MODEL.name}!=""'
# Every model that is served has this limit in force, if only by default.
_SERVED = f"last_over_time({DURATION.selector}[{KEPT}])"
_LIMITS = " or ".join(
    f"group {by((*_MODEL, 'limit'))} ({metric.name}{{{_NAMED}}})" for metric in (
        c.LIMIT_SECONDS, c.LIMIT_RATIO, c.LIMIT_USD, c.LIMIT_REPLICAS, c.LIMIT_TOKENS_PER_SECOND))
_BUDGETS = (f"group {by((*_MODEL, c.PERIOD.name))} ({c.BUDGET.name}{{{_NAMED}}}) "
            f"unless {on(_MODEL)} {c.COST.name}")

UNUSED = Alert(
    "InferometerLimitUnused", CONFIGURED, "info",
    f'({_LIMITS} or label_replace({_BUDGETS}, "limit", "budget of the $1", "{c.PERIOD.name}", '
    f'"(.+)")) unless {on(_MODEL)} {_SERVED}',
    summary="A limit or budget is set for a model that nobody serves.",
    description=f"{{{{ $labels.limit }}}} is set for {words.MODEL_OF_CLUSTER}, which no engine has "
                f"served in the last {KEPT}. Was the model renamed?",
    board="fleet", hold="1h", because="A new model is often configured before it is served.")

GROUP = AlertGroup("inferometer-limit-alerts", (UNUSED,), interval="2m")
