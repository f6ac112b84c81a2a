"""How much is served, how well, and how much more would fit."""

from dashboards.model import Board, Panel, PanelRow, Query
from dashboards.panels import (
    NO_GPU,
    NO_TRAFFIC,
    TOKENS_PER_SECOND,
    limit_line,
    timeseries,
)
from dashboards.variables import OF_MODELS, chosen
from inferometer import catalogue as c
from recording_rules import capacity, limits, requests, tokens
from recording_rules.latency import MEAN
from recording_rules.model import Rule
from recording_rules.promql import MODEL, any_of, by

BY_MODEL = "{{model}} {{engine}}"


def _lines(title: str, description: str, unit: str, rule: Rule, *more: Query,
           maximum: float | None = None, width: int = 6, empty: str = NO_TRAFFIC) -> Panel:
    return timeseries(title, description, unit, Query(chosen(rule), BY_MODEL), *more,
                      maximum=maximum, width=width, empty=empty)


REQUESTS = PanelRow("Requests", (
    timeseries("Requests", "Ended per second, however they ended: a fall to nothing under load is "
               "an outage.", "reqps",
               Query(f"sum {by(MODEL)} ({chosen(requests.RATE)})", BY_MODEL)),
    timeseries("Unsuccessful requests", "By how they ended: rejected wants replicas, error wants a "
               "log, invalid and abort are the caller's.", "reqps",
               Query(chosen(requests.RATE, any_of(c.OUTCOME, *c.OUTCOMES[1:])),
                     "{{outcome}} {{model}}")),
    _lines("Error ratio", "Share of requests that the server failed or turned away, over 5 "
           "minutes.", "percentunit", requests.ERROR_RATIO["5m"], limit_line(limits.ERROR),
           width=8),
    timeseries("Error ratio, longer windows", "Over six hours, a day and three days: above the "
               "line the error budget shrinks faster than it may.", "percentunit",
               *(Query(chosen(rule), f"{window} {{{{model}}}}") for window, rule in (
                   ("6h", requests.ERROR_RATIO["6h"]), *requests.ERROR_RATIO_LONG.items())),
               limit_line(limits.ERROR), width=12),
    _lines("Invalid requests", "Share that was the caller's mistake: a jump is mostly one broken "
           "client.", "percentunit", requests.INVALID_RATIO, limit_line(limits.INVALID), width=12),
))
TOKENS = PanelRow("Tokens", (
    _lines("Output tokens", "Generated per second by all replicas: flat under growing load means "
           "full.", TOKENS_PER_SECOND, tokens.OUTPUT),
    _lines("Input tokens", "Prompt tokens per second, cached ones included.", TOKENS_PER_SECOND,
           tokens.INPUT),
    _lines("Prompt tokens from a cache", "Share that needed no prefill: a fall makes first tokens "
           "late.", "percentunit", tokens.CACHED_RATIO, maximum=1),
    timeseries("Pace of one answer", "Tokens per second that a single caller sees after the first "
               "one; below the line it reads slowly.", TOKENS_PER_SECOND,
               Query(f"1 / ({chosen(MEAN[c.SERVER_TPOT])} > 0)", BY_MODEL),
               limit_line(limits.OUTPUT_SPEED), width=6),
    timeseries("Tokens for each GPU", "Of the whole cluster: what hardware yields, and what a "
               "change of engine or batch size is worth.", TOKENS_PER_SECOND,
               Query(chosen(tokens.FLEET_OUTPUT_PER_GPU), "output {{cluster}}"),
               Query(chosen(tokens.FLEET_INPUT_PER_GPU), "input {{cluster}}"), empty=NO_GPU,
               width=12),
    timeseries("Energy for each output token", "Of the whole cluster: falls as batches fill, "
               "rises with idle GPUs.", "joule",
               Query(chosen(tokens.FLEET_JOULES), "{{cluster}}"), empty=NO_GPU, width=12),
))
CAPACITY = PanelRow("Capacity", (
    _lines("Waiting", "Requests in the queue: growing steadily means too few replicas.", "short",
           capacity.WAITING),
    _lines("Running", "Requests worked on at once: flat while some wait is the engine's maximum.",
           "short", capacity.RUNNING),
    timeseries("Replicas", "All there are, and those whose page is read: a gap is an engine that "
               "does not answer.", "short", Query(chosen(capacity.EXPECTED), f"all {BY_MODEL}"),
               Query(chosen(capacity.REPLICAS), f"read {BY_MODEL}"), width=6),
    _lines("Preemptions", "Requests put back into the queue for want of KV cache, per second: any "
           "is work done twice.", "reqps", capacity.PREEMPTIONS),
    _lines("KV cache, fullest replica", "At the limit requests wait, whatever the GPU says.",
           "percentunit", capacity.KV_USAGE, limit_line(limits.KV_CACHE), maximum=1),
    _lines("KV cache, mean of the replicas", "Far below the fullest one, load is spread unevenly.",
           "percentunit", capacity.KV_USAGE_MEAN, maximum=1),
    _lines("KV cache size", "Tokens that fit at once, prompts and answers of all running "
           "requests.", "short", capacity.KV_CAPACITY),
    _lines("Longest sequence", "Prompt and answer together that every replica takes.", "short",
           capacity.MAX_LENGTH),
    _lines("Prefix cache hits", "Share of looked-up tokens that were there: load balancing by "
           "prefix raises it.", "percentunit", capacity.PREFIX_HITS, maximum=1, width=12),
    _lines("Speculation accepted", "Share of drafted tokens that were kept: low, it costs more "
           "than it saves.", "percentunit", capacity.ACCEPTED, maximum=1, width=12,
           empty="No data: no engine drafts tokens here, or it does not tell."),
))
HOURS = PanelRow("Over days, by the hour", (
    timeseries("Requests, hourly", "Ended per second, each point over the hour before it.",
               "reqps", Query(f"sum {by(MODEL)} ({chosen(requests.RATE_HOUR)})", BY_MODEL)),
    _lines("Output tokens, hourly", "Generated per second, each point over the hour before it.",
           TOKENS_PER_SECOND, tokens.OUTPUT_HOUR, width=8),
    _lines("Input tokens, hourly", "Prompt tokens per second, each point over the hour before it.",
           TOKENS_PER_SECOND, tokens.INPUT_HOUR, width=8),
), collapsed=True)

BOARD = Board(
    "throughput", "Throughput and capacity",
    "How much is served, what fails, and how full the engines are.", OF_MODELS,
    (REQUESTS, TOKENS, CAPACITY, HOURS))
