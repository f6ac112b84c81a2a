"""Searches, votes and unusable answers as they are recorded, and where the time of calls goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from inferometer import catalogue as c
from recording_rules import parts, searches, shares, votes
from tests.bundle.client_inputs import CALL, CALLER, GATEWAY, SECOND, calls, spoken
from tests.bundle.promtool import Series, growing, series
from tests.bundle.rule_cases import BOTH_VERSIONS, NOTHING, Case, cases, one, prove

SERVICE = {"service_name": CALL["service_name"]}
ANSWER = {**SERVICE, "model": CALL["model"]}
AT_SERVICE = {"cluster": "east", **SERVICE}
AT_ANSWER = {"cluster": "east", **ANSWER}
SECONDS = {"gateway": 3, "queue": 6, "prefill": 12, "decode": 60, "remainder": 9}


def counted(metric: c.Metric, a_minute: float, suffix: str = "",
            scrape: Mapping[str, str] = GATEWAY, /, **labels: str) -> Series:
    return series(metric, growing(a_minute, 120), scrape=scrape, suffix=suffix, **labels)


def searched(system: str, buckets: dict[str, float]) -> tuple[Series, ...]:
    most = max(buckets.values())
    return (*(counted(c.RETRIEVAL_DURATION, number, "_bucket", **SERVICE, system=system, le=bound)
              for bound, number in buckets.items()),
            counted(c.RETRIEVAL_DURATION, most, "_count", **SERVICE, system=system),
            counted(c.RETRIEVAL_DURATION, most / 20, "_sum", **SERVICE, system=system))


@BOTH_VERSIONS
@cases(
    Case("the parts of calls", (
        *(spoken(c.CLIENT_PART, growing(seconds, 60), part=part)
          for part, seconds in SECONDS.items()),
        spoken(c.CLIENT_DECOMPOSED, growing(30, 60))), {
        parts.SECONDS: [({**CALLER, "part": part}, seconds / 60)
                        for part, seconds in SECONDS.items()],
        parts.DECOMPOSED: one(0.5, **CALLER)}),
    Case("searches by what came", tuple(
        counted(c.RETRIEVALS, number, **SERVICE, result=result)
        for result, number in (("hit", 54), ("empty", 6), ("unknown", 30))), {
        searches.RESULTS: [({**AT_SERVICE, "result": "hit"}, 0.9),
                           ({**AT_SERVICE, "result": "empty"}, 0.1),
                           ({**AT_SERVICE, "result": "unknown"}, 0.5)],
        shares.EMPTY.now: one(0.1, **AT_SERVICE), shares.EMPTY.usual: NOTHING,
        shares.EMPTY.limit: NOTHING}, time="90m"),
    Case("searches of which none tells", (
        counted(c.RETRIEVALS, 0, **SERVICE, result="hit"),
        counted(c.RETRIEVALS, 0, **SERVICE, result="empty"),
        counted(c.RETRIEVALS, 30, **SERVICE, result="unknown")), {
        shares.EMPTY.now: NOTHING}, time="90m"),
    Case("searches of two systems", (
        *searched("qdrant", {"0.05": 30, "0.1": 60, "+Inf": 60}),
        *searched("redis", {"0.05": 60, "0.1": 60, "+Inf": 60})), {
        searches.OF_SYSTEMS[0.5]: [({"cluster": "east", "system": "qdrant"}, 0.05),
                                   ({"cluster": "east", "system": "redis"}, 0.025)],
        searches.OF_SERVICES[0.5]: one(0.05 * 60 / 90, **AT_SERVICE),
        searches.TIMED: one(2, **AT_SERVICE), searches.SECONDS: one(0.1, **AT_SERVICE)}),
    Case("documents and rerankings", (
        counted(c.RETRIEVED_DOCUMENTS, 30, "_count", **SERVICE),
        counted(c.RETRIEVED_DOCUMENTS, 120, "_sum", **SERVICE),
        counted(c.RERANK_DISAGREEMENT, 30, "_count", **SERVICE),
        counted(c.RERANK_DISAGREEMENT, 6, "_sum", **SERVICE),
        *(counted(c.RERANKS, number, **SERVICE, top_changed=changed)
          for changed, number in (("true", 9), ("false", 27), ("unknown", 24)))), {
        searches.DOCUMENTS: one(4, **AT_SERVICE), searches.RERANKS: one(1, **AT_SERVICE),
        searches.TOP_CHANGED: one(0.25, **AT_SERVICE),
        shares.DISAGREEMENT.now: one(0.2, **AT_SERVICE)}, time="90m"),
    Case("votes at two gateways", tuple(
        counted(c.FEEDBACK, number, "", scrape, **ANSWER, kind=kind)
        for scrape in (GATEWAY, SECOND)
        for kind, number in (("thumbs_up", 3), ("thumbs_down", 1), ("regenerate", 2))), {
        votes.VOTES: [({**AT_ANSWER, "kind": kind}, number) for kind, number in (
            ("thumbs_up", 360), ("thumbs_down", 120), ("regenerate", 240))],
        shares.THUMBS_DOWN.now: one(0.25, **AT_ANSWER)}, time="90m"),
    Case("answers that nobody can use", (
        calls("success", growing(60, 120)), calls("error", growing(60, 120)),
        counted(c.FEEDBACK, 3, **ANSWER, kind="regenerate"),
        counted(c.FEEDBACK, 6, **ANSWER, kind="copy"),
        counted(c.REFUSALS, 2, **ANSWER, source="phrase"),
        counted(c.REFUSALS, 1, **ANSWER, source="provider"),
        counted(c.PARSE_CHECKS, 10, **ANSWER, kind="json"),
        counted(c.PARSE_FAILURES, 1, **ANSWER, kind="json")), {
        shares.REGENERATED.now: one(0.05, **AT_ANSWER), votes.COPIED: one(0.1, **AT_ANSWER),
        shares.REFUSALS.now: one(0.05, **AT_ANSWER),
        shares.PARSE_FAILURES.now: one(0.1, **AT_ANSWER),
        votes.UNREADABLE: one(60, **AT_ANSWER, kind="json"),
        votes.REFUSALS: [({**AT_ANSWER, "source": "phrase"}, 120),
                         ({**AT_ANSWER, "source": "provider"}, 60)]}, time="90m"),
    Case("the same ratio at two gateways of a ledger", tuple(
        series(c.FEEDBACK_RATIO, "0.8x60", scrape=scrape, **ANSWER, kind="satisfaction")
        for scrape in (GATEWAY, SECOND)), {
        votes.RATIO: one(0.8, **AT_ANSWER, kind="satisfaction")}),
    Case("conversations and votes whose call never came", (
        *(counted(c.CONVERSATION_TURNS, number, "_bucket", **SERVICE, le=bound)
          for bound, number in (("2.0", 30), ("4.0", 60), ("+Inf", 60))),
        counted(c.FEEDBACK_UNMATCHED, 0.5)), {
        votes.TURNS[0.5]: one(2, **AT_SERVICE), votes.UNMATCHED: one(30, cluster="east")},
        time="90m"),
)
def test_what_is_recorded(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)
