"""Money: what GPUs and the fleet cost, budgets, and limits that a deployment overrides."""

from __future__ import annotations

from inferometer.catalogue.engine import MODEL
from inferometer.catalogue.gpu import GPU, GPUS, UUID
from inferometer.catalogue.model import Label, Metric, Range

COST_CATEGORIES = ("gpu", "api", "storage", "vector_db", "network", "other", "overhead")

OWN_CATEGORY = "api"  # each exporter's own money: of all others, replicas may tell the same

CATEGORY = Label("category", "What the money went to.", values=COST_CATEGORIES)
PERIOD = Label("period", "Calendar period, UTC.", values=("day", "month"))

# What is limited, by the unit it is limited in.
LIMITS = {
    "seconds": ("request_duration_p95", "time_to_first_token_p95", "time_per_output_token_p95",
                "request_queue_p95"),
    "ratio": ("error", "invalid", "goodput", "kv_cache_usage", "gpu_busy", "gpu_memory",
              "gpu_idle_cost", "budget_used"),
    "usd": ("daily_spend", "request_cost", "call_cost", "million_tokens_cost"),
    "replicas": ("least_replicas",),
    "tokens_per_second": ("output_tokens_per_second",),
}

COST = Metric(
    "llm_cost_usd_total", "counter",
    "Money spent as this exporter accrues it; GPU money carries the GPU's uuid. Money of category "
    "api is each gateway's own and is added up; of all other replicas may tell the same.",
    (CATEGORY, MODEL, Label("uuid", "The GPU the money went to.", budget=GPUS, optional=True)),
    1000, otel="",
)
COST_IDLE = Metric("llm_cost_gpu_idle_usd_total", "counter",
                   "The part of the GPU's cost during which no kernel ran.", (GPU, UUID), GPUS)
GPU_PRICE = Metric("inferometer_gpu_price_usd_per_hour", "gauge",
                   "The configured price of the GPU.", (GPU, UUID), GPUS,
                   unread="What is spent has been reckoned with it.")
PRICE_SOURCE = Label("source", "The list.", values=("genai-prices",))
PRICE_SOURCE_INFO = Metric(
    "inferometer_price_source_info", "gauge",
    "The list of prices of calls, with its version; always 1.",
    (PRICE_SOURCE, Label("version", "The list's own version.", budget=10)), 1,
    unread="It is asked when a price surprises.")
BUDGET = Metric("inferometer_budget_usd", "gauge", "Configured budget.", (PERIOD, MODEL), 200)
BUDGET_PAGE = Metric(
    "inferometer_budget_page", "gauge",
    "Whether spending more than the configured budget pages somebody (1) or warns (0).",
    (PERIOD, MODEL), 200)


def _limit(unit: str, values: tuple[str, ...]) -> Metric:
    label = Label("limit", "What is limited.", values=values)
    return Metric(f"inferometer_limit_{unit}", "gauge",
                  "Configured override of an alert's limit; no model: for the whole fleet.",
                  (label, MODEL), 200)


LIMIT_METRICS = {unit: _limit(unit, limits) for unit, limits in LIMITS.items()}
LIMIT_SECONDS, LIMIT_RATIO, LIMIT_USD, LIMIT_REPLICAS, LIMIT_TOKENS_PER_SECOND = (
    LIMIT_METRICS.values())

RECONCILED_MONTHS = 13
MONTH = Label("month", "A calendar month (UTC), as 2026-11.", budget=RECONCILED_MONTHS)
# What was tracked may be many times a small bill; more than all of it cannot be missing.
RECONCILIATION_GAP = Metric(
    "llm_cost_reconciliation_gap_ratio", "gauge",
    "What the month's bill has beyond what was tracked, as a share of the bill; below 0 where more "
    "was tracked. Of complete months, as `inferometer cost reconcile` found it.",
    (MONTH,), RECONCILED_MONTHS, stated_range=Range(least=-1e6, most=1.0), replaced=True)
RECONCILIATION_TIME = Metric(
    "llm_cost_reconciliation_timestamp_seconds", "gauge",
    "When the month's bill was reconciled.", (MONTH,), RECONCILED_MONTHS, replaced=True)
RECONCILIATION_METRICS = (RECONCILIATION_GAP, RECONCILIATION_TIME)

COST_METRICS = (COST, COST_IDLE, GPU_PRICE, PRICE_SOURCE_INFO, BUDGET, BUDGET_PAGE,
                *LIMIT_METRICS.values())
