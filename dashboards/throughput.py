"""How much is served, how well, and how much more would fit."""

from dashboards import features, replicas
from dashboards.lines import line
from dashboards.model import Board, Panel, PanelRow, Query
from dashboards.panels import (
    MODEL_KEYS,
    NO_ENGINE,
    NO_GPU,
    NO_TRAFFIC,
    TOKENS_PER_SECOND,
    limit_line,
    of_limit,
    table,
    timeseries,
)
from dashboards.styles import OF_LIMIT, Field
from dashboards.variables import OF_REPLICAS, chosen
from inferometer import catalogue as c
from recording_rules import capacity, limits, requests, tokens
from recording_rules.latency import MEAN
from recording_rules.model import Rule
from recording_rules.promql import MODEL, any_of, by


def _lines(title: str, description: str, unit: str, rule: Rule, *more: Query,
           maximum: float | None = None, width: int = 8, empty: str = NO_TRAFFIC) -> Panel:
    return timeseries(title, description, unit, line(rule), *more, maximum=maximum, width=width,
                      empty=empty)


REQUESTS = PanelRow("Requests", (
    timeseries("Requests", "Ended per second, however they ended: a fall to nothing under load is "
               "an outage.", "reqps", line(f"sum {by(MODEL)} ({chosen(requests.RATE)})")),
    _lines("Error ratio", "Share of requests that the server failed or turned away, over 5 "
           "minutes.", "percentunit", requests.ERROR_RATIO["5m"], limit_line(limits.ERROR)),
    _lines("Invalid requests", "Share that was the caller's mistake: a jump is mostly one broken "
           "client.", "percentunit", requests.INVALID_RATIO, limit_line(limits.INVALID)),
    timeseries("Unsuccessful requests", "By how they ended: rejected wants replicas, error wants a "
               "log, invalid and abort are the caller's.", "reqps",
               Query(f"sum {by((c.OUTCOME.name,))} "
                     f"({chosen(requests.RATE, any_of(c.OUTCOME, *c.OUTCOMES[1:]))})",
                     "{{outcome}}"), stacked=True),
    table("Errors ÷ limit", "Error ratio of each window as a share of the limit: where all of them "
          "are red, the error budget will not last.", MODEL_KEYS, [
              Field(title, of_limit(rule, limits.ERROR), "percentunit", OF_LIMIT)
              for title, rule in {"5 min": requests.ERROR_RATIO["5m"],
                                  "6 hours": requests.ERROR_RATIO["6h"],
                                  "1 day": requests.ERROR_RATIO_LONG["1d"],
                                  "3 days": requests.ERROR_RATIO_LONG["3d"]}.items()],
          empty=NO_TRAFFIC, width=16, height=10),
))
TOKENS = PanelRow("Tokens", (
    _lines("Output tokens", "Generated per second by all replicas: flat under growing load means "
           "full.", TOKENS_PER_SECOND, tokens.OUTPUT),
    _lines("Input tokens", "Prompt tokens per second, cached ones included.", TOKENS_PER_SECOND,
           tokens.INPUT),
    timeseries("Pace of one answer", "Tokens per second that one request gets after its first "
               "token, on average; below the line it reads slowly.", TOKENS_PER_SECOND,
               line(f"1 / ({chosen(MEAN[c.SERVER_TPOT])} > 0)"), limit_line(limits.OUTPUT_SPEED)),
    _lines("Prompt tokens from a cache", "Share that needed no prefill: a fall makes first tokens "
           "late.", "percentunit", tokens.CACHED_RATIO, maximum=1, width=12),
    _lines("Speculation accepted", "Share of drafted tokens that were kept: low, it costs more "
           "than it saves.", "percentunit", capacity.ACCEPTED, maximum=1, width=12,
           empty="No data: no engine here drafts tokens, or none reports it."),
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
    _lines("Preemptions", "Requests put back into the queue per second because the KV cache was "
           "full: any is work done twice.", "reqps", capacity.PREEMPTIONS),
    _lines("KV cache, fullest replica", "At the limit requests wait, whatever the GPU says.",
           "percentunit", capacity.KV_USAGE, limit_line(limits.KV_CACHE), maximum=1),
    _lines("KV cache, mean of the replicas", "Far below the fullest one, load is spread unevenly.",
           "percentunit", capacity.KV_USAGE_MEAN, maximum=1),
    _lines("Prefix cache hits", "Share of looked-up tokens that were there: load balancing by "
           "prefix raises it.", "percentunit", capacity.PREFIX_HITS, maximum=1),
    _lines("Replicas that answer", "A step down is an engine that does not. The dashed line is the "
           "least that there must be, where one is configured.", "short", capacity.REPLICAS,
           limit_line(limits.LEAST_REPLICAS)),
    table("What fits", "Tokens in the KV caches of all replicas, prompts and answers of all "
          "running requests; and the longest prompt and answer together that every replica takes.",
          MODEL_KEYS, [
              Field("Replicas", chosen(capacity.EXPECTED), "short", width=80),
              Field("KV cache, tokens", chosen(capacity.KV_CAPACITY), "short"),
              Field("Longest sequence", chosen(capacity.MAX_LENGTH), "short", width=90)],
          empty=NO_ENGINE, width=16, height=10),
))
HOURS = PanelRow("Over days, by the hour", (
    timeseries("Requests, hourly", "Ended per second, each point over the hour before it.",
               "reqps", line(f"sum {by(MODEL)} ({chosen(requests.RATE_HOUR)})")),
    _lines("Output tokens, hourly", "Generated per second, each point over the hour before it.",
           TOKENS_PER_SECOND, tokens.OUTPUT_HOUR),
    _lines("Input tokens, hourly", "Prompt tokens per second, each point over the hour before it.",
           TOKENS_PER_SECOND, tokens.INPUT_HOUR),
), collapsed=True)

BOARD = Board(
    "throughput", "Throughput and capacity",
    "How much is served, what fails, and how full the engines are.", OF_REPLICAS,
    (REQUESTS, TOKENS, CAPACITY, replicas.THROUGHPUT, features.SPECULATION, features.CACHES,
     features.REQUESTS, HOURS))
