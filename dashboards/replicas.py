"""Replica by replica: the engines' own series, which no rule records, asked when a row is opened.

A replica goes by its pod, or by its exporter's address where there is none, and by its target,
where that is not beside the exporter.
"""

from __future__ import annotations

from collections.abc import Callable

from dashboards.model import Panel, PanelRow, Query
from dashboards.panels import TOKENS_PER_SECOND, timeseries
from dashboards.variables import OF_MODELS, of_replicas
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.promql import ENDPOINT, MODEL, WINDOW, by

TITLE = "Replica by replica, of the chosen model"
EMPTY = "No data: no replica of what is chosen tells, or it has no traffic."
_REPLICA = (*MODEL, *(label for label in ENDPOINT if label not in MODEL))
_BESIDE = r"(.+) (?:127\\.0\\.0\\.1|localhost|\\[::1\\])(?::\\d+)?"
Choice = Callable[[str], str]  # the name of a series -> the selector of what is chosen


def _named(expr: str) -> str:
    for source in ("instance", "pod"):
        expr = f'label_replace({expr}, "replica", "$1", "{source}", "(.+)")'
    expr = f'label_join({expr}, "replica", " ", "replica", "{c.TARGET.name}")'
    return f'label_replace({expr}, "replica", "$1", "replica", "{_BESIDE}")'


def _lines(title: str, description: str, unit: str, expr: Callable[[Choice], str],
           maximum: float | None = None) -> Panel:
    """The chosen replicas, and the median of all that the model has."""
    median = f"quantile(0.5, {expr(lambda name: of_replicas(name, OF_MODELS))})"
    return timeseries(title, f"{description} The dashed line is the median of all replicas.", unit,
                      Query(_named(expr(of_replicas)), "{{replica}}"), Query(median, "median"),
                      width=12, maximum=maximum, empty=EMPTY)


def _mean(metric: Metric, title: str, description: str) -> Panel:
    def expr(of: Choice) -> str:
        total, count = (f"sum {by(_REPLICA)} (rate({of(f'{metric.name}_{part}')}[{WINDOW}]))"
                        for part in ("sum", "count"))
        return f"{total} / ({count} > 0)"

    return _lines(title, description, "s", expr)


def _rate(metric: Metric, title: str, description: str, unit: str) -> Panel:
    return _lines(title, description, unit, lambda of: (
        f"sum {by(_REPLICA)} (rate({of(metric.name)}[{WINDOW}]))"))


def _now(metric: Metric, title: str, description: str, unit: str = "short",
         maximum: float | None = None) -> Panel:
    """Ranks of an engine add up, but for shares: of these the fullest one counts."""
    pick = "sum" if maximum is None else "max"
    return _lines(title, description, unit, lambda of: f"{pick} {by(_REPLICA)} ({of(metric.name)})",
                  maximum)


# Alerts about a replica open the first panel of each.
LATENCY = PanelRow(TITLE, (
    _mean(c.SERVER_DURATION, "Mean request by replica", "One line apart from the others is a slow "
          "node or GPU; all of them together are load."),
    _mean(c.SERVER_TTFT, "Mean time to first token by replica", "Apart from the others: its queue, "
          "or prompts that its cache does not have."),
    _mean(c.SERVER_TPOT, "Mean time per output token by replica", "Apart from the others: its GPU "
          "is slower, held down, or shared."),
    _mean(c.SERVER_QUEUE, "Mean queue time by replica", "Apart from the others: load is spread "
          "unevenly."),
), collapsed=True)
THROUGHPUT = PanelRow(TITLE, (
    _rate(c.SERVER_OUTPUT, "Output tokens by replica", "At nothing while requests run, it hangs; "
          "where its line ends, it is down.", TOKENS_PER_SECOND),
    _rate(c.SERVER_REQUESTS, "Requests by replica", "Ended per second, however they ended.",
          "reqps"),
    _lines("Answers by replica", "Share of the last 5 minutes in which its page was read.",
           "percentunit", lambda of: (
               f"avg {by(_REPLICA)} (avg_over_time({of(c.SERVER_UP.name)}[{WINDOW}]))"),
           maximum=1),
    _now(c.SERVER_RUNNING, "Running by replica", "Requests worked on at once."),
    _now(c.SERVER_WAITING, "Waiting by replica", "Requests in its queue: where one waits and "
         "others do not, load is spread unevenly."),
    _now(c.SERVER_KV_USAGE, "KV cache by replica", "At the limit its requests wait.",
         "percentunit", maximum=1),
), collapsed=True)
