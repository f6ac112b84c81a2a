"""Is it healthy, what is wrong, where do I go: one look at everything, against the limits."""

from alerts import exporter
from dashboards import firing
from dashboards.lines import line
from dashboards.model import Board, Panel, PanelRow, Query
from dashboards.panels import (
    MODEL_KEYS,
    NO_ENGINE,
    NO_GPU,
    NO_GPU_OF_MODELS,
    NO_MONEY,
    TOKENS_PER_SECOND,
    limit_line,
    of_limit,
    stat,
    table,
    timeseries,
)
from dashboards.styles import ALL_ARE_WELL, NONE_IS_WELL, NOTED, OF_LIMIT, WELL, Field
from dashboards.variables import NOTIFIED, OF_MODELS, chosen
from dashboards.variables import firing as alerts_of
from inferometer import catalogue as c
from recording_rules import attribution, capacity, cost, gpus, latency, limits, requests, tokens
from recording_rules.limits import Limit
from recording_rules.model import Rule
from recording_rules.promql import FLEET, MODEL, any_of, by, on

TTFT, TPOT, DURATION = (
    latency.QUANTILES[metric, 0.95] for metric in (c.SERVER_TTFT, c.SERVER_TPOT, c.SERVER_DURATION))
ERRORS = requests.ERROR_RATIO["5m"]
# It fires as long as rules are evaluated.
EVALUATED = alerts_of((), f'alertname="{exporter.ALWAYS}"')


def _worst(title: str, figure: str, rule: Rule, limit: Limit, board: str = "latency") -> Panel:
    return stat(
        title, f"{figure}, of the model worst off, as a share of its limit: red is over it.",
        "percentunit", f"topk(1, {of_limit(rule, limit)})", empty="no traffic",
        colours=OF_LIMIT, name="model", link=board)


def _alerts(title: str, severity: str, colour: str, description: str) -> Panel:
    return stat(
        title, description, "short", f"{firing.count(severity)} or count({EVALUATED}) * 0",
        empty="alerts are not evaluated", colours=((None, WELL), (1, colour)))


def _none(severity: str) -> str:
    """A line at 0 of that severity, as long as alerts are evaluated."""
    return f'label_replace(count({EVALUATED}) * 0, "severity", "{severity}", "", "")'


HEALTH = PanelRow("Is it healthy?", (
    _alerts("Critical alerts", "critical", "red", "Somebody is paged for these: see the list."),
    _worst("TTFT ÷ limit", "The p95 time to first token", TTFT, limits.TTFT),
    _worst("Per token ÷ limit", "The p95 time per output token", TPOT, limits.TPOT),
    _worst("Request ÷ limit", "The p95 request duration", DURATION, limits.DURATION),
    _worst("Errors ÷ limit", "Error ratio over 5 minutes", ERRORS, limits.ERROR, "throughput"),
    _worst("KV cache ÷ limit", "KV cache of the fullest replica", capacity.KV_USAGE,
           limits.KV_CACHE, "throughput"),
    _alerts("Warnings", "warning", "orange", "To be read the same day: see the list."),
    stat("Engines down", "Engines whose page could not be read: callers may not notice "
         "while others answer.", "short",
         f"sum({chosen(capacity.EXPECTED)} - {on(MODEL)} {chosen(capacity.REPLICAS)})",
         empty="no engine is read", colours=NONE_IS_WELL, link="throughput"),
    stat("GPUs lost", "GPUs that the driver knows of and that do not answer it.", "short",
         f"sum({chosen(gpus.FLEET_GPUS)} - {on(FLEET)} {chosen(gpus.FLEET_UP)})",
         empty="no GPU is read", colours=NONE_IS_WELL, link="gpu"),
    stat("GPUs busy ÷ aim", "Mean of the cluster with the least: blue is below what is aimed "
         "at, so paid for and idle.", "percentunit",
         f"min({of_limit(gpus.FLEET_BUSY, limits.GPU_BUSY)})", empty="no GPU is read",
         colours=((None, NOTED), (1, WELL)), link="gpu"),
    stat("Spent today ÷ limit", "Since midnight UTC, as a share of the limit on daily spend.",
         "percentunit", f"max({of_limit(cost.TODAY, limits.DAILY_SPEND)})",
         empty="no prices configured", colours=OF_LIMIT, link="cost"),
    stat("Month ÷ budget", "Spent since the month began (UTC), as a share of the budget.",
         "percentunit", f"max({chosen(cost.BUDGET_USED, any_of(c.PERIOD, 'month'))})",
         empty="no budget configured", colours=OF_LIMIT, link="cost"),
))
WRONG = PanelRow("What is wrong?", (
    table("Firing alerts", "Critical ones first. What an alert is about leads to the board that "
          "says more of it.", firing.KEYS,
          [Field("True since", firing.since(NOTIFIED), "dateTimeFromNow", width=150)],
          empty="No alert fires, or alerts are not evaluated: see the first tile.", height=9,
          sort=firing.KEYS["severity"], ascending=True, unseen=firing.LINKED,
          looks=firing.looks()),
    timeseries("Alerts over time", "How many fired at once: a block that lines up with an engine's "
               "start has its cause there.", "short",
               Query(" or ".join((f"count by (severity) ({alerts_of(OF_MODELS, NOTIFIED)})",
                                  *map(_none, ("critical", "warning")))), "{{severity}}"),
               empty="No data: alerts were not evaluated in this time.", width=24,
               height=5, stacked=True),
))
MODELS = PanelRow("Where do I go?", (
    table("Models", "Red cells are over the model's own limit; its name leads to where its time "
          "goes.", MODEL_KEYS, [
              Field("Replicas up", f"{chosen(capacity.REPLICAS)} / {on(MODEL)} "
                    f"({chosen(capacity.EXPECTED)} > 0)", "percentunit", ALL_ARE_WELL),
              Field("TTFT ÷ limit", of_limit(TTFT, limits.TTFT), "percentunit", OF_LIMIT),
              Field("Per token ÷ limit", of_limit(TPOT, limits.TPOT), "percentunit", OF_LIMIT),
              Field("Request ÷ limit", of_limit(DURATION, limits.DURATION), "percentunit",
                    OF_LIMIT),
              Field("Errors ÷ limit", of_limit(ERRORS, limits.ERROR), "percentunit", OF_LIMIT),
              Field("KV ÷ limit", of_limit(capacity.KV_USAGE, limits.KV_CACHE), "percentunit",
                    OF_LIMIT),
              Field("TTFT p95", chosen(TTFT), "s"),
              Field("Request p95", chosen(DURATION), "s"),
              Field("Waiting", chosen(capacity.WAITING), "short"),
              Field("Req/s", f"sum {by(MODEL)} ({chosen(requests.RATE)})", "short"),
              Field("Tokens out/s", chosen(tokens.OUTPUT), "short")],
          empty=NO_ENGINE, height=9, sort="TTFT ÷ limit",
          links={"model": "latency"}),
))
TRENDS = PanelRow("How the clusters do", (
    timeseries("Requests by outcome", "Of all models: rejected and error are the server's fault, "
               "invalid the caller's.", "reqps",
               Query(chosen(requests.FLEET_RATE), "{{outcome}} {{cluster}}"), width=6,
               stacked=True),
    timeseries("Tokens", "Of all models: output is what GPUs work for, input what fills them.",
               TOKENS_PER_SECOND, Query(chosen(tokens.FLEET_OUTPUT), "output {{cluster}}"),
               Query(chosen(tokens.FLEET_INPUT), "input {{cluster}}"), width=6),
    timeseries("Busy GPUs", "Mean of all GPUs: below the line they are paid for and idle.",
               "percentunit", Query(chosen(gpus.FLEET_BUSY), "busy {{cluster}}"),
               limit_line(limits.GPU_BUSY), empty=NO_GPU, width=6, maximum=1),
    timeseries("Spending per hour", "What the present rate comes to in an hour, by what it goes "
               "to.", "currencyUSD", Query(f"{chosen(cost.RATE)} * 3600",
                                           "{{category}} {{cluster}}"),
               empty=NO_MONEY, width=6, stacked=True),
    timeseries("Requests that failed", "As a share, over all models whose engines tell.",
               "percentunit", Query(chosen(requests.FLEET_ERROR_RATIO), "error {{cluster}}"),
               width=6),
    timeseries("Requests in flight", "Running ones are worked on; waiting ones are load that does "
               "not fit.", "short", Query(chosen(capacity.FLEET_RUNNING), "running {{cluster}}"),
               Query(chosen(capacity.FLEET_WAITING), "waiting {{cluster}}"), width=6),
    timeseries("Memory of GPUs", "In use, mean of all GPUs: engines take nearly all at once.",
               "percentunit", Query(chosen(gpus.FLEET_MEMORY), "{{cluster}}"), empty=NO_GPU,
               width=6, maximum=1),
    timeseries("Power of GPUs", "Of all boards together.", "watt",
               Query(chosen(gpus.FLEET_POWER), "{{cluster}}"), empty=NO_GPU, width=6),
    timeseries("GPUs by model", "That its pods have to themselves: shared and sliced GPUs are no "
               "model's.", "short", line(attribution.GPUS),
               empty=NO_GPU_OF_MODELS, width=12, stacked=True),
    timeseries("Busy GPUs by model", "Mean of the model's GPUs: the lowest has the most to give "
               "back.", "percentunit",
               line(attribution.MODEL_BUSY),
               limit_line(limits.GPU_BUSY), empty=NO_GPU_OF_MODELS, width=12, maximum=1),
))

BOARD = Board(
    "fleet", "Fleet overview", "Is it healthy, what is wrong, and where to look: all models, GPUs "
    "and money against their limits.", OF_MODELS, (HEALTH, WRONG, MODELS, TRENDS))
