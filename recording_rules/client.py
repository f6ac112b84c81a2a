"""Calls as applications made them, by service and model: rates, errors, latency, tokens.

Every gateway counts the calls that came to it, so they are summed over gateways. All of them have
the same bounds, those of the catalogue. An engine's own figures are never added to these.
"""

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.latency import JUDGED_TEXT, judged
from recording_rules.model import Group, Rule
from recording_rules.promql import FLEET, HOUR, any_of, by, quantile, rate, ratio
from recording_rules.requests import FAILED, JUDGED

CLIENT = (*FLEET, c.SERVICE_NAME.name, c.PROVIDER.name, c.MODEL.name)
_OUTCOME = c.OUTCOME.name
_REQUESTS = c.CLIENT_REQUESTS
_STEM = "client:llm_client_requests"
_ANSWERED = any_of(c.OUTCOME, "success", "abort")
_HISTOGRAMS = {c.CLIENT_DURATION: (0.5, 0.95, 0.99), c.CLIENT_TTFT: (0.5, 0.95),
               c.CLIENT_TPOT: (0.95,)}
_JUDGED_BY = (c.CLIENT_DURATION, c.CLIENT_TTFT)


def _summed(rule: Rule, matcher: str, window: str = "") -> str:
    selected = f"{rule}{{{matcher}}}"
    return f"sum {by(CLIENT)} ({f'avg_over_time({selected}[{window}])' if window else selected})"


def _answered(window: str) -> str:
    return rate(CLIENT, _REQUESTS, _ANSWERED, window=window)


RATE = Rule(f"{_STEM}:rate5m", rate((*CLIENT, _OUTCOME), _REQUESTS), (*CLIENT, _OUTCOME),
            "Calls that ended, per second, by how.")
FAILED_HOUR = Rule(
    f"{_STEM}_failed:increase1h",
    f"sum {by(CLIENT)} (increase({_REQUESTS.name}{{{FAILED}}}[{HOUR}]))", CLIENT,
    "Calls that failed in an hour: whether an error ratio is more than an accident.")
ERROR_RATIO = Rule(
    f"{_STEM}:error_ratio_5m", ratio(_summed(RATE, FAILED), _summed(RATE, JUDGED)), CLIENT,
    "Share of calls that failed or were turned away. Absent without traffic.")
ERROR_RATIO_HOUR = Rule(
    f"{_STEM}:error_ratio_1h", ratio(_summed(RATE, FAILED, HOUR), _summed(RATE, JUDGED, HOUR)),
    CLIENT, "The same over an hour.")
GOODPUT = Rule(
    "client:llm_client_goodput:ratio_5m",
    ratio(rate(CLIENT, c.CLIENT_WITHIN_LIMITS), _summed(RATE, JUDGED)), CLIENT,
    "Share of calls that met the limits of time to first token, time per output token and "
    "duration at once, exactly. Absent without traffic.")
USAGE_MISSING = Rule(
    "client:llm_client_usage_missing:ratio_1h",
    ratio(rate(CLIENT, c.CLIENT_USAGE_MISSING, window=HOUR), _answered(HOUR)), CLIENT,
    "Share of answered calls whose tokens no span tells. Absent without traffic.")


def _took(metric: Metric, rank: float) -> str:
    return f"{metric.help.rstrip('.')}: {rank * 100:g} % took no longer. Absent without traffic."


def _quantile(metric: Metric, rank: float, window: str) -> Rule:
    return Rule(f"client:{metric.name}:p{round(rank * 100)}_{window}",
                quantile(CLIENT, metric, rank, window), CLIENT, _took(metric, rank))


COUNT = {metric: Rule(f"client:{metric.name}:count_rate5m", rate(CLIENT, f"{metric.name}_count"),
                      CLIENT, "Observations per second.") for metric in _JUDGED_BY}
MEAN = Rule(
    f"client:{c.CLIENT_DURATION.name}:mean_5m",
    ratio(rate(CLIENT, f"{c.CLIENT_DURATION.name}_sum"), str(COUNT[c.CLIENT_DURATION])), CLIENT,
    f"{c.CLIENT_DURATION.help.rstrip('.')}, on average; means add up where quantiles do not.")
QUANTILES = {(metric, rank): _quantile(metric, rank, "5m")
             for metric, ranks in _HISTOGRAMS.items() for rank in ranks}
QUANTILES_HOUR = {metric: _quantile(metric, 0.95, HOUR) for metric in _JUDGED_BY}
JUDGED_QUANTILES = {metric: Rule(
    f"client:{metric.name}:p95_judged",
    judged(CLIENT, metric, COUNT[metric], QUANTILES[metric, 0.95], QUANTILES_HOUR[metric]), CLIENT,
    f"{metric.help.rstrip('.')}: {JUDGED_TEXT}") for metric in _JUDGED_BY}


def _tokens(metric: Metric) -> Rule:
    return Rule(f"client:{metric.name.removesuffix('_total')}:rate5m", rate(CLIENT, metric), CLIENT,
                f"{metric.help} Per second.")


INPUT, CACHED, OUTPUT = (
    _tokens(metric) for metric in (c.CLIENT_INPUT, c.CLIENT_INPUT_CACHED, c.CLIENT_OUTPUT))

COST = Rule(
    "client:llm_client_cost_usd:rate5m", rate(CLIENT, c.CLIENT_COST), CLIENT,
    "What calls cost by their prices, in USD per second.")
_COST_HOUR = rate(CLIENT, c.CLIENT_COST, window=HOUR)
PRICE_UNKNOWN = Rule(
    "client:llm_client_price_unknown:ratio_1h",
    ratio(rate(CLIENT, c.CLIENT_PRICE_UNKNOWN, window=HOUR), _answered(HOUR)), CLIENT,
    "Share of answered calls whose price is not known. Absent without traffic.")
COST_PER_CALL = Rule(
    "client:llm_client_cost_usd:per_request_1h",
    ratio(_COST_HOUR, _answered(HOUR)), CLIENT,
    "What an answered call costs, in USD, over an hour. Absent without traffic.")
COST_PER_1K_TOKENS = Rule(
    "client:llm_client_cost_usd:per_1k_tokens_1h",
    ratio(f"1000 * {_COST_HOUR}", " + ".join(rate(CLIENT, metric, window=HOUR) for metric in (
        c.CLIENT_INPUT, c.CLIENT_OUTPUT))), CLIENT,
    "What 1,000 tokens cost, in and out, in USD, over an hour. Absent without traffic.")

GROUPS = (
    Group("inferometer-client", (RATE, ERROR_RATIO, GOODPUT, INPUT, CACHED, OUTPUT, COST)),
    Group("inferometer-client-latency", (
        *COUNT.values(), MEAN, *QUANTILES.values(), *JUDGED_QUANTILES.values(),
        ERROR_RATIO_HOUR, FAILED_HOUR), interval="2m"),
    Group("inferometer-client-hour", (
        *QUANTILES_HOUR.values(), USAGE_MISSING, PRICE_UNKNOWN, COST_PER_CALL,
        COST_PER_1K_TOKENS), interval="4m"),
)
