"""Searches of applications for documents: how many, how long, and what comes of reranking them.

How long they take is by what is searched, of all applications, and by application, of all that it
searches: both at once would be more series than all else that is recorded of them.
"""

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.agents import SERVICE
from recording_rules.model import Group, Rule
from recording_rules.promql import FLEET, HOUR, any_of, quantile, rate, ratio

SYSTEM = (*FLEET, c.SYSTEM.name)
_DURATION, _DOCUMENTS = c.RETRIEVAL_DURATION, c.RETRIEVED_DOCUMENTS

RESULTS = Rule(
    "client:rag_retrievals:rate5m", rate((*SERVICE, c.RESULT_OF_RETRIEVAL.name), c.RETRIEVALS),
    (*SERVICE, c.RESULT_OF_RETRIEVAL.name), "Searches for documents, per second, by what came.")
SECONDS, TIMED = (Rule(
    f"client:{_DURATION.name}:{name}_rate5m", rate(SERVICE, f"{_DURATION.name}_{name}"), SERVICE,
    text) for name, text in (("sum", "Time spent in searches, in seconds per second."),
                             ("count", "Searches whose time is known, per second.")))

RERANK_SECONDS, RERANK_TIMED = (Rule(
    f"client:{c.RERANK_DURATION.name}:{name}_rate5m",
    rate(SERVICE, f"{c.RERANK_DURATION.name}_{name}"), SERVICE, text)
    for name, text in (("sum", "Time spent in rerankings, in seconds per second."),
                       ("count", "Rerankings whose time is known, per second.")))


def _quantile(level: tuple[str, ...], name: str, rank: float) -> Rule:
    return Rule(
        f"{name}:{_DURATION.name}:p{round(rank * 100)}_5m", quantile(level, _DURATION, rank, "5m"),
        level, f"{_DURATION.help.partition(':')[0]}: {rank * 100:g} % took no longer. Absent "
               "without any.")


OF_SYSTEMS = {rank: _quantile(SYSTEM, "fleet", rank) for rank in (0.5, 0.95)}
OF_SERVICES = {rank: _quantile(SERVICE, "client", rank) for rank in (0.5, 0.95)}


def _mean(metric: Metric) -> str:
    sums, counts = (rate(SERVICE, f"{metric.name}_{part}") for part in ("sum", "count"))
    return ratio(sums, counts)


DOCUMENTS = Rule(
    f"client:{_DOCUMENTS.name}:mean_5m", _mean(_DOCUMENTS), SERVICE,
    "Documents that a search came back with, on average. Absent without any that tells.")
RERANKS = Rule("client:rag_reranks:rate5m", rate(SERVICE, c.RERANKS), SERVICE,
               "Rerankings per second.")
TOP_CHANGED = Rule(
    "client:rag_reranks_top_changed:ratio_1h", ratio(
        rate(SERVICE, c.RERANKS, any_of(c.TOP_CHANGED, "true"), window=HOUR),
        rate(SERVICE, c.RERANKS, any_of(c.TOP_CHANGED, "true", "false"), window=HOUR)), SERVICE,
    "Share of rerankings, of those that tell, after which another document came first. Over an "
    "hour; absent without any.")

GROUPS = (Group("inferometer-searches", (
    RESULTS, SECONDS, TIMED, RERANK_SECONDS, RERANK_TIMED, *OF_SYSTEMS.values(),
    *OF_SERVICES.values(), DOCUMENTS, RERANKS,
    TOP_CHANGED)),)
