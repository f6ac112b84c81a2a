"""Money: what is spent per second, over the UTC calendar, and for each request and token.

Hosted calls are money of category api. No engine of ours served them, so they are in no cost of a
request or token here: `recording_rules.client` has what such a call costs.
"""

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules import requests, tokens
from recording_rules.attribution import of_models, once
from recording_rules.calendar import (
    ELAPSED,
    GAIN_SECONDS,
    MONTH_LENGTH,
    STARTS,
    known_seconds,
    over_hour,
    recent,
    sum_since,
)
from recording_rules.gaps import OF_ALL, OF_ONE, gains, recorded
from recording_rules.model import Group, Rule
from recording_rules.promql import FLEET, HOUR, WINDOW, by, configured, on, over_engines, ratio

CATEGORY = (*FLEET, c.CATEGORY.name)
MODEL = (*FLEET, c.MODEL.name)  # money knows neither namespace nor engine
PERIOD = c.PERIOD.name
WINDOWS = (HOUR, "1d", "7d")
_ATTRIBUTED = f'{c.MODEL.name}!=""'
_FLEETWIDE = f'{c.MODEL.name}=""'
_OF_GPUS = f'{c.CATEGORY.name}="gpu"'
_OF_NO_GPU = f'{c.CATEGORY.name}!~"gpu|{c.OWN_CATEGORY}"'
_USD = "llm_cost_usd"
_ALL = f"{_USD}_all"
_ACCOUNT = (*FLEET, *c.COST.label_names)


def _spent(metric: Metric, *matchers: str) -> str:
    """Money per second, by exporter."""
    selected = f"{metric.name}{{{', '.join(matchers)}}}" if matchers else metric.name
    return f"rate({selected}[{WINDOW}])"


def _accounts(*matchers: str) -> str:
    """Money per second; the same money as two exporters or replicas tell it counts once."""
    return f"max {by(_ACCOUNT)} ({_spent(c.COST, *matchers)})"


def _own(*matchers: str) -> str:
    """Money per second that is each exporter's own, and so added up."""
    return f"sum {by(_ACCOUNT)} ({_spent(c.COST, OF_ONE, *matchers)})"


def _unattributed(total: Rule, by_model: Rule) -> str:
    """What is no model's."""
    attributed = f"(sum {by(FLEET)} ({by_model}) or {total} * 0)"
    return f"clamp_min({total} - {on(FLEET)} {attributed}, 0)"


RATE = Rule(f"fleet:{_USD}:rate5m",
            f"sum {by(CATEGORY)} ({_accounts(OF_ALL)} or {_own()})", CATEGORY,
            "Money spent, in USD per second, by what it went to.")
TOTAL_RATE = Rule(f"fleet:{_ALL}:rate5m", f"sum {by(FLEET)} ({RATE})", FLEET,
                  "Money spent, in USD per second.")
MODEL_GPU_RATE = Rule(
    "model:llm_cost_gpu_usd:rate5m",
    f"sum {by(MODEL)} ({_accounts(_OF_GPUS, _ATTRIBUTED)} or "
    f"{of_models(once(_spent(c.COST, _OF_GPUS, _FLEETWIDE)))})", MODEL,
    "Money spent on GPUs that are the model's, in USD per second.")
MODEL_RATE = Rule(
    f"model:{_USD}:rate5m",
    f"sum {by(MODEL)} ({_accounts(_OF_NO_GPU, _ATTRIBUTED)} or {_own(_ATTRIBUTED)} "
    f"or {MODEL_GPU_RATE})",
    MODEL, "Money spent on the model, in USD per second: its GPUs, and what exporters say is its.")
SELF_HOSTED_RATE = Rule(
    f"fleet:{_USD}_self_hosted:rate5m", f"sum {by(FLEET)} ({RATE}{{{OF_ALL}}})", FLEET,
    "Money spent on what is self-hosted, in USD per second: all but that of hosted calls.")
MODEL_SELF_HOSTED_RATE = Rule(
    f"model:{_USD}_self_hosted:rate5m",
    f"sum {by(MODEL)} ({_accounts(_OF_NO_GPU, _ATTRIBUTED)} or {MODEL_GPU_RATE})", MODEL,
    "Money spent on the model as far as it is self-hosted, in USD per second: without that of "
    "hosted calls to a model of this name.")
UNATTRIBUTED = Rule(
    f"fleet:{_USD}_unattributed:rate5m", _unattributed(TOTAL_RATE, MODEL_RATE), FLEET,
    "Money spent on no model in particular, in USD per second.")
_ALL_GPUS = f"sum {by(FLEET)} ({RATE}{{{_OF_GPUS}}})"
GPU_SHARE = Rule(
    "fleet:llm_cost_gpu_usd_attributed:ratio_5m",
    f"clamp_max((sum {by(FLEET)} ({MODEL_GPU_RATE}) or {_ALL_GPUS} * 0) / {on(FLEET)} "
    f"({_ALL_GPUS} > 0), 1)", FLEET,
    "Share of the GPUs' cost of which it is known for which model it is paid.")
IDLE_RATE = Rule(
    "fleet:llm_cost_gpu_idle_usd:rate5m", f"sum {by(FLEET)} ({once(_spent(c.COST_IDLE))})", FLEET,
    "Money spent on GPUs while no kernel ran on them, in USD per second.")
MODEL_IDLE_RATE = Rule(
    "model:llm_cost_gpu_idle_usd:rate5m",
    f"sum {by(MODEL)} ({of_models(once(_spent(c.COST_IDLE)))})", MODEL,
    "Money spent on the model's GPUs while no kernel ran on them, in USD per second.")
IDLE_SHARE = Rule(
    "fleet:llm_cost_gpu_idle_usd:ratio_5m",
    f"clamp_max({IDLE_RATE} / {on(FLEET)} ({RATE}{{{_OF_GPUS}}} > 0), 1)", FLEET,
    "Share of the GPUs' cost during which no kernel ran on them.")

GAINED, GAINED_BEFORE_DAY, GAINED_SECONDS = gains(_ACCOUNT, TOTAL_RATE)

INCREASE_HOUR = Rule(f"fleet:{_USD}:increase1h", over_hour(RATE), CATEGORY,
                     "Money spent over the hour up to now, by what it went to.")
MODEL_INCREASE_HOUR = Rule(f"model:{_USD}:increase1h", over_hour(MODEL_RATE), MODEL,
                           "Money spent on the model over the hour up to now.")
KNOWN_HOUR = Rule(f"fleet:{_ALL}:known_seconds1h", known_seconds(TOTAL_RATE), FLEET,
                  "Seconds of the last hour for which it is known what was spent.")


def _since(period: str, level: tuple[str, ...], hourly: Rule, rate: Rule,
           matcher: str = "") -> str:
    """Money over the day or month so far."""
    return sum_since(period, level, hourly, recent(rate), recorded(GAINED, matcher),
                     recorded(GAINED_BEFORE_DAY, matcher))


def _of_models_since(period: str) -> str:
    return _since(period, MODEL, MODEL_INCREASE_HOUR, MODEL_RATE, f"{{{_ATTRIBUTED}}}")


TODAY = Rule(f"fleet:{_ALL}:today", _since("day", FLEET, INCREASE_HOUR, RATE), FLEET,
             "Money spent since midnight UTC.")
MONTH_BY_CATEGORY = Rule(
    f"fleet:{_USD}:month", _since("month", CATEGORY, INCREASE_HOUR, RATE), CATEGORY,
    "Money spent since the month began (UTC), by what it went to.")
MONTH = Rule(f"fleet:{_ALL}:month", f"sum {by(FLEET)} ({MONTH_BY_CATEGORY})", FLEET,
             "Money spent since the month began (UTC).")
_KNOWN = sum_since(
    "month", FLEET, KNOWN_HOUR, f"({recent(TOTAL_RATE)} * 0 + 1)",
    lambda window: f"{recorded(GAINED_SECONDS)(window)} and {on(FLEET)} "
                   f"last_over_time({GAINED}[2h])")
MONTH_COVERED = Rule(
    f"fleet:{_ALL}:month_covered_ratio",
    f"clamp_max({_KNOWN} / ({ELAPSED['month']} - time() % 60 + 60), 1)", FLEET,
    "Share of the month so far for which it is known what was spent; below 1 it is incomplete.")
PROJECTED = Rule(
    f"fleet:{_ALL}:month_projected",
    f"{MONTH} + {on(FLEET)} avg_over_time({TOTAL_RATE}[1d]) "
    f"* ({MONTH_LENGTH} - {ELAPSED['month']})",
    FLEET, "Money the whole month comes to if the rest of it goes on like the last day.")
MODEL_TODAY = Rule(
    f"model:{_USD}:today", _of_models_since("day"), MODEL,
    "Money spent on the model since midnight UTC.")
MODEL_MONTH = Rule(
    f"model:{_USD}:month", _of_models_since("month"), MODEL,
    "Money spent on the model since the month began (UTC).")
UNATTRIBUTED_MONTH = Rule(
    f"fleet:{_USD}_unattributed:month", _unattributed(MONTH, MODEL_MONTH), FLEET,
    "Money spent since the month began (UTC) on no model in particular.")


def _units(name: str, rate: Rule, expr: str, text: str) -> Rule:
    """Units count while it is known what is spent: else those of before would seem cheap."""
    return Rule(f"{rate.name.partition(':')[0]}:{name}:rate5m",
                f"({expr}) and {on(rate.labels)} {rate}", rate.labels,
                f"{text}, while it is known what is spent.")


FLEET_SERVED = _units(
    "llm_server_requests_served", SELF_HOSTED_RATE,
    f"sum {by(FLEET)} ({requests.FLEET_RATE}{{{requests.SUCCESS}}})",
    "Requests that succeeded, per second, over all models")
FLEET_TOKENS = _units(
    "llm_server_tokens", SELF_HOSTED_RATE,
    f"{tokens.FLEET_INPUT} + {on(FLEET)} {tokens.FLEET_OUTPUT}",
    "Tokens in and out, per second, over all models")
SERVED = _units(
    "llm_server_requests_served", MODEL_SELF_HOSTED_RATE,
    over_engines(MODEL, lambda engines: f"sum {by(MODEL)} "
                                        f"({requests.RATE}{{{requests.SUCCESS}, {engines}}})"),
    "Requests that succeeded, per second, over all engines of the model")
TOKENS = _units(
    "llm_server_tokens", MODEL_SELF_HOSTED_RATE,
    over_engines(MODEL, lambda engines: f"sum {by(MODEL)} "
                                        f"({tokens.INPUT}{{{engines}}} + {tokens.OUTPUT})"),
    "Tokens in and out, per second, over all engines of the model")


def _per(unit: str, rate: Rule, units: Rule, number: int = 1) -> tuple[Rule, ...]:
    """What so many units cost over each window; absent where there were none."""
    level = rate.name.partition(":")[0]
    times = f" * {number}" if number > 1 else ""
    return tuple(Rule(
        f"{level}:{_USD}:per_{unit}_{window}",
        # Sums: money goes on while there is no engine to tell of units.
        ratio(f"sum_over_time({rate}[{window}]){times}", f"sum_over_time({units}[{window}])"),
        rate.labels, f"Money for each {unit.replace('_', ' ')} that engines served, over "
                     f"{window}, without hosted calls. Absent without traffic.")
        for window in WINDOWS)


PER_REQUEST, PER_REQUEST_DAY, PER_REQUEST_WEEK = _per(
    "request", SELF_HOSTED_RATE, FLEET_SERVED)
PER_1M_TOKENS, PER_1M_TOKENS_DAY, PER_1M_TOKENS_WEEK = _per(
    "1m_tokens", SELF_HOSTED_RATE, FLEET_TOKENS, 1_000_000)
PER_1K_TOKENS = Rule(f"fleet:{_USD}:per_1k_tokens_1h", f"{PER_1M_TOKENS} / 1000", FLEET,
                     "Money for each 1000 tokens that engines served, over 1h, without hosted "
                     "calls. Absent without traffic.")
MODEL_PER_REQUEST, MODEL_PER_REQUEST_DAY, MODEL_PER_REQUEST_WEEK = _per(
    "request", MODEL_SELF_HOSTED_RATE, SERVED)
MODEL_PER_1M_TOKENS, MODEL_PER_1M_TOKENS_DAY, MODEL_PER_1M_TOKENS_WEEK = _per(
    "1m_tokens", MODEL_SELF_HOSTED_RATE, TOKENS, 1_000_000)


def _budget(metric: Metric, level: str, labels: tuple[str, ...], matcher: str, text: str) -> Rule:
    keys = (*labels, PERIOD)
    return Rule(f"{level}:{metric.name}:effective", configured(keys, metric, matcher), keys, text)


def _used(budget: Rule, labels: tuple[str, ...], day: Rule, month: Rule) -> Rule:
    parts = (f'{spent} / {on(labels)} group_right () ({budget}{{{PERIOD}="{period}"}} > 0)'
             for period, spent in (("day", day), ("month", month)))
    return Rule(budget.name.replace("effective", "used_ratio"), " or ".join(parts), budget.labels,
                "Share of the budget that is spent.")


_BUDGET = "Budget of the UTC day or month."
_PAGE = "Whether spending more than the budget of the UTC day or month pages somebody: 1, else 0."
BUDGET = _budget(c.BUDGET, "fleet", FLEET, _FLEETWIDE, _BUDGET)
MODEL_BUDGET = _budget(c.BUDGET, "model", MODEL, _ATTRIBUTED, _BUDGET)
BUDGET_PAGE = _budget(c.BUDGET_PAGE, "fleet", FLEET, _FLEETWIDE, _PAGE)
MODEL_BUDGET_PAGE = _budget(c.BUDGET_PAGE, "model", MODEL, _ATTRIBUTED, _PAGE)
BUDGET_USED = _used(BUDGET, FLEET, TODAY, MONTH)
MODEL_BUDGET_USED = _used(MODEL_BUDGET, MODEL, MODEL_TODAY, MODEL_MONTH)
BUDGET_PROJECTED = Rule(
    f"fleet:{c.BUDGET.name}:projected_ratio",
    f'{PROJECTED} / {on(FLEET)} ({BUDGET}{{{PERIOD}="month"}} > 0)', FLEET,
    "Share of the month's budget that is spent if the month goes on like the last day.")

GROUPS = (
    Group("inferometer-cost", (
        RATE, TOTAL_RATE, MODEL_GPU_RATE, MODEL_RATE, SELF_HOSTED_RATE, MODEL_SELF_HOSTED_RATE,
        UNATTRIBUTED, GPU_SHARE, IDLE_RATE, IDLE_SHARE, FLEET_SERVED, FLEET_TOKENS, SERVED, TOKENS,
    )),
    # It reads a day of counters; a gain is shown for two of these.
    Group("inferometer-cost-gaps", (GAINED, GAINED_BEFORE_DAY, GAINED_SECONDS),
          interval=f"{GAIN_SECONDS}s"),
    Group("inferometer-cost-calendar", (
        MODEL_IDLE_RATE, *STARTS.values(), INCREASE_HOUR, MODEL_INCREASE_HOUR, KNOWN_HOUR, TODAY,
        MONTH_BY_CATEGORY, MONTH, MONTH_COVERED, PROJECTED, MODEL_TODAY, MODEL_MONTH,
        UNATTRIBUTED_MONTH,
    ), interval="2m"),
    Group("inferometer-cost-budgets", (
        BUDGET, MODEL_BUDGET, BUDGET_PAGE, MODEL_BUDGET_PAGE, BUDGET_USED, MODEL_BUDGET_USED,
        BUDGET_PROJECTED,
    ), interval="2m"),
    Group("inferometer-cost-per-unit", (
        PER_REQUEST, PER_REQUEST_DAY, PER_REQUEST_WEEK, PER_1M_TOKENS, PER_1M_TOKENS_DAY,
        PER_1M_TOKENS_WEEK, PER_1K_TOKENS, MODEL_PER_REQUEST, MODEL_PER_REQUEST_DAY,
        MODEL_PER_REQUEST_WEEK, MODEL_PER_1M_TOKENS, MODEL_PER_1M_TOKENS_DAY,
        MODEL_PER_1M_TOKENS_WEEK,
    ), interval="2m"),
)
