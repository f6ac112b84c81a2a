"""What applications got from the models they call: calls, errors, time and tokens, by service."""

from dashboards import agents, parts
from dashboards.lines import BY_CALLER, line
from dashboards.model import Board, Panel, PanelRow, Query
from dashboards.panels import TOKENS_PER_SECOND, limit_line, stat, table, timeseries
from dashboards.styles import OF_LIMIT, PLAIN, Field
from dashboards.variables import chosen, of_one_model
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules import client, limits
from recording_rules.client import CLIENT, QUANTILES
from recording_rules.latency import MEAN
from recording_rules.model import Rule
from recording_rules.promql import WINDOW, any_of, by, on, ratio

USD = "currencyUSD"
NO_CALLS = ("No data: no gateway has counted a call in this time. An application sends its spans "
            "to one: see docs/gateway.md.")
NOT_STREAMED = "No data: no call was streamed in this time, or no span tells of a first token."
NO_ENGINE = "No data: no engine here serves a model that is called."
KEYS = {"service_name": "Service", "model": "Model", "provider": "Provider", "cluster": "Cluster"}
_CALLS = f"sum({chosen(client.RATE)})"
_FAILED = f"sum({chosen(client.RATE, any_of(c.OUTCOME, 'error', 'rejected'))})"
_JUDGED = f"sum({chosen(client.RATE, any_of(c.OUTCOME, 'success', 'error', 'rejected'))})"
_OF_MODEL = ("cluster", c.MODEL.name)
PARTS = {c.SERVER_QUEUE: "queue", c.SERVER_PREFILL: "prefill", c.SERVER_DECODE: "decode"}


def _tile(title: str, description: str, expr: str, unit: str, empty: str = "no calls") -> Panel:
    return stat(title, description, unit, expr, empty=empty, width=4, colours=PLAIN)


def _lines(title: str, description: str, unit: str, rule: Rule | str, *more: Query,
           empty: str = NO_CALLS, width: int = 8, maximum: float | None = None) -> Panel:
    return timeseries(title, description, unit, line(rule, BY_CALLER, CLIENT), *more, empty=empty,
                      width=width, maximum=maximum)


def _slowest(metric: Metric) -> str:
    return f"max({chosen(QUANTILES[metric, 0.95])})"


def _engine_part(metric: Metric) -> str:
    """Of the engines that serve a model which is called, as their mean."""
    mean = f"avg {by(_OF_MODEL)} ({chosen(MEAN[metric], labels=_OF_MODEL)})"
    return f"{mean} and {on(_OF_MODEL)} {chosen(client.MEAN)}"


NOW = PanelRow("Now", (
    _tile("All calls", "Ended per second, however they ended.", _CALLS, "reqps"),
    _tile("Failed", "Share of calls that the provider failed or turned away, over 5 minutes.",
          ratio(_FAILED, _JUDGED), "percentunit"),
    _tile("p95 call", "95 % of calls took no longer, of the slowest service and model.",
          _slowest(c.CLIENT_DURATION), "s"),
    _tile("p95 first token", "The same until the first token, where calls are streamed.",
          _slowest(c.CLIENT_TTFT), "s", "no streams"),
    _tile("Tokens", "In and out, per second.",
          f"sum({chosen(client.INPUT)}) + sum({chosen(client.OUTPUT)})", TOKENS_PER_SECOND),
    _tile("Without tokens", "Share of answered calls of which no span tells the tokens, where it "
          "is largest: tokens and cost are too low by as much.",
          f"max({chosen(client.USAGE_MISSING)})", "percentunit"),
))
CALLS = PanelRow("Calls", (
    _lines("Calls", "Ended per second, however they ended: a fall to nothing is a service that "
           "stopped asking, or no longer sends its spans.", "reqps",
           f"sum {by(CLIENT)} ({chosen(client.RATE)})"),
    _lines("Error ratio", "Share of calls that failed or were turned away, over 5 minutes.",
           "percentunit", client.ERROR_RATIO, limit_line(limits.ERROR)),
    timeseries("Unsuccessful calls", "By how they ended: rejected is a rate limit, invalid the "
               "caller's mistake, abort a caller that left.", "reqps",
               Query(f"sum {by((c.OUTCOME.name,))} "
                     f"({chosen(client.RATE, any_of(c.OUTCOME, *c.OUTCOMES[1:]))})",
                     "{{outcome}}"), stacked=True, empty=NO_CALLS),
    table("Services and their models", "The busiest first; a name narrows this board to it.",
          KEYS, [
        Field("Calls/s", f"sum {by(CLIENT)} ({chosen(client.RATE)})", "short"),
        Field("Errors ÷ limit", f"{chosen(client.ERROR_RATIO)} / {on(limits.ERROR.labels)} "
              f"group_left () ({chosen(limits.ERROR)} > 0)", "percentunit", OF_LIMIT, width=80),
        Field("p95", chosen(QUANTILES[c.CLIENT_DURATION, 0.95]), "s"),
        Field("p95 first token", chosen(QUANTILES[c.CLIENT_TTFT, 0.95]), "s", width=85),
        Field("Tokens in/s", chosen(client.INPUT), "short", width=80),
        Field("Tokens out/s", chosen(client.OUTPUT), "short", width=80),
        Field("Cost/h", f"{chosen(client.COST)} * 3600", USD, width=80),
        Field("Without price", chosen(client.PRICE_UNKNOWN), "percentunit", width=85),
        Field("Without tokens", chosen(client.USAGE_MISSING), "percentunit", width=85)],
        empty=NO_CALLS, sort="Calls/s", links=dict.fromkeys(("service_name", "model"), "requests")),
))
TIME = PanelRow("How long they took", (
    _lines("Call, p95", "From the call's begin to its end, as the application saw it.", "s",
           QUANTILES[c.CLIENT_DURATION, 0.95], limit_line(limits.DURATION)),
    _lines("First token, p95", "How long a reader waits for the first word of a stream.", "s",
           QUANTILES[c.CLIENT_TTFT, 0.95], limit_line(limits.TTFT), empty=NOT_STREAMED),
    _lines("Time per output token, p95", "The pace of a stream after its first token.", "s",
           QUANTILES[c.CLIENT_TPOT, 0.95], limit_line(limits.TPOT), empty=NOT_STREAMED),
    _lines("Goodput", "Share of calls that succeeded within the limits of all three figures above "
           "at once, each call by itself: the limits are the gateway's.", "percentunit",
           client.GOODPUT, limit_line(limits.GOODPUT), maximum=1),
    _lines("Mean call", "Means add up where quantiles do not: what it is longer than the engine's "
           "parts beside it is network, a proxy, or the application's own wait.", "s",
           client.MEAN),
    timeseries("Engine's part of a call", "Means of the engines that serve the models which are "
               "called: the part that swells is the cause.", "s",
               *(Query(f"avg({_engine_part(metric)})", name) for metric, name in PARTS.items()),
               stacked=True, empty=NO_ENGINE, width=8),
))
TOKENS = PanelRow("Tokens", (
    _lines("Input tokens", "Tokens of prompts per second, cached ones included.",
           TOKENS_PER_SECOND, client.INPUT),
    _lines("Output tokens", "Generated per second, reasoning ones included.", TOKENS_PER_SECOND,
           client.OUTPUT),
    _lines("Prompt tokens from a cache", "Share that the provider had cached, and bills for less.",
           "percentunit", ratio(chosen(client.CACHED), chosen(client.INPUT)), maximum=1),
))
COST = PanelRow("Cost", (
    _lines("Cost per hour", "What the present rate comes to in an hour, by the calls' prices: 0 "
           "where the model is self-hosted, as its GPUs are paid for already.", USD,
           f"{chosen(client.COST)} * 3600"),
    _lines("Per 1000 calls", "What 1000 answered calls cost, over the last hour.", USD,
           f"{chosen(client.COST_PER_CALL)} * 1000"),
    _lines("Per million tokens", "In and out, over the last hour: a rise is a dearer model, or "
           "fewer cached tokens.", USD, f"{chosen(client.COST_PER_1K_TOKENS)} * 1000"),
))
SPREAD = PanelRow("Median and p99", (
    _lines("Call, p50", "Half of the calls took no longer.", "s",
           QUANTILES[c.CLIENT_DURATION, 0.5]),
    _lines("Call, p99", "Where it is far above the median, a few calls are slow: long ones, or "
           "stalls.", "s", QUANTILES[c.CLIENT_DURATION, 0.99]),
    _lines("First token, p50", "Half of the streams began no later.", "s",
           QUANTILES[c.CLIENT_TTFT, 0.5], empty=NOT_STREAMED),
), collapsed=True)

# Dots are the exemplars of the buckets that the line is made of, which no recorded series has.
CALLS_AND_TRACES = timeseries(
    "Calls and their traces", "A dot is a call that the application's own tracing has under the "
    "dot's trace_id: begin with one above the line, the p95. It shows the last hour, and needs a "
    "Prometheus that stores exemplars.", "s",
    Query("histogram_quantile(0.95, sum by (le) "
          f"(rate({of_one_model(f'{c.CLIENT_DURATION.name}_bucket')}[{WINDOW}]))) >= 0", "p95",
          exemplars=True),
    empty="No data: not one model is chosen, or it was not called in the last hour.",
    width=24, last="1h")
TRACES = PanelRow("Call by call, of the chosen model", (CALLS_AND_TRACES,), collapsed=True)

BOARD = Board(
    "requests", "Requests",
    "What applications got from the models that they call, as their own spans tell it.",
    ("cluster", c.MODEL.name, c.SERVICE_NAME.name),
    (NOW, CALLS, parts.ROW, TIME, TOKENS, COST, SPREAD, agents.ROW, TRACES))
