"""Searches for documents: whether they find any, how long they take, what reranking does."""

from __future__ import annotations

from dashboards.lines import BY_SERVICE, line
from dashboards.model import Board, Panel, PanelRow, Query
from dashboards.panels import stat, table, timeseries
from dashboards.styles import OF_LIMIT, PLAIN, Field
from dashboards.variables import chosen
from inferometer import catalogue as c
from recording_rules import searches, shares
from recording_rules.agents import SERVICE
from recording_rules.model import Rule
from recording_rules.promql import by, on, ratio
from recording_rules.shares import WeighedShare

NO_SEARCH = ("No data: no application searched in this time, or the instrumentation has no spans "
             "of it: see docs/telemetry.md.")
NOT_TOLD = ("No data: no search in this time tells how many documents it found: see "
            "docs/telemetry.md.")
NO_RERANK = ("No data: nothing was reranked in this time, or no span names the documents before "
             "and after: see docs/telemetry.md.")
_SEARCHES = f"sum({chosen(searches.RESULTS)})"


def _tile(title: str, description: str, unit: str, expr: str, empty: str) -> Panel:
    return stat(title, description, unit, expr, empty=empty, width=4, colours=PLAIN)


def _overall(share: WeighedShare) -> str:
    """Of all that is chosen together."""
    return ratio(f"sum({chosen(share.part)})", f"sum({chosen(share.total)})")


def _lines(title: str, description: str, unit: str, rule: Rule, empty: str,
           maximum: float | None = None) -> Panel:
    return timeseries(title, description, unit, line(rule, BY_SERVICE), empty=empty,
                      maximum=maximum)


def _by_system(rank: float, description: str) -> Panel:
    return timeseries(f"Search by system, p{rank * 100:g}", description, "s",
                      Query(f"max {by((c.SYSTEM.name,))} ({chosen(searches.OF_SYSTEMS[rank])})",
                            "{{system}}"), empty=NO_SEARCH)


def of_limit(share: WeighedShare) -> str:
    """Against what is usual: above 1 it is more than chance and a little more explain."""
    return f"{chosen(share.now)} / {on(share.limit.labels)} {chosen(share.limit)}"


NOW = PanelRow("Now", (
    _tile("All searches", "Ended per second.", "ops", _SEARCHES, "no searches"),
    _tile("Without a document", "Share of searches in the last hour that found nothing, of those "
          "that tell.", "percentunit", _overall(shares.EMPTY), "not told"),
    _tile("p95 search", "95 % of searches took no longer, of the slowest application.", "s",
          f"max({chosen(searches.OF_SERVICES[0.95])})", "no searches"),
    _tile("Documents found", "On average, of the last 5 minutes.", "short",
          f"avg({chosen(searches.DOCUMENTS)})", "not told"),
    _tile("Order changed", "Of all pairs of documents that were reranked in the last hour, the "
          "share that changed places: 0 is a reranker that changes nothing.", "percentunit",
          _overall(shares.DISAGREEMENT), "no reranking"),
    _tile("First one changed", "Share of rerankings in the last hour after which another document "
          "came first, where it is largest.", "percentunit",
          f"max({chosen(searches.TOP_CHANGED)})", "no reranking"),
))
FOUND = PanelRow("What they find", (
    timeseries("Searches", "Ended per second: empty ones found nothing, and of unknown ones no "
               "span tells.", "ops",
               Query(f"sum {by((c.RESULT_OF_RETRIEVAL.name,))} ({chosen(searches.RESULTS)})",
                     "{{result}}"), stacked=True, empty=NO_SEARCH),
    _lines("Searches without a document", "Share over an hour, of those that tell: a rise is an "
           "index that lost its documents, a filter, or other questions.", "percentunit",
           shares.EMPTY.now, NOT_TOLD),
    _lines("Documents of a search", "On average: a fall comes before searches are empty.",
           "short", searches.DOCUMENTS, NOT_TOLD),
))
TIME = PanelRow("How long they take", (
    _by_system(0.5, "Half of the searches took no longer, of all applications."),
    _by_system(0.95, "95 % took no longer. One system that rises alone is the cause."),
    _lines("Search by application, p95", "All that it searches. Where it is above its system's, "
           "the application itself takes the time: embedding, filters.", "s",
           searches.OF_SERVICES[0.95], NO_SEARCH),
))
RERANKED = PanelRow("What reranking does to them", (
    _lines("Rerankings", "Per second.", "ops", searches.RERANKS, NO_RERANK),
    _lines("Changed order", "Share of pairs of documents that changed places, over an hour: near 0 "
           "the reranker is of no use, and half is as good as chance.", "percentunit",
           shares.DISAGREEMENT.now, NO_RERANK),
    _lines("Another document first", "Share of rerankings over an hour, of those that tell.",
           "percentunit", searches.TOP_CHANGED, NO_RERANK, maximum=1),
))
USUAL = PanelRow("Against the week before", (
    table("Searches and rerankings of each application", "Of the last hour, against its own week: "
          "÷ limit above 100 % is more than usual, and more than chance.",
          {"service_name": "Service", "cluster": "Cluster"}, [
        Field("Searches/s", f"sum {by(SERVICE)} ({chosen(searches.RESULTS)})", "short", width=90),
        Field("Empty", chosen(shares.EMPTY.now), "percentunit"),
        Field("Usually empty", chosen(shares.EMPTY.usual), "percentunit", width=80),
        Field("Empty ÷ limit", of_limit(shares.EMPTY), "percentunit", OF_LIMIT, width=80),
        Field("Order changed", chosen(shares.DISAGREEMENT.now), "percentunit", width=80),
        Field("Usually changed", chosen(shares.DISAGREEMENT.usual), "percentunit", width=80),
        Field("Changed ÷ limit", of_limit(shares.DISAGREEMENT), "percentunit", OF_LIMIT, width=80),
        Field("p95", chosen(searches.OF_SERVICES[0.95]), "s")],
        empty=NO_SEARCH, height=6, sort="Searches/s", links={"service_name": "rag"}),
))

BOARD = Board(
    "rag", "RAG",
    "Searches for documents, as applications' own spans tell them: found, how long, reranked.",
    ("cluster", c.SERVICE_NAME.name), (NOW, FOUND, TIME, RERANKED, USUAL))
