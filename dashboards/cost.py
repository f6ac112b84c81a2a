"""What it costs: now, today, this month, for each request and token, and against the budgets."""

from dashboards.lines import BY_SERVICE, line
from dashboards.model import Board, Panel, PanelRow, Query
from dashboards.panels import NO_MONEY, limit_line, stat, table, timeseries
from dashboards.styles import OF_LIMIT, PLAIN, WELL, Colours, Field
from dashboards.variables import chosen
from inferometer import catalogue as c
from recording_rules import anomalies, cost, limits
from recording_rules.anomalies import Expectation
from recording_rules.limits import Limit
from recording_rules.model import Rule
from recording_rules.promql import any_of

USD = "currencyUSD"
NO_BUDGET = "No data: no budget is configured in inferometer.yml, or nothing was spent."
NO_REQUESTS = "No data: no prices are configured, or no request ended in this time."
NO_SHARE = ("No data: no money is attributed to the chosen models. That takes prices, and to know "
            "which model has which GPU: see docs/attribution.md.")
NOT_EXPECTED = ("No data: no application made 30 calls in the last complete hour, or none of them "
                "has a price: see docs/cost.md.")
IN_MONTH = any_of(c.PERIOD, "month")
IDLE: Colours = ((None, WELL), (0.3, "orange"), (0.6, "red"))
KEYS = {"model": "Model", "cluster": "Cluster"}
MANY = 1000  # requests: one costs so little that its digits are hard to read


def _tile(title: str, description: str, expr: str, unit: str = USD, *, empty: str = "no prices",
          colours: Colours = PLAIN) -> Panel:
    return stat(title, description, unit, expr, empty=empty, width=6, colours=colours)


def _drift(title: str, description: str, now: Rule, week: Rule, factor: int = 1) -> Panel:
    return timeseries(title, description, USD, *(
        Query(_times(chosen(rule), factor), f"{window} {{{{cluster}}}}")
        for window, rule in {"last hour": now, "7 days": week}.items()),
        empty=NO_REQUESTS, width=12)


def _of_models(title: str, description: str, rule: Rule, limit: Limit, factor: int = 1) -> Panel:
    return timeseries(
        title, description, USD, line(_times(chosen(rule), factor), labels=rule.labels),
        Query(_times(limit_line(limit).expr, factor), "limit"), empty=NO_SHARE, width=12)


def _times(expr: str, factor: int) -> str:
    return expr if factor == 1 else f"{expr} * {factor}"


def _hourly(rule: Rule) -> Query:
    return line(f"{chosen(rule)} * 3600", labels=rule.labels)


def _beside_band(title: str, description: str, of: Expectation, unit: str, factor: int = 1
                 ) -> Panel:
    return timeseries(
        title, f"{description} An alert comes once it was outside of its band, the dashed lines, "
        "in two of three hours. Choose a service to see its band alone.", unit, *(
            Query(_times(chosen(rule), factor), f"{edge}{BY_SERVICE} {{{{cluster}}}}")
            for edge, rule in (("", of.value), ("least ", of.lower), ("most ", of.upper))),
        empty=NOT_EXPECTED, width=12)


NOW = PanelRow("Now", (
    _tile("Per hour", "What the present rate comes to in an hour.",
          f"sum({chosen(cost.TOTAL_RATE)}) * 3600"),
    _tile("Today", "Spent since midnight UTC.", f"sum({chosen(cost.TODAY)})"),
    _tile("This month", "Spent since the month began (UTC); see beside it whether that is all.",
          f"sum({chosen(cost.MONTH)})"),
    _tile("Month's end", "What the month comes to if it goes on like the last day.",
          f"sum({chosen(cost.PROJECTED)})"),
    _tile("Month known", "Share of the month so far for which there is data: below 100 % the sums "
          "are incomplete. Prometheus has to keep 31 days.",
          f"min({chosen(cost.MONTH_COVERED)})", "percentunit"),
    _tile("Budget used", "Of the month's budget; red is all of it.",
          f"max({chosen(cost.BUDGET_USED, IN_MONTH)})", "percentunit", empty="no budget",
          colours=OF_LIMIT),
    _tile("Budget at month's end", "Of the month's budget, if it goes on like the last day.",
          f"max({chosen(cost.BUDGET_PROJECTED)})", "percentunit", empty="no budget",
          colours=OF_LIMIT),
    _tile("Idle", "Share of the GPUs' cost during which no kernel ran: the money to save first.",
          f"max({chosen(cost.IDLE_SHARE)})", "percentunit", empty="no GPU prices", colours=IDLE),
))
SPENDING = PanelRow("Spending", (
    timeseries("Rate by category", "USD per hour, by what it goes to.", USD,
               Query(f"{chosen(cost.RATE)} * 3600", "{{category}} {{cluster}}"), empty=NO_MONEY,
               stacked=True),
    timeseries("Rate by model", "USD per hour: the model's GPUs, and what exporters say is the "
               "model's. The rest is attributed to none.", USD,
               _hourly(cost.MODEL_RATE),
               Query(f"{chosen(cost.UNATTRIBUTED)} * 3600", "no model's {{cluster}}"),
               empty=NO_MONEY, stacked=True),
    timeseries("GPU money with a model", "Share of the GPUs' cost of which it is known for which "
               "model it is paid: free, shared and sliced GPUs are no model's.", "percentunit",
               Query(chosen(cost.GPU_SHARE), "{{cluster}}"), empty=NO_MONEY, maximum=1),
    timeseries("Idle GPUs", "USD per hour for GPUs on which no kernel ran.", USD,
               Query(f"{chosen(cost.IDLE_RATE)} * 3600", "{{cluster}}"), empty=NO_MONEY),
    timeseries("Idle GPUs, by model", "USD per hour for the model's GPUs on which no kernel ran: "
               "replicas it may do without.", USD,
               _hourly(cost.MODEL_IDLE_RATE),
               empty=NO_SHARE, stacked=True),
    timeseries("The month so far, by model", "Since the month began (UTC). What is no model's "
               "makes it the whole.", USD,
               line(cost.MODEL_MONTH),
               Query(chosen(cost.UNATTRIBUTED_MONTH), "no model's {{cluster}}"), empty=NO_MONEY,
               stacked=True),
    timeseries("The day so far", "Spent since midnight UTC, and the limit on daily spend.", USD,
               Query(chosen(cost.TODAY), "{{cluster}}"), limit_line(limits.DAILY_SPEND),
               empty=NO_MONEY, width=12),
    timeseries("The month so far", "By category, since the month began (UTC), under the budget "
               "where there is one.", USD,
               Query(chosen(cost.MONTH_BY_CATEGORY), "{{category}} {{cluster}}"),
               Query(f"sum({chosen(cost.BUDGET, IN_MONTH)})", "budget"), empty=NO_MONEY,
               width=12, stacked=True),
    timeseries("Budgets used", "Share of each budget that is spent: 100 % is all of it.",
               "percentunit", Query(chosen(cost.BUDGET_USED), "{{period}} {{cluster}}"),
               line(cost.MODEL_BUDGET_USED, "{{period}} {{model}}"),
               limit_line(limits.BUDGET_USED), empty=NO_BUDGET, width=24, height=8),
))
UNITS = PanelRow("For each request and token, self-hosted", (
    _drift("Per 1000 requests, self-hosted", "All money but that of hosted calls, over all "
           "requests that succeeded on engines: compare the hour with its own week. The board "
           "Requests has what hosted calls cost.", cost.PER_REQUEST, cost.PER_REQUEST_WEEK, MANY),
    _drift("Per million tokens, self-hosted", "All money but that of hosted calls, over all "
           "tokens of engines, in and out: rises when GPUs idle.",
           cost.PER_1M_TOKENS, cost.PER_1M_TOKENS_WEEK),
    _of_models("Per 1000 requests, self-hosted, by model", "Money attributed to the model, but "
               "not that of hosted calls, over its requests that succeeded on engines, in the "
               "last hour.", cost.MODEL_PER_REQUEST, limits.REQUEST_COST, MANY),
    _of_models("Per million tokens, self-hosted, by model", "Money attributed to the model, but "
               "not that of hosted calls, over its tokens of engines, in and out, in the last "
               "hour.", cost.MODEL_PER_1M_TOKENS, limits.MILLION_TOKENS_COST),
    table("Models by money", "The dearest first; a model's name leads to what it serves. It costs "
          "more than this where the GPU board knows the GPUs of some replicas only. Sums have "
          "hosted calls; what is per request or token is of engines alone.", KEYS, [
        Field("Today", chosen(cost.MODEL_TODAY), USD),
        Field("This month", chosen(cost.MODEL_MONTH), USD),
        Field("Budget used", chosen(cost.MODEL_BUDGET_USED, IN_MONTH), "percentunit", OF_LIMIT),
        Field("Idle per hour", f"{chosen(cost.MODEL_IDLE_RATE)} * 3600", USD),
        Field("Per 1000 requests", _times(chosen(cost.MODEL_PER_REQUEST), MANY), USD, width=95),
        Field("Per 1000 requests, 7 days", _times(chosen(cost.MODEL_PER_REQUEST_WEEK), MANY),
              USD, width=95),
        Field("Per 1M tokens", chosen(cost.MODEL_PER_1M_TOKENS), USD, width=80),
        Field("Per 1M tokens, 7 days", chosen(cost.MODEL_PER_1M_TOKENS_WEEK), USD, width=95)],
        empty=NO_SHARE, sort="This month",
        links={"model": "throughput"}),
))
EXPECTED = PanelRow("For each call of an application, beside what is expected", (
    _beside_band("Cost of 1000 calls", "By the mean of the last complete hour, held against the "
                 "same hour (UTC) of the last four weeks. If tokens beside it are within theirs, "
                 "a price has changed, or the model.", anomalies.COST, USD, MANY),
    _beside_band("Tokens of a call", "In and out, on average in the last complete hour, held "
                 "against the same hour of the last four weeks.", anomalies.TOKENS, "short"),
))

BOARD = Board(
    "cost", "Cost and budgets",
    "What it costs now, today, this month and for each request and token, against the budgets.",
    ("cluster", c.MODEL.name, c.SERVICE_NAME.name), (NOW, SPENDING, UNITS, EXPECTED))
